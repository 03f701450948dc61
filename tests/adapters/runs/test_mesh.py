"""Surfaces of solids that are known, and the files that other programs read."""

from __future__ import annotations

import json
import math
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gpk.errors import ExtraError, InputError
from gpk.solid import Matter, Solid
from gpk_runs import surface as surfaces
from gpk_runs.mesh import write_glb, write_ply
from gpk_runs.surface import Surface, decimated, densities, measures, surface_of

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("skimage")

BOX = torch.tensor([[-0.5] * 3, [0.5] * 3])
LEVEL = 10.0
STEEP = 500.0


def solid(depth: Callable[[Tensor], Tensor], box: Tensor = BOX) -> Solid:
    """What is as dense as LEVEL where `depth` is 0, denser inside, where it is positive; coloured by position."""
    return Solid(lambda p: Matter((LEVEL + STEEP * depth(p)).clamp_min(0), (2 * p).clamp(-1, 1)), box)


def ball(p: Tensor, radius: float, *centre: float) -> Tensor:
    """How deep points are in a ball."""
    return radius - (p - p.new_tensor(centre or (0.0, 0.0, 0.0))).norm(dim=1)


def head(p: Tensor) -> Tensor:
    """A head with an ear on its left, at +x and +y, and a nose at +z."""
    parts = [ball(p, 0.25), ball(p, 0.1, 0.2, 0.25, 0.0), ball(p, 0.08, 0.0, 0.0, 0.3)]
    return torch.stack(parts).amax(0)


def surface(depth: Callable[[Tensor], Tensor], n: int = 64) -> Surface:
    """The surface of such a solid."""
    return surface_of(solid(depth), n, level=LEVEL).surface


def test_a_ball_has_the_area_and_the_volume_of_a_ball() -> None:
    found = surface_of(solid(lambda p: ball(p, 0.4)), 64, level=LEVEL)
    sizes = measures(found.surface)
    mesh = trimesh.Trimesh(found.surface.vertices.numpy(), found.surface.faces.numpy(), process=False)
    assert sizes.edges == 0
    assert (found.others, found.share) == (0, 0)
    assert sizes.volume == pytest.approx(4 / 3 * math.pi * 0.4**3, rel=0.01)
    assert mesh.area == pytest.approx(4 * math.pi * 0.4**2, rel=0.01)
    assert sizes.extent == pytest.approx((0.8, 0.8, 0.8), rel=0.01)
    outward = torch.nn.functional.normalize(found.surface.vertices, dim=1)
    assert (found.surface.normals * outward).sum(1).min() > 0.99


def test_a_higher_level_is_further_inside() -> None:
    outer, inner = (measures(surface_of(solid(lambda p: ball(p, 0.3)), 32, level=LEVEL + d).surface) for d in (0, 50))
    assert outer.extent[0] - inner.extent[0] == pytest.approx(2 * 50 / STEEP, rel=0.05)


def test_what_goes_on_beyond_the_box_is_capped_at_its_faces() -> None:
    found = surface_of(solid(lambda p: ball(p, 0.4, 0.3, 0.0, 0.0)), 64, level=LEVEL).surface
    sizes = measures(found)
    assert sizes.edges == 0
    assert (found.vertices.abs() <= 0.5).all()
    assert found.vertices[:, 0].max() > 0.495
    cut = 0.2  # of the ball's 0.4 on that side
    cap = math.pi * (0.4 - cut) ** 2 * (3 * 0.4 - (0.4 - cut)) / 3
    assert sizes.volume == pytest.approx(4 / 3 * math.pi * 0.4**3 - cap, rel=0.01)


def test_a_crop_looks_at_the_middle_and_at_no_more_than_the_box() -> None:
    box = torch.tensor([[-0.5, -1.0, 0.0], [0.5, 1.0, 3.0]])
    whole = Solid(lambda p: Matter(p[:, 0], p), box)
    assert torch.equal(whole.cropped(1.5).box, torch.tensor([[-0.5, -0.75, 0.75], [0.5, 0.75, 2.25]]))
    assert torch.equal(whole.cropped(9.0).box, box)


def test_a_box_of_uneven_sides_leaves_a_ball_round() -> None:
    box = torch.tensor([[-0.5, -0.5, 0.0], [0.5, 1.5, 1.0]])
    found = surface_of(solid(lambda p: ball(p, 0.3, 0.1, 0.6, 0.5), box), 64, level=LEVEL).surface
    assert measures(found).extent == pytest.approx((0.6, 0.6, 0.6), rel=0.02)
    middle = (found.vertices.amax(0) + found.vertices.amin(0)) / 2
    torch.testing.assert_close(middle, torch.tensor([0.1, 0.6, 0.5]), atol=0.01, rtol=0)


def test_the_largest_piece_stays_and_what_went_is_told() -> None:
    def balls(p: Tensor) -> Tensor:
        return torch.maximum(ball(p, 0.1, -0.35, 0.0, 0.0), ball(p, 0.2, 0.2, 0.0, 0.0))

    found = surface_of(solid(balls), 96, level=LEVEL)
    assert found.others == 1
    assert found.share == pytest.approx(0.2, rel=0.02)  # areas of 1 and 4
    assert found.surface.vertices[:, 0].min() == pytest.approx(0, abs=0.01)
    assert len(found.surface.vertices) == found.surface.faces.max() + 1
    both = surface_of(solid(balls), 96, level=LEVEL, pieces=2)
    assert (both.others, both.share) == (0, 0)
    assert both.surface.vertices[:, 0].min() == pytest.approx(-0.45, abs=0.01)
    assert measures(both.surface).volume == pytest.approx(4 / 3 * math.pi * (0.2**3 + 0.1**3), rel=0.02)


