"""The task `mesh`: the matter that generators offer, its surface in a file for each code, and what is told of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gpk.attach import is_attached
from gpk.camera import Camera
from gpk.context import Context
from gpk.errors import InputError, RunError
from gpk.generator import Generator, LatentSpace, Noise, Render, Site
from gpk.seeding import seeded
from gpk_eg3d.network import EG3D
from gpk_eg3d.rays import march
from gpk_stylegan2.network import StyleGAN2
from gpk_tasks.codes import write_codes
from gpk_tasks.mesh.mesh import Meshing, mesh

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("skimage")

Do = Callable[..., Any]
SETTINGS = Meshing(anchors=(3, 1), resolution=64, level=1.0, side=0.8, format="both")


GAIN, OFFSET = 100.0, -34.0
"""They make surfaces of a random network's densities, which hardly differ."""


@pytest.fixture
def generator(eg3d: EG3D) -> EG3D:
    """The family that has matter."""
    eg3d.config = dataclasses.replace(eg3d.config, density_gain=GAIN, density_offset=OFFSET)
    return eg3d


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (GAIN, OFFSET)])
def test_rays_through_the_matter_end_where_the_renders_do(eg3d: EG3D, gain: float, offset: float) -> None:
    eg3d.config = dataclasses.replace(
        eg3d.config, depth_resolution=200, depth_resolution_importance=0, density_gain=gain, density_offset=offset
    )
    w = eg3d.mapping(torch.randn(1, 12, generator=seeded(1)))
    camera = eg3d.orbit(0.3, 0.1)
    render = eg3d(w, camera)
    assert render.raw is not None
    assert render.depth is not None
    origins, directions = camera.rays(8)
    depths = torch.linspace(2.25, 3.3, 1000)
    matter = eg3d.solid(w).at((origins[0, :, None] + directions[0, :, None] * depths[:, None]).flatten(0, 1))
    length = depths.diff()
    # What is dense is dense whoever asks: here the opacities are put together by other code than the renderer's.
    passed = torch.exp(-(matter.density.view(64, 1000)[:, :-1] * length).cumsum(1))
    weight = torch.nn.functional.pad(passed, (1, 0), value=1.0).diff(dim=1).neg()
    depth = (weight * depths[:-1]).sum(1) / weight.sum(1)
    torch.testing.assert_close(depth, render.depth.flatten(), atol=0.02, rtol=0)
    colour = (weight[..., None] * (matter.colour.view(64, 1000, 3)[:, :-1] + 1)).sum(1) - 1
    torch.testing.assert_close(colour, render.raw[0].flatten(1).mT, atol=0.03, rtol=0)


def test_the_background_that_rays_are_forced_to_end_on_is_no_matter(eg3d: EG3D) -> None:
    w = eg3d.mapping(torch.randn(1, 12, generator=seeded(1)))
    points = torch.rand(50, 3, generator=seeded(2)) - 0.5
    before = eg3d.solid(w).at(points)
    eg3d.config = dataclasses.replace(eg3d.config, opaque_far=True)
    assert torch.equal(eg3d.solid(w).at(points).density, before.density)
    depths, raw = torch.linspace(2, 3, 4).view(1, 1, 4), torch.zeros(1, 1, 4)
    assert march(depths, raw, opaque_far=True)[0].sum() == pytest.approx(1)  # which it is for a ray


def test_a_file_for_each_code_and_a_sheet_of_all(subject: Context, done: Do, tmp_path: Path) -> None:
    facts, _ = done(mesh, subject, SETTINGS, tmp_path)
    assert not is_attached(subject.generator)
    assert facts["files"] == ["anchor-3.glb", "anchor-3.ply", "anchor-1.glb", "anchor-1.ply"]
    assert facts["pictures"] == ["mesh.png"]
    assert all((tmp_path / name).exists() for name in (*facts["files"], "mesh.png"))
    for name, figures in facts["figures"].items():
        read = trimesh.load(tmp_path / f"{name.replace(' ', '-')}.ply", process=False)
        assert (figures["vertices"], figures["faces"]) == (len(read.vertices), len(read.faces))
        assert read.is_watertight == (figures["open edges"] == 0)
        assert [figures[side] for side in ("wide", "high", "deep")] == pytest.approx(read.extents.tolist(), rel=1e-4)
        assert (abs(read.vertices) <= 0.4 + 1e-6).all()
        assert figures["volume"] > 0
        assert isinstance(figures["vertices"], int)


def test_what_is_learned_of_the_subject_is_in_its_mesh(subject: Context, done: Do, tmp_path: Path) -> None:
    one = dataclasses.replace(SETTINGS, anchors=(3,))
    write_codes(tmp_path / "codes.safetensors", subject, {"w": subject.anchors()})
    nobody = dataclasses.replace(subject, persona=None)
    done(mesh, subject, one, tmp_path / "own")
    done(mesh, nobody, dataclasses.replace(one, codes=tmp_path / "codes.safetensors"), tmp_path / "pretrained")
    assert (tmp_path / "own/anchor-3.ply").read_bytes() != (tmp_path / "pretrained/code-3.ply").read_bytes()
    with pytest.raises(InputError, match="there is no anchor 5"):
        done(mesh, subject, dataclasses.replace(one, anchors=(5,)), tmp_path / "none")


