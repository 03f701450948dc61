"""Settings as YAML files: the edge where they enter and leave. Light: never imports torch.

YAML as PyYAML's safe loader reads it, with two traps closed: `1e-3` is a number (PyYAML follows YAML 1.1, where it is
text), and a key given twice is an error instead of the last one winning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gpk.errors import InputError
from gpk.renamed import up_to_date
from gpk_checkpoints.atomic import write_atomically

_UNKNOWN_TAG = "could not determine a constructor for the tag "
"""How PyYAML's message on `!!python/object` and the like begins."""
_EXPONENT = re.compile(r"[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+")


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    pass


for _end in (_Loader, _Dumper):  # the dumper too: it quotes text that would be read as a number
    _end.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


def read_config(path: Path) -> dict[str, Any]:
    """The settings in the YAML file at `path`, empty where the file is; keys of files of before by their name of now.

    Raises InputError where it cannot be read, is not YAML (the message names the line), or is no mapping.
    """
    try:
        config = yaml.load(path.read_text(encoding="utf-8"), _Loader)
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
                f"{path}{line}: the tag {tag} is not read, and nothing is run: give plain values"
            ) from error
        raise InputError(f"{path}{line} is not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
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
