"""The vault: every layout of a file that people have, by name, in one table.

python layouts.py                 lists them
python layouts.py FOLDER          writes each, of the small network, into a folder of its own
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gpk_eg3d import TINY as TINY_EG3D
from gpk_eg3d.config import EG3DConfig
from gpk_eg3d.network import EG3D
from gpk_stylegan2 import TINY as TINY_STYLEGAN2
from gpk_stylegan2.config import StyleGAN2Config
from gpk_stylegan2.network import StyleGAN2


def _beside(name: str) -> Any:
    """The module beside this one: pytest's importlib mode knows no neighbours."""
    spec = importlib.util.spec_from_file_location(f"files_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    if spec.name not in sys.modules:
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name]


LAYOUTS: tuple[Any, ...] = tuple(
    layout
    for name in ("networks", "settings", "wrapped", "rosinality", "my3dgen", "others")
    for layout in _beside(name).LAYOUTS
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


def main() -> None:
    torch.manual_seed(0)
    small = {"stylegan2": StyleGAN2(StyleGAN2Config(**TINY_STYLEGAN2)), "eg3d": EG3D(EG3DConfig(**TINY_EG3D))}
    for number, layout in enumerate(LAYOUTS):
        for family in layout.families:
            told = "yes" if not layout.refused else f"refused: {layout.refused}"
            if len(sys.argv) > 1:
                folder = Path(sys.argv[1]) / f"{number:03}-{family}"
                folder.mkdir(parents=True, exist_ok=True)
                told = layout.make(folder, changed(small[family], dict(layout.changes)))
            print(f"{layout.name} | {layout.by} | {family} | {told}")


if __name__ == "__main__":
    main()
