"""What there is to try of what plugins offer, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from corekit.errors import UnknownNameError
from corekit.offers import Offer
from corekit.plugin import ENTRY_POINT_GROUP, Backend
from corekit.registry import Registry
from corekit.testing.rule import Verdict, verdicts
from corekit.testing.rules import BACKEND_RULES
from corekit.testing.specimen import Specimen


@dataclass(frozen=True)
class Trial:
    """One subject, and how its verdicts are come by."""

    subject: str
    verdicts: Callable[[], Iterator[Verdict]]


def trials(registry: Registry, names: Sequence[str]) -> list[Trial]:
    """What to try of the plugins, backends, judges and tasks of these names; of everything where there are none.

    Raises UnknownNameError for a name that nothing has.
    """
    known: dict[str, set[str]] = {}
    kinds = (registry.backends(),)
    for offers in kinds:
        for name, offer in offers.items():
            for key in (name, offer.plugin):
                known.setdefault(key, set()).add(name)
    for name in names:
        if name not in known:
            raise UnknownNameError("plugin, backend, judge or task", name, known)
    wanted = set().union(*(known[name] for name in names or known))
    return [
        _backend_trial(specimen)
        for name in registry.backends()
        if name in wanted
        for specimen in specimens(registry, name)
    ]


def specimens(registry: Registry, backend: str | Backend, cards: Sequence[str] | None = None) -> Sequence[Specimen]:
    """A specimen a card; raises UnknownNameError for a backend or a card that is not there."""
    family = registry.backend(backend) if isinstance(backend, str) else backend
    plugin = entry_point(registry.backends()[family.name]) if isinstance(backend, str) else None
    known = {card.name: card for card in family.cards}
    for name in cards or ():
        if name not in known:
            raise UnknownNameError("card", name, known)
    return [Specimen(family, known[name], plugin) for name in (cards or known)]


def entry_point(offer: Offer) -> EntryPoint | None:
    """The entry point of an offer's plugin, where it is an installed one."""
    return next((point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name == offer.plugin), None)


def _backend_trial(specimen: Specimen) -> Trial:
    subject = f"{specimen.backend.name}/{specimen.card.name}"

    def fresh() -> Specimen:
        return Specimen(specimen.backend, specimen.card, specimen.plugin)

    return Trial(subject, lambda: verdicts(BACKEND_RULES, subject, fresh))
