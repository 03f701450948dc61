"""The task `render`: turning, swinging and going through anchors, alone or beside the pretrained generator."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gpk.attach import attached, is_attached
from gpk.context import Context
from gpk.errors import ExtraError, InputError, RunError
from gpk.generator import Generator
from gpk.seeding import seeded
from gpk_checkpoints.files import read_safetensors
from gpk_eg3d.network import EG3D
from gpk_photos.decode import read_image
from gpk_tasks.codes import write_codes
from gpk_tasks.render.render import Rendering, render

Do = Callable[..., Any]
FEW = Rendering(formats=("webp",), frames=5, fps=10.0, side=64, grid=3)


@pytest.fixture
def generator(request: pytest.FixtureRequest) -> Generator:
    """The family that has views, unless a test asks for another one."""
    return request.getfixturevalue(getattr(request, "param", "eg3d"))


def frames_of(file: Path) -> list[Image.Image]:
    """The frames of an animation; WebP makes one of several that hardly differ."""
    shown = []
    with Image.open(file) as moving:
        for index in range(getattr(moving, "n_frames", 1)):
            moving.seek(index)
            moving.load()
            shown += [moving.convert("RGB")] * round(moving.info["duration"] / 100)
    return shown


def drawn(generator: Generator) -> list[int]:
    """Grows by the batch's size whenever the generator draws planes."""
    assert isinstance(generator, EG3D)
    counted: list[int] = []
    generator.backbone.synthesis.register_forward_hook(lambda module, given, made: counted.append(len(made)))
    return counted


def pixels(picture: torch.Tensor) -> torch.Tensor:
    return (picture.clamp(-1, 1) + 1) * 127.5


def test_a_turntable_is_what_the_persona_shows_from_its_cameras(subject: Context, done: Do, tmp_path: Path) -> None:
    facts, files = done(render, subject, dataclasses.replace(FEW, anchors=(3, 1)), tmp_path)
    assert not is_attached(subject.generator)
    reels = [f"pictures/anchor-{a}/0000{k}.png" for a in (3, 1) for k in range(5)]
    assert set(files) == {"turntable.webp", "grid.png", "codes.safetensors", *reels}
    assert facts["files"] == ["turntable.webp", "codes.safetensors"]
    assert facts["pictures"] == ["grid.png", "pictures"]
    kept, _ = read_safetensors(tmp_path / "codes.safetensors")
    assert torch.equal(kept["w"], subject.anchors()[[3, 1]])
    assert kept["cameras"].shape == (5, 25)
    assert subject.persona is not None
    yaw = 0.35 * torch.tensor(2 * torch.pi * 2 / 5).sin()
    pitch = -0.12 * torch.tensor(2 * torch.pi * 2 / 5).cos()
    with attached(subject.generator, subject.persona), subject.generator.finer(2) as generator, torch.no_grad():
        image = generator(kept["w"][:1], generator.orbit(yaw, pitch)).image[0]
    written = read_image(tmp_path / "pictures/anchor-3/00002.png")
    assert (pixels(written) - pixels(image)).abs().max() < 0.51
    assert facts["samples along a ray"] == 24
    shown = frames_of(tmp_path / "turntable.webp")
    assert [frame.size for frame in shown] == [(64 + 10 + 64, 64)] * 5  # full-bleed, side by side
    with Image.open(tmp_path / "grid.png") as strip:
        assert strip.width == 40 + 160 + 3 * 64 + 2 * 10 + 40


@pytest.mark.parametrize("motion", ["turntable", "swing", "interpolation"])
def test_the_loop_closes(subject: Context, done: Do, tmp_path: Path, motion: Any) -> None:
    figures = {}
    for frames in (6, 24):
        settings = dataclasses.replace(FEW, motion=motion, frames=frames, anchors=(3, 1), grid=0, samples=4)
        facts, _ = done(render, subject, settings, tmp_path / str(frames))
        figures[frames] = next(iter(facts["figures"].values()))
    assert 0 < figures[24]["seam"] <= figures[24]["largest change"]
    assert figures[24]["seam"] < 0.5 * figures[6]["seam"]  # a step as any other: finer where there are more


