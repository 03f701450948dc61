"""The steps of the job on their own: inversion and its options, tuning, placing in the hull, scores, settings."""

from __future__ import annotations

import dataclasses
import weakref
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from gpk.album import Album
from gpk.attach import is_attached
from gpk.context import Context
from gpk.errors import RecipeError, UnknownNameError
from gpk.generator import Generator, fingerprint
from gpk.hull import LatentHull
from gpk.latents import anchors_as_ws, latent_statistics
from gpk.logger import NullLogger
from gpk.lowrank import LoRA
from gpk.persona import Origin, Persona
from gpk.plugin import Backend, Card
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk_tasks.descent import rate_at
from gpk_tasks.memory import budget, counting, fitting
from gpk_tasks.personalize.inversion import find_codes, whiteness
from gpk_tasks.personalize.presets import PRESETS, preset
from gpk_tasks.personalize.settings import Inversion, Settings, Tuning, resolve, to_json
from gpk_tasks.personalize.starts import best_starts, drawn
from gpk_tasks.personalize.tuning import tune
from gpk_tasks.placement import Placement, place
from gpk_tasks.renders import novel_views, render_album
from gpk_tasks.scores import score, similarity

QUICK = Inversion(steps=12, lr=0.2, whiten=True, jitter=0.0, decay=0.5)


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


def colours(images: Tensor) -> Tensor:
    """A judge that knows pictures by their mean colour."""
    return torch.nn.functional.normalize(images.mean((2, 3)) + torch.tensor([1e-3, 0.0, 0.0]), dim=1)


@pytest.fixture
def context(generator: Generator) -> Context:
    """An album of four pictures that the generator itself made: its own w are the best anchors."""
    w = generator.mapping(torch.randn(4, generator.latent.z_dim, generator=seeded(3)))
    cameras = generator.orbit(torch.linspace(-0.3, 0.3, 4))
    photos = generator(w, cameras).image
    album = Album(photos, ("a", "b", "c", "d"), cameras)
    card = Card("small", "small", "none")
    backend = Backend("small", "small", (card,), lambda config: generator, cameras=cameras is not None)
    return Context(backend, card, generator, absolute, album, NullLogger())


def error(context: Context, anchors: Tensor) -> float:
    w = anchors_as_ws(anchors, context.generator.latent.num_ws)
    return absolute(render_album(context, w, context.album), context.album.photos).mean().item()


def test_inversion_finds_what_made_the_photos(context: Context) -> None:
    start = find_codes(context, dataclasses.replace(QUICK, steps=0))
    assert torch.allclose(start, start[:1].expand_as(start))  # the mean w
    found = find_codes(context, QUICK)
    assert found.shape == (4, context.generator.latent.w_dim)
    assert error(context, found) < 0.8 * error(context, start)
    assert torch.equal(found, find_codes(context, QUICK))


def test_a_photo_begins_at_the_best_of_what_its_own_camera_sees(context: Context) -> None:
    mean = latent_statistics(context.generator).mean
    codes = torch.cat([mean[None], drawn(context, 5, seed=0)])
    apart = torch.stack(
        [
            absolute(
                render_album(
                    context, anchors_as_ws(code.expand(4, -1), context.generator.latent.num_ws), context.album
                ),
                context.album.photos,
            )
            for code in codes
        ]
    )
    settings = dataclasses.replace(QUICK, l2=0.0)
    assert torch.equal(best_starts(context, mean, settings, draws=5, memory=1e-9), codes[apart.argmin(0)])


def test_photos_of_a_batch_do_not_meet(context: Context) -> None:
    together, apart = (find_codes(context, dataclasses.replace(QUICK, steps=4, batch=b)) for b in (4, 2))
    assert torch.allclose(together, apart, rtol=1e-3, atol=1e-3)


def test_fewer_photos_at_once_find_the_same(context: Context) -> None:
    tight = 1e-9  # GiB: room for a single photo
    quick = dataclasses.replace(QUICK, steps=4, noise="regularised")
    torch.testing.assert_close(
        find_codes(context, quick, memory=tight), find_codes(context, quick), rtol=1e-3, atol=1e-3
    )
    anchors = find_codes(context, QUICK)
    origin = Origin("small", "small", fingerprint(context.generator))
    learned = []
    for memory in (tight, None):
        persona = Persona.create(context.generator, Recipe(), origin=origin, anchors=anchors, rng=seeded(0))
        tune(context, persona, Tuning(steps=3, batch=4, lr=0.01, beta1=0.9), memory=memory)
        learned.append(torch.cat([p.detach().flatten() for p in persona.parameters()]))
    # Adam turns a gradient of rounding errors into a whole step, so a few numbers may differ
    assert (learned[0] - learned[1]).norm() < 0.02 * learned[1].norm()
    placed = [place(context, anchors, context.album, Placement(steps=3), memory=memory).w for memory in (tight, None)]
    torch.testing.assert_close(placed[0], placed[1], rtol=1e-3, atol=1e-3)


