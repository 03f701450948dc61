"""Rules of sites: the weights that may change are named once, do something, and have the gain that is said.

What can be seen of a gain and what cannot is told in `gpk.testing.gains`.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import get_args

import torch

from gpk.errors import RecipeError
from gpk.generator import PARTS, Kind
from gpk.persona import changing_sites
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk.testing.gains import Meeting, meetings
from gpk.testing.rule import ContractError, NotPromisedError, Rule
from gpk.testing.specimen import Specimen

LOWRANK = frozenset({"conv", "affine", "torgb", "linear"})
"""Kinds whose change is a product of two factors."""


def names_its_sites(specimen: Specimen) -> None:
    """Every site is a parameter, named once, of a known kind and part, and a recipe's defaults find something to
    change: personas are kept by sites' names.
    """
    generator = specimen.generator
    sites, parameters = generator.sites(), dict(generator.named_parameters())
    keys = [site.key for site in sites]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ContractError(f"{twice[0]} is {keys.count(twice[0])} sites: a persona keeps one change by each name")
    for site in sites:
        if site.key not in parameters:
            near = [name for name in parameters if name.endswith(site.key) or site.key.endswith(name)]
            hint = f" (is it {near[0]}?)" if near else ""
            raise ContractError(
                f"the site {site.key} is no parameter{hint}: a site is path and parameter as the state dict has them, "
                "and gradients have to reach it"
            )
        if site.kind not in get_args(Kind) or not re.fullmatch("[a-z][a-z0-9_-]*", site.part):
            raise ContractError(
                f"{site.key} is of kind {site.kind!r} in part {site.part!r}: a recipe chooses by kinds "
                f"({', '.join(get_args(Kind))}) and parts ({', '.join(PARTS)}, or a lower-case word of your own)"
            )
        if generator.weight(site) is not parameters[site.key]:
            raise ContractError(f"weight() of {site.key} is not that parameter: a persona is attached to what it gives")
        if site.kind in LOWRANK and parameters[site.key].ndim not in (2, 4):
            raise ContractError(
                f"{site.key} is of kind {site.kind!r} and {list(parameters[site.key].shape)}: a low-rank change is of "
                "a matrix [C1, C2] or a kernel [C1, C2, k, k]. Say what it is: bias, noise or const"
            )
        if not (isinstance(site.gain, int | float) and math.isfinite(site.gain) and site.gain > 0):
            raise ContractError(
                f"the gain of {site.key} is {site.gain!r}: it is a number above 0, 1 where there is none"
            )
    if generator.sites() != sites:
        raise ContractError("sites() says something else at its second call: it is a tuple of equal sites, every time")
    try:
        changing_sites(generator, Recipe())
    except RecipeError as error:
        raise ContractError(
            f"the default recipe finds nothing to change: {error}. It changes the parts 'backbone' and 'superres': say "
            "those of what draws the picture"
        ) from error


def reaches_every_site(specimen: Specimen) -> None:
    """From a picture of mapped noise gradients reach every site, and are not all zero: a site that changes nothing is a
    number in the file for nothing. Noise strengths are let off, for a part of a network may run without noise.
    """
    generator = specimen.generator.requires_grad_()
    image = generator(generator.mapping(specimen.noise(3)), specimen.views(3)).image
    sites = [site for site in generator.sites() if site.kind != "noise"]
    value = (image * torch.randn(image.shape, generator=seeded(5))).sum()
    if not value.requires_grad:
        raise ContractError("no gradient reaches any site: look for no_grad, detach, or NumPy in forward")
    found = torch.autograd.grad(value, [generator.weight(site) for site in sites], allow_unused=True)
    dead = [site.key for site, gradient in zip(sites, found, strict=True) if gradient is None or not gradient.any()]
    if dead:
        raise ContractError(
            f"{len(dead)} of {len(sites)} sites do not change the picture, the first {dead[0]}: what a persona learns "
            "there is for nothing. Leave them out of sites(), or look for a layer that is not used"
        )
    for site, gradient in zip(sites, found, strict=True):
        if gradient is not None and not torch.isfinite(gradient).all():
            raise ContractError(
                f"the gradient of {site.key} is not finite: training would end in NaN at its first step"
            )


def multiplies_by_its_gains(specimen: Specimen) -> None:
    """A site's `gain` is what the network multiplies the stored weight by as it runs (equalised learning rate): recipes
    divide by it, so that a change of one size is one size in effect at every site.
    """
    generator = specimen.generator
    seen = _met(specimen)
    for site in generator.sites():
        if site.key in seen and not any(math.isclose(site.gain, f, rel_tol=1e-3) for f in seen[site.key].factors):
            told = " or ".join(f"{factor:.4g}" for factor in sorted(seen[site.key].factors))
            raise ContractError(
                f"{site.key} says gain {site.gain:.4g}, and meets its input multiplied by {told}: a recipe that "
                f"divides by the gain would change this weight {seen[site.key].nearest(site.gain) / site.gain:.3g} "
                "times as much as others. Say the factor that forward applies, to the weight or to what it is "
                "multiplied with"
            )


def lists_sites_in_execution_order(specimen: Specimen) -> None:
    """`sites()` are in the order in which a picture is made, as far as weights meet their inputs: layers are listed,
    drawn and analysed in that order.
    """
    seen = _met(specimen)
    listed = [site.key for site in specimen.generator.sites() if site.key in seen]
    for before, after in itertools.pairwise(listed):
        if seen[before].turn > seen[after].turn:
            raise ContractError(
                f"{before} is listed before {after} and used after it: sites are in execution order. List them as "
                "forward uses them"
            )


def _met(specimen: Specimen) -> dict[str, Meeting]:
    generator = specimen.generator
    weights = {site.key: generator.weight(site) for site in generator.sites() if site.kind in LOWRANK}

    def picture() -> None:
        generator(generator.mapping(specimen.noise(2)), specimen.views(2))

    seen = meetings(generator, weights, picture)
    if not seen:
        raise NotPromisedError(
            "no weight was seen to meet its input: what torch function applies them is not known here"
        )
    return seen


RULES = (
    Rule(names_its_sites, basic=True),
    Rule(reaches_every_site),
    Rule(multiplies_by_its_gains),
    Rule(lists_sites_in_execution_order),
)
