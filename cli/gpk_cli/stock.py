"""Where the weights of every card are: what `gpk weights list` shows. Light: never imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gpk.errors import WeightsError
from gpk.registry import Registry
from gpk_checkpoints.cache import card_file
from gpk_checkpoints.inventory import cached_files, read_imported
from gpk_cli.output import printable

Row = dict[str, object]
"""What a program reads: a card, and under `state`, `file`, `bytes` and `source` its weights."""

NOTHING: Row = {"file": None, "bytes": None, "source": None, "error": None}
"""What a row has of weights that are not here."""
NO_CARD = Row.fromkeys(("card", "title", "licence", "url", "page", "sha256", "plugin"))
"""What a row has of a card where a file is none's."""


def stock(registry: Registry) -> Iterator[Row]:
    """A row a card, then one for every file in the cache that is no card's."""
    seen: set[tuple[str, str]] = set()
    files: set[Path] = set()
    for offer in registry.backends().values():
        backend = offer.value
        for card in backend.cards:
            row: Row = {"backend": backend.name, "card": card.name, "title": card.title}
            row |= {"licence": card.licence, "url": card.url, "page": card.page, "sha256": card.sha256}
            row |= {"plugin": offer.distribution}
            file = card_file(backend.name, card.name)
            files.add(file)
            if card.weights is not None:
                row |= NOTHING | {"state": "bundled", "file": str(card.weights)}
            elif file.is_file():
                row |= _facts(file, "cached")
            else:
                row |= NOTHING | {"state": "fetchable" if card.url else "absent"}
            if isinstance(source := row["source"], Mapping):
                seen.add((backend.name, str(source["sha256"])))
            yield row
    for name, file in cached_files():
        facts = _facts(file, "imported")
        source = facts["source"]
        if file not in files and not (isinstance(source, Mapping) and (name, str(source["sha256"])) in seen):
            yield {"backend": name} | NO_CARD | facts


def _facts(file: Path, state: str) -> Row:
    """What a file in the cache says of itself."""
    try:
        imported = read_imported(file)
    except WeightsError as error:
        return NOTHING | {"state": "damaged", "file": str(file), "error": str(error)}
    source = {"name": imported.source, "sha256": imported.sha256}
    facts = NOTHING | {"state": state, "file": str(file), "bytes": imported.size, "source": source}
    own = {"card": imported.card} if file.stem == imported.card else {}  # a card of one's own, and none of a backend's
    return facts if state == "cached" else facts | own | {"licence": printable(imported.licence)}


def status(row: Mapping[str, object]) -> str:
    """Where a row's weights are, in words."""
    match row:
        case {"state": "bundled", "plugin": distribution}:
            return f"comes with {distribution}"
        case {"state": "fetchable"}:
            return "can be fetched"
        case {"state": "absent"}:
            return "give a file"
        case {"bytes": int(size), "source": {"name": name, "sha256": sha256}}:
            return f"here: {size / 1e6:,.1f} MB, from {printable(str(name))} ({printable(str(sha256)[:8])})"
        case _:
            return f"damaged: {printable(str(row['error']))}"
