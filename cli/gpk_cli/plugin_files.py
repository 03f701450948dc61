"""The files of a plugin's repository: the template beside this module with a name put in, written all or none.

Each file of the template has a suffix that keeps tools from taking it for source. In it `@word@` stands for a name, and
lines between `@if part@` or `@unless part@` and `@end@` are there for who wants the part, or does not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gpk.errors import RunError
from gpk_checkpoints.atomic import holds_something, new_folder


class Part(NamedTuple):
    """What a repository may have: the descriptors that offer it, its contract, the files of its own."""

    descriptors: tuple[str, ...]
    contract: str
    files: tuple[str, ...]


TEMPLATE = Path(__file__).with_name("plugin_template")
SUFFIX = ".template"
PARTS: Mapping[str, Part] = {
    "backend": Part(
        ("Backend", "Card"),
        "BackendContract",
        ("network.py", "checkpoint.py", "album.py", "weights.safetensors", "test_persona.py"),
    ),
    "detector": Part(("DetectorCard",), "DetectorContract", ("detector.py",)),
    "judge": Part(("JudgeCard",), "JudgeContract", ("judge.py",)),
    "task": Part(("Task",), "TaskContract", ("palette.py",)),
}
TRIED = "stylegan2-minicat"
"""The backend that examples are tried on where the plugin has none."""
_DOTTED = ("github/", "gitignore")
"""What begins with a dot in the repository, and not in the template, where git would take it for ours."""
_PART = re.compile(r"^@(if|unless) (\w+)@\n(.*?)^@end@\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Names:
    """What gpk (`name`), pip and Python call one plugin.

    >>> Names("soft-blobs").distribution, Names("soft-blobs").package
    ('gpk-soft-blobs', 'gpk_soft_blobs')
    """

    name: str

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return f"gpk-{self.name}"

    @property
    def package(self) -> str:
        """What Python imports."""
        return self.distribution.replace("-", "_")

    @property
    def offers(self) -> frozenset[str]:
        """Every name that it may bring into gpk: its own, and those of a command, a detector, a distance and a task."""
        return frozenset({self.name, *(f"{self.name}-{what}" for what in ("album", "brightest", "l1", "palette"))})


def rendered(names: Names, parts: Collection[str]) -> dict[str, bytes]:
    """The repository's files, by their paths in it."""
    chosen = [PARTS[part] for part in sorted(parts)]
    words = {
        "name": names.name,
        "distribution": names.distribution,
        "package": names.package,
        "tried": names.name if "backend" in parts else TRIED,
        "descriptors": ", ".join([*sorted(name for part in chosen for name in part.descriptors), "hookimpl"]),
        "contracts": ", ".join(part.contract for part in chosen),
        "dependencies": '"gpk", "pillow>=11", "safetensors>=0.5"' if "backend" in parts else '"gpk"',
        **_imports(parts),
    }
    absent = {own for name, part in PARTS.items() if name not in parts for own in part.files}
    files: dict[str, bytes] = {}
    for source in sorted(path for path in TEMPLATE.rglob("*") if path.is_file()):
        if source.name.removesuffix(SUFFIX) in absent:
            continue
        path = source.relative_to(TEMPLATE).as_posix().replace("gpk_NAME", names.package)
        content = source.read_bytes()
        if path.endswith(SUFFIX):
            content = _filled(content.decode(), words, parts).encode()
        files[("." if path.startswith(_DOTTED) else "") + path.removesuffix(SUFFIX)] = content
    return files


def _imports(parts: Collection[str]) -> dict[str, str]:
    """What the plugin's module imports, by the parts that it has."""
    mapping, path = {"backend", "task"} & set(parts), {"backend", "judge", "detector"} & set(parts)
    types = {
        "backend": "from gpk.generator import Generator",
        "detector": "from gpk.detector import Detector",
        "judge": "from torch import nn",
    }
    needed = sorted(line for part, line in types.items() if part in parts)
    typing = ", ".join([*(["TYPE_CHECKING"] if needed else []), *(["Any"] if mapping else [])])
    lines = [
        *(["from collections.abc import Mapping"] if mapping else []),
        *(["from pathlib import Path"] if path else []),
        f"from typing import {typing}",
    ]
    checked = ["", "if TYPE_CHECKING:", *(f"    {line}" for line in needed), ""] if needed else [""]
    return {"imports": "\n".join(lines), "types": "\n".join(checked)}


def write_whole(directory: Path, files: Mapping[str, bytes]) -> None:
    """Writes files into a folder that is new or empty: all of them, or none.

    Raises RunError where something is there, or nothing can be written.
    """
    directory = directory.resolve()
    if directory.exists() and (not directory.is_dir() or holds_something(directory)):
        what = "is not empty" if directory.is_dir() else "is a file"
        raise RunError(f"{directory} {what}: nothing there is replaced, give another folder with --out")
    with new_folder(directory) as part:
        for path, content in files.items():
            (part / path).parent.mkdir(parents=True, exist_ok=True)
            (part / path).write_bytes(content)


def _filled(text: str, words: Mapping[str, str], parts: Collection[str]) -> str:
    text = _PART.sub(lambda match: match[3] if (match[2] in parts) == (match[1] == "if") else "", text)
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text
