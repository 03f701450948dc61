"""The cards of a backend, from the `cards.yaml` beside it. Light: never imports torch.

The file maps each card's name to its fields, the default card first; `weights` is relative to the file's folder:

    afhqcats512-128:
      title: EG3D, cats, 512 x 512
      licence: NVIDIA Source Code License for EG3D (research only)
      config: {img_resolution: 512}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from gpk.errors import PluginError, UnknownNameError, WeightsError
from gpk.plugin import Card
from gpk_checkpoints.budget import Budget, brief, read_file
from gpk_checkpoints.plain_yaml import parse_yaml

_KNOWN = tuple(field.name for field in fields(Card) if field.name != "name")
MOST_BYTES = 2**18
"""Of a file of cards; gpk's have some 6 KB."""
_REQUIRED = ("title", "licence")


def read_cards(path: Path) -> tuple[Card, ...]:
    """The cards in the YAML file at `path`, in its order.

    Raises PluginError whatever is wrong with it: the file is the plugin's own, not the user's.
    """
    try:
        entries = parse_yaml(read_file(path, MOST_BYTES), Budget(str(path), items=2**14))
    except OSError as error:
        raise PluginError(f"cannot read the cards in {path}: {error.strerror}") from error
    except WeightsError as error:  # no file, or one that costs too much
        raise PluginError(str(error)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PluginError(f"{path} is not YAML: {brief(str(error))}") from error
    if not isinstance(entries, dict) or not entries:
        raise PluginError(f"{path} must map the name of each card to its fields")
    return tuple(_card(path, str(name), entry) for name, entry in entries.items())


def _card(path: Path, name: str, entry: object) -> Card:
    where = f"{path}: card {brief(name, 80)!r}"
    if not isinstance(entry, Mapping):
        raise PluginError(f"{where} must be a mapping with {', '.join(_REQUIRED)}")
    values: dict[str, Any] = {}
    for key, value in entry.items():
        if key not in _KNOWN:
            raise PluginError(f"{where}: {UnknownNameError('card key', brief(str(key), 80), _KNOWN)}")
        expected = Mapping if key == "config" else str
        if not isinstance(value, expected):
            kind = "a mapping" if expected is Mapping else "text"
            raise PluginError(f"{where}: {key} must be {kind}, not {brief(repr(value), 80)}")
        values[key] = path.parent / str(value) if key == "weights" else value
    for key in _REQUIRED:
        if key not in values:
            raise PluginError(f"{where} lacks {key}")
    return Card(name=name, **values)
