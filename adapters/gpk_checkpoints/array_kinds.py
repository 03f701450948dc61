"""The kinds of files that an array comes in: what they are called, how Python reads one, and how much one may claim."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from gpk_checkpoints.inert import shown

Kind = Literal["npy", "npz", "torch", "safetensors"]
KINDS: dict[Kind, str] = {
    "npy": "a .npy file", "npz": "a .npz file", "torch": "a file of torch.save", "safetensors": "a safetensors file"
}  # fmt: skip
"""What a message calls each."""
Way = tuple[str | int, ...]
"""The names that lead to an array in its file, from the outermost container; none where it is the file's only thing."""
FREE = 2**26
"""Bytes that an array may have whatever the size of its file: 64 MiB."""
SHARE = 64
"""How many times its file's size it may have beyond that: codes that repeat a row for every layer pack well."""
LONGEST = 40
"""Letters of a file's own text in a message."""


def loading(path: Path, kind: Kind, way: Way) -> str:
    r"""The Python that gives an array of the file as NumPy has it.

    >>> loading(Path("cat.npz"), "npz", ("w",))
    'np.load("cat.npz")["w"]'
    """
    steps = "".join(f"[{json.dumps(step, ensure_ascii=False)}]" for step in way)
    if kind == "torch":
        return f'torch.load({quoted(path)}, "cpu", weights_only=True){steps}.detach().float().numpy()'
    if kind == "safetensors":
        return f"safetensors.torch.load_file({quoted(path)}){steps}.float().numpy()"
    return f"np.load({quoted(path)}){steps}"


def saving(path: Path, values: str) -> str:
    """The line that saves `values`, made of the file at `path`, as another file than that.

    >>> print(saving(Path("cat.npy"), "w.T"))
    `np.save("w.npy", w.T)`
    """
    name = "w.npy" if path.name != "w.npy" else "w-new.npy"
    return f'`np.save("{name}", {values})`'


def most_bytes(path: Path) -> int:
    """Bytes that an array of the file at `path` may have in memory: one that is packed, or repeats its numbers, can
    claim any.
    """
    return max(FREE, SHARE * path.stat().st_size)


def quoted(path: Path) -> str:
    r"""The path as Python and most shells have it.

    >>> quoted(Path('the "best".npy'))
    '"the \\"best\\".npy"'
    """
    return json.dumps(str(path), ensure_ascii=False)


def listed(names: list[str]) -> str:
    """Names out of a file, few and short.

    >>> listed(["w", "noise", "a", "b", "c", "d"])
    'w, noise, a, b and 2 more'
    """
    few = ", ".join(shown(name)[:LONGEST] or "''" for name in names[:4])
    return few + (f" and {len(names) - 4} more" if len(names) > 4 else "")
