"""A page in one file: template, style, script and pictures, which asks nothing of any network.

A content security policy says so to the browser: nothing is loaded, and no style or script runs but those whose hash it
names. Everything that a template shows is escaped; what a chart or a picture is has been made safe where it was made.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gpk.errors import RunError
from gpk_checkpoints.atomic import write_atomically

TEMPLATES = Path(__file__).parent / "templates"
MARK = b'<meta name="generator" content="gpk '
"""How a page is told from other files."""


def render(template: str, context: Mapping[str, object]) -> bytes:
    """The page that the template of that name makes of `context`; a name that it lacks is an error of the template."""
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    environment = Environment(
        loader=PackageLoader("gpk_pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    frame = {
        "policy": (
            f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
            "base-uri 'none'; form-action 'none'"
        ),
        "style": Markup(style),  # a file of this package, as is the script
        "script": Markup(script),
        "gpk": version("gpk"),
    }
    text = environment.get_template(template).render({**frame, **context})
    return text.encode("utf-8", errors="replace")  # a folder's name may be no text


def write_page(path: Path, template: str, context: Mapping[str, object]) -> int:
    """Replaces the page at `path`, whole or not at all, and returns its bytes.

    Raises RunError where it cannot be written, or something else has that name.
    """
    if path.is_file() and MARK not in path.read_bytes()[:4096]:
        raise RunError(f"{path} exists already and is no page of gpk's: give another --out")
    content = render(template, context)
    write_atomically(path, [content])
    return len(content)


def _digest(text: str) -> str:
    """What a content security policy calls a style or script by."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
