"""What a generator shows: the planes of a code are drawn once, angles are angles, codes come from files unharmed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gpk.album import Album
from gpk.camera import Camera
from gpk.context import Context
from gpk.errors import InputError, RunError, WeightsError
from gpk.generator import Generator
from gpk.logger import NullLogger
from gpk.pixels import from_bytes
from gpk.plugin import Backend, Card
from gpk.seeding import seeded
from gpk.testing.alike import alike
from gpk_checkpoints.files import write_safetensors
from gpk_eg3d.network import EG3D
from gpk_tasks.codes import codes_of, picked, read_codes, write_codes
from gpk_tasks.renders import (
    check_angles,
    novel_views,
    orbit,
    random_angles,
    random_views,
    render_rows,
    rendered,
    views_of,
)
from gpk_tasks.shots import Shots, as_bytes, changes, figures_of_motion

CAMERAS = Camera.orbit(torch.linspace(-0.3, 0.3, 5), torch.linspace(-0.2, 0.2, 5))


@pytest.fixture
def context(generator: Generator) -> Context:
    """Each family in turn, without photos or a persona."""
    card = Card("small", "Small", "none")
    backend = Backend("small", "Small", (card,), lambda config: generator, cameras=generator.orbit() is not None)
    album = Album(torch.empty(0, 3, generator.resolution, generator.resolution), ())
    return Context(backend, card, generator, lambda a, b: (a - b).abs().mean((1, 2, 3)), album, NullLogger())


@pytest.fixture
def drawn(eg3d: EG3D) -> Iterator[Callable[[], int]]:
    """How many codes the backbone of `eg3d` has drawn."""
    count = [0]

    def note(module: object, given: tuple[Tensor, ...], made: Tensor) -> None:
        count[0] += len(made)

    handle = eg3d.backbone.synthesis.register_forward_hook(note)
    yield lambda: count[0]
    handle.remove()


def codes(generator: Generator, count: int) -> Tensor:
    return generator.mapping(torch.randn(count, generator.latent.z_dim, generator=seeded(1)))


def test_the_planes_of_a_code_are_drawn_once(eg3d: EG3D, drawn: Callable[[], int]) -> None:
    w = codes(eg3d, 3)
    assert views_of(eg3d, w[:1], CAMERAS).shape == (5, 3, 32, 32)
    assert drawn() == 1
    assert len(list(rendered(eg3d, w, CAMERAS))) == 3
    assert drawn() == 4
    for row in w:
        eg3d(row[None].expand(5, -1, -1), CAMERAS)
    assert drawn() == 19  # what it would have been


def test_novel_views_draw_the_planes_of_a_code_once(context: Context, drawn: Callable[[], int], eg3d: EG3D) -> None:
    there = dataclasses.replace(context, generator=eg3d)
    images = novel_views(there, codes(eg3d, 3), yaw=(-0.3, 0.0, 0.3))
    assert images is not None
    assert images.shape[0] == 9
    assert drawn() == 3


def test_what_is_seen_is_what_each_camera_sees(context: Context) -> None:
    generator = context.generator
    w = codes(generator, 2)
    for row, render in zip(w, rendered(generator, w, CAMERAS), strict=True):
        one_by_one = [generator(row[None], CAMERAS[i]) for i in range(5)]
        assert alike(render.image, torch.cat([r.image for r in one_by_one]), within=1e-4)
        for field in ("raw", "depth"):
            levels = [getattr(r, field) for r in one_by_one]
            if getattr(render, field) is None:
                assert levels == [None] * 5
            else:
                assert alike(getattr(render, field), torch.cat(levels), within=1e-4)
    for row, render in zip(w, rendered(generator, w, None), strict=True):
        assert torch.equal(render.image, generator(row[None]).image)


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_pictures_do_not_depend_on_how_many_are_made_at_once(context: Context, at_once: int) -> None:
    generator, w = context.generator, codes(context.generator, 5)
    cameras = random_views(generator, 5, yaw=0.3, pitch=0.2, seed=1)
    images = list(render_rows(generator, w, cameras, at_once=at_once))
    assert [len(part) for part in images] == {1: [1] * 5, 2: [2, 2, 1], 5: [5]}[at_once]
    for i, image in enumerate(torch.cat(images)):
        alone = generator(w[i : i + 1], None if cameras is None else cameras[i]).image[0]
        assert alike(image, alone, within=1e-4)


def test_random_angles_are_even_within_their_bounds_and_do_not_depend_on_their_count() -> None:
    angles = random_angles(400, yaw=0.35, pitch=0.25, seed=3)
    assert angles.shape == (2, 400)
    for row, bound in zip(angles, (0.35, 0.25), strict=True):
        assert row.abs().max() <= bound
        assert row.std() == pytest.approx(bound / 3**0.5, rel=0.1)  # that of an even spread
        assert row.mean().abs() < 0.1 * bound
    assert torch.equal(random_angles(7, yaw=0.35, pitch=0.25, seed=3), angles[:, :7])
    assert not torch.equal(random_angles(7, yaw=0.35, pitch=0.25, seed=4), angles[:, :7])
    assert random_angles(0, yaw=1.0, pitch=1.0, seed=0).shape == (2, 0)


@pytest.mark.parametrize(
    ("yaw", "pitch", "told"), [(20.0, 0.0, "yaw"), (0.0, -1.6, "pitch"), (0.0, float("nan"), "pi")]
)
def test_degrees_are_no_angles(yaw: float, pitch: float, told: str) -> None:
    with pytest.raises(InputError, match=f"{told}.* is in radians"):
        check_angles(yaw=(0.0, yaw), pitch=(0.0, pitch))
    check_angles(yaw=(-3.1, 3.1), pitch=(-1.5, 1.5))


def test_a_2d_generator_has_no_views(context: Context) -> None:
    if context.backend.cameras:
        assert len(orbit(context, [0.1, 0.2], [0.0, 0.0])) == 2
        return
    assert random_views(context.generator, 3, yaw=0.3, pitch=0.2, seed=0) is None
    with pytest.raises(InputError, match="small is a 2D generator and has no views: use a 3D backend"):
        orbit(context, [0.1], [0.0])


def test_codes_come_back_from_their_file(context: Context, tmp_path: Path) -> None:
    w, latent = codes(context.generator, 3), context.generator.latent
    write_codes(tmp_path / "codes.safetensors", context, {"w": w, "alpha": torch.ones(3, 2)})
    assert torch.equal(codes_of(context, tmp_path / "codes.safetensors")[0], w)
    write_safetensors(tmp_path / "plain.safetensors", {"w": w[:, 0]}, {})  # as another tool would: one w a code
    assert torch.equal(read_codes(context, tmp_path / "plain.safetensors"), w[:, :1].expand(-1, latent.num_ws, -1))
    assert torch.equal(picked(w, [2, 0], "code"), w[[2, 0]])


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "safetensors"])
def test_codes_of_other_tools_in_every_shape(context: Context, tmp_path: Path, kind: str) -> None:
    latent = context.generator.latent
    layers, file = latent.num_ws, tmp_path / f"w.{kind}"
    w = codes(context.generator, 3) + torch.arange(layers)[:, None]  # each layer's own
    in_w = w[:, 0]
    shapes = {
        "[D]": (in_w[0], in_w[:1, None].expand(-1, layers, -1)),
        "[L, D]": (w[0], w[:1]),
        "[1, L, D]": (w[:1], w[:1]),
        "[N, D]": (in_w, in_w[:, None].expand(-1, layers, -1)),
        "[N, 1, D]": (w[:, :1], in_w[:, None].expand(-1, layers, -1)),
        "[N, L, D]": (w, w),
    }
    for shape, (given, wanted) in shapes.items():
        match kind:
            case "npy":
                np.save(file, given.numpy())
            case "npz":
                np.savez(file, w=given.numpy())
            case "pt":
                torch.save(given, file)
            case _:
                write_safetensors(file, {"w": given}, {})
        assert torch.equal(read_codes(context, file), wanted), shape


def test_as_many_codes_as_there_are_layers(context: Context, tmp_path: Path) -> None:
    """A matrix [L, D] is one code; two ways say that it is L codes of W."""
    layers = context.generator.latent.num_ws
    in_w = codes(context.generator, layers)[:, 0]
    np.save(tmp_path / "w.npy", in_w.numpy())
    apart = in_w[:, None].expand(-1, layers, -1)
    assert torch.equal(read_codes(context, tmp_path / "w.npy"), in_w[None])
    assert torch.equal(read_codes(context, tmp_path / "w.npy", many=True), apart)
    np.save(tmp_path / "w.npy", in_w[:, None].numpy())
    assert torch.equal(read_codes(context, tmp_path / "w.npy"), apart)


BAD = {
    "none": (lambda w: {"v": w, "u": w}, r"with 2 arrays \(u, v\): .* Wanted is codes \[N, \d+, 16\], \[N, 16\]"),
    "width": (lambda w: {"w": w[..., 1:]}, r"\[3, \d+, 15\], which is of another generator\. Wanted is codes"),
    "layers": (lambda w: {"w": w[:, 1:-1]}, r"of another generator\. Wanted is codes \[N, \d+, 16\]"),
    "empty": (lambda w: {"w": w[:0]}, r"\[0, \d+, 16\]\. Wanted is codes"),
    "number": (lambda w: {"w": w[0, 0, 0]}, r" \[\]\. Wanted is codes"),
    "nan": (lambda w: {"w": w * torch.nan}, "numbers that are not finite"),
    "whole": (lambda w: {"w": w.long()}, "of int64, where floating-point numbers are needed"),
    "flat": (lambda w: {"w": w.flatten(1)}, r'\["w"\]\.float\(\)\.numpy\(\)\.reshape\(-1, \d+, 16\)\)` converts it'),
    "nested": (lambda w: {"w": w[:, None]}, r"\.reshape\(-1, \d+, 16\)\)` converts it"),
    "columns": (lambda w: {"w": w[:, 0].mT.contiguous()}, r"numpy\(\)\.T\)` converts it"),
}


@pytest.mark.parametrize("kind", BAD)
def test_codes_that_are_none_are_told(context: Context, tmp_path: Path, kind: str) -> None:
    spoilt, message = BAD[kind]
    write_safetensors(tmp_path / "codes.safetensors", spoilt(codes(context.generator, 3)), {"format": "pt"})
    with pytest.raises(InputError, match=message):
        read_codes(context, tmp_path / "codes.safetensors")


def test_codes_of_others_and_of_nobody_are_told(context: Context, tmp_path: Path) -> None:
    other = dataclasses.replace(context, backend=dataclasses.replace(context.backend, name="other"))
    write_codes(tmp_path / "codes.safetensors", other, {"w": codes(context.generator, 1)})
    with pytest.raises(InputError, match="codes of the backend other, not small"):
        read_codes(context, tmp_path / "codes.safetensors")
    with pytest.raises(InputError, match="Give a persona, or a file of codes with --codes"):
        codes_of(context, None)
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        codes_of(context, tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="there is no anchor 3: they are counted from 0, and the last is 2"):
        picked(torch.zeros(3, 1, 1), [0, 3], "anchor")
    with pytest.raises(InputError, match="there is no anchor -1"):
        picked(torch.zeros(3, 1, 1), [-1], "anchor")


def test_shots_go_on_from_their_state_and_know_their_codes() -> None:
    w = torch.randn(2, 3, 4, generator=seeded(0))
    shots = Shots(w, None)
    shots.add(images=torch.arange(6).view(2, 3))
    shots.add()
    again = Shots(w, shots.state())
    assert again.done == 2
    again.add(images=torch.full((1, 3), 9), other=torch.ones(1))
    assert again.rows("images").tolist() == [[0, 1, 2], [3, 4, 5], [9, 9, 9]]
    assert shots.rows("images").shape == (2, 3)
    with pytest.raises(RunError, match="the codes have changed since this run began: give another --out"):
        Shots(w + 1, shots.state())


def test_pictures_are_the_bytes_that_are_kept_of_them() -> None:
    images = torch.rand(2, 3, 8, 8, generator=seeded(0)) * 3 - 1.5
    kept = as_bytes(images, 8)
    assert kept.dtype == torch.uint8
    assert torch.equal(as_bytes(from_bytes(kept), 8), kept)
    assert (from_bytes(kept) - images.clamp(-1, 1)).abs().max() <= 1 / 255
    assert as_bytes(images, 4).shape == (2, 3, 4, 4)
    assert as_bytes(images, 16).shape == (2, 3, 8, 8)  # enlarged only where they are shown


def test_changes_are_those_of_a_closed_loop() -> None:
    frames = torch.tensor([-1.0, 0.0, 1.0])[:, None, None, None].expand(3, 3, 2, 2)
    assert changes(frames).tolist() == [1.0, 0.5, 0.5]
    assert figures_of_motion(frames) == pytest.approx({"change": 2 / 3, "largest change": 1.0})