def test_as_many_photos_at_once_as_fit() -> None:
    gib = 2**30
    assert fitting(8 * gib, fixed=0, kept=gib, most=100) == 3  # half a GiB for the process, the rest in 2 per photo
    assert fitting(8 * gib, fixed=3 * gib, kept=gib, most=100) == 2
    assert fitting(8 * gib, fixed=0, kept=gib, most=2) == 2
    assert fitting(gib, fixed=2 * gib, kept=gib, most=4) == 1
    assert budget(None, torch.device("cpu")) == 8 * gib
    assert budget(2.5, torch.device("cpu")) == 2.5 * gib


class Rider:
    """Lives as long as what it is tied to."""


def test_counting_keeps_nothing_alive() -> None:
    x = torch.zeros(256, requires_grad=True)
    with counting([x]) as kept:
        y = x.sigmoid()  # saves its own result
    assert kept[0] == 4 * 256
    assert y.grad_fn is not None
    metadata: Any = y.grad_fn.metadata
    metadata["rider"] = rider = Rider()
    last_seen = weakref.ref(rider)
    del y, rider, metadata
    assert last_seen() is None


@pytest.mark.parametrize("stage", ["inversion", "tuning"])
def test_a_descent_that_diverges_says_so_and_stops(context: Context, stage: str) -> None:
    context.album.photos[0, 0, 0, 0] = float("nan")
    origin = Origin("small", "small", fingerprint(context.generator))
    anchors = torch.zeros(4, context.generator.latent.w_dim)
    persona = Persona.create(context.generator, Recipe(), origin=origin, anchors=anchors)
    work = {"inversion": lambda: find_codes(context, QUICK), "tuning": lambda: tune(context, persona, Tuning(steps=1))}
    with pytest.raises(RecipeError, match=rf"^{stage} diverged: l2 is nan at step 1\. Try a lower"):
        work[stage]()


def test_w_plus_has_a_code_for_every_layer_and_fits_better(context: Context) -> None:
    w, plus = find_codes(context, QUICK), find_codes(context, dataclasses.replace(QUICK, space="w+"))
    assert plus.shape == (4, context.generator.latent.num_ws, context.generator.latent.w_dim)
    assert error(context, plus) < error(context, w)


def test_pull_draws_anchors_to_the_mean_and_cohesion_to_each_other(context: Context) -> None:
    def reach(settings: Inversion) -> tuple[float, float]:
        """How far anchors are from the mean w, and from each other."""
        anchors = find_codes(context, settings)
        mean = find_codes(context, dataclasses.replace(settings, steps=0))[0]
        return (anchors - mean).norm().item(), (anchors - anchors.mean(0)).norm().item()

    plain, pulled, together = (
        reach(dataclasses.replace(QUICK, **weights)) for weights in ({}, {"pull": 10.0}, {"cohesion": 10.0})
    )
    assert pulled[0] < 0.7 * plain[0]
    assert together[1] < 0.7 * plain[1]
    assert together[0] / plain[0] > together[1] / plain[1]  # what they share is let be
    with pytest.raises(RecipeError, match=r"set inversion\.whiten"):
        Inversion(cohesion=1.0)


def test_anchors_move_where_they_have_a_rate(context: Context) -> None:
    anchors = find_codes(context, dataclasses.replace(QUICK, steps=2))
    origin = Origin("small", "small", fingerprint(context.generator))
    still = Recipe(parts={"backbone": "adapt", "superres": "adapt"})
    personas = {}
    for rate in (0.0, 0.05):
        persona = Persona.create(context.generator, still, origin=origin, anchors=anchors.clone(), rng=seeded(0))
        tune(context, persona, Tuning(steps=8, batch=4, lr=1e-9, lr_offset=0.0, beta1=0.9, lr_anchors=rate))
        personas[rate] = persona
    assert torch.equal(personas[0.0].anchors, anchors)
    assert error(context, personas[0.05].anchors) < error(context, anchors)


def test_b_learns_at_a_ratio_of_a(context: Context) -> None:
    anchors = find_codes(context, dataclasses.replace(QUICK, steps=2))
    origin = Origin("small", "small", fingerprint(context.generator))
    first = {}
    for ratio in (1.0, 4.0):
        persona = Persona.create(context.generator, Recipe(), origin=origin, anchors=anchors, rng=seeded(0))
        tune(context, persona, Tuning(steps=1, batch=4, lr=0.01, lr_ratio=ratio))
        first[ratio] = torch.cat([c.B.detach().flatten() for c in persona.changes.values() if isinstance(c, LoRA)])
    torch.testing.assert_close(first[4.0], 4 * first[1.0])  # Adam's first step is the rate itself
    assert first[1.0].abs().max() > 0


