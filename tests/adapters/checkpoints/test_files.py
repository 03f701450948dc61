import errno
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gpk.errors import RunError, WeightsError
from gpk_checkpoints.files import container, read_metadata, read_safetensors, write_safetensors

TENSORS = {
    "wide": torch.randn(3, 2, dtype=torch.float64),
    "half": torch.randn(5).half(),
    "brain": torch.randn(2, 2).bfloat16(),
    "count": torch.tensor(7),
    "flags": torch.tensor([True, False, True]),
    "none": torch.empty(0, 4),
    "turned": torch.randn(3, 4).T,
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(path, TENSORS, {"who": "gpk", "ü": "né"})
    tensors, metadata = read_safetensors(path)
    assert metadata == {"who": "gpk", "ü": "né"} == read_metadata(path)
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)


def test_the_library_reads_what_we_write_and_we_what_it_writes(tmp_path: Path) -> None:
    contiguous = {name: tensor.contiguous() for name, tensor in TENSORS.items()}
    write_safetensors(tmp_path / "ours", TENSORS, {})
    save_file(contiguous, tmp_path / "theirs")
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    theirs = load_file(tmp_path / "ours")
    ours, metadata = read_safetensors(tmp_path / "theirs")
    assert metadata == {}
    for name, tensor in contiguous.items():
        assert torch.equal(theirs[name], tensor)
        assert torch.equal(ours[name], tensor)


def test_parameters_are_written_without_their_graph(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    write_safetensors(tmp_path / "a", {"w": weight * 2}, {})
    assert read_safetensors(tmp_path / "a")[0]["w"].tolist() == [2, 2]


def test_the_same_contents_are_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    program = (
        "import sys, torch; from pathlib import Path; from gpk_checkpoints.files import write_safetensors\n"
        "names = sys.argv[2].split(',')\n"
        "write_safetensors(Path(sys.argv[1]), {n: torch.arange(3.0) for n in names}, {n: n for n in names})"
    )
    write_safetensors(tmp_path / "here", {n: torch.arange(3.0) for n in "abcd"}, {n: n for n in "abcd"})
    subprocess.run([sys.executable, "-c", program, tmp_path / "there", "d,c,b,a"], check=True)
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


def test_reading_does_not_keep_the_file_mapped(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_safetensors(path, {"w": torch.ones(4096)}, {})
    tensors, _ = read_safetensors(path)
    os.truncate(path, 0)
    assert tensors["w"].sum() == 4096


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot read .*absent\.safetensors: No such file or directory"):
        read_safetensors(tmp_path / "absent.safetensors")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is no file, but a folder"):
        read_metadata(tmp_path)


@pytest.mark.parametrize("kept", [4, 30, 200])
def test_a_file_cut_short(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cut.safetensors"
    write_safetensors(path, {"w": torch.ones(100)}, {"who": "gpk"})
    os.truncate(path, kept)
    with pytest.raises(WeightsError, match=r"cut\.safetensors is not a whole safetensors file: "):
        read_safetensors(path)


def test_text_is_no_safetensors_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are no weights at all, whatever their name may be")
    with pytest.raises(WeightsError, match=r"notes\.txt is a text\. A safetensors file is needed here"):
        read_safetensors(path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is an empty file"),
        (b"tuning: {steps: 1}", "is a text"),  # a brace in the place of a header's
        (b"\xff" * 8 + b"{}", "is not a whole safetensors file: it is cut short or damaged"),
    ],
)
def test_a_file_that_is_none(content: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"a\.safetensors {what}"):
        read_metadata(tmp_path / "a.safetensors")


def test_a_pickle_where_safetensors_are_needed(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"G_ema": None}, protocol=4))
    torch.save({"g_ema": torch.ones(1)}, tmp_path / "b.pt")
    for name, what in (("a.pkl", "a pickle"), ("b.pt", r"a file of torch\.save")):
        with pytest.raises(WeightsError, match=rf"{name} is {what}\. A safetensors file is needed here"):
            read_safetensors(tmp_path / name)


def test_a_header_as_long_as_a_pickle_begins_is_no_pickle(tmp_path: Path) -> None:
    """A header of 0x0280 bytes begins like pickle protocol 2."""
    path = tmp_path / "a"
    for filler in range(500, 640, 8):
        write_safetensors(path, {"w": torch.ones(1)}, {"x": "x" * filler})
        if path.read_bytes()[:2] == b"\x80\x02":
            break
    else:
        pytest.fail("no filler made the header 640 bytes long")
    assert container(path) == "safetensors"
    assert read_safetensors(path)[0]["w"] == 1


def test_what_a_file_is_by_its_contents(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"  # whatever its name
    write_safetensors(path, {"w": torch.ones(1)}, {})
    assert container(path) == "safetensors"
    for legacy in (True, False):
        torch.save({"w": torch.ones(1)}, path, _use_new_zipfile_serialization=not legacy)
        assert container(path) == "torch"
    for protocol in range(2, 6):
        path.write_bytes(pickle.dumps({"G_ema": [1] * 100}, protocol=protocol))
        assert container(path) == "pickle"


def test_the_old_file_survives_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_safetensors(path, {"w": torch.ones(2)}, {})

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(RunError, match="No space left on device"):
        write_safetensors(path, {"w": torch.zeros(2)}, {})
    assert read_safetensors(path)[0]["w"].tolist() == [1, 1]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of a file's size there")
def test_a_write_that_fails_half_way(
    tmp_path: Path, small_files: Callable[[int], AbstractContextManager[None]]
) -> None:
    path = tmp_path / "a"
    write_safetensors(path, {"w": torch.ones(2)}, {})
    with small_files(1 << 12), pytest.raises(RunError, match=r"cannot write .*a: File too large: make room"):
        write_safetensors(path, {"w": torch.zeros(1 << 16)}, {})
    assert read_safetensors(path)[0]["w"].tolist() == [1, 1]
    assert list(tmp_path.iterdir()) == [path]


def test_the_package_and_its_cards_do_not_import_torch() -> None:
    program = "import sys, gpk_checkpoints.cards, gpk_checkpoints.atomic; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
