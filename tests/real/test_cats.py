"""People are no cats: where a person's face is certain, the cats' cascade is not believed."""

from __future__ import annotations

import pytest
from photographs import frames, people
from PIL import Image
from skimage import data

from gpk.detector import Found
from gpk_photos import detectors
from gpk_photos.decode import tensor

pytestmark = pytest.mark.real


def test_a_persons_face_is_no_cat_and_a_cat_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    persons = [*frames("grin", 6), *(Image.open(files[0]).convert("RGB") for files in people().values())]
    detect = detectors.load_cat()
    after = sum(bool(detect(tensor(photo))) for photo in persons)
    chelsea = detect(tensor(Image.fromarray(data.chelsea())))
    monkeypatch.setattr(detectors, "_people", lambda: lambda picture: list[Found]())
    believing = detectors.load_cat()
    before = sum(bool(believing(tensor(photo))) for photo in persons)
    print(f"of {len(persons)} photos of people {before} had a cat, and {after} have one now")
    assert after < 0.5 * before
    assert chelsea == believing(tensor(Image.fromarray(data.chelsea())))
