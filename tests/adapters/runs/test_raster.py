"""What a camera sees of triangles, against places and distances that are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gpk.camera import Camera
from gpk_runs import raster
from gpk_runs.raster import rasterized

FRONT = Camera.orbit(0.0, 0.0, radius=2.0, focal=1.0)  # at z = 2; the plane z = 0 is seen from -1 to 1


def square(side: float, z: float, *, x: float = 0.0, y: float = 0.0, cuts: int = 1) -> tuple[Tensor, Tensor]:
    """A square that faces the camera around (x, y, z), in 2 cuts^2 triangles: vertices and faces."""
    along = torch.linspace(-side / 2, side / 2, cuts + 1)
    grid = torch.cartesian_prod(along + x, along + y, torch.tensor([z]))
    corner = torch.arange((cuts + 1) ** 2).view(cuts + 1, cuts + 1)
    a, b, c, d = (part.flatten() for part in (corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]))
    return grid, torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)])


@pytest.mark.parametrize("cuts", [1, 7, 100])  # larger than a pixel, about as large, and smaller
def test_a_square_covers_its_pixels_and_no_others(cuts: int) -> None:
    vertices, faces = square(1.0, 0.0, x=0.5, y=0.5, cuts=cuts)  # the upper right quarter of the picture
    picture, there = rasterized(vertices, faces, vertices, FRONT, 32)
    expected = torch.zeros(1, 32, 32, dtype=torch.bool)
    expected[:, :16, 16:] = True
    assert torch.equal(there, expected)
    centre = (torch.arange(32) + 0.5) / 16 - 1
    torch.testing.assert_close(picture[0, :16, 16:], centre[16:].expand(16, 16), atol=1e-5, rtol=0)  # x to the right
    torch.testing.assert_close(picture[1, :16, 16:], -centre[:16, None].expand(16, 16), atol=1e-5, rtol=0)  # y up
    assert (picture[:, ~expected[0]] == 0).all()


def test_the_nearer_one_hides_the_other_whatever_their_order() -> None:
    (near, faces), (far, others) = square(0.5, 0.5), square(2.0, -0.5)
    for vertices, both in (
        (torch.cat([near, far]), torch.cat([faces, others + 4])),
        (torch.cat([far, near]), torch.cat([others, faces + 4])),
    ):
        picture, _ = rasterized(vertices, both, vertices[:, 2:], FRONT, 16)
        assert picture[0, 8, 8] == pytest.approx(0.5)
        assert picture[0, 1, 8] == 0
        assert picture[0, 4, 4] == pytest.approx(-0.5)


def test_what_is_tilted_is_mixed_as_perspective_has_it() -> None:
    vertices = torch.tensor([[-1.0, -1, 1], [-1, 1, 1], [3.0, 1, -1], [3.0, -1, -1]])  # z falls with x, evenly
    picture, there = rasterized(vertices, torch.tensor([[2, 1, 0], [3, 2, 0]]), vertices, FRONT, 64)
    x, _, z = picture[:, there[0]]
    torch.testing.assert_close(z, 0.5 - x / 2, atol=1e-4, rtol=0)
    centre = ((torch.arange(64) + 0.5) / 32 - 1).expand(64, 64)[there[0]]
    torch.testing.assert_close(x / (2 - z) * 2, centre, atol=1e-4, rtol=0)


def test_what_is_outside_or_turned_away_or_has_no_area_is_not_seen() -> None:
    vertices, faces = square(0.5, 0.0, x=5.0)
    assert not rasterized(vertices, faces, vertices, FRONT, 16)[1].any()
    vertices, faces = square(0.5, 0.0)
    assert rasterized(vertices, faces, vertices, FRONT, 16)[1].any()
    assert not rasterized(vertices, faces.flip(1), vertices, FRONT, 16)[1].any()  # from behind
    line = torch.tensor([[-0.5, 0.0, 0.0], [0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    assert not rasterized(line, torch.tensor([[0, 1, 2]]), line, FRONT, 16)[1].any()


def test_it_does_not_matter_how_many_pairs_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, faces = square(1.3, 0.1, cuts=9)
    whole = rasterized(vertices, faces, vertices, FRONT, 32)
    monkeypatch.setattr(raster, "AT_ONCE", 100)
    assert all(map(torch.equal, rasterized(vertices, faces, vertices, FRONT, 32), whole))
