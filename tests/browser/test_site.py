"""The documentation site in a browser, opened from the disk: it asks nothing of any network, and its search finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
PAGES = ("index.html", "tutorial.html", "persona-format.html", "api/generator.html", "adr/0014-the-site.html")


@pytest.fixture(scope="module")
def site() -> Path:
    """What `make docs` makes."""
    subprocess.run([sys.executable, "-m", "zensical", "build", "--strict", "--clean"], cwd=ROOT, check=True)
    return ROOT / "build" / "site"


def test_it_asks_nothing_of_any_network(site: Path, browser: Any) -> None:
    page = browser.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    for name in PAGES:
        page.goto((site / name).as_uri(), wait_until="load")
    page.close()
    assert len(asked) > len(PAGES)
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    assert not faults


def test_search_finds_from_the_disk(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto((site / "index.html").as_uri(), wait_until="load")
    page.wait_for_timeout(500)
    page.keyboard.press("Control+k")
    page.keyboard.type("checkerboards", delay=20)
    page.get_by_text("Why loralib draws checkerboards").first.wait_for()
    page.close()
