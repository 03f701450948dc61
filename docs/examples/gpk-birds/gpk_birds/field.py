r"""A conditional radiance field of the GRAF kind: what is at a point, for a code, and what a ray sees of it.

    sigma, h = D(gamma(x), z_s)        colour = C(h, z_a)        gamma(x) = (x, sin(2^k pi x), cos(2^k pi x)), k < 5

Two multilayer perceptrons (Schwarz et al., 2020, arXiv 2007.02442); the codes of shape z_s and appearance z_a stand
beside their input and nowhere else. Colours are the same from all sides: the paper's viewing direction is left out,
for the light here is fixed to the world. Rays are summed as in Mildenhall et al., 2020 (arXiv 2003.08934),
alpha_i = 1 - exp(-sigma_i delta), over a dark ground.

Shapes: B batch, D = 16 width of a code, P points of a picture, R image side, N samples along a ray, H hidden width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.camera import Camera
from gpk.errors import InputError
from gpk.generator import Generator, LatentSpace, Noise, Render, Site
from gpk.solid import Matter, Solid

SHAPE, APPEARANCE = 8, 8
"""How many numbers of a code are of the shape; the rest are of the appearance."""

REACH = 0.32
"""Birds are within this distance of the world's origin, the camera's rays beyond it see nothing."""

RADIUS, FOCAL = 2.7, 5.2
GROUND = -0.8
BANDS = 5


def encoded(x: Tensor) -> Tensor:
    """gamma(x): points [..., 3] in units of REACH → [..., 3 + 6 * BANDS]."""
    angle = (x[..., None, :] * (math.pi * 2.0 ** torch.arange(BANDS, device=x.device, dtype=x.dtype)[:, None])).flatten(
        -2
    )
    return torch.cat([x, angle.sin(), angle.cos()], -1)


@final
class Field(Generator):
    """A field of `hidden` units, seen on `side` x `side` pixels by `samples` samples along each ray."""

    def __init__(self, *, side: int = 48, samples: int = 16, hidden: int = 64) -> None:
        super().__init__()
        self.latent = LatentSpace(z_dim=SHAPE + APPEARANCE, w_dim=SHAPE + APPEARANCE, num_ws=2)
        self.resolution = side
        self.samples = samples
        widths = [3 + 6 * BANDS + SHAPE, hidden, hidden, hidden]
        self.density = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, [*widths[1:], 1 + hidden], strict=True))
        self.colour = nn.ModuleList([nn.Linear(hidden + APPEARANCE, hidden), nn.Linear(hidden, 3)])

    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """w [B, 2, D] is z twice: the first is asked for the shape, the second for the appearance. The mean is 0."""
        pulled = [truncation if cutoff is None or layer < cutoff else 1.0 for layer in range(2)]
        return z[:, None] * z.new_tensor(pulled)[:, None]

    def at(self, w: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Density [B, P, 1] per world unit and colour [B, P, 3] in [-1, 1] at points [B, P, 3] for codes [B, 2, D]."""
        shape, appearance = w[:, 0, None, :SHAPE], w[:, 1, None, SHAPE:]
        h = torch.cat([encoded(points / REACH), shape.expand(-1, points.shape[1], -1)], -1)
        *layers, widest = self.layers("density")
        for layer in layers:
            h = F.relu(layer(h))
        sigma, h = widest(h).split([1, widest.out_features - 1], -1)
        first, last = self.layers("colour")
        c = last(F.relu(first(torch.cat([F.relu(h), appearance.expand(-1, points.shape[1], -1)], -1))))
        return F.softplus(20 * sigma), c.sigmoid() * 2.002 - 1.001

    def along(
        self, w: Tensor, origins: Tensor, directions: Tensor, rng: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What rays [B, P, 3] see of w [B, 2, D]: colours [B, P, 3], how much was met [B, P] and how far off [B, P]."""
        n = self.samples
        middle = -(origins * directions).sum(-1)  # [B, P]: where the ray is nearest to the world's origin
        half = (REACH**2 - (origins + middle[..., None] * directions).square().sum(-1)).clamp(min=0).sqrt()
        offset = (torch.arange(n, device=w.device, dtype=w.dtype) + 0.5).expand(*middle.shape, n)
        if rng is not None:
            offset = offset + torch.rand(offset.shape, generator=rng, device=w.device, dtype=w.dtype) - 0.5
        t = middle[..., None] + half[..., None] * (offset * (2 / n) - 1)  # [B, P, N], along the chord of the ball
        points = origins[:, :, None] + t[..., None] * directions[:, :, None]
        sigma, colour = self.at(w, points.flatten(1, 2))
        optical = sigma.unflatten(1, (-1, n))[..., 0] * (half * (2 / n))[..., None]
        weight = (optical - optical.cumsum(-1)).exp() * (1 - (-optical).exp())  # [B, P, N]
        met = weight.sum(-1)
        seen = (weight[..., None] * colour.unflatten(1, (-1, n))).sum(2) + (1 - met[..., None]) * GROUND
        far = middle + half
        return seen, met, (weight * t).sum(-1) + (1 - met) * far

    def forward(
        self, w: Tensor, camera: Camera | None = None, *, noise: Noise = "const", rng: torch.Generator | None = None
    ) -> Render:
        """The view [B, 3, R, R] of w [B, 2, D]; samples are jittered by `rng`. There is no noise."""
        camera = (camera or self.frontal()).to(w.device, w.dtype)
        origins, directions = (rays.expand(w.shape[0], -1, -1) for rays in camera.rays(self.resolution))
        seen, _, depth = self.along(w, origins, directions, rng)
        side = (self.resolution, self.resolution)
        return Render(seen.mT.unflatten(2, side), depth=depth[:, None].unflatten(2, side))

    def orbit(self, yaw: Tensor | float = 0.0, pitch: Tensor | float = 0.0) -> Camera:
        """Cameras around the bird, which looks to +z."""
        like = next(self.parameters())
        return Camera.orbit(yaw, pitch, radius=RADIUS, focal=FOCAL).to(like.device, like.dtype)

    def frontal(self, batch: int = 1) -> Camera:
        """The camera in front."""
        return self.orbit().expand(batch)

    def solid(self, w: Tensor) -> Solid:
        """The bird of one code [1, 2, D]."""

        def at(points: Tensor) -> Matter:
            sigma, colour = self.at(w, points[None])
            return Matter(sigma[0, :, 0] * (points.norm(dim=-1) < REACH), colour[0])

        return Solid(at, w.new_tensor([[-REACH] * 3, [REACH] * 3]))

    @property
    def depth_samples(self) -> int:
        """Samples along each ray."""
        return self.samples

    @contextmanager
    def finer(self, times: int) -> Iterator[Self]:
        """With `times` as many samples inside the block."""
        if times < 1:
            raise InputError(f"samples times {times} are none; give 1 or more")
        samples, self.samples = self.samples, self.samples * times
        try:
            yield self
        finally:
            self.samples = samples

    def layers(self, part: str) -> list[nn.Linear]:
        """The layers of one of the perceptrons."""
        return [layer for layer in self.get_submodule(part).children() if isinstance(layer, nn.Linear)]

    def sites(self) -> tuple[Site, ...]:
        """Every layer of both perceptrons."""
        sites: list[Site] = []
        for part in ("density", "colour"):
            for index in range(len(self.layers(part))):
                sites.append(Site(f"{part}.{index}", "linear", part, 0))
                sites.append(Site(f"{part}.{index}", "bias", part, 0, "bias"))
        return tuple(sites)
