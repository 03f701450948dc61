r"""Which parts of a generator a persona changes, and which of the changes one sees: My3DGen's Fig. 9, and its test.

For every subject the changes are measured (`gpk.importance`), and blocks are taken away and shown alone
(`gpk_tasks.analyze.ablation`). Over several subjects of one generator and one recipe there are means and spreads; from
both together follows a suggestion of ranks (`gpk.allocation`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache

import torch

from gpk.context import Context
from gpk.generator import Generator
from gpk.importance import SiteChange, measured
from gpk.persona import Persona
from gpk_runs.run import Run
from gpk_tasks.analyze.ablation import Ablator, Effect, blocks_of
from gpk_tasks.analyze.settings import Analysis
from gpk_tasks.views import references


@dataclass(frozen=True)
class Trial:
    """What is seen of one subject: with nothing changed, with everything, without each block's changes, and with each
    block's alone. `alike_to` says what ID_sim compares with, None where nobody judges.
    """

    pretrained: Effect
    whole: Effect
    without: Mapping[str, Effect]
    alone: Mapping[str, Effect]
    alike_to: str | None


@dataclass(frozen=True)
class Studied:
    """What was found of one subject: its changes by site, whether their places in the network are known (or are bare
    keys, see `gpk.importance.bare_sites`), and what they do, where that was tried.
    """

    name: str
    changes: tuple[SiteChange, ...]
    placed: bool = True
    trial: Trial | None = None


@dataclass(frozen=True)
class Subject:
    """Whose persona it is. The generator is on the meta device where its weights are not here, and None where not even
    its family is; either way there is no context, and nothing can be shown. The context has photos where they are
    known.
    """

    name: str
    persona: Persona
    generator: Generator | None
    context: Context | None


def analyze(subjects: Iterable[tuple[str, Callable[[], Subject]]], settings: Analysis, run: Run) -> list[Studied]:
    """What is found of every subject, in their order; each is made when it is its turn.

    Every effect stands in the run's log as soon as it is known, and the same command goes on after the last one.
    """
    known = _Effects(run)
    found = []
    for name, make in subjects:
        subject = make()
        changes = measured(subject.persona, subject.generator, norm=settings.norm)
        trial = (
            _tried(subject, subject.context, settings, known)
            if settings.check and subject.context is not None
            else None
        )
        found.append(Studied(name, changes, subject.generator is not None, trial))
    return found


def _tried(subject: Subject, context: Context, settings: Analysis, known: _Effects) -> Trial:
    persona = subject.persona

    @cache
    def ablator() -> Ablator:  # made when something is missing: it makes pictures
        return Ablator(context, persona, count=settings.anchors, yaw=settings.yaw, references=references(context))

    def effect(what: str, keys: Collection[str] | None) -> Effect:
        there = known.of(subject.name, what)
        return there or known.add(subject.name, what, ablator().effect(keys))

    whole, pretrained = effect("whole", None), effect("pretrained", ())
    blocks = blocks_of(persona, context)
    without, alone = {}, {}
    for index, (block, keys) in enumerate(blocks.items()):
        without[block] = effect(f"without {block}", persona.changes.keys() - set(keys))
        alone[block] = effect(f"{block} alone", keys)
        known.run.progress(subject.name, index + 1, len(blocks), {})
    alike_to = None if context.judge is None else "photos" if len(context.album) else "what the whole persona shows"
    return Trial(pretrained, whole, without, alone, alike_to)


@dataclass(frozen=True)
class _Logged:
    """What an event `effect` holds."""

    subject: str
    what: str
    effect: Effect


class _Effects:
    """The effects in the run's log."""

    def __init__(self, run: Run) -> None:
        self.run = run
        told = [event.read(_Logged) for event in run.read_log() if event["event"] == "effect"]
        self.there = {(each.subject, each.what): each.effect for each in told}

    def of(self, subject: str, what: str) -> Effect | None:
        return self.there.get((subject, what))

    def add(self, subject: str, what: str, effect: Effect) -> Effect:
        self.there[subject, what] = effect
        self.run.record("effect", {"subject": subject, "what": what, "effect": asdict(effect)})
        self.run.save_state({"done": torch.tensor(len(self.there))}, {})  # a log is kept as far as a state knows it
        return effect
