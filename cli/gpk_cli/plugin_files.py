"""The files of a plugin's repository: the template beside this module with a name put in, written all or none.

Each file of the template has a suffix that keeps tools from taking it for source. In it `@word@` stands for a name, and
lines between `@if part@` and `@end@` are there for who wants the part.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from gpk.errors import RunError
from gpk_checkpoints.atomic import holds_something, new_folder

TEMPLATE = Path(__file__).with_name("plugin_template")
SUFFIX = ".template"
PARTS = {"task": ("Task", "TaskContract", "palette.py"), "judge": ("JudgeCard", "JudgeContract", "judge.py")}
"""What a repository may have beside a backend: the descriptor that offers it, its contract, the file of its own."""
_DOTTED = ("github/", "gitignore")
"""What begins with a dot in the repository, and not in the template, where git would take it for ours."""
_PART = re.compile(r"^@if (\w+)@\n(.*?)^@end@\n", re.MULTILINE | re.DOTALL)


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
        """Every name that it may bring into gpk: its own, and those of a command, a distance and a task."""
        return frozenset({self.name, *(f"{self.name}-{what}" for what in ("album", "l1", "palette"))})


def rendered(names: Names, parts: Collection[str]) -> dict[str, bytes]:
    """The repository's files, by their paths in it."""
    chosen = [PARTS[part] for part in parts]
    descriptors = sorted(["Backend", "Card", *(descriptor for descriptor, _, _ in chosen)])
    words = {
        "name": names.name,
        "distribution": names.distribution,
        "package": names.package,
        "descriptors": ", ".join([*descriptors, "hookimpl"]),
        "contracts": ", ".join(sorted(["BackendContract", *(contract for _, contract, _ in chosen)])),
    }
    absent = {own for part, (_, _, own) in PARTS.items() if part not in parts}
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
    text = _PART.sub(lambda match: match[2] if match[1] in parts else "", text)
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text
