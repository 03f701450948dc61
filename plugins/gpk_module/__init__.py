"""Any torch module as a generator, without a plugin: `--backend module:package.file:factory`.

It imports and runs the code that the name names, so that only a person's own --backend gets here, never a file's word.
Light: torch and that code arrive when a variant is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpk.errors import InputError
from gpk.plugin import Backend, JudgeCard, hookimpl

if TYPE_CHECKING:
    from torch import nn

    from gpk.generator import Generator

gpk_api = 1

SUMMARY = "any torch module of yours, imported and run: module:package.file:factory"


def variant(which: str) -> Backend:
    """The backend of the module that `which`, "package.file:factory", names; see `gpk_module.backend.backend_of`."""
    from gpk_module.backend import backend_of

    return backend_of(which)


def refuse(config: Any) -> Generator:  # noqa: ANN401 - nothing is made of it
    """Raises InputError: the family alone has no generator."""
    raise InputError(f"which module? {SUMMARY}")


def load_lap1(weights: Path | None = None) -> nn.Module:
    """The distance that needs no weights; see `gpk_module.pyramid`."""
    from gpk_module.pyramid import load

    return load(weights)


@hookimpl
def gpk_backends() -> Sequence[Backend]:
    """`module`, whose variants are the generators."""
    return [Backend(name="module", summary=SUMMARY, cards=(), build=refuse, cameras=False, variant=variant)]


@hookimpl
def gpk_judges() -> Sequence[JudgeCard]:
    """`lap1`."""
    return [
        JudgeCard(
            name="lap1",
            kind="distance",
            summary="L1 between Laplacian pyramids: coarse shapes and fine edges alike; needs no weights",
            load=load_lap1,
        )
    ]
