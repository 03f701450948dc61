"""All rules of the contract, from the basic to the fine."""

from __future__ import annotations

from gpk.testing import building, cameras, moving, personas, pictures, sites
from gpk.testing.rule import Rule
from gpk.testing.specimen import Specimen

BACKEND_RULES: tuple[Rule[Specimen], ...] = (
    *building.RULES,
    *pictures.RULES,
    *cameras.RULES,
    *sites.RULES,
    *personas.RULES,
    *building.FILES,
    *moving.RULES,
)
