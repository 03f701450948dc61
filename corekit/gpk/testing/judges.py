"""Rules of networks that look at pictures: judges, distances and attributes.

A card whose package or weights are absent is skipped, with what its ExtraError says.

Shapes: B batch, F features, K attributes, R image side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.errors import ExtraError
from gpk.generator import fingerprint
from gpk.judges import Attributes, FeatureDistance
from gpk.plugin import JudgeCard
from gpk.seeding import seeded
from gpk.testing.alike import NOTHING, alike, off
from gpk.testing.building import imports_lightly
from gpk.testing.rule import ContractError, NotPromisedError, Rule

SIDES = (64, 48, 100)
"""Sides of the pictures that are shown: the first is every rule's."""


@dataclass(frozen=True)
class JudgeSpecimen:
    """A card's network; `plugin` is where it is offered, None where the card was given by itself."""

    card: JudgeCard
    plugin: EntryPoint | None = None

    @cached_property
    def network(self) -> nn.Module:
        """The network with the weights that are found without being told a file; NotPromisedError where none are."""
        try:
            return self.card.load(None)
        except ExtraError as error:
            raise NotPromisedError(str(error)) from error

    def judged(self, *pictures: Tensor) -> Tensor:
        """What the network says of pictures [B, 3, R, R], a distance of each from its neighbour in the batch, too."""
        if self.card.kind == "distance" and len(pictures) == 1:
            return self.network(pictures[0], pictures[0].roll(1, 3))
        return self.network(*pictures)


def pictures(count: int, side: int = SIDES[0], seed: int = 1) -> Tensor:
    """Soft random pictures [B, 3, R, R] in [-1, 1]."""
    coarse = torch.rand(count, 3, 8, 8, generator=seeded(seed)) * 2 - 1
    return F.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)


def loads_frozen(specimen: JudgeSpecimen) -> None:
    """`load` gives a module, frozen: who asks for the gradient of a picture does not want those of the judge's weights,
    and no optimizer may find them. It has a fingerprint, which stands beside its figures.
    """
    network = specimen.network
    if not isinstance(network, nn.Module):
        raise ContractError(
            f"load returned a {type(network).__name__}: it is an nn.Module, which can be moved to a device"
        )
    if learning := [name for name, parameter in network.named_parameters() if parameter.requires_grad]:
        raise ContractError(
            f"{len(learning)} of its parameters ask for gradients, the first {learning[0]}: a judge is frozen, or it "
            "learns to like what it is shown. Return network.requires_grad_(False).eval()"
        )
    if next(network.parameters(), None) is not None and not fingerprint(network):
        raise ContractError("it has no fingerprint: its weights are on the meta device. Load them")


def answers_by_its_kind(specimen: JudgeSpecimen) -> None:
    """A distance gives [B], a judge unit features [B, F], attributes [B, K] with as many `names`; all finite, in
    float32.
    """
    card, network = specimen.card, specimen.network
    with torch.no_grad():
        seen = specimen.judged(pictures(3))
    wanted = {"distance": "[B]", "judge": "[B, F]", "attributes": "[B, K]"}[card.kind]
    if seen.ndim != (1 if card.kind == "distance" else 2) or len(seen) != 3:
        raise ContractError(f"of 3 pictures it says {list(seen.shape)}: a {card.kind} gives {wanted}, one row each")
    if seen.dtype != torch.float32 or not torch.isfinite(seen).all():
        raise ContractError(f"it says numbers of {seen.dtype}, not all of them finite float32: look for roots of 0")
    if card.kind == "judge" and not alike(seen.norm(dim=1), torch.ones(3)):
        raise ContractError(
            f"its features are {seen.norm(dim=1)[0]:.3g} long: they are of length 1, so that their product is a "
            "cosine. Return F.normalize(features, dim=1)"
        )
    if card.kind == "attributes":
        names = getattr(network, "names", None)
        if not isinstance(network, Attributes) or not isinstance(names, tuple) or len(names) != seen.shape[1]:
            raise ContractError(
                f"it says {seen.shape[1]} numbers of a picture and names {names!r}: `names` is a tuple that names each"
            )
        if len(set(names)) != len(names):
            raise ContractError(f"two of its {len(names)} attributes share a name: they are asked for by name")


def tells_pictures_apart(specimen: JudgeSpecimen) -> None:
    """A distance is 0 for equal pictures and above 0 for others; a judge and attributes say the same of equal ones, and
    something else of others.
    """
    a, b = pictures(3), pictures(3, seed=2)
    with torch.no_grad():
        if specimen.card.kind == "distance":
            zero, far = specimen.network(a, a.clone()), specimen.network(a, b)
            if not alike(zero, torch.zeros_like(zero), far):
                raise ContractError(
                    f"equal pictures are {off(zero, torch.zeros_like(zero), far):.2g} times as far apart as unlike "
                    "ones: a distance is 0 there, or a perfect picture would still be descended from"
                )
            if not far.min() > 0:
                raise ContractError(f"two unlike pictures are {far.min():.2g} apart: a distance is above 0 there")
        elif alike(specimen.judged(a), specimen.judged(b), within=NOTHING):
            raise ContractError("of any picture it says the same: look at what it does with its input")


