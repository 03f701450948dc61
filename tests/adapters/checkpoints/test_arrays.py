"""Arrays of other tools: every format and shape comes back, and of every other file is said what it is, and what
converts it.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from safetensors.torch import save_file

from gpk.errors import WeightsError
from gpk.seeding import seeded
from gpk_checkpoints import array_kinds
from gpk_checkpoints.arrays import Array, read_array

W = torch.randn(1, 4, 6, generator=seeded(0))
"""Four layers of width 6."""
SHAPES = {"[D]": (6,), "[L, D]": (4, 6), "[1, L, D]": (1, 4, 6), "[N, D]": (3, 6), "[N, L, D]": (3, 4, 6)}


def read(path: Path) -> Array:
    return read_array(path, wanted="codes [N, 6]", own="gpk-codes/1")


def npy(array: np.ndarray, *, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version, allow_pickle=True)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # pyright: ignore[reportArgumentType] numpy has a keyword of its own
    return file.getvalue()


def zipped(path: Path, members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


WRITERS: dict[str, Callable[[Path, torch.Tensor], object]] = {
    "npy": lambda path, w: np.save(path, w.numpy()),
    "npy of version 2": lambda path, w: path.write_bytes(npy(w.numpy(), version=(2, 0))),
    "npy of version 3": lambda path, w: path.write_bytes(npy(w.numpy(), version=(3, 0))),
    "npy, float64": lambda path, w: np.save(path, w.double().numpy()),
    "npy, big-endian": lambda path, w: np.save(path, w.numpy().astype(">f4")),
    "npy by columns": lambda path, w: np.save(path, np.asfortranarray(w.numpy())),
    "npz": lambda path, w: np.savez(path, w=w.numpy()),
    "npz, packed": lambda path, w: np.savez_compressed(path, w=w.numpy(), noise=np.ones(3)),
    "npz of another name": lambda path, w: np.savez(path, whatever=w.numpy()),
    "pt": lambda path, w: torch.save(w, path),
    "pt before 1.6": lambda path, w: torch.save(w, path, _use_new_zipfile_serialization=False),
    "pt of a parameter": lambda path, w: torch.save(torch.nn.Parameter(w), path),
    "pt, w among others": lambda path, w: torch.save({"noise": torch.ones(3), "w": w, "steps": 4}, path),
    "pt, latent among others": lambda path, w: torch.save({"noise": torch.ones(3), "latent": w}, path),
    "pt, w_pivot": lambda path, w: torch.save({"w_pivot": w, "name": "cat"}, path),
    "pt, the one tensor within": lambda path, w: torch.save({"cat.png": {"code": w}, "steps": 4}, path),
    "pt, a list of one": lambda path, w: torch.save([w], path),
    "safetensors": lambda path, w: save_file({"w": w, "alpha": torch.ones(3)}, path),
    "safetensors of another name": lambda path, w: save_file({"code": w}, path),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_and_shape_comes_back(tmp_path: Path, kind: str, shape: str) -> None:
    w = torch.randn(*SHAPES[shape], generator=seeded(1))
    path = tmp_path / "a file"  # told apart by content alone
    if kind.startswith("np"):  # numpy adds a suffix to what is none
        path = path.with_suffix(".npz" if kind.startswith("npz") else ".npy")
    WRITERS[kind](path, w)
    array = read(path.rename(tmp_path / "code.bin"))
    assert array.values.dtype == torch.float32
    assert array.values.is_contiguous()
    assert torch.equal(array.values, w)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floating_point_numbers_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    w = W.to(dtype)
    torch.save(w, tmp_path / "w.pt")
    save_file({"w": w}, tmp_path / "w.safetensors")
    files = [tmp_path / "w.pt", tmp_path / "w.safetensors"]
    if dtype != torch.bfloat16:
        np.save(tmp_path / "w.npy", w.numpy())
        files.append(tmp_path / "w.npy")
    for file in files:
        assert torch.equal(read(file).values, w.float())


def test_what_the_message_says_gives_the_array(tmp_path: Path) -> None:
    """The Python of a message, run on its file, saves the array that gpk then reads."""
    for kind in ("npy", "npz", "pt, w among others", "safetensors"):
        path = tmp_path / f"the.{'pt' if kind.startswith('pt') else kind}"
        WRITERS[kind](path, W.to(torch.float64))
        told = str(read(path).refused(line=".reshape(-1, 4, 6)"))
        line = re.search(r"`(np\.save.*)` converts it", told)
        assert line is not None
        exec(
            line[1].replace('"w.npy"', repr(str(tmp_path / "w.npy"))),
            {"np": np, "torch": torch, "safetensors": safetensors},
        )
        assert torch.equal(read(tmp_path / "w.npy").values, W)


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.file,)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    trap, path = Trap(tmp_path / "sprung"), tmp_path / "w.bin"
    objects = np.array([trap], dtype=object)
    for content in (pickle.dumps(trap), npy(objects), npz(w=objects)):
        path.write_bytes(content)
        with pytest.raises(
            WeightsError, match=r'would have to be run to be read: where it was made, `np\.save\("w\.npy"'
        ):
            read(path)
    torch.save({"w": trap}, path)
    with pytest.raises(WeightsError, match=r"w\.bin .*Wanted is codes"):
        read(path)
    assert not (tmp_path / "sprung").exists()


def header(text: str) -> bytes:
    """A .npy file's beginning with this header."""
    body = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(body)) + body


