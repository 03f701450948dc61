"""The recipe of the embedded priors: render cats, pre-train the mapping, regress their pictures, keep the average.

Everything that is drawn follows from (seed, step), so a run that was stopped and started again equals one that was
not, bitwise on one machine. The state file is the only truth and is replaced atomically. With `minutes` instead of
`steps` the learning rate follows the clock: then a run ends on time but is not repeatable to the bit.

Several workers divide each batch and average their gradients: on small CPUs two single-threaded processes are faster
than two threads.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from gpk.camera import Camera
from gpk.errors import RunError
from gpk.generator import Render
from gpk.precision import flush_denormals
from gpk_minicat.store import load_tensors, save_tensors
from gpk_prior.learning import MOMENTS
from gpk_prior.pictures import SIZE, Pictures, render_shard
from gpk_prior.prior import Prior, face_weight
from gpk_prior.prior_3d import PRIOR_3D
from gpk_tasks.tensors import load_moments, moments_of, under


@dataclass(frozen=True)
class Recipe:
    """What determines a run: how many pictures, how long, how fast."""

    shards: int = 32
    steps: int = 20_000
    minutes: float | None = None
    batch: int = 8
    mapping_steps: int = 5_000
    rate: float = 4e-3
    warmup: int = 100
    average: float = 0.998
    save_every: int = 200
    seed: int = 0
    workers: int = 1
    bfloat16: bool = False
    compiled: bool = False


DRAWING = ("shards", "batch", "mapping_steps", "seed")
"""What may not change when a run goes on."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: the share that is done, seconds that are left, and the loss by terms."""

    step: int
    done: float
    seconds_left: float
    terms: dict[str, float]


