"""What each block's changes do: nothing where there are none, everything where there are no others; and what follows
over several subjects."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.attach import attached, is_attached
from gpk.context import Context
from gpk.errors import InputError, RunError
from gpk.generator import fingerprint
from gpk.latents import anchors_as_ws
from gpk.lowrank import LoRA
from gpk_runs.run import Run
from gpk_tasks.analyze.ablation import Ablator, Effect, blocks_of
from gpk_tasks.analyze.analyze import Studied, Subject, Trial, analyze
from gpk_tasks.analyze.files import HEADINGS, to_csv, to_json, write_files
from gpk_tasks.analyze.layers import agreement, effects, groups, stats, suggestion
from gpk_tasks.analyze.settings import Analysis

FRONT = (0.0,)
GROUPS = ("block", "part", "kind", "site")


class Means(nn.Module):
    """A judge: the picture's colours in four quarters, as a unit vector."""

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(F.adaptive_avg_pool2d(images, 2).flatten(1), dim=1)


@pytest.fixture
def judged(subject: Context) -> Context:
    return replace(subject, judge=Means())


def ablator(context: Context, count: int = 2) -> Ablator:
    assert context.persona is not None
    return Ablator(context, context.persona, count=count, yaw=FRONT)


def test_the_whole_persona_is_at_no_distance_from_itself(judged: Context) -> None:
    found = ablator(judged).effect()
    assert found.distance == 0
    assert found.id_sim == pytest.approx(1)


def test_without_any_change_it_is_the_pretrained_generator(judged: Context) -> None:
    persona = judged.persona
    assert persona is not None
    w = anchors_as_ws(persona.anchors, judged.generator.latent.num_ws)[[0, 4]]
    with torch.no_grad():
        before = judged.generator(w).image
        with attached(judged.generator, persona):
            after = judged.generator(w).image
    found = ablator(judged).effect(())
    assert found.distance == pytest.approx((before - after).abs().mean().item(), rel=1e-4)
    assert found.id_sim is not None
    assert found.id_sim < 1


def test_blocks_hold_every_change_once(subject: Context) -> None:
    assert subject.persona is not None
    keys = [key for keys in blocks_of(subject.persona, subject).values() for key in keys]
    assert sorted(keys) == sorted(subject.persona.changes)


def test_a_block_that_changes_nothing_does_nothing(judged: Context) -> None:
    persona = judged.persona
    assert persona is not None
    blocks = blocks_of(persona, judged)
    idle, busy, *_ = blocks
    with torch.no_grad():
        for key in blocks[idle]:
            for parameter in persona.changes[key].parameters():
                parameter.zero_()
    taking = ablator(judged)
    assert taking.effect(persona.changes.keys() - set(blocks[idle])).distance == 0
    assert taking.effect(blocks[idle]) == taking.effect(())
    assert taking.effect(persona.changes.keys() - set(blocks[busy])).distance > 0


def test_trying_leaves_the_generator_as_it_was(judged: Context) -> None:
    before = fingerprint(judged.generator)
    ablator(judged).effect(())
    assert not is_attached(judged.generator)
    assert fingerprint(judged.generator) == before


def studied(context: Context, folder: Path, *, names: tuple[str, ...] = ("a", "b"), **settings: Any) -> list[Studied]:
    """An analysis of the context's persona under several names."""
    assert context.persona is not None
    who = Subject("", context.persona, context.generator, context)
    subjects = [(name, lambda n=name: replace(who, name=n)) for name in names]
    with Run.open(folder, {}) as run:
        return analyze(subjects, Analysis(anchors=2, yaw=FRONT, **settings), run)


def test_what_was_tried_is_not_tried_again(judged: Context, tmp_path: Path) -> None:
    first = studied(judged, tmp_path / "whole")
    half = studied(judged, tmp_path / "parts", names=("a",))
    log = tmp_path / "parts" / "log.jsonl"
    before = len(log.read_bytes().splitlines())
    assert half == first[:1]
    assert studied(judged, tmp_path / "parts") == first
    assert len(log.read_bytes().splitlines()) == 2 * before
    assert studied(judged, tmp_path / "parts") == first
    assert len(log.read_bytes().splitlines()) == 2 * before


def test_a_trial_takes_blocks_away_and_shows_them_alone(judged: Context, tmp_path: Path) -> None:
    persona, trial = judged.persona, studied(judged, tmp_path, names=("a",))[0].trial
    assert persona is not None
    assert trial is not None
    taking, blocks = ablator(judged), blocks_of(persona, judged)
    assert list(trial.without) == list(trial.alone) == list(blocks)
    block, keys = next(iter(blocks.items()))
    others = [key for each in blocks if each != block for key in blocks[each]]
    assert (trial.without[block], trial.alone[block]) == (taking.effect(others), taking.effect(keys))
    assert (trial.pretrained, trial.whole) == (taking.effect(()), taking.effect())


