"""Bars as a picture in either format, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from gpk_runs.plots import Bar, write_bars

PANELS = {
    "size": [Bar("a", 2.0, 0.5, (1.5, 2.5)), Bar("b", 4.0)],
    "effect": [Bar("a", 1.0), Bar("b", -1.0)],
}


def test_bars_are_drawn_as_png(tmp_path: Path) -> None:
    write_bars(tmp_path / "bars.png", PANELS, title="Title", told=["a line below"])
    with Image.open(tmp_path / "bars.png") as image:
        assert image.format == "PNG"
        assert image.width > image.height


def test_bars_are_drawn_as_svg_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        write_bars(tmp_path / name, PANELS, title="Title")
    one = (tmp_path / "one.svg").read_text()
    assert one.startswith("<?xml")
    assert "Date" not in one
    assert one == (tmp_path / "two.svg").read_text()


@pytest.mark.parametrize("name", ["bars.png", "bars.svg"])
def test_longer_bars_are_another_picture(tmp_path: Path, name: str) -> None:
    write_bars(tmp_path / name, PANELS)
    before = (tmp_path / name).read_bytes()
    write_bars(tmp_path / name, PANELS | {"size": [Bar("a", 3.0), Bar("b", 4.0)]})
    assert (tmp_path / name).read_bytes() != before