def judges_each_alone(specimen: JudgeSpecimen) -> None:
    """What is said of a picture does not depend on what else is in its batch, on what was asked before, or on chance;
    pictures are left as they are, and torch's global randomness is not touched.
    """
    shown = pictures(3)
    given, _ = shown.clone(), specimen.network  # now it is loaded, which may have drawn first weights at random
    state = torch.random.get_rng_state()
    with torch.no_grad():
        together = specimen.judged(shown)
        for i in range(3):
            alone = specimen.judged(shown[i : i + 1])[0]
            if not alike(alone, together[i], together):
                raise ContractError(
                    f"of a picture alone it says something {off(alone, together[i], together):.2g} of its size off "
                    "what it says of it in a batch of 3: each is judged by itself. Look for BatchNorm in training "
                    "mode, and statistics over the batch"
                )
        again = specimen.judged(shown)
    if not torch.equal(again, together):
        raise ContractError(
            f"asked twice, it says things {off(again, together):.2g} of their size apart: look for dropout and for "
            "state that is kept"
        )
    if not torch.equal(shown, given):
        raise ContractError("it changes the pictures that it is shown: they belong to the caller. Copy them first")
    if not torch.equal(torch.random.get_rng_state(), state):
        raise ContractError(
            "it draws from torch's global randomness: jobs would not repeat. Draw nothing, or from a seed"
        )


def stays_in_evaluation_mode(specimen: JudgeSpecimen) -> None:
    """Whatever is around it calls `train()`, it says the same, and keeps its running averages."""
    shown = pictures(3)
    with torch.no_grad():
        before = specimen.judged(shown)
        stored = fingerprint(specimen.network)
        specimen.network.train()
        after = specimen.judged(shown)
    if not torch.equal(before, after):
        raise ContractError(
            f"after train() it says things {off(after, before):.2g} of their size off: a judge is what it is, also "
            "inside something that trains. Override `train` so that it calls super().train(False)"
        )
    if fingerprint(specimen.network) != stored:
        raise ContractError("after train() looking at pictures changes its tensors: override `train`, as above")


def takes_any_side(specimen: JudgeSpecimen) -> None:
    """Pictures may have any side R: generators' are 64 to 1024, and losses are taken of smaller ones too."""
    for side in SIDES:
        try:
            with torch.no_grad():
                seen = specimen.judged(pictures(2, side))
        except RuntimeError as error:
            raise ContractError(
                f"of pictures of side {side} it raised: {str(error).splitlines()[0]}. Any side is to do: resize first, "
                "or pool what is left"
            ) from error
        if len(seen) != 2 or not torch.isfinite(seen).all():
            raise ContractError(
                f"of pictures of side {side} it says {list(seen.shape)}, or numbers that are not finite"
            )


def lets_gradients_through(specimen: JudgeSpecimen) -> None:
    """Distances and attributes are differentiable in the pictures, for they are descended, at equal pictures too; a
    judge, where it can be.
    """
    shown = pictures(2).requires_grad_()
    seen = specimen.judged(shown)
    if not seen.requires_grad:
        if specimen.card.kind == "judge":
            raise NotPromisedError("it has no gradients, which a judge need not have")
        raise ContractError("it has no gradient: it is in a loss. Look for no_grad, detach, NumPy, and rounding")
    values = [(seen.sum(), "unlike pictures")]
    if specimen.card.kind == "distance":
        values.append((specimen.network(shown, shown.detach().clone()).sum(), "equal pictures"))
    for value, told in values:
        (gradient,) = torch.autograd.grad(value, shown)
        if not torch.isfinite(gradient).all():
            raise ContractError(
                f"at {told} the gradient is not finite: one such step ends a job. Look for the root of 0, whose slope "
                "is infinite; put a small number under it"
            )
        if told == "unlike pictures" and not gradient.any():
            raise ContractError("the gradient is 0 everywhere: nothing can be learned from it. Look for rounding")


def remembers_what_it_saw(specimen: JudgeSpecimen) -> None:
    """Where a distance has `features` and `between`, calling it is `between(features(a), features(b))`: the album's
    photos are looked at only once.
    """
    network = specimen.network
    if specimen.card.kind != "distance" or not isinstance(network, FeatureDistance):
        raise NotPromisedError("it has no `features` and `between`")
    a, b = pictures(2), pictures(2, seed=2)
    with torch.no_grad():
        whole, parts = network(a, b), network.between(network.features(a), network.features(b))
    if not alike(parts, whole):
        raise ContractError(
            f"between(features(a), features(b)) is {off(parts, whole):.2g} of its size off the distance itself: the "
            "two are used for one another"
        )


JUDGE_RULES: tuple[Rule[JudgeSpecimen], ...] = (
    Rule(imports_lightly),
    Rule(loads_frozen, basic=True),
    Rule(answers_by_its_kind, basic=True),
    Rule(tells_pictures_apart),
    Rule(judges_each_alone),
    Rule(stays_in_evaluation_mode),
    Rule(takes_any_side),
    Rule(lets_gradients_through),
    Rule(remembers_what_it_saw),
)