def test_subjects_are_told_together(judged: Context, tmp_path: Path) -> None:
    found = studied(judged, tmp_path)
    assert found[0].trial is not None
    assert found[0].trial.alike_to == "what the whole persona shows"
    for group in groups(found, "block").values():
        assert group.percent is not None
        assert (group.percent.subjects, group.percent.variance) == (2, 0)
        assert group.percent.least == group.percent.mean == group.percent.greatest
    for effect in effects(found).values():
        assert effect.lost_distance is not None
        assert effect.lost_distance.mean > 0


def test_statistics_are_those_of_the_known() -> None:
    found = stats([1.0, None, 3.0])
    assert found is not None
    assert (found.mean, found.variance, found.least, found.greatest, found.subjects) == (2, 2, 1, 3, 2)
    assert stats([None]) is None


def effect(distance: float, id_sim: float | None = None) -> Effect:
    return Effect(distance, id_sim)


def test_agreement_is_between_the_size_and_the_effect(judged: Context, tmp_path: Path) -> None:
    found = studied(judged, tmp_path, names=("a",), check=False)[0]
    percents = {name: group.percent for name, group in groups([found], "block").items() if group.tuned}
    ranked = sorted(percents, key=lambda name: percents[name].mean)  # pyright: ignore[reportOptionalMemberAccess]
    without = {name: effect(0.1 * (place + 1)) for place, name in enumerate(ranked)}
    alone = {name: effect(0.1 * (place + 1)) for place, name in enumerate(ranked)}
    trial = Trial(effect(1.0), effect(0.0), without, alone, None)
    told = agreement([replace(found, trial=trial)])
    assert told == {"lost_distance": pytest.approx(1.0), "gained_distance": pytest.approx(-1.0)}
    assert agreement([found]) == {}


@pytest.mark.parametrize("check", [True, False])
def test_suggested_ranks_keep_to_the_budget(judged: Context, tmp_path: Path, check: bool) -> None:
    found = studied(judged, tmp_path, names=("a",), check=check)
    assert judged.persona is not None
    lora = [change for change in judged.persona.changes.values() if isinstance(change, LoRA)]
    numbers = sum(p.numel() for change in lora for p in change.parameters())
    for budget in (0.3, 1.0):
        ranks = suggestion(found, budget=budget)
        assert ranks is not None
        assert ranks.numbers <= budget * numbers
    assert ranks.numbers == numbers
    assert ranks.kept == pytest.approx(1)


def test_without_weights_nothing_is_shown_and_nothing_suggested(judged: Context, tmp_path: Path) -> None:
    persona = judged.persona
    assert persona is not None
    with Run.open(tmp_path, {}) as run:
        (found,) = analyze([("a", lambda: Subject("a", persona, None, None))], Analysis(), run)
    assert (found.placed, found.trial) == (False, None)
    assert suggestion([found], budget=0.5) is None
    assert all(group.percent is None for group in groups([found], "site").values())


def test_files_say_what_was_found(judged: Context, tmp_path: Path) -> None:
    settings = Analysis(anchors=2, yaw=FRONT)
    found = studied(judged, tmp_path)
    assert write_files(tmp_path, found, settings, GROUPS) == ("layers.json", "layers.csv", "ranks.yaml")
    plain = json.loads((tmp_path / "layers.json").read_text())
    assert plain == json.loads(json.dumps(to_json(found, settings, GROUPS)))
    assert set(plain["groups"]) == set(GROUPS)
    lines = list(csv.DictReader(io.StringIO(to_csv(found, GROUPS))))
    assert list(lines[0]) == list(HEADINGS)
    blocks = [line for line in lines if line["grouping"] == "block" and line["subject"] == "a" and line["tuned"] != "0"]
    assert found[0].trial is not None
    for line in blocks:
        assert float(line["without_distance"]) == found[0].trial.without[line["name"]].distance
        mean = plain["groups"]["block"][line["name"]]["percent"]["mean"]
        assert float(line["percent"]) == pytest.approx(mean)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"anchors": 0}, "one anchor and one yaw at least"),
        ({"yaw": ()}, "one anchor and one yaw at least"),
        ({"yaw": (20.0,)}, "yaw is in radians"),
        ({"budget": 0.0}, "above 0 and at most 1"),
        ({"budget": 1.5}, "above 0 and at most 1"),
    ],
)
def test_impossible_settings_are_told(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Analysis(**wrong)


@pytest.mark.parametrize("effect", [3, {}, {"distance": "far", "id_sim": None}, {"distance": None, "id_sim": 0.5}])
def test_an_effect_in_the_log_that_is_none_is_refused(tmp_path: Path, effect: object) -> None:
    with Run.open(tmp_path / "run", {}) as run:
        run.record("effect", {"subject": "cat", "what": "whole", "effect": effect})
        with pytest.raises(RunError, match=r"log\.jsonl, line 1: effect.*put the line back"):
            analyze([], Analysis(), run)
