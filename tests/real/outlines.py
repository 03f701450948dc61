"""Where faces were found in the frames of the clips, as outlines without the frames: rights in those are not ours.

    python -m tests.real.outlines > docs/pictures/real-crops.svg

Blue is the square that a generator of faces is shown of what MTCNN found, orange of what OpenCV's cascade found.
"""

from __future__ import annotations

from gpk.framing import Framing, Square
from gpk.registry import Registry
from gpk_photos.decode import tensor
from tests.real.photographs import CLIPS, frames

WIDE, GAP, COUNT = 96, 6, 12
COLOURS = {"opencv-face": "#ff7f0e", "mtcnn": "#1f77b4"}
FACES = Framing("ffhq", scale=0.8)


def outline(square: Square, scale: float, x: float, y: float, colour: str) -> str:
    """The square in a frame whose corner is at (x, y)."""
    corners = " ".join(f"{x + u * scale:.1f},{y + v * scale:.1f}" for u, v in square.quad)
    return f'<polygon points="{corners}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def drawing() -> str:
    """The whole drawing, a line for each clip."""
    registry = Registry.discover(plugins=False)
    detectors = {name: registry.detector(name).load(None) for name in COLOURS}
    shapes, y = [], GAP
    for clip in CLIPS:
        high = 0.0
        for place, frame in enumerate(frames(clip, COUNT)):
            scale, x = WIDE / frame.width, GAP + place * (WIDE + GAP)
            high = frame.height * scale
            shapes.append(f'<rect x="{x}" y="{y:.1f}" width="{WIDE}" height="{high:.1f}" fill="none" stroke="#999"/>')
            for name, detect in detectors.items():
                for found in detect(tensor(frame)):
                    shapes.append(outline(FACES.square(found), scale, x, y, COLOURS[name]))
        y += high + GAP
    size = f'viewBox="0 0 {GAP + COUNT * (WIDE + GAP)} {y:.0f}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', *shapes, "</svg>"])


if __name__ == "__main__":
    print(drawing())
