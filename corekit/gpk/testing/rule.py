"""A rule of the contract, what became of it for one subject, and the two ways in which it may not hold.

A rule is a function of a subject (a `Specimen` of a backend, a judge, a task) that returns where the rule holds. Its
name is the rule's, and its docstring tells what is promised and why. What it raises for a broken rule says three
things: what was seen, in numbers; what is promised; where to look.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Subject = TypeVar("Subject", contravariant=True)


class ContractError(AssertionError):
    """A rule is broken: what was seen, what is promised and why, what to do."""


class OnPurposeError(Exception):
    """Raised by a rule inside a block, to see what that leaves."""


class NotPromisedError(Exception):
    """The rule says nothing of this subject; the message is the reason."""


@dataclass(frozen=True)
class Rule(Generic[Subject]):
    """One rule: `check` raises ContractError where it is broken, and NotPromisedError where it does not apply.

    Where a `basic` one is broken or does not apply, the rules after it would only say so again.
    """

    check: Callable[[Subject], None]
    basic: bool = False

    @property
    def name(self) -> str:
        """The function's name."""
        return self.check.__name__

    @property
    def reason(self) -> str:
        """What is promised and why: the function's docstring, on one line."""
        return " ".join((self.check.__doc__ or "").split())


@dataclass(frozen=True)
class Verdict:
    """What became of one rule for one subject; `told` is the reason of a "broken" or a "skipped" one."""

    rule: str
    subject: str
    verdict: Literal["ok", "broken", "skipped"]
    told: str = ""


def verdicts(rules: Sequence[Rule[Subject]], subject: str, fresh: Callable[[], Subject]) -> Iterator[Verdict]:
    """Each rule's verdict on what `fresh` makes: a subject of its own for each, so that none suffers for another.

    Nothing is looked at after a basic rule that does not apply, such as that of a judge whose weights are absent.
    """
    broken = None
    for rule in rules:
        if broken is not None:
            yield Verdict(rule.name, subject, "skipped", f"`{broken}` is broken, and this rests on it")
            continue
        verdict = _verdict(rule, subject, fresh)
        yield verdict
        if rule.basic and verdict.verdict == "skipped":
            return
        if rule.basic and verdict.verdict == "broken":
            broken = rule.name


def _verdict(rule: Rule[Any], subject: str, fresh: Callable[[], Any]) -> Verdict:
    try:
        rule.check(fresh())
    except ContractError as error:
        return Verdict(rule.name, subject, "broken", str(error))
    except NotPromisedError as reason:
        return Verdict(rule.name, subject, "skipped", str(reason))
    except Exception as error:
        # What runs inside is other people's code, and which of its faults stopped a rule is what its writer asks.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{frame.filename}:{frame.lineno}, in {frame.name}"
        return Verdict(rule.name, subject, "broken", f"it raised {type(error).__name__}: {error} ({where})")
    return Verdict(rule.name, subject, "ok")
