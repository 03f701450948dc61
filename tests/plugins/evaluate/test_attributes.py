"""What a generator's noise means and what a judge reads in its pictures need not be the same."""

from __future__ import annotations

import dataclasses
from typing import final

import torch
from torch import Tensor, nn

from gpk.album import Album
from gpk.context import Context
from gpk.logger import NullLogger
from gpk.plugin import Backend, Card
from gpk.seeding import seeded
from gpk_evaluate.evaluation import learned_directions
from gpk_evaluate.instruments import Instruments
from gpk_evaluate.protocols import Scene, editing
from gpk_evaluate.settings import Evaluation
from gpk_evaluate.variants import Subject
from gpk_stylegan2.network import StyleGAN2
from gpk_tasks.personalize.presets import preset

NUMBERS = Evaluation(samples=60, amounts=(-1.0, 1.0))


@final
class Reader(nn.Module):
    names: tuple[str, ...] = ("light", "size")

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([images.mean((1, 2, 3)), images.abs().mean((1, 2, 3))], 1)


def context_of(generator: StyleGAN2) -> Context:
    """Its noise tells of five things, of which pictures tell one."""
    card = Card("small", "Small", "none")
    names = ("width", "length", "tilt", "light", "hue")
    backend = Backend(
        "small", "Small", (card,), lambda config: generator, cameras=False,
        meaning=lambda z: dict(zip(names, z.unbind(1), strict=False)),
    )  # fmt: skip
    album = Album(torch.zeros(3, 3, 16, 16), ("a", "b", "c"))
    distance = lambda a, b: (a - b).abs().mean((1, 2, 3))  # noqa: E731
    return Context(backend, card, generator, distance, album, NullLogger(), attributes=Reader())


def test_what_can_be_read_comes_first_and_the_rest_goes_unread(stylegan2: StyleGAN2) -> None:
    context = context_of(stylegan2)
    anchors = stylegan2.mapping(torch.randn(3, 12, generator=seeded(0)))
    subject = Subject("she", context, anchors, preset("fast"))
    directions = learned_directions(subject, NUMBERS)
    assert list(directions) == ["light", "width", "length"]
    scene = Scene(context, anchors, None, Instruments({}, {}, Reader()), NUMBERS, directions)
    figures = editing(scene).figures
    assert {name: sorted(row) for name, row in figures.items()} == {
        "light": ["attribute", "moved"],
        "width": ["moved"],
        "length": ["moved"],
    }
    unread = dataclasses.replace(subject, context=dataclasses.replace(context, attributes=None))
    assert list(learned_directions(unread, NUMBERS)) == ["width", "length", "tilt"]
