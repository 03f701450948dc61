"""The recipes of the two bundled judges: the perceptual distance's reader, and the identity judge.

Both learn from the photos of many individuals (`individuals`); they share the pictures, but neither network nor task,
so that a persona optimised under the distance is judged by another. Individuals of the last shard are for validation
only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gpk_minicat import distance, identity
from gpk_minicat.individuals import Individuals, Portraits, render_individuals
from gpk_minicat.parameters import NAMES, PARAMETERS
from gpk_minicat.pictures import PITCH, YAW
from gpk_minicat.store import save_tensors


@dataclass(frozen=True)
class JudgeRecipe:
    """How many shards of individuals, how many steps, how fast."""

    shards: int = 6
    steps: int = 1_000
    rate: float = 2e-3
    seed: int = 0


Report = Callable[[int, int, float], None]


def train_distance(
    work: Path,
    recipe: JudgeRecipe = JudgeRecipe(),
    *,
    weights: Path = distance.WEIGHTS,
    report: Report = lambda *_: None,
) -> dict[str, object]:
    """Train the reader, write its features as the distance's weights, and return the facts: R^2 of what it reads on
    unseen cats.

    `report(step, steps, loss)` is called after each step.
    """
    seen, unseen = _shards(work, recipe)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed)
        reader = distance.Reader()

    def missed(photos: Portraits) -> Tensor:
        return nn.functional.smooth_l1_loss(reader(photos.image), readings(photos), beta=0.2)

    seconds = _descend(reader, missed, seen, recipe, cats=48, photos=1, report=report)
    photos = unseen.all()
    with torch.no_grad():
        wanted, got = readings(photos), torch.cat([reader(part) for part in photos.image.split(64)])
    r2 = 1 - (wanted - got).square().mean(0) / wanted.var(0).clamp_min(1e-8)
    facts: dict[str, object] = {"licence": "Apache-2.0", "steps": recipe.steps, "seconds": seconds}
    facts["r2"] = {name: round(value, 3) for name, value in zip((*NAMES, "yaw", "pitch"), r2.tolist(), strict=True)}
    save_tensors(weights, {k: v.half() for k, v in reader.state_dict().items() if k.startswith("features.")}, facts)
    return facts


def train_identity(
    work: Path,
    recipe: JudgeRecipe = JudgeRecipe(),
    *,
    weights: Path = identity.WEIGHTS,
    report: Report = lambda *_: None,
) -> dict[str, object]:
    """Train the judge of identity, write its weights, and return the facts: how well it verifies unseen individuals."""
    seen, unseen = _shards(work, recipe)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed + 1)
        judge = identity.Identity()

    def confused(photos: Portraits) -> Tensor:
        return identity.contrast(judge(photos.image), photos.who)

    seconds = _descend(judge, confused, seen, recipe, cats=32, photos=2, report=report)
    photos = unseen.all()
    with torch.no_grad():
        features = torch.cat([judge(part) for part in photos.image.split(64)])
    facts: dict[str, object] = {"licence": "Apache-2.0", "steps": recipe.steps, "seconds": seconds}
    facts |= verification(features, photos.who)
    save_tensors(weights, {key: value.half() for key, value in judge.state_dict().items()}, facts)
    return facts


def readings(photos: Portraits) -> Tensor:
    """What the reader is to say [B, P + 2]: every parameter's place in its range, and the camera's yaw and height,
    all about [-1, 1].
    """
    low, high = (torch.tensor([getattr(p, key) for p in PARAMETERS]) for key in ("low", "high"))
    params = (photos.params - low) / (high - low) * 2 - 1
    x, y, z = photos.camera.pose[:, :3, 3].unbind(1)
    return torch.cat([params, (torch.atan2(x, z) / YAW)[:, None], (y / 2.7 / (PITCH * 0.64))[:, None]], 1)


def verification(features: Tensor, who: Tensor) -> dict[str, object]:
    """How well cosines of unit features [B, F] tell pairs of one individual from pairs of two.

    `auc` over all pairs; `threshold`, where both kinds of error are equally frequent, and the `accuracy` there;
    `rank1`, the part of the photos whose nearest other photo shows the same individual; the mean cosines of both
    kinds of pairs.
    """
    cosine, same = features @ features.T, who[:, None] == who
    upper = torch.ones_like(same).triu(1)
    alike, other = cosine[upper & same].sort().values, cosine[upper & ~same].sort().values
    below = torch.searchsorted(other, alike).double() / len(other)
    rejected = torch.arange(len(alike), dtype=torch.double) / len(alike)  # of the same, if the threshold is alike[i]
    at = int((rejected - (1 - below)).abs().argmin())
    nearest = cosine.fill_diagonal_(-2).argmax(1)
    return {
        "auc": below.mean().item(),
        "accuracy": (1 - (rejected[at] + 1 - below[at]) / 2).item(),
        "threshold": alike[at].item(),
        "rank1": (who[nearest] == who).float().mean().item(),
        "cosine_same": alike.mean().item(),
        "cosine_other": other.mean().item(),
    }


def _shards(work: Path, recipe: JudgeRecipe) -> tuple[Individuals, Individuals]:
    work.mkdir(parents=True, exist_ok=True)
    paths = [render_individuals(work, recipe.seed, index) for index in range(recipe.shards)]
    return Individuals(paths[:-1]), Individuals(paths[-1:])


def _descend(
    network: nn.Module,
    loss: Callable[[Portraits], Tensor],
    individuals: Individuals,
    recipe: JudgeRecipe,
    *,
    cats: int,
    photos: int,
    report: Report,
) -> float:
    """Adam with one cycle of the learning rate; returns the seconds it took."""
    rng = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=1e-4)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps, pct_start=0.1)
    started = time.monotonic()
    for step in range(recipe.steps):
        value = loss(individuals.batch(cats, photos, rng))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        cycle.step()
        report(step + 1, recipe.steps, value.item())
    return time.monotonic() - started