def test_a_swing_is_level_and_a_camera_may_stay(subject: Context, done: Do, tmp_path: Path) -> None:
    done(render, subject, dataclasses.replace(FEW, motion="swing", frames=4), tmp_path / "swing")
    poses = read_safetensors(tmp_path / "swing/codes.safetensors")[0]["cameras"]
    level = subject.generator.orbit(torch.tensor([0.0, 0.35, 0.0, -0.35]), 0.0)
    assert level is not None
    torch.testing.assert_close(poses, level.label(), rtol=0, atol=1e-6)
    stays = dataclasses.replace(FEW, motion="interpolation", anchors=(0, 1), turn=0.0, nod=0.0)
    done(render, subject, stays, tmp_path / "stays")
    poses = read_safetensors(tmp_path / "stays/codes.safetensors")[0]["cameras"]
    assert (poses == poses[:1]).all()


def test_the_planes_of_a_code_are_drawn_once_and_on_a_path_once_a_frame(
    subject: Context, done: Do, tmp_path: Path
) -> None:
    planes = drawn(subject.generator)
    done(render, subject, dataclasses.replace(FEW, anchors=(3, 1)), tmp_path / "turning")
    assert planes == [1, 1]
    planes.clear()
    done(render, subject, dataclasses.replace(FEW, anchors=(3,), compare="pretrained"), tmp_path / "both")
    assert planes == [1, 1]
    planes.clear()
    done(render, subject, dataclasses.replace(FEW, motion="interpolation", anchors=(3, 1)), tmp_path / "path")
    assert planes == [1] * 10


@pytest.mark.parametrize("generator", ["stylegan2", "eg3d"], indirect=True)
def test_a_path_goes_through_its_anchors_in_order(subject: Context, done: Do, tmp_path: Path) -> None:
    settings = dataclasses.replace(FEW, motion="interpolation", anchors=(4, 0, 2), turn=0.0, nod=0.0, samples=1)
    facts, files = done(render, subject, settings, tmp_path)
    assert list(facts["figures"]) == ["path"]
    assert sum(name.startswith("pictures/path/") for name in files) == 15
    kept, _ = read_safetensors(tmp_path / "codes.safetensors")
    assert ("cameras" in kept) == subject.backend.cameras
    assert kept["weights"].shape == (15, 3)
    with torch.no_grad(), subject.personalized() as network:
        for place, anchor in enumerate((4, 0, 2)):
            image = network(subject.anchors()[anchor, None], network.frontal()).image[0]
            written = read_image(tmp_path / f"pictures/path/{5 * place:05}.png")
            assert (pixels(written) - pixels(image)).abs().max() < 0.51


def test_a_path_without_a_choice_goes_through_the_first_four(subject: Context, done: Do, tmp_path: Path) -> None:
    _, files = done(render, subject, dataclasses.replace(FEW, motion="interpolation", frames=2, grid=0), tmp_path)
    assert sum(name.startswith("pictures/path/") for name in files) == 8


def test_the_pretrained_generator_beside_it_with_depths(subject: Context, done: Do, tmp_path: Path) -> None:
    settings = dataclasses.replace(FEW, compare="pretrained", depth=True, samples=1)
    facts, _ = done(render, subject, settings, tmp_path)
    assert list(facts["figures"]) == ["anchor 0, pretrained", "anchor 0, personalized"]
    before, after = (
        read_image(tmp_path / f"pictures/anchor-0.{look}/00000.png") for look in ("pretrained", "personalized")
    )
    kept, _ = read_safetensors(tmp_path / "codes.safetensors")
    with torch.no_grad():
        camera = subject.generator.orbit(0.0, -0.12)
        plain = subject.generator(kept["w"], camera)
    assert (pixels(before) - pixels(plain.image[0])).abs().max() < 0.51
    assert (before - after).abs().mean() > 0.05
    depth, _ = read_safetensors(tmp_path / "pictures/anchor-0.pretrained/00000.safetensors")
    torch.testing.assert_close(depth["depth"], plain.depth[0] if plain.depth is not None else None)
    assert frames_of(tmp_path / "turntable.webp")[0].size == (10 + 4 * 64 + 3 * 10 + 10, 10 + 25 + 64 + 10)


