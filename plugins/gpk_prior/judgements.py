"""Judgements of pictures whose answer is known, because gpk drew them; and the channels' weights that agree with them.

Of two copies of a photo one is further from it where it was distorted alike but more; where it shows another eye,
patch or ear, and the other only a move of half a pixel or a noise that nobody sees; and where it shows another cat.
LPIPS asks people which of two copies is nearer (Zhang et al., 2018, arXiv 1801.03924, section 4) and fits non-negative
weights w of its channels to the answers; so does this, by a logistic loss on the ratio of the distances,

    mean over pairs of log(1 + exp(-(log d_far - log d_near - m) / t)) + p mean of v^2,   w = exp(v) / C,   d = D w

which holds the weights near each other (p) unless the answers want them apart.

Shapes: B photos, J judgements, C channels; D [J, C] are the channels' differences of `distance.differences`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk_minicat.distance import differences
from gpk_minicat.traits import ALL_TRAITS
from gpk_prior.distortions import blurred, noisy, shifted
from gpk_prior.individuals import PHOTOS, SETS, Individuals

APART = 1.0
"""The mean distance of two different cats, so that a distance of one network weighs as much in a loss as another's."""

Look = Callable[[Tensor], list[Tensor]]


def judgements(look: Look, individuals: Individuals, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """What a network sees in `count` photos and their copies: the channels' differences [J, C] of copies that are near
    and of those that are further away, and [B, C] of other cats.
    """
    rows = torch.randperm(len(individuals), generator=rng)[:count] * PHOTOS
    traits = torch.randint(len(SETS), (len(rows),), generator=rng)
    fresh = individuals.params[torch.randperm(len(individuals.params), generator=rng)[: len(rows)]]

    def shown(traits: Tensor) -> Tensor:
        return individuals.take(rows, traits, behind=fresh).image

    photo = shown(traits)
    seen = look(photo)

    def away(image: Tensor) -> Tensor:
        return differences(look(image), seen)

    blur = [away(blurred(photo, sigma)) for sigma in (0.5, 1.0, 2.0)]
    noise = [away(noisy(photo, sigma, rng)) for sigma in (0.02, 0.05, 0.1, 0.2)]
    shift = [away(shifted(photo, pixels)) for pixels in (0.5, 1.0, 2.0)]
    other = differences([x.roll(1, 0) for x in seen], seen)
    near = [*blur[:-1], *noise[:-1], *shift[:-1]]
    far = [*blur[1:], *noise[1:], *shift[1:]]
    for light in (blur[1], noise[1], shift[1]):
        near, far = [*near, light], [*far, other]
    for i in range(len(ALL_TRAITS)):
        twin = shown(traits ^ (1 << (len(ALL_TRAITS) - 1 - i)))
        visible = ((twin - photo).abs().amax(1) > 0.2).sum((1, 2)) >= 4
        changed = away(twin)
        for unseen in (noise[0], shift[0]):
            near, far = [*near, unseen[visible]], [*far, changed[visible]]
    return torch.cat(near), torch.cat(far), other


def weigh(
    near: Tensor,
    far: Tensor,
    *,
    margin: float = 0.3,
    sharpness: float = 0.2,
    evenness: float = 0.2,
    steps: int = 400,
    rate: float = 0.05,
) -> Tensor:
    """Weights [C] > 0, of sum about 1, under which `far` [J, C] is further than `near` [J, C]."""
    v = torch.zeros(near.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([v], lr=rate)
    for _ in range(steps):
        w = v.exp() / len(v)
        ahead = ((far @ w).clamp_min(1e-9) / (near @ w).clamp_min(1e-9)).log()
        loss = F.softplus((margin - ahead) / sharpness).mean() + evenness * v.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return v.detach().exp() / len(v)


def agreement(near: Tensor, far: Tensor, weights: Tensor) -> float:
    """The part of the judgements that weights [C] agree with."""
    return (far @ weights > near @ weights).float().mean().item()
