"""The cat's colours, as functions of the place on its surface; the light; and the background by the direction of the
ray.

Colours are red, green, blue in [0, 1]; a mask is soft over about one pixel of a 64-pixel picture, or it would
glitter. Palettes are made up. Only two traits look at the sign of x: the patch and the eye of another colour.

Shapes: B batch, N points.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gpk_minicat import field

Colour = tuple[float, float, float]
PUPIL: Colour = (0.03, 0.03, 0.04)
LINE: Colour = (0.10, 0.07, 0.07)
WHITE: Colour = (0.97, 0.96, 0.94)
PINK: Colour = (0.93, 0.62, 0.60)
TONGUE: Colour = (0.86, 0.33, 0.36)
IRISES: tuple[Colour, ...] = (
    (0.80, 0.42, 0.06),
    (0.92, 0.76, 0.12),
    (0.36, 0.70, 0.22),
    (0.16, 0.62, 0.60),
    (0.28, 0.58, 0.92),
)
SOFT = 0.012  # world units, about a pixel at 64 by 64


def colour(p: field.Points, cat: dict[str, Tensor]) -> Tensor:
    """The colour [B, 3, N] of the surface at the points, unlit."""
    x, y, z = p.x.abs(), p.y, p.z
    base = _fur(cat)
    dark = [channel * 0.42 for channel in base]
    fur = _mix([c + 0 * x for c in base], dark, 0.85 * cat["stripes"] * _stripes(x, y, z))
    muzzle = _inside(0.145 - torch.sqrt(x**2 + (0.85 * (y + 0.110)) ** 2)) * _inside(z - 0.10)
    above = field.ear(x, p, cat)
    on_ear = _inside((above.along - 0.10) * cat["ear_height"], 0.02) * _inside(0.085 - above.side.abs())
    ends = torch.maximum(_inside(0.125 - torch.sqrt(x**2 + (y + 0.06) ** 2), 0.05) * _inside(z - 0.10), on_ear)
    fur = _mix(fur, [0.24 * c + 0.02 for c in base], 0.92 * cat["points"] * ends)
    breast = _inside(0.125 - x) * _inside(-0.20 - y, 0.03) * _inside(z)
    fur = _mix(fur, WHITE, cat["white_muzzle"] * torch.maximum(muzzle, breast))
    blaze = _inside(0.020 + 0.045 * (y + 0.02).clamp_min(0) / 0.2 - x) * _inside(z) * _inside(y + 0.09)
    fur = _mix(fur, WHITE, cat["blaze"] * blaze)
    ball = field.eye(cat)
    # The patch takes the tone that the fur has not, around the cat's right eye (-x).
    patch = _inside(0.125 - torch.sqrt((x - ball.x - 0.01) ** 2 + (y - ball.y - 0.015) ** 2)) * _inside(z) * (p.x < 0)
    tone = (cat["fur_light"] < 0.5).to(x) * 0.82 + 0.08
    fur = _mix(fur, [tone, 0.90 * tone, 0.82 * tone], cat["eye_patch"] * patch)
    inner = _inside(0.72 * 0.092 * (1 - above.along) - above.side.abs()) * _inside(above.front - 0.002, 0.008) * on_ear
    fur = _mix(fur, PINK, 0.85 * inner)
    fur = _nose_and_mouth(fur, x, y, z, cat)
    return torch.stack(_eyes(fur, p, ball, cat), 1)


def irises(cat: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The colours [B, 3] of the left eye (+x) and of the right one, unlit."""
    yes = torch.ones_like(cat["odd_eyes"], dtype=torch.bool)
    left, right = (torch.cat(_palette(_hue(side, cat)), 1) for side in (yes, ~yes))
    return left, right


def shade(albedo: Tensor, normals: field.Points, cat: dict[str, Tensor]) -> Tensor:
    """The lit colour [B, 3, N]: one soft lamp above and in front, moved sideways by `light`, and a sky."""
    side = 0.75 * cat["light"]
    scale = torch.rsqrt(side**2 + 0.55**2 + 0.75**2)
    lamp = (normals.x * side + normals.y * 0.55 + normals.z * 0.75) * scale
    wrapped = ((lamp + 0.25) / 1.25).clamp_min(0)
    light = 0.34 + 0.14 * normals.y + 0.66 * wrapped
    return (albedo * light[:, None]).clamp(0, 1)


def background(direction_y: Tensor, cat: dict[str, Tensor]) -> Tensor:
    """The colour [B, 3, N] behind the cat: one plain colour that brightens upwards with the y of the ray's direction
    [B, N].
    """
    bright = 0.92 + 0.32 * direction_y
    return torch.stack([cat[name] * bright for name in ("red", "green", "blue")], 1).clamp(0, 1)


def white_balance(colours: Tensor, cat: dict[str, Tensor]) -> Tensor:
    """The whole photo [B, 3, N] under warmer or colder light: red and blue move against each other by up to 12
    percent.
    """
    gain = torch.stack([1 + 0.12 * cat["warmth"], torch.ones_like(cat["warmth"]), 1 - 0.12 * cat["warmth"]], 1)
    return (colours * gain).clamp(0, 1)


