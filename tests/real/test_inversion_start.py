"""Where inversion begins on a real generator, with frames of a real man: what drawn codes find that the mean does not.

pytest -q -s -m real tests/real/test_inversion_start.py     prints the table of docs/module.md
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from face_dcgan import Faces
from photographs import frames
from torch import Tensor

from gpk.album import Album
from gpk.context import Context
from gpk.errors import RecipeError
from gpk.logger import NullLogger
from gpk.registry import Registry
from gpk_judges.dlib_id import load
from gpk_module.backend import backend_of, framed
from gpk_photos.crop import cropped
from gpk_photos.decode import tensor
from gpk_tasks.personalize.inversion import find_codes
from gpk_tasks.personalize.presets import preset
from gpk_tasks.renders import render_album
from gpk_tasks.scores import score

pytestmark = pytest.mark.real

FAST = preset("fast").inversion
SIDE = 64


class AsTrained(Faces):
    """The network itself, without the length that its wrapper gives to codes: around the code 0, where their mean is,
    no unit of the first layer is alive.
    """

    def forward(self, z: Tensor) -> Tensor:
        return self.main(z[..., None, None])


@pytest.fixture(scope="module")
def contexts() -> Callable[[type[Faces], str], Context]:
    """Twelve frames, cut as the generator's faces are, with dlib's judge."""
    registry, framing = Registry.discover(plugins=False), framed(Faces.framing)
    assert framing is not None
    detect = registry.detector("mtcnn").load(None)
    crops = [cropped(frame, framing.square(detect(tensor(frame))[0]), SIDE).picture for frame in frames("carphone")]
    album, judge = Album(torch.stack(crops[::2]), tuple(map(str, range(len(crops[::2]))))), load(None, framing)

    def make(which: type[Faces], distance: str) -> Context:
        backend = backend_of(f"{which.__module__}:{which.__name__}")
        generator, apart = backend.build({}), registry.judge(distance).load(None)
        return Context(backend, backend.cards[0], generator, apart, album, NullLogger(), judge=judge)

    return make


def inverted(context: Context, draws: int, *, steps: int = FAST.steps) -> dict[str, float]:
    """Figures of the photos' codes, found as `fast` does, and the seconds."""
    began = time.monotonic()
    codes = find_codes(context, replace(FAST, draws=draws, steps=steps))
    seconds = time.monotonic() - began
    shown = render_album(context, codes[:, None], context.album)
    photos = context.album.photos
    found = score(shown, photos, context, references=photos) | {"seconds": seconds}
    print(f"| {draws} | {steps} |", " | ".join(f"{name} {value:.3f}" for name, value in found.items()), "|")
    return found


@pytest.mark.parametrize("distance", ["stlpips-alex", "lap1"])
def test_at_the_mean_it_stands_still_and_from_drawn_codes_it_finds_the_photos(
    distance: str, contexts: Callable[[type[Faces], str], Context]
) -> None:
    there = contexts(AsTrained, distance)
    print(f"\nas trained, {distance}")
    mean = inverted(there, 0, steps=0)
    with pytest.raises(RecipeError, match=r"^inversion stands still: 10 steps at .* had no gradient at all"):
        find_codes(there, replace(FAST, draws=0))
    begun, found = inverted(there, there.backend.draws, steps=0), inverted(there, there.backend.draws)
    assert found["psnr"] > mean["psnr"] + 3
    assert found["distance"] < 0.8 * begun["distance"] < 0.8 * mean["distance"]
    assert found["id_sim"] > mean["id_sim"] + 0.05


@pytest.mark.parametrize("distance", ["stlpips-alex", "lap1"])
def test_more_draws_begin_nearer(distance: str, contexts: Callable[[type[Faces], str], Context]) -> None:
    there = contexts(Faces, distance)
    print(f"\ncodes of one length, {distance}")
    every = {draws: inverted(there, draws) for draws in (0, 4, 64, 512)}
    assert every[512]["psnr"] > every[0]["psnr"]
    assert every[512]["distance"] < every[0]["distance"]