def test_all_depths_have_one_range_of_greys(subject: Context, done: Do, tmp_path: Path) -> None:
    settings = dataclasses.replace(FEW, depth=True, frames=8, turn=1.0, formats=("gif",), grid=8)
    done(render, subject, settings, tmp_path)
    files = sorted(tmp_path.glob("pictures/anchor-0/*.safetensors"))
    depths = torch.stack([read_safetensors(file)[0]["depth"] for file in files])
    with Image.open(tmp_path / "grid.png") as strip:
        row = 40 + 26 + 26 + 25 + 74 + 32  # the middle of the second row
        shades = [strip.getpixel((40 + 160 + 74 * k + 32, row)) for k in range(8)]
    middles = depths[:, 0, 3:5, 3:5].mean((1, 2))
    told = torch.tensor([float(shade[0]) for shade in shades if isinstance(shade, tuple)])
    order = middles.argsort()
    assert len(told) == 8
    assert (told[order].diff() <= 6).all()  # farther is never brighter, whatever the frame


@pytest.mark.parametrize(
    ("motion", "stop_at"),  # in a reel, between two, between the generators, at the last frame, in either format
    [
        ("turntable", 1),
        ("turntable", 3),
        ("turntable", 14),
        ("interpolation", 6),
        ("interpolation", 12),
        ("interpolation", 20),
    ],
)
def test_a_stopped_run_ends_as_if_it_never_was(
    subject: Context, done: Do, tmp_path: Path, motion: Any, stop_at: int
) -> None:
    settings = dataclasses.replace(
        FEW, motion=motion, anchors=(3, 1), frames=3, compare="pretrained", depth=True, formats=("webp", "gif")
    )
    whole = done(render, subject, settings, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        done(render, subject, settings, tmp_path / "run", stop_at=stop_at)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "run/pictures").rglob("*.png")}
    assert len(made) == min(stop_at, 12)
    assert done(render, subject, settings, tmp_path / "run") == whole
    assert all(path.stat().st_mtime_ns == moment for path, moment in made.items())  # none is made again


def test_codes_that_changed_in_between_are_told(subject: Context, done: Do, tmp_path: Path) -> None:
    w = subject.generator.mapping(torch.randn(2, 12, generator=seeded(5)))
    write_codes(tmp_path / "mine.safetensors", subject, {"w": w})
    settings = dataclasses.replace(FEW, codes=tmp_path / "mine.safetensors")
    nobody = dataclasses.replace(subject, persona=None)
    with pytest.raises(KeyboardInterrupt):
        done(render, nobody, settings, tmp_path / "run", stop_at=2)
    write_codes(tmp_path / "mine.safetensors", subject, {"w": w + 1})
    with pytest.raises(RunError, match="the codes have changed since this run began: give another --out"):
        done(render, nobody, settings, tmp_path / "run")
    facts, _ = done(render, nobody, settings, tmp_path / "other")
    assert list(facts["figures"]) == ["code 0"]


def test_samples_are_multiplied_and_restore_themselves(subject: Context, done: Do, tmp_path: Path) -> None:
    generator = subject.generator
    assert isinstance(generator, EG3D)
    before, w = generator.config, subject.anchors()[:1]
    plain = generator(w).image
    with generator.finer(3) as finer:
        assert finer is generator
        assert finer.depth_samples == 36
        assert (finer.config.depth_resolution, finer.config.depth_resolution_importance) == (18, 18)
        assert (finer(w).image - plain).abs().mean() > 1e-3
    assert generator.config == before
    assert torch.equal(generator(w).image, plain)
    facts, _ = done(render, subject, dataclasses.replace(FEW, samples=4), tmp_path / "four")
    assert facts["samples along a ray"] == 48
    with pytest.raises(KeyboardInterrupt):
        done(render, subject, FEW, tmp_path / "stopped", stop_at=2)
    assert generator.config == before


def test_more_samples_flicker_less_and_chance_flickers_most(eg3d: EG3D) -> None:
    w = eg3d.mapping(torch.randn(1, 12, generator=seeded(1)))
    cameras = eg3d.orbit(torch.linspace(0.0, 0.02, 8), 0.0)

    def shimmer(times: int, rng: torch.Generator | None = None) -> float:
        with eg3d.finer(times), torch.no_grad():
            frames = torch.cat([eg3d(w, cameras[k], rng=rng).image for k in range(8)])
        return (frames[:-2] - 2 * frames[1:-1] + frames[2:]).abs().mean().item()

    assert shimmer(4) < shimmer(1)
    assert shimmer(1) < 0.1 * shimmer(1, seeded(0))


