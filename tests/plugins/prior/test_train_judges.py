"""The recipes of the distances, of the attributes and of the judge of identity, and their examination."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from gpk.errors import RunError
from gpk_bench.verification import verification
from gpk_minicat.attributes import load_attributes
from gpk_minicat.cameras import random_cameras
from gpk_minicat.distance import load_distance
from gpk_minicat.identity import FEATURES, load_identity
from gpk_minicat.parameters import IDENTITY, NAMES, PRIOR, from_noise
from gpk_minicat.perceptual import load_perceptual
from gpk_minicat.readings import READINGS, explained, readings
from gpk_minicat.render import Photo, render
from gpk_minicat.traits import ALL_TRAITS, with_traits
from gpk_prior.distortions import blurred, brighter, noisy, quantised, shifted, turned, warmer, worn
from gpk_prior.examination import FITTED, ORDERS, Exhibits, examine, exhibits, grade, squared_error
from gpk_prior.individuals import PHOTOS, SETS, Individuals, render_individuals
from gpk_prior.judgements import agreement, judgements, weigh
from gpk_prior.margin import Centres, margin_loss
from gpk_prior.pictures import render_shard
from gpk_prior.ranking import ladder, orders, ranked
from gpk_prior.train_judges import JUDGES, RECIPES, JudgeName, JudgeRecipe, train_judge
from gpk_prior.verification import told_apart, twin_cosines


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    params = from_noise(torch.randn(4, len(PRIOR), generator=seeded()))
    return render(params, random_cameras(4, seeded()), 64).image


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with two tiny shards of individuals and one of the prior's pictures."""
    work = tmp_path_factory.mktemp("judges")
    for index in range(2):
        render_individuals(work, 0, index, cats=3)
    render_shard(work, 0, 0, count=8)
    return work


def test_the_recipes_of_both_distances_share_no_picture() -> None:
    one, other = RECIPES["distance"], RECIPES["perceptual"]
    assert one.seed != other.seed
    shown = [set(range(r.first_picture, r.first_picture + r.pictures)) for r in (one, other)]
    assert not shown[0] & shown[1]


def test_the_margin_loss_by_hand() -> None:
    # One photo at 30 degrees from its own centre, and so at 60 from the other; the margin makes 30 into 50.
    features = torch.tensor([[math.cos(math.pi / 6), math.sin(math.pi / 6)]])
    loss = margin_loss(features, torch.tensor([[3.0, 0], [0, 0.5]]), torch.tensor([0]), scale=4, margin=math.pi / 9)
    own, other = (math.exp(4 * math.cos(math.radians(angle))) for angle in (50, 60))
    assert loss.item() == pytest.approx(-math.log(own / (own + other)), rel=1e-5)


def test_without_margin_and_scale_it_is_softmax_cross_entropy_of_cosines() -> None:
    features, centres = (
        F.normalize(torch.randn(6, 5, generator=seeded()), dim=1),
        torch.randn(4, 5, generator=seeded(1)),
    )
    who = torch.tensor([0, 1, 2, 3, 3, 0])
    cosines = torch.stack([F.cosine_similarity(features, centre[None]) for centre in centres], 1)
    torch.testing.assert_close(margin_loss(features, centres, who, scale=1, margin=0), F.cross_entropy(cosines, who))


def test_the_margin_loss_has_finite_gradients_at_a_centre_and_opposite_to_it() -> None:
    centres = torch.eye(2).requires_grad_()
    for place in ([1.0, 0], [1.0 + 1e-6, 0], [-1.0, 0]):  # rounding makes cosines greater than one
        features = torch.tensor([place]).requires_grad_()
        margin_loss(features, centres, torch.tensor([0])).backward()
        assert features.grad is not None
        assert torch.isfinite(features.grad).all()


