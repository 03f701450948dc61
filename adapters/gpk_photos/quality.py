r"""Whether a crop can teach anything: sharpness, exposure and contrast, in numbers that need no model.

Everything is measured on the crop at the generator's resolution, since that is what is learned from: a blur that
vanishes in shrinking costs nothing, and a crop that was enlarged is as soft as it looks.

    sharpness   var(Laplacian of Y) / var(Y)            (Pech-Pacheco et al., 2000: the variance of the Laplacian)

Divided by the picture's own variance, the measure is the same in dim light and for a black cat: without that, darkness
reads as blur. Y is the luminance of Rec. 709 in [0, 1], of the picture's coded values.

Shapes: R side of the crop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from torch import Tensor
from torch.nn import functional as F

FLAT = 0.02
"""Contrast below which there is nothing: five of 255 steps, the noise of a sensor behind a lens cap."""
DARKEST, BRIGHTEST = 4 / 255, 251 / 255
"""Where a channel counts as clipped: JPEG moves the ends of the scale by up to four steps. A pixel is black where all
three are, and white where two are: its hue is gone then, while strong colours clip one."""
TOO_DARK, TOO_BRIGHT = 0.5, 0.15
"""Shares of clipped pixels in the middle half. A black coat or hair is dark and seldom black, so half of the subject
is without any drawing; highlights take a twentieth, and at a sixth cheeks and forehead are gone."""
BLURRED = 0.2
"""Of the album's own median. Sharp photos of one subject spread over a factor of four, with what is behind it."""
BLURRED_ALONE = 0.05 * 64**2
"""Of the sharpness times R^2, for an album that is soft altogether. A Gaussian whose deviation is a fortieth of the
side brings sharp photographs of a face and of a cat there at sides from 64 to 512."""
TOO_SMALL = 0.5
"""Of the generator's side: below it three of four pixels would be invented (`album.open_album` has the same rule)."""


@dataclass(frozen=True)
class Quality:
    """Numbers of one crop: `sharpness` at this `side`; `dark` and `bright`, shares of clipped pixels in its middle;
    `mean` and `contrast`, mean and standard deviation of luminance; `scale`, pixels of the photo to one of the crop.
    """

    sharpness: float
    side: int
    dark: float
    bright: float
    mean: float
    contrast: float
    scale: float


def luminance(picture: Tensor) -> Tensor:
    """Y [R, R] in [0, 1] of a picture [3, R, R] in [-1, 1]."""
    red, green, blue = (picture.float().clamp(-1, 1) + 1) / 2
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def quality_of(picture: Tensor, *, scale: float) -> Quality:
    """The numbers of a crop [3, R, R] in [-1, 1], cut where the photo has `scale` pixels to one of it."""
    y = luminance(picture)
    quarter = y.shape[-1] // 4
    inner = slice(quarter, y.shape[-1] - quarter)
    channels = ((picture[:, inner, inner].float().clamp(-1, 1) + 1) / 2).sort(0).values
    kernel = y.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    edges = F.conv2d(y[None, None], kernel[None, None])
    return Quality(
        sharpness=(edges.var() / y.var().clamp_min(FLAT**2)).item(),
        side=y.shape[-1],
        dark=(channels[2] <= DARKEST).float().mean().item(),
        bright=(channels[1] >= BRIGHTEST).float().mean().item(),
        mean=y.mean().item(),
        contrast=y.std().item(),
        scale=scale,
    )


def complaints(quality: Mapping[str, Quality]) -> dict[str, list[str]]:
    """What is wrong with each photo of an album, in words, by name; empty lists for good ones."""
    usual = median(each.sharpness for each in quality.values()) if quality else 0.0
    return {name: _complaints(each, usual) for name, each in quality.items()}


def emptiness(contrast: float, mean: float) -> str:
    """What is said of a picture in which nothing is seen; empty where something is."""
    if contrast >= FLAT:
        return ""
    return "black: nothing is seen" if mean < 0.5 else "flat: nothing is seen"


def _complaints(quality: Quality, usual: float) -> list[str]:
    if empty := emptiness(quality.contrast, quality.mean):
        return [empty]
    found = []
    if quality.dark > TOO_DARK:
        found.append(f"underexposed: {quality.dark:.0%} of the middle is black")
    if quality.bright > TOO_BRIGHT:
        found.append(f"overexposed: {quality.bright:.0%} of the middle is white")
    if quality.scale < TOO_SMALL:
        return [*found, f"too small: it would be enlarged {1 / quality.scale:.1f} times"]  # and is soft for that
    if quality.sharpness * quality.side**2 < BLURRED_ALONE or quality.sharpness < BLURRED * usual:
        against = f", {quality.sharpness / usual:.2f} of the album's median" if usual else ""
        found.append(f"blurred: sharpness {quality.sharpness:.3g}{against}")
    return found
