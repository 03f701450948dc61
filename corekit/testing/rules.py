"""All rules of the contract, from the basic to the fine."""

from __future__ import annotations

from corekit.testing import building, pictures
from corekit.testing.rule import Rule
from corekit.testing.specimen import Specimen

BACKEND_RULES: tuple[Rule[Specimen], ...] = (*building.RULES, *pictures.RULES)
