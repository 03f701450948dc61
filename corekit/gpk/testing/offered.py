"""What there is to try of what plugins offer, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from gpk.errors import UnknownNameError
from gpk.plugin import ENTRY_POINT_GROUP, Backend, DetectorCard, JudgeCard, Task
from gpk.registry import Registry
from gpk.testing.detectors import DETECTOR_RULES, DetectorSpecimen
from gpk.testing.judges import JUDGE_RULES, JudgeSpecimen
from gpk.testing.rule import Rule, Verdict, verdicts
from gpk.testing.rules import BACKEND_RULES
from gpk.testing.specimen import Specimen
from gpk.testing.tasks import TASK_RULES, TaskSpecimen
from gpk.validation import Offer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Trial:
    """A subject by name, the rules that it keeps, and what makes it afresh for each of them."""

    subject: str
    rules: Sequence[Rule[Any]]
    fresh: Callable[[], Any]

    def verdicts(self) -> Iterator[Verdict]:
        """Each rule's."""
        return verdicts(self.rules, self.subject, self.fresh)


def trials(registry: Registry, names: Sequence[str] = ()) -> list[Trial]:
    """What to try of the plugins, backends, judges, detectors and tasks of these names; of all where there are none.

    A task is tried on a backend of its own plugin, or on one whose weights ship with it. Raises UnknownNameError for a
    name that nothing has.
    """
    backends, judges, tasks = registry.backends(), registry.judges(), registry.tasks()
    detectors = registry.detectors()
    offers: Sequence[tuple[str, Offer[Any]]] = [
        *backends.items(), *judges.items(), *detectors.items(), *tasks.items()
    ]  # fmt: skip
    known = {key for name, offer in offers for key in (name, offer.plugin)}
    for name in names:
        if name not in known:
            raise UnknownNameError("plugin, backend, judge, detector or task", name, known)

    def wanted(name: str, offer: Offer[Any]) -> bool:
        return not names or bool({name, offer.plugin} & set(names))

    with_cards = [offer for offer in backends.values() if offer.value.cards]  # others have variants alone
    found: list[Trial] = []
    for name in (name for name, offer in backends.items() if wanted(name, offer)):
        found += backend_trials(registry, name)
    found += [judge_trial(registry, name) for name, offer in judges.items() if wanted(name, offer)]
    found += [detector_trial(registry, name) for name, offer in detectors.items() if wanted(name, offer)]
    found += [
        task_trial(registry, name, _suited(offer, with_cards))
        for name, offer in tasks.items()
        if wanted(name, offer) and with_cards
    ]
    return found


def backend_trials(registry: Registry, backend: str | Backend, cards: Sequence[str] | None = None) -> Sequence[Trial]:
    """A trial a card, of those that build the same the first; or of `cards` by name, each.

    Raises UnknownNameError for a backend or a card that is not there.
    """
    family, plugin = _found(registry.backend, registry.backends(), backend)
    known = {card.name: card for card in family.cards}
    for name in cards or ():
        if name not in known:
            raise UnknownNameError("card", name, known)
    small = [Specimen(family, card).config for card in family.cards]
    firsts = [card.name for index, card in enumerate(family.cards) if small[index] not in small[:index]]

    def trial(card: str) -> Trial:
        return Trial(f"{family.name}/{card}", BACKEND_RULES, lambda: Specimen(family, known[card], plugin))

    return [trial(name) for name in cards or firsts]


def judge_trial(registry: Registry, judge: str | JudgeCard) -> Trial:
    """The trial of a judge; raises UnknownNameError for one that is not there."""
    card, plugin = _found(registry.judge, registry.judges(), judge)
    return Trial(card.name, JUDGE_RULES, lambda: JudgeSpecimen(card, plugin))


def detector_trial(registry: Registry, detector: str | DetectorCard, pictures: Sequence[Tensor] = ()) -> Trial:
    """The trial of a detector, with pictures of whom it finds; raises UnknownNameError for one that is not there."""
    card, plugin = _found(registry.detector, registry.detectors(), detector)
    return Trial(card.name, DETECTOR_RULES, lambda: DetectorSpecimen(card, tuple(pictures), plugin))


def task_trial(
    registry: Registry, task: str | Task, backend: str | Backend, settings: Mapping[str, Any] | None = None
) -> Trial:
    """The trial of a task on a backend's first card; raises UnknownNameError for one that is not there."""
    one, plugin = _found(registry.task, registry.tasks(), task)
    family, _ = _found(registry.backend, registry.backends(), backend)
    return Trial(
        f"{one.name} on {family.name}",
        TASK_RULES,
        lambda: TaskSpecimen(one, Specimen(family, family.card), plugin, settings or {}),
    )


def _found(named: Callable[[str], Any], offers: Mapping[str, Offer[Any]], given: Any) -> tuple[Any, EntryPoint | None]:  # noqa: ANN401
    """What is meant, and the entry point of the installed plugin that offers it, if it is one."""
    if not isinstance(given, str):
        return given, None
    value = named(given)
    offer = offers.get(given.partition(":")[0])
    points = entry_points(group=ENTRY_POINT_GROUP)
    return value, next((point for point in points if offer and point.name == offer.plugin), None)


def _suited(task: Offer[Task], backends: Sequence[Offer[Backend]]) -> str:
    """The backend on which to try a task: with views where it wants them, of its own plugin, or with weights."""

    def rank(offer: Offer[Backend]) -> tuple[bool, bool, bool, bool]:
        backend = offer.value
        lacks_views = task.value.views and not backend.cameras
        return lacks_views, offer.plugin != task.plugin, backend.card.weights is None, not backend.cameras

    return min(backends, key=rank).value.name
