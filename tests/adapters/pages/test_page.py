"""A page in one file."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from gpk.errors import RunError
from gpk_pages.page import render, write_page


def test_the_policy_names_the_style_and_the_script_that_are_there() -> None:
    text = render("page.html.j2", {}).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src &#39;none&#39;")
    for tag in ("style", "script"):
        (own,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = b64encode(sha256(own.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy
    assert " style=" not in text  # which the policy would forbid


def test_a_name_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'name' is undefined"):
        render("report.html.j2", {})


def test_a_page_replaces_a_page_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "deep" / "page.html"
    count = write_page(page, "page.html.j2", {})
    assert page.stat().st_size == count == write_page(page, "page.html.j2", {})
    assert [p.name for p in page.parent.iterdir()] == ["page.html"]
    (tmp_path / "cv.html").write_text("<html>mine</html>")
    with pytest.raises(RunError, match=r"cv\.html exists already and is no page of gpk's"):
        write_page(tmp_path / "cv.html", "page.html.j2", {})
    assert (tmp_path / "cv.html").read_text() == "<html>mine</html>"
    with pytest.raises(RunError, match="cannot write"):
        write_page(tmp_path, "page.html.j2", {})
