r"""Pivotal tuning: the generator's weights fitted to a photo around its code, which stays.

    L = d(G(w), x) + mean((G(w) - x)^2) + locality * L_R
    w_r = w + alpha (w_z - w) / |w_z - w|,  L_R the same two terms between G(w_r) and the untuned G's picture of w_r

After Roich et al. (2021, arXiv 2106.05744, section 3): Adam at 3e-4, at most 350 steps, fewer where LPIPS has fallen
to 0.06. L_R keeps what lies around the pivot as it was. What is tuned is a persona of its own on top of the
generator as it is: neither the generator nor a persona that it carries is changed.

Shapes: N photos, B photos in a part of a step, L latent layers, D latent width.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.func import functional_call

from gpk.album import Album
from gpk.attach import attached, merged
from gpk.context import Context
from gpk.generator import Generator, Render
from gpk.loss import Loss, Reconstruction
from gpk.persona import Persona
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk_tasks.checks import above_zero, at_least
from gpk_tasks.descent import Descent, Figures, State, Tick, backward_of_mean, figures_of
from gpk_tasks.keeping import within
from gpk_tasks.memory import photos_at_once
from gpk_tasks.rates import groups

RECIPES = {
    "whole": Recipe(parts={"mapping": "frozen", "backbone": "whole", "decoder": "whole", "superres": "whole"}),
    "lora": Recipe(
        layout="flat", parts={"mapping": "frozen", "backbone": "adapt", "decoder": "whole", "superres": "adapt"}
    ),
}
"""What is tuned: every weight that w reaches, as PTI does, or a low rank of it."""
RATES = {"whole": 3e-4, "lora": 5e-3}
"""Adam's rate: PTI's, and for the low rank one that reaches as far in as many steps on the embedded prior."""

LPIPS_STOP = 0.06
"""Where PTI stops."""


@dataclass(frozen=True)
class Pivoting:
    """How the weights are tuned; the defaults are the paper's, the locality term off.

    `lr` is RATES' where None. `stop` ends the tuning where the distance, the mean over the levels of the pyramid, has
    come down to it: LPIPS_STOP where None and the backend's distance is an LPIPS, never with another. `locality` weighs
    both terms of L_R (0.1 in the paper), `reach` is its alpha, in units of w. Raises RecipeError for a number out of
    range.
    """

    steps: int = 350
    recipe: Literal["whole", "lora"] = "whole"
    rank: int = 1
    lr: float | None = None
    stop: float | None = None
    l2: float = 1.0
    perceptual: float = 1.0
    locality: float = 0.0
    reach: float = 30.0

    def __post_init__(self) -> None:
        own = "{} of pivotal tuning"
        at_least(self, 0, "steps", "stop", "l2", "perceptual", "locality", spelled=own)
        above_zero(self, "lr", "reach", spelled=own)

    @property
    def rate(self) -> float:
        """Adam's rate."""
        return RATES[self.recipe] if self.lr is None else self.lr


def pivotal(
    context: Context,
    pivots: Tensor,
    album: Album,
    settings: Pivoting,
    *,
    seed: int = 0,
    memory: float | None = None,
    stage: str = "pivotal tuning",
    start: State | None = None,
    tick: Tick = lambda state: None,
) -> Persona:
    """What the weights of the generator, as it is now, must become for `pivots` [N, L, D] to show the album's photos.

    The generator is afterwards as it was before. To use the result: `with merged(generator), attached(generator, it)`.
    `memory` is what a step may take, in GiB; `stage` names the progress. `tick` is called after every step with a
    function that gives the state; `start` is such a state, to go on from. Raises RecipeError where the descent
    diverges or stands still.
    """
    s, cameras, count = settings, album.cameras, len(album)
    stop = LPIPS_STOP if s.stop is None and context.backend.distance.startswith("lpips") else s.stop
    reconstruction = Reconstruction(album.photos, context.distance, l2=s.l2, perceptual=s.perceptual, masks=album.masks)
    levels = 1

    def loss(rows: slice) -> Loss:
        nonlocal levels
        render = context.generator(pivots[rows], None if cameras is None else cameras[rows])
        levels = len(render.pyramid)
        return reconstruction(render, rows)

    def backward(step: int) -> Figures | None:
        losses = backward_of_mean(loss, count, at_once=at_once)
        figures = figures_of(losses, stage=stage, step=step, remedy="a lower rate")
        if stop is not None and figures["perceptual"] / levels <= stop:
            tell(s.steps, figures)
            return None
        if s.locality:
            (s.locality * _drift(context, pivots, album, s, seed=seed, step=step)).backward()
        return figures

    def tell(done: int, figures: Figures) -> None:
        context.logger.progress(stage, done, s.steps, figures)

    with merged(context.generator) as generator:
        recipe = dataclasses.replace(RECIPES[s.recipe], rank=s.rank)
        there = dataclasses.replace(context, album=album)
        persona = there.untrained(recipe, pivots, rng=seeded(seed, "pivotal"))
        rated = groups(generator, persona, lora=s.rate, offset=s.rate, decoder=s.rate)
        descent = Descent(
            dict(persona.named_parameters()),
            rated,
            steps=s.steps,
            stage=stage,
            elsewhere="other codes, or a higher rate",
        )
        if start is not None:
            descent.load(start)
        fixed = {"anchors": persona.anchors, "anchor_cameras": persona.cameras}
        with attached(generator, persona):
            one = slice(0, 1)
            at_once = photos_at_once(lambda: loss(one).total, generator, memory, most=count, tuned=persona.numbers)
            descent.run(backward, tell=tell, tick=within(tick, fixed))
    persona.origin = dataclasses.replace(persona.origin, images_seen=descent.done * count)
    return persona


def _drift(context: Context, pivots: Tensor, album: Album, s: Pivoting, *, seed: int, step: int) -> Tensor:
    """L_R at one random code near one of the pivots, each in its turn; a scalar."""
    generator, index = context.generator, step % len(pivots)
    pivot, camera = pivots[index : index + 1], None if album.cameras is None else album.cameras[index]
    z = torch.randn(1, generator.latent.z_dim, generator=seeded(seed, "locality", step)).to(pivot)
    front = generator.frontal()
    with torch.no_grad():
        away = generator.mapping(z, None if front is None else front.to(z.device)) - pivot
        near = pivot + s.reach * away / away.norm(dim=2, keepdim=True).clamp_min(1e-8)
        before = _untuned(generator, near, camera)
    after = generator(near, camera)
    terms = [
        s.perceptual * context.distance(new.float(), old.float()).sum() + s.l2 * (new - old).float().square().mean()
        for new, old in zip(after.pyramid, before.pyramid, strict=True)
    ]
    return torch.stack(terms).sum()


def _untuned(generator: Generator, w: Tensor, camera: object) -> Render:
    """The picture without what is attached, which stays where it is: every number of it reads as zero."""
    zeros = {
        name: torch.zeros_like(parameter)
        for name, parameter in generator.named_parameters()
        if ".parametrizations." in name and not name.endswith(".original")
    }
    return functional_call(generator, zeros, (w, camera))
