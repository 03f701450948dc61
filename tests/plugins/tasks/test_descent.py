"""The one descent: stopped anywhere it is one that never stopped, its rates rise and fall, and a step may end it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gpk.errors import RecipeError
from gpk_tasks import keeping
from gpk_tasks.descent import STILL, Descent, Figures, State
from gpk_tasks.keeping import kept

STEPS = 6


class Work:
    """Two tensors on their way to a target, at rates of their own; `stop` is after how many steps it ends."""

    def __init__(self, *, stop: int | None = None) -> None:
        self.near, self.far = (torch.full((3,), start).requires_grad_() for start in (1.0, -4.0))
        groups = [([self.near], 0.1), ([self.far], 0.5), ([], 7.0)]
        free = {"near": self.near, "far": self.far}
        self.descent = Descent(free, groups, steps=STEPS, stage="walk", elsewhere="a hill", warmup=0.5, decay=0.5)
        self.stop, self.told, self.states = stop, [], []

    def backward(self, step: int) -> Figures | None:
        loss = (self.near - 2).square().sum() + (self.far - step).square().sum()
        loss.backward()
        return None if step == self.stop else {"loss": loss.item()}

    def clamp(self) -> None:
        self.near.clamp_(max=1.3)

    def run(self) -> dict[str, Tensor]:
        def keep(state: Callable[[], State]) -> None:
            tensors, position = state()
            self.states.append(({name: tensor.clone() for name, tensor in tensors.items()}, dict(position)))

        self.descent.run(self.backward, tell=lambda *told: self.told.append(told), tick=keep, after=self.clamp)
        return self.descent.state()[0]


def test_from_every_state_it_goes_on_as_if_it_had_never_stopped() -> None:
    whole = Work()
    end = whole.run()
    assert [position for _, position in whole.states] == [{"step": done} for done in range(1, STEPS + 1)]
    for tensors, position in whole.states:
        again = Work()
        again.descent.load(({**tensors, "something else": torch.zeros(1)}, position))
        assert {name: tensor.tolist() for name, tensor in again.run().items()} == {
            n: t.tolist() for n, t in end.items()
        }
        assert again.told == whole.told[position["step"] :]


def test_a_state_without_a_free_tensor_is_refused() -> None:
    work = Work()
    (tensors, position), *_ = (work.run(), work.states)[1]
    del tensors["far"]
    with pytest.raises(KeyError, match="far"):
        Work().descent.load((tensors, position))


def test_what_is_put_right_afterwards_is_what_goes_on() -> None:
    assert Work().run()["near"].max() <= 1.3


def test_every_group_has_its_own_rate_which_rises_and_falls() -> None:
    work = Work()
    work.run()
    far = [tensors["far"][0].item() for tensors, _ in work.states]
    moved = [abs(b - a) for a, b in zip([-4.0, *far], far, strict=False)]
    # Adam's first step is as long as its rate: a third of 0.5 while it warms up.
    assert moved[0] == pytest.approx(0.5 / 3, rel=1e-3)
    assert moved[2] > moved[1] > moved[0]
    assert moved[-1] < moved[2]


def test_a_step_may_end_it() -> None:
    work = Work(stop=2)
    work.run()
    assert work.descent.done == 2
    assert len(work.told) == 2


def test_no_steps_move_nothing() -> None:
    free = torch.ones(2).requires_grad_()
    descent = Descent({"free": free}, [([free], 1.0)], steps=0, stage="walk", elsewhere="a hill")
    descent.run(lambda step: {}, tell=lambda *told: pytest.fail("nothing is to be done"))
    assert descent.state()[0].keys() == {"free"}
    assert free.tolist() == [1, 1]


def descend(losses: list[float], slopes: list[float], *, rate: float = 0.1) -> Descent:
    """As many steps as there are losses, each of them with that slope."""
    free = torch.zeros(2).requires_grad_()
    descent = Descent({"free": free}, [([free], rate)], steps=len(losses), stage="the walk", elsewhere="a hill")

    def backward(step: int) -> Figures:
        (slopes[step] * free).sum().backward()
        return {"l2": losses[step], "perceptual": 0.0}

    descent.run(backward, tell=lambda done, figures: None)
    return descent


def test_steps_without_a_gradient_end_in_a_sentence() -> None:
    """In a row, and whatever the losses are: a batch of tuning has other photos each time."""
    falling = [0.5 - step / 100 for step in range(STILL + 5)]
    with pytest.raises(RecipeError) as told:
        descend(falling, [1.0] * 3 + [0.0] * (STILL + 2))
    assert str(told.value) == (
        "the walk stands still: 10 steps at l2 0.38 and perceptual 0 had no gradient at all: the generator is flat "
        "there. Try a hill"
    )
    descend(falling, ([0.0] * (STILL - 1) + [1.0]) * 2)


def test_a_first_loss_that_stays_the_same_to_the_bit_ends_in_a_sentence() -> None:
    with pytest.raises(RecipeError, match=r"the walk stands still: 10 steps at l2 0\.5 .* changed nothing"):
        descend([0.5] * STILL, [1e-30] * STILL)


@pytest.mark.parametrize(
    ("losses", "slopes"),
    [
        pytest.param([0.0] * 2 * STILL, [0.0] * 2 * STILL, id="a perfect fit, or photos with nothing real in them"),
        pytest.param([1e-9] * 2 * STILL, [0.0] * 2 * STILL, id="a perfect fit but for rounding"),
        pytest.param([1.0] + [0.5] * 2 * STILL, [1.0] * (2 * STILL + 1), id="it has arrived"),
        pytest.param([0.5] * (STILL - 1), [0.0] * (STILL - 1), id="too few steps to tell"),
    ],
)
def test_what_only_seems_to_stand_still_goes_on(losses: list[float], slopes: list[float]) -> None:
    assert descend(losses, slopes).done == len(losses)


class Run:
    """What `kept` saves in."""

    directory = "there"

    def __init__(self) -> None:
        self.saved: list[State] = []

    def save_state(self, *state: object) -> None:
        self.saved.append(state)  # pyright: ignore[reportArgumentType] - what a run takes is a state


@pytest.mark.parametrize("sound", [True, False])
def test_of_a_diverged_descent_nothing_is_kept_where_only_sound_states_are(
    monkeypatch: pytest.MonkeyPatch, sound: bool
) -> None:
    monkeypatch.setattr(keeping, "SAVE_EVERY", 0.0)
    run = Run()
    with kept(run, besides=lambda: {"seconds": 2}, sound=sound) as tick:  # pyright: ignore[reportArgumentType]
        tick(lambda: ({"w": torch.ones(2)}, {"step": 1}))
        if sound:
            with pytest.raises(RecipeError, match="the descent diverged: w has numbers that are not finite"):
                tick(lambda: ({"w": torch.tensor([torch.nan])}, {"step": 2}))
        else:
            tick(lambda: ({"w": torch.tensor([torch.nan])}, {"step": 2}))
    assert [position for _, position in run.saved] == [{"step": 1, "seconds": 2}, {"step": 2, "seconds": 2}][
        : 2 - sound
    ]
