"""The small persona of docs/persona-format.md, and the blocks of that page that hold it.

`python tests/adapters/checkpoints/format_example.py` writes those blocks of the page anew.
"""

from __future__ import annotations

import itertools
import json
import re
import tempfile
from pathlib import Path

import torch

from gpk.lowrank import LoRA, Offset
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk_checkpoints.personas import read_header, save_persona

PAGE = Path(__file__).parents[3] / "docs" / "persona-format.md"
FENCE = re.compile(r"(?ms)^```(?P<kind>hexdump|json)\n(?P<text>.*?)^```$")
WIDTH = 16


def example() -> Persona:
    """Two changes: a rank-1 LoRA of a convolution [2, 1, 3, 3], and an offset of its bias; two anchors of width 2."""
    lora = LoRA((2, 1, 3, 3), rank=1, scale=0.5, layout="flat")
    bias = Offset((2,))
    with torch.no_grad():
        lora.A.copy_(torch.arange(1, 10)[None] / 8)
        lora.B.copy_(torch.tensor([[1.0], [-2.0]]))
        bias.D.copy_(torch.tensor([0.25, -0.5]))
    recipe = Recipe(
        rank=1,
        alpha=0.5,
        layout="flat",
        lowrank=frozenset({"conv"}),
        whole=frozenset({"bias"}),
        divide_gain=frozenset(),
        parts={"backbone": "adapt"},
    )
    origin = Origin("tiny", "tiny-1", "ab" * 32, "CC0-1.0", album_size=2, images_seen=8, versions={"gpk": "0.1.0"})
    anchors = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    return Persona({"conv.weight": lora, "conv.bias": bias}, recipe, origin, anchors, torch.zeros(2, 0))


def written() -> tuple[bytes, str]:
    """The example's file, and its header as indented JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.persona.safetensors"
        save_persona(path, example())
        return path.read_bytes(), json.dumps(read_header(path), indent=2, ensure_ascii=False)


def parts(content: bytes) -> list[tuple[int, bytes]]:
    """The file cut where the page explains: the length, the metadata, the table of tensors, the numbers."""
    start = 8 + int.from_bytes(content[:8], "little")
    table = content.index(b'"anchor_cameras"')
    cuts = [0, 8, table, start, len(content)]
    return [(a, content[a:b]) for a, b in itertools.pairwise(cuts)]


def dump(offset: int, content: bytes) -> str:
    """Lines of an offset, sixteen bytes, and what of them is text; an offset need not be a multiple of sixteen."""
    lines = []
    for at in range(0, len(content), WIDTH):
        row = content[at : at + WIDTH]
        told = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{offset + at:04x}  {row.hex(' '):<{3 * WIDTH - 1}}  {told}\n")
    return "".join(lines)


def undumped(text: str) -> bytes:
    """The bytes of a page's dumps, which must be whole and in order; raises ValueError otherwise."""
    content = bytearray()
    for line in text.splitlines():
        if int(line[:4], 16) != len(content):
            raise ValueError(f"a line is missing before {line[:4]}")
        content += bytes.fromhex(line[6 : 6 + 3 * WIDTH])
    return bytes(content)


def page(old: str) -> str:
    """The page with its blocks as they should be."""
    content, header = written()
    dumps = iter([dump(*part) for part in parts(content)])

    def block(match: re.Match[str]) -> str:
        text = header + "\n" if match["kind"] == "json" else next(dumps)
        return f"```{match['kind']}\n{text}```"

    return FENCE.sub(block, old)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
