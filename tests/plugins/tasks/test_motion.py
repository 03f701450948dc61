"""Closed loops of the camera and of the code, and the figures that tell whether they move well."""

from __future__ import annotations

import pytest
import torch

from gpk.seeding import seeded
from gpk_tasks.motion import figures_of_loop, through, turntable


def test_a_turntable_is_a_closed_loop_of_even_steps() -> None:
    yaw, pitch = turntable(48, turn=0.4, nod=0.1)
    assert yaw.max() == -yaw.min() == pytest.approx(0.4)
    assert pitch.max() == -pitch.min() == pytest.approx(0.1)
    along = torch.stack([yaw / 0.4, pitch / 0.1])
    steps = (along - along.roll(1, 1)).norm(dim=0)
    torch.testing.assert_close(steps, steps[:1].expand(48))  # the last to the first is a step as any other
    assert turntable(0, turn=0.4, nod=0.1).shape == (2, 0)


@pytest.mark.parametrize("anchors", [2, 3, 7])
def test_a_path_stays_in_the_hull_and_meets_every_anchor(anchors: int) -> None:
    weights = through(anchors, 10)
    assert weights.shape == (10 * anchors, anchors)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(10 * anchors))
    assert torch.equal(weights[::10], torch.eye(anchors))
    assert ((weights > 0).sum(1) <= 2).all()


def test_a_path_is_at_rest_at_its_anchors_its_acceleration_too_and_closes() -> None:
    fine = 200
    loop = through(3, fine).double()
    speed = (loop.roll(-1, 0) - loop.roll(1, 0)) / 2 * fine
    force = (loop.roll(-1, 0) - 2 * loop + loop.roll(1, 0)) * fine**2
    assert speed[::fine].abs().max() < 1e-3 * speed.abs().max()
    assert force[::fine].abs().max() < 0.02 * force.abs().max()
    assert speed.abs().max() == pytest.approx(15 / 8, rel=1e-3)  # half-way
    jerks = force - force.roll(1, 0)
    assert jerks.abs().max() < 0.1 * force.abs().max()  # nowhere a jump, the seam included


def test_steady_motion_has_no_flicker_and_a_flicker_of_known_size_is_told() -> None:
    steady = torch.linspace(-0.5, 0.5, 11).view(11, 1, 1, 1).expand(11, 3, 4, 4)
    there_and_back = torch.cat([steady, steady[1:-1].flip(0)])
    calm = figures_of_loop(there_and_back)
    assert [calm[name] for name in ("change", "largest change", "seam")] == pytest.approx([0.05] * 3, rel=1e-5)
    assert calm["largest flicker"] == pytest.approx(0.1, rel=1e-5)  # where it turns round
    assert calm["flicker"] == pytest.approx(0.2 / 20, rel=1e-4)  # twice in twenty frames
    blinking = 0.1 * torch.tensor([1.0, -1.0]).repeat(10).view(20, 1, 1, 1)
    assert figures_of_loop(there_and_back + blinking)["flicker"] == pytest.approx(0.2, abs=0.03)


def test_the_figures_of_a_loop_do_not_depend_on_where_it_begins_but_for_the_seam() -> None:
    frames = torch.rand(6, 3, 4, 4, generator=seeded(0)) * 2 - 1
    one, other = figures_of_loop(frames), figures_of_loop(iter(frames.roll(2, 0)))
    assert {**one, "seam": 0} == pytest.approx({**other, "seam": 0})
    assert one["seam"] == pytest.approx((frames[0] - frames[-1]).abs().mean().item() / 2)
    assert other["seam"] == pytest.approx((frames[4] - frames[3]).abs().mean().item() / 2)
    assert figures_of_loop(frames[:2])["change"] == pytest.approx((frames[0] - frames[1]).abs().mean().item() / 2)


def test_a_jump_at_the_seam_is_seen() -> None:
    open_loop = torch.linspace(-1, 1, 9).view(9, 1, 1, 1).expand(9, 3, 4, 4)
    figures = figures_of_loop(open_loop)
    assert figures["seam"] == pytest.approx(figures["largest change"]) == pytest.approx(1.0)
    assert figures["seam"] > 4 * figures["change"]
