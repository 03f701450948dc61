"""Where in a photo the generator's picture is: seen by a camera, cut as a square, found by a descent."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpk.album import Album
from gpk.camera import Camera
from gpk.context import Context
from gpk.framing import Square
from gpk.latents import latent_statistics
from gpk.logger import NullLogger
from gpk.plugin import Backend, Card
from gpk.seeding import seeded
from gpk_eg3d.network import EG3D
from gpk_photos.crop import cropped
from gpk_photos.decode import tensor
from gpk_tasks.pose.choice import Hypotheses
from gpk_tasks.pose.descent import descended
from gpk_tasks.pose.frame import reframed, seen_through
from gpk_tasks.pose.pose import Posing

FRAME = (0.06, -0.04, 0.1, 0.2)


def place_of(p: Tensor, frame: tuple[float, float, float, float]) -> Tensor:
    """The places [n, 2] of the generator's picture that show what a photo shows at p [n, 2], as the module says."""
    right, down, size, roll = frame
    back = torch.tensor([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]])
    return math.exp(-size) * (p - torch.tensor([right, down])) @ back.mT


def places(n: int) -> Tensor:
    """The middles [n * n, 2] of the pixels of a picture, row by row, from its middle and in sides."""
    centre = (torch.arange(n) + 0.5) / n - 0.5
    y, x = torch.meshgrid(centre, centre, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


def test_a_camera_sees_through_a_frame_what_the_generators_picture_shows_there() -> None:
    camera = Camera.orbit(0.3, -0.2)
    origin, seen = seen_through(camera, torch.tensor([FRAME])).rays(8)
    q = place_of(places(8), FRAME) / camera.intrinsics[0, 0, 0]
    expected = torch.nn.functional.normalize(torch.cat([q, torch.ones(64, 1)], 1), dim=1) @ camera.pose[0, :3, :3].mT
    torch.testing.assert_close(seen[0], expected)
    torch.testing.assert_close(origin[0], camera.pose[:, :3, 3].expand(64, 3))


def test_no_frame_is_the_camera_itself() -> None:
    camera = Camera.orbit(torch.tensor([0.3, -0.1]), torch.tensor([-0.2, 0.1]))
    assert torch.equal(seen_through(camera, torch.zeros(2, 4)).label(), camera.label())


def test_a_photo_cut_anew_shows_what_the_frame_says() -> None:
    """Of a photograph out of focus: the first cut at p is the better cut at q."""
    noise = torch.rand(1, 3, 8, 10, generator=seeded(3)) * 2 - 1
    soft = torch.nn.functional.interpolate(noise, (640, 800), mode="bicubic")[0].clamp(-1, 1)
    photo = Image.fromarray(((soft.movedim(0, 2) + 1) * 127.5).round().byte().numpy())
    assert (tensor(photo) - soft).abs().max() < 0.01
    square = Square(410, 300, 240, 12)
    first, better = (cropped(photo, each, 96).picture for each in (square, reframed(square, FRAME)))
    q = place_of(places(96), FRAME).view(1, 96, 96, 2)
    there = torch.nn.functional.grid_sample(better[None], 2 * q, align_corners=False)[0]
    inside = (q[0].abs() < 0.48).all(2)
    assert inside.float().mean() > 0.6
    assert (there - first)[:, inside].abs().mean() < 0.01
    assert (better - first)[:, inside].abs().mean() > 0.1  # and the two cuts differ


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


@pytest.fixture
def context(eg3d: EG3D) -> Context:
    card = Card("small", "Small", "none")
    nothing = Album(torch.empty(0, 3, 32, 32), ())
    return Context(Backend("small", "Small", (card,), lambda config: eg3d), card, eg3d, absolute, nothing, NullLogger())


def found(context: Context, frames: Tensor, settings: Posing, *, steps: int = 30) -> Tensor:
    """The frames [2, 4] that are found of photos with these ones, their cameras and codes known."""
    generator, angles = context.generator, torch.tensor([[0.2, -0.3], [-0.1, 0.1]])
    statistics = latent_statistics(generator)
    camera = generator.orbit(*angles)
    assert camera is not None
    with torch.no_grad():
        codes = statistics.mean.expand(2, generator.latent.num_ws, -1)
        photos = generator(codes, seen_through(camera, frames)).image
    begin = Hypotheses(torch.arange(2), angles, torch.zeros(2, 16), torch.zeros(2, 4))
    return descended(context, Album(photos, ("a", "b")), begin, statistics, settings, steps=steps)["frames"]


LOOSE = Posing(frames=True, lr=0.0, lr_angle=0.0, framing=0.0, l2=0.0, side=32)


def test_shift_size_and_roll_are_found(context: Context) -> None:
    frames = torch.tensor([[0.02, -0.015, 0.05, -0.05], [-0.01, 0.02, -0.04, 0.07]])
    off = (found(context, frames, LOOSE) - frames).abs()
    assert (off < torch.tensor([0.004, 0.004, 0.01, 0.01])).all(), off


def test_frames_are_held_by_what_finders_are_like_and_stay_where_squares_are_known(context: Context) -> None:
    frames = torch.tensor([[0.02, -0.015, 0.05, -0.05], [-0.01, 0.02, -0.04, 0.07]])
    held = found(context, frames, replace(LOOSE, framing=10.0), steps=10)
    assert held.abs().max() < 0.01
    assert not found(context, frames, replace(LOOSE, frames=False), steps=3).any()
