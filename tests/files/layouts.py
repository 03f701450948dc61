"""The vault: every layout of a file that people have, by name, in one table.

python layouts.py                 prints the table of docs/weights.md
python layouts.py FOLDER          writes each, of the small network, into a folder of its own
"""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import my3dgen
import networks
import others
import rosinality
import settings
import torch
import wrapped

from gpk.errors import InputError
from gpk_checkpoints.weights import load_generator
from gpk_eg3d import TINY as TINY_EG3D
from gpk_eg3d import gpk_backends as eg3d_backends
from gpk_eg3d.config import EG3DConfig
from gpk_eg3d.network import EG3D
from gpk_stylegan2 import TINY as TINY_STYLEGAN2
from gpk_stylegan2 import gpk_backends as stylegan2_backends
from gpk_stylegan2.config import StyleGAN2Config
from gpk_stylegan2.network import StyleGAN2

LAYOUTS: tuple[Any, ...] = tuple(
    layout for maker in (networks, settings, wrapped, rosinality, my3dgen, others) for layout in maker.LAYOUTS
)
"""Rows of `layout.Layout`."""


def changed(generator: StyleGAN2 | EG3D, settings: dict[str, Any]) -> StyleGAN2 | EG3D:
    """Another generator with `settings` changed and, where they fit, the same numbers."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        other = type(generator)(replace(generator.config, **settings))  # pyright: ignore[reportArgumentType]
    state, given = other.state_dict(), generator.state_dict()
    fitting = {name: tensor for name, tensor in given.items() if name in state and state[name].shape == tensor.shape}
    other.load_state_dict({**state, **fitting})
    return other.eval().requires_grad_(False)


def small(family: str) -> StyleGAN2 | EG3D:
    """The small network of the family, the same each time."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        made = StyleGAN2(StyleGAN2Config(**TINY_STYLEGAN2)) if family == "stylegan2" else EG3D(EG3DConfig(**TINY_EG3D))
    return made.eval().requires_grad_(False)


def answered(layout: Any, family: str, folder: Path) -> str:
    """What gpk does with the file: it takes it, or the sentence that it refuses it with."""
    backend = {"stylegan2": stylegan2_backends, "eg3d": eg3d_backends}[family]()[0]
    network = changed(small(family), dict(layout.changes))
    folder.mkdir(parents=True)
    told = layout.make(folder, network)
    card = backend.own_card() if layout.tells else replace(backend.own_card(), config=asdict(network.config))
    try:
        load_generator(backend, card, Path(told))
    except InputError as error:
        return str(error).replace(f"{folder}/", "").replace("|", "/")
    return "taken"


def table() -> str:
    """The table of docs/weights.md: a row a layout, and what gpk does with it, asked of it now."""
    lines = ["| the file | written by | holds | gpk |", "|---|---|---|---|"]
    names = {"stylegan2": "StyleGAN2", "eg3d": "EG3D"}
    with TemporaryDirectory() as folder:
        for number, layout in enumerate(LAYOUTS):
            said: dict[str, list[str]] = {}
            for family in layout.families:
                answer = answered(layout, family, Path(folder) / f"{number}-{family}")
                said.setdefault(answer, []).append(names[family])
            for answer, families in said.items():
                lines.append(f"| {layout.name} | {layout.by} | {', '.join(families)} | {answer} |")
    return "\n".join(lines)


def main() -> None:
    """Prints the table, or writes the files."""
    if len(sys.argv) == 1:
        print(table())
        return
    for number, layout in enumerate(LAYOUTS):
        for family in layout.families:
            folder = Path(sys.argv[1]) / f"{number:03}-{family}"
            folder.mkdir(parents=True, exist_ok=True)
            print(layout.make(folder, changed(small(family), dict(layout.changes))))


if __name__ == "__main__":
    main()
