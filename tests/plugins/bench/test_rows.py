"""The rows: what the benchmark compares, and what a file may ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gpk.errors import InputError, RecipeError, UnknownNameError
from gpk.generator import Generator
from gpk.persona import changing_sites
from gpk_bench.rows import PHOTOS, Row, chosen, quick, read_rows, standard
from gpk_tasks.personalize.presets import full, preset


def test_the_standard_rows_are_different_ways_with_names_of_their_own() -> None:
    rows = standard()
    assert len({row.name for row in rows}) == len({row.digest for row in rows}) == len(rows)
    ways = {(row.settings.recipe.rank, row.settings.recipe.layout) for row in rows if row.tuned}
    assert {(rank, layout) for rank in (1, 4, 16) for layout in ("flat", "kernel", "loralib")} <= ways
    assert {row.photos for row in rows if row.name.startswith("fast")} == {3, 6, 12, 24}
    assert {row.name for row in quick()} == {"pretrained", "fast", "full"}


def test_full_changes_every_weight_but_the_mapping(generator: Generator) -> None:
    changed = {site.key: how for site, how in changing_sites(generator, full(preset("fast")).recipe)}
    assert changed == {site.key: "offset" for site in generator.sites() if site.part != "mapping"}


def test_whatever_decides_a_row_is_in_its_digest() -> None:
    row = Row("a", preset("fast"))
    faster = replace(row.settings, tuning=replace(row.settings.tuning, lr=0.5))
    others = [replace(row, photos=5), replace(row, tuned=False), replace(row, settings=faster)]
    assert len({row.digest, *(other.digest for other in others)}) == 4
    assert replace(row, name="b").digest == row.digest


def test_rows_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.yaml"
    file.write_text(
        "gentle:\n  tuning: {lr: 0.01, steps: 7}\nsmall: {preset: my3dgen, photos: 3}\nwhole: {preset: full}\n"
    )
    gentle, small, whole = read_rows(file)
    assert (gentle.settings.tuning.lr, gentle.settings.tuning.steps, gentle.photos) == (0.01, 7, PHOTOS)
    assert gentle.settings.inversion == preset("fast").inversion
    assert (small.settings, small.photos) == (preset("my3dgen"), 3)
    assert whole.settings.recipe.parts["backbone"] == "whole"


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("", InputError, "has no row"),
        ("a: 3\n", InputError, "row 'a' is no mapping"),
        ("a: {photos: 1}\n", InputError, "2 to 24 photos"),
        ("a: {photos: x}\n", InputError, "photos is a whole number"),
        ("a: {preset: slow}\n", UnknownNameError, "unknown preset 'slow'"),
        ("a: {tuning: {lrr: 1}}\n", UnknownNameError, "tuning.lrr"),
        ("a: {tuning: {lr: -1}}\n", RecipeError, "tuning.lr must be above 0"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_why(tmp_path: Path, text: str, error: type[InputError], told: str) -> None:
    file = tmp_path / "rows.yaml"
    file.write_text(text)
    with pytest.raises(error, match=told):
        read_rows(file)


def test_rows_can_be_chosen_by_name() -> None:
    assert [row.name for row in chosen(quick(), ["full", "fast"])] == ["full", "fast"]
    with pytest.raises(UnknownNameError, match="did you mean 'fast'"):
        chosen(quick(), ["fasd"])
