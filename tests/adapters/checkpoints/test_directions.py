"""Files of directions: our own, those that others publish, and those that are neither."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gpk.directions import Direction
from gpk.errors import WeightsError
from gpk_checkpoints.directions import MOST, read_direction, write_direction
from gpk_checkpoints.files import read_metadata

D = torch.tensor([[0.5, -0.25, 2.0]])


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    facts = {"by": "noise", "accuracy": 0.98, "without": ["pose"]}
    direction = Direction(torch.cat([D, 2 * D]), "smile", "abc123", facts)
    write_direction(tmp_path / "one", direction)
    read = read_direction(tmp_path / "one")
    assert torch.equal(read.d, direction.d)
    assert (read.attribute, read.base, read.facts) == ("smile", "abc123", facts)
    write_direction(tmp_path / "two", direction)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert json.loads(read_metadata(tmp_path / "one")["gpk"])["format"] == "gpk-direction/1"


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 3), (1, 2, 3)])
@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "dict.pt", "old.pt", "safetensors"])
def test_published_shapes_and_formats(tmp_path: Path, shape: tuple[int, ...], kind: str) -> None:
    array, path = torch.arange(1.0, 7.0)[: torch.Size(shape).numel()].view(shape), tmp_path / f"age.{kind}"
    match kind:
        case "npy":
            np.save(path, array.numpy().astype(">f8"))  # as a machine of other byte order saves it
        case "npz":
            np.savez(path, boundary=array.numpy(), accuracy=np.ones(1))
        case "pt" | "old.pt":
            torch.save(array, path, _use_new_zipfile_serialization=kind == "pt")
        case "dict.pt":
            torch.save({"direction": array, "note": "text"}, path)
        case _:
            save_file({"boundary": array}, path)
    read = read_direction(path)
    assert read.d.dtype == torch.float32
    assert torch.equal(read.d, array.view(-1, 3))
    assert read.base == ""
    assert read.attribute == path.stem


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.file,)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    trap = Trap(tmp_path / "sprung")
    (tmp_path / "d.pkl").write_bytes(pickle.dumps(trap))
    with pytest.raises(WeightsError, match=r"d\.pkl is a pickle, which would have to be run"):
        read_direction(tmp_path / "d.pkl")
    torch.save(trap, tmp_path / "d.pt")
    with pytest.raises(WeightsError, match=r"d\.pt is a pickle that names .*it is refused"):
        read_direction(tmp_path / "d.pt")
    np.save(tmp_path / "d.npy", np.array([trap], dtype=object), allow_pickle=True)
    with pytest.raises(
        WeightsError, match=r"d\.npy is a \.npy file \[1\] of Python objects, which would have to be run"
    ):
        read_direction(tmp_path / "d.npy")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (torch.tensor([1.0, float("nan")]), "numbers that are not finite"),
        (torch.tensor([1, 2]), "of int64, where floating-point numbers are needed"),
        (torch.zeros(1, 4), "all of it zero, which is no direction"),
        (
            torch.ones(2, 1, 4),
            r"\[2, 1, 4\]: `.*\[0\]\)` converts it\. Wanted is a direction, \[D\], \[1, D\], \[L, D\]",
        ),
        (torch.tensor(1.0), r" \[\]\. Wanted is a direction"),
        (torch.ones(0), r" \[0\]\. Wanted is a direction"),
    ],
)
def test_arrays_that_are_no_directions(tmp_path: Path, array: torch.Tensor, told: str) -> None:
    for path in (tmp_path / "d.npy", tmp_path / "d.pt"):
        if path.suffix == ".npy":
            np.save(path, array.numpy())
        else:
            torch.save(array, path)
        with pytest.raises(WeightsError, match=told):
            read_direction(path)


def test_files_that_are_no_directions(tmp_path: Path) -> None:
    path = tmp_path / "d.safetensors"
    with pytest.raises(WeightsError, match=r"cannot read .*d\.safetensors: No such file"):
        read_direction(path)
    save_file({"age": D, "pose": 2 * D}, path)
    with pytest.raises(WeightsError, match=r"with 2 arrays \(age, pose\): .* Wanted is a direction"):
        read_direction(path)
    save_file({"age": D}, path, metadata={"gpk": '{"format": "gpk-persona/1"}'})
    with pytest.raises(WeightsError, match="of format 'gpk-persona/1' and not 'gpk-direction/1'"):
        read_direction(path)
    save_file({"age": D}, path, metadata={"gpk": "{"})
    with pytest.raises(WeightsError, match="header is damaged"):
        read_direction(path)
    torch.save({"note": "text"}, tmp_path / "d.pt")
    with pytest.raises(WeightsError, match=r"torch\.save without an array"):
        read_direction(tmp_path / "d.pt")
    path.write_bytes(b"smile, please")
    with pytest.raises(WeightsError, match="is a text that begins with 'smile, please', and holds no array"):
        read_direction(path)
    np.save(tmp_path / "d.npy", D.numpy())
    (tmp_path / "cut.npy").write_bytes((tmp_path / "d.npy").read_bytes()[:-3])
    with pytest.raises(WeightsError, match=r"cut\.npy is a \.npy file that is cut short or damaged"):
        read_direction(tmp_path / "cut.npy")
    with (tmp_path / "d.npy").open("r+b") as file:
        file.truncate(MOST + 1)
    with pytest.raises(WeightsError, match="too large for a direction"):
        read_direction(tmp_path / "d.npy")
