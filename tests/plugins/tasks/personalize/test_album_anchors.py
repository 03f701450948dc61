"""Codes beside photos: in W or W+, with the cameras that the album has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gpk.camera import Camera
from gpk.errors import AlbumError, InputError, LabelError
from gpk_eg3d import gpk_backends
from gpk_eg3d.network import EG3D
from gpk_stylegan2.network import StyleGAN2
from gpk_tasks.personalize.album_anchors import album_anchors

L, D = 6, 16
FACES = gpk_backends()[0]


def code(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def put(folder: Path, **codes: np.ndarray) -> None:
    for name, array in codes.items():
        np.save(folder / f"{name}_latent.npy", array)


def label(yaw: float) -> list[float]:
    return Camera.orbit(yaw, 0.0).label()[0].tolist()


def test_w_is_told_from_w_plus(eg3d: EG3D, tmp_path: Path) -> None:
    one, two = code(1, 1, 1, D), code(2, 1, 1, D)
    put(tmp_path, b=two.repeat(L, 1), a=one.repeat(L, 1))
    found = album_anchors(FACES, eg3d, tmp_path)
    assert found.codes.tolist() == [one[0, 0].tolist(), two[0, 0].tolist()]  # by name
    put(tmp_path, c=code(3, 1, L, D))
    found = album_anchors(FACES, eg3d, tmp_path)
    assert found.codes.shape == (3, L, D)
    assert torch.equal(found.codes[0], found.codes[0, :1].expand(L, D))


@pytest.mark.parametrize("shape", [(D,), (1, D), (1, 1, D), (L, D), (1, L, D)])
def test_shapes(eg3d: EG3D, tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.broadcast_to(code(1, D), shape)
    put(tmp_path, a=array.astype(np.float64))
    found = album_anchors(FACES, eg3d, tmp_path)
    assert found.codes.tolist() == [array.reshape(-1)[:D].tolist()]
    assert found.codes.dtype == torch.float32


def test_cameras_by_the_photos_name(eg3d: EG3D, tmp_path: Path) -> None:
    put(tmp_path, a=code(1, 1, D), b=code(2, 1, D), c=code(3, 1, D))
    (tmp_path / "b.png").write_bytes(b"")
    pairs = [["c.jpg", label(0.3)], ["a.png", label(-0.2)], ["z.png", label(0.1)]]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": pairs}))
    found = album_anchors(FACES, eg3d, tmp_path)
    front = eg3d.frontal().label()[0]
    assert found.labelled == 2
    assert torch.allclose(found.cameras, torch.stack([torch.tensor(label(-0.2)), front, torch.tensor(label(0.3))]))
    (tmp_path / "dataset.json").unlink()
    assert torch.equal(album_anchors(FACES, eg3d, tmp_path).cameras, front.expand(3, 25))
    assert album_anchors(FACES, eg3d, tmp_path).labelled == 0


def test_a_flat_generator_has_no_cameras(stylegan2: StyleGAN2, tmp_path: Path) -> None:
    put(tmp_path, a=code(1, 1, stylegan2.latent.w_dim))
    (tmp_path / "dataset.json").write_text("no labels at all")
    assert album_anchors(FACES, stylegan2, tmp_path).cameras.shape == (1, 0)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (code(1, 2, L, D), r"a_latent\.npy holds 2 codes, where a photo has one"),
        (code(1, 1, 18, D), r"a_latent\.npy is .* \[1, 18, 16\].* Wanted is codes"),
        (code(1, 1, L, 512), r"\[1, 6, 512\]"),
        (np.full((1, D), np.nan, np.float32), "numbers that are not finite"),
        (np.array([{}]), r"a_latent\.npy .*Wanted is codes"),
    ],
)
def test_what_is_no_code(eg3d: EG3D, tmp_path: Path, array: np.ndarray, says: str) -> None:
    put(tmp_path, a=array)
    with pytest.raises(InputError, match=says):
        album_anchors(FACES, eg3d, tmp_path)


def test_damage(eg3d: EG3D, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", code(1, 1, D))
    with pytest.raises(AlbumError, match=r"holds no codes of photos: .* NAME_latent\.npy"):
        album_anchors(FACES, eg3d, tmp_path)
    with pytest.raises(AlbumError, match="is no folder"):
        album_anchors(FACES, eg3d, tmp_path / "none")
    put(tmp_path, a=code(1, 1, D))
    file = tmp_path / "a_latent.npy"
    whole = file.read_bytes()
    for part in (b"", whole[:10], whole[:-1], b"hello"):
        file.write_bytes(part)
        with pytest.raises(InputError, match=r"a_latent\.npy"):
            album_anchors(FACES, eg3d, tmp_path)
    file.write_bytes(whole)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [["a.png", [1.0] * 24]]}))
    with pytest.raises(LabelError, match="not 24"):
        album_anchors(FACES, eg3d, tmp_path)
