"""The task `edit`: directions learned on the embedded priors, and edits stopped half-way and not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gpk.album import Album
from gpk.context import Context
from gpk.directions import one_step
from gpk.errors import InputError, UnknownNameError
from gpk.generator import fingerprint
from gpk.latents import latent_statistics
from gpk.logger import NullLogger
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.registry import Registry
from gpk_checkpoints.directions import read_direction
from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_cli.context import make_context
from gpk_minicat.attributes import meaning
from gpk_tasks.edit.attributes import DirectionFit, draw, labelled, learned, read
from gpk_tasks.edit.edit import edit
from gpk_tasks.edit.settings import Editing

Do = Callable[..., Any]


class Colours(nn.Module):
    """How bright, and how red, a picture is."""

    names = ("brightness", "redness")

    def forward(self, images: Tensor) -> Tensor:
        """The attributes [B, 2]."""
        mean = images.mean((2, 3))
        return torch.stack([mean.mean(1), mean[:, 0] - mean[:, 2]], 1)


@pytest.fixture(scope="module")
def minicat() -> Context:
    """The embedded 3D prior, with three anchors and no change of its weights."""
    context = pretrained("eg3d-minicat")
    _, w = draw(context.generator, 3, seed=1)
    origin = Origin("eg3d-minicat", "minicat-64", fingerprint(context.generator))
    return dataclasses.replace(
        context, persona=Persona.create(context.generator, Recipe(), origin=origin, anchors=w[:, 0])
    )


@pytest.fixture
def reading(subject: Context) -> Context:
    """Each small family in turn, with a persona and attributes."""
    return dataclasses.replace(subject, attributes=Colours())


def pretrained(name: str) -> Context:
    registry = Registry.discover()
    backend = registry.backend(name)
    return make_context(registry, backend, backend.card, None, weights=None, device="cpu", logger=NullLogger())


def test_what_noise_means_gives_directions_that_move_what_is_read(minicat: Context) -> None:
    labels = labelled(minicat, 1024, ("openness",), teacher="known")
    assert (labels.by, labels.agreement) == ("noise", {})
    statistics = latent_statistics(minicat.generator)
    _, w = draw(minicat.generator, 4, seed=9)
    for name in ("openness", "light"):
        direction = learned(labels, name, minicat.generator, DirectionFit())
        assert direction.facts["accuracy"] > 0.95
        assert direction.base == fingerprint(minicat.generator)
        step = one_step(direction.d, statistics)
        with torch.no_grad():
            views = [minicat.generator(w + amount * step, minicat.generator.frontal(4)).image for amount in (-1, 0, 1)]
        assert minicat.attributes is not None
        index = minicat.attributes.names.index(name)
        seen = torch.stack([read(minicat.attributes, image)[:, index] for image in views])
        assert (seen.diff(dim=0) > 0.1).all()


def test_what_is_read_gives_the_directions_that_the_noise_means(minicat: Context) -> None:
    seen, known = labelled(minicat, 48), labelled(minicat, 1024, teacher="known")
    assert seen.by == "judge minicat-attributes"
    assert seen.agreement["light"] > 0.95
    assert seen.agreement["openness"] > 0.9
    assert "left_eye_red" in seen.scores
    assert "left_eye_red" not in seen.agreement
    mine, theirs = (learned(labels, "light", minicat.generator, DirectionFit()) for labels in (seen, known))
    assert mine.facts["agreement"] == round(seen.agreement["light"], 4)
    assert (mine.d @ theirs.d.mT).item() > 0.85


def test_a_direction_without_others_leaves_them(minicat: Context) -> None:
    labels = labelled(minicat, 512, teacher="known")
    light, tint = (learned(labels, name, minicat.generator, DirectionFit()) for name in ("fur_light", "fur_tint"))
    kept = learned(labels, "fur_light", minicat.generator, DirectionFit(), without=("fur_tint",))
    assert abs((kept.d @ tint.d.mT).item()) < 1e-5 < abs((light.d @ tint.d.mT).item())
    assert kept.facts["kept"] == pytest.approx((kept.d @ light.d.mT).item(), abs=1e-4)
    assert kept.facts["without"] == ["fur_tint"]
    with pytest.raises(InputError, match="the direction of 'light' cannot do without itself"):
        learned(labels, "light", minicat.generator, DirectionFit(), without=("light",))


def test_what_the_2d_noise_means_counts_as_it_is_read() -> None:
    context = pretrained("stylegan2-minicat")
    labels = labelled(context, 32)
    assert {"yaw", "pitch"} <= meaning(torch.zeros(1, 22)).keys()
    assert min(labels.agreement[name] for name in ("yaw", "pitch", "light", "openness")) > 0.85


def test_the_edited_subject(minicat: Context, done: Do, tmp_path: Path) -> None:
    album = Album(minicat.generator(minicat.anchors(), minicat.generator.frontal(3)).image, ("a", "b", "c"))
    settings = Editing(attribute="light", teacher="known", amounts=(2, -2), anchors=(2, 0))
    facts, files = done(edit, dataclasses.replace(minicat, album=album), settings, tmp_path / "run")
    figures = facts["figures"]
    assert list(figures) == ["-2", "0", "+2", "direction"]
    moved = [figures[amount]["moved"] for amount in ("-2", "0", "+2")]
    assert moved == sorted(moved)
    assert moved[2] == pytest.approx(2 * facts["direction"]["held"] ** 2, rel=1e-3)
    assert figures["-2"]["light"] < figures["0"]["light"] < figures["+2"]["light"]
    assert figures["0"]["ID_sim to itself"] == pytest.approx(1, abs=1e-5)
    assert figures["0"]["ID_sim to the album"] == pytest.approx(1, abs=1e-4)
    assert figures["0"]["others"] == 0 < figures["+2"]["others"]
    names = {f"pictures/anchor-{n}.{amount}.png" for n in (0, 2) for amount in ("-2", "+0", "+2")}
    assert files.keys() == names | {"sheet.png", "codes.safetensors", "direction.safetensors"}
    codes, _ = read_safetensors(tmp_path / "run" / "codes.safetensors")
    assert codes["w"].shape == (6, *minicat.anchors().shape[1:])
    assert codes["amounts"].tolist() == [-2, 0, 2, -2, 0, 2]
    torch.testing.assert_close(codes["w"][1::3], minicat.anchors()[[2, 0]])
    again = Editing(direction=tmp_path / "run" / "direction.safetensors", amounts=(2, -2), anchors=(2, 0))
    _, same = done(edit, minicat, again, tmp_path / "again")
    assert all(same[name] == files[name] for name in names)


@pytest.mark.parametrize("stop_at", [7, 20])
def test_a_stopped_edit_goes_on_as_if_it_had_not_been(reading: Context, done: Do, tmp_path: Path, stop_at: int) -> None:
    settings = Editing(attribute="redness", samples=32, share=0.3, edge="project", anchors=(0, 3))
    through = done(edit, reading, settings, tmp_path / "through")
    assert len(through.files) == 2 * 5 + 3
    with pytest.raises(KeyboardInterrupt):  # while pictures are read, or while the edited ones are made
        done(edit, reading, settings, tmp_path / "stopped", stop_at=stop_at)
    assert (tmp_path / "stopped" / "direction.safetensors").exists() == (stop_at == 20)
    steps = 32 // 2 + 2 * 5
    with pytest.raises(KeyboardInterrupt):  # at the last one: those before the stop are not done again
        done(edit, reading, settings, tmp_path / "stopped", stop_at=steps - stop_at + 1)
    assert done(edit, reading, settings, tmp_path / "stopped", stop_at=2) == through


def test_labels_of_ones_own(reading: Context, done: Do, tmp_path: Path) -> None:
    _, w = draw(reading.generator, 40, seed=5)
    write_safetensors(tmp_path / "codes.safetensors", {"w": w}, {})
    scores, middle = w[:, 0, 3], w[:, 0, 3].median()
    rows = [f"{i:05}.png,{'yes' if score > middle else 'no'},{score}" for i, score in enumerate(scores.tolist())]
    (tmp_path / "labels.csv").write_text("\n".join(["file,third,exactly", *rows]))
    own = Editing(labels=tmp_path / "labels.csv", labelled=tmp_path / "codes.safetensors", space="w", share=0.3)
    with pytest.raises(InputError, match=r"which --attribute\? .* has third, exactly"):
        done(edit, reading, own, tmp_path / "unnamed")
    third = dataclasses.replace(own, attribute="third")
    facts, _ = done(edit, reading, third, tmp_path / "third")
    assert facts["direction"]["by"] == "labels"
    assert facts["direction"]["learned"] + facts["direction"]["tried"] == 40
    assert [facts["figures"][amount]["moved"] for amount in ("-2", "0", "+2")] == pytest.approx([-2, 0, 2], abs=1e-4)
    d = read_direction(tmp_path / "third" / "direction.safetensors").d[0]
    step = one_step(d[None], latent_statistics(reading.generator))
    codes = read_safetensors(tmp_path / "third" / "codes.safetensors")[0]["w"]
    torch.testing.assert_close(codes[4] - codes[2], (2 * step).expand_as(codes[4]), atol=1e-4, rtol=1e-4)
    assert torch.corrcoef(torch.stack([w[:, 0] @ d, scores]))[0, 1] > 0.7


def test_codes_beside_the_hull_keep_what_they_have(reading: Context, done: Do, tmp_path: Path) -> None:
    _, w = draw(reading.generator, 2, seed=5)
    write_safetensors(tmp_path / "codes.safetensors", {"w": w}, {})
    settings = Editing(attribute="redness", samples=32, share=0.3, codes=tmp_path / "codes.safetensors", amounts=(1.5,))
    done(edit, reading, settings, tmp_path / "run")
    codes = read_safetensors(tmp_path / "run" / "codes.safetensors")[0]["w"]
    torch.testing.assert_close(codes[::2], w, atol=1e-5, rtol=0)
    assert not torch.allclose(codes[1::2], w, atol=1e-2)


def test_what_cannot_be_edited_is_told_before_any_picture(reading: Context, done: Do, tmp_path: Path) -> None:
    shown = Editing(attribute="hue", samples=32)
    with pytest.raises(UnknownNameError, match="unknown attribute 'hue': Known: brightness, redness"):
        done(edit, reading, shown, tmp_path / "a", stop_at=1)
    blind = dataclasses.replace(reading, attributes=None)
    with pytest.raises(InputError, match="small: nothing reads attributes in its pictures; give a --direction"):
        done(edit, blind, shown, tmp_path / "b")
    with pytest.raises(InputError, match="small: nothing is known of what its noise means"):
        done(edit, reading, dataclasses.replace(shown, teacher="known"), tmp_path / "c")
    with pytest.raises(InputError, match="there is no hull without a subject: give a persona, or --space w"):
        done(edit, dataclasses.replace(reading, persona=None), shown, tmp_path / "d")
    with pytest.raises(InputError, match="there is no anchor 7"):
        done(edit, reading, Editing(attribute="redness", anchors=(7,)), tmp_path / "e")
    if not reading.backend.cameras:
        with pytest.raises(InputError, match="is a 2D generator and has no views"):
            done(edit, reading, Editing(attribute="redness", yaw=0.2), tmp_path / "f")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "what is to change? Give an --attribute, a --direction, or --labels"),
        ({"direction": Path("d.npy"), "without": ("pose",)}, "a --direction is learned already: leave out"),
        ({"labels": Path("l.csv")}, "--labels, the CSV, and --labelled, the codes of its pictures, go together"),
        ({"labels": Path("l.csv"), "labelled": Path("c"), "teacher": "judge"}, "leave out --teacher"),
        ({"attribute": "x", "amounts": ()}, "amounts are numbers with commas"),
        ({"attribute": "x", "amounts": (1.0, float("inf"))}, "amounts are numbers with commas"),
        ({"attribute": "x", "samples": 8}, "samples must be at least 32, not 8"),
        ({"attribute": "x", "share": 0.6}, "share must be above 0 and at most 0.5, not 0.6"),
        ({"attribute": "x", "penalty": 0.0}, "penalty must be above 0 and beta at least 0, not 0 and 0.03"),
        ({"attribute": "x", "beta": -0.1}, "penalty must be above 0 and beta at least 0, not 100 and -0.1"),
        ({"attribute": "x", "yaw": 20.0}, "yaw is in radians"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        Editing(**settings)
    assert told in str(caught.value)
