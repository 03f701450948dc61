r"""Tuning: the persona learns the album by Eq. 1, the generator frozen, the anchors too unless they have a rate.

A position is the number of photos seen; which photos come next derives from (seed, position), so a loop that stopped
and went on is, bit for bit on the CPU, one that never stopped.

Shapes: B photos, D latent width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gpk.attach import attached
from gpk.context import Context
from gpk.latents import anchors_as_ws, latent_statistics
from gpk.loss import Loss, Reconstruction
from gpk.persona import Persona
from gpk.seeding import batch_at
from gpk_tasks.descent import Descent, Figures, State, Tick, backward_of_mean, figures_of
from gpk_tasks.keeping import within
from gpk_tasks.memory import photos_at_once
from gpk_tasks.personalize.settings import Tuning
from gpk_tasks.rates import groups


def tune(
    context: Context,
    persona: Persona,
    settings: Tuning,
    *,
    seed: int = 0,
    memory: float | None = None,
    start: State | None = None,
    tick: Tick = lambda state: None,
) -> None:
    """Tunes `persona` in place on the context's album.

    `memory` is what a step may take, in GiB. `tick` is called after every step with a function that gives the state;
    `start` is such a state, to go on from. Raises RecipeError where the descent diverges or stands still.
    """
    album, s = context.album, settings
    batch = min(s.batch, len(album))
    anchors = _Anchors(context, persona, moving=s.lr_anchors > 0, seed=seed)
    rated = groups(context.generator, persona, lora=s.lr, offset=s.lr_offset, decoder=s.lr_decoder, ratio=s.lr_ratio)
    descent = Descent(
        {**dict(persona.named_parameters()), **anchors.moves},
        [*rated, (list(anchors.moves.values()), s.lr_anchors)],
        steps=s.steps,
        stage="tuning",
        elsewhere="other anchors, a recipe that changes more of the generator, or a higher --lr",
        warmup=s.warmup,
        decay=s.decay,
        betas=(s.beta1, s.beta2),
    )
    if start is not None:
        tensors, position = start
        persona.load({name: tensors[name] for name in persona.tensors()})
        descent.load((anchors.settled | tensors, position))
    reconstruction = Reconstruction(album.photos, context.distance, l2=s.l2, perceptual=s.perceptual, masks=album.masks)

    def loss(rows: Tensor) -> Loss:
        cameras = None if album.cameras is None else album.cameras[rows]
        return reconstruction(context.generator(anchors.at(rows), cameras), rows)

    def tell(done: int, figures: Figures) -> None:
        context.logger.progress("tuning", done, s.steps, figures)
        if done % 20 == 0 or done == s.steps:
            context.logger.record("tune", {"step": done, "images_seen": done * batch, **figures})

    with attached(context.generator, persona) as generator:
        one = torch.zeros(1, dtype=torch.long)
        at_once = photos_at_once(lambda: loss(one).total, generator, memory, most=batch, tuned=persona.numbers)

        def backward(step: int) -> Figures:
            rows = torch.tensor(batch_at(step * batch, size=batch, count=len(album), seed=seed))
            losses = backward_of_mean(lambda part: loss(rows[part]), batch, at_once=at_once)
            return figures_of(losses, stage="tuning", step=step, remedy="a lower --lr")

        fixed = {"anchors": persona.anchors, "anchor_cameras": persona.cameras}
        descent.run(backward, tell=tell, tick=within(tick, fixed, stage="tune"))
    anchors.settle()


class _Anchors:
    """The persona's anchors and how far each has moved in round coordinates, where one rate suits every direction."""

    def __init__(self, context: Context, persona: Persona, *, moving: bool, seed: int) -> None:
        self.persona, self.num_ws = persona, context.generator.latent.num_ws
        self.moves: dict[str, Tensor] = {}
        if moving:
            self.root = latent_statistics(context.generator, seed=seed).root
            self.moves["anchor_moves"] = torch.zeros_like(persona.anchors).requires_grad_()
        self.settled = {name: torch.zeros_like(move) for name, move in self.moves.items()}
        """The moves of a tuning that has ended, whose state has none: they are in the anchors."""

    def at(self, rows: Tensor | slice) -> Tensor:
        """w [B, num_ws, D] of some photos."""
        w = self.persona.anchors[rows]
        for move in self.moves.values():
            w = w + move[rows] @ self.root
        return anchors_as_ws(w, self.num_ws)

    @torch.no_grad()
    def settle(self) -> None:
        """Makes the places reached the persona's anchors."""
        for move in self.moves.values():
            self.persona.anchors = self.persona.anchors + move @ self.root
            move.zero_()
