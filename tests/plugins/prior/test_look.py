"""What `examine` shows: measures with known answers, the procedural cats as their own truth, and the pictures."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from gpk.camera import Camera
from gpk.registry import Registry
from gpk.testing.alike import alike
from gpk_checkpoints.weights import load_generator
from gpk_eg3d.network import EG3D
from gpk_minicat.distance import load_distance
from gpk_minicat.identity import load_identity
from gpk_minicat.parameters import NAMES, from_noise
from gpk_minicat.render import Photo
from gpk_minicat.store import save_tensors
from gpk_prior import look, look_pictures
from gpk_prior.crowd import frechet, mean_cosine, nearest
from gpk_prior.distortions import blurred
from gpk_prior.pictures import render_shard
from gpk_prior.prior_3d import Prior3D
from gpk_prior.solid import Views, agreement, billboard, face_of, head_width, relief, seen_at, surface, warped
from gpk_prior.unseen import another_photo, at, drawn, pictures_in, shards_of, shown, truth, unseen

BACKEND = Registry.discover().backend("eg3d-minicat")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def prior() -> EG3D:
    generator = load_generator(BACKEND, BACKEND.card, None)
    assert isinstance(generator, EG3D)
    return generator


@pytest.fixture(scope="module")
def pair() -> Views:
    """Four procedural cats from two sides."""
    params = from_noise(drawn(4, 0)[0])
    cameras = at(-0.3, 4), at(0.3, 4)
    left, right = (truth(params, camera) for camera in cameras)
    return Views((left.image, right.image), (left.depth, right.depth), cameras)


@pytest.fixture(scope="module")
def front() -> tuple[Tensor, Camera, Photo]:
    """Six procedural cats, frontal: parameters, camera, photos."""
    params, camera = from_noise(drawn(6, 1)[0]), at(0.0, 6)
    return params, camera, truth(params, camera)


# Crowds


def white(count: int, width: int) -> Tensor:
    """Points whose mean is exactly 0 and whose covariance is exactly 1."""
    x = torch.randn(count, width, generator=seeded(), dtype=torch.float64)
    x = x - x.mean(0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(x.mT @ x / (count - 1))).mT


def test_the_frechet_distance_of_known_gaussians() -> None:
    x = white(50, 3)
    scale, shift = x.new_tensor([0.5, 1.0, 3.0]), x.new_tensor([1.0, 2.0, 0.0])
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet(x, x * scale + shift) == pytest.approx(0.25 + 4 + 5)
    assert frechet(x * scale, x * scale.flip(0)) == pytest.approx(2 * 2.5**2)


def test_the_frechet_distance_of_covariances_that_do_not_commute() -> None:
    x = white(50, 2)
    turn = x.new_tensor([[0.6, -0.8], [0.8, 0.6]])
    a, b = x * x.new_tensor([1.0, 2.0]), (x * x.new_tensor([3.0, 0.5])) @ turn
    # Of 2 x 2 matrices the trace of a root is sqrt(trace + 2 sqrt(det)).
    product = torch.cov(a.mT) @ torch.cov(b.mT)
    cross = (product.trace() + 2 * product.det().sqrt()).sqrt()
    assert frechet(a, b) == pytest.approx((1 + 4 + 9 + 0.25 - 2 * cross).item())
    assert frechet(a, b) == pytest.approx(frechet(b, a))


def test_the_frechet_distance_of_fewer_pictures_than_features_is_finite() -> None:
    x = torch.randn(4, 10, generator=seeded())
    assert 0 <= frechet(x, x + 1) < 20


def test_the_mean_cosine_is_that_of_all_pairs() -> None:
    x = F.normalize(torch.randn(6, 4, generator=seeded()), dim=1)
    i, j = torch.triu_indices(6, 6, 1)
    assert mean_cosine(x) == pytest.approx((x[i] * x[j]).sum(1).mean().item(), abs=1e-6)
    assert mean_cosine(x[:1].expand(5, -1)) == pytest.approx(1, abs=1e-5)


def test_the_nearest_is_the_nearest() -> None:
    references = torch.eye(3)
    x = F.normalize(torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]]), dim=1)
    torch.testing.assert_close(nearest(x, references), torch.tensor([0.8, 1.0]))


def test_blur_spreads_a_point_by_its_sigma_and_leaves_a_plain_picture() -> None:
    point = torch.zeros(1, 3, 21, 21)
    point[..., 10, 10] = 1
    spread = blurred(point, 1.5)[0, 0]
    assert spread.sum().item() == pytest.approx(1)
    across = (spread.sum(0) * (torch.arange(21) - 10.0).square()).sum().item()
    assert across == pytest.approx(1.5**2, rel=0.04)  # its ends are cut off
    plain = torch.full((1, 3, 9, 9), 0.3)
    torch.testing.assert_close(blurred(plain, 1.0), plain)


def test_pictures_of_other_cats_are_nearer_than_blurred_ones(tmp_path: Path) -> None:
    shard = render_shard(tmp_path, 0, 0, count=32)
    images = pictures_in(shard)
    figures = look.likeness(blurred(images, 2.0), images, images, load_distance())
    assert figures["procedural"] == pytest.approx(0, abs=1e-6)
    assert 0 < figures["blurred_half_pixel"] < figures["blurred_one_pixel"] < figures["generator"]
    halves = look.likeness(blurred(images[16:], 2.0), images[:16], images[16:], load_distance())
    assert 0 < halves["procedural"] < halves["generator"]
    same = look.diversity(images[:1].expand(4, -1, -1, -1), images[:4], load_distance(), load_identity())
    assert same["distance_generator"] == 0 < same["distance_procedural"]
    assert same["cosine_generator"] == pytest.approx(1, abs=1e-4)
    assert same["cosine_procedural"] < 0.9


def test_a_generator_that_remembers_is_told_from_one_that_draws_what_it_was_asked_for() -> None:
    trained_on, real = torch.eye(8)[:4], torch.eye(8)[4:]
    honest = look.neighbours(real, real, real, trained_on)
    assert (honest["nearest_generator"], honest["own_generator"], honest["own_first_generator"]) == (0, 1, 1)
    parrot = look.neighbours(trained_on, real, real, trained_on)
    assert (parrot["nearest_generator"], parrot["own_generator"], parrot["own_first_generator"]) == (1, 0, 0)
    assert parrot["own_first_procedural"] == 1
    assert (parrot["cats"], parrot["training_cats"]) == (4, 4)


# Solids


def test_a_camera_sees_its_own_surface_at_its_own_pixels() -> None:
    camera = drawn(2, 3)[1]
    lens = camera.intrinsics.clone()
    lens[:, 0, 1], lens[:, 0, 2] = 0.1, 0.4
    camera = Camera(camera.pose, lens)
    depth = 2 + torch.rand(2, 1, 8, 8, generator=seeded())
    places, far = seen_at(surface(depth, camera), camera)
    torch.testing.assert_close(far, depth)
    centre = (torch.arange(8) + 0.5) / 8
    torch.testing.assert_close(places[..., 0], centre.expand(2, 8, 8), atol=1e-5, rtol=0)
    torch.testing.assert_close(places[..., 1], centre[:, None].expand(2, 8, 8), atol=1e-5, rtol=0)


def test_a_view_warped_to_itself_is_itself(pair: Views) -> None:
    same = Views(*((column[0], column[0]) for column in pair))  # type: ignore[arg-type]
    image, both = warped(same)
    torch.testing.assert_close(image, pair.image[0], atol=5e-4, rtol=0)  # a pixel lands 1e-4 of a pixel aside
    assert torch.equal(both > 0, pair.depth[0] < 3.05)
    assert agreement(same)["psnr_db"] > 60


def test_views_of_a_solid_agree_and_those_of_a_billboard_do_not(pair: Views) -> None:
    solid, flat = agreement(pair), agreement(billboard(pair))
    assert solid["psnr_db"] > 25
    assert solid["visible"] > 0.75
    assert solid["psnr_db"] > flat["psnr_db"] + 8
    assert solid["difference"] < 0.3 * flat["difference"]


def test_views_of_two_cats_do_not_agree(pair: Views) -> None:
    mixed = pair._replace(image=(pair.image[0].roll(1, 0), pair.image[1]))
    assert agreement(mixed)["psnr_db"] < agreement(pair)["psnr_db"] - 10


def test_what_a_view_hides_is_not_compared(pair: Views) -> None:
    # An ear or a cheek of one view is behind the head in the other.
    assert warped(pair)[1].sum() < 0.95 * (pair.depth[1] < 3.05).sum()


def test_the_relief_of_the_truth_of_a_billboard_and_of_the_average_cat(front: tuple[Tensor, Camera, Photo]) -> None:
    _, camera, photo = front
    face = face_of(photo.depth, photo.mask, camera)
    assert 0.08 < face.mean() < 0.25
    assert (photo.mask[face > 0] > 0.99).all()
    assert relief(photo.depth, photo.depth, face) == pytest.approx(
        {"spread_ratio": 1, "correlation": 1, "own_correlation": 1}, abs=1e-4
    )
    halved = relief(0.5 * photo.depth + 1, photo.depth, face)
    assert halved == pytest.approx({"spread_ratio": 0.5, "correlation": 1, "own_correlation": 1}, abs=1e-4)
    flat = relief(torch.full_like(photo.depth, 2.5), photo.depth, face)
    assert flat == pytest.approx({"spread_ratio": 0, "correlation": 0, "own_correlation": 0}, abs=1e-3)
    average = relief(photo.depth.mean(0, keepdim=True).expand_as(photo.depth), photo.depth, face)
    assert average["correlation"] > 0.8
    assert abs(average["own_correlation"]) < 0.01


def test_the_head_is_as_wide_as_it_is_seen(front: tuple[Tensor, Camera, Photo]) -> None:
    params, camera, photo = front
    widths = head_width(params)
    x, y, _ = surface(photo.depth, camera).unbind(3)
    # Wholly covered pixels only: the depth of the rims is a mixture.
    head = (photo.mask[:, 0] > 0.99) & (y > -0.15) & (y < 0.05)
    seen = 2 * (x.abs() * head).amax((1, 2))
    assert (widths - seen).abs().max() < 0.03  # two pixels
    assert torch.equal(widths.argsort(), params[:, NAMES.index("head_width")].argsort())


# The bundled prior


def test_what_is_shown_is_the_generators_picture(prior: EG3D) -> None:
    z, camera = drawn(18, 4)  # more than one part
    made = shown(prior, z, camera)
    alone = prior(prior.mapping(z[17:]), camera[17])
    assert alike(made.image[17:], alone.image)
    assert alike(made.depth[17:], alone.depth)  # type: ignore[index]


def test_the_bundled_prior_is_faithful_and_solid_and_an_untrained_one_is_not(prior: EG3D) -> None:
    cats = unseen(2, 0)
    torch.manual_seed(0)
    untrained = Prior3D().build().eval().requires_grad_(False)
    good, bad = (look.fidelity(shown(g, cats.z, cats.camera).image, cats.photo) for g in (prior, untrained))
    assert good["psnr_db"] > 22 > 15 > bad["psnr_db"]
    assert good["psnr_inside_db"] > 18 > 12 > bad["psnr_inside_db"]
    good, bad = (look.depth(g, 2, 0) for g in (prior, untrained))
    assert good["error_inside_heads"] < 0.04 < bad["error_inside_heads"]  # type: ignore[operator]
    assert good["relief"]["correlation"] > 0.9  # type: ignore[index]
    views = look.views(prior, 2, 0)
    assert views["generator"]["psnr_db"] > views["procedural_as_billboards"]["psnr_db"] + 6  # type: ignore[index]


def test_another_photo_is_of_the_same_cat() -> None:
    params = from_noise(drawn(2, 5)[0])
    judge = load_identity()
    first, second = judge(truth(params, at(0.2, 2)).image), judge(another_photo(params, 6).image)
    assert (first * second).sum(1).min() > (first * second.flip(0)).sum(1).max()


def test_the_last_shard_is_unseen_and_what_is_missing_is_rendered(tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    save_tensors(weights, {"a": torch.zeros(1)}, {"training": {"recipe": {"seed": 5, "shards": 4}}})
    last, trained_on = shards_of(weights, tmp_path / "cats", count=2)
    assert last.name == "cats-5-003.safetensors"
    assert [path.name for path in trained_on] == ["cats-5-000.safetensors", "cats-5-001.safetensors"]
    assert pictures_in(last).shape == (2, 3, 64, 64)
    render_shard(tmp_path / "cats", 5, 2, count=1)
    render_shard(tmp_path / "cats", 5, 7, count=1)
    assert len(shards_of(weights, tmp_path / "cats")[1]) == 3  # those before the last
    assert len(pictures_in(last, 1)) == 1


# Pictures


def test_pictures_of_depth_say_what_they_claim(front: tuple[Tensor, Camera, Photo]) -> None:
    _, camera, photo = front
    depth = photo.depth
    red, white, blue = (look_pictures.difference(depth + off, depth)[0, :, 30, 30] for off in (0.2, 0.0, -0.2))
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert (white == 1).all()
    grey = look_pictures.grey(depth)
    behind = photo.mask == 0
    assert (grey[behind] == -1).all()
    assert grey[0, 0, 34, 32] > grey[0, 0, 60, 32] > -1  # the muzzle is nearer than the breast
    clay = look_pictures.clay(depth, camera)
    left, right = (clay[:, :, 20:30, columns].mean() for columns in (slice(14, 22), slice(42, 50)))
    assert left > right + 0.2  # lit from the left


def test_a_turned_cat_is_the_same_as_one_that_is_shown(prior: EG3D) -> None:
    z = drawn(2, 7)[0]
    views = look_pictures.turned(prior, z, [0.0, 0.4], [0.0, 0.1])
    assert views.shape == (2, 2, 3, 64, 64)
    torch.testing.assert_close(views[:, 1], shown(prior, z, at(0.4, 2, 0.1)).image, atol=1e-4, rtol=0)


def test_sheets_fit_a_page(prior: EG3D, tmp_path: Path) -> None:
    look_pictures.write_turntable(tmp_path / "turntable.png", prior, seed=0)
    cats = unseen(2, 0)
    look_pictures.write_unseen(tmp_path / "unseen.png", cats.photo, cats.photo.image, cats.photo.image[:1])
    for name in ("turntable.png", "unseen.png"):
        with Image.open(tmp_path / name) as image:
            assert 300 < image.width < 1400
            assert "trainedAlgorithmicMedia" in image.info["XML:com.adobe.xmp"]
        assert (tmp_path / name).stat().st_size < 1.5e6
