r"""Tuning: the persona learns the album by Eq. 1, anchors and generator frozen.

A plain loop over positions. A position is the number of photos seen; which photos come next derives from (seed,
position), so a loop that stopped and went on is, bit for bit on the CPU, one that never stopped.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from corekit.attach import attached
from corekit.bench import Bench
from corekit.loss import reconstruction
from corekit.lowrank import LoRA
from corekit.order import batch_at
from corekit.persona import Persona
from gpk_tasks.descent import State, adam, adam_tensors, load_adam, rate_at, set_rate
from gpk_tasks.settings import Tuning


def tune(
    bench: Bench,
    persona: Persona,
    settings: Tuning,
    *,
    seed: int = 0,
    start: State | None = None,
    tick: Callable[[Callable[[], State]], None] = lambda state: None,
) -> None:
    """Tunes `persona` in place on the bench's album.

    `tick` is called after every step with a function that gives the state; `start` is such a state, to go on from.
    """
    album, s = bench.album, settings
    optimizer = adam(_groups(bench, persona, s), beta1=s.beta1, beta2=s.beta2)
    first = 0
    if start is not None:
        tensors, position = start
        persona.load({name: tensors[name] for name in persona.tensors()})
        load_adam(optimizer, tensors)
        first = int(position["step"])
    batch = min(s.batch, len(album))
    anchors = anchors_as_ws(persona.anchors, bench.generator.latent.num_ws)

    def state(step: int) -> State:
        return {**persona.tensors(), **adam_tensors(optimizer)}, {"stage": "tune", "step": step}

    with attached(bench.generator, persona) as generator:
        for step in range(first, s.steps):
            rows = torch.tensor(batch_at(step * batch, size=batch, count=len(album), seed=seed))
            set_rate(optimizer, rate_at(step, s.steps, warmup=s.warmup, decay=s.decay))
            cameras = None if album.cameras is None else album.cameras[rows]
            render = generator(anchors[rows], cameras)
            loss = reconstruction(render, album.photos[rows], bench.distance, l2=s.l2, perceptual=s.perceptual)
            optimizer.zero_grad()
            loss.total.mean().backward()
            optimizer.step()
            figures = {"l2": loss.l2.mean().item(), "perceptual": loss.perceptual.mean().item()}
            bench.journal.progress("tuning", step + 1, s.steps, figures)
            if (step + 1) % 20 == 0 or step + 1 == s.steps:
                bench.journal.record("tune", {"step": step + 1, "images_seen": (step + 1) * batch, **figures})
            tick(lambda step=step: state(step + 1))


def anchors_as_ws(anchors: Tensor, num_ws: int) -> Tensor:
    """Anchors [N, D] or [N, L, D] as the generator takes them, [N, num_ws, D]."""
    return anchors if anchors.ndim == 3 else anchors[:, None].expand(-1, num_ws, -1)


def _groups(bench: Bench, persona: Persona, s: Tuning) -> list[tuple[list[Tensor], float]]:
    groups: dict[float, list[Tensor]] = {}
    for site in bench.generator.sites():
        if (change := persona.changes.get(site.key)) is not None:
            peak = s.lr if isinstance(change, LoRA) else s.lr_decoder if site.part == "decoder" else s.lr_offset
            groups.setdefault(peak, []).extend(change.parameters())
    return [(tensors, peak) for peak, tensors in groups.items()]