def test_colours_are_those_of_the_places_that_fewer_triangles_leave(subject: Context, done: Do, tmp_path: Path) -> None:
    few = dataclasses.replace(SETTINGS, anchors=(3,), faces=500, format="ply")
    facts, _ = done(mesh, subject, few, tmp_path)
    assert 400 <= facts["figures"]["anchor 3"]["faces"] <= 500
    read = trimesh.load(tmp_path / "anchor-3.ply", process=False)
    with subject.personalized(), torch.no_grad():
        solid = subject.generator.solid(subject.anchors()[3:4])
        assert solid is not None
        colour = solid.at(torch.tensor(read.vertices).float()).colour
    written = torch.tensor(read.visual.vertex_colors[:, :3]).float() / 127.5 - 1
    assert (written - colour.clamp(-1, 1)).abs().max() < 0.01
    assert written.std(0).min() > 0.02


def test_a_stopped_run_ends_as_if_it_never_was(subject: Context, done: Do, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, faces=300)
    whole = done(mesh, subject, settings, tmp_path / "whole")
    run, first = tmp_path / "run", tmp_path / "run/anchor-3.glb"
    with pytest.raises(KeyboardInterrupt):  # before anything is there
        done(mesh, subject, settings, run, stop_at=1)
    assert not first.exists()
    with pytest.raises(KeyboardInterrupt):  # in the second mesh
        done(mesh, subject, settings, run, stop_at=4)
    written = first.stat().st_mtime_ns
    assert done(mesh, subject, settings, run) == whole
    assert first.stat().st_mtime_ns == written  # what is there is kept
    for name in whole.facts["files"]:
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_other_codes_do_not_go_on(subject: Context, done: Do, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, codes=tmp_path / "codes.safetensors")
    write_codes(tmp_path / "codes.safetensors", subject, {"w": subject.anchors()})
    with pytest.raises(KeyboardInterrupt):
        done(mesh, subject, settings, tmp_path / "run", stop_at=3)
    write_codes(tmp_path / "codes.safetensors", subject, {"w": subject.anchors() + 1})
    with pytest.raises(RunError, match="the codes have changed since this run began"):
        done(mesh, subject, settings, tmp_path / "run")


class Billboards(Generator):
    """Views of flat pictures: a family with cameras, and nothing behind its pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.latent, self.resolution = LatentSpace(12, 16, 1), 8
        self.shade = torch.nn.Parameter(torch.ones(()))

    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """z, filled up."""
        return torch.nn.functional.pad(z, (0, 4))[:, None] * truncation

    def forward(
        self, w: Tensor, camera: Camera | None = None, *, noise: Noise = "const", rng: torch.Generator | None = None
    ) -> Render:
        """Evenly grey."""
        return Render((w.mean((1, 2)) * self.shade)[:, None, None, None].expand(-1, 3, 8, 8))

    def sites(self) -> tuple[Site, ...]:
        """The shade."""
        return (Site("", "const", "backbone", 8, "shade"),)

    def orbit(self, yaw: Tensor | float = 0.0, pitch: Tensor | float = 0.0) -> Camera:
        """Any."""
        return Camera.orbit(yaw, pitch)


def test_who_has_no_matter_is_told(subject: Context, stylegan2: StyleGAN2, done: Do, tmp_path: Path) -> None:
    assert stylegan2.solid(stylegan2.mapping(torch.zeros(1, 12))) is None
    nobody = dataclasses.replace(subject, persona=None)
    flat = dataclasses.replace(nobody, generator=stylegan2)
    with pytest.raises(InputError, match="small is a 2D generator and has no views: use a 3D backend"):
        done(mesh, flat, SETTINGS, tmp_path / "flat")
    write_codes(tmp_path / "codes.safetensors", subject, {"w": torch.zeros(4, 16)})
    boards = dataclasses.replace(nobody, generator=Billboards())
    with pytest.raises(InputError, match="small has views and no field behind them: no surface can be found in it"):
        done(mesh, boards, dataclasses.replace(SETTINGS, codes=tmp_path / "codes.safetensors"), tmp_path / "boards")


def test_a_level_that_nothing_reaches_is_told(subject: Context, done: Do, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no surface at a density of 1000, since the densest point has"):
        done(mesh, subject, dataclasses.replace(SETTINGS, level=1000.0), tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resolution": 32}, "resolution must be from 64 to 512, not 32"),
        ({"level": 0.0}, "level and side must be above 0, not 0.0 and None"),
        ({"side": -1.0}, "level and side must be above 0, not 20.0 and -1.0"),
        ({"pieces": 0}, "pieces must be at least 1, not 0"),
        ({"faces": 10}, "faces must be 0 for all of them, or at least 100, not 10"),
        ({"anchors": ()}, "a mesh is of at least one anchor or code"),
    ],
)
def test_what_cannot_be_meshed_is_told(settings: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Meshing(**settings)