GOOD = npy(W.numpy())
CLAIM = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"
NPY = {
    "cut short": (GOOD[:-1], "is cut short or damaged"),
    "cut in its header": (GOOD[:20], "cut short or damaged"),
    "of version 9": (GOOD[:6] + b"\x09" + GOOD[7:], "cut short or damaged"),
    "claiming more than it has": (header(CLAIM % "(1000, 1000)") + bytes(24), "cut short or damaged"),
    "claiming a negative side": (header(CLAIM % "(-2, -3)") + bytes(24), "cut short or damaged"),
    "claiming a hundred sides": (header(CLAIM % str((1,) * 100)) + bytes(4), "cut short or damaged"),
    "with a program for its header": (header("__import__('os').mkdir('sprung')"), "cut short or damaged"),
    "with two arrays": (GOOD + GOOD, r"\[1, 4, 6\] with \d+ bytes behind the array"),
    "of whole numbers": (
        npy(np.arange(6)),
        r'\[6\] of int64, where floating-point.*np\.load\(".*"\)\.astype\("float32"\)\)`',
    ),
    "of text": (npy(np.array(["1.5"])), r"of str\d+, where floating-point numbers are needed"),
    "of complex numbers": (npy(np.ones(3, complex)), "of complex128, .* save it as float32 where it was made"),
    "of records": (npy(np.zeros(3, [("x", "f4"), ("y", "f4")])), r"of records \(x, y\): `.*structured_to_unstructured"),
    "of NaN": (npy(np.full(6, np.nan)), r"\[6\] with numbers that are not finite"),
    "of numbers beyond float32": (npy(np.full(6, 1e300)), r"\[6\] with numbers that are not finite"),
}


@pytest.mark.parametrize("kind", NPY)
@pytest.mark.parametrize("inside", [False, True])
def test_npy_files_that_are_refused(tmp_path: Path, kind: str, inside: bool) -> None:
    content, says = NPY[kind]
    path = tmp_path / "w.bin"
    path.write_bytes(content)
    if inside:
        zipped(path, {"w.npy": content})
        says = says.replace(r"\.npy", r"\.npz").replace(r'np\.load\(".*"\)', r'np\.load\(".*"\)\["w"\]')
    with pytest.raises(WeightsError, match=f"w\\.bin is a \\.np[yz] file.*{says.removeprefix('is ')}") as caught:
        read(path)
    assert str(caught.value).endswith("Wanted is codes [N, 6], as .npy, .npz, .pt or safetensors")
    assert not Path("sprung").exists()