def test_a_twins_centre_is_its_cats_moved_alike_for_every_cat() -> None:
    centres = Centres(3)
    every = centres().unflatten(0, (3, len(SETS)))
    assert every.shape == (3, len(SETS), FEATURES)
    assert torch.equal(every[:, 0], centres.cats)
    for i, traits in enumerate(SETS):
        moved = sum((centres.traits[ALL_TRAITS.index(trait)] for trait in traits), torch.zeros(FEATURES))
        torch.testing.assert_close(every[:, i], centres.cats + moved)


def test_verification_of_known_features() -> None:
    who = torch.tensor([0, 0, 1, 1])
    perfect = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    facts = verification(perfect, who)
    assert facts["auc"] == facts["accuracy"] == facts["rank1"] == facts["cosine_same"] == 1
    assert facts["cosine_other"] == 0


def test_twins_told_apart_by_known_cosines() -> None:
    facts = told_apart(torch.tensor([0.9, 0.8, 0.7, 0.2]), torch.tensor([0.6, 0.5, 0.1, 0.75]), 0.3)
    assert facts["accuracy"] == (0.75 + 0.25) / 2
    assert facts["twins_rejected"] == 0.25
    assert facts["best_accuracy"] == 0.75
    assert facts["best_threshold"] == pytest.approx(0.7)


def test_twin_cosines_compare_other_photos_of_seen_views_only() -> None:
    # One individual, three photos, two sets of traits: features are unit vectors that name photo and set.
    angle = torch.tensor([[0.0, 1.0], [0.1, 1.3], [0.3, 1.7]])
    features = torch.stack([angle.cos(), angle.sin()], -1)[None]
    same, twins = twin_cosines(features, 1, torch.tensor([[True, False, True]]))
    torch.testing.assert_close(same, torch.tensor([0.3, 0.7]).cos())
    torch.testing.assert_close(twins, torch.tensor([1.7, 0.7]).cos())


def test_rank_correlation_of_known_distances() -> None:
    distances = torch.tensor([[1.0, 4, 1, 5], [2, 3, 1, 6], [3, 2, 1, 8], [4, 1, 1, 7]])
    torch.testing.assert_close(ranked(distances), torch.tensor([1.0, -1, 0, 0.8]))
    tied = ranked(torch.tensor([[1.0], [2], [2], [3]]))
    torch.testing.assert_close(tied, torch.tensor([math.sqrt(0.9)]))


def test_ladders_and_orders_of_known_distances() -> None:
    facts = ladder([1, 2, 3], torch.tensor([[1.0, 1], [2, 3], [3, 2.5]]))
    assert facts == {
        "strengths": [1, 2, 3],
        "distances": [1.0, 2.5, 2.75],
        "grows": True,
        "spearman": 0.75,
        "photos_growing": 0.5,
    }
    assert ladder([1, 2], torch.tensor([[2.0], [1.0]]))["grows"] is False
    nan = float("nan")
    distances = {"a": torch.tensor([1.0, 2, 3, 4]), "b": torch.tensor([2.0, 1, nan, 5])}
    assert orders(distances, [("a", "b"), ("b", "a")]) == {"a < b": 0.667, "b < a": 0.333}


def test_distortions_of_no_strength_change_nothing(photos: torch.Tensor) -> None:
    for distort in (blurred, shifted, brighter, warmer, turned, quantised):
        torch.testing.assert_close(distort(photos, 0.0), photos, atol=5e-5, rtol=0)
    torch.testing.assert_close(noisy(photos, 0.0, seeded()), photos)


def test_distortions_do_what_they_say(photos: torch.Tensor) -> None:
    inner = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    moved = shifted(photos, 2 * math.sqrt(2))
    torch.testing.assert_close(moved[inner], photos.roll((2, 2), (2, 3))[inner], atol=1e-4, rtol=0)
    rows = torch.linspace(-0.5, 0.5, 64)[None, None, :, None].expand(1, 3, 64, 64)
    torch.testing.assert_close(blurred(rows, 1.0)[inner], rows[inner], atol=1e-5, rtol=0)  # a blur keeps ramps
    red = torch.tensor([0.5, -0.5, -0.5])[None, :, None, None].expand(1, 3, 8, 8)
    torch.testing.assert_close(turned(red, 120.0), red.roll(1, 1), atol=1e-5, rtol=0)
    assert quantised(photos, 0.5).flatten(2).std() < photos.flatten(2).std() * 1.1
    assert len(quantised(photos, 100.0).unique()) == 1  # every coefficient is rounded to nothing: plain grey
    with pytest.raises(ValueError, match="60 by 60 cannot be cut into blocks of 8"):
        quantised(photos[..., :60, :60], 0.1)
    once, again = worn(photos, seeded()), worn(photos, seeded())
    assert once.shape == photos.shape
    assert torch.equal(once, again)


