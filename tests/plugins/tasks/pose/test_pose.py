"""Cameras of photos that came without any: the search, the descent, the album's subject, going on where it stopped."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from gpk.album import Album, resize
from gpk.context import Context
from gpk.errors import AlbumError, InputError, RecipeError
from gpk.latents import latent_statistics
from gpk.logger import NullLogger
from gpk.loss import Reconstruction
from gpk.plugin import Backend, Card
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_cli.context import make_context
from gpk_eg3d.network import EG3D
from gpk_minicat.album import write_album
from gpk_stylegan2.network import StyleGAN2
from gpk_tasks.descent import State
from gpk_tasks.pose.choice import Hypotheses, certainty, likeness
from gpk_tasks.pose.descent import descended
from gpk_tasks.pose.frame import seen_through
from gpk_tasks.pose.mirror import mirroring
from gpk_tasks.pose.pose import Posed, Posing, estimated, prior_codes
from gpk_tasks.pose.search import against, grid_within, marginal, peaks, searched
from gpk_tasks.renders import orbit

SMALL = Posing(columns=5, rows=3, codes=2, steps=3, side=32, frames=True)


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


def of_whole_pictures(a: Tensor, b: Tensor) -> Tensor:
    """Of pictures of the full side; in a random network, what comes before super-resolution is another picture."""
    return absolute(a, b) if a.shape[-1] == 32 else torch.zeros(len(a)) * a.sum()


def context_of(generator: EG3D | StyleGAN2) -> Context:
    card = Card("small", "Small", "none")
    backend = Backend("small", "Small", (card,), lambda config: generator, cameras=generator.orbit() is not None)
    nothing = Album(torch.empty(0, 3, 32, 32), ())
    return Context(backend, card, generator, absolute, nothing, NullLogger())


@pytest.fixture
def context(eg3d: EG3D) -> Context:
    return context_of(eg3d)


def codes_of(context: Context) -> Tensor:
    """The mean code, and one more: [2, L, D]."""
    return prior_codes(context.generator, latent_statistics(context.generator), SMALL)


def pictures(context: Context, codes: Tensor, yaw: list[float], pitch: list[float]) -> Tensor:
    """What the generator shows of codes [N, L, D] at these angles."""
    return context.generator(codes, context.generator.orbit(torch.tensor(yaw), torch.tensor(pitch))).image


def unnamed(photos: Tensor, masks: Tensor | None = None) -> Album:
    return Album(photos, tuple(map(str, range(len(photos)))), masks=masks)


def test_gradients_reach_the_angles_through_the_orbit(eg3d: EG3D) -> None:
    """Against finite differences, in every number of the pose."""
    angles = torch.tensor([[0.3, -0.1], [0.2, -0.4]]).requires_grad_()
    weights = torch.randn(2, 4, 4, generator=seeded(1))

    def value(yaw: Tensor, pitch: Tensor) -> Tensor:
        return (eg3d.orbit(yaw, pitch).pose * weights).sum()

    value(*angles).backward()
    assert angles.grad is not None
    step = 1e-2
    for index in range(4):
        offset = torch.zeros(4)
        offset[index] = step
        offset = offset.view(2, 2)
        slope = (value(*(angles.detach() + offset)) - value(*(angles.detach() - offset))) / (2 * step)
        assert angles.grad.flatten()[index].item() == pytest.approx(slope.item(), abs=2e-3)


def test_the_search_finds_the_view_of_its_own_picture(context: Context) -> None:
    grid = grid_within(0.6, 0.3, columns=5, rows=3)
    codes, places = codes_of(context), grid.angles()
    chosen = [1, 8, 14]
    photos = pictures(context, codes[[1, 1, 1]], *places[:, chosen].tolist())
    distances = searched(context, unnamed(photos), codes, orbit(context, *places.tolist()), side=32)["distances"]
    assert distances.shape == (3, 2, 15)
    assert distances[:, 1, chosen].diagonal().max() < 1e-5
    for temperature in (0.02, 1.0):
        assert peaks(marginal(distances, temperature), grid, 1)[:, 0].tolist() == chosen


def test_photos_are_looked_at_once_and_compared_as_the_distance_compares(context: Context) -> None:
    class Blurred:
        looks = 0

        def features(self, images: Tensor) -> list[Tensor]:
            self.looks += len(images)
            return [avg_pool2d(images, 2), images.mean((2, 3))]

        def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
            return (a[0] - b[0]).square().mean((1, 2, 3)) + (a[1] - b[1]).square().mean(1)

        def __call__(self, a: Tensor, b: Tensor) -> Tensor:
            return self.between(self.features(a), self.features(b))

    distance = Blurred()
    photos, picture = torch.rand(11, 3, 8, 8, generator=seeded(1)), torch.rand(1, 3, 16, 16, generator=seeded(2))
    apart = against(distance, photos)
    found = apart(picture)
    assert distance.looks == 12
    torch.testing.assert_close(found, distance(resize(picture, 8).expand(11, -1, -1, -1), photos))
    torch.testing.assert_close(against(absolute, photos)(picture), absolute(resize(picture, 8), photos))
    masks = torch.ones(11, 1, 8, 8)
    masks[[2, 7], ..., 5:] = 0
    seen = torch.lerp(photos, resize(picture, 8).expand_as(photos), masks)
    torch.testing.assert_close(against(distance, photos, masks)(picture), distance(seen, photos))


def test_a_code_that_the_album_likes_counts_more() -> None:
    """One photo alone would be explained by the code 0 at view 2; the others all want code 1."""
    distances = torch.full((3, 2, 4), 1.0)
    distances[0, 0, 2], distances[0, 1, 1] = 0.1, 0.15
    distances[1:, 1, 3] = 0.0
    assert marginal(distances[:1], 0.1)[0].argmin() == 2
    assert marginal(distances, 0.1).argmin(1).tolist() == [1, 3, 3]


def test_peaks_are_least_among_their_neighbours_and_the_best_stands_in() -> None:
    grid = grid_within(0.6, 0.3, columns=5, rows=3)
    scores = torch.tensor([[5, 4, 3, 4, 1], [5, 0.5, 3, 4, 2], [5, 4, 3, 4, 3]]).flatten()[None]
    assert peaks(scores, grid, 3).tolist() == [[6, 4, 6]]
    assert grid.angles()[:, 6].tolist() == pytest.approx([-0.3, 0.0])


def test_codes_to_search_with_begin_with_the_mean(context: Context) -> None:
    statistics = latent_statistics(context.generator)
    one, three = (prior_codes(context.generator, statistics, Posing(codes=count)) for count in (1, 3))
    assert one.shape == (1, context.generator.latent.num_ws, 16)
    assert torch.equal(one[0], statistics.mean.expand_as(one[0]))
    assert torch.equal(three[:1], one)
    assert len(three.unique(dim=0)) == 3


def test_a_grid_of_one_is_the_front() -> None:
    assert grid_within(0.6, 0.3, columns=1, rows=1).angles().tolist() == [[0.0], [0.0]]


def test_the_descent_goes_from_a_place_of_the_grid_to_where_the_picture_was_taken(context: Context) -> None:
    truth = torch.tensor([[0.16, -0.3], [-0.05, 0.11]])
    statistics = latent_statistics(context.generator)
    photos = pictures(context, statistics.mean.expand(2, context.generator.latent.num_ws, -1), *truth.tolist())
    begin = truth + torch.tensor([[0.08, -0.08], [0.07, 0.06]])
    free = torch.zeros(2, 16)
    context = dataclasses.replace(context, distance=of_whole_pictures)
    settings = Posing(lr=0.01, pull=1.0, prior=0.0, l2=0.0, side=32)

    def after(steps: int) -> dict[str, Tensor]:
        hypotheses = Hypotheses(torch.arange(2), begin, free, torch.zeros(2, 4))
        return descended(context, unnamed(photos), hypotheses, statistics, settings, steps=steps)

    before, found = after(0), after(30)
    assert torch.equal(before["angles"], begin)
    assert (found["residual"] < 0.4 * before["residual"]).all()
    assert ((found["angles"] - truth).norm(dim=0) < 0.3 * (begin - truth).norm(dim=0)).all()


def album_of_one(context: Context) -> tuple[Tensor, Tensor]:
    """Five photos of one code [5, 3, R, R], and their yaws and pitches [2, 5]."""
    truth = torch.tensor([[0.5, -0.4, 0.3, 0.0, -0.2], [0.1, -0.2, 0.0, 0.2, 0.1]])
    code = codes_of(context)[1:]
    return pictures(context, code.expand(5, -1, -1), *truth.tolist()), truth


def test_the_albums_subject_sets_a_mirrored_idea_right() -> None:
    """Four pictures of one code of the embedded prior, the first of them begun on the wrong side."""
    registry = Registry.discover(plugins=False)
    backend = registry.backend("eg3d-minicat")
    context = make_context(registry, backend, backend.card, None, weights=None, device="cpu", logger=NullLogger())
    truth = torch.tensor([[0.4, -0.3, 0.1, -0.1], [0.0, 0.1, -0.2, 0.2]])
    code = codes_of(context)[1:].expand(4, -1, -1)
    with torch.no_grad():
        photos = pictures(context, code, *truth.tolist())
    alone: list[Tensor] = []

    def keep(state: Callable[[], State]) -> None:
        alone.append(state()[0]["cameras and codes/angles"])

    first = truth * torch.tensor([[-1.0, 1, 1, 1], [1, 1, 1, 1]])
    posed = estimated(context, photos, Posing(columns=5, rows=3, steps=5), first=first, tick=keep)
    assert alone[-1][0, 0] < -0.3  # by itself the photo stays on the wrong side
    assert (torch.stack([posed.yaw, posed.pitch]) - truth).norm(dim=0).max() < 0.1


@pytest.fixture
def whole(context: Context) -> tuple[Tensor, Posed, list[State]]:
    """Photos, what is found for them, and every state on the way."""
    photos, _ = album_of_one(context)
    states: list[State] = []

    def keep(state: Callable[[], State]) -> None:
        tensors, position = state()
        copied = {name: tensor.clone() for name, tensor in tensors.items()}
        states.append((copied, json.loads(json.dumps(position))))

    return photos, estimated(context, photos[:3], SMALL, tick=keep), states


def test_it_goes_on_where_it_stopped(context: Context, whole: tuple[Tensor, Posed, list[State]]) -> None:
    photos, posed, states = whole
    assert len(states) == 2 + 3 + 1 + 3
    for stopped in (0, 3, 5, 7):
        again = estimated(context, photos[:3], SMALL, start=states[stopped])
        assert all(map(torch.equal, numbers(again), numbers(posed)))


def numbers(posed: Posed) -> list[Tensor]:
    return [posed.cameras.label(), *(value for value in posed[1:] if value is not None)]


def test_it_is_the_same_twice_and_whatever_memory_is_given(
    context: Context, whole: tuple[Tensor, Posed, list[State]]
) -> None:
    photos, posed, _ = whole
    assert all(map(torch.equal, numbers(estimated(context, photos[:3], SMALL)), numbers(posed)))
    scarce = estimated(context, photos[:3], SMALL, memory=0.0)
    for one, other in zip(numbers(scarce), numbers(posed), strict=True):
        torch.testing.assert_close(one.float(), other.float(), rtol=1e-3, atol=1e-4)


def test_what_is_found_is_of_one_piece(context: Context, whole: tuple[Tensor, Posed, list[State]]) -> None:
    photos, posed, _ = whole
    cameras = context.generator.orbit(posed.yaw, posed.pitch)
    assert cameras is not None
    torch.testing.assert_close(posed.cameras.label(), cameras.label())
    assert posed.w.shape == (3, context.generator.latent.num_ws, 16)
    assert ((posed.confidence >= 0) & (posed.confidence <= 1)).all()
    assert torch.equal(posed.doubtful, posed.confidence < SMALL.doubt)
    assert posed.mirrored is None  # for there is no judge
    assert posed.frames.any()
    render = context.generator(posed.w, seen_through(posed.cameras, posed.frames))
    loss = Reconstruction(photos[:3], context.distance)(render).total
    torch.testing.assert_close(loss, posed.residual, rtol=1e-4, atol=1e-5)


def test_cameras_that_an_album_has_are_not_looked_at(
    context: Context, whole: tuple[Tensor, Posed, list[State]]
) -> None:
    photos, posed, _ = whole
    album = Album(photos[:3], ("a", "b", "c"), context.generator.orbit(torch.tensor([0.1, 0.2, 0.3])))
    assert all(map(torch.equal, numbers(estimated(context, album, SMALL)), numbers(posed)))


def test_what_is_made_up_beyond_an_edge_says_nothing_of_a_pose(context: Context) -> None:
    """Two albums that differ there alone, and one that differs where photos are real."""
    photos, _ = album_of_one(context)
    masks = torch.ones(3, 1, 32, 32)
    masks[1, ..., 20:] = 0
    masks[2, :, :9] = 0.5
    made_up, real = photos[:3].clone(), photos[:3].clone()
    made_up[1, ..., 20:] = 1.0
    real[1, ..., :12] = 1.0
    found, same, other = (
        numbers(estimated(context, unnamed(each, masks), SMALL)) for each in (photos[:3], made_up, real)
    )
    for one, two in zip(found, same, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-5)
    assert (found[0] - other[0]).abs().max() > 1e-3


def test_confidence_is_the_share_of_likely_views_that_are_near() -> None:
    places = grid_within(0.6, 0.3, columns=5, rows=3).angles()
    scores = torch.ones(3, 15)
    scores[0, 7] = -5  # the front alone
    scores[1, [7, 10]] = -5  # the front, or from below on the left
    found = torch.zeros(2, 3)
    found[0, 2] = 0.6
    confidence = certainty(scores, places, found)
    assert confidence[0] > 0.95
    assert confidence[1] == pytest.approx(0.5, abs=0.05)
    assert confidence[2] < 0.3  # nothing tells: every view is as good


def test_a_photo_that_cannot_be_drawn_as_the_others_can_is_trusted_less() -> None:
    assert likeness(torch.tensor([0.5, 0.6, 0.4, 2.4, 0.0])).tolist() == pytest.approx([1, 0.5 / 0.6, 1, 0.5 / 2.4, 1])


def test_mirrored_photos_are_told_by_what_is_not_symmetric() -> None:
    """A judge that sees the mean brightness and which half is the brighter one."""

    def judge(images: Tensor) -> Tensor:
        left, right = (half.mean((1, 2, 3)) for half in images.chunk(2, dim=3))
        return normalize(torch.stack([torch.ones_like(left), left - right], dim=1), dim=1)

    photos = torch.rand(7, 3, 8, 8, generator=seeded(4)) * 0.1
    photos[..., :4] += 0.5
    photos[[1, 4]] = photos[[1, 4]].flip(3)
    score = mirroring(judge, photos)
    assert (score > 0).nonzero().flatten().tolist() == [1, 4]
    torch.testing.assert_close(mirroring(judge, photos.flip(3)), score)  # most are taken for as they should be
    symmetric = photos + photos.flip(3)
    assert mirroring(judge, symmetric).abs().max() < 1e-6
    assert mirroring(judge, photos[:1]).tolist() == [0.0]


def test_a_2d_generator_has_no_cameras_to_find(stylegan2: StyleGAN2) -> None:
    with pytest.raises(InputError, match="small is a 2D generator and has no views: use a 3D backend"):
        estimated(context_of(stylegan2), torch.zeros(2, 3, 16, 16), SMALL)


def test_an_album_of_none_and_first_angles_of_other_photos_are_refused(context: Context) -> None:
    with pytest.raises(AlbumError, match="no photo whose camera could be found"):
        estimated(context, torch.zeros(0, 3, 32, 32), SMALL)
    with pytest.raises(InputError, match=r"a yaw and a pitch per photo, \[2, 3\], not \[3, 2\]"):
        estimated(context, torch.zeros(3, 3, 32, 32), SMALL, first=torch.zeros(3, 2))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"columns": 0}, "columns of posing must be at least 1, not 0"),
        ({"hypotheses": 0}, "hypotheses of posing must be at least 1, not 0"),
        ({"steps": -1}, r"steps of posing must be at least 0, not -1"),
        ({"lr_angle": float("nan")}, r"lr_angle of posing must be at least 0, not nan"),
        ({"yaw": 40.0}, "yaw of posing is in radians, above 0 and at most 3.142, not 40"),
        ({"pitch": 0.0}, "pitch of posing is in radians, above 0 and at most 1.5, not 0"),
        ({"temperature": 0.0}, "temperature of posing must be above 0, not 0"),
        ({"doubt": 1.5}, "doubt of posing must be from 0 to 1, not 1.5"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        Posing(**wrong)


def test_a_descent_that_diverges_says_so(context: Context) -> None:
    photos, _ = album_of_one(context)
    with pytest.raises(RecipeError, match=r"finding poses diverged: l2 is (nan|inf)"):
        estimated(context, photos, dataclasses.replace(SMALL, lr=1e25))


@pytest.mark.slow
def test_the_cameras_of_a_procedural_cat(tmp_path: Path) -> None:
    """One individual whose traits the prior has not: degrees between true and found directions."""
    registry = Registry.discover(plugins=False)
    backend = registry.backend("eg3d-minicat")
    photos = write_album(tmp_path / "cat", 301, held_out=0) / "train"
    context = make_context(registry, backend, backend.card, photos, weights=None, device="cpu", logger=NullLogger())
    posed = estimated(context, context.album, Posing())
    assert context.album.cameras is not None
    off = posed.cameras.degrees_from(context.album.cameras)
    assert off.median() <= 3
    assert off.sort().values[-2] <= 8  # one of the twelve may be further off, and is