def test_no_memory_is_asked_for_that_the_file_does_not_fill(tmp_path: Path) -> None:
    (tmp_path / "w.npy").write_bytes(header(CLAIM % "(5000, 5000)") + bytes(24))  # 100 MB
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match="cut short or damaged"):
            read(tmp_path / "w.npy")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_packed_file_unpacks_to_no_more_than_codes_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_kinds, "FREE", 2**14)
    path = tmp_path / "w.npz"
    np.savez_compressed(path, w=np.zeros((1000, 600), np.float32))  # 2.4 MB out of a few kB
    assert path.stat().st_size < 2**14
    with pytest.raises(WeightsError, match=r"array w unpacks to 2,400,128 bytes, more than codes ever do"):
        read(path)
    rows = torch.randn(50, 1, 64, generator=seeded(2)).expand(-1, 18, -1)  # a code's row for each layer packs well
    np.savez_compressed(path, w=rows.numpy())
    assert path.stat().st_size * 8 < rows.numel() * 4
    assert torch.equal(read(path).values, rows)


def test_a_tensor_that_repeats_a_number_claims_no_more_than_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_kinds, "FREE", 2**14)
    path = tmp_path / "w.pt"
    torch.save(torch.ones(1).expand(1000, 600), path)
    with pytest.raises(WeightsError, match=r"w\.pt .*Wanted is codes"):
        read(path)


def test_containers_are_not_looked_into_for_ever(tmp_path: Path) -> None:
    inner: list[object] = [0] * 500
    for _ in range(6):
        inner = [inner] * 500  # as many paths as there are atoms, in a kilobyte
    torch.save({"w": W, "x": inner}, tmp_path / "w.pt")
    assert torch.equal(read(tmp_path / "w.pt").values, W)


UNTOLD: dict[str, tuple[Callable[[Path], object], str]] = {
    "several arrays of numpy": (
        lambda p: p.write_bytes(npz(a=W.numpy(), b=W.numpy())),
        r'a \.npz file with 2 arrays \(a, b\): `np\.save\("w\.npy", np\.load\(".*"\)\["a"\]\)` saves the first alone',
    ),
    "several tensors": (
        lambda p: torch.save({"x": W, "y": {"z": W}}, p),
        r'a file of torch\.save with 2 arrays \(x, y\.z\): .*weights_only=True\)\["x"\]',
    ),
    "several that could be codes": (
        lambda p: torch.save({"latent": W, "latents": W, "z": W}, p),
        r"with 3 arrays \(latent, latents\)",
    ),
    "a list": (lambda p: torch.save([W, W], p), r"with 2 arrays \(0, 1\): .*weights_only=True\)\[0\]"),
    "a note": (lambda p: torch.save({"note": "text"}, p), r"a file of torch\.save without an array"),
    "whole numbers": (
        lambda p: torch.save(torch.ones(6, dtype=torch.int64), p),
        r"torch\.save \[6\] of int64, where floating-point",
    ),
    "a sparse tensor": (lambda p: torch.save(torch.ones(6, 6).to_sparse(), p), r"w\.bin "),
    "several arrays of safetensors": (
        lambda p: save_file({"a": W, "b": W * 2}, p),
        r'a safetensors file with 2 arrays \(a, b\): .*load_file\(".*"\)\["a"\]',
    ),
    "a damaged header": (lambda p: save_file({"w": W}, p, {"gpk": "{"}), "whose header is damaged"),
    "a direction": (
        lambda p: save_file({"w": W}, p, {"gpk": '{"format": "gpk-direction/1"}'}),
        "of format 'gpk-direction/1' and not 'gpk-codes/1'",
    ),
    "a persona": (
        lambda p: save_file({"anchors": W}, p, {"gpk": '{"format": "gpk-persona/1"}'}),
        r'and not \'gpk-codes/1\': `np\.save\("w\.npy", .*\["anchors"\].*` saves its anchors alone',
    ),
    "safetensors cut short": (lambda p: p.write_bytes(bytes([99, *[0] * 7]) + b"{}"), "not a whole safetensors file"),
    "a zip cut short": (lambda p: p.write_bytes(b"PK\x03\x04 and no more"), r"is a zip file, .* that is cut short"),
    "an empty zip": (lambda p: zipped(p, {}), "is a zip file of nothing"),
    "a zip of pictures": (lambda p: zipped(p, {"cat.png": b""}), r"is a zip file of cat\.png: unpack it"),
}


