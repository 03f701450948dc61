r"""What a personalization would take, told without weights, album or arithmetic: everything is built on the meta
device.

Numbers and FLOPs are exact, and so is what autograd keeps of a photo, from which the memory of a step and the number of
photos at once follow as they do in the job; time is those FLOPs over this machine's measured speed, so it is an
estimate and says so; what the perceptual distance costs is left out.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from gpk.attach import attach
from gpk.generator import Generator, Part
from gpk.lowrank import LoRA
from gpk.persona import Origin, Persona
from gpk.plugin import Backend, Card
from gpk_tasks.memory import budget, counting, fitting, peak, standing
from gpk_tasks.personalize.anchors import anchors_at
from gpk_tasks.personalize.settings import Settings

LONG = 20_000_000_000
"""FLOPs of a forward pass from which on the generator itself is not run to learn its speed."""
SHARE = 0.25
"""Of a lone convolution's speed that a large generator reaches: EG3D-FFHQ did 80 to 110 GFLOP/s in steps of inversion
and tuning (docs/performance.md), beside about 300 of the convolution, on two CPU cores.
"""


@dataclass(frozen=True)
class Row:
    """The sites of one part and resolution: how many, the numbers in them, and those a persona would tune."""

    part: Part
    resolution: int
    sites: int
    generator: int
    lora: int
    offsets: int


@dataclass(frozen=True)
class Plan:
    """A dry run's answer. `lora` and `offsets` leave the decoder out, and `tuned` is all three together.

    FLOPs are of one photo forward, and of whole steps, 0 of an inversion that is not run; `at_once` photos of a tuning
    step are rendered together. Bytes of memory and seconds are estimates; everything else is exact.
    """

    backend: str
    card: str
    photos: int
    rows: tuple[Row, ...]
    generator: int
    lora: int
    offsets: int
    decoder: int
    tuned: int
    file_bytes: int
    forward_flops: int
    anchor_step_flops: int
    step_flops: int
    at_once: int
    memory_bytes: int
    seconds: float
    anchor_seconds: float

    def to_json(self) -> dict[str, object]:
        """Plain JSON types."""
        return asdict(self)


def plan(
    backend: Backend,
    card: Card,
    settings: Settings,
    *,
    photos: int = 12,
    given: Path | None = None,
    device: str = "cpu",
) -> Plan:
    """The plan of personalizing `card` with an album of `photos`, or of as many as there are anchors at `given`: then
    inversion takes nothing. Raises RecipeError where the recipe is impossible, InputError as `anchors_at` does.
    """
    with torch.device("meta"):
        generator = backend.build(card.config)
    if given is None:
        anchors = torch.empty(photos, generator.latent.w_dim)
    else:
        anchors = anchors_at(backend, generator.latent, given)
        photos, settings = len(anchors), replace(settings, inversion=replace(settings.inversion, steps=0))
    # LoRA's init draws its numbers on the CPU; they are few
    persona = Persona.create(generator, settings.recipe, origin=Origin(backend.name, card.name, ""), anchors=anchors)
    rows, totals = _numbers(generator, persona)
    weights = 4 * totals["generator"]
    forward, anchor_cost, anchor_kept = _cost(generator, inverting=True)
    for change in persona.changes.values():
        change.to("meta")
    attach(generator, persona)
    _, tuning_cost, tuning_kept = _cost(generator, inverting=False)
    anchor_batch, batch = (min(photos, size) for size in (settings.inversion.batch, settings.tuning.batch))
    room = budget(settings.memory, torch.device(device))
    anchors_fixed, tuning_fixed = standing(weights), standing(weights, persona.numbers)
    anchors_at_once = fitting(room, fixed=anchors_fixed, kept=anchor_kept, most=anchor_batch)
    at_once = fitting(room, fixed=tuning_fixed, kept=tuning_kept, most=batch)
    anchor_steps = settings.inversion.steps * -(-photos // settings.inversion.batch)
    speed = SHARE * _speed(device) if forward > LONG else _own_speed(backend, card, device, forward)
    anchor_seconds = anchor_steps * anchor_batch * anchor_cost / speed
    return Plan(
        backend=backend.name,
        card=card.name,
        photos=photos,
        rows=rows,
        **totals,
        tuned=persona.numbers,
        file_bytes=4 * (persona.numbers + anchors.numel() + 25 * photos * backend.cameras) + 120 * len(persona.changes),
        forward_flops=forward,
        anchor_step_flops=0 if given is not None else anchor_batch * anchor_cost,
        step_flops=batch * tuning_cost,
        at_once=at_once,
        memory_bytes=max(
            0 if given is not None else peak(fixed=anchors_fixed, kept=anchor_kept, at_once=anchors_at_once),
            peak(fixed=tuning_fixed, kept=tuning_kept, at_once=at_once),
        ),
        seconds=anchor_seconds + settings.tuning.steps * batch * tuning_cost / speed,
        anchor_seconds=anchor_seconds,
    )


def _numbers(generator: Generator, persona: Persona) -> tuple[tuple[Row, ...], dict[str, int]]:
    counts: dict[tuple[Part, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for site in generator.sites():
        change = persona.changes.get(site.key)
        tuned = 0 if change is None else sum(p.numel() for p in change.parameters())
        row = counts[site.part, site.resolution]
        row[0] += 1
        row[1] += generator.weight(site).numel()
        row[2 if isinstance(change, LoRA) else 3] += tuned
    rows = tuple(Row(part, resolution, *row) for (part, resolution), row in counts.items())
    apart = [row for row in rows if row.part != "decoder"]
    totals = {
        "generator": sum(p.numel() for p in generator.parameters()),
        "lora": sum(row.lora for row in apart),
        "offsets": sum(row.offsets for row in apart),
        "decoder": sum(row.lora + row.offsets for row in rows if row.part == "decoder"),
    }
    return rows, totals


def _cost(generator: Generator, *, inverting: bool) -> tuple[int, int, int]:
    """FLOPs of one photo forward, forward and backward, and the bytes autograd keeps of it."""
    latent, camera = generator.latent, generator.frontal()
    parameters = list(generator.parameters())
    w = torch.empty(1, latent.num_ws, latent.w_dim, device="meta")
    if inverting:
        generator.requires_grad_(False)
        w.requires_grad_()
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        with counting(parameters) as kept:
            render = generator(w, None if camera is None else camera.to("meta"))
        forward = counter.get_total_flops()
        torch.stack([level.sum() for level in render.pyramid]).sum().backward()
    return forward, counter.get_total_flops(), kept[0]


def _own_speed(backend: Backend, card: Card, device: str, forward: int) -> float:
    """FLOP/s of the generator itself, random weights, forward and backward: a small one is far from a convolution's."""
    with torch.random.fork_rng(devices=()):
        generator = backend.build(card.config).to(device).requires_grad_(False)
    latent, camera = generator.latent, generator.frontal(4)
    w = torch.zeros(4, latent.num_ws, latent.w_dim, device=device, requires_grad=True)
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        generator(w, camera).image.sum().backward()
        assert w.grad is not None
        w.grad.sum().item()  # waits for the device
        best = min(best, time.perf_counter() - begin)
    return 2 * 4 * forward / best


def _speed(device: str) -> float:
    """FLOP/s of a 3 x 3 convolution of 128 channels at 128 x 128 on `device`, the best of three."""
    x = torch.randn(1, 128, 128, 128, device=device)
    kernel = torch.randn(128, 128, 3, 3, device=device)
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        out = torch.nn.functional.conv2d(x, kernel, padding=1)
        out.sum().item()  # waits for the device
        best = min(best, time.perf_counter() - begin)
    return 2 * 128 * 128 * 9 * 128 * 128 / best
