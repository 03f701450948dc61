r"""What a look at a subject shows: who it is, where in its hull, how edited, seen from where, by which generator.

A look is a value, and the same look is the same picture, bit for bit, whatever was looked at before. The code of a look
is a point of the subject's hull (`gpk.hull`), of anchors that weigh s_i, k of them, sum 1:

    w = sum_i a_i w_i,    a_i = (1 + k beta) s_i - beta,

and edits move it from there (`gpk.directions`). Without a subject the code is one of the generator's own.

Shapes: N anchors, P pictures, L latent layers, D latent width, R image side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gpk.attach import attach, check_fit, detach
from gpk.context import Context
from gpk.directions import Direction, check_direction, edited_codes, held_by, one_step
from gpk.errors import InputError, PersonaError
from gpk.generator import ViewFunction
from gpk.hull import LatentHull
from gpk.latents import LatentStatistics, anchors_as_ws, latent_statistics
from gpk.persona import Persona
from gpk_tasks.synthesize import draw_prior
from gpk_view.camera import FRONT, Angles

Shown = Literal["personalized", "pretrained", "both"]
Mix = tuple[tuple[int, float], ...]
"""Anchors, counted from 0, and what each weighs."""


@dataclass(frozen=True)
class Look:
    """One look. `persona` is a name on the stage, None for the generator's own code of `seed`, under `truncation`.

    `edits` are attributes and amounts, in standard deviations of the generator's codes: in the subject's hull, as far
    as it goes along with them, or `freely` in W.
    """

    persona: str | None = None
    mix: Mix = ((0, 1.0),)
    beta: float = 0.0
    seed: int = 0
    truncation: float = 1.0
    edits: tuple[tuple[str, float], ...] = ()
    freely: bool = False
    angles: Angles = FRONT
    shown: Shown = "personalized"


class Stage:
    """The context's generator, the `personas` that it can wear, by name, and directions to edit along. For one thread.

    It keeps what it wears, and what it made of the last codes, from one look to the next. Raises PersonaError for a
    persona of another generator.
    """

    def __init__(self, context: Context, personas: Mapping[str, Persona]) -> None:
        check_one_base(personas)
        for persona in personas.values():
            check_fit(context.generator, persona)
        like = next(context.generator.parameters())
        self.context = context
        self.personas = {name: persona.to(like.device) for name, persona in personas.items()}
        self.directions: dict[str, Direction] = {}
        self._worn: str | None = None
        self._view_functions: dict[str | None, tuple[Tensor, ViewFunction]] = {}
        self._statistics: LatentStatistics | None = None

    @torch.no_grad()
    def pictures(self, look: Look) -> Tensor:
        """The pictures [P, 3, R, R] of a look, in [-1, 1] and on the CPU: one, or that of the generator as it was
        pretrained before that of the persona.

        Raises InputError for an anchor or an edit that is not there.
        """
        w = self.code(look)
        wearing: Sequence[str | None] = (look.persona,)
        if look.persona is not None and look.shown != "personalized":
            wearing = (None,) if look.shown == "pretrained" else (None, look.persona)
        camera = self.context.generator.orbit(*look.angles.pair)
        if camera is not None:
            camera = camera.to(w.device)
        return torch.cat([self._view_function(who, w)(camera).image.float().cpu() for who in wearing])

    @torch.no_grad()
    def code(self, look: Look) -> Tensor:
        """The code [1, L, D] of a look."""
        edits = [(name, amount) for name, amount in look.edits if amount]
        moves = [amount * self.step(name) for name, amount in edits]
        if look.persona is None:
            self.wear(None)
            w = draw_prior(self.context.generator, 1, look.seed, truncation=look.truncation).w
            return w + sum(moves)
        hull = self.hull(look.persona, beta=look.beta)
        alpha = coordinates(len(hull), look.mix, look.beta).to(hull.anchors)
        if look.freely or not moves:
            return hull.points(alpha) + sum(moves)
        step = torch.stack([move.expand(hull.anchors.shape[1:]) for move in moves]).sum(0)
        return edited_codes(hull, alpha, step, torch.ones(1), edge="continue")[:, 0]

    def hull(self, name: str, *, beta: float = 0.0) -> LatentHull:
        """The hull of that persona's anchors [N, L, D]."""
        return LatentHull(anchors_as_ws(self.personas[name].anchors, self.context.generator.latent.num_ws), beta=beta)

    def add_direction(self, direction: Direction) -> str:
        """Makes a direction one of the edits, under the name that is returned; raises InputError where it is another
        generator's.
        """
        self.wear(None)
        check_direction(direction, self.context.generator)
        name = direction.attribute or f"direction {len(self.directions) + 1}"
        self.directions[name] = direction
        return name

    @torch.no_grad()
    def step(self, name: str) -> Tensor:
        """The change of w, [1, D] or [L, D], of an amount of 1; raises InputError for an edit that is not there."""
        if name not in self.directions:
            raise InputError(f"there is no edit {name!r} yet: known are {', '.join(self.directions) or 'none'}")
        if self._statistics is None:
            self.wear(None)
            self._statistics = latent_statistics(self.context.generator)
        d = self.directions[name].d.to(next(self.context.generator.parameters()))
        return one_step(d, self._statistics)

    def held(self, persona: str, name: str) -> float:
        """How much of an edit the persona's album goes along with, from 0 to 1."""
        return held_by(self.hull(persona), self.step(name))

    def wear(self, name: str | None) -> None:
        """Attaches that persona, or none, in place of what is worn."""
        if name == self._worn:
            return
        detach(self.context.generator)
        self._worn = None
        if name is not None:
            attach(self.context.generator, self.personas[name])
            self._worn = name

    def _view_function(self, who: str | None, w: Tensor) -> ViewFunction:
        """What shows w as `who`, who is worn from here on; made anew only where w is another."""
        self.wear(who)
        known = self._view_functions.get(who)
        if known is None or not torch.equal(known[0], w):
            self._view_functions = {other: kept for other, kept in self._view_functions.items() if other in (None, who)}
            known = self._view_functions[who] = (w, self.context.generator.looking_at(w))
        return known[1]


