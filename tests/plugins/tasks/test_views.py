"""The task `views`: a grid, its depths and a turntable, of the anchors or of codes in a file."""

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
from gpk.context import Context
from gpk.errors import InputError, RunError
from gpk.logger import NullLogger
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_checkpoints.files import read_safetensors
from gpk_checkpoints.weights import load_generator
from gpk_eg3d.network import EG3D
from gpk_minicat import load_identity
from gpk_photos.decode import read_image
from gpk_tasks.codes import write_codes
from gpk_tasks.views import Views, greys, grid_of, views

Do = Callable[..., Any]
SETTINGS = Views(anchors=(3, 1), yaw=(-0.3, 0.1), pitch=(-0.2, 0.0, 0.2), frames=6)
FEW = Views(anchors=(3, 1), yaw=(0.1,), pitch=(0.0, 0.2), frames=3)


@pytest.fixture
def generator(eg3d: EG3D) -> EG3D:
    """The family that has views."""
    return eg3d


def test_a_grid_has_the_yaws_of_a_pitch_together() -> None:
    assert (
        grid_of([-0.3, 0.1], [-0.2, 0.2]).tolist() == torch.tensor([[-0.3, 0.1] * 2, [-0.2, -0.2, 0.2, 0.2]]).tolist()
    )


def test_near_is_white_in_one_range_for_all() -> None:
    depths = torch.linspace(2.3, 3.2, 2 * 64).view(2, 1, 8, 8)
    shades = greys(depths)
    assert (shades.flatten().diff() <= 0).all()
    assert shades[0].min() > shades[1].max()
    assert (shades.max(), shades.min()) == (1, -1)
    stray = depths.clone()
    stray[0, 0, 0, 0] = 1e6
    assert (greys(stray) - shades).flatten()[1:].abs().max() < 0.05
    assert torch.isfinite(greys(torch.ones(1, 1, 4, 4))).all()


def test_what_is_written_is_what_the_persona_shows(subject: Context, done: Do, tmp_path: Path) -> None:
    facts, files = done(views, subject, SETTINGS, tmp_path)
    assert not is_attached(subject.generator)
    pictures = [
        f"pictures/anchor-{a}.yaw{y}.pitch{p}.png"
        for a in (3, 1)
        for p in ("-0.2", "+0", "+0.2")
        for y in ("-0.3", "+0.1")
    ]
    assert set(files) == {"views.png", "depth.png", "turntable.webp", "depth.safetensors", *pictures}
    assert set(facts["figures"]) == {"anchor 3", "anchor 1"}
    assert all((tmp_path / name).exists() for name in (*facts["pictures"], *facts["files"]))
    kept, _ = read_safetensors(tmp_path / "depth.safetensors")
    assert torch.equal(kept["w"], subject.anchors()[[3, 1]])
    assert kept["depth"].shape == (2, 6, 1, 8, 8)
    assert subject.persona is not None
    with attached(subject.generator, subject.persona) as generator, torch.no_grad():
        render = generator(kept["w"][1:], generator.orbit(0.1, 0.2))
        assert render.depth is not None
        torch.testing.assert_close(kept["depth"][1, 5], render.depth[0], rtol=1e-4, atol=1e-5)
        written = read_image(tmp_path / "pictures/anchor-1.yaw+0.1.pitch+0.2.png")
        assert (written - render.image[0].clamp(-1, 1)).abs().max() < 1.01 / 255
    with Image.open(tmp_path / "turntable.webp") as moving:
        assert moving.size == (2 * 192 + 10 + 80, 192 + 80)
        assert b"trainedAlgorithmicMedia" in moving.info["xmp"]


def test_the_planes_of_a_code_are_drawn_once(subject: Context, done: Do, tmp_path: Path) -> None:
    assert isinstance(subject.generator, EG3D)
    drawn = []
    subject.generator.backbone.synthesis.register_forward_hook(lambda module, given, made: drawn.append(len(made)))
    done(views, subject, SETTINGS, tmp_path)
    assert drawn == [1, 1]