@pytest.mark.parametrize("kind", UNTOLD)
def test_containers_that_do_not_tell_which_array(tmp_path: Path, kind: str) -> None:
    write, says = UNTOLD[kind]
    path = tmp_path / "w.bin"
    write(path)
    with pytest.raises(WeightsError, match=says) as caught:
        read(path)
    assert "Wanted is codes [N, 6]" in str(caught.value)


STRANGERS = {
    "empty": (b"", "is an empty file"),
    "numbers": (b"0.5 -1e-3\n", r'is a text of numbers: `np\.save\("w\.npy", np\.loadtxt\(".*w\.bin"\)\)` converts it'),
    "commented numbers": (b"# w\n0.5 -1e-3\n", r'np\.loadtxt\(".*w\.bin"\)\)` converts it'),
    "CSV": (b"w0,w1\n0.5,2\n", r'np\.loadtxt\(".*w\.bin", delimiter=",", skiprows=1\)'),
    "JSON": (
        b"[0.5, 2]",
        r'is JSON: `np\.save\("w\.npy", np\.array\(json\.loads\(Path\(".*"\)\.read_text\(\)\), "f4"\)\)`',
    ),
    "a JSON object": (b'\n{"w": [0.5]}', r'read_text\(\)\)\["NAME"\], "f4"'),
    "an LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
        "pointer of Git LFS.*`git lfs pull`",
    ),
    "a page": (b"<html>" + 200 * b"x", r"is a web page: perhaps what a server sent"),
    "words": (b"<tag>" + 200 * b"x", r"is a text that begins with '<tag>x{35}…', and holds no array"),
    "a terminal's command": (b"\x1b[31mred", r"begins with '\\\\x1b\[31mred'"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", r"is an HDF5 file: `np\.save.*h5py"),
    "MATLAB": (b"MATLAB 5.0 MAT-file", r"is a MATLAB file: .*loadmat"),
    "gzip": (b"\x1f\x8b\x08", "is a file packed with gzip: unpack it first, with `gunzip`"),
    "WebP": (b"RIFF\0\0\0\0WEBP", r"is a picture or a film \(RIFF, such as WebP\): `gpk run invert"),
    "nothing known": (b"\xff\x00\xff\x00", "is nothing that gpk knows"),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_other_files_are_told(tmp_path: Path, kind: str) -> None:
    content, says = STRANGERS[kind]
    (tmp_path / "w.bin").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"w\.bin .*{says.removeprefix('is ')}"):
        read(tmp_path / "w.bin")


def test_lines_for_texts_are_right(tmp_path: Path) -> None:
    rows = W[0].double().numpy()
    np.savetxt(tmp_path / "a.txt", rows)
    np.savetxt(tmp_path / "b.csv", rows, delimiter=",", header=",".join("abcdef"), comments="")
    (tmp_path / "c.json").write_text(json.dumps(rows.tolist()))
    for file in ("a.txt", "b.csv", "c.json"):
        with pytest.raises(WeightsError) as caught:
            read(tmp_path / file)
        line = re.search(r"`(np\.save.*)` converts it", str(caught.value))
        assert line is not None
        exec(line[1].replace('"w.npy"', repr(str(tmp_path / "w.npy"))), {"np": np, "json": json, "Path": Path})
        assert torch.equal(read(tmp_path / "w.npy").values, W[0])


def test_a_picture_a_folder_and_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "w.png")
    with pytest.raises(WeightsError, match=r"w\.png is a picture \(PNG\)"):
        read(tmp_path / "w.png")
    with pytest.raises(WeightsError, match=r"is no file, but a folder, .*Wanted is"):
        read(tmp_path)
    with pytest.raises(WeightsError, match=r"cannot read .*none\.npy: No such file"):
        read(tmp_path / "none.npy")


def test_names_out_of_a_file_are_few_short_and_harmless(tmp_path: Path) -> None:
    save_file({f"\x1b[31m{'long' * 100}{i}": torch.ones(1) for i in range(50)}, tmp_path / "w.bin")
    with pytest.raises(WeightsError, match=r"with 50 arrays .* and 46 more") as caught:
        read(tmp_path / "w.bin")
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 1200
