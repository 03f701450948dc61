"""Teaches the field its birds: python train.py [STEPS]. One thread, nothing but this folder; the weights are its own.

Supervised: random birds, seen along random rays by `gpk_birds.bird`, which is exact, and by the field; the loss is the
mean square of what differs in colour and in whether something was met, and where both meet, in distance.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from gpk_birds.bird import ellipsoids, rendered
from gpk_birds.field import Field
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

BIRDS, RAYS, RATE = 32, 32, 3e-3
WEIGHTS = Path(__file__).parent / "gpk_birds" / "birds.safetensors"


def rays(field: Field, z: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """RAYS rays for each bird of z [B, D], from one place each: three quarters towards its parts, the rest anywhere."""
    aside = torch.rand(len(z), generator=rng) * 2 - 1
    around = torch.rand(len(z), generator=rng) < 0.25
    camera = field.orbit(aside * torch.where(around, torch.pi, 1.2), torch.rand(len(z), generator=rng) * 0.9 - 0.45)
    centres, radii, _, _ = ellipsoids(z)
    which = torch.randint(centres.shape[1], (len(z), 3 * RAYS // 4), generator=rng)
    rows = torch.arange(len(z))[:, None]
    parts = centres[rows, which] + radii[rows, which] * torch.randn(*which.shape, 3, generator=rng) * 0.7
    anywhere = (torch.rand(len(z), RAYS - which.shape[1], 3, generator=rng) - 0.5) * 0.6
    origins = camera.pose[:, None, :3, 3]
    directions = F.normalize(torch.cat([parts, anywhere], 1) - origins, dim=-1)
    return origins.expand_as(directions), directions


def train(steps: int) -> None:
    """Trains for `steps` steps and writes the weights."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    field = Field()
    adam = torch.optim.Adam(field.parameters(), RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=steps, pct_start=0.05)
    start, mean = time.perf_counter(), 0.0
    for step in range(steps):
        z = torch.randn(BIRDS, field.latent.z_dim, generator=rng)
        origins, directions = rays(field, z, rng)
        colour, hit, distance = rendered(z, origins, directions)
        mine, met, far = field.along(field.mapping(z), origins, directions, rng)
        squares = (mine - colour).square().mean()
        off = (far - distance)[hit].square().mean() * 10
        loss = squares + (met - hit.float()).square().mean() + off
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
        mean = 0.98 * mean + 0.02 * squares.item()
        if step % 250 == 249:
            taken = time.perf_counter() - start
            print(f"step {step + 1}: squares {mean / (1 - 0.98 ** (step + 1)):.4f}, {taken:.0f} s", flush=True)
    save_file({name: tensor.detach() for name, tensor in field.state_dict().items()}, WEIGHTS)


if __name__ == "__main__":
    train(int(sys.argv[1]) if len(sys.argv) > 1 else 4500)