@pytest.mark.parametrize("generator", ["stylegan2"], indirect=True)
@pytest.mark.parametrize("motion", ["turntable", "swing"])
def test_turning_a_2d_generator_is_told_what_to_do_instead(
    subject: Context, done: Do, tmp_path: Path, motion: Any
) -> None:
    with pytest.raises(InputError, match="small is a 2D generator and has no views: give --motion interpolation"):
        done(render, subject, dataclasses.replace(FEW, motion=motion), tmp_path)


@pytest.mark.parametrize("generator", ["stylegan2"], indirect=True)
def test_in_2d_there_are_neither_depths_nor_samples(subject: Context, done: Do, tmp_path: Path) -> None:
    path = dataclasses.replace(FEW, motion="interpolation", frames=2)
    with pytest.raises(InputError, match="small is a 2D generator and has no depth: leave out --depth"):
        done(render, subject, dataclasses.replace(path, depth=True), tmp_path / "depth")
    with pytest.raises(InputError, match="StyleGAN2 has no samples along rays: they cannot be multiplied by 2"):
        done(render, subject, dataclasses.replace(path, samples=2), tmp_path / "samples")
    assert done(render, subject, path, tmp_path / "path")[0]["samples along a ray"] == 0
    with subject.generator.finer(1) as same:
        assert same is subject.generator


def test_an_mp4_shows_its_loops_and_webp_goes_on_by_itself(subject: Context, done: Do, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    settings = dataclasses.replace(FEW, formats=("mp4", "webp"), loops=3, fps=12.0, side=None)
    facts, _ = done(render, subject, settings, tmp_path)
    assert facts["files"][:2] == ["turntable.mp4", "turntable.webp"]
    with av.open(str(tmp_path / "turntable.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 12
    assert len(frames) == 15
    assert frames[0].shape == (256, 256, 3)  # a small generator's pictures are enlarged
    assert abs(frames[5].astype(float) - frames[0].astype(float)).mean() < 5
    assert b"ANIM" in (tmp_path / "turntable.webp").read_bytes()


def test_without_pyav_nothing_is_rendered_before_it_is_told(
    subject: Context, done: Do, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ExtraError, match=r"pip install 'gpk\[video\]', or --formats webp"):
        done(render, subject, Rendering(frames=2), tmp_path)
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frames": 1}, "frames must be at least 2, loops at least 1 and grid at least 0, not 1, 1 and 8"),
        ({"loops": 0}, "loops at least 1"),
        ({"grid": -1}, "grid at least 0"),
        ({"fps": 0.0}, "fps must be from 1 to 120, not 0"),
        ({"fps": float("nan")}, "fps must be from 1 to 120, not nan"),
        ({"fps": 60.0, "formats": ("gif",)}, "a gif shows at most 50 frames a second, not 60: give --fps 50"),
        ({"formats": ()}, "which formats"),
        ({"side": 8}, "side must be from 16 to 2160, not 8"),
        ({"samples": 0}, "samples must be from 1 to 16, not 0"),
        ({"turn": 20.0}, "yaw is in radians"),
        ({"nod": 2.0}, "pitch is in radians"),
    ],
)
def test_settings_that_cannot_be_are_told(settings: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Rendering(**settings)


def test_codes_that_are_not_there_are_told(subject: Context, done: Do, tmp_path: Path) -> None:
    nobody = dataclasses.replace(subject, persona=None)
    with pytest.raises(InputError, match="Give a persona, or a file of codes with --codes"):
        done(render, nobody, FEW, tmp_path / "nobody")
    with pytest.raises(InputError, match="there is no anchor 7: they are counted from 0, and the last is 4"):
        done(render, subject, dataclasses.replace(FEW, anchors=(7,)), tmp_path / "far")
    with pytest.raises(InputError, match="goes from one code to another, and there is 1: give two --anchors"):
        done(render, subject, dataclasses.replace(FEW, motion="interpolation", anchors=(2,)), tmp_path / "one")
    write_codes(tmp_path / "mine.safetensors", subject, {"w": subject.anchors()})
    lone = dataclasses.replace(FEW, codes=tmp_path / "mine.safetensors", compare="pretrained")
    with pytest.raises(InputError, match="no persona to compare with the pretrained generator: give SUBJECT"):
        done(render, nobody, lone, tmp_path / "alone")
