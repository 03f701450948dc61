r"""Tuning: the persona learns the album by Eq. 1, the generator frozen, the anchors too unless they have a rate.

A plain loop over positions. A position is the number of photos seen; which photos come next derives from (seed,
position), so a loop that stopped and went on is, bit for bit on the CPU, one that never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gpk.attach import attached
from gpk.context import Context
from gpk.latents import anchors_as_ws, latent_statistics
from gpk.loss import Loss, Reconstruction
from gpk.lowrank import LoRA, Offset
from gpk.persona import Persona
from gpk.seeding import batch_at, parts
from gpk_tasks.descent import State, adam, adam_tensors, figures_of, load_adam, rate_at, set_rate
from gpk_tasks.memory import photos_at_once
from gpk_tasks.settings import Tuning


def tune(
    context: Context,
    persona: Persona,
    settings: Tuning,
    *,
    seed: int = 0,
    memory: float | None = None,
    start: State | None = None,
    tick: Callable[[Callable[[], State]], None] = lambda state: None,
) -> None:
    """Tunes `persona` in place on the context's album.

    `memory` is what a step may take, in GiB. `tick` is called after every step with a function that gives the state;
    `start` is such a state, to go on from.
    """
    album, s = context.album, settings
    anchors = _Anchors(context, persona, moving=s.lr_anchors > 0, seed=seed)
    groups = [*_groups(context, persona, s), (anchors.leaves, s.lr_anchors)]
    optimizer = adam(groups, beta1=s.beta1, beta2=s.beta2)
    first = 0
    if start is not None:
        tensors, position = start
        persona.load({name: tensors[name] for name in persona.tensors()})
        anchors.load(tensors)
        load_adam(optimizer, tensors)
        first = int(position["step"])
    batch = min(s.batch, len(album))

    reconstruction = Reconstruction(album.photos, context.distance, l2=s.l2, perceptual=s.perceptual, masks=album.masks)

    def loss(rows: Tensor) -> Loss:
        cameras = None if album.cameras is None else album.cameras[rows]
        return reconstruction(context.generator(anchors.at(rows), cameras), rows)

    def state(step: int) -> State:
        return {**persona.tensors(), **anchors.tensors(), **adam_tensors(optimizer)}, {"stage": "tune", "step": step}

    with attached(context.generator, persona) as generator:
        one = torch.zeros(1, dtype=torch.long)
        at_once = photos_at_once(lambda: loss(one).total, generator, memory, most=batch, tuned=persona.numbers)
        for step in range(first, s.steps):
            rows = torch.tensor(batch_at(step * batch, size=batch, count=len(album), seed=seed))
            set_rate(optimizer, rate_at(step, s.steps, warmup=s.warmup, decay=s.decay))
            optimizer.zero_grad()
            losses = []
            for part in parts(batch, at_once):
                losses.append(loss(rows[part]))
                (losses[-1].total.sum() / batch).backward()
            figures = figures_of(losses, stage="tuning", step=step, remedy="a lower --lr")
            optimizer.step()
            context.logger.progress("tuning", step + 1, s.steps, figures)
            if (step + 1) % 20 == 0 or step + 1 == s.steps:
                context.logger.record("tune", {"step": step + 1, "images_seen": (step + 1) * batch, **figures})
            tick(lambda step=step: state(step + 1))
    anchors.settle()


class _Anchors:
    """The persona's anchors and how far each has moved in round coordinates, where one rate suits every direction."""

    def __init__(self, context: Context, persona: Persona, *, moving: bool, seed: int) -> None:
        self.persona, self.num_ws = persona, context.generator.latent.num_ws
        self.leaves: list[Tensor] = []
        if moving:
            self.root = latent_statistics(context.generator, seed=seed).root
            self.leaves = [torch.zeros_like(persona.anchors).requires_grad_()]

    def at(self, rows: Tensor | slice) -> Tensor:
        """w [B, num_ws, D] of some photos."""
        w = self.persona.anchors[rows]
        for moves in self.leaves:
            w = w + moves[rows] @ self.root
        return anchors_as_ws(w, self.num_ws)

    def tensors(self) -> dict[str, Tensor]:
        """How far they have moved."""
        return {"anchor_moves": self.leaves[0].detach()} if self.leaves else {}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes back to `tensors()`; a tuning that has ended has settled its moves."""
        for moves in self.leaves:
            if "anchor_moves" in tensors:
                moves.copy_(tensors["anchor_moves"])

    @torch.no_grad()
    def settle(self) -> None:
        """Makes the places reached the persona's anchors."""
        for moves in self.leaves:
            self.persona.anchors = self.persona.anchors + moves @ self.root
            moves.zero_()


def _groups(context: Context, persona: Persona, s: Tuning) -> list[tuple[list[Tensor], float]]:
    groups: dict[float, list[Tensor]] = {}
    for site in context.generator.sites():
        match persona.changes.get(site.key):
            case LoRA() as change:
                groups.setdefault(s.lr, []).append(change.A)
                groups.setdefault(s.lr * s.lr_ratio, []).append(change.B)
            case Offset() as change:
                peak = s.lr_decoder if site.part == "decoder" else s.lr_offset
                groups.setdefault(peak, []).append(change.D)
    return [(tensors, peak) for peak, tensors in groups.items()]
