"""The bundled distances, the judge of identity and the attributes."""

import pytest
import torch
from torch.nn import functional as F

from gpk.camera import Camera
from gpk.judges import Attributes, FeatureDistance
from gpk_bench.verification import verification
from gpk_minicat.attributes import load_attributes, meaning
from gpk_minicat.cameras import noise_of, random_cameras
from gpk_minicat.convnet import ConvNet, ResNet, folded
from gpk_minicat.distance import Distance, differences, load_distance
from gpk_minicat.identity import load_identity
from gpk_minicat.parameters import PRIOR, from_noise
from gpk_minicat.perceptual import load_perceptual
from gpk_minicat.readings import READINGS, explained, readings
from gpk_minicat.render import coats, layers, render
from gpk_minicat.traits import ALL_TRAITS, Trait, individual, photos_of, with_traits
from gpk_prior.distortions import blurred, noisy, quantised, shifted, warmer
from gpk_prior.examination import squared_error


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    params = from_noise(torch.randn(4, len(PRIOR), generator=seeded()))
    return render(params, random_cameras(4, seeded()), 64).image


@pytest.fixture(scope="module", params=[load_distance, load_perceptual])
def distance(request: pytest.FixtureRequest) -> Distance:
    return request.param()


def test_a_picture_has_no_distance_from_itself(distance: Distance, photos: torch.Tensor) -> None:
    assert torch.equal(distance(photos, photos), torch.zeros(4))
    torch.testing.assert_close(distance(photos, photos.flip(0)), distance(photos.flip(0), photos))


def test_distances_see_each_picture_once(distance: Distance, photos: torch.Tensor) -> None:
    assert isinstance(distance, FeatureDistance)
    between = distance.between(distance.features(photos), distance.features(photos.flip(0)))
    torch.testing.assert_close(distance(photos, photos.flip(0)), between)


def test_more_of_a_distortion_is_further_away(distance: Distance, photos: torch.Tensor) -> None:
    for worse in (
        [blurred(photos, sigma) for sigma in (0.5, 1.0, 2.0, 4.0)],
        [noisy(photos, sigma, seeded()) for sigma in (0.02, 0.1, 0.3)],
        [shifted(photos, pixels) for pixels in (0.5, 1.0, 2.0)],
        [warmer(photos, amount) for amount in (0.1, 0.2, 0.4)],
        [quantised(photos, step) for step in (0.1, 0.3, 0.9)],
    ):
        distances = torch.stack([distance(photos, image) for image in worse])
        assert (distances.diff(dim=0) > 0).all()
        assert (distances[0] > 0).all()


@pytest.mark.parametrize("trait", ALL_TRAITS)
def test_a_trait_costs_more_than_what_nobody_sees(distance: Distance, trait: Trait) -> None:
    cats = torch.cat([individual(seeded(seed)) for seed in range(8)])
    cameras = random_cameras(8, seeded())
    photo, changed = (render(params, cameras, 64).image for params in (cats, with_traits(cats, [trait])))
    far = distance(photo, changed)
    assert (far > distance(photo, noisy(photo, 0.02, seeded()))).all()
    assert far.mean() > distance(photo, shifted(photo, 0.5)).mean()
    # Mean squared error has it the other way round for eyes: they are few pixels.
    if trait == "odd-eyes":
        assert squared_error(photo, changed).mean() < squared_error(photo, shifted(photo, 0.5)).mean()


def test_distances_have_finite_gradients_even_where_nothing_differs(distance: Distance, photos: torch.Tensor) -> None:
    for picture in (photos, torch.zeros_like(photos), -torch.ones_like(photos)):
        image = picture.clone().requires_grad_()
        distance(image, picture).sum().backward()
        assert image.grad is not None
        assert torch.isfinite(image.grad).all()
    image = torch.zeros_like(photos).requires_grad_()
    distance(image, photos).sum().backward()
    assert image.grad is not None
    assert torch.isfinite(image.grad).all()
    assert (image.grad.flatten(1).norm(dim=1) > 0).all()


def test_places_where_no_feature_fires_have_finite_gradients() -> None:
    silent = torch.zeros(1, 4, 2, 2).requires_grad_()
    differences([silent], [torch.ones(1, 4, 2, 2)]).sum().backward()
    assert silent.grad is not None
    assert torch.isfinite(silent.grad).all()


def test_the_distance_that_reports_shares_nothing_with_the_one_in_the_loss() -> None:
    loss, report = load_distance(), load_perceptual()
    assert {type(loss.features), type(report.features)} == {ConvNet, ResNet}
    theirs = [value.flatten() for value in report.state_dict().values()]
    for value in loss.state_dict().values():
        same = [other for other in theirs if len(other) == value.numel() and torch.allclose(other, value.flatten())]
        assert not same


