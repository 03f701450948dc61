"""Restoring photos: what is gone takes no part, what is known stays, and a stopped run goes on bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import gpk_tasks.keeping
from gpk.album import Album
from gpk.context import Context
from gpk.damage import Coarse, Damage, Grey, Hole, in_blocks, square_hole
from gpk.errors import InputError, RecipeError, RunError
from gpk.generator import Generator, fingerprint
from gpk.hull import LatentHull
from gpk.latents import anchors_as_ws
from gpk.logger import NullLogger
from gpk.metrics import psnr
from gpk.persona import Origin, Persona
from gpk.plugin import Backend, Card
from gpk.precision import flush_denormals
from gpk.recipe import Recipe
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_checkpoints.files import read_safetensors
from gpk_checkpoints.weights import load_generator
from gpk_photos import read_image, write_png
from gpk_runs.run import Run
from gpk_tasks.placement import Placement
from gpk_tasks.restore.restore import compared, restore, restored
from gpk_tasks.restore.settings import Restoration, damage_of, photo_side

NAMES = ("x.png", "y.png")


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


def with_a_subject(context: Context) -> Context:
    """The context with a subject, five of the generator's own codes on changed weights, and two pictures of it."""
    generator, backend = context.generator, context.backend
    anchors = generator.mapping(torch.randn(5, generator.latent.z_dim, generator=seeded(3)))[:, 0]
    origin = Origin(backend.name, backend.card.name, fingerprint(generator), "none", 5, 0, {})
    persona = Persona.create(generator, Recipe(), origin=origin, anchors=anchors, rng=seeded(0))
    with torch.no_grad():
        for parameter in persona.parameters():
            parameter.add_(1e-3 * torch.randn(parameter.shape, generator=seeded(4)))
    hull = LatentHull(anchors_as_ws(anchors, generator.latent.num_ws))
    cameras = generator.orbit(torch.tensor([0.2, -0.1]))
    context = dataclasses.replace(context, persona=persona)
    with context.personalized(), torch.no_grad():
        photos = generator(hull.points(hull.sample(2, seeded(1))), cameras).image.clamp(-1, 1)
    photos = ((photos + 1) * 127.5).round() / 127.5 - 1  # as a file has them
    return dataclasses.replace(context, album=Album(photos, NAMES, cameras))


@pytest.fixture
def context(generator: Generator) -> Context:
    """A small generator of random weights, 2D and 3D in turn."""
    card = Card("small", "small", "none")
    backend = Backend("small", "small", (card,), lambda config: generator, cameras=generator.orbit() is not None)
    return with_a_subject(Context(backend, card, generator, absolute, Album(torch.zeros(0, 3, 1, 1), ()), NullLogger()))


@pytest.fixture(scope="module")
def priors() -> Mapping[str, Context]:
    """The embedded priors."""
    flush_denormals()  # as every command does: half the time
    registry, contexts = Registry.discover(), {}
    for name in ("eg3d-minicat", "stylegan2-minicat"):
        backend = registry.backend(name)
        generator = load_generator(backend, backend.card, None)
        distance, judge = (registry.judge(name).load(None) for name in (backend.distance, str(backend.judge)))
        album = Album(torch.zeros(0, 3, 1, 1), ())
        contexts[name] = with_a_subject(Context(backend, backend.card, generator, distance, album, NullLogger(), judge))
    return contexts


@pytest.mark.parametrize(
    ("name", "damage", "steps", "decibels"),
    [
        ("eg3d-minicat", Hole(square_hole(64)), 16, 1),
        ("stylegan2-minicat", Coarse(16), 12, 3),
        ("stylegan2-minicat", Grey(), 12, 2),
    ],
    ids=["hole", "coarse", "grey"],
)
def test_a_picture_of_the_subject_comes_back_from_what_is_left_of_it(
    priors: Mapping[str, Context], name: str, damage: Damage, steps: int, decibels: float
) -> None:
    context = priors[name]
    context = dataclasses.replace(context, album=context.album[:1])
    left = dataclasses.replace(context.album, photos=damage(context.album.photos))
    with context.personalized():
        begin, end = (
            restored(context, context.anchors(), left, damage, Placement(steps=count, offset=10.0))
            for count in (0, steps)
        )
    nearer = psnr(end.renders, context.album.photos) - psnr(begin.renders, context.album.photos)
    assert nearer.min() > decibels
    torch.testing.assert_close(end.images, damage.mended(left.photos, end.renders), atol=1e-5, rtol=0)
    figures = compared(context, context.album, damage, end, whole=True)
    assert {"psnr_known", "psnr", "ssim", "distance", "id_sim"} <= figures.keys()
    assert compared(context, context.album, damage, end, whole=False).keys() == {"psnr_known"}
    if isinstance(damage, Hole):  # a quarter of the pixels is wrong, and the others are not
        assert figures["psnr"] == pytest.approx(figures["psnr_inside"] + 6.02, abs=0.05)


