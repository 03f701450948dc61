"""The documentation site: it builds without a warning, asks no other server for anything, and misses no page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ASKED = re.compile(
    r"<(?:script|img|iframe|source|video|embed|object)\b[^>]*?\b(?:src|data)=\"?([^\"\s>]+)|<link\b([^>]*)>"
)
PASSIVE = ("canonical", "prev", "next", "alternate")
"""What a browser does not fetch a link for."""


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Builds the site in `folder`, where there is all that it needs."""
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def sources(folder: Path) -> Path:
    """A copy of what the site is made of."""
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("*.png", "*.webp"))
    for picture in (ROOT / "docs" / "pictures").iterdir():
        (folder / "docs" / "pictures" / picture.name).touch()  # it is there; what it shows is another matter
    shutil.copy(ROOT / "mkdocs.yml", folder)
    for name in (".ci", "corekit", "adapters", "plugins", "cli"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = sources(tmp_path_factory.mktemp("site"))
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build" / "site"


def test_no_page_asks_another_server(site: Path) -> None:
    asked = set()
    for page in site.rglob("*.html"):
        for source, link in ASKED.findall(page.read_text(encoding="utf-8")):
            if not any(f'rel="{kind}"' in link or f"rel={kind}" in link for kind in PASSIVE):
                asked |= {source or "".join(re.findall(r"href=\"?([^\"\s>]+)", link))}
    assert any(source.endswith("iframe-worker.js") for source in asked)  # what searches pages from the disk
    assert not [source for source in asked if re.match(r"(?:https?:)?//", source)]
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), style


def test_every_document_is_a_page_and_in_the_navigation(site: Path) -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    for document in (ROOT / "docs").rglob("*.md"):
        name = document.relative_to(ROOT / "docs").as_posix()
        assert re.search(rf"(?:: |- ){re.escape(name)}$", nav, re.MULTILINE), f"{name} is not in mkdocs.yml"
        page = name.replace("README.md", "index.md")  # a folder's own
        assert (site / page).with_suffix(".html").exists(), name


def test_the_library_is_on_its_pages(site: Path) -> None:
    for page, name in {"plugin": "gpk.plugin.Backend", "persona": "gpk.attach.attached"}.items():
        text = (site / "api" / f"{page}.html").read_text(encoding="utf-8")
        assert f'id="{name}"' in text
        assert "&gt;&gt;&gt; " not in re.sub(r"(?s)<pre.*?</pre>", "", text), "a doctest without its fence"


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong", ["[no page](nowhere.md)", "[no heading](guide.md#nowhere)", "::: gpk.nowhere", "[no key][nowhere]"]
)
def test_a_mistake_stops_the_build(wrong: str, tmp_path: Path) -> None:
    folder = sources(tmp_path)
    page = folder / "docs" / "index.md"
    page.write_text(page.read_text(encoding="utf-8") + f"\n{wrong}\n", encoding="utf-8")
    assert build(folder).returncode != 0
