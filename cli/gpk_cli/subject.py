"""Whom a command is about: a persona's file, or the run that made it; and for what generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpk.errors import InputError, PersonaError, UnknownNameError
from gpk.plugin import Backend, Card
from gpk.registry import Registry
from gpk_cli.context import find_card

if TYPE_CHECKING:
    from gpk.persona import Persona

SUFFIX = ".persona.safetensors"
ASKED = "The persona's own backend, where that is code that is to be run: module:package.file:factory."
"""What the option --backend of a command on personas is for: see `made_for`."""
BACKEND = "Without SUBJECT: the generator as it was pretrained. With it: module:…, where its own is code that may run."
"""What it is for where there may be no persona: see `find_subject`."""


def persona_file(subject: Path) -> Path:
    """The persona's file: `subject` itself, or the one in the run's folder; raises PersonaError where there is none."""
    asked = f"give a *{SUFFIX} file, or the folder of the run that made one"
    if not subject.exists():
        raise PersonaError(f"there is no {subject}: {asked}")
    if subject.is_file():
        return subject
    found = sorted(subject.glob(f"*{SUFFIX}"))
    if not found:
        unfinished = (subject / "config.yaml").exists()
        told = "its run has not ended: give its command again" if unfinished else asked
        raise PersonaError(f"{subject} holds no persona: {told}")
    if len(found) > 1:
        raise PersonaError(f"{subject} holds {len(found)} personas: give one of them, such as {found[0]}")
    return found[0]


@dataclass(frozen=True)
class _Source:
    """What the log's event `source` holds."""

    album: Path | None = None
    held_out: Path | None = None


def photos_of(run: Path) -> tuple[Path | None, Path | None]:
    """Where a run of `gpk personalize` found the photos that it learned from, and those held out, as far as it tells;
    they may have moved since.
    """
    from gpk_runs.log import read_log

    event = next((event for event in read_log(run / "log.jsonl") if event["event"] == "source"), None)
    if event is None:
        return None, None
    told = event.read(_Source)
    for place in filter(None, (told.album, told.held_out)):
        try:
            place.exists()
        except OSError as error:
            raise event.wrong(f"{event.place} names no place of photos: {error.strerror}") from error
    return told.album, told.held_out


def labels_as_of(run: Path) -> str | None:
    """The turns of camera labels with which a run read its albums; None for none, and for a persona's file."""
    from gpk_runs.folder import CONFIG
    from gpk_runs.settings import read_config

    turns = read_config(run / CONFIG).get("labels_as") if (run / CONFIG).is_file() else None
    return None if turns is None else str(turns)


def named(subjects: Sequence[Path]) -> dict[str, Path]:
    """The subjects by short names of their own."""
    names: dict[str, Path] = {}
    for subject in subjects:
        name = subject.resolve().name.partition(".")[0]
        count = sum(other == name or other.startswith(f"{name} (") for other in names)
        names[f"{name} ({count + 1})" if count else name] = subject
    return names


def made_for(registry: Registry, persona: Persona, file: Path, *, asked: str | None = None) -> tuple[Backend, Card]:
    """The backend and card that the persona was made for; raises PersonaError where they are not installed.

    `asked` is the backend that the command line names. One that is code, module:…, has to be named there too, or it is
    not run: InputError.
    """
    try:
        backend = told_backend(registry, persona.origin.backend, asked=asked, of=f"{file} was made for")
        known = {card.name: card for card in backend.cards}
        return backend, known.get(persona.origin.card) or backend.own_card(persona.origin.card)
    except UnknownNameError as error:
        raise PersonaError(f"{file} was made for something that is not installed here: {error}") from error


def told_backend(registry: Registry, name: str, *, asked: str | None, of: str) -> Backend:
    """The backend that a file names, where the command line names none, or the same; InputError where it names another,
    beginning with `of`. So a file's word alone never runs code: see `Registry.backend`.
    """
    if asked is not None and asked != name:
        raise InputError(f"{of} the backend {name}, not {asked}: leave out --backend, or give that one")
    return registry.backend(name, asked=asked is not None)


def find_subject(
    registry: Registry,
    subject: Path | None,
    *,
    backend: str | None,
    card: str | None,
    weights: Path | None,
    needed: bool = False,
) -> tuple[Backend, Card, Persona | None]:
    """Backend, card and persona of a subject; without one, those of the names and of the file of weights, which is
    refused where a persona is `needed`.

    Raises InputError where both are given, or neither.
    """
    from gpk_checkpoints.personas import load_persona

    if subject is not None:
        if card is not None or (backend is not None and ":" not in backend):
            raise InputError("a persona knows its generator: leave out --backend and --card, or SUBJECT")
        file = persona_file(subject)
        persona = load_persona(file)
        return *made_for(registry, persona, file, asked=backend), persona
    if needed or backend is None:
        other = "" if needed else ", or --backend NAME for a generator as it was pretrained"
        raise InputError(f"who is it about? Give a *.persona.safetensors file, or the run that made one{other}")
    family = registry.backend(backend, asked=True)
    return family, find_card(family, card, weights), None