def test_what_stands_in_the_hole_changes_no_bit(context: Context) -> None:
    photos = context.album.photos
    damage = Hole(square_hole(photos.shape[-1]))
    scribbled = torch.where(damage.missing, torch.rand(photos.shape, generator=seeded(9)), photos)
    albums = (context.album, dataclasses.replace(context.album, photos=scribbled))
    whole, other = (restored(context, context.anchors(), album, damage, Placement(steps=6)) for album in albums)
    assert torch.equal(whole.codes.w, other.codes.w)
    assert torch.equal(whole.images, other.images)


def test_photos_in_one_batch_are_restored_as_each_alone(context: Context) -> None:
    side, one, settings = context.generator.resolution, slice(1, 2), Placement(steps=4)
    damage = Hole(torch.cat([square_hole(side), square_hole(side, 0.25)]))
    both = restored(context, context.anchors(), context.album, damage, settings)
    alone = restored(context, context.anchors(), context.album[one], damage.at(one), settings)
    torch.testing.assert_close(both.images[one], alone.images, atol=1e-3, rtol=1e-3)


SETTINGS = Restoration(mask="centre", whole=True, protocol="quick", steps=3)


class Stopped(BaseException):
    """The end of a process, without a word."""


class Shown:
    """Counts steps, and stops at one of them."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.steps, self.stop_after = 0, stop_after

    def __call__(self, *_: object) -> None:
        self.steps += 1
        if self.steps == self.stop_after:
            raise Stopped


def done(context: Context, settings: Restoration, directory: Path, shown: Shown | None = None) -> Mapping[str, Any]:
    """The task in `directory`."""
    with Run.open(directory, {}, show=shown) as run:
        return restore(dataclasses.replace(context, logger=run), settings, run)


def bytes_of(directory: Path) -> dict[str, bytes]:
    return {
        file.relative_to(directory).as_posix(): file.read_bytes()
        for file in directory.rglob("*")
        if file.suffix in (".png", ".safetensors") and file.name != "state.safetensors"
    }


@pytest.mark.parametrize("stop_after", [2, 4, 6])  # in the first photo, after it, in the second
def test_a_stopped_run_goes_on_and_ends_as_if_it_never_was(
    context: Context, tmp_path: Path, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpk_tasks.keeping, "SAVE_EVERY", 0.0)
    told = done(context, SETTINGS, tmp_path / "whole")
    with pytest.raises(Stopped):
        done(context, SETTINGS, tmp_path / "run", Shown(stop_after))
    assert not (tmp_path / "run" / "codes.safetensors").exists()
    rest = Shown()
    assert done(context, SETTINGS, tmp_path / "run", rest) == told
    assert rest.steps == 6 - (stop_after - 1)  # the step at which it stopped was not saved
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")


def test_a_run_does_not_go_on_with_other_masks(context: Context, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        done(context, SETTINGS, tmp_path / "run", Shown(4))
    with pytest.raises(RunError, match="begun with other masks"):
        done(context, dataclasses.replace(SETTINGS, share=0.25), tmp_path / "run")


def test_the_folder_holds_pictures_that_are_the_photos_around_the_hole(context: Context, tmp_path: Path) -> None:
    told = done(context, SETTINGS, tmp_path / "run")
    views = {"x.left.png", "x.right.png", "y.left.png", "y.right.png"} if context.backend.cameras else set()
    assert {file.name for file in (tmp_path / "run" / "pictures").iterdir()} == {*NAMES, *views}
    missing = square_hole(context.generator.resolution)[0]
    for name, photo in zip(NAMES, context.album.photos, strict=True):
        picture = read_image(tmp_path / "run" / "pictures" / name)
        assert torch.equal(picture[~missing.expand(3, -1, -1)], photo[~missing.expand(3, -1, -1)])
        assert not torch.equal(picture, photo)
        with Image.open(tmp_path / "run" / "pictures" / name) as file:
            assert "trainedAlgorithmicMedia" in str(file.info)
    assert told["figures"].keys() == {"x", "y", "mean"}
    assert told["figures"]["mean"]["psnr"] == pytest.approx(sum(told["figures"][n]["psnr"] for n in "xy") / 2)
    codes, _ = read_safetensors(tmp_path / "run" / "codes.safetensors")
    assert codes["w"].shape == (2, context.generator.latent.num_ws, context.generator.latent.w_dim)
    assert codes["alpha"].shape == (2, 5)
    assert all((tmp_path / "run" / name).exists() for name in (*told["pictures"], *told["files"]))


def test_small_photos_come_out_at_the_generators_side(context: Context, tmp_path: Path) -> None:
    settings = Restoration(kind=("upscale",), factor=4, protocol="quick", steps=2, views=False)
    side = context.generator.resolution
    assert photo_side(settings, side) == side // 4
    small = dataclasses.replace(context.album, photos=torch.nn.functional.avg_pool2d(context.album.photos, 4))
    told = done(dataclasses.replace(context, album=small), settings, tmp_path / "run")
    assert read_image(tmp_path / "run" / "pictures" / "x.png").shape == (3, side, side)
    assert told["figures"]["mean"].keys() == {"psnr_known"}
    # The same from the whole photos, damaged here: to rounding, for the raw level sees blocks through a filter.
    whole = done(context, dataclasses.replace(settings, whole=True), tmp_path / "whole")
    assert whole["figures"]["mean"]["psnr_known"] == pytest.approx(told["figures"]["mean"]["psnr_known"], abs=0.5)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "what is missing"),
        ({"mask": "centre", "box": (0, 0, 0.5, 0.5)}, "what is missing"),
        ({"kind": ()}, "kind is"),
        ({"kind": ("colour", "colour")}, "not 'colour,colour'"),
        ({"kind": ("colour",), "mask": "centre"}, "mask is about inpaint"),
        ({"mask": "centre", "factor": 2}, "factor is about upscale"),
        ({"kind": ("inpaint",), "mask": "centre", "subject_mask": Path("m")}, "subject_mask is about upscale"),
        ({"box": (0, 0, 1)}, "4 numbers"),
        ({"mask": "centre", "share": 1.0}, "share must be between"),
        ({"mask": "centre", "feather": -1}, "feather must be"),
        ({"kind": ("upscale",), "factor": 1}, "factor must be at least 2"),
        ({"mask": "centre", "memory": 0.0}, "memory must be above"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Restoration(**settings)
    with pytest.raises(RecipeError, match="steps of a placement"):
        Restoration(mask="centre", steps=-1)


def test_the_side_comes_from_32_unless_a_factor_is_given() -> None:
    upscale = Restoration(kind=("upscale",))
    assert [photo_side(upscale, side) for side in (512, 256, 64, 32)] == [32, 32, 32, 16]
    assert photo_side(dataclasses.replace(upscale, whole=True), 512) == 512
    assert photo_side(SETTINGS, 512) == 512
    for factor in (3, 64):
        with pytest.raises(InputError, match=f"64 cannot be divided by {factor}"):
            photo_side(dataclasses.replace(upscale, factor=factor), 64)


def white(path: Path, missing: Tensor) -> Path:
    """The mask [1, H, W] as a picture."""
    write_png(path, missing.float().expand(3, -1, -1) * 2 - 1)
    return path


def test_masks_are_read_for_all_photos_or_for_each(tmp_path: Path) -> None:
    small, large = square_hole(64, 0.25)[0], square_hole(64)[0]
    one = damage_of(Restoration(mask=str(white(tmp_path / "one.png", small))), NAMES, 64)
    assert isinstance(one, Hole)
    assert torch.equal(one.missing, small[None])
    for name, mask in {"x.png": small, "y.png": large}.items():
        white(tmp_path / "masks" / name, mask)
    each = damage_of(Restoration(mask=str(tmp_path / "masks"), feather=2), NAMES, 64)
    assert isinstance(each, Hole)
    assert torch.equal(each.missing, torch.stack([small, large]))
    assert each.feather == 2
    subject = Restoration(kind=("upscale",), subject_mask=tmp_path / "masks")
    coarse = damage_of(subject, NAMES, 64)
    assert isinstance(coarse, Coarse)
    assert coarse.subject is not None
    assert torch.equal(coarse.subject, torch.stack([small, large]).float())


def test_a_mask_of_nothing_or_everything_is_refused(tmp_path: Path) -> None:
    white(tmp_path / "masks" / "x.png", square_hole(64)[0])
    for mask, says in ((torch.zeros(1, 64, 64), "marks nothing of y.png"), (torch.ones(1, 64, 64), "leaves nothing")):
        white(tmp_path / "masks" / "y.png", mask)
        with pytest.raises(InputError, match=says):
            damage_of(Restoration(mask=str(tmp_path / "masks")), NAMES, 64)
    with pytest.raises(InputError, match="64x64, and the photos are taken at 32x32"):
        damage_of(Restoration(mask=str(tmp_path / "masks")), NAMES, 32)


def test_damages_go_together() -> None:
    """A coarse pixel of which a part is missing tells nothing; grey photos keep their light."""
    settings = Restoration(kind=("colour", "upscale", "inpaint"), box=(0.1, 0.1, 0.5, 0.5), factor=8)
    damage = damage_of(settings, NAMES, 64)
    photos = torch.rand(2, 3, 64, 64, generator=seeded(0)) * 2 - 1
    left = damage(photos)
    assert torch.equal(in_blocks(left[..., ::8, ::8], 64), left)
    assert not left[..., :40, :40].any()
    assert torch.equal(left[:, 0], left[:, 2])
    assert left[..., 40:, 40:].any()
    render = torch.rand(2, 3, 64, 64, generator=seeded(1)) * 2 - 1
    torch.testing.assert_close(damage.mended(left, render), render, atol=1e-5, rtol=0)
