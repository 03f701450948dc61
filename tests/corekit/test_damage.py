"""Known damage: what is gone takes no part, what is left comes back, and once is as good as twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from corekit.album import resize
from corekit.damage import (
    Coarse,
    Damage,
    Grey,
    Hole,
    Together,
    box_hole,
    coarsened,
    in_blocks,
    lanczos,
    luminance,
    square_hole,
)
from corekit.errors import InputError

SIDE = 32


def pictures(count: int = 3, side: int = SIDE, *, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def ragged() -> Tensor:
    """A hole of its own for each of three photos."""
    rng = torch.Generator().manual_seed(5)
    return torch.nn.functional.max_pool2d((torch.rand(3, 1, SIDE, SIDE, generator=rng) > 0.99).float(), 5, 1, 2) > 0


DAMAGES: dict[str, Damage] = {
    "hole": Hole(square_hole(SIDE)),
    "holes": Hole(ragged(), feather=2),
    "coarse": Coarse(8),
    "coarse around one place": Coarse(8, square_hole(SIDE).float()),
    "coarse around each": Coarse(8, ragged().float()),
    "grey": Grey(),
    "grey hole": Together((Hole(ragged()), Grey())),
    "coarse hole": Together((Hole(square_hole(SIDE)), Grey(), Coarse(8))),
}


@pytest.fixture(params=DAMAGES)
def damage(request: pytest.FixtureRequest) -> Damage:
    return DAMAGES[request.param]


@pytest.mark.parametrize("side", [64, 32, 16, 8, 4])
def test_done_twice_is_as_done_once(damage: Damage, side: int) -> None:
    image = pictures(side=side)
    once = damage(image)
    assert once.shape == image.shape
    if side == SIDE:
        assert (once - image).abs().max() > 0.1
    if side == SIDE or not isinstance(damage, Together):  # elsewhere a hole's rim may cross a coarse pixel
        torch.testing.assert_close(damage(once), once)


def test_a_damaged_photo_mends_as_the_whole_one_that_was_damaged(damage: Damage) -> None:
    """So nothing of a whole photo comes through but what its damage leaves."""
    photos, render = pictures(), pictures(seed=1)
    left = damage(photos)
    torch.testing.assert_close(damage.mended(damage(left), render), damage.mended(left, render))


def test_photos_are_damaged_each_in_its_own_way(damage: Damage) -> None:
    photos, render = pictures(), pictures(seed=1)
    whole, rows = damage(photos), slice(1, 2)
    assert torch.equal(damage(photos[rows], rows), whole[rows])
    assert torch.equal(damage(photos[[2, 0]], torch.tensor([2, 0])), whole[[2, 0]])
    assert torch.equal(damage.at(rows)(photos[rows]), whole[rows])
    alone, together = damage.at(rows).mended(whole[rows], render[rows]), damage.mended(whole, render)[rows]
    torch.testing.assert_close(alone, together)  # a coarse one is enlarged by a product, which rounds by its shape


@pytest.mark.parametrize("side", [64, 32, 21, 16, 8])
def test_what_stands_in_a_hole_takes_no_part_at_any_side(side: int) -> None:
    hole = Hole(ragged())
    photos = pictures()
    scribbled = torch.where(hole.missing, pictures(seed=2), photos)
    apart = (hole(resize(photos, side)) - hole(resize(scribbled, side))).abs().max()
    assert apart < 1e-6
    assert (resize(photos, side) - resize(scribbled, side)).abs().max() > 0.1
    image = pictures(side=side).requires_grad_()
    hole(image).sum().backward()
    assert image.grad is not None
    assert 0 < image.grad.mean() < 1


def test_around_a_hole_the_photo_stays_bit_for_bit_and_in_it_the_render() -> None:
    photos, render, missing = pictures() / 3, pictures(seed=1) / 7, ragged()
    hole = Hole(missing)
    mended = hole.mended(hole(photos), render)
    assert torch.equal(mended, torch.where(missing, render, photos))


def test_a_feather_reaches_so_far_and_no_further() -> None:
    photos, render = torch.zeros(1, 3, SIDE, SIDE), torch.ones(1, 3, SIDE, SIDE)
    line = Hole(box_hole(SIDE, (0, 0, 0.5, 1)), feather=3).mended(photos, render)[0, 0, 7]
    torch.testing.assert_close(line[15:20], torch.tensor([1, 0.75, 0.5, 0.25, 0]))
    assert torch.equal(line[19:], torch.zeros(SIDE - 19))
    assert torch.equal(line[:16], torch.ones(16))


def test_coarse_pixels_are_means_and_their_gradient_is_spread() -> None:
    image = pictures().requires_grad_()
    small = coarsened(image, 8)
    torch.testing.assert_close(small[:, :, 2, 3], image[:, :, 8:12, 12:16].mean((2, 3)))
    damaged = Coarse(8)(image)
    assert torch.equal(damaged, in_blocks(small, SIDE))
    damaged[0, 0, 0, 0].backward()
    assert image.grad is not None
    torch.testing.assert_close(image.grad[0, 0, :5, :5].sum(), torch.tensor(1.0))
    torch.testing.assert_close(image.grad[0, 0, 3, 3], torch.tensor(1 / 16))


def test_lanczos_is_as_pillow_has_it() -> None:
    image = pictures(1, 16)
    plain = Image.fromarray(image[0, 0].numpy(), mode="F").resize((48, 48), Image.Resampling.LANCZOS)
    torch.testing.assert_close(lanczos(image, 48)[0, 0], torch.from_numpy(np.array(plain)), atol=1e-5, rtol=0)
    assert torch.equal(lanczos(image, 16), image)


def test_around_a_known_subject_stands_the_photo_enlarged() -> None:
    photos, render, subject = pictures(), pictures(seed=1), ragged().float()
    damage = Coarse(8, subject)
    mended = damage.mended(damage(photos), render)
    background = lanczos(coarsened(photos, 8), SIDE).clamp(-1, 1)
    torch.testing.assert_close(mended, torch.where(subject > 0, render, background), atol=1e-5, rtol=0)
    assert torch.equal(Coarse(8).mended(damage(photos), render), render)


def test_colours_come_back_under_the_photos_own_luminance() -> None:
    photos, render = pictures(), 1.4 * pictures(seed=1)
    mended = Grey().mended(Grey()(photos), render)
    torch.testing.assert_close(luminance(mended), luminance(photos), atol=1e-5, rtol=0)
    assert mended.abs().max() <= 1 + 1e-5
    tint = render.clamp(-1, 1) - luminance(render.clamp(-1, 1))
    found = mended - luminance(mended)
    assert torch.nn.functional.cosine_similarity(tint, found, dim=1).nanmean() > 0.9  # the hue is the render's
    torch.testing.assert_close(Grey().mended(render.clamp(-1, 1), render), render.clamp(-1, 1), atol=1e-5, rtol=0)
    assert torch.equal(Grey(keep=False).mended(photos, render), render)


def test_a_grey_photo_with_a_hole_is_the_render_in_the_hole_and_coloured_around_it() -> None:
    photos, render, missing = pictures(), pictures(seed=1), ragged()
    both = Together((Hole(missing), Grey()))
    mended = both.mended(both(photos), render)
    assert torch.equal(mended, torch.where(missing, render, Grey().mended(Grey()(photos), render)))


def test_a_box_is_counted_in_shares_of_the_side() -> None:
    missing = box_hole(16, (0.5, 0.25, 0.25, 0.125))
    assert missing.sum() == 4 * 2
    assert missing[0, 0, 4:6, 8:12].all()
    assert square_hole(16).sum() == 8 * 8


@pytest.mark.parametrize(
    ("box", "says"),
    [
        ((0.5, 0, 0.6, 0.1), "0.5,0,0.6,0.1 is not in the picture"),
        ((-0.1, 0, 0.5, 0.5), "not in the picture"),
        ((0, 0, 0, 0.5), "not in the picture"),
        ((0, 0, float("nan"), 0.5), "not in the picture"),
        ((0.1, 0.1, 0.01, 0.01), "no pixel of a picture of 16x16"),
        ((0, 0, 1, 1), "all of a picture"),
    ],
)
def test_a_box_that_is_none_is_refused(box: tuple[float, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        box_hole(16, box)


def test_a_mask_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="true or false"):
        Hole(torch.ones(1, 1, 4, 4))
    with pytest.raises(InputError, match="feather"):
        Hole(square_hole(4), feather=-1)
