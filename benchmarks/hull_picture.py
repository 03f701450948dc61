"""Draws docs/pictures/hull.svg: three anchors in a plane, their hull, the dilated one, random points of it, an edit.

    python benchmarks/hull_picture.py docs/pictures/hull.svg

Everything in it is `gpk.hull`'s: corners are points of extreme coordinates, dots `sample`, the path `travel`.
Three, for in a plane more anchors would not be independent, as those of an album are.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from gpk.hull import LatentHull

ANCHORS = torch.tensor([[120.0, 235.0], [245.0, 75.0], [350.0, 245.0]])
BETA = 0.08
WIDTH, HEIGHT = 560, 340
INK, TEAL, ORANGE, GREY = "#222", "#00897b", "#e65100", "#9e9e9e"


def picture() -> str:
    """The SVG."""
    count = len(ANCHORS)
    hull = LatentHull(ANCHORS, beta=BETA)
    corners = hull.points(torch.full((count, count), -BETA) + torch.eye(count) * (1 + count * BETA))
    dots = hull.points(hull.sample(200, torch.Generator().manual_seed(0)))
    start = torch.full((1, count), 1 / count)
    direction = hull.direction(torch.tensor([[1.0, -0.95]]))
    ends = {edge: hull.points(hull.travel(start, direction, torch.tensor([130.0]), edge=edge)[0])[0] for edge in EDGES}
    mean = ANCHORS.mean(0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.6" fill="{GREY}"/>' for x, y in dots.tolist()),
        f'<polygon points="{_points(corners)}" fill="none" stroke="{TEAL}" stroke-width="1.5" stroke-dasharray="6 4"/>',
        f'<polygon points="{_points(ANCHORS)}" fill="{TEAL}" fill-opacity="0.12" stroke="{TEAL}" stroke-width="1.5"/>',
        f'<line x1="{mean[0]:.1f}" y1="{mean[1]:.1f}" x2="{ends["continue"][0]:.1f}" y2="{ends["continue"][1]:.1f}"'
        f' stroke="{ORANGE}" stroke-width="1.5" stroke-dasharray="3 3"/>',
        f'<line x1="{mean[0]:.1f}" y1="{mean[1]:.1f}" x2="{ends["stop"][0]:.1f}" y2="{ends["stop"][1]:.1f}"'
        f' stroke="{ORANGE}" stroke-width="2.5"/>',
    ]
    for (x, y), (name, right, down) in zip(ANCHORS.tolist(), LABELS, strict=True):
        lines += [f'<circle cx="{x}" cy="{y}" r="4.5" fill="{TEAL}"/>', _text(x + right, y + down, name, INK)]
    lines += [
        f'<circle cx="{mean[0]:.1f}" cy="{mean[1]:.1f}" r="3" fill="{INK}"/>',
        _text(float(mean[0]) - 18, float(mean[1]) + 18, "mean", INK),
    ]
    for edge, (right, down) in {"stop": (9, 12), "continue": (10, 4), "project": (10, -1)}.items():
        x, y = ends[edge].tolist()
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{ORANGE}"/>')
        lines.append(_text(x + right, y + down, edge, ORANGE))
    lines += [
        _text(WIDTH - 168, HEIGHT - 28, "beta = 0: the hull", TEAL),
        _text(WIDTH - 168, HEIGHT - 10, f"dashed: beta = {BETA}", TEAL),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


EDGES = ("stop", "continue", "project")
LABELS = (("w1", -10, -10), ("w2", -30, 2), ("w3", 12, -2))


def _points(corners: Tensor) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners.tolist())


def _text(x: float, y: float, text: str, colour: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}">{text}</text>'


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(), encoding="utf-8")
