"""The task `interpolate`: straight paths between anchors, and an animation there and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpk.album import Album
from gpk.attach import attached, is_attached
from gpk.camera import Camera
from gpk.context import Context
from gpk.errors import InputError
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_checkpoints.files import read_safetensors
from gpk_checkpoints.weights import load_generator
from gpk_eg3d.network import EG3D
from gpk_tasks.interpolate import Interpolation, interpolate, named_pairs, path_views, paths, random_pairs, there
from gpk_tasks.shots import as_bytes

Do = Callable[..., Any]
SETTINGS = Interpolation(between=("0:3", "4:1"), steps=3, views=2, frames=6)
FEW = Interpolation(between=("0:3", "4:1"), steps=2, views=1, frames=3)


def judged(context: Context) -> Context:
    """With a judge that knows pictures by their mean colour, and three photos of the subject."""

    class Colours(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.nn.functional.normalize(images.mean((2, 3)), dim=1)

    with torch.no_grad(), context.personalized() as generator:
        photos = generator(context.anchors()[:3]).image
    return dataclasses.replace(
        context, judge=Colours(), album=Album(photos, ("a", "b", "c"), context.generator.frontal(3))
    )


def test_a_path_begins_and_ends_at_its_anchors_bit_for_bit() -> None:
    anchors = torch.randn(5, 3, 4, generator=seeded(0)) * 100
    path = paths(anchors, [(0, 3), (4, 1)], torch.linspace(0, 1, 7))
    assert path.shape == (2, 7, 3, 4)
    assert torch.equal(path[:, 0], anchors[[0, 4]])
    assert torch.equal(path[:, -1], anchors[[3, 1]])
    torch.testing.assert_close(path[:, 3], (anchors[[0, 4]] + anchors[[3, 1]]) / 2)
    steps = path.diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), rtol=1e-3, atol=1e-4)
    assert torch.equal(paths(anchors, [(2, 2)], torch.tensor([0.3]))[0, 0], anchors[2])


def test_random_pairs_are_different_anchors_and_different_pairs() -> None:
    pairs = random_pairs(6, 10, seed=1)
    assert len(set(pairs)) == 10
    assert all(0 <= i < j < 6 for i, j in pairs)
    assert random_pairs(6, 10, seed=1) == pairs != random_pairs(6, 10, seed=2)
    assert len(random_pairs(3, 10, seed=0)) == 3  # there are no more
    met = [pair for seed in range(300) for pair in random_pairs(4, 1, seed=seed)]
    assert all(30 < met.count(pair) < 75 for pair in set(met))  # each as likely: 50 of 300
    with pytest.raises(InputError, match="a path needs two codes, and there is 1"):
        random_pairs(1, 10, seed=0)


@pytest.mark.parametrize("text", ["0-5", "5", "a:b", "-1:2", "1:2:3", ""])
def test_what_is_no_pair_is_told(text: str) -> None:
    with pytest.raises(InputError, match="a pair is two numbers counted from 0, such as 0:5, not"):
        named_pairs([text])


def test_there_goes_from_one_end_to_the_other() -> None:
    way = there(8)
    assert (len(way), way[0], way[-1]) == (5, 0, pytest.approx(1))
    assert (way.diff() > 0).all()
    assert len(there(1)) == 1
    assert len(there(5)) == 3


def test_the_views_of_a_path_draw_its_codes_once_each(eg3d: EG3D) -> None:
    drawn = []
    eg3d.backbone.synthesis.register_forward_hook(lambda module, given, made: drawn.append(len(made)))
    codes = eg3d.mapping(torch.randn(6, 12, generator=seeded(0))).unflatten(0, (2, 3))
    cameras = Camera.orbit(torch.linspace(-0.3, 0.3, 4), 0.1)
    images = list(path_views(eg3d, codes, cameras))
    assert [image.shape for image in images] == [(4, 3, 32, 32)] * 6
    assert drawn == [1] * 6
    torch.testing.assert_close(images[4][2], eg3d(codes[1, 1][None], cameras[2]).image[0], rtol=1e-4, atol=1e-5)


def test_what_is_written_is_what_the_persona_shows(subject: Context, done: Do, tmp_path: Path) -> None:
    facts, files = done(interpolate, subject, SETTINGS, tmp_path)
    assert not is_attached(subject.generator)
    assert set(files) == {"paths.png", "paths.webp", "codes.safetensors"}
    assert list(facts["figures"]) == ["anchor 0 to 3", "anchor 4 to 1"]
    assert "id_sim by weight" not in facts
    codes, _ = read_safetensors(tmp_path / "codes.safetensors")
    assert torch.equal(codes["w"][:3], paths(subject.anchors(), [(0, 3)], torch.linspace(0, 1, 3))[0])
    assert codes["pairs"].tolist() == [[0, 3], [4, 1]]
    side = subject.generator.resolution
    with Image.open(tmp_path / "paths.webp") as moving:
        assert moving.size == (2 * 192 + 10 + 80, 192 + 80)
    assert subject.persona is not None
    with attached(subject.generator, subject.persona) as generator, Image.open(tmp_path / "paths.png") as sheet:
        shown = as_bytes(generator(codes["w"][4:5]).image, side)[0].permute(1, 2, 0).numpy()
        # the second row's middle: a margin, a title, a heading and captions come before
        corner = (40 + 160 + 138, 40 + 26 + 26 + 25 + 138)
        cut = sheet.crop((*corner, corner[0] + 128, corner[1] + 128))
        assert cut.tobytes() == Image.fromarray(shown).resize((128, 128), Image.Resampling.LANCZOS).tobytes()


def test_the_animation_sways_on_the_same_codes_there_and_back(subject: Context, done: Do, tmp_path: Path) -> None:
    settings, drawn = dataclasses.replace(SETTINGS, turn=1.0, seconds=0.6), []
    if isinstance(subject.generator, EG3D):
        subject.generator.backbone.synthesis.register_forward_hook(lambda module, given, made: drawn.append(len(made)))
    done(interpolate, subject, settings, tmp_path)
    if drawn:
        assert drawn == [1] * (2 * 3 + 2 * 4)  # the points of the paths, and those of the way there
    frames = film(tmp_path / "paths.webp", 0.1)
    assert len(frames) == 6
    for k in (1, 2):  # the way back is the way there, seen from the other side
        apart = (frames[k] - frames[6 - k]).abs().mean()
        assert apart > 0.3 if subject.backend.cameras else apart == 0
        assert (frames[k] - frames[0]).abs().mean() > 2


def film(file: Path, each: float) -> list[Tensor]:
    """What the animation shows every `each` seconds; WebP makes one frame of several that hardly differ."""
    shown = []
    with Image.open(file) as moving:
        for k in range(getattr(moving, "n_frames", 1)):
            moving.seek(k)
            moving.load()
            picture = torch.frombuffer(bytearray(moving.convert("RGB").tobytes()), dtype=torch.uint8).float()
            shown += [picture] * round(moving.info["duration"] / 1000 / each)
    return shown


@pytest.mark.parametrize("stop_at", [2, 4, 6, 8])  # on a path, at their end, in the animation, at the very end
def test_a_stopped_run_ends_as_if_it_never_was(subject: Context, done: Do, tmp_path: Path, stop_at: int) -> None:
    subject = judged(subject)
    whole = done(interpolate, subject, FEW, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        done(interpolate, subject, FEW, tmp_path / "run", stop_at=stop_at)
    assert not (tmp_path / "run/paths.png").exists()
    assert done(interpolate, subject, FEW, tmp_path / "run") == whole


def test_with_an_album_likeness_is_told_along_the_path(subject: Context, done: Do, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, between=("0:1",), frames=0, yaw=0.0, pitch=0.0)  # all views are frontal
    facts, files = done(interpolate, judged(subject), settings, tmp_path)
    assert "paths.webp" not in files
    by_weight = facts["id_sim by weight"]
    assert list(by_weight) == ["0.00", "0.50", "1.00"]
    assert [by_weight["0.00"], by_weight["1.00"]] == pytest.approx([1, 1], abs=1e-5)  # both ends are in the album
    assert by_weight["0.50"] < 1 - 1e-5
    assert facts["figures"]["mean"]["id_sim"] == pytest.approx(sum(by_weight.values()) / 3)
    assert facts["figures"]["mean"]["lowest id_sim"] == by_weight["0.50"]


def test_pairs_of_anchors_that_are_not_there_are_told(subject: Context, done: Do, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no anchor 7: they are counted from 0, and the last is 4"):
        done(interpolate, subject, Interpolation(between=("0:7",)), tmp_path / "far")
    with pytest.raises(InputError, match="Give a persona, or a file of codes with --codes"):
        done(interpolate, dataclasses.replace(subject, persona=None), Interpolation(), tmp_path / "nobody")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 1}, "steps at least 2, not 10, 1 and 20"),
        ({"pairs": 0}, "must be at least 1"),
        ({"frames": -1}, "frames must be at least 0"),
        ({"turn": 20.0}, "yaw is in radians"),
        ({"between": ("0-5",)}, "a pair is two numbers"),
    ],
)
def test_what_cannot_be_a_path_is_told(settings: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Interpolation(**settings)


def test_a_path_of_the_prior_changes_step_by_step() -> None:
    backend = Registry.discover().backend("eg3d-minicat")
    generator = load_generator(backend, backend.card, None, device=torch.device("cpu"))
    w = generator.mapping(torch.randn(2, generator.latent.z_dim, generator=seeded(2)))
    images = torch.cat(list(path_views(generator, paths(w, [(0, 1)], torch.linspace(0, 1, 9)), generator.frontal())))
    step = images.diff(dim=0).abs().mean((1, 2, 3))
    apart = (images[-1] - images[0]).abs().mean()
    assert step.max() < 0.5 * apart  # no jump from one cat to the other
    assert step.min() > 0.02 * apart
