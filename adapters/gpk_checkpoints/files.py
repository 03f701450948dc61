"""Safetensors files: read into memory, written atomically and byte for byte the same for the same contents.

A file is the header's length as 8 bytes little-endian, the header as JSON, the tensors' bytes
(huggingface/safetensors, "Format"). We write it ourselves because the library puts metadata in random order, and files
that can be compared by hash are worth forty lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gpk.errors import WeightsError
from gpk_checkpoints.atomic import write_atomically
from gpk_checkpoints.budget import brief
from gpk_checkpoints.sniffed import CONTAINERS, NOTHING, container, what_is

_DTYPES = {
    torch.float64: "F64", torch.int64: "I64", torch.float32: "F32", torch.int32: "I32", torch.float16: "F16",
    torch.bfloat16: "BF16", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of the file at `path`.

    Raises WeightsError where there is no such file, or it is cut short, or of another format.
    """
    with _opened(path) as file:
        # Copied, not mapped: a mapped file that another process cuts short kills this one with a bus error.
        try:
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, RuntimeError, LookupError, AttributeError, TypeError, ValueError) as error:
            raise WeightsError(
                f"{path} has a tensor that cannot be read ({brief(str(error))}): save its numbers as float32"
            ) from error
        return tensors, dict(file.metadata() or {})


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata alone, without reading a tensor; raises as `read_safetensors` does."""
    with _opened(path) as file:
        return dict(file.metadata() or {})


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Replaces the file at `path`, whole or not at all; raises RunError where it cannot be written."""
    # As the library orders them: wide types first, so that every tensor is aligned.
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    end = 0
    for name in order:
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    write_atomically(path, _chunks(text, [tensors[name] for name in order]))


def _chunks(header: bytes, tensors: list[Tensor]) -> Iterator[bytes | memoryview]:
    yield len(header).to_bytes(8, "little")
    yield header
    for tensor in tensors:
        yield tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _opened(path: Path) -> safe_open:
    container(path)  # raises where it is no file, or cannot be read
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        if (what := what_is(path)) not in (CONTAINERS["safetensors"], NOTHING):
            raise WeightsError(f"{path} is {what}. A safetensors file is needed here") from error
        raise WeightsError(
            f"{path} is not a whole safetensors file: it is cut short or damaged. Copy or download it again"
        ) from error
