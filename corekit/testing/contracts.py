"""The contract as pytest collects it: a class to derive from, a test a rule.

pytest is not imported here but by whoever runs the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from corekit.plugin import Backend
from corekit.registry import Registry
from corekit.testing.offered import specimens
from corekit.testing.rule import NotPromisedError, Rule
from corekit.testing.rules import BACKEND_RULES
from corekit.testing.specimen import Specimen


class _Contract:
    """What the contracts share: a class derived from one is collected, the base itself never."""

    __test__: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 - object's own
        super().__init_subclass__(**options)
        if "__test__" not in vars(cls):
            cls.__test__ = cls.__module__ != __name__


class BackendContract(_Contract):
    """Every rule that a backend keeps, for each of its cards (or `cards` alone, by name)."""

    backend: ClassVar[str | Backend]
    cards: ClassVar[tuple[str, ...] | None] = None

    def pytest_generate_tests(self, metafunc: Any) -> None:  # noqa: ANN401 - pytest's, which is not imported
        """A test for each card."""
        if "specimen" in metafunc.fixturenames:
            found = self._specimens()
            metafunc.parametrize("specimen", found, ids=[specimen.card.name for specimen in found])

    def _specimens(self) -> Sequence[Specimen]:
        return specimens(Registry.discover(), self.backend, self.cards)


def _test(rule: Rule[Specimen]) -> Callable[[Any, Specimen], None]:
    def test(self: object, specimen: Specimen) -> None:
        del self
        try:
            rule.check(Specimen(specimen.backend, specimen.card, specimen.plugin))
        except NotPromisedError as reason:
            import pytest

            pytest.skip(str(reason))

    test.__name__, test.__doc__ = f"test_{rule.name}", rule.check.__doc__
    return test


for _rule in BACKEND_RULES:
    setattr(BackendContract, f"test_{_rule.name}", _test(_rule))
