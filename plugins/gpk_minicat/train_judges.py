"""The recipes of the bundled judges: the distance that personalization minimises, the one that reports, the attributes,
and the judge of identity.

The distances first learn to read pictures of the prior and of individuals (`readings`), then how their channels are to
be weighed (`judgements`). The attributes are what the reader under the reporting distance says: they share its
training, which is not done twice in one folder. The identity judge learns to tell individuals and their twins apart by
a margin (`identity`). The two distances and the identity judge share no network and no seed, the two distances no
picture. The last shard of individuals is for validation only.

What is drawn at a step follows from (seed, step) alone and the state is kept, so a training that was stopped goes on
as if it had not been.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corekit.errors import RunError
from gpk_minicat import distance, identity, perceptual
from gpk_minicat.convnet import ConvNet, ResNet, folded
from gpk_minicat.distance import Distance
from gpk_minicat.distortions import worn
from gpk_minicat.individuals import PHOTOS, SETS, Individuals, Portraits, render_individuals
from gpk_minicat.judgements import APART, agreement, judgements, weigh
from gpk_minicat.pictures import Pictures, render_shard
from gpk_minicat.readings import READINGS, Reader, explained, readings
from gpk_minicat.store import load_moments, load_tensors, moments_of, save_tensors, under
from gpk_minicat.verification import verification

JudgeName = Literal["distance", "perceptual", "attributes", "identity"]
JUDGES: tuple[JudgeName, ...] = get_args(JudgeName)
SAVE_EVERY = 100
SUBTLE = ("muzzle", "openness", "nose")
"""Readings that move few pixels by little, and are learned last."""


@dataclass(frozen=True)
class JudgeRecipe:
    """How many shards of individuals of which seed, how many of the prior's pictures from which shard on, how many
    steps of how many pictures, how fast; how much more the SUBTLE readings count than the others, and the angle
    between classes, in radians.
    """

    seed: int = 0
    shards: int = 6
    pictures: int = 12
    first_picture: int = 0
    steps: int = 1_200
    batch: int = 96
    rate: float = 3e-3
    subtle: float = 1.0
    margin: float = 0.4
    judgements: int = 256
    bfloat16: bool = False


RECIPES: dict[JudgeName, JudgeRecipe] = {
    "distance": JudgeRecipe(steps=1_500, subtle=5.0),
    "perceptual": JudgeRecipe(seed=1, steps=1_000, first_picture=12, subtle=5.0),
    "attributes": JudgeRecipe(seed=1, steps=1_000, first_picture=12, subtle=5.0),
    "identity": JudgeRecipe(shards=9, steps=1_500, pictures=0, judgements=0),
}
Report = Callable[[int, int, float], None]


def train_judge(
    name: JudgeName, work: Path, recipe: JudgeRecipe, *, weights: Path, report: Report = lambda *_: None
) -> dict[str, object]:
    """Train the judge in the folder `work`, or go on there, write its weights, and return the facts about them.

    `report(step, steps, loss)` is called after each step. Raises RunError where `work` holds the state of another
    recipe of this judge.
    """
    work.mkdir(parents=True, exist_ok=True)
    paths = [render_individuals(work, recipe.seed, index) for index in range(recipe.shards)]
    seen, unseen = Individuals(paths[:-1]), Individuals(paths[-1:])
    state = work / f"state-{'perceptual' if name == 'attributes' else name}.safetensors"
    if name == "identity":
        network, facts = _train_identity(seen, unseen, recipe, state, report)
    else:
        shards = range(recipe.first_picture, recipe.first_picture + recipe.pictures)
        pictures = Pictures([render_shard(work, 0, index) for index in shards])
        untrained = distance.network if name == "distance" else perceptual.network
        network, facts = _train_reader(untrained, pictures, seen, unseen, recipe, state, report)
        if name != "attributes":
            network, weighed = _weighed(network.features, seen, unseen, recipe)
            facts |= weighed
    facts = {"licence": "Apache-2.0", "recipe": dataclasses.asdict(recipe)} | facts
    save_tensors(weights, {key: value.half() for key, value in network.state_dict().items()}, facts)
    return facts


def _train_reader(
    untrained: Callable[..., ConvNet | ResNet],
    pictures: Pictures,
    seen: Individuals,
    unseen: Individuals,
    recipe: JudgeRecipe,
    state: Path,
    report: Report,
) -> tuple[Reader, dict[str, object]]:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed)
        reader = Reader(untrained(normalised=True))

    count = torch.tensor([recipe.subtle if name in SUBTLE else 1.0 for name in READINGS])

    def missed(rng: torch.Generator, done: float) -> Tensor:
        cats = pictures.batch(recipe.batch // 2, rng)
        twins = seen.batch(recipe.batch // 2, 1, rng)
        image = torch.cat([cats.photo.image, twins.image])
        wanted = torch.cat([readings(cats.params, cats.camera), readings(twins.params, twins.camera)])
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
            got = reader(image.contiguous(memory_format=torch.channels_last))
        return (F.smooth_l1_loss(got.float(), wanted, beta=0.2, reduction="none") * count).mean()

    seconds = _descend(reader, missed, recipe, state, report)
    reader = folded(reader)
    photos = _unseen_photos(unseen)
    with torch.no_grad():
        got = torch.cat([reader(part) for part in photos.image.split(64)])
    return reader, {"seconds": round(seconds, 1), "r2": explained(readings(photos.params, photos.camera), got)}


def _weighed(
    features: ConvNet | ResNet, seen: Individuals, unseen: Individuals, recipe: JudgeRecipe
) -> tuple[Distance, dict[str, object]]:
    """The distance of what this network sees, its channels weighed by judgements, and how far these agree with it."""
    rng = torch.Generator().manual_seed(recipe.seed)
    with torch.no_grad():
        result = Distance(features)
        near, far, other = judgements(features, seen, recipe.judgements, rng)
        fresh_near, fresh_far, fresh_other = judgements(features, unseen, recipe.judgements, rng)
    even = result.weights.data.clone()
    weights = weigh(near, far)
    result.weights.data = weights * (APART / (other @ weights).mean())
    agreed = {
        "even": agreement(fresh_near, fresh_far, even),
        "weighed": agreement(fresh_near, fresh_far, result.weights),
    }
    return result, {"agreement": agreed, "apart": (fresh_other @ result.weights).mean().item()}


def _train_identity(
    seen: Individuals, unseen: Individuals, recipe: JudgeRecipe, state: Path, report: Report
) -> tuple[identity.Identity, dict[str, object]]:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed + 2)
        judge, centres = identity.Identity(normalised=True), identity.Centres(len(seen))
    learner = nn.ModuleDict({"judge": judge, "centres": centres})

    def confused(rng: torch.Generator, done: float) -> Tensor:
        photos = seen.batch(recipe.batch // 4, 1, rng, twins=4)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
            features = judge(worn(photos.image, rng).contiguous(memory_format=torch.channels_last))
        # A margin from the first step on keeps random centres where they are.
        return identity.margin_loss(features.float(), centres(), photos.who, margin=recipe.margin * min(1.0, 2 * done))

    seconds = _descend(learner, confused, recipe, state, report)
    judge = folded(judge)
    photos = _unseen_photos(unseen)
    with torch.no_grad():
        features = torch.cat([judge(part) for part in photos.image.split(64)])
    facts: dict[str, object] = {"seconds": round(seconds, 1)}
    return judge, facts | verification(features, photos.who)


def _unseen_photos(unseen: Individuals) -> Portraits:
    """Every photo of the individuals, each with one set of traits."""
    rows = torch.arange(len(unseen) * PHOTOS)
    return unseen.take(rows, rows // PHOTOS % len(SETS))


def _descend(
    network: nn.Module,
    loss: Callable[[torch.Generator, float], Tensor],
    recipe: JudgeRecipe,
    state: Path,
    report: Report,
) -> float:
    """AdamW with one cycle of the learning rate, from the state in the file where there is one; returns the seconds
    that it took. `loss` is given its step's random numbers and the share of the training that is done.
    """
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=1e-4)
    at, seconds = _load(state, network, optimizer, recipe) if state.exists() else (0, 0.0)
    network.train()
    while at < recipe.steps:
        started = time.monotonic()
        done = at / recipe.steps
        value = loss(torch.Generator().manual_seed(1_000_003 * recipe.seed + at), done)
        optimizer.zero_grad()
        value.backward()
        optimizer.param_groups[0]["lr"] = recipe.rate * min(1.0, 20 * done + 0.02) * math.cos(math.pi / 2 * done)
        optimizer.step()
        at, seconds = at + 1, seconds + time.monotonic() - started
        if at % SAVE_EVERY == 0 or at == recipe.steps:
            _save(state, network, optimizer, recipe, at, seconds)
        report(at, recipe.steps, value.item())
    return seconds


def _save(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, recipe: JudgeRecipe, at: int, seconds: float
) -> None:
    tensors = {f"now.{key}": value.contiguous() for key, value in network.state_dict().items()}
    save_tensors(
        path, tensors | moments_of(optimizer), {"step": at, "seconds": seconds, "recipe": dataclasses.asdict(recipe)}
    )


def _load(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, recipe: JudgeRecipe) -> tuple[int, float]:
    tensors, note = load_tensors(path)
    if note["recipe"] != dataclasses.asdict(recipe):
        raise RunError(f"{path} is of a training with other settings: choose another folder, or the same settings")
    network.load_state_dict(under("now.", tensors))
    load_moments(optimizer, tensors)
    return note["step"], note["seconds"]
