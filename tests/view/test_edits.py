"""Edits that are learned while others look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gpk.context import Context
from gpk.errors import InputError
from gpk_view import edits
from gpk_view.edits import can_learn, known_edits, learn_edits
from gpk_view.scene import Look, Stage


class Colours(torch.nn.Module):
    """Reads the mean colour of a picture."""

    names = ("red", "blue")

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))[:, [0, 2]]


def meaning(z: Tensor) -> Mapping[str, Tensor]:
    """What is known of the noise: one thing that varies, and one that does not."""
    return {"size": z[:, 0], "ears": torch.full((len(z),), 2.0)}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "KNOWN", 256)
    monkeypatch.setattr(edits, "READ", 64)


@pytest.fixture
def stage(subject: Context) -> Stage:
    assert subject.persona is not None
    return Stage(subject, {"cat": subject.persona})


def taught(stage: Stage, **changes: object) -> Stage:
    return Stage(replace(stage.context, **changes), stage.personas)  # pyright: ignore[reportArgumentType]


def test_what_is_known_of_the_noise_is_learned_and_what_never_varies_is_told(stage: Stage) -> None:
    assert not can_learn(stage.context)
    stage = taught(stage, backend=replace(stage.context.backend, meaning=meaning))
    assert can_learn(stage.context)
    shares: list[float] = []
    assert learn_edits(stage, shares.append) == ("ears",)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    (edit,) = known_edits(stage)
    assert edit.name == "size"
    assert edit.held == pytest.approx(stage.held("cat", "size"))
    assert stage.directions["size"].facts["by"] == "noise"


def test_pictures_are_read_as_pretrained_whoever_is_looked_at_meanwhile(stage: Stage) -> None:
    alone = taught(stage, attributes=Colours())
    assert learn_edits(alone, lambda share: None) == ()
    watched = taught(stage, attributes=Colours())

    def look(share: float) -> None:
        watched.pictures(Look("cat"))

    assert learn_edits(watched, look) == ()
    assert set(watched.directions) == {"red", "blue"}
    for name, direction in watched.directions.items():
        assert torch.equal(direction.d, alone.directions[name].d)
    watched.wear(None)


def test_the_edits_that_the_album_goes_along_with_come_first(stage: Stage) -> None:
    stage = taught(stage, attributes=Colours())
    learn_edits(stage, lambda share: None)
    held = [edit.held for edit in known_edits(stage)]
    assert held == sorted((stage.held("cat", name) for name in stage.directions), reverse=True)
    nobody = taught(stage)
    nobody.personas, nobody.directions = {}, stage.directions
    assert [edit.held for edit in known_edits(nobody)] == [None, None]


def test_nothing_is_learned_where_nothing_can_be_told(stage: Stage) -> None:
    with pytest.raises(InputError, match="nothing reads attributes in its pictures"):
        learn_edits(stage, lambda share: None)
