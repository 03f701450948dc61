"""All rules of the contract, from the basic to the fine."""

from __future__ import annotations

from corekit.testing import building, cameras, moving, personas, pictures, sites
from corekit.testing.rule import Rule
from corekit.testing.specimen import Specimen

BACKEND_RULES: tuple[Rule[Specimen], ...] = (
    *building.RULES,
    *pictures.RULES,
    *cameras.RULES,
    *sites.RULES,
    *personas.RULES,
    *building.FILES,
    *moving.RULES,
)
