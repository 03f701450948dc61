r"""Attributes and their directions: codes whose pictures somebody read, and what is learned from them.

Codes are drawn from the generator's own prior and labelled by a network that reads their pictures, or by what is known
of their noise; or they are a file's, and labelled by a person. A direction can be no better than its labels: where both
of the former are there, how well they agree is told.

Shapes: N codes, K attributes, L latent layers, D latent width, Z noise width, R image side.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gpk.context import Context
from gpk.directions import Direction, apart_from, learn_direction
from gpk.errors import InputError, UnknownNameError
from gpk.generator import Generator, fingerprint
from gpk.judges import Attributes
from gpk.logger import Logger, NullLogger
from gpk.seeding import in_parts, seeded
from gpk_tasks.descent import State, Tick
from gpk_tasks.renders import AT_ONCE, render_rows

Teacher = Literal["judge", "known"]
STAGE = "reading"
"""What the state of `read_pictures` says that it is of."""


@dataclass(frozen=True)
class DirectionFit:
    """How a direction is learned from labelled codes: see `gpk.directions.learn_direction`."""

    share: float = 0.2
    penalty: float = 100.0
    seed: int = 0


@dataclass(frozen=True)
class Labelled:
    """Codes [N, D], and scores [N] of them by attribute; `by` whom, and Pearson's correlation with what is known
    of the codes' noise, where that is something else.
    """

    codes: Tensor
    scores: Mapping[str, Tensor]
    by: str
    agreement: Mapping[str, float]


@torch.no_grad()
def draw(generator: Generator, count: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noise z [N, Z] and the codes w [N, L, D] of it, as the generator's own pictures have them."""
    like = next(generator.parameters())
    z = torch.randn(count, generator.latent.z_dim, generator=seeded(seed, "attributes")).to(like)
    front = generator.frontal(count)
    return z, generator.mapping(z, None if front is None else front.to(like.device))


@torch.no_grad()
def read(attributes: Attributes, images: Tensor) -> Tensor:
    """The attributes [N, K] of images [N, 3, R, R], in the order of `attributes.names`."""
    return in_parts(attributes, images, size=AT_ONCE)


def read_pictures(
    generator: Generator,
    attributes: Attributes,
    w: Tensor,
    *,
    logger: Logger | None = None,
    start: State | None = None,
    tick: Tick = lambda state: None,
) -> Tensor:
    """The attributes [N, K] of the frontal pictures of w [N, L, D], for the generator as it is now.

    `tick` is called with the state after every few, and `start` is such a state, to go on from.
    """
    logger = logger or NullLogger()
    scores = [] if start is None else [start[0]["scores"]]
    done = 0 if start is None else int(start[1]["done"])
    for images in render_rows(generator, w[done:], generator.frontal(len(w) - done)):
        scores.append(read(attributes, images).cpu())
        done += len(images)
        logger.progress("reading pictures", done, len(w), {})
        at = done
        tick(lambda: ({"scores": torch.cat(scores)}, {"stage": STAGE, "done": at}))  # noqa: B023 - called at once
    return torch.cat(scores)


def labelled(
    context: Context,
    samples: int,
    wanted: Sequence[str] = (),
    *,
    teacher: Teacher | None = None,
    seed: int = 0,
    start: State | None = None,
    tick: Tick = lambda state: None,
) -> Labelled:
    """`samples` codes of the prior, labelled by the `teacher`: the context's attributes judge, which is the default
    where there is one, or what is known of their noise.

    The context's generator is to be as it was pretrained; `start` and `tick` are as `read_pictures` has them. Raises
    InputError where the context has no such teacher, UnknownNameError where that one does not know what is `wanted`.
    """
    attributes, meaning = context.attributes, context.backend.meaning
    by = teacher or ("known" if attributes is None and meaning is not None else "judge")
    if by == "judge" and attributes is None:
        raise _unlabelled(context, "nothing reads attributes in its pictures")
    if by == "known" and meaning is None:
        raise _unlabelled(context, "nothing is known of what its noise means")
    z, w = draw(context.generator, samples, seed=seed)
    known = {} if meaning is None else {name: value.cpu() for name, value in meaning(z).items()}
    _check(wanted, known if by == "known" or attributes is None else attributes.names)
    if by == "known" or attributes is None:
        return Labelled(w[:, 0], known, "noise", {})
    scores = read_pictures(context.generator, attributes, w, logger=context.logger, start=start, tick=tick)
    by_name = dict(zip(attributes.names, scores.unbind(1), strict=True))
    agreement = {name: _correlation(by_name[name], known[name]) for name in by_name.keys() & known.keys()}
    return Labelled(w[:, 0], by_name, f"judge {context.backend.attributes}", agreement)


def learned(
    labels: Labelled, attribute: str, generator: Generator, fit: DirectionFit, *, without: Sequence[str] = ()
) -> Direction:
    """The direction [1, D] of the attribute in the generator's W, kept off those of `without`.

    Its facts are how it was learned, and how often the plane was right about codes that it was not learned from. Raises
    UnknownNameError for an attribute that the labels do not have, InputError where they do not part the codes.
    """
    _check((attribute, *without), labels.scores)
    if attribute in without:
        raise InputError(f"the direction of {attribute!r} cannot do without itself: leave it out of --without")
    planes = [
        learn_direction(labels.codes, labels.scores[name], share=fit.share, penalty=fit.penalty, seed=fit.seed)
        for name in (attribute, *without)
    ]
    own, *others = planes
    normal = apart_from(own.normal, torch.stack([plane.normal for plane in others])) if others else own.normal
    facts = {
        "by": labels.by, "codes": len(labels.codes), "learned": own.learned, "tried": own.tried,
        "accuracy": round(own.accuracy, 4), "without": list(without), "share": fit.share,
        "penalty": fit.penalty, "seed": fit.seed,
    }  # fmt: skip
    if without:
        facts["kept"] = round((normal @ own.normal).item(), 4)
    if attribute in labels.agreement:
        facts["agreement"] = round(labels.agreement[attribute], 4)
    return Direction(normal[None], attribute, fingerprint(generator), facts)


def _check(wanted: Iterable[str], known: Collection[str]) -> None:
    for name in wanted:
        if name not in known:
            raise UnknownNameError("attribute", name, known)


def _unlabelled(context: Context, why: str) -> InputError:
    return InputError(f"{context.backend.name}: {why}; give a --direction, or --labels of pictures that you looked at")


def _correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's, 0 where one of them is constant."""
    return torch.corrcoef(torch.stack([a.double(), b.double()]))[0, 1].nan_to_num().item()
