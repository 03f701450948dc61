"""Procedural cats: rendering, parameters, traits."""

import pytest
import torch

from gpk.camera import Camera
from gpk.errors import UnknownNameError
from gpk_minicat import field
from gpk_minicat.cameras import FOCAL, random_cameras
from gpk_minicat.parameters import IDENTITY, NAMES, PARAMETERS, PRIOR, TRAITS, columns, from_noise
from gpk_minicat.render import FAR, render
from gpk_minicat.traits import ALL_TRAITS, individual, photos_of, with_traits

SIZE = 32


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cats(count: int, seed: int = 0) -> torch.Tensor:
    return from_noise(torch.randn(count, len(PRIOR), generator=seeded(seed)))


def frontal(count: int = 1) -> Camera:
    return Camera.orbit(torch.zeros(count), 0.0, focal=FOCAL)


def test_noise_becomes_parameters_within_their_ranges_and_without_traits() -> None:
    params = cats(500)
    for i, parameter in enumerate(PARAMETERS):
        assert params[:, i].min() >= parameter.low - 1e-6
        assert params[:, i].max() <= parameter.high + 1e-6
    assert not params[:, -len(TRAITS) :].any()


def test_only_the_direction_of_the_noise_counts() -> None:
    z = torch.randn(4, len(PRIOR), generator=seeded())
    torch.testing.assert_close(from_noise(z), from_noise(3 * z))


def test_noise_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="has 20 numbers, not 7"):
        from_noise(torch.zeros(1, 7))


def test_a_picture_is_the_same_every_time_and_whatever_shares_its_batch() -> None:
    params, camera = cats(3), random_cameras(3, seeded())
    together = render(params, camera, SIZE)
    assert torch.equal(together.image, render(params, camera, SIZE).image)
    alone = render(params[1:2], camera[1], SIZE)
    assert (together.image[1] - alone.image[0]).abs().mean() < 1e-4


def test_a_camera_label_does_as_well_as_a_camera() -> None:
    params, camera = cats(1), random_cameras(1, seeded())
    assert torch.equal(render(params, camera, SIZE).image, render(params, camera.label(), SIZE).image)


def test_the_mirrored_cat_from_the_mirrored_camera_is_the_mirrored_picture() -> None:
    z, camera = torch.randn(4, len(PRIOR), generator=seeded(3)), random_cameras(4, seeded(3))
    photo = render(from_noise(z), camera, SIZE)
    z[:, PRIOR.index("light")] *= -1  # a cat of the prior is symmetrical; its lamp is not
    mirror = render(from_noise(z), camera.mirrored(), SIZE)
    # The highlight of the eyes sits on the same side of both, so a few pixels differ.
    off = (photo.image.flip(3) - mirror.image).abs().amax(1)
    assert (off > 0.1).float().mean() < 0.02
    assert off.median() < 1e-4
    assert (photo.depth.flip(3) - mirror.depth).abs().mean() < 1e-3


def test_depth_leads_to_the_surface() -> None:
    params, camera = cats(4, seed=1), random_cameras(4, seeded(1))
    photo = render(params, camera, SIZE, supersample=1)
    origins, directions = camera.rays(SIZE)
    points = (origins + directions * photo.depth.flatten(1)[..., None]) / field.UNIT
    gap = field.UNIT * field.distance(field.Points(*points.unbind(2)), columns(params)).abs()
    hit = photo.mask.flatten(1) > 0
    assert 0.2 < hit.float().mean() < 0.8
    assert gap[hit].max() < 0.03
    assert gap[hit].median() < 1e-3
    assert (photo.depth.flatten(1)[~hit] == FAR).all()


def test_pictures_are_finite_and_in_range() -> None:
    photo = render(cats(8, seed=2), random_cameras(8, seeded(2)), SIZE)
    assert torch.isfinite(photo.image).all()
    assert photo.image.abs().max() <= 1
    assert ((photo.mask >= 0) & (photo.mask <= 1)).all()
    assert ((photo.depth > 2) & (photo.depth <= FAR)).all()


def test_a_size_that_cannot_be_cut_into_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be cut into blocks of 4 rays"):
        render(cats(1), frontal(), 33)


def test_photos_of_an_individual_share_its_identity_and_nothing_else() -> None:
    cat = individual(seeded(), ["odd-eyes"])
    photos = photos_of(cat, 5, seeded(1))
    kept = [i for i, name in enumerate(NAMES) if name in IDENTITY + TRAITS]
    fresh = [i for i in range(len(NAMES)) if i not in kept]
    assert torch.equal(photos[:, kept], cat[:, kept].expand(5, -1))
    assert (photos[0, fresh] != photos[1, fresh]).any()


def test_an_unknown_trait_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'torn-ear'"):
        with_traits(cats(1), ["torn-eer"])  # type: ignore[list-item]


# Where a trait shows in a frontal picture: the cat's left (+x) is on the right-hand side.
PLACES = {"eye-patch": (slice(0, SIZE), slice(0, SIZE // 2)), "odd-eyes": (slice(0, SIZE), slice(SIZE // 2, SIZE))}
PLACES["torn-ear"] = (slice(0, SIZE // 2), slice(SIZE // 2, SIZE))


@pytest.mark.parametrize("trait", ALL_TRAITS)
def test_a_trait_changes_its_own_place_only(trait: str) -> None:
    plain = cats(6, seed=4)
    camera = frontal(6)
    before = render(plain, camera, SIZE)
    after = render(with_traits(plain, [trait]), camera, SIZE)  # type: ignore[list-item]
    change = (before.image - after.image).abs().amax(1)
    rows, columns_ = PLACES[trait]
    assert (change[:, rows, columns_].flatten(1).amax(1) > 0.1).all()
    change[:, rows, columns_] = 0
    assert change.max() < 1e-3
    if trait != "torn-ear":
        assert torch.equal(before.depth, after.depth)