def coordinates(count: int, mix: Mix, beta: float = 0.0) -> Tensor:
    """The point [1, `count`] of P_beta that these anchors make together, whatever their weights sum to; where all of
    them are 0 they weigh the same.

    Raises InputError where none is chosen, or one that is not there.
    """
    numbers = [number for number, _ in mix]
    if not mix or len(set(numbers)) != len(mix) or not all(0 <= number < count for number in numbers):
        raise InputError(f"a mix is of different anchors, counted from 0 to {count - 1}, not of {numbers}")
    weights = torch.tensor([max(0.0, weight) for _, weight in mix])
    share = weights / weights.sum() if weights.sum() > 0 else torch.full((len(mix),), 1 / len(mix))
    alpha = torch.zeros(1, count)
    alpha[0, numbers] = (1 + len(mix) * beta) * share - beta
    return alpha


def random_mix(hull: LatentHull, rng: torch.Generator, *, corners: int = 3) -> Mix:
    """A random point of the hull, as `LatentHull.sample` draws it: `corners` of its anchors, and what they weigh."""
    (alpha,) = hull.sample(1, rng, corners=corners).cpu()
    chosen = alpha.nonzero()[:, 0].tolist()
    share = (alpha[chosen] + hull.beta) / (1 + len(chosen) * hull.beta)
    return tuple(zip(chosen, share.tolist(), strict=True))


def check_one_base(personas: Mapping[str, Persona]) -> None:
    """Raises PersonaError, which names it and what it needs, for a persona of another generator than the first's."""
    if not personas:
        return
    first, *others = personas.items()
    for name, persona in others:
        if persona.origin.base != first[1].origin.base:
            raise PersonaError(
                f"{name} was made for {_generator_of(persona)}, and {first[0]} for {_generator_of(first[1])}: one "
                "viewer shows personas of one generator, so give each its own `gpk view`"
            )


def _generator_of(persona: Persona) -> str:
    origin = persona.origin
    return f"{origin.backend} ({origin.card}, weights {origin.base[:12]}…)"