def test_individuals_share_their_identity_over_their_photos(shards: Path) -> None:
    individuals = Individuals([render_individuals(shards, 0, 0)])
    assert len(individuals) == 3
    batch = individuals.batch(2, 4, seeded(), twins=3)
    assert batch.image.shape == (24, 3, 64, 64)
    kept = [NAMES.index(name) for name in IDENTITY]
    for k in range(2):
        mine = slice(12 * k, 12 * k + 12)
        assert torch.equal(batch.params[mine][:, kept], batch.params[12 * k, kept].expand(12, -1))
        assert batch.who[mine].unique_consecutive(return_counts=True)[1].tolist() == [4, 4, 4]
    assert len(batch.params[:, NAMES.index("red")].unique()) == 24


def test_twins_differ_in_their_traits_alone(shards: Path) -> None:
    individuals = Individuals([render_individuals(shards, 0, 0)])
    everyone = individuals.take(torch.full((len(SETS),), PHOTOS + 1), torch.arange(len(SETS)))
    assert everyone.who.tolist() == list(range(len(SETS), 2 * len(SETS)))
    plain = everyone.params[:1].clone()
    for i, traits in enumerate(SETS):
        assert torch.equal(everyone.params[i : i + 1], with_traits(plain, list(traits)))
    truth: Photo = render(everyone.params, everyone.camera, 64)
    torch.testing.assert_close(everyone.image, truth.image, atol=0.02, rtol=0)  # bytes, before the background


def test_readings_name_both_eyes(shards: Path) -> None:
    individuals = Individuals([render_individuals(shards, 0, 0)])
    even, odd = (individuals.take(torch.zeros(1, dtype=torch.long), torch.tensor([i])) for i in (0, 2))
    read = {
        traits: dict(zip(READINGS, readings(who.params, who.camera)[0].tolist(), strict=True))
        for traits, who in (("even", even), ("odd", odd))
    }
    assert read["even"]["left_eye_red"] == read["even"]["right_eye_red"] == read["odd"]["right_eye_red"]
    assert read["odd"]["left_eye_red"] != read["even"]["left_eye_red"]
    wanted = torch.randn(50, len(READINGS), generator=seeded())
    assert set(explained(wanted, wanted).values()) == {1.0}
    assert explained(wanted, wanted.mean(0).expand_as(wanted))["nose"] == pytest.approx(0, abs=1e-3)


def test_weights_follow_the_judgements() -> None:
    # The first channel says the truth, the second the contrary, the third nothing.
    near, far = torch.tensor([[0.1, 0.5, 0.3]]).repeat(20, 1), torch.tensor([[0.4, 0.1, 0.3]]).repeat(20, 1)
    weights = weigh(near, far)
    assert weights[0] > weights[2] > weights[1] > 0
    assert agreement(near, far, torch.ones(3)) == 0
    assert agreement(near, far, weights) == 1


def test_judgements_compare_channels_of_near_and_far_copies(shards: Path) -> None:
    network = load_distance().features
    individuals = Individuals([render_individuals(shards, 0, 0)])
    with torch.no_grad():
        near, far, other = judgements(network, individuals, 3, seeded())
    channels = sum(network.widths)
    assert near.shape == far.shape
    assert near.shape[1] == channels
    assert other.shape == (3, channels)
    assert (near >= 0).all()


