"""What `gpk personalize` is to do, out of its options and its config file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from gpk.errors import InputError, UnknownNameError
from gpk.plugin import Backend, Card
from gpk.registry import Registry
from gpk_cli.context import Precision, find_card

if TYPE_CHECKING:
    from gpk_tasks.personalize.settings import Settings

CHOSEN = ("backend", "card", "preset", "distance", "precision", "task", "base", "album", "anchors", "labels_as")
"""Keys of a run's config that are not settings: names of what was chosen, and what cannot be chosen here."""
OPTIONS = {
    "rank": ("recipe", "rank"),
    "alpha": ("recipe", "alpha"),
    "layout": ("recipe", "layout"),
    "steps": ("tuning", "steps"),
    "batch": ("tuning", "batch"),
    "lr": ("tuning", "lr"),
    "anchor_steps": ("inversion", "steps"),
    "anchor_batch": ("inversion", "batch"),
    "space": ("inversion", "space"),
}
"""Options that are short for a key of the config: section and key."""


@dataclass(frozen=True)
class Choice:
    """What the options and the config file together choose; an option wins over the file."""

    backend: Backend
    card: Card
    distance: str | None
    precision: Precision
    settings: Settings
    labels_as: str | None = None


def choose(registry: Registry, options: Mapping[str, Any], config: Path | None) -> Choice:
    """What the options of `gpk personalize` and its config file choose.

    Raises InputError where they name no backend, something unknown, or settings that cannot be.
    """
    from gpk_runs.settings import read_config
    from gpk_tasks.personalize.presets import preset
    from gpk_tasks.personalize.settings import resolve

    plain = {} if config is None else read_config(config)
    stated = {key: plain.pop(key, None) for key in CHOSEN}
    if stated["task"] not in (None, "personalize"):
        raise InputError(
            f"{config} is of the task {stated['task']!r}: `gpk personalize` takes settings of its own runs"
        )
    name = options["backend"] or stated["backend"]
    if name is None:
        raise InputError(f"which backend? Give --backend NAME, one of: {', '.join(registry.backends())}")
    backend = registry.backend(str(name), asked=options["backend"] is not None)
    card = options["card"] or (stated["card"] if name == stated["backend"] else None)
    short: dict[str, Any] = {key: options[key] for key in ("seed", "memory") if options[key] is not None}
    for option, (section, key) in OPTIONS.items():
        if options[option] is not None:
            short.setdefault(section, {})[key] = options[option]
    base = preset(str(options["preset"] or stated["preset"] or "fast"))
    settings = resolve(base, (str(config), plain), ("the command line", short))
    _require_one_source(options, stated, config)
    precision = options["precision"] or stated["precision"] or "auto"
    if precision not in get_args(Precision):
        raise UnknownNameError("precision", str(precision), get_args(Precision))
    distance = options["distance"] or stated["distance"]
    labels_as = options["labels_as"] or stated["labels_as"]
    chosen = find_card(backend, card, options["weights"])
    return Choice(backend, chosen, distance, precision, settings, None if labels_as is None else str(labels_as))


def _require_one_source(options: Mapping[str, Any], stated: Mapping[str, Any], config: Path | None) -> None:
    """Raises InputError where anchors are given and to be found, or neither."""
    if options["anchors"] is None:
        if stated["anchors"] is not None:
            raise InputError(
                f"{config} is of a run whose anchors were given: give them with --anchors, or take `anchors` out of it "
                "to have them found"
            )
        return
    for option, (section, _) in OPTIONS.items():
        if section == "inversion" and options[option] is not None:
            name = option.replace("_", "-")
            raise InputError(f"--{name} is about inversion, which --anchors leaves out: give one of both")
