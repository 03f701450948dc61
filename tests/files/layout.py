"""A row of the vault: one way in which people's files hold a generator, or something that gpk must not take for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

BOTH = ("stylegan2", "eg3d")


@dataclass(frozen=True)
class Layout:
    """`make(folder, generator)` writes the file and gives what gpk is told: its path, or `path::key`.

    `tells`: the file tells its own settings, so that no card need know them. `dtype`: of its numbers, as they are where
    None. `truncation` and `noise`: how to look at it, where it holds no mean of w or no noise maps. `changes`: settings
    of the generator whose picture it is, where they are not the small network's.
    `refused`: a pattern in what it is answered with, empty where it is a generator. `seen`: a pattern in what
    `gpk weights explain` says of it, where that is not the name of the family; None where it need not say anything.
    """

    name: str
    by: str
    make: Callable[[Path, Any], str]
    families: tuple[str, ...] = BOTH
    tells: bool = False
    dtype: torch.dtype | None = None
    truncation: float = 0.7
    noise: Literal["const", "none"] = "const"
    changes: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""
    seen: str | None = ""