def test_grades_of_a_distance_that_is_right_by_construction(shards: Path) -> None:
    individuals = Individuals([render_individuals(shards, 0, 0)])
    with torch.no_grad():
        shown = exhibits(individuals, 3, seeded())
    facts = grade(squared_error, shown)
    kinds = facts["kinds"]
    assert isinstance(kinds, dict)
    assert set(kinds) == set(shown.copies)
    assert set(FITTED) < set(kinds)
    for facts_of in kinds.values():
        assert facts_of["grows"]
    order = facts["order"]
    assert isinstance(order, dict)
    assert len(order) == len(ORDERS)
    grey = Exhibits(shown.photo * 0, {kind: dict(copies) for kind, copies in shown.copies.items()}, shown.other)
    assert grade(squared_error, grey) != facts


def test_the_examination_is_whole(shards: Path) -> None:
    facts = examine(shards, {"mse": squared_error}, load_identity(), load_attributes(), seed=0, photos=2)
    assert facts["individuals"] == 3
    read = facts["attributes"]
    assert isinstance(read, dict)
    assert tuple(read) == READINGS
    assert read["light"] > 0.9
    recognised = facts["identity"]
    assert isinstance(recognised, dict)
    assert set(recognised["twins"]["all"]) == set(ALL_TRAITS)
    assert set(recognised["twins"]) == {"all", "front"}
    soft = [figures["cosine_same"] for figures in recognised["blurred"].values()]
    assert soft == sorted(soft, reverse=True)


TINY = JudgeRecipe(shards=2, pictures=1, steps=2, batch=12, judgements=2)


@pytest.mark.parametrize("judge", JUDGES)
def test_recipes_write_weights_that_load_and_go_on_where_they_stopped(
    judge: JudgeName, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = {
        "distance": load_distance,
        "perceptual": load_perceptual,
        "attributes": load_attributes,
        "identity": load_identity,
    }[judge]
    trained = "perceptual" if judge == "attributes" else judge
    state, weights = shards / f"state-{trained}.safetensors", shards / f"{judge}.safetensors"
    state.unlink(missing_ok=True)
    monkeypatch.setattr("gpk_prior.learning.SAVE_EVERY", 1)
    steps: list[int] = []

    def stop_at_one(step: int, total: int, loss: float) -> None:
        steps.append(step)
        if total == 2 and len(steps) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_judge(judge, shards, TINY, weights=weights, report=stop_at_one)
    facts = train_judge(judge, shards, TINY, weights=weights, report=stop_at_one)
    assert steps == [1, 2]
    stopped = load(weights).state_dict()
    with pytest.raises(RunError, match="of a training with other settings"):
        train_judge(judge, shards, dataclasses.replace(TINY, rate=1.0), weights=weights)
    state.unlink()
    again = train_judge(judge, shards, TINY, weights=weights)
    for key, value in load(weights).state_dict().items():
        assert torch.equal(value, stopped[key])
    assert {k: v for k, v in facts.items() if k != "seconds"} == {k: v for k, v in again.items() if k != "seconds"}
    if judge != "identity":
        assert set(facts["r2"]) == set(READINGS)  # type: ignore[arg-type]


def test_the_attributes_are_the_reader_of_the_reporting_distance(shards: Path) -> None:
    assert RECIPES["attributes"] == RECIPES["perceptual"]
    steps: list[int] = []

    def report(step: int, total: int, loss: float) -> None:
        steps.append(step)

    (shards / "state-perceptual.safetensors").unlink(missing_ok=True)
    train_judge("perceptual", shards, TINY, weights=shards / "p", report=report)
    train_judge("attributes", shards, TINY, weights=shards / "a", report=report)
    assert steps == [1, 2]
    features = load_perceptual(shards / "p").features.state_dict()
    for key, value in load_attributes(shards / "a").features.state_dict().items():
        assert torch.equal(value, features[key])
    bundled = load_perceptual().features.state_dict()
    assert all(torch.equal(value, bundled[key]) for key, value in load_attributes().features.state_dict().items())
