"""The commands that `import gpk` has as functions: they show progress as a command does, and return what it printed."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpk.errors import UnknownNameError
from gpk.registry import Registry

if TYPE_CHECKING:
    from gpk.generator import Generator
    from gpk_tasks.personalize.outcome import Outcome

PATHS = ("weights", "anchors", "lpips_weights", "held_out", "config")
"""Options of `gpk personalize` that are files or folders."""
OWN = ("ctx", "album", "backend", "out", "dry_run", "as_json")
"""Parameters of the command that are no options of the function's."""


def personalize(
    album: str | Path,
    *,
    backend: str,
    out: str | Path | None = None,
    **options: Any,  # noqa: ANN401 - as the command's are
) -> Outcome:
    """Turns the album into a persona, as `gpk personalize ALBUM` does, or goes on where it was stopped.

    `backend` is a family of generators, such as "eg3d-minicat", `out` the run's folder, by default runs/ALBUM-BACKEND.
    `options` are those of the command, with underscores: `preset="fast"`, `steps=120`, `held_out="others"`,
    `no_prepare=True`. Raises UnknownNameError for an option that the command has not, and what the command says of
    everything else: an InputError with a sentence.
    """
    from gpk_cli import personalize as command
    from gpk_cli.choice import choose
    from gpk_tasks.personalize.outcome import Outcome

    known = {
        name: parameter.default
        for name, parameter in inspect.signature(command.personalize).parameters.items()
        if name not in OWN
    }
    for name in options:
        if name not in known:
            raise UnknownNameError("option", name, known)
    paths = {name: Path(options[name]) for name in PATHS if options.get(name) is not None}
    given = {**known, **options, **paths, "backend": backend}
    registry = Registry.discover()
    chosen = choose(registry, given, given["config"])
    directory, plain = command.job(registry, chosen, Path(album), None if out is None else Path(out), given)
    return Outcome.from_json(directory, plain)


def pretrained(
    backend: str, *, card: str | None = None, weights: str | Path | None = None, device: str = "cpu"
) -> Generator:
    """The backend's generator with its weights: those of `weights`, of the package, or of gpk's cache.

    `card` names the checkpoint, the backend's first by default. Raises InputError for what is unknown here,
    WeightsError where no weights are.
    """
    from gpk_checkpoints.weights import load_generator
    from gpk_cli.context import find_card, find_device
    from gpk_cli.output import say

    family = Registry.discover().backend(backend, asked=True)
    file = None if weights is None else Path(weights)
    chosen = find_card(family, card, file)
    return load_generator(family, chosen, file, device=find_device(device), tell=say)
