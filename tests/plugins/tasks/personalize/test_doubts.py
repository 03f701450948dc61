"""What a personalization says of itself where it went wrong without an error, and nothing where it did not."""

from __future__ import annotations

import pytest

from gpk_tasks.personalize.doubts import doubts
from gpk_tasks.personalize.settings import Inversion
from gpk_tasks.report.events import Figures, Inverted

GOOD = {"train": {"pretrained": {"psnr": 19.0, "distance": 0.4}, "personalized": {"psnr": 23.0, "distance": 0.2}}}


def fell(first: float | None, last: float | None, *, batch: int = 0) -> list[Inverted]:
    """An inversion's steps, whose loss is of pixels alone."""
    return [Inverted(1, first, 0.0, batch), Inverted(20, 9.0, 0.0, batch), Inverted(30, last, 0.0, batch)]


def figures(psnr: tuple[float | None, float | None], distance: tuple[float | None, float | None]) -> Figures:
    pairs = zip(("pretrained", "personalized"), psnr, distance, strict=True)
    return {"train": {label: {"psnr": p, "distance": d} for label, p, d in pairs}}


@pytest.mark.parametrize(("first", "last"), [(1.5, 1.12), (1.5, 0.2), (0.0, 0.0), (None, 1.0)])
def test_a_loss_that_fell_or_is_not_known_is_no_matter(first: float | None, last: float | None) -> None:
    assert doubts(GOOD, fell(first, last), Inversion()) == ()


def test_a_loss_that_did_not_fall_is_told_with_both_figures() -> None:
    (told,) = doubts(GOOD, fell(1.5, 1.13), Inversion())
    assert told.startswith("Inversion stood still: the loss was 1.5 at the first step and 1.13 at the last. Try ")
    assert "--anchor-steps" in told
    assert "cameras" in told


def test_of_several_batches_the_one_that_fell_least_is_told() -> None:
    steps = [*fell(1.0, 0.3), *fell(2.0, 1.9, batch=1), *fell(2.0, 2.5, batch=2)]
    (told,) = doubts(GOOD, steps, Inversion())
    assert "for 2 of 3 batches of photos: the loss was 2 at the first step and 2.5 at the last." in told


def test_losses_are_weighed_as_the_inversion_weighed_them() -> None:
    steps = [Inverted(1, 1.0, 1.0), Inverted(2, 0.1, 1.0)]
    assert doubts(GOOD, steps, Inversion()) == ()
    assert len(doubts(GOOD, steps, Inversion(l2=0.0))) == 1


def test_without_a_first_step_nobody_knows_how_far_it_fell() -> None:
    assert doubts(GOOD, [Inverted(20, 1.0, 1.0), Inverted(40, 1.0, 1.0)], Inversion()) == ()
    assert doubts(GOOD, [Inverted(1, 1.0, 1.0)], Inversion()) == ()
    assert doubts(GOOD, [], Inversion()) == ()


def test_a_persona_that_is_no_better_is_told_with_both_figures() -> None:
    (told,) = doubts(figures((19.7, 19.2), (0.30, 0.35)), [], Inversion())
    assert told.startswith(
        "The persona shows its own album no better than the pretrained generator does: "
        "PSNR 19.7 dB before and 19.2 dB after. Try more --steps"
    )
    (told,) = doubts(figures((None, None), (0.30, 0.30)), [], Inversion())
    assert "distance 0.300 before and 0.300 after" in told


@pytest.mark.parametrize(
    "better",
    [
        figures((19.7, 19.2), (0.3, 0.2)),  # by the one or by the other
        figures((19.7, 19.8), (0.3, 0.4)),
        figures((None, 19.8), (None, 0.4)),
        {},
    ],
)
def test_a_persona_that_is_better_or_not_known_is_no_matter(better: Figures) -> None:
    assert doubts(better, [], Inversion()) == ()


def real(**pairs: tuple[float | None, float | None]) -> Figures:
    """Realism before and after, by photos."""
    labels = "pretrained", "personalized"
    return {
        name.replace("_", " "): {label: {"realism": one} for label, one in zip(labels, pair, strict=True)}
        for name, pair in pairs.items()
    }


def test_pictures_that_have_become_less_real_are_told_where_they_lost_most() -> None:
    (told,) = doubts(real(train=(0.8, 0.6), held_out=(0.8, 0.5), novel_views=(0.5, 0.6)), [], Inversion())
    assert told.startswith(
        "The persona's pictures are less real than the pretrained generator's (held out): "
        "realism 0.800 before and 0.500 after. Look"
    )


@pytest.mark.parametrize("pair", [(0.8, 0.68), (0.5, 0.9), (0.4, 0.37), (None, 0.2), (0.9, None)])
def test_pictures_as_real_as_before_or_not_known_are_no_matter(pair: tuple[float | None, float | None]) -> None:
    assert doubts(real(train=pair), [], Inversion()) == ()
