"""`examine`: whether an embedded prior can be believed, in figures and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from gpk.errors import UnknownNameError
from gpk.registry import Registry
from gpk_cli.output import say

if TYPE_CHECKING:
    from torch import Tensor

    from gpk.context import Context
    from gpk.judges import FeatureDistance, Judge
    from gpk_prior.look import Counts
    from gpk_prior.pictures import Batch

BACKENDS = ("eg3d-minicat", "stylegan2-minicat")


def examine(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for the pictures and prior.json.")] = Path("prior"),
    backend: Annotated[str, typer.Option(help="eg3d-minicat or stylegan2-minicat.")] = BACKENDS[0],
    weights: Annotated[Path | None, typer.Option(help="A weights file other than the bundled one.")] = None,
    cats: Annotated[
        Path | None,
        typer.Option(help="Folder of `train`; missing pictures are rendered there. Default: OUT/cats."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Which unseen cats.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="An eighth of the cats, for coarser figures.")] = False,
) -> None:
    """Compare an embedded prior with the procedural cats that it draws: figures as JSON, pictures in OUT."""
    from gpk_checkpoints.atomic import write_atomically
    from gpk_prior.look import QUICK, Counts

    registry: Registry = ctx.obj
    if backend not in BACKENDS:
        raise UnknownNameError("embedded backend", backend, BACKENDS)
    context, file = _context(registry, backend, weights)
    counts = QUICK if quick else Counts()
    figures: dict[str, object] = {"backend": backend, "weights": file.name, "seed": seed}
    figures |= _cats(context, out, counts, seed)
    figures |= _crowds(context, file, cats or out / "cats", counts, seed)
    text = json.dumps(_rounded(figures), indent=2)
    write_atomically(out / "prior.json", [f"{text}\n".encode()])
    print(text)


def _rounded(figures: object) -> object:
    """The figures with as many digits as they are worth."""
    if isinstance(figures, dict):
        return {name: _rounded(value) for name, value in figures.items()}
    return float(f"{figures:.4g}") if isinstance(figures, float) else figures


def _context(registry: Registry, name: str, weights: Path | None) -> tuple[Context, Path]:
    """The context, its album still empty, and the weights file."""
    import torch

    from gpk.album import Album
    from gpk.context import Context
    from gpk.logger import NullLogger
    from gpk.precision import flush_denormals
    from gpk_checkpoints.weights import load_generator
    from gpk_runs.allocator import keep_heap

    flush_denormals()
    keep_heap()
    backend = registry.backend(name)
    generator = load_generator(backend, backend.card, weights)
    names = backend.distance, backend.judge or "", backend.reporting or backend.distance
    distance, judge, reporting = (registry.judge(name).load(None) for name in names)
    empty = Album(torch.zeros(0, 3, generator.resolution, generator.resolution), ())
    context = Context(backend, backend.card, generator, distance, empty, NullLogger(), judge, reporting)
    return context, cast(Path, weights or backend.card.weights)


def _cats(context: Context, out: Path, counts: Counts, seed: int) -> dict[str, object]:
    """The figures and the pictures of single cats."""
    from gpk_eg3d.network import EG3D
    from gpk_prior import look, look_pictures
    from gpk_prior.unseen import shown, unseen

    generator = context.generator
    say(f"Rendering {counts.direct} cats that training never saw …")
    cats = unseen(counts.direct, seed)
    direct = shown(generator, cats.z, cats.camera).image
    figures: dict[str, object] = {"direct": look.fidelity(direct, cats.photo)}
    say(f"Inverting {counts.inverted} of them …")
    inverted = _inverted(context, cats, counts.inverted, seed)
    figures["inversion"] = look.fidelity(inverted, cats.photo)
    look_pictures.write_unseen(out / "unseen.png", cats.photo, direct, inverted)
    look_pictures.write_grid(out / "grid.png", generator, seed=seed)
    if isinstance(generator, EG3D):
        say("Depth, two views, turning …")
        figures["depth"] = look.depth(generator, counts.solid, seed)
        figures["views"] = look.views(generator, counts.solid, seed)
        look_pictures.write_depths(out / "depth.png", generator, seed=seed)
        look_pictures.write_turntable(out / "turntable.png", generator, seed=seed)
        look_pictures.write_turning(out / "turntable.webp", generator, seed=seed)
    return figures


def _inverted(context: Context, cats: Batch, count: int, seed: int) -> Tensor:
    """The generator's pictures of the first `count` cats, found from photos and, in 3D, cameras alone."""
    from dataclasses import replace

    import torch

    from gpk.album import Album
    from gpk_tasks.personalize.inversion import find_codes
    from gpk_tasks.personalize.settings import Inversion

    # Tuned for these priors: a generator of photographs needs five times the steps and bears a third of the rate.
    settings = Inversion(steps=100, lr=0.3, whiten=True, jitter=0.0, decay=0.75, batch=16, perceptual=0.3)
    cameras = cats.camera[slice(count)] if context.backend.cameras else None
    album = Album(cats.photo.image[:count], tuple(f"cat {i}" for i in range(count)), cameras)
    anchors = find_codes(replace(context, album=album), settings, seed=seed)
    with torch.no_grad():
        return context.generator(anchors[:, None].expand(-1, context.generator.latent.num_ws, -1), cameras).image


def _crowds(context: Context, weights: Path, folder: Path, counts: Counts, seed: int) -> dict[str, object]:
    """The figures of many pictures at once."""
    import torch

    from gpk_prior import look
    from gpk_prior.unseen import drawn, pictures_in, shards_of, shown

    reader, judge = cast("FeatureDistance", context.reporting), cast("Judge", context.judge)
    say(f"Pictures of procedural cats in {folder}: what is missing takes a minute or two to render …")
    held_out, trained_on = shards_of(weights, folder)
    real, others = pictures_in(held_out, counts.crowd), pictures_in(trained_on[0], counts.crowd)
    say(f"{len(real)} generated cats against {len(real)} procedural ones …")
    made = shown(context.generator, *drawn(len(real), seed + 1)).image
    figures: dict[str, object] = {
        "reader": context.backend.reporting or context.backend.distance,
        "frechet": look.likeness(made, real, others, reader),
        "diversity": look.diversity(made, real, reader, judge),
    }
    say(f"The nearest cats of training, in {len(trained_on)} shards …")
    known = torch.cat([look.features(judge, pictures_in(path)) for path in trained_on])
    figures["neighbours"] = look.memory(context.generator, known, judge, counts.neighbours, seed + 2)
    return figures