@pytest.mark.parametrize("stop_at", [1, 4, 5, 10])  # on the grid, on the loop, between codes, at the end
def test_a_stopped_run_ends_as_if_it_never_was(subject: Context, done: Do, tmp_path: Path, stop_at: int) -> None:
    subject = judged(subject)
    whole = done(views, subject, FEW, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        done(views, subject, FEW, tmp_path / "run", stop_at=stop_at)
    assert not (tmp_path / "run/views.png").exists()
    assert done(views, subject, FEW, tmp_path / "run") == whole


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


def test_with_an_album_likeness_is_told(subject: Context, done: Do, tmp_path: Path) -> None:
    settings = Views(anchors=(0, 4), yaw=(0.0,), pitch=(0.0,), frames=0)
    facts, files = done(views, judged(subject), settings, tmp_path)
    assert "turntable.webp" not in files
    known, other = facts["figures"]["anchor 0"], facts["figures"]["anchor 4"]
    assert known == {"id_sim": pytest.approx(1, abs=1e-5), "lowest id_sim": pytest.approx(1, abs=1e-5)}
    assert other["id_sim"] < known["id_sim"]


def test_codes_of_a_file_and_the_first_ones_without_a_choice(subject: Context, done: Do, tmp_path: Path) -> None:
    w = subject.generator.mapping(torch.randn(6, 12, generator=seeded(5)))
    write_codes(tmp_path / "codes.safetensors", subject, {"w": w})
    small = {"yaw": (0.0,), "pitch": (0.0,), "frames": 0, "codes": tmp_path / "codes.safetensors"}
    nobody = dataclasses.replace(subject, persona=None)
    facts, _ = done(views, nobody, Views(**small), tmp_path / "first")
    assert list(facts["figures"]) == ["code 0", "code 1", "code 2", "code 3"]
    facts, _ = done(views, nobody, Views(anchors=(5,), **small), tmp_path / "last")
    assert list(facts["figures"]) == ["code 5"]
    assert (
        read_image(tmp_path / "last/pictures/code-5.yaw+0.pitch+0.png") - subject.generator(w[5:]).image[0].clamp(-1, 1)
    ).abs().max() < 0.01
    with pytest.raises(InputError, match="there is no code 6"):
        done(views, nobody, Views(anchors=(6,), **small), tmp_path / "none")
    with pytest.raises(KeyboardInterrupt):
        done(views, nobody, Views(**small), tmp_path / "changed", stop_at=3)
    write_codes(tmp_path / "codes.safetensors", subject, {"w": w + 1})
    with pytest.raises(RunError, match="the codes have changed since this run began"):
        done(views, nobody, Views(**small), tmp_path / "changed")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"yaw": ()}, "at least one yaw and one pitch"),
        ({"pitch": (0.0, 20.0)}, "pitch is in radians, from -1.5 to 1.5, not 20"),
        ({"turn": 20.0}, "yaw is in radians, from -3.142 to 3.142, not 20"),
        ({"frames": -1}, "frames must be at least 0"),
        ({"seconds": 0.0}, "seconds above 0"),
    ],
)
def test_what_cannot_be_seen_is_told(settings: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Views(**settings)


def test_a_cat_of_the_prior_is_itself_from_all_sides_and_turns_smoothly(done: Do, tmp_path: Path) -> None:
    backend = Registry.discover().backend("eg3d-minicat")
    generator = load_generator(backend, backend.card, None, device=torch.device("cpu"))
    w = generator.mapping(torch.randn(2, generator.latent.z_dim, generator=seeded(2)), truncation=0.7)
    front = generator(w[:1]).image
    context = Context(
        backend, backend.card, generator, lambda a, b: (a - b).abs().mean((1, 2, 3)),
        Album(front, ("front",), generator.frontal()), NullLogger(), judge=load_identity(),
    )  # fmt: skip
    write_codes(tmp_path / "codes.safetensors", context, {"w": w})
    settings = Views(codes=tmp_path / "codes.safetensors", yaw=(-0.35, 0.35), pitch=(0.0,), frames=12)
    facts, _ = done(views, context, settings, tmp_path / "run")
    one, other = facts["figures"].values()
    assert one["lowest id_sim"] > other["id_sim"] + 0.1
    assert one["largest change"] < 2 * one["change"] < 0.1
    depth = read_safetensors(tmp_path / "run/depth.safetensors")[0]["depth"][0, 0, 0]
    assert depth[14:20, 14:20].mean() < depth[:4, :4].mean() - 0.1  # the face is before the wall
