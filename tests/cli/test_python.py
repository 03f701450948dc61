"""docs/python.md: the whole job from Python, with few steps; and what its functions refuse."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import gpk
from gpk_minicat.album import write_album
from gpk_tasks.placement import Placement

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
FEW = {"steps=120": "steps=2", "anchor_steps=50": "anchor_steps=2"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names of the page's code once it has run."""
    (code,) = re.findall(r"(?ms)^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"))
    for many, few in FEW.items():
        assert many in code
        code = code.replace(many, few)
    folder = tmp_path_factory.mktemp("python")
    write_album(folder / "cat", 3, photos=4, held_out=2)
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        here.setattr("gpk_tasks.report.report.Placement", partial(Placement, steps=2))
        exec(compile(code, "python.md", "exec", dont_inherit=True), names)
        names["again"] = gpk.personalize(
            "cat/train", backend="eg3d-minicat", out="run", held_out="cat/held-out", steps=2, anchor_steps=2
        )
        names["html"] = names["outcome"]._repr_html_()
    return names | {"folder": folder}


def test_the_page_is_the_whole_job(page: dict[str, Any]) -> None:
    assert page["outcome"].file == Path("run/eg3d-minicat.persona.safetensors")
    with Image.open(page["folder"] / "views.png") as views:
        assert views.width > 3 * 192
    assert all(not torch.equal(a, b) for a, b in zip(page["before"], page["after"], strict=True))


def test_the_same_call_finds_what_is_finished(page: dict[str, Any]) -> None:
    there, again = page["outcome"], page["again"]
    assert (again.figures, again.pictures, again.seconds) == (there.figures, there.pictures, there.seconds)
    for name, tensor in there.persona.tensors().items():
        assert torch.equal(again.persona.tensors()[name], tensor)


def test_a_path_may_be_a_text(page: dict[str, Any]) -> None:
    file = page["folder"] / page["outcome"].file
    gpk.save_persona(str(file.with_name("copy")), gpk.load_persona(str(file)))
    assert gpk.load_persona(file.with_name("copy")).header() == page["persona"].header()


def test_a_notebook_shows_figures_and_pictures(page: dict[str, Any]) -> None:
    html = page["html"]
    assert html.count("<tr>") == 1 + sum(map(len, page["outcome"].figures.values()))
    assert html.count('<img src="data:image/png;base64,') == len(page["outcome"].pictures) == 2
    assert page["sheet"]._repr_png_().startswith(b"\x89PNG")


def test_options_are_the_commands(tmp_path: Path) -> None:
    with pytest.raises(gpk.InputError, match="unknown option 'step': did you mean 'steps'"):
        gpk.personalize(tmp_path, backend="eg3d-minicat", step=1)
    with pytest.raises(gpk.InputError, match="unknown option 'dry_run'"):
        gpk.personalize(tmp_path, backend="eg3d-minicat", dry_run=True)
    with pytest.raises(gpk.InputError, match="unknown backend 'eg3d-minicta': did you mean 'eg3d-minicat'"):
        gpk.personalize(tmp_path, backend="eg3d-minicta")
    with pytest.raises(gpk.InputError, match="No such file or directory"):
        gpk.pretrained("eg3d-minicat", weights=tmp_path / "none.safetensors")
