"""Keys that files of before have for what is called otherwise now. Light: never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RECIPE: Mapping[str, str] = {"birth": "init", "ranks": "rank_pattern"}
"""Of a recipe, in personas and in settings."""


def up_to_date(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe in JSON types (`gpk.recipe.Recipe.to_json`) with the keys of now.

    >>> up_to_date({"rank": 1, "birth": "normal"})
    {'rank': 1, 'init': 'normal'}
    """
    return {RECIPE.get(key, key): value for key, value in recipe.items()}
