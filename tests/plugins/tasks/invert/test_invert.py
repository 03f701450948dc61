"""The task `invert`: on the embedded priors, with a persona and without, stopped half-way and not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gpk.album import Album
from gpk.attach import is_attached
from gpk.context import Context
from gpk.errors import InputError, RecipeError
from gpk.generator import fingerprint
from gpk.logger import NullLogger
from gpk.persona import Origin, Persona
from gpk.plugin import Backend, Card
from gpk.recipe import Recipe
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_checkpoints.files import read_safetensors
from gpk_checkpoints.personas import load_persona
from gpk_cli.context import find_card, make_context
from gpk_eg3d.network import EG3D
from gpk_runs.pictures import stems
from gpk_runs.run import Run
from gpk_tasks import keeping
from gpk_tasks.invert.invert import invert
from gpk_tasks.invert.locate import locate
from gpk_tasks.invert.settings import Location

QUICK = Location(protocol="quick", steps=3, pti=True, pti_steps=2)
BARE = Location(protocol="quick", yaw=0.0, pitch=0.0)


@pytest.fixture(scope="module")
def contexts(cat: Any) -> Mapping[str, Context]:
    """Two photos for each prior, and for the persona those it has not seen."""

    def made(backend: str, persona: Path | None = None) -> Context:
        registry = Registry.discover()
        family = registry.backend(backend)
        context = make_context(
            registry, family, find_card(family, None), cat.held_out, weights=None, device="cpu",
            logger=NullLogger(), persona=None if persona is None else load_persona(persona), least=1,
        )  # fmt: skip
        return dataclasses.replace(context, album=context.album[:2])

    return {
        "persona": made("eg3d-minicat", cat.run / "eg3d-minicat.persona.safetensors"),
        "3d": made("eg3d-minicat"),
        "2d": made("stylegan2-minicat"),
    }


@pytest.fixture
def small(eg3d: EG3D) -> Context:
    """A generator of random weights with a persona, and two pictures of another look."""
    w = eg3d.mapping(torch.randn(4, eg3d.latent.z_dim, generator=seeded(3)))
    origin = Origin("small", "small", fingerprint(eg3d))
    persona = Persona.create(eg3d, Recipe(), origin=origin, anchors=w[:, 0], rng=seeded(0))
    with torch.no_grad():
        for parameter in persona.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=seeded(4)))
    cameras = eg3d.orbit(torch.tensor([0.2, -0.1]))
    album = Album((eg3d(w[:2], cameras).image * 0.5 + 0.3).clamp(-1, 1), ("x.png", "y.png"), cameras)
    card = Card("small", "small", "none")
    backend = Backend("small", "small", (card,), lambda config: eg3d, distance="own")
    return Context(backend, card, eg3d, absolute, album, NullLogger(), persona=persona)


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


class Stopped(KeyboardInterrupt):
    pass


def work(context: Context, settings: Location, folder: Path, *, stop_after: int | None = None) -> dict[str, Any]:
    """The outcome; stops as a crash would after so many shown steps."""
    steps = 0  # as shown

    def show(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == stop_after:
            raise Stopped

    with Run.open(folder, {"settings": dataclasses.asdict(settings)}, show=show) as run:
        return dict(invert(dataclasses.replace(context, logger=run), settings, run))


def made_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix == ".png" or (path.suffix == ".safetensors" and path.name != "state.safetensors")
    }


def test_everything_is_there_and_all_else_as_it_was(contexts: Mapping[str, Context], tmp_path: Path) -> None:
    context = contexts["persona"]
    before = fingerprint(context.generator)
    outcome = work(context, QUICK, tmp_path / "run")
    assert fingerprint(context.generator) == before
    assert not is_attached(context.generator)
    names = ["img00000000", "img00000001"]
    assert list(outcome["figures"]) == [*names, "mean of the codes", "mean"]
    for figures in outcome["figures"].values():
        assert {"psnr", "ssim", "distance", "id_sim", "id_sim of views"} <= figures.keys()
    means = [outcome["figures"][name]["psnr"] for name in names]
    assert outcome["figures"]["mean"]["psnr"] == pytest.approx(sum(means) / 2)
    assert outcome["space"] == "hull"
    views = ["", ".yaw-0.35", ".yaw+0.35", ".pitch-0.25", ".pitch+0.25"]
    pictures = {f"pictures/{name}{view}.png" for name in names for view in views}
    personas = {f"{name}.pti.persona.safetensors" for name in names}
    assert made_in(tmp_path / "run").keys() == {*pictures, *personas, "sheet.png", "codes.safetensors"}
    codes = read_safetensors(tmp_path / "run" / "codes.safetensors")[0]
    assert {name: list(code.shape) for name, code in codes.items()} == {
        "w": [2, 10, 128],
        "alpha": [2, 6],
        "offsets": [2, 10, 128],
    }
    for index, name in enumerate(sorted(personas)):
        persona = load_persona(tmp_path / "run" / name)
        assert torch.equal(persona.anchors, codes["w"][index : index + 1])
        assert persona.origin.base != before  # that of the generator with the subject's persona in it
        assert outcome["steps"][name] == 2


@pytest.mark.parametrize("together", [False, True])
def test_stopped_anywhere_it_ends_the_same(
    small: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    """Three steps of the codes, then two of each tuning."""
    monkeypatch.setattr(keeping, "SAVE_EVERY", 0.0)
    settings = dataclasses.replace(QUICK, together=together, yaw=0.0, pitch=0.0)
    whole = work(small, settings, tmp_path / "whole")
    for stop in (2, 4, 5) if together else (3, 5, 7):
        cut = tmp_path / f"cut-{stop}"
        with pytest.raises(Stopped):
            work(small, settings, cut, stop_after=stop)
        assert not is_attached(small.generator)
        assert work(small, settings, cut) == whole
        assert made_in(cut) == made_in(tmp_path / "whole")


def test_a_tuning_that_ended_is_not_done_again(small: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "SAVE_EVERY", 0.0)
    with pytest.raises(Stopped):
        work(small, QUICK, tmp_path, stop_after=7)  # the last step of the second photo's
    first = tmp_path / "x.pti.persona.safetensors"
    written = first.stat().st_mtime_ns
    shown: list[tuple[str, int]] = []
    with Run.open(tmp_path, {"settings": dataclasses.asdict(QUICK)}, show=lambda *s: shown.append(s[:2])) as run:
        invert(dataclasses.replace(small, logger=run), QUICK, run)
    assert first.stat().st_mtime_ns == written
    assert [step for step in shown if step[0] != "pictures"] == [("pivotal tuning 2 of 2", 2)]


@pytest.mark.parametrize(("space", "stage"), [("hull", "placing photos"), ("w", "anchors")])
def test_steps_that_were_saved_are_not_done_again(
    small: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: Any, stage: str
) -> None:
    monkeypatch.setattr(keeping, "SAVE_EVERY", 0.0)
    settings = dataclasses.replace(BARE, space=space, steps=4)
    with pytest.raises(Stopped):
        work(small, settings, tmp_path, stop_after=3)  # shown, but not saved any more
    shown: list[tuple[str, int]] = []
    with Run.open(tmp_path, {"settings": dataclasses.asdict(settings)}, show=lambda *s: shown.append(s[:2])) as run:
        invert(dataclasses.replace(small, logger=run), settings, run)
    assert [step for step in shown if step[0] != "pictures"] == [(stage, 3), (stage, 4)]


def test_one_persona_for_all_photos_together(small: Context, tmp_path: Path) -> None:
    settings = dataclasses.replace(QUICK, together=True, pti_recipe="lora", pti_rank=2)
    outcome = work(small, settings, tmp_path)
    persona = load_persona(tmp_path / "album.pti.persona.safetensors")
    assert outcome["files"] == ["codes.safetensors", "album.pti.persona.safetensors"]
    assert len(persona.anchors) == 2
    assert persona.recipe.rank == 2
    assert outcome["steps"] == {"album.pti.persona.safetensors": 2}


@pytest.mark.parametrize("space", ["w", "w+"])
def test_more_steps_come_nearer(contexts: Mapping[str, Context], tmp_path: Path, space: Any) -> None:
    few, many = (
        work(contexts["2d"], dataclasses.replace(BARE, space=space, steps=steps), tmp_path / str(steps))
        for steps in (1, 15)
    )
    assert many["figures"]["mean"]["psnr"] > few["figures"]["mean"]["psnr"] + 1
    codes = read_safetensors(tmp_path / "15" / "codes.safetensors")[0]
    assert codes.keys() == {"w"}
    assert torch.equal(codes["w"][:, 0], codes["w"][:, -1]) == (space == "w")


def test_pivotal_tuning_comes_nearer_than_the_code(contexts: Mapping[str, Context], tmp_path: Path) -> None:
    settings = dataclasses.replace(BARE, steps=5, pti=True, pti_steps=10, pti_lr=2e-3)
    context = dataclasses.replace(contexts["3d"], album=contexts["3d"].album[:1])
    figures = work(context, settings, tmp_path)["figures"]
    assert figures["mean"]["psnr"] > figures["mean of the codes"]["psnr"] + 1
    base = fingerprint(contexts["3d"].generator)  # so that `gpk run … NAME.pti.persona.safetensors` goes as it is
    assert load_persona(tmp_path / "img00000000.pti.persona.safetensors").origin.base == base


def test_a_2d_generator_has_no_views_and_all_the_rest(contexts: Mapping[str, Context], tmp_path: Path) -> None:
    outcome = work(contexts["2d"], QUICK, tmp_path)
    assert outcome["space"] == "w"
    names = ["img00000000", "img00000001"]
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {f"{name}.png" for name in names}
    assert "id_sim of views" not in outcome["figures"]["mean"]
    assert len(outcome["steps"]) == 2


def test_there_is_no_hull_without_a_subject(contexts: Mapping[str, Context]) -> None:
    context = contexts["3d"]
    with pytest.raises(InputError, match="no hull without a subject: give a persona, or --space w"):
        locate(context, None, context.album, Location(space="hull"))


def test_settings_become_those_of_the_steps() -> None:
    paper = Location()
    assert (paper.inversion("w").steps, paper.placement().steps, paper.pivoting().steps) == (600, 1000, 350)
    assert (paper.placement().total, paper.placement().offset, paper.placement().offset_layers) == (10, 10, 12)
    given = Location(protocol="quick", steps=7, lr=0.5, beta=0.2, offset=3.0, side=32, l2=0.5, pti_lr=0.25, draws=9)
    inversion = given.inversion("w+")
    assert (inversion.steps, inversion.lr, inversion.l2, inversion.draws) == (7, 0.5, 0.5, 9)
    assert paper.inversion("w").draws is None  # the backend's
    placement = given.placement()
    assert (placement.steps, placement.lr, placement.beta, placement.offset, placement.side) == (7, 0.5, 0.2, 3.0, 32)
    assert placement.lr_offset == 0.02  # quick's own
    assert given.pivoting().rate == 0.25


@pytest.mark.parametrize(
    ("wrong", "kind", "told"),
    [
        ({"yaw": -0.1}, InputError, "yaw and pitch must be at least 0"),
        ({"yaw": 20.0}, InputError, "yaw is in radians, from -3.142 to 3.142, not 20"),
        ({"memory": 0.0}, InputError, "memory must be above 0 GiB, not 0.0"),
        ({"together": True}, InputError, "together is about pivotal tuning: give pti too"),
        ({"steps": -1}, RecipeError, "steps must be at least 0, not -1"),
        ({"beta": -1.0}, RecipeError, "beta of a placement must be at least 0"),
        ({"pti_lr": 0.0}, RecipeError, "lr of pivotal tuning must be above 0"),
        ({"pti_steps": -5}, RecipeError, "steps of pivotal tuning must be at least 0"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told):
        Location(**wrong)


def test_files_of_photos_keep_apart() -> None:
    assert stems(["00/a.png", "01/a.png", "b.jpg"]) == ["00-a", "01-a", "b"]
    assert stems(["a.png", "a.jpg", "b.c.png"]) == ["a.png", "a.jpg", "b.c"]
    assert stems(["/etc/x.png", "../y.png"]) == ["-etc-x", "..-y"]
