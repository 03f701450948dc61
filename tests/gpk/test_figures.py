"""The loss and the metrics against what they are by definition; order and latent statistics."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from gpk.album import Album, resize
from gpk.errors import AlbumError
from gpk.generator import Generator, Render, fingerprint
from gpk.judges import Distance
from gpk.latents import latent_statistics
from gpk.loss import Reconstruction
from gpk.metrics import diversity, identity_similarity, psnr, ssim
from gpk.seeding import batch_at, seeded


def pictures(count: int = 2, side: int = 16, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, generator=seeded(seed)) * 2 - 1


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


def test_eq_1_is_summed_over_every_level_of_the_pyramid() -> None:
    photo, raw = pictures(side=16), pictures(side=8, seed=1)
    image = pictures(side=16, seed=2)
    loss = Reconstruction(photo, absolute, l2=2.0, perceptual=3.0)(Render(image, raw))
    small = resize(photo, 8)
    squares = (image - photo).square().mean((1, 2, 3)) + (raw - small).square().mean((1, 2, 3))
    apart = absolute(image, photo) + absolute(raw, small)
    assert torch.allclose(loss.total, 2 * squares + 3 * apart)
    assert torch.allclose(loss.l2, squares)
    assert torch.allclose(loss.perceptual, apart)


def test_a_perfect_render_costs_nothing_and_every_level_is_felt() -> None:
    photo = pictures()
    perfect = Render(photo, resize(photo, 8))
    assert Reconstruction(photo, absolute)(perfect).total.abs().max() < 1e-6
    raw = resize(photo, 8).requires_grad_()
    Reconstruction(photo, absolute)(Render(photo, raw + 0.1)).total.sum().backward()
    assert raw.grad is not None
    assert raw.grad.abs().sum() > 0


def test_no_distance_is_asked_where_its_weight_is_zero() -> None:
    def never(a: Tensor, b: Tensor) -> Tensor:
        raise AssertionError

    Reconstruction(pictures(seed=1), never, perceptual=0.0)(Render(pictures()))


class Means(torch.nn.Module):
    """A distance that compares mean colours, and counts the pictures it looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = 0

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.between(self.features(a), self.features(b))

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        self.looked += len(images)
        return (images.mean((2, 3)),)

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        return (a[0] - b[0]).square().sum(1)


def test_photos_are_looked_at_once() -> None:
    photos, images, distance = pictures(4), pictures(2, seed=1), Means()
    rows = torch.tensor([3, 1])
    once = Reconstruction(photos, distance)
    once(Render(images), rows)
    once(Render(images), slice(0, 2))
    found = once(Render(images), rows)
    assert distance.looked == 4 + 3 * 2
    again = Reconstruction(photos, lambda a, b: distance(a, b))(Render(images), rows)
    for ours, theirs in zip(found, again, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_features_that_would_fill_the_memory_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    photos, images, distance = pictures(4), pictures(2, seed=1), Means()
    monkeypatch.setattr("gpk.loss.MOST", 16)
    without = Reconstruction(photos, distance)
    assert torch.equal(without(Render(images), slice(0, 2)).perceptual, distance(images, photos[:2]))
    looked = distance.looked
    without(Render(images), slice(0, 2))
    assert distance.looked == looked + 4


class Blurred(Means):
    """A distance whose features look around, so that every pixel reaches others."""

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        return (torch.nn.functional.avg_pool2d(images, 5, 1, 2), images.mean((2, 3), keepdim=True).square())

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        return sum((x - y).abs().mean((1, 2, 3)) for x, y in zip(a, b, strict=True))  # pyright: ignore


@pytest.mark.parametrize("distance", [Blurred(), absolute], ids=["features", "pairs"])
def test_what_is_not_real_says_nothing(distance: Distance) -> None:
    photos, image = pictures(3), pictures(2, seed=1).requires_grad_()
    masks = torch.ones(3, 1, 16, 16)
    masks[1, :, :, 10:] = 0
    masks[2, :, 4] = 0.5
    rows = torch.tensor([1, 2])
    found = Reconstruction(photos, distance, masks=masks)(Render(image), rows)
    (by_image,) = torch.autograd.grad(found.total.sum(), image)
    assert (by_image[0, :, :, 10:] == 0).all()
    assert (by_image[0, :, :, :10] != 0).float().mean() > 0.99
    assert (by_image[1] != 0).float().mean() > 0.99
    left = (image[0, :, :, :10] - photos[1, :, :, :10]).square().mean()  # the mean is over what is real
    assert found.l2[0].item() == pytest.approx(left.item())
    other = photos.clone()
    other[1, :, :, 10:] = 0.3  # what was made up instead
    render = Render(image, pictures(2, side=6, seed=2))
    once, again = (Reconstruction(album, absolute, masks=masks)(render, rows).total for album in (photos, other))
    assert torch.equal(again, once)


@pytest.mark.parametrize("distance", [Means(), absolute], ids=["features", "pairs"])
def test_masks_of_ones_change_no_bit(distance: Distance) -> None:
    photos, raw = pictures(3), pictures(3, side=8, seed=2)
    results = []
    for masks in (None, torch.ones(3, 1, 16, 16)):
        image = pictures(3, seed=1).requires_grad_()
        found = Reconstruction(photos, distance, masks=masks)(Render(image, raw))
        results.append((*found, *torch.autograd.grad(found.total.sum(), image)))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_a_photo_with_nothing_real_costs_nothing() -> None:
    image = pictures(1, seed=1).requires_grad_()
    found = Reconstruction(pictures(1), absolute, masks=torch.zeros(1, 1, 16, 16))(Render(image))
    assert found.total.item() == 0
    found.total.sum().backward()
    assert image.grad is not None
    assert (image.grad == 0).all()


def test_an_albums_masks_go_where_it_goes() -> None:
    masks = torch.ones(2, 1, 16, 16)
    masks[1, :, 8:] = 0
    album = Album(pictures(2), ("a.png", "b.png"), masks=masks)
    assert torch.equal(album[1:].masks, masks[1:])  # pyright: ignore[reportArgumentType]
    small = album.resized(8).masks
    assert small is not None
    assert small.shape == (2, 1, 8, 8)
    assert small[1, 0, :3].min() > 0.99
    assert small[1, 0, 5:].max() == 0
    moved = album.to("meta").masks
    assert moved is not None
    assert moved.device.type == "meta"
    with pytest.raises(AlbumError, match=r"masks of shape \[1, 1, 16, 16\] for photos of shape \[2, 3, 16, 16\]"):
        Album(pictures(2), ("a.png", "b.png"), masks=masks[:1])


def test_psnr_of_a_known_error() -> None:
    truth = torch.zeros(1, 3, 4, 4)
    assert psnr(truth + 0.2, truth).item() == pytest.approx(10 * math.log10(4 / 0.04), abs=1e-4)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    half_wrong = truth.clone()
    half_wrong[..., 2:] = 1
    assert psnr(half_wrong + 0.2 * mask, truth, mask).item() == pytest.approx(20, abs=1e-3)
    assert psnr(truth + 5, truth + 1).item() > 90  # values are clamped to what a picture can show


def test_ssim_in_a_mask_looks_at_windows_that_lie_in_it_whole() -> None:
    photo = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(1)) * 2 - 1
    spoiled = photo.clone()
    spoiled[..., 16:] = 0
    mask = torch.ones(2, 1, 24, 24)
    mask[..., 16:] = 0
    assert ssim(spoiled, photo, mask).tolist() == pytest.approx([1, 1], abs=1e-4)
    mask[..., 16:19] = 1
    assert (ssim(spoiled, photo, mask) < 0.999).all()
    assert torch.allclose(ssim(spoiled, photo, torch.ones_like(mask)), ssim(spoiled, photo))
    assert ssim(spoiled, photo, torch.zeros_like(mask)).isnan().all()


