"""The contract as pytest collects it: a class to derive from, a test a rule.

pytest is not imported here but by whoever runs the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gpk.plugin import Backend, DetectorCard, JudgeCard, Task
from gpk.registry import Registry
from gpk.testing.detectors import DETECTOR_RULES
from gpk.testing.judges import JUDGE_RULES
from gpk.testing.offered import Trial, backend_trials, detector_trial, judge_trial, task_trial
from gpk.testing.rule import NotPromisedError, Rule
from gpk.testing.rules import BACKEND_RULES
from gpk.testing.tasks import TASK_RULES

if TYPE_CHECKING:
    from torch import Tensor


class _Contract:
    """What the contracts share: a class derived from one is collected, the contract itself never."""

    __test__: ClassVar[bool] = False
    _found: ClassVar[Sequence[Trial]]

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 - object's own
        super().__init_subclass__(**options)
        if "__test__" not in vars(cls):
            cls.__test__ = cls.__module__ != __name__

    def pytest_generate_tests(self, metafunc: Any) -> None:  # noqa: ANN401 - pytest's, which is not imported
        """Each rule's test, for everything that the class names, which is looked for once."""
        if "trial" in metafunc.fixturenames:
            named = type(self)
            if "_found" not in vars(named):
                named._found = self._trials(Registry.discover())
            metafunc.parametrize("trial", named._found, ids=[trial.subject for trial in named._found])

    def _trials(self, registry: Registry) -> Sequence[Trial]:
        raise NotImplementedError


class BackendContract(_Contract):
    """Every rule that a backend keeps, for each of its cards, or for `cards` alone.

    `backend` is a name among what plugins offer, or a Backend itself.
    """

    backend: ClassVar[str | Backend]
    cards: ClassVar[tuple[str, ...] | None] = None

    def _trials(self, registry: Registry) -> Sequence[Trial]:
        return backend_trials(registry, self.backend, self.cards)


class JudgeContract(_Contract):
    """Every rule that a judge, a distance or attributes keep: `judge` by its name, or a JudgeCard itself."""

    judge: ClassVar[str | JudgeCard]

    def _trials(self, registry: Registry) -> Sequence[Trial]:
        return [judge_trial(registry, self.judge)]


class DetectorContract(_Contract):
    """Every rule that a detector keeps: `detector` by its name, or a DetectorCard itself; `pictures` [3, H, W] in
    [-1, 1] show somebody whom it finds.
    """

    detector: ClassVar[str | DetectorCard]
    pictures: ClassVar[Sequence[Tensor]] = ()

    def _trials(self, registry: Registry) -> Sequence[Trial]:
        return [detector_trial(registry, self.detector, self.pictures)]


class TaskContract(_Contract):
    """Every rule that a task keeps, on the first card of `backend`; `settings` are laid over the task's `tiny` ones."""

    task: ClassVar[str | Task]
    backend: ClassVar[str | Backend]
    settings: ClassVar[Mapping[str, Any]] = {}

    def _trials(self, registry: Registry) -> Sequence[Trial]:
        return [task_trial(registry, self.task, self.backend, self.settings)]


def _test(rule: Rule[Any]) -> Callable[[Any, Trial], None]:
    def test(self: object, trial: Trial) -> None:
        del self
        try:
            rule.check(trial.fresh())
        except NotPromisedError as reason:
            import pytest

            pytest.skip(str(reason))

    test.__name__, test.__doc__ = f"test_{rule.name}", rule.check.__doc__
    return test


for _contract, _rules in (
    (BackendContract, BACKEND_RULES),
    (JudgeContract, JUDGE_RULES),
    (DetectorContract, DETECTOR_RULES),
    (TaskContract, TASK_RULES),
):
    for _rule in _rules:
        setattr(_contract, f"test_{_rule.name}", _test(_rule))
