"""Blurred, badly exposed and repeated pictures are told from good ones, whatever their contrast and size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk_photos.duplicates import NEAR_CROP, NEAR_WHOLE, Look, distance, duplicates, perceptual_hash
from gpk_photos.quality import complaints, quality_of


def scene(seed: int, side: int = 64) -> Tensor:
    """A picture [3, side, side] with shapes of many sizes."""
    rng = torch.Generator().manual_seed(seed)
    layers = [
        F.interpolate(torch.randn(1, 3, n, n, generator=rng), (side, side), mode="bicubic") / n**0.3
        for n in (3, 6, 12, 24, 48)
    ]
    return (0.4 * torch.stack(layers).sum(0)[0]).clamp(-0.95, 0.95)


def blurred(picture: Tensor, by: int) -> Tensor:
    return F.avg_pool2d(F.pad(picture[None], [by // 2] * 4, mode="reflect"), by, 1)[0]


def said(**pictures: Tensor) -> dict[str, list[str]]:
    album = {f"good{i}": quality_of(scene(i), scale=2) for i in range(5)}
    told = complaints(album | {name: quality_of(picture, scale=2) for name, picture in pictures.items()})
    assert all(told[f"good{i}"] == [] for i in range(5))
    return {name: told[name] for name in pictures}


def test_what_is_wrong_is_said_and_nothing_else() -> None:
    good = scene(9)
    told = said(
        soft=blurred(good, 5),
        dim=good * 0.3 - 0.6,
        white=(good * 2 + 1.6).clamp(-1, 1),
        dark=(good * 2 - 2).clamp(-1, 1),
        cap=torch.rand(3, 64, 64) * 0.02 - 1,
        fog=torch.full((3, 64, 64), 0.9),
    )
    assert told["dim"] == []  # darkness is no blur
    assert told["soft"][0].startswith("blurred: sharpness ")
    assert told["soft"][0].endswith("of the album's median")
    assert "overexposed: " in told["white"][0]
    assert "of the middle is white" in told["white"][0]
    assert "underexposed: " in told["dark"][0]
    assert told["cap"] == ["black: nothing is seen"]
    assert told["fog"] == ["flat: nothing is seen"]


def test_an_album_that_is_soft_altogether_is_told_so() -> None:
    told = complaints({str(i): quality_of(blurred(scene(i), 9), scale=2) for i in range(4)})
    assert all(found[0].startswith("blurred") for found in told.values())


def test_a_crop_that_would_be_enlarged_is_small_and_not_blurred_too() -> None:
    tiny = F.interpolate(scene(1, 20)[None], (64, 64), mode="bicubic")[0]
    assert complaints({"": quality_of(tiny, scale=20 / 64)})[""] == ["too small: it would be enlarged 3.2 times"]


def test_sharpness_does_not_depend_on_contrast() -> None:
    full, faint = (quality_of(scene(3) * strength, scale=1).sharpness for strength in (1.0, 0.3))
    assert abs(full / faint - 1) < 0.05


def test_hashes_stay_under_shrinking_light_and_noise_and_part_what_is_different() -> None:
    photo = scene(1, 200)
    again = (F.interpolate(photo[None], (150, 150), mode="bilinear", antialias=True)[0] * 0.9 + 0.05).clamp(-1, 1)
    again = again + 0.02 * torch.randn(again.shape, generator=torch.Generator().manual_seed(0))
    assert distance(perceptual_hash(photo), perceptual_hash(again)) <= NEAR_WHOLE
    assert all(distance(perceptual_hash(photo), perceptual_hash(scene(i, 200))) > NEAR_CROP for i in range(2, 12))


def test_of_a_group_the_sharpest_stays_and_chains_do_not_pass_nearness_on() -> None:
    step = (1 << NEAR_WHOLE) - 1
    looks = {"a": Look(0, 0), "b": Look(step, 0), "c": Look(step << NEAR_WHOLE | step, 0), "d": Look(0, (1 << 60) - 1)}
    assert duplicates(looks, {"a": 3, "b": 2, "c": 1, "d": 0}) == {"b": "a"}
    assert duplicates(looks, {"a": 1, "b": 2, "c": 1, "d": 0}) == {"a": "b", "c": "b"}