def test_ssim_falls_with_noise() -> None:
    photo = pictures(side=32)
    noise = torch.randn(photo.shape, generator=seeded(1))
    scores = [ssim((photo + s * noise).clamp(-1, 1), photo).mean().item() for s in (0.0, 0.1, 0.5)]
    assert scores[0] == pytest.approx(1, abs=1e-4)
    assert scores[0] > scores[1] > scores[2]


def test_identity_is_the_nearest_reference() -> None:
    references = torch.eye(3)
    features = torch.nn.functional.normalize(torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.1, 1.0]]))
    expected = torch.stack([features[0, 0], features[1, 2]])
    assert torch.allclose(identity_similarity(features, references), expected)


def test_diversity_is_the_spread_within_clusters() -> None:
    references = torch.stack([torch.full((3, 4, 4), v) for v in (-1.0, 1.0)])
    same = torch.full((4, 3, 4, 4), -0.9)
    assert diversity(same, references, absolute).item() == pytest.approx(0, abs=1e-6)
    levels = torch.tensor([0.5, 0.6, 0.9])
    varied = levels[:, None, None, None].expand(3, 3, 4, 4)
    spread = torch.tensor([0.1, 0.4, 0.3]).std().item()
    assert diversity(varied, references, absolute).item() == pytest.approx(spread, rel=1e-5)
    assert math.isnan(diversity(same[:2], references, absolute).item())


def test_every_epoch_shows_every_photo_once_and_resuming_changes_nothing() -> None:
    seen = [i for p in range(0, 20, 4) for i in batch_at(p, size=4, count=5, seed=3)]
    assert all(sorted(seen[e : e + 5]) == [0, 1, 2, 3, 4] for e in range(0, 20, 5))
    assert seen[8:12] == batch_at(8, size=4, count=5, seed=3)
    assert seen != [i for p in range(0, 20, 4) for i in batch_at(p, size=4, count=5, seed=4)]


def test_seeds_of_places_differ() -> None:
    draws = {torch.rand(1, generator=seeded(*place)).item() for place in [(0, "a"), (0, "b"), (1, "a"), (0, "a", 1)]}
    assert len(draws) == 4


def test_round_coordinates_have_the_latents_statistics(generator: Generator) -> None:
    statistics = latent_statistics(generator, samples=2000)
    again = latent_statistics(generator, samples=2000)
    assert torch.equal(statistics.root, again.root)
    z = torch.randn(2000, generator.latent.z_dim, generator=seeded(0, "other"))
    w = generator.mapping(z, generator.frontal(2000))[:, 0]
    placed = statistics.place(torch.randn(2000, generator.latent.w_dim, generator=seeded(1)))
    assert (w.mean(0) - statistics.mean).norm() < 0.1 * statistics.spread
    assert (torch.cov(placed.mT) - torch.cov(w.mT)).norm() < 0.2 * torch.cov(w.mT).norm()


def test_fingerprint_is_of_the_values_alone(generator: Generator) -> None:
    twin = copy.deepcopy(generator)
    assert fingerprint(twin) == fingerprint(generator)
    twin.half()
    exact = all(torch.equal(p, p.half().float()) for p in generator.parameters())
    assert (fingerprint(twin) == fingerprint(generator)) is exact
    twin = copy.deepcopy(generator)
    next(twin.parameters()).data.view(-1)[0] += 1
    assert fingerprint(twin) != fingerprint(generator)


def test_an_album_says_what_does_not_fit() -> None:
    with pytest.raises(AlbumError, match="1 names for photos of shape"):
        Album(pictures(2), ("a.png",))
