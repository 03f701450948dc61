"""The bundled distance and the judge of identity, and their recipes."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from gpk_minicat.distance import Distance, load_distance
from gpk_minicat.identity import contrast, load_identity
from gpk_minicat.individuals import PHOTOS, Individuals, render_individuals
from gpk_minicat.parameters import IDENTITY, NAMES, PRIOR, from_noise
from gpk_minicat.pictures import random_cameras
from gpk_minicat.render import render
from gpk_minicat.train_judges import JudgeRecipe, train_distance, train_identity, verification
from gpk_minicat.traits import individual, photos_of


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    params = from_noise(torch.randn(4, len(PRIOR), generator=seeded()))
    return render(params, random_cameras(4, seeded()), 64).image


def blurred(image: torch.Tensor, times: int) -> torch.Tensor:
    for _ in range(times):
        image = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return image


def test_a_picture_has_no_distance_from_itself(photos: torch.Tensor) -> None:
    distance = load_distance()
    assert torch.equal(distance(photos, photos), torch.zeros(4))
    torch.testing.assert_close(distance(photos, photos.flip(0)), distance(photos.flip(0), photos))


def test_more_blur_and_more_noise_are_further_away(photos: torch.Tensor) -> None:
    distance = load_distance()
    noise = torch.randn(photos.shape, generator=seeded())
    for worse in ([blurred(photos, n) for n in (1, 2, 4, 8)], [photos + s * noise for s in (0.02, 0.1, 0.3)]):
        distances = torch.stack([distance(photos, image) for image in worse])
        assert (distances.diff(dim=0) > 0).all()
        assert (distances[0] > 0).all()


def test_the_distance_has_finite_gradients_even_where_nothing_differs(photos: torch.Tensor) -> None:
    image = photos.clone().requires_grad_()
    load_distance()(image, photos).sum().backward()
    assert image.grad is not None
    assert torch.isfinite(image.grad).all()


@pytest.mark.parametrize("side", [32, 128])
def test_any_side_will_do(photos: torch.Tensor, side: int) -> None:
    image = F.interpolate(photos, (side, side), mode="bilinear", antialias=True)
    assert load_distance()(image, image.flip(3)).shape == (4,)
    features = load_identity()(image)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(4))


def test_the_judge_knows_an_individual_again() -> None:
    judge, rng = load_identity(), seeded(99)
    cats = torch.cat([photos_of(individual(rng), 4, rng) for _ in range(8)])
    features = judge(render(cats, random_cameras(32, rng), 64).image)
    facts = verification(features, torch.arange(8).repeat_interleave(4))
    assert facts["auc"] > 0.9  # type: ignore[operator]
    assert facts["cosine_same"] > facts["cosine_other"] + 0.3  # type: ignore[operator]


def test_verification_of_known_features() -> None:
    who = torch.tensor([0, 0, 1, 1])
    perfect = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    facts = verification(perfect, who)
    assert facts["auc"] == facts["accuracy"] == facts["rank1"] == facts["cosine_same"] == 1
    assert facts["cosine_other"] == 0


def test_contrast_is_least_where_individuals_are_apart() -> None:
    who = torch.tensor([0, 0, 1, 1])
    apart = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    mixed = apart[[0, 2, 1, 3]]
    assert contrast(apart, who) < contrast(mixed, who)


def test_individuals_share_their_identity_over_their_photos(tmp_path: Path) -> None:
    individuals = Individuals([render_individuals(tmp_path, 0, 0, cats=3)])
    assert len(individuals) == 3
    batch = individuals.batch(2, 4, seeded())
    assert batch.image.shape == (8, 3, 64, 64)
    kept = [NAMES.index(name) for name in IDENTITY]
    for k in range(2):
        photos = batch.params[4 * k : 4 * k + 4]
        assert torch.equal(photos[:, kept], photos[:1, kept].expand(4, -1))
        assert len(batch.who[4 * k : 4 * k + 4].unique()) == 1
    assert individuals.all().image.shape[0] == 3 * PHOTOS


def test_recipes_write_weights_that_load(tmp_path: Path) -> None:
    for index in range(2):
        render_individuals(tmp_path, 0, index, cats=2)
    recipe = JudgeRecipe(shards=2, steps=2)
    steps: list[int] = []
    weights = tmp_path / "distance.safetensors"
    facts = train_distance(tmp_path, recipe, weights=weights, report=lambda step, *_: steps.append(step))
    assert steps == [1, 2]
    assert set(facts["r2"]) == {*NAMES, "yaw", "pitch"}  # type: ignore[arg-type]
    assert isinstance(load_distance(weights), Distance)
    again = train_distance(tmp_path, recipe, weights=tmp_path / "again.safetensors")
    assert again["r2"] == facts["r2"]
    judge = tmp_path / "identity.safetensors"
    assert "auc" in train_identity(tmp_path, recipe, weights=judge)
    load_identity(judge)