def test_regularised_noise_leaves_the_generator_as_it_was(context: Context) -> None:
    before = fingerprint(context.generator)
    found = find_codes(context, dataclasses.replace(QUICK, noise="regularised", noise_weight=1.0, jitter=0.05))
    assert torch.isfinite(found).all()
    assert fingerprint(context.generator) == before


def test_whiteness_knows_noise_from_a_picture() -> None:
    white = torch.randn(1, 1, 32, 32, generator=seeded(0))
    smooth = torch.linspace(-1.7, 1.7, 32).expand(1, 1, 32, 32)
    assert whiteness({"a": white}) < 0.1 * whiteness({"a": smooth})
    assert whiteness({}) == 0


def test_tuning_moves_the_persona_alone(context: Context) -> None:
    shifted = dataclasses.replace(context.album, photos=(context.album.photos * 0.5 + 0.3).clamp(-1, 1))
    context = dataclasses.replace(context, album=shifted)
    before = fingerprint(context.generator)
    anchors = find_codes(context, QUICK)
    origin = Origin("small", "small", before)
    persona = Persona.create(context.generator, Recipe(), origin=origin, anchors=anchors, rng=seeded(0))
    pretrained = error(context, anchors)
    tune(context, persona, Tuning(steps=20, batch=2, lr=0.01, lr_offset=0.01))
    assert fingerprint(context.generator) == before
    assert not is_attached(context.generator)
    assert torch.equal(persona.anchors, anchors)
    from gpk.attach import attached

    with attached(context.generator, persona):
        assert error(context, anchors) < 0.9 * pretrained


def test_held_out_photos_are_placed_near_the_hull(context: Context) -> None:
    w = context.generator.mapping(torch.randn(4, context.generator.latent.z_dim, generator=seeded(3)))[:, 0]
    alpha = LatentHull(w).sample(2, seeded(1))
    inside = anchors_as_ws(LatentHull(w).points(alpha), context.generator.latent.num_ws)
    cameras = context.generator.orbit(torch.tensor([0.1, -0.1]))
    photos = context.generator(inside, cameras).image
    album = Album(photos, ("x", "y"), cameras)
    middle = anchors_as_ws(w.mean(0, keepdim=True).expand(2, -1), context.generator.latent.num_ws)
    placed = place(context, w, album, Placement(steps=30)).w
    assert placed.shape == inside.shape
    near, far = (absolute(render_album(context, v, album), photos).mean() for v in (placed, middle))
    assert near < 0.7 * far


def test_scores_of_a_perfect_render(context: Context) -> None:
    judged = dataclasses.replace(context, judge=colours)  # pyright: ignore[reportArgumentType]
    photos = context.album.photos
    if photos.shape[-1] < 16:
        pytest.skip("SSIM needs 11 pixels")
    masks = torch.ones(len(photos), 1, *photos.shape[-2:])
    figures = score(photos, photos, judged, references=photos, masks=masks)
    assert figures["psnr"] > 90
    assert figures["psnr_inside"] > 80
    assert figures["ssim"] == pytest.approx(1, abs=1e-3)
    assert figures["distance"] == 0
    assert figures["id_sim"] == pytest.approx(1, abs=1e-5)
    assert similarity(colours, photos, photos) == pytest.approx(1, abs=1e-5)


def test_novel_views_where_there_are_any(context: Context) -> None:
    w = anchors_as_ws(torch.zeros(2, context.generator.latent.w_dim), context.generator.latent.num_ws)
    views = novel_views(context, w)
    assert (views is None) == (not context.backend.cameras)
    if views is not None:
        assert views.shape[0] == 4
        assert torch.equal(views[0], views[2])  # row by row of w
        assert not torch.equal(views[0], views[1])


def test_the_rate_rises_and_falls() -> None:
    rates = [rate_at(s, 50, warmup=0.1, decay=0.5) for s in range(50)]
    assert rates[0] < rates[3] <= rates[4] == 1.0
    assert rates[24] == 1.0
    assert all(a >= b for a, b in pairwise(rates[25:]))
    assert rate_at(0, 0, warmup=0.1, decay=0.1) == 1.0


def test_settings_survive_json_and_are_laid_over_each_other() -> None:
    for settings in PRESETS.values():
        assert resolve(Settings(), ("json", to_json(settings))) == settings
    some = resolve(preset("fast"), ("a file", {"recipe": {"parts": {"mapping": "adapt"}}}), ("options", {"seed": 3}))
    assert some.recipe.parts == {**preset("fast").recipe.parts, "mapping": "adapt"}
    assert some.seed == 3
    with pytest.raises(UnknownNameError, match=r"unknown config key in f\.yaml 'tuning\.stepz'"):
        resolve(Settings(), ("f.yaml", {"tuning": {"stepz": 1}}))
    with pytest.raises(RecipeError, match=r"f\.yaml: tuning\.steps is 'many'"):
        resolve(Settings(), ("f.yaml", {"tuning": {"steps": "many"}}))
    with pytest.raises(RecipeError, match="beta1 and beta2 must be in"):
        Tuning(beta1=1.0)
