"""Whether what a file holds was made for this generator: the one place that says no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpk.errors import GpkError
from gpk.generator import Generator, fingerprint
from gpk.plugin import Backend


def require_weights(base: str, generator: Generator, *, what: str, advice: str, error: type[GpkError]) -> None:
    """Raises `error` where `what` was made for weights of another fingerprint than this generator's; names both."""
    if base != (here := fingerprint(generator)):
        raise error(f"{what} belongs to weights {base[:12]}…, and these are {here[:12]}…: {advice}")


def require_backend(header: Mapping[str, Any], backend: Backend, *, what: str, error: type[GpkError]) -> None:
    """Raises `error` where the header of a file of gpk's names another backend; one that names none may be of any."""
    if (other := header.get("backend", backend.name)) != backend.name:
        name = str(other)[:100]
        raise error(f"{what} of the backend {name}, not {backend.name}: use --backend {name}")
