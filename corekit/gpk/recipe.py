r"""Which weights personalization may change, and how.

    treatment of a part     what becomes of its sites
    "adapt"                 LoRA on the `lowrank` kinds and an offset on the `whole` kinds
    "whole"                 an offset on everything
    "frozen"                nothing

A recipe need not know the words of every family: a part that is none of `gpk.generator.PARTS`, and that the recipe
does not name, is treated as the backbone is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from gpk.errors import RecipeError, UnknownNameError
from gpk.generator import PARTS, Kind, Part, Site
from gpk.lowrank import Init, Layout
from gpk.renamed import up_to_date

Treatment = Literal["adapt", "whole", "frozen"]
"""What becomes of a part."""
Treated = Literal["lora", "offset"]
"""What becomes of a site that changes."""
MAPS = ("parts", "rank_pattern")
"""Fields that are mappings."""

RELEASE_PARTS: Mapping[Part, Treatment] = {
    "mapping": "frozen",
    "backbone": "adapt",
    "decoder": "frozen",
    "superres": "adapt",
}
"""What the My3DGen release does with each part."""


@dataclass(frozen=True)
class Recipe:
    """How weights may change. The defaults are the My3DGen release as it runs.

    The scale of a LoRA is alpha / rank, divided by the site's gain for the kinds in `divide_gain` (LoRA outside the
    equalised learning rate, where the release has it for affines).

    `rank_pattern` gives single blocks (`Site.block`) a rank of their own; a block of rank 0 has no LoRA.

    Raises RecipeError for a rank or an alpha that cannot be, UnknownNameError for a layout, an init, a treatment or a
    kind that there is not.
    """

    rank: int = 1
    alpha: float = 1.0
    layout: Layout = "kernel"
    init: Init = "kaiming"
    lowrank: frozenset[Kind] = frozenset({"conv", "affine", "torgb", "linear"})
    whole: frozenset[Kind] = frozenset({"bias", "noise", "const"})
    divide_gain: frozenset[Kind] = frozenset({"affine"})
    parts: Mapping[Part, Treatment] = field(default_factory=lambda: dict(RELEASE_PARTS))
    rank_pattern: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.rank, bool) or not isinstance(self.rank, int) or self.rank < 1:
            raise RecipeError(f"rank must be a whole number of at least 1, not {self.rank!r}")
        for block, rank in self.rank_pattern.items():
            if isinstance(rank, bool) or not isinstance(rank, int) or rank < 0:
                raise RecipeError(f"the rank of {block} must be a whole number of at least 0, not {rank!r}")
        if not self.alpha > 0:
            raise RecipeError(f"alpha must be above 0, not {self.alpha!r}")
        if self.alpha == math.inf:
            raise RecipeError("alpha must be finite, not inf")
        _known("layout", [self.layout], get_args(Layout))
        _known("init", [self.init], get_args(Init))
        _known("treatment of a part", self.parts.values(), get_args(Treatment))
        for kinds in (self.lowrank, self.whole, self.divide_gain):
            _known("kind of site", kinds, get_args(Kind))

    def treatment(self, site: Site) -> Treated | None:
        """What becomes of one site; None where it stays frozen."""
        match self.parts.get(site.part if site.part in {*PARTS, *self.parts} else "backbone", "frozen"):
            case "frozen":
                return None
            case "whole":
                return "offset"
            case "adapt":
                if site.kind in self.lowrank:
                    return "lora" if self.rank_at(site) else None
                return "offset" if site.kind in self.whole else None

    def rank_at(self, site: Site) -> int:
        """The rank of a LoRA at `site`; 0 for none."""
        return self.rank_pattern.get(site.block, self.rank)

    def scale(self, site: Site) -> float:
        """What BA is multiplied by at `site`, which has a LoRA."""
        scale = self.alpha / self.rank_at(site)
        return scale / site.gain if site.kind in self.divide_gain else scale

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; `from_json` reads them back."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        if not self.rank_pattern:  # as it was before there were any: old runs and personas have the same recipe
            del plain["rank_pattern"]
        return {k: sorted(v) if isinstance(v, frozenset) else dict(v) if k in MAPS else v for k, v in plain.items()}

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> Recipe:
        """The recipe of `to_json`'s mapping; raises as `Recipe` does, and UnknownNameError for an unknown key."""
        plain = up_to_date(plain)
        _known("recipe key", plain, {f.name for f in fields(Recipe)})
        values: dict[str, Any] = {k: frozenset(v) if isinstance(v, list) else v for k, v in plain.items()}
        return Recipe(**values)


def _known(what: str, names: Any, known: Any) -> None:  # noqa: ANN401
    for name in names:
        if name not in known:
            raise UnknownNameError(what, str(name), map(str, known))