def test_a_hollow_is_filled() -> None:
    found = surface_of(solid(lambda p: torch.minimum(ball(p, 0.4), -ball(p, 0.2))), 64, level=LEVEL)
    assert found.others == 1
    assert measures(found.surface).volume == pytest.approx(4 / 3 * math.pi * 0.4**3, rel=0.01)


def test_layers_are_the_same_however_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    field = solid(lambda p: ball(p, 0.6))  # which goes through all faces
    (whole,) = (density for _, density in densities(field, 12))
    monkeypatch.setattr(surfaces, "AT_ONCE", 5 * 12**2)
    layers = list(densities(field, 12))
    assert [part for part, _ in layers] == [slice(0, 5), slice(5, 10), slice(10, 12)]
    assert torch.equal(torch.cat([density for _, density in layers]), whole)
    inside = torch.zeros_like(whole)
    inside[1:-1, 1:-1, 1:-1] = whole[1:-1, 1:-1, 1:-1]
    assert torch.equal(inside, whole)
    assert whole[6, 6, 1] > 0
    told: list[tuple[int, int]] = []
    surface_of(field, 12, level=LEVEL, tick=lambda done, of: told.append((done, of)))
    assert told == [(5, 12), (10, 12), (12, 12)]


def test_fewer_triangles_keep_the_shape() -> None:
    fine = surface(head)
    few = decimated(fine, 1000)
    assert 900 <= len(few.faces) <= 1000
    assert head(few.vertices).abs().max() < 0.01
    assert measures(few).edges == 0
    assert measures(few).volume == pytest.approx(measures(fine).volume, rel=0.02)
    assert decimated(fine, len(fine.faces)) is fine


def test_nothing_dense_enough_is_told() -> None:
    with pytest.raises(InputError, match="no surface at a density of 10000, since the densest point has 210: lower"):
        surface_of(solid(lambda p: ball(p, 0.4).clamp_max(0.4)), 65, level=1e4)


@pytest.mark.parametrize("library", ["skimage.measure", "trimesh"])
def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ExtraError, match=r"a mesh needs scikit-image, trimesh and .*: pip install 'gpk\[mesh\]'"):
        surface(head)


def test_without_fast_simplification_too(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = surface(head, 24)
    monkeypatch.setitem(sys.modules, "fast_simplification", None)
    with pytest.raises(ExtraError, match="fast-simplification: pip install"):
        decimated(fine, 100)


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str], Any]:
    """The head with a red ear, as trimesh reads the file of that ending."""
    found = surface(head)
    red, grey = torch.tensor([0.8, -0.6, -0.6]), torch.tensor([0.0, 0.0, 0.0])
    colours = torch.where(ball(found.vertices, 0.105, 0.2, 0.25, 0.0)[:, None] > 0, red, grey)
    write_glb(tmp_path / "head.glb", found, colours)
    write_ply(tmp_path / "head.ply", found, colours)

    def read(ending: str) -> Any:
        loaded = trimesh.load(tmp_path / f"head.{ending}", process=False)
        return next(iter(loaded.geometry.values())) if ending == "glb" else loaded

    return read


@pytest.mark.parametrize("ending", ["glb", "ply"])
def test_another_program_sees_the_nose_in_front_and_the_left_ear_red(files: Callable[[str], Any], ending: str) -> None:
    mesh = files(ending)
    assert mesh.is_watertight
    assert mesh.volume > 0
    tip, top = mesh.vertices[mesh.vertices[:, 2].argmax()], mesh.vertices[mesh.vertices[:, 1].argmax()]
    assert tip == pytest.approx([0, 0, 0.38], abs=0.03)  # glTF's front is +z
    assert top == pytest.approx([0.2, 0.35, 0], abs=0.03)  # and its up +y, so that who looks to +z has +x on the left
    colours = mesh.visual.vertex_attributes["color"] if ending == "glb" else mesh.visual.vertex_colors[:, :3] / 255
    reddish = colours[:, 0] > 2 * colours[:, 1]
    assert reddish.any()
    assert (mesh.vertices[reddish] > [0.05, 0.1, -0.15]).all()
    light = [((0.9 + 0.055) / 1.055) ** 2.4, ((0.2 + 0.055) / 1.055) ** 2.4]  # what sRGB writes as 0.9 and 0.2
    expected = light if ending == "glb" else [0.9, 0.2]
    assert colours[reddish][0, :2] == pytest.approx(expected, abs=0.003)
    assert (mesh.vertex_normals * (mesh.vertices - mesh.vertices.mean(0))).sum(1).mean() > 0


def test_a_glb_is_gltf_2_and_says_that_it_is_synthetic(files: Callable[[str], Any], tmp_path: Path) -> None:
    data = (tmp_path / "head.glb").read_bytes()
    magic, edition, size, length, kind = struct.unpack("<4sIII4s", data[:20])
    assert (magic, edition, size, kind) == (b"glTF", 2, len(data), b"JSON")
    told = json.loads(data[20 : 20 + length])
    rest, kind = struct.unpack("<I4s", data[20 + length : 28 + length])
    assert kind == b"BIN\0"
    assert rest == told["buffers"][0]["byteLength"] == len(data) - 28 - length
    assert rest % 4 == length % 4 == 0
    assert told["asset"]["generator"].startswith("gpk ")
    assert set(told["extensions"]) <= set(told["extensionsUsed"])
    packet = told["extensions"]["KHR_xmp_json_ld"]["packets"][told["asset"]["extensions"]["KHR_xmp_json_ld"]["packet"]]
    assert packet["Iptc4xmpExt:DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert b"trainedAlgorithmicMedia" in (tmp_path / "head.ply").read_bytes().partition(b"end_header")[0]
    assert told["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0  # without one, viewers take metal