def train(
    work: Path,
    recipe: Recipe = Recipe(),
    *,
    prior: Prior = PRIOR_3D,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Train `prior` in the folder `work`, or go on with what is there, and return the path of its state file.

    The shards of pictures come first and are rendered once. `gpk_prior.export` makes the weights file from the state.
    With several workers `prior` and `progress` are pickled. Raises RunError where `work` holds a run of another
    recipe; the budget, the number of workers and the precision may change.
    """
    work.mkdir(parents=True, exist_ok=True)
    for index in range(recipe.shards):
        render_shard(work, recipe.seed, index)
        if progress is not None:
            progress(Progress(0, 0.0, math.nan, {"shard": float(index)}))
    if recipe.workers == 1:
        _work(0, work, recipe, prior, "", progress)
    else:
        with tempfile.TemporaryDirectory() as folder:
            meeting = f"file://{folder}/meeting"
            spawn(_work, (work, recipe, prior, meeting, progress), nprocs=recipe.workers)
    return work / prior.state


class Trainer:
    """The generator, its running average and its optimizer; `step(i)` depends on nothing else but i and the recipe."""

    def __init__(self, recipe: Recipe, pictures: Pictures, *, prior: Prior = PRIOR_3D, rank: int = 0) -> None:
        self.recipe, self.pictures, self.prior, self.rank = recipe, pictures, prior, rank
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(recipe.seed)
            self.generator, self.average = prior.build(), prior.build()
        if recipe.bfloat16:
            self.generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(self.generator.parameters(), lr=recipe.rate, betas=(0.9, 0.99))
        self.show: Callable[[Tensor, Camera], Render] = (
            torch.compile(self._show, dynamic=False) if recipe.compiled else self._show
        )
        self.at, self.seconds = 0, 0.0

    @property
    def done(self) -> float:
        """The share of the run that is done, by steps or by the clock, whichever is further."""
        clock = self.seconds / (60 * self.recipe.minutes) if self.recipe.minutes else 0.0
        return max(self.at / self.recipe.steps, clock)

    def begin(self) -> None:
        """Pre-train the mapping: w must tell what z means to a linear layer, which is then thrown away."""
        rng = torch.Generator().manual_seed(self.recipe.seed)
        generator, width = self.generator, self.generator.latent.z_dim
        mapping = [generator.get_parameter(site.key) for site in generator.sites() if site.part == "mapping"]
        head = nn.Linear(generator.latent.w_dim, width)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        optimizer = torch.optim.Adam([*mapping, *head.parameters()], lr=1e-2, betas=(0.9, 0.99))
        for i in range(self.recipe.mapping_steps):
            optimizer.param_groups[0]["lr"] = (
                1e-2 * 0.5 * (1 + math.cos(math.pi * i / self.recipe.mapping_steps)) + 1e-5
            )
            z = torch.randn(256, width, generator=rng)
            off = (head(generator.mapping(z)[:, 0]) - self.prior.meaning(z)).square().mean()
            optimizer.zero_grad()
            off.backward()
            optimizer.step()
        self.average.load_state_dict(self.generator.state_dict())

    def step(self) -> dict[str, float]:
        """One step on the batch that belongs to this position."""
        recipe, started = self.recipe, time.monotonic()
        rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + self.at)
        batch = self.pictures.batch(recipe.batch, rng, share=slice(self.rank, None, recipe.workers))
        weight = face_weight(batch.params, batch.camera, SIZE)
        terms = self.prior.loss(self.show(self.prior.noise(batch), batch.camera), batch, weight)
        self.optimizer.zero_grad()
        cast(Tensor, sum(terms.values())).backward()
        if recipe.workers > 1:
            self._agree()
        rate = (
            recipe.rate
            * min(1.0, (self.at + 1) / recipe.warmup)
            * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * min(1.0, self.done))))
        )
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        decay = min(recipe.average, (1 + self.at) / (10 + self.at))
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        self.at += 1
        self.seconds += time.monotonic() - started
        return {name: value.item() for name, value in terms.items()}

    def save(self, path: Path) -> None:
        """Write the state: weights, average, optimizer moments, position."""
        tensors = {f"now.{k}": v for k, v in self.generator.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        tensors |= moments_of(self.optimizer, MOMENTS)
        note = {
            "step": self.at,
            "seconds": self.seconds,
            "recipe": dataclasses.asdict(self.recipe),
            "config": dataclasses.asdict(self.prior.config),
        }
        save_tensors(path, tensors, note)

    def load(self, path: Path) -> None:
        """Go on from a state that `save` wrote; raises RunError where its recipe draws other pictures."""
        tensors, note = load_tensors(path)
        for name in DRAWING:
            if note["recipe"][name] != getattr(self.recipe, name):
                raise RunError(
                    f"{path} is of a run with {name} {note['recipe'][name]}, not {getattr(self.recipe, name)}: "
                    "choose another folder, or the same settings"
                )
        self.generator.load_state_dict(under("now.", tensors))
        self.average.load_state_dict(under("average.", tensors))
        load_moments(self.optimizer, tensors, MOMENTS)
        self.at, self.seconds = note["step"], note["seconds"]

    def _show(self, z: Tensor, camera: Camera) -> Render:
        return self.prior.show(self.generator, z, camera, bfloat16=self.recipe.bfloat16)

    def _agree(self) -> None:
        gradients = [p.grad for p in self.generator.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients] + [torch.tensor([self.seconds])])
        torch.distributed.all_reduce(flat)
        flat /= self.recipe.workers
        for gradient, part in zip(gradients, flat[:-1].split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
        self.seconds = flat[-1].item()  # every worker must read the same clock, or their learning rates part


def _work(
    rank: int,
    work: Path,
    recipe: Recipe,
    prior: Prior,
    meeting: str,
    progress: Callable[[Progress], None] | None,
) -> None:
    """One worker's whole run; the first one reports and saves."""
    flush_denormals()
    if recipe.workers > 1:
        torch.set_num_threads(1)
        torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=recipe.workers)
    state = work / prior.state
    # The last shard is for validation only.
    paths = [render_shard(work, recipe.seed, i) for i in range(max(1, recipe.shards - 1))]
    trainer = Trainer(recipe, Pictures(paths), prior=prior, rank=rank)
    if state.exists():
        trainer.load(state)
    else:
        trainer.begin()
    while trainer.done < 1:
        terms = trainer.step()
        if rank == 0 and progress is not None:
            left = trainer.seconds * (1 / trainer.done - 1)
            progress(Progress(trainer.at, trainer.done, left, terms))
        if rank == 0 and (trainer.at % recipe.save_every == 0 or trainer.done >= 1):
            trainer.save(state)
    if recipe.workers > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
