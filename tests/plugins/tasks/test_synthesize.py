"""The task `synthesize`: where its codes lie, and that a picture depends on the seed and its number alone."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpk.attach import attached, is_attached
from gpk.camera import Camera
from gpk.context import Context
from gpk.errors import InputError
from gpk_checkpoints.files import read_safetensors
from gpk_photos.decode import read_image
from gpk_runs.run import Run
from gpk_tasks.synthesize import Synthesis, draw_hull, draw_prior, synthesize

Do = Callable[..., Any]
SETTINGS = Synthesis(count=7, batch=2, seed=4)


def test_what_is_written_is_what_the_persona_shows(subject: Context, done: Do, tmp_path: Path) -> None:
    written = done(synthesize, subject, SETTINGS, tmp_path).files
    assert set(written) == {"sheet.png", "codes.safetensors", *(f"pictures/{i:05}.png" for i in range(7))}
    codes, _ = read_safetensors(tmp_path / "codes.safetensors")
    drawn = draw_hull(subject.anchors(), 7, 4)
    assert torch.equal(codes["w"], drawn.w)
    assert torch.equal(codes["alpha"], drawn.origin)
    assert ("cameras" in codes) == subject.backend.cameras
    assert not is_attached(subject.generator)
    assert subject.persona is not None
    with attached(subject.generator, subject.persona) as generator, torch.no_grad():
        for index in (0, 6):
            camera = Camera.from_label(codes["cameras"][index]) if subject.backend.cameras else None
            image = generator(codes["w"][index][None], camera).image[0].clamp(-1, 1)
            assert (read_image(tmp_path / f"pictures/{index:05}.png") - image).abs().max() < 1.01 / 255
    plain = subject.generator(codes["w"][:1]).image[0].clamp(-1, 1)
    assert (read_image(tmp_path / "pictures/00000.png") - plain).abs().mean() > 0.01  # the persona tells


def test_the_first_pictures_are_the_same_however_many_are_made(subject: Context, done: Do, tmp_path: Path) -> None:
    few, many, other = (tmp_path / name for name in ("few", "many", "other"))
    done(synthesize, subject, dataclasses.replace(SETTINGS, count=2), few)
    done(synthesize, subject, SETTINGS, many)
    done(synthesize, subject, dataclasses.replace(SETTINGS, count=2, seed=5), other)
    shade = 2.01 / 255  # a smaller batch rounds otherwise, which may tip a pixel to the next shade
    for name in ("pictures/00000.png", "pictures/00001.png"):
        assert (read_image(few / name) - read_image(many / name)).abs().max() < shade
        assert (read_image(few / name) - read_image(other / name)).abs().max() > 0.1


@pytest.mark.parametrize("stop_at", [1, 3])
def test_a_stopped_run_draws_what_is_missing_alone(subject: Context, done: Do, tmp_path: Path, stop_at: int) -> None:
    whole = done(synthesize, subject, SETTINGS, tmp_path / "whole").files
    with pytest.raises(KeyboardInterrupt):
        done(synthesize, subject, SETTINGS, tmp_path / "run", stop_at=stop_at)
    there = sorted((tmp_path / "run/pictures").iterdir())
    assert len(there) == 2 * stop_at
    (tmp_path / "run/pictures/00001.png").unlink()  # as a full disk would have it
    kept = {path: path.stat().st_mtime_ns for path in there if path.name > "00001.png"}
    assert done(synthesize, subject, SETTINGS, tmp_path / "run").files == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.mark.usefixtures("ctrl_c")
def test_asked_to_stop_it_says_how_to_go_on(subject: Context, tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with (
        Run.open(tmp_path, {}, show=interrupt) as run,
        pytest.raises(KeyboardInterrupt, match="the same command goes on"),
    ):
        synthesize(dataclasses.replace(subject, logger=run), SETTINGS, run)
    assert len(list((tmp_path / "pictures").iterdir())) == SETTINGS.batch


def inside(alpha: Tensor, beta: float) -> bool:
    return torch.allclose(alpha.sum(1), torch.ones(())) and bool((alpha >= -beta - 1e-6).all())


def test_codes_lie_in_the_hull_and_truncation_draws_them_to_its_middle(subject: Context) -> None:
    anchors = subject.anchors()
    far = draw_hull(anchors, 50, 0, beta=0.1)
    assert inside(far.origin, 0.1)
    assert (far.origin < -0.01).any()
    assert inside(draw_hull(anchors, 50, 0, beta=0.0).origin, 0.0)
    assert ((far.origin != 0).sum(1) == 3).all()
    near, middle = (draw_hull(anchors, 50, 0, beta=0.1, truncation=t) for t in (0.5, 0.0))
    assert inside(near.origin, 0.1)
    torch.testing.assert_close(middle.w, anchors.mean(0).expand_as(middle.w))
    torch.testing.assert_close(near.w, (far.w + middle.w) / 2)
    alone = draw_hull(anchors, 50, 0, corners=1, beta=0.0)
    assert torch.allclose(alone.w, anchors[alone.origin.argmax(1)], atol=1e-6)


def test_without_a_subject_the_codes_are_the_generators_own(subject: Context, done: Do, tmp_path: Path) -> None:
    nobody = dataclasses.replace(subject, persona=None)
    settings = dataclasses.replace(SETTINGS, source="prior", truncation=0.7)
    done(synthesize, nobody, settings, tmp_path)
    codes, metadata = read_safetensors(tmp_path / "codes.safetensors")
    assert set(codes) - {"cameras"} == {"w", "z"}
    assert '"backend": "small"' in metadata["gpk"]
    generator = subject.generator
    torch.testing.assert_close(generator.mapping(codes["z"], generator.frontal(7), truncation=0.7), codes["w"])
    drawn = draw_prior(generator, 200, 0).origin
    assert drawn.mean().abs() < 0.1
    assert drawn.std() == pytest.approx(1, abs=0.05)
    with pytest.raises(InputError, match="this needs a subject's anchors"):
        done(synthesize, nobody, SETTINGS, tmp_path / "hull")


def test_pictures_say_what_they_are_and_of_nobody(subject: Context, done: Do, tmp_path: Path) -> None:
    done(synthesize, subject, dataclasses.replace(SETTINGS, count=1), tmp_path)
    for file in (tmp_path / "pictures/00000.png", tmp_path / "sheet.png"):
        with Image.open(file) as image:
            assert set(image.info) == {"XML:com.adobe.xmp", "xmp"} or set(image.info) == {"XML:com.adobe.xmp"}
            told = image.info["XML:com.adobe.xmp"]
        assert "digitalsourcetype/trainedAlgorithmicMedia" in told
        assert f'xmp:CreatorTool="gpk {version("gpk")}"' in told
        assert str(tmp_path) not in told


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "must be at least 1, not 0, 3 and 4"),
        ({"batch": 0}, "must be at least 1, not 32, 3 and 0"),
        ({"beta": -0.1}, "must be at least 0"),
        ({"truncation": float("nan")}, "must be at least 0"),
        ({"truncation": 1.5}, "a truncation of 1.5 would leave the hull: 1 at most, or a larger --beta"),
        ({"yaw": 20.0}, "yaw is in radians"),
    ],
)
def test_what_cannot_be_drawn_is_told(settings: Mapping[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Synthesis(**settings)  # pyright: ignore[reportArgumentType]
    Synthesis(source="prior", truncation=1.5)  # the prior has no edge
