"""docs/cli.md is what gpk --help says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpk_cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_page_equals_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPK_DISABLE_PLUGINS", raising=False)
    written = reference()
    assert PAGE.read_text(encoding="utf-8") == written, "run: python -m gpk_cli.reference > docs/cli.md"


def test_page_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    page = reference()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert reference() == page
    assert "\x1b" not in page