@pytest.mark.parametrize("side", [32, 128])
def test_any_side_will_do(photos: torch.Tensor, side: int) -> None:
    image = F.interpolate(photos, (side, side), mode="bilinear", antialias=True)
    assert load_distance()(image, image.flip(3)).shape == (4,)
    assert load_perceptual()(image, image.flip(3)).shape == (4,)
    features = load_identity()(image)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(4))


def test_the_judge_verifies_individuals_that_it_never_saw() -> None:
    judge, rng = load_identity(), seeded(99)
    cats = torch.cat([photos_of(individual(rng), 4, rng) for _ in range(24)])
    with torch.no_grad():
        features = judge(render(cats, random_cameras(len(cats), rng), 64).image)
    facts = verification(features, torch.arange(24).repeat_interleave(4))
    assert facts["accuracy"] >= 0.98
    assert facts["cosine_same"] > facts["cosine_other"] + 0.5


Shown = tuple[torch.Tensor, Camera, torch.Tensor]


@pytest.fixture(scope="module")
def pairs() -> Shown:
    """Two photos of each of 24 cats: parameters, cameras, and what the judge sees in them."""
    rng = seeded(98)
    cats = torch.cat([photos_of(individual(rng), 2, rng) for _ in range(24)])
    cameras = random_cameras(len(cats), rng)
    with torch.no_grad():
        return cats, cameras, load_identity()(render(cats, cameras, 64).image)


@pytest.mark.parametrize("trait", ALL_TRAITS)
def test_twins_are_further_from_each_other_than_photos_of_one_cat(trait: Trait, pairs: Shown) -> None:
    cats, cameras, plain = pairs
    with torch.no_grad():
        twin = load_identity()(render(with_traits(cats, [trait]), cameras, 64).image)
    same, other = (plain[::2] * plain[1::2]).sum(1), (plain[::2] * twin[1::2]).sum(1)
    assert (other < same).float().mean() > 0.9
    assert other.mean() < same.mean() - 0.15


@pytest.mark.parametrize(
    "network", [ConvNet((8, 16), convolutions=(1, 2), normalised=True), ResNet((8, 12, 16), normalised=True)]
)
def test_folding_keeps_what_a_network_says(network: ConvNet | ResNet, photos: torch.Tensor) -> None:
    for _ in range(3):
        network(photos + 0.5)  # so that the normalisation has statistics of its own
    network.eval()
    plain = folded(network)
    for mine, theirs in zip(plain(photos), network(photos), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
    assert not any("normal" in key for key in plain.state_dict())
    assert any("normal" in key for key in network.state_dict())


def test_coats_are_what_rendering_each_gives() -> None:
    cat, camera = individual(seeded(3)), random_cameras(1, seeded())
    variants = [cat, with_traits(cat, ["odd-eyes"]), with_traits(cat, ["eye-patch"])]
    for coat, params in zip(coats(variants, camera, 64), variants, strict=True):
        for mine, theirs in zip(coat, layers(params, camera, 64), strict=True):
            assert torch.equal(mine, theirs)


def test_differences_by_hand() -> None:
    a, b = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    a[0, 0], b[0, 1, :, 0], b[0, 0, :, 1] = (
        3.0,
        5.0,
        9.0,
    )  # at the first place they differ, at the second in length alone
    torch.testing.assert_close(differences([a], [b]), torch.tensor([[0.5, 0.5]]), atol=1e-4, rtol=0)


def test_what_a_picture_shows_is_read() -> None:
    reader = load_attributes()
    assert isinstance(reader, Attributes)
    assert reader.names == READINGS
    params = from_noise(torch.randn(48, len(PRIOR), generator=seeded(77)))
    camera = random_cameras(48, seeded(77))
    with torch.no_grad():
        r2 = explained(readings(params, camera), reader(render(params, camera, 64).image))
    assert min(r2[name] for name in ("light", "openness", "smile", "yaw", "fur_light", "red")) > 0.85
    assert not any(parameter.requires_grad for parameter in reader.parameters())


def test_what_noise_means_is_what_its_cat_shows() -> None:
    z = torch.randn(6, len(PRIOR), generator=seeded(3))
    camera = random_cameras(6, seeded(3))
    shown = dict(zip(READINGS, readings(from_noise(z), camera).unbind(1), strict=True))
    known = meaning(z)
    assert tuple(known) == PRIOR
    for name, places in known.items():
        torch.testing.assert_close(places, shown[name])
    seen = meaning(noise_of(z, camera))
    assert tuple(seen) == (*PRIOR, "yaw", "pitch")
    torch.testing.assert_close(seen["yaw"], shown["yaw"], atol=0.02, rtol=0)  # noise leaves out the ends of its range
    torch.testing.assert_close(seen["pitch"], shown["pitch"], atol=0.05, rtol=0)
