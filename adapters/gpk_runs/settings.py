"""Settings as YAML files: the edge where they enter and leave. Light: never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gpk.errors import InputError
from gpk.renamed import up_to_date
from gpk_checkpoints.atomic import write_atomically
from gpk_checkpoints.budget import Budget, brief, read_file
from gpk_checkpoints.plain_yaml import EXPONENT, parse_yaml
from gpk_checkpoints.sniffed import require_text

_UNKNOWN_TAG = "could not determine a constructor for the tag "
"""How PyYAML's message on `!!python/object` and the like begins."""
MOST_BYTES, MOST_VALUES = 2**18, 2**14
"""Of a file of settings: a run's has some 3 KB and 100 values, and PyYAML reads 50 KB a second."""


class _Dumper(yaml.SafeDumper):
    pass


# It quotes text that would be read as a number.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))


def read_config(path: Path) -> dict[str, Any]:
    """The settings in the YAML file at `path`, empty where the file is; keys of files of before by their name of now.

    Raises InputError where it cannot be read, is not YAML (the message names the line), or is no mapping.
    """
    try:
        require_text(path, "Settings are needed: YAML, such as a run's config.yaml")
        config = parse_yaml(read_file(path, MOST_BYTES, InputError), Budget(str(path), InputError, items=MOST_VALUES))
    except OSError as error:
        raise InputError(f"cannot read the settings in {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not YAML: it is not text in UTF-8: save it as that") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        if str(error.problem).startswith(_UNKNOWN_TAG):
            tag = str(error.problem).removeprefix(_UNKNOWN_TAG)
            raise InputError(
                f"{path}{line}: the tag {brief(tag, 80)} is not read, and nothing is run: give plain values"
            ) from error
        raise InputError(f"{path}{line} is not YAML: {brief(str(error.problem or error.context))}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {brief(str(error))}") from error
    if config is None:
        return {}
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        raise InputError(f"{path} must map the names of settings to values, as in `tuning: {{steps: 100}}`")
    return _up_to_date(config)


def _up_to_date(config: dict[str, Any]) -> dict[str, Any]:
    """Settings with their recipe's keys of now, be they a job's or a benchmark's row's."""
    return {
        key: value if not isinstance(value, dict) else up_to_date(value) if key == "recipe" else _up_to_date(value)
        for key, value in config.items()
    }


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Replaces the YAML file at `path` by `config` (JSON types), whole or not at all, keys in their order.

    Raises RunError where it cannot be written.
    """
    text = yaml.dump(dict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    write_atomically(path, [text.encode()])