def _fur(cat: dict[str, Tensor]) -> list[Tensor]:
    light, tint = cat["fur_light"], cat["fur_tint"]
    grey, ginger = (
        ((0.13, 0.12, 0.14), (0.50, 0.50, 0.54), (0.93, 0.92, 0.91)),
        ((0.27, 0.14, 0.08), (0.84, 0.46, 0.18), (0.98, 0.84, 0.62)),
    )
    weights = ((1 - light) ** 2, 2 * light * (1 - light), light**2)
    return [
        sum(
            (w * (grey[k][i] + (ginger[k][i] - grey[k][i]) * tint) for k, w in enumerate(weights)),
            torch.zeros_like(light),
        )
        for i in range(3)
    ]


def _stripes(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Three bars on the forehead, rings on cheeks and breast."""
    bars = torch.maximum(_inside(0.015 - x), _inside(0.017 - (x - 0.075 - 0.1 * (y - 0.1)).abs())) * _inside(
        y - 0.085, 0.02
    )
    rings = torch.sin(58.0 * (y + 0.25 * z)) * 0.5 + 0.5
    rings = (
        (2.2 * rings - 0.9).clamp(0, 1)
        * torch.maximum(_inside(x - 0.165, 0.02), _inside(-0.22 - y))
        * _inside(0.07 - y, 0.02)
    )
    return torch.maximum(bars, rings)


def _nose_and_mouth(fur: list[Tensor], x: Tensor, y: Tensor, z: Tensor, cat: dict[str, Tensor]) -> list[Tensor]:
    forward, smile = cat["muzzle"], cat["smile"]
    front = _inside(z - 0.150 - forward)
    # A mouth opens between the puffs and the chin; a closed one is a line, curved up at its ends.
    curve = y + 0.146 + 0.012 * torch.sin(x * 75.0).clamp_min(-1) - 9.0 * (x - 0.042).clamp_min(0) ** 2
    gape = _inside(0.006 + 0.030 * smile - torch.sqrt((0.62 * x) ** 2 + (y + 0.150 + 0.010 * smile) ** 2), 0.006)
    line = _inside(0.0065 - curve.abs(), 0.006) * _inside(0.074 - x) * front
    seam = _inside(0.006 - x, 0.006) * _inside(-0.090 - y) * _inside(y + 0.148) * front
    fur = _mix(fur, LINE, 0.85 * torch.maximum(line, seam))
    fur = _mix(fur, TONGUE, gape * front * smile)
    pink, black = (0.90, 0.50, 0.50), (0.16, 0.10, 0.10)
    tone = [pink[i] + (black[i] - pink[i]) * cat["nose"] for i in range(3)]
    nose = (
        _inside(0.036 * (1 + (y + 0.080) / 0.05).clamp(0, 1) - x)
        * _inside(0.020 - (y + 0.078).abs())
        * _inside(z - 0.205 - forward)
    )
    return _mix(fur, tone, nose)


def _eyes(fur: list[Tensor], p: field.Points, ball: field.Eye, cat: dict[str, Tensor]) -> list[Tensor]:
    x = p.x.abs()
    u, v = (x - ball.x) / ball.radius, (p.y - ball.y) / ball.radius
    v = v - 0.10 * u  # the outer corner sits higher
    soft = 0.09
    front = _inside(p.z - ball.z)
    opening = 0.80 * cat["openness"]
    almond = 1 - torch.sqrt((u / 0.82) ** 2 + (v / opening) ** 2)
    fur = _mix(fur, LINE, _inside(almond + 0.20, soft) * front)
    iris = _palette(_hue(p.x > 0, cat))
    round_pupil = torch.sqrt((u / 0.26) ** 2 + (v / 0.56) ** 2)
    iris = [c * (1.0 - 0.28 * (v + 0.2).clamp(0, 1)) for c in iris]
    fur = _mix(fur, iris, _inside(almond, soft) * front)
    fur = _mix(fur, PUPIL, _inside((1 - round_pupil) * 0.3, 0.06) * _inside(almond, soft) * front)
    glint = torch.sqrt(((p.x - torch.sign(p.x) * ball.x) / ball.radius + 0.20) ** 2 + (v - 0.26) ** 2)
    return _mix(fur, (1.0, 1.0, 1.0), _inside(0.15 - glint, soft) * _inside(almond, soft) * front)


def _hue(left: Tensor, cat: dict[str, Tensor]) -> Tensor:
    """Where in the palette an eye's colour is: an odd left eye (+x) lies three quarters of it away."""
    odd = torch.where(left, cat["odd_eyes"], torch.zeros_like(cat["odd_eyes"]))
    return (cat["eye_colour"] + odd * torch.where(cat["eye_colour"] < 0.5, 0.75, -0.75)).clamp(0, 1)


def _palette(hue: Tensor) -> list[Tensor]:
    place = hue * (len(IRISES) - 1)
    weights = [(1 - (place - k).abs()).clamp_min(0) for k in range(len(IRISES))]
    return [sum((w * IRISES[k][i] for k, w in enumerate(weights)), torch.zeros_like(hue)) for i in range(3)]


def _inside(amount: Tensor, soft: float = SOFT) -> Tensor:
    """0 where the amount is negative, 1 where it is positive, with a ramp about `soft` wide."""
    ramp = (amount / soft + 0.5).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def _mix(under: list[Tensor], over: list[Tensor] | Colour, amount: Tensor) -> list[Tensor]:
    return [a + (b - a) * amount for a, b in zip(under, over, strict=True)]
