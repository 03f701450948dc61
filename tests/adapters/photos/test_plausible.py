"""Camera labels of other conventions are refused with the turn that mends them; right and noisy ones are taken."""

import math

import pytest
import torch
from torch import Tensor
from wrong_labels import FACE, OPENGL, WRONG, Faces, right

from gpk.camera import Camera
from gpk.errors import LabelError
from gpk_photos.conventions import turned
from gpk_photos.plausible import Sight, checked, own_sight


def faces() -> Sight:
    sight = own_sight(Faces())  # pyright: ignore[reportArgumentType]
    assert sight is not None
    return sight


def named(labels: Tensor) -> dict[str, Tensor]:
    return {f"{index}.png": label for index, label in enumerate(labels)}


def test_a_generators_cameras_tell_where_they_look_and_from_how_far() -> None:
    sight = faces()
    assert sight.target.tolist() == pytest.approx(FACE, abs=1e-5)
    assert (sight.radius, sight.focal) == pytest.approx((2.7, 4.2634), abs=1e-4)


@pytest.mark.parametrize("count", [3, 12])
@pytest.mark.parametrize("kind", WRONG)
def test_a_mistake_is_refused_with_the_turn_that_mends_it(kind: str, count: int) -> None:
    make, message, turn = WRONG[kind]
    labels = right(count)
    with pytest.raises(LabelError, match=message) as caught:
        checked(named(make(labels)), "dataset.json", sight=faces())
    told = str(caught.value).rpartition("--labels-as ")[2]
    assert told == turn or (turn.endswith("=") and told.startswith(turn))
    mended, warning = checked(named(make(labels)), "dataset.json", sight=faces(), labels_as=told)
    assert warning is None
    torch.testing.assert_close(torch.stack(list(mended.values())), labels, atol=2e-3, rtol=0)


@pytest.mark.parametrize("wide", [0.05, 0.6, 1.2])
def test_right_labels_pass_in_silence(wide: float) -> None:
    for count in (1, 2, 30):
        kept, warning = checked(named(right(count, wide=wide)), "dataset.json", sight=faces())
        assert warning is None
        assert torch.equal(torch.stack(list(kept.values())), right(count, wide=wide))


def test_cameras_all_around_an_object_pass() -> None:
    cars = Sight(torch.zeros(3, dtype=torch.float64), 1.3, 1.025)
    rng = torch.Generator().manual_seed(3)
    for _ in range(40):
        yaw, pitch = torch.rand(2, 8, generator=rng) * torch.tensor([[2 * math.pi], [1.2]]) - 1.2
        labels = Camera.orbit(yaw, pitch, radius=1.3, focal=1.025).label()
        checked(named(labels), "dataset.json", sight=cars)


def test_noise_of_an_estimator_is_warned_about_at_most() -> None:
    rng = torch.Generator().manual_seed(4)
    for seed in range(30):
        labels = right(6, seed).clone()
        roll = torch.randn(6, generator=rng) * 0.2
        turn = torch.eye(4).repeat(6, 1, 1)
        turn[:, 0, 0], turn[:, 1, 1], turn[:, 0, 1], turn[:, 1, 0] = roll.cos(), roll.cos(), -roll.sin(), roll.sin()
        pose = labels[:, :16].reshape(6, 4, 4) @ turn
        pose[:, :3, 3] *= 1 + 0.1 * torch.randn(6, 1, generator=rng).clamp(-2, 2)
        labels[:, :16] = pose.flatten(1)
        labels[:, (16, 20)] *= 1 + 0.1 * torch.randn(6, 1, generator=rng).clamp(-2, 2)
        checked(named(labels), "dataset.json", sight=faces())


def test_one_odd_label_among_good_ones_is_a_warning() -> None:
    labels = right(8).clone()
    labels[2, (3, 7, 11)] *= 3
    kept, warning = checked(named(labels), "album", sight=faces())
    assert len(kept) == 8
    assert warning == (
        "Camera labels of album that may be wrong: 2.png: stands too near or too far (8.1, and this generator's 2.7)"
    )


def test_cameras_all_behind_the_head_are_a_warning() -> None:
    labels = Camera.orbit(torch.tensor([2.9, 3.1, 3.4]), 0.1).label()
    _, warning = checked(named(labels), "album", sight=faces())
    assert warning is not None
    assert warning.endswith("0.png and 2 more: stands behind the subject")


def test_without_a_generator_only_the_certain_is_refused() -> None:
    for kind, (make, _, turn) in WRONG.items():
        labels = named(make(right(6)))
        if turn.split("+")[0] in ("opengl", "transposed", "pixels=512"):
            with pytest.raises(LabelError):
                checked(labels, "album")
        else:
            assert checked(labels, "album")[1] is None, kind


def test_who_vouches_for_labels_is_warned_only() -> None:
    far = right(4).clone()
    far[:, (3, 7, 11)] *= 3.7
    far[:, 7] += 4
    with pytest.raises(LabelError):
        checked(named(far), "album", sight=faces())
    kept, warning = checked(named(far), "album", sight=faces(), labels_as="as-they-are")
    assert torch.equal(torch.stack(list(kept.values())), far)
    assert warning is not None
    gl = torch.cat([(right(2)[:, :16].reshape(2, 4, 4) @ OPENGL).flatten(1), right(2)[:, 16:]], 1)
    with pytest.raises(LabelError, match="looks away"):
        checked(named(gl), "album", sight=faces(), labels_as="as-they-are")


def test_what_no_sign_shows_is_taken() -> None:
    shuffled = right(6).roll(1, 0)
    assert checked(named(shuffled), "album", sight=faces())[1] is None


@pytest.mark.parametrize(
    "turns", ["", "gl", "opengl=1", "scale", "scale=0", "scale=nan", "scale=x", "move=1,2", "opengl+", "pixels=-3"]
)
def test_an_unknown_turn_is_named(turns: str) -> None:
    with pytest.raises(LabelError, match=r"--labels-as knows no .*: give as-they-are, or of these"):
        turned(right(1), turns)


def test_a_turn_beyond_numbers_is_told() -> None:
    with pytest.raises(LabelError, match="numbers that are not finite"):
        turned(right(1), "scale=1e300")
