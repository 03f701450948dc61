r"""What a step costs: seconds, arithmetic and peak memory of a generator at full size, on random or embedded weights.

    python benchmarks/step_cost.py                          # EG3D-FFHQ on the CPU: a quarter of an hour on two cores
    python benchmarks/step_cost.py --backend stylegan2 --card ffhq-1024 --repeat 1
    python benchmarks/step_cost.py --backend eg3d-minicat --batch 4 --rows lora-fast
    python benchmarks/step_cost.py --device cuda --batch 4 --half bfloat16

Every row is measured in a process of its own, so that its peak memory is its own; rows take turns `--repeat` times,
so that a busy minute of the machine falls on all of them. A step is forward, backward and Adam, under the squared
error alone: the perceptual distance is another network's cost. Arithmetic is counted, not estimated.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from gpk.attach import attach
from gpk.generator import Generator, fingerprint
from gpk.persona import Origin, Persona
from gpk.precision import flush_denormals
from gpk.registry import Registry
from gpk_checkpoints.weights import load_generator
from gpk_runs.allocator import keep_heap
from gpk_stylegan2 import layers
from gpk_tasks.personalize.presets import preset

ROWS = {
    "forward": "forward",
    "inversion": "inversion step, one w",
    "lora": "LoRA step, preset my3dgen (kernel, rank 1)",
    "lora-flat": "LoRA step, flat, rank 1, decoder frozen",
    "lora-fast": "LoRA step, preset fast (flat, rank 1, decoder whole)",
    "lora-weights": "the same as my3dgen, weights' gradients built whole",
    "full": "full-tuning step",
}


def main() -> None:
    """Measures, and prints a table in Markdown."""
    options = parser().parse_args()
    if options.row:
        print(json.dumps(measured(options)))
        return
    names = options.rows.split(",")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for turn in range(options.repeat):
        for name in names:
            command = [sys.executable, __file__, *sys.argv[1:], "--row", name]
            results[name].append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
            print(f"turn {turn + 1}, {name}: {results[name][-1]}", file=sys.stderr)
    print(
        f"{options.backend} {options.card or ''} batch {options.batch} on {options.device}, torch {torch.__version__}"
    )
    print("| | GFLOP | seconds, median (least) | peak memory |\n|---|---|---|---|")
    for name, turns in results.items():
        seconds = [turn["seconds"] for turn in turns]
        print(
            f"| {ROWS[name]} | {turns[0]['gflop']:.0f} | {statistics.median(seconds):.2f} ({min(seconds):.2f}) "
            f"| {max(turn['gib'] for turn in turns):.1f} GiB |"
        )


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="eg3d-ffhq")
    parser.add_argument("--card")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--half", choices=("bfloat16", "float16"), help="type of the parts that the card marks")
    parser.add_argument("--returning", action="store_true", help="let the system have every freed block, as glibc does")
    parser.add_argument("--denormals", action="store_true", help="calculate with denormal numbers, as torch does")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rows", default=",".join(ROWS), help="which, comma-separated, of: %(default)s")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    return parser


def measured(options: argparse.Namespace) -> dict[str, float]:
    """Seconds (the best of two steps after a first), GFLOP and peak GiB of one row."""
    device = torch.device(options.device)
    if not options.returning:
        keep_heap()  # as the command line does
    if not options.denormals:
        flush_denormals()  # as the command line does
    step = _step(_generator(options, device), options)
    with FlopCounterMode(display=False) as counter:  # the first step, which is not timed
        step()
    seconds = []
    for _ in range(2):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else 1024 * _peak_kib()
    return {"gflop": counter.get_total_flops() / 1e9, "seconds": min(seconds), "gib": peak / 2**30}


def _peak_kib() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def _generator(options: argparse.Namespace, device: torch.device) -> Generator:
    backend = Registry.discover(plugins=False).backend(options.backend)
    cards = {card.name: card for card in backend.cards}
    card = cards[options.card or backend.card.name]
    if card.weights is not None:
        generator = load_generator(backend, card, None, device=device)
    else:
        with device:
            generator = backend.build(card.config)
    if options.half:
        generator.half_dtype = getattr(torch, options.half)
    return generator.requires_grad_(options.row == "full")


def _step(generator: Generator, options: argparse.Namespace) -> Callable[[], None]:
    """One step of the row, which ends when the device has done it."""
    row, latent = options.row, generator.latent
    device = next(generator.parameters()).device
    z = torch.zeros(options.batch, latent.z_dim, device=device)
    w = generator.mapping(z).detach()
    camera = generator.frontal(options.batch)
    camera = None if camera is None else camera.to(device)
    tuned = _tuned(generator, row, w)
    adam = torch.optim.Adam(tuned, lr=1e-3) if tuned else None

    def step() -> None:
        with torch.set_grad_enabled(adam is not None):
            levels: tuple[Tensor, ...] = generator(w, camera).pyramid
            loss = torch.stack([level.float().square().mean() for level in levels]).sum()
        if adam is not None:
            adam.zero_grad()
            loss.backward()
            adam.step()
        (tuned[0] if tuned else loss).sum().item()  # waits for the device

    return step


def _tuned(generator: Generator, row: str, w: Tensor) -> list[Tensor]:
    if row == "forward":
        return []
    if row == "inversion":
        return [w.requires_grad_()]
    if row == "full":
        return list(generator.parameters())
    recipe = preset("fast" if row in ("lora-fast", "lora-flat") else "my3dgen").recipe
    if row == "lora-flat":
        recipe = dataclasses.replace(recipe, parts=preset("my3dgen").recipe.parts)
    if row == "lora-weights":
        layers.factors_of = lambda *_: None  # pyright: ignore[reportAttributeAccessIssue]
    origin = Origin("", "", fingerprint(generator))
    persona = Persona.create(generator, recipe, origin=origin, anchors=w[:, 0])
    attach(generator, persona)
    return list(persona.parameters())


if __name__ == "__main__":
    main()
