"""Albums of one procedural cat on disk."""

import json
from pathlib import Path

import pytest
import torch

from gpk.camera import Camera
from gpk.errors import AlbumError, InputError
from gpk_minicat.album import TRUTH, write_album
from gpk_minicat.parameters import IDENTITY, NAMES
from gpk_minicat.render import render
from gpk_photos import read_image, read_labels


def write(directory: Path, seed: int = 5, **settings: int) -> Path:
    return write_album(directory, seed, **{"photos": 3, "held_out": 2, "size": 32} | settings)  # type: ignore[arg-type]


def test_what_is_written_can_be_read_and_shows_what_the_truth_says(tmp_path: Path) -> None:
    album = write(tmp_path / "album")
    truth = json.loads((album / TRUTH).read_text())
    for part, count in (("train", 3), ("held-out", 2)):
        labels = read_labels(album / part)
        assert sorted(labels) == sorted(truth[part]) == [f"img{i:08d}.png" for i in range(count)]
        for name, label in labels.items():
            params = torch.tensor([[truth[part][name][key] for key in NAMES]])
            Camera.from_label(label)
            stored = read_image(album / part / name)
            assert (stored - render(params, label[None], 32).image[0]).abs().max() < 0.01
    identities = {
        tuple(photo[key] for key in IDENTITY) for part in ("train", "held-out") for photo in truth[part].values()
    }
    assert len(identities) == 1


def test_the_seed_decides(tmp_path: Path) -> None:
    one, same, other = (write(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    first = "train/img00000000.png"
    assert (one / first).read_bytes() == (same / first).read_bytes()
    assert (one / first).read_bytes() != (other / first).read_bytes()


def test_an_album_of_the_same_settings_is_left_alone(tmp_path: Path) -> None:
    album = write(tmp_path / "album")
    before = (album / TRUTH).stat().st_mtime_ns
    assert write(album) == album
    assert (album / TRUTH).stat().st_mtime_ns == before


def test_any_other_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(AlbumError, match="is not empty and no album of these settings"):
        write(tmp_path)
    album = write(tmp_path / "album")
    with pytest.raises(AlbumError, match="is not empty"):
        write(album, seed=6)
    with pytest.raises(AlbumError, match="is a file"):
        write(tmp_path / "notes.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album", "notes.txt"]


def test_impossible_counts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one photo"):
        write(tmp_path / "album", photos=0)
