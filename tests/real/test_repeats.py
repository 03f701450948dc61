"""Which frames of a clip repeat another: the same moment saved again, and never a face with other lips or lids."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from photographs import CLIPS, frames
from PIL import Image

from gpk.framing import Framing
from gpk.registry import Registry
from gpk_photos.crop import cropped
from gpk_photos.decode import tensor
from gpk_photos.duplicates import UNLIKE, Look, duplicates, glance, perceptual_hash, unlike
from gpk_photos.quality import quality_of
from gpk_photos.reading import THUMBNAIL

pytestmark = pytest.mark.real

SIDE = 128
FACES = Framing("ffhq", scale=0.8)
MOVED = {
    "carphone": [(19, 20), (19, 21), (12, 14)],
    "grin": [(4, 18), (5, 19), (5, 20), (12, 23)],
    "moods": [(20, 21), (13, 14), (12, 16)],
}
"""Frames of each clip, of 24, in which lips or lids are others, as the eye sees it: all near by their hashes."""

Frame = tuple[Look, float]
"""What is known of a frame, and its sharpness."""


def packed(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=60)
    return Image.open(stream).convert("RGB")


SAVED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "packed": packed,
    "smaller": lambda image: image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.LANCZOS),
    "darker": lambda image: Image.eval(image, lambda value: int(value * 0.8)),
}
"""The same moment, as another program may have saved it."""


@pytest.fixture(scope="module")
def seen() -> Callable[[Image.Image], Frame]:
    detect = Registry.discover(plugins=False).detector("mtcnn").load(None)

    def look(frame: Image.Image) -> Frame:
        crop = cropped(frame, FACES.square(detect(tensor(frame))[0]), SIDE).picture
        small = frame.copy()
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        known = Look(perceptual_hash(tensor(small)), perceptual_hash(crop), glance(crop))
        return known, quality_of(crop, scale=1).sharpness

    return look


@pytest.mark.parametrize("clip", CLIPS)
def test_what_moved_is_kept_and_what_was_saved_again_is_not(clip: str, seen: Callable[[Image.Image], Frame]) -> None:
    every = {f"{number:02}": seen(frame) for number, frame in enumerate(frames(clip))}
    looks = {name: look for name, (look, _) in every.items()}
    worth = {name: sharpness for name, (_, sharpness) in every.items()}
    by_hash = duplicates({name: look._replace(glance="") for name, look in looks.items()}, worth)
    repeats = duplicates(looks, worth)
    print(f"{clip}: of {len(looks)} frames {len(by_hash)} repeat another by hash, {len(repeats)} to the eye too")
    assert len(repeats) < len(by_hash)
    for one, other in MOVED[clip]:
        assert unlike(looks[f"{one:02}"].glance, looks[f"{other:02}"].glance) > UNLIKE
    for name in list(looks)[::4]:
        for how, save in SAVED.items():
            again, _ = seen(save(frames(clip)[int(name)]))
            assert duplicates({"": again, name: looks[name]}, {"": 0, name: 1}) == {"": name}, (name, how)
