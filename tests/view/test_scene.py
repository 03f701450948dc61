"""What a look shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gpk.attach import attached, is_attached
from gpk.context import Context
from gpk.directions import Direction
from gpk.errors import InputError, PersonaError
from gpk.generator import fingerprint
from gpk.hull import LatentHull
from gpk.persona import Persona
from gpk.seeding import seeded
from gpk_eg3d.network import EG3D
from gpk_tasks.synthesize import draw_prior
from gpk_view.camera import Angles
from gpk_view.scene import Look, Stage, check_one_base, coordinates, random_mix

LOOK = Look("cat", mix=((1, 0.5), (3, 1.5)), angles=Angles(0.3, -0.1))


@pytest.fixture
def persona(subject: Context) -> Persona:
    assert subject.persona is not None
    return subject.persona


@pytest.fixture
def stage(subject: Context, persona: Persona) -> Stage:
    """A stage with one persona, and one direction to edit along."""
    stage = Stage(subject, {"cat": persona})
    d = torch.randn(1, subject.generator.latent.w_dim, generator=seeded(4))
    stage.add_direction(Direction(d, "smile", fingerprint(subject.generator)))
    return stage


def test_a_look_is_the_personas_or_the_pretrained_picture_of_one_code(stage: Stage, persona: Persona) -> None:
    generator = stage.context.generator
    anchors = stage.hull("cat").anchors
    w = (0.25 * anchors[1] + 0.75 * anchors[3])[None]
    camera = generator.orbit(0.3, -0.1)
    shown = stage.pictures(LOOK)
    before = stage.pictures(replace(LOOK, shown="pretrained"))
    both = stage.pictures(replace(LOOK, shown="both"))
    stage.wear(None)
    assert not is_attached(generator)
    with torch.no_grad():
        torch.testing.assert_close(before, generator(w, camera).image)
        with attached(generator, persona):
            torch.testing.assert_close(shown, generator(w, camera).image)
    assert (shown - before).abs().max() > 0.01
    assert torch.equal(both, torch.cat([before, shown]))


def test_the_same_look_is_the_same_picture_whatever_was_looked_at_before(stage: Stage) -> None:
    base = fingerprint(stage.context.generator)
    own, first = stage.pictures(Look(None, seed=5)), stage.pictures(LOOK)
    for other in (
        replace(LOOK, shown="pretrained"),
        Look(None, seed=5),
        replace(LOOK, shown="both"),
        replace(LOOK, mix=((0, 1.0),)),
        replace(LOOK, edits=(("smile", 1.0),)),
    ):
        stage.pictures(other)
    assert torch.equal(stage.pictures(LOOK), first)
    assert torch.equal(stage.pictures(Look(None, seed=5)), own)
    stage.wear(None)
    assert fingerprint(stage.context.generator) == base


def test_the_planes_of_a_code_are_drawn_once_while_it_turns(stage: Stage) -> None:
    generator = stage.context.generator
    if not isinstance(generator, EG3D):
        pytest.skip("a 2D generator has no planes")
    drawn = []
    generator.backbone.synthesis.register_forward_hook(lambda module, given, made: drawn.append(len(made)))
    for yaw in (0.0, 0.1, 0.2):
        stage.pictures(replace(LOOK, angles=Angles(yaw), shown="both"))
    assert drawn == [1, 1]  # as pretrained, and personalized
    stage.pictures(replace(LOOK, mix=((0, 1.0),)))
    assert drawn == [1, 1, 1]


def test_without_a_subject_the_codes_are_the_generators_own(stage: Stage) -> None:
    stage.pictures(LOOK)  # leaves the persona on
    w = stage.code(Look(None, seed=3, truncation=0.5))
    assert torch.equal(w, draw_prior(stage.context.generator, 1, 3, truncation=0.5).w)
    assert not torch.equal(w, stage.code(Look(None, seed=4, truncation=0.5)))
    assert len(stage.pictures(Look(None, shown="both"))) == 1


@pytest.mark.parametrize("beta", [0.0, 0.05])
def test_a_mix_stays_in_the_hull(beta: float) -> None:
    for seed in range(20):
        rng = seeded(seed, "mix")
        numbers = torch.randperm(9, generator=rng)[: 1 + seed % 6].tolist()
        mix = tuple((number, torch.rand(1, generator=rng).item()) for number in numbers)
        alpha = coordinates(9, mix, beta)
        assert alpha.sum().item() == pytest.approx(1, abs=3e-6)
        assert alpha.min() >= -beta - 1e-6
        assert set(alpha.nonzero()[:, 1].tolist()) <= set(numbers)


def test_weights_count_in_proportion() -> None:
    torch.testing.assert_close(coordinates(3, ((0, 2.0), (2, 6.0))), torch.tensor([[0.25, 0, 0.75]]))
    torch.testing.assert_close(coordinates(3, ((0, 0.0), (2, 0.0))), torch.tensor([[0.5, 0, 0.5]]))
    assert torch.equal(coordinates(3, ((1, 1.0),)), torch.tensor([[0.0, 1, 0]]))


@pytest.mark.parametrize("mix", [(), ((3, 1.0),), ((-1, 1.0),), ((0, 1.0), (0, 1.0))])
def test_a_mix_of_what_is_not_there_is_told(mix: tuple[tuple[int, float], ...]) -> None:
    with pytest.raises(InputError, match="a mix is of different anchors, counted from 0 to 2, not of"):
        coordinates(3, mix)


@pytest.mark.parametrize("beta", [0.0, 0.05])
def test_a_random_mix_is_the_point_that_the_hull_drew(beta: float) -> None:
    hull = LatentHull(torch.randn(7, 5, generator=seeded(0)), beta=beta)
    for seed in range(5):
        mix = random_mix(hull, seeded(seed))
        torch.testing.assert_close(coordinates(7, mix, beta), hull.sample(1, seeded(seed)))
        assert len(mix) == 3


def test_an_edit_of_nothing_changes_nothing(stage: Stage) -> None:
    assert torch.equal(stage.code(replace(LOOK, edits=(("smile", 0.0),))), stage.code(LOOK))
    own = Look(None, seed=1)
    assert torch.equal(stage.code(replace(own, edits=(("smile", 0.0),))), stage.code(own))


def test_an_edit_moves_along_its_direction_in_the_hull_or_freely(stage: Stage) -> None:
    edited = replace(LOOK, edits=(("smile", 2.0),))
    w, step = stage.code(LOOK), stage.step("smile")
    freely = stage.code(replace(edited, freely=True))
    torch.testing.assert_close(freely, w + 2 * step)
    within = stage.code(edited) - w
    hull = stage.hull("cat")
    nearest = hull.points(hull.direction(2 * step.expand_as(w)))
    torch.testing.assert_close(within, nearest, atol=1e-4, rtol=1e-4)
    assert stage.held("cat", "smile") == pytest.approx((nearest.norm() / (freely - w).norm()).item(), abs=1e-4)
    torch.testing.assert_close(stage.code(Look(None, edits=(("smile", 2.0),))), stage.code(Look(None)) + 2 * step)
    with pytest.raises(InputError, match="there is no edit 'frown' yet: known are smile"):
        stage.pictures(replace(LOOK, edits=(("frown", 1.0),)))


def test_a_direction_without_a_name_gets_one(stage: Stage) -> None:
    d = torch.ones(1, stage.context.generator.latent.w_dim)
    assert stage.add_direction(Direction(d)) == "direction 2"
    with pytest.raises(InputError, match="the direction belongs to weights ffff"):
        stage.add_direction(Direction(d, "other", "ffff"))


def test_personas_of_two_generators_are_not_shown_together(stage: Stage, persona: Persona) -> None:
    origin = replace(persona.origin, backend="eg3d-ffhq", card="ffhq-512", base="f" * 64)
    stranger = Persona(persona.changes, persona.recipe, origin, persona.anchors, persona.cameras)
    message = r"stranger was made for eg3d-ffhq \(ffhq-512, weights ffffffffffff…\), and cat for small"
    with pytest.raises(PersonaError, match=message):
        Stage(stage.context, {"cat": persona, "stranger": stranger})
    with pytest.raises(PersonaError, match="the persona belongs to weights ffffffffffff"):
        Stage(stage.context, {"stranger": stranger})
    check_one_base({})
