r"""Inversion: the album's photos into anchors in W (or W+), all photos of a batch at once.

Every photo has a w of its own, so one batch is many independent descents through the frozen generator, as many photos
at once as memory allows; the mapping's conditioning camera is the frontal one throughout, or identity would drift with
pose. After StyleGAN2's projector (Karras et al., 2020, appendix D).

Shapes: N photos, B photos in a batch, L latent layers, D latent width.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.album import Album
from gpk.context import Context
from gpk.generator import Noise
from gpk.latents import LatentStatistics, latent_statistics
from gpk.loss import Loss, Reconstruction
from gpk.seeding import seeded
from gpk_tasks.descent import Descent, Figures, State, Tick, backward_of_sum, figures_of
from gpk_tasks.keeping import within
from gpk_tasks.memory import photos_at_once
from gpk_tasks.personalize.settings import Inversion
from gpk_tasks.personalize.starts import best_starts
from gpk_tasks.renders import shrunk

DRAWS = 512
BEGIN = "inversion: {{draws: {}}} in --config (run invert: --draws), to begin at the best of so many random codes"
"""What to try where the descent stands still."""


def find_codes(
    context: Context,
    settings: Inversion,
    *,
    seed: int = 0,
    memory: float | None = None,
    start: State | None = None,
    tick: Tick = lambda state: None,
) -> Tensor:
    """Anchors [N, D], or [N, L, D] in W+, of the context's album.

    `memory` is what a step may take, in GiB. `tick` is called after every step with a function that gives the state;
    `start` is such a state, to go on from. Raises RecipeError where the descent diverges or stands still.
    """
    album, generator, s = context.album, context.generator, settings
    statistics = latent_statistics(generator, seed=seed)
    layers = generator.latent.num_ws if s.space == "w+" else 1
    anchors, first = statistics.mean.expand(len(album), layers, -1).clone(), 0
    at_once: int | None = None
    draws = context.backend.draws if s.draws is None else s.draws
    if start is not None:
        anchors, first = start[0]["anchors"].to(anchors), int(start[1]["batch"])
    elif draws:
        best = best_starts(context, statistics.mean, s, draws=draws, seed=seed, memory=memory)
        anchors = best[:, None].expand_as(anchors).clone()
    batches = [slice(begin, begin + s.batch) for begin in range(0, len(album), s.batch)]
    for number in range(first, len(batches)):
        rows = batches[number]
        batch = _Batch(context, album[rows], statistics, s, anchors[rows], seed=seed, number=number)
        descent = Descent(
            {"free": batch.free, **{f"noise.{name}": m for name, m in batch.maps.items()}},
            [([batch.free, *batch.maps.values()], s.lr)],
            steps=s.steps,
            stage="inversion",
            elsewhere=BEGIN.format(max(DRAWS, 4 * draws)),
            warmup=s.warmup,
            decay=s.decay,
        )
        if at_once is None:  # every photo keeps as much
            at_once = photos_at_once(batch.first_loss, generator, memory, most=min(s.batch, len(album)))
        if start is not None and number == first:
            descent.load(start)

        def tell(done: int, figures: Figures, number: int = number) -> None:
            context.logger.progress("anchors", number * s.steps + done, s.steps * len(batches), figures)
            if done == 1 or done % 20 == 0 or done == s.steps:  # the first, which tells how far the loss fell
                context.logger.record("invert", {"batch": number, "step": done, **figures})

        descent.run(
            partial(batch.backward, at_once=at_once),
            tell=tell,
            tick=within(tick, {"anchors": anchors}, stage="invert", batch=number),
            after=batch.whiten_maps,
        )
        anchors[rows] = batch.w(0.0, None).detach()[:, :layers]
    return anchors if s.space == "w+" else anchors[:, 0]


class _Batch:
    """Photos on their way to w together, from `codes` [B, L, D] on: free coordinates, and noise maps where they are
    fitted.
    """

    def __init__(
        self,
        context: Context,
        photos: Album,
        statistics: LatentStatistics,
        settings: Inversion,
        codes: Tensor,
        *,
        seed: int,
        number: int,
    ) -> None:
        self.generator, self.cameras = context.generator, photos.cameras
        self.statistics, self.settings = statistics, settings
        self.seed, self.number = seed, number
        self.num_ws = self.generator.latent.num_ws
        count = len(photos)
        self.reconstruction = Reconstruction(
            photos.photos, context.distance, l2=settings.l2, perceptual=settings.perceptual, masks=photos.masks
        )
        self.free = (codes - statistics.mean if not settings.whiten else statistics.round(codes)).requires_grad_()
        maps = self.generator.noise_maps() if settings.noise == "regularised" else {}
        self.maps = {
            name: m.detach().float().expand(count, 1, *m.shape[-2:]).clone().requires_grad_()
            for name, m in maps.items()
        }

    def w(self, jitter: float, rng: torch.Generator | None) -> Tensor:
        """The batch's w [B, num_ws, D]."""
        place = self.statistics.place if self.settings.whiten else lambda free: self.statistics.mean + free
        w = place(self.free)
        if jitter and rng is not None:
            per_number = self.statistics.spread / w.shape[-1] ** 0.5
            w = w + jitter * per_number * torch.randn(w.shape, generator=rng).to(w)
        return w.expand(-1, self.num_ws, -1)

    def loss(self, w: Tensor, rows: slice) -> Loss:
        """Eq. 1 for `rows` of the batch, whose latents are `w` [B, L, D]."""
        noise: Noise = {name: m[rows] for name, m in self.maps.items()} or "const"
        render = self.generator(w, None if self.cameras is None else self.cameras[rows], noise=noise)
        return self.reconstruction(shrunk(render, self.settings.side), rows)

    def regularity(self) -> Tensor:
        """How far the batch is from the mean w and from its own mean, weighted, summed over the photos; a scalar."""
        s = self.settings
        around = self.free - self.free.mean(0)
        return (s.pull * self.free.square() + s.cohesion * around.square()).mean((1, 2)).sum()

    def first_loss(self) -> Tensor:
        """The first photo's loss, where the descent stands."""
        return self.loss(self.w(0.0, None)[:1], slice(0, 1)).total

    def backward(self, step: int, *, at_once: int) -> dict[str, float]:
        """Leaves the gradients of a step, the photos rendered `at_once`; returns the batch's mean figures."""
        s = self.settings
        jitter = s.jitter * max(0.0, 1 - step / s.steps / 0.75) ** 2
        w = self.w(jitter, seeded(self.seed, "invert", self.number, step))
        losses = backward_of_sum(w, self.loss, at_once=at_once)
        if s.pull or s.cohesion:
            self.regularity().backward()
        if self.maps:
            (s.noise_weight * whiteness(self.maps)).backward()
        return figures_of(losses, stage="inversion", step=step, remedy="a lower inversion: {lr: …} in --config")

    def whiten_maps(self) -> None:
        """Brings the noise maps back to mean 0 and variance 1."""
        for m in self.maps.values():
            m.sub_(m.mean((2, 3), keepdim=True)).mul_(m.square().mean((2, 3), keepdim=True).rsqrt())


def whiteness(maps: Mapping[str, Tensor]) -> Tensor:
    """How far noise maps are from white: squared autocorrelation at lag 1, on every octave down to 8 x 8, a scalar."""
    total = torch.zeros(())
    for m in maps.values():
        while m.shape[-1] > 4:
            for axis in (2, 3):
                total = total.to(m) + (m * m.roll(1, axis)).mean((1, 2, 3)).square().sum()
            m = F.avg_pool2d(m, 2) * 2
    return total
