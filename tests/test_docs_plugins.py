"""The plugins of docs/new-*.md, each found, asked and used as gpk would."""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch

from gpk.attach import attached
from gpk.context import Context
from gpk.errors import AlbumError, InputError
from gpk.generator import fingerprint
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.registry import Registry
from gpk.testing.offered import backend_trials, judge_trial, task_trial

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def plugin(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry that knows the plugin of one page alone, which is well."""
    page = f"new-{request.param}.md"
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"))
    name = f"page_{request.param}"
    (tmp_path / f"{name}.py").write_text("\n".join(blocks))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    registry = Registry.discover(entry_points=[EntryPoint(request.param, name, "gpk")])
    (report,) = registry.plugins()
    assert report.status == "ok", report
    return registry


@pytest.mark.parametrize("plugin", ["backend"], indirect=True)
def test_a_backend(plugin: Registry) -> None:
    backend = plugin.backend("colours")
    generator = backend.build(backend.card.config)
    before = fingerprint(generator)
    w = generator.mapping(torch.randn(2, 4))
    persona = Persona.create(generator, Recipe(rank=1), origin=Origin("colours", "colours-8", before), anchors=w[:, 0])
    image = generator(w).image
    assert image.shape == (2, 3, 8, 8)
    with attached(generator, persona):
        assert torch.equal(generator(w).image, image)
        for parameter in persona.parameters():
            torch.nn.init.ones_(parameter)
        assert not torch.equal(generator(w).image, image)
    assert fingerprint(generator) == before


@pytest.mark.parametrize("plugin", ["backend", "judge", "task"], indirect=True)
def test_they_keep_the_contract(plugin: Registry) -> None:
    """But for being installed: a page's plugin is found by its name alone, and so are the judges that it leans on."""
    trials = [trial for name in plugin.backends() for trial in backend_trials(plugin, name)]
    trials += [judge_trial(plugin, name) for name in plugin.judges()]
    prior = Registry.discover(plugins=False).backend("stylegan2-minicat")
    trials += [task_trial(plugin, name, prior) for name in plugin.tasks()]
    assert trials
    found = [verdict for trial in trials for verdict in trial.verdicts()]
    assert [verdict for verdict in found if verdict.verdict == "broken"] == []


@pytest.mark.parametrize("plugin", ["task"], indirect=True)
def test_a_task(plugin: Registry, subject: Context) -> None:
    task = plugin.task("spread")
    assert task.settings is not None
    settings: Any = task.settings()
    found = task.run(subject, settings(count=3), None)
    assert found["figures"]["pixels"]["spread"] > 0
    with pytest.raises(InputError, match="count must be at least 2, not 1"):
        settings(count=1)


@pytest.mark.parametrize("plugin", ["judge"], indirect=True)
def test_judges(plugin: Registry) -> None:
    pictures = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    distance, judge = plugin.judge("edges").load(None), plugin.judge("palette").load(None)
    assert distance(pictures, pictures).tolist() == [0, 0, 0]
    assert (distance(pictures, pictures.roll(1, 0)) > 0).all()
    torch.testing.assert_close(judge(pictures).norm(dim=1), torch.ones(3))
    torch.testing.assert_close(judge(pictures)[1:], judge(pictures[1:]))


@pytest.mark.parametrize("plugin", ["detector"], indirect=True)
def test_a_detector(plugin: Registry) -> None:
    picture = -torch.ones(3, 32, 48)
    picture[:, 16:24, 40:48] = 1
    (found,) = plugin.detector("brightest").load(None)(picture)
    assert found.box == (40, 16, 48, 24)


@pytest.mark.parametrize("plugin", ["album"], indirect=True)
def test_an_album(plugin: Registry, tmp_path: Path) -> None:
    stored = {"pictures": torch.full((2, 3, 8, 8), 255, dtype=torch.uint8), "yaws": torch.tensor([0.0, 0.3])}
    torch.save(stored, tmp_path / "a.pt")
    album = plugin.open_album(tmp_path / "a.pt", 4, cameras=True)
    assert album.photos.shape == (2, 3, 4, 4)
    assert album.photos.min() == 1
    assert album.cameras is not None
    torch.testing.assert_close(album.cameras.angles()[0], stored["yaws"])
    torch.save({"pictures": 1}, tmp_path / "b.pt")
    with pytest.raises(AlbumError, match="holds no pictures and yaws"):
        plugin.open_album(tmp_path / "b.pt", 4, cameras=True)
