"""`gpk prepare` as a whole on real photographs, a face and a cat that scikit-image ships, as far as it goes without
official weights: cut, judged, and then what is missing.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from PIL import Image

from gpk.registry import Registry
from gpk_photos import read_image
from gpk_photos.validity import mask_name

skimage = pytest.importorskip("skimage.data")
pytest.importorskip("cv2")

Gpk = Callable[..., CompletedProcess[str]]
SIDE = 512


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """The two as a phone would leave them, four times as large and one of them held upright, and the cat as it is."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in ("astronaut", "chelsea"):
        photo = Image.fromarray(getattr(skimage, name)())
        large = photo.resize((4 * photo.width, 4 * photo.height), Image.Resampling.BICUBIC)
        turned, exif = large.transpose(Image.Transpose.ROTATE_90), Image.Exif()
        exif[0x0112] = 6
        turned.save(folder / f"{name}.jpg", quality=92, exif=exif)
        photo.save(folder / f"{name}-small.png")
    return folder


def prepared(gpk: Gpk, raw: Path, backend: str) -> tuple[Path, dict[str, dict[str, str]], str]:
    """The album without cameras, its selection by photo, and what was said."""
    album = raw.parent / backend
    done = gpk("prepare", str(raw), "--backend", backend, "--out", str(album), "--device", "cpu")
    assert done.returncode == 2
    assert done.stdout == ""
    with (album / "selection.csv").open(newline="", encoding="utf-8-sig") as file:
        return album, {row["file"]: row for row in csv.DictReader(file)}, done.stderr


@pytest.mark.slow
def test_a_face_for_ffhq(gpk: Gpk, raw: Path) -> None:
    before = {file.name: file.read_bytes() for file in raw.iterdir()}
    album, rows, told = prepared(gpk, raw, "eg3d-ffhq")
    assert told.count("`gpk weights import eg3d-ffhq FILE` once, or pass --weights FILE") == 2  # first, and at the end
    assert told.rstrip().splitlines()[-1].startswith(f"Error: 2 photos are cut and judged in {album}, and cameras are")
    assert {file.name: file.read_bytes() for file in raw.iterdir()} == before
    assert (album / "contact-sheet.png").exists()
    assert rows["astronaut.jpg"]["use"] == "yes"
    assert rows["astronaut-small.png"]["why"].startswith("too small: it would be enlarged")
    crop = read_image(album / rows["astronaut.jpg"]["crop"])
    assert crop.shape == (3, SIDE, SIDE)
    # The face stands in the crop where FFHQ's do: eyes level, an eye's width above the middle, left and right of it.
    (found,) = Registry.discover(plugins=False).detector("opencv-face").load(None)(crop)
    assert found.landmarks is not None
    (x, y), (u, v) = found.landmarks[:2]
    assert (x + u) / 2 == pytest.approx(SIDE / 2, abs=20)
    assert abs(math.degrees(math.atan2(v - y, u - x))) < 3
    assert 0.3 < (y + v) / 2 / SIDE < 0.5
    assert 0.25 < (u - x) / SIDE < 0.45
    assert [row["faces"] for row in rows.values() if row["file"].startswith("chelsea")] == ["0", "0"]


@pytest.mark.slow
def test_a_cat_for_afhq(gpk: Gpk, raw: Path) -> None:
    album, rows, told = prepared(gpk, raw, "eg3d-afhq")
    assert told.rstrip().splitlines()[-1].startswith(f"Error: 2 photos are cut and judged in {album}, and cameras are")
    assert rows["astronaut.jpg"]["why"].startswith("nobody found: ")
    cats = [row for row in rows.values() if row["file"].startswith("chelsea")]
    assert [row["faces"] for row in cats] == ["1", "1"]  # not its eyes, nor its nose
    assert [row["use"] for row in cats].count("yes") == 1  # both are the same picture
    for row in cats:
        assert float(row["roll"]) == pytest.approx(10, abs=5)
        mask = read_image(album / mask_name(row["crop"]))
        assert float(row["own pixels"]) == pytest.approx(((mask[0] + 1) / 2).mean().item(), abs=0.02)
        assert 0.5 < float(row["own pixels"]) < 0.9
    large, small = (read_image(album / row["crop"]) for row in cats)
    assert (large - small).abs().mean() < 0.2
    # The owner wants both: the same command again obeys, and reads nothing anew.
    written = {file: file.stat().st_mtime_ns for file in (album / "photos").iterdir()}
    selection = album / "selection.csv"
    selection.write_text(selection.read_text("utf-8-sig").replace(',no,gpk,no,"repeats', ',yes,gpk,no,"repeats'))
    _, again, _ = prepared(gpk, raw, "eg3d-afhq")
    assert {file: file.stat().st_mtime_ns for file in (album / "photos").iterdir()} == written
    assert [row["use"] for row in again.values()].count("yes") == 2
    assert {name: row["why"] for name, row in again.items()} == {name: row["why"] for name, row in rows.items()}
