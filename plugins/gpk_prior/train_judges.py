"""The recipes of the bundled judges: the distance that personalization minimises, the one that reports, the attributes,
and the judge of identity.

The distances first learn to read pictures of the prior and of individuals (`readings`), then how their channels are to
be weighed (`judgements`). The attributes are what the reader under the reporting distance says: they share its
training, which is not done twice in one folder. The identity judge learns to tell individuals and their twins apart by
a margin (`margin`). The two distances and the identity judge share no network and no seed, the two distances no
picture. The last shard of individuals is for validation only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk_bench.verification import verification
from gpk_minicat import distance, identity, perceptual
from gpk_minicat.convnet import ConvNet, ResNet, folded
from gpk_minicat.distance import Distance
from gpk_minicat.readings import READINGS, Reader, explained, readings
from gpk_minicat.store import save_tensors
from gpk_prior.distortions import worn
from gpk_prior.individuals import PHOTOS, SETS, Individuals, Portraits, render_individuals
from gpk_prior.judgements import APART, agreement, judgements, weigh
from gpk_prior.learning import Report, TrainingRecipe, descend
from gpk_prior.margin import Centres, margin_loss
from gpk_prior.pictures import Pictures, render_shard

JudgeName = Literal["distance", "perceptual", "attributes", "identity"]
JUDGES: tuple[JudgeName, ...] = get_args(JudgeName)
SUBTLE = ("muzzle", "openness", "nose")
"""Readings that move few pixels by little, and are learned last."""


@dataclass(frozen=True)
class JudgeRecipe(TrainingRecipe):
    """How many shards of individuals, how many of the prior's pictures from which shard on; how much more the SUBTLE
    readings count than the others, and the angle between classes, in radians.
    """

    shards: int = 6
    pictures: int = 12
    first_picture: int = 0
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


def train_judge(
    name: JudgeName, work: Path, recipe: JudgeRecipe, *, weights: Path, report: Report = lambda *_: None
) -> dict[str, object]:
    """Train the judge in the folder `work`, or go on there, write its weights, and return the facts about them.

    `report(step, steps, loss)` is called after each step. Raises RunError where `work` holds the state of another
    recipe of this judge.
    """
    work.mkdir(parents=True, exist_ok=True)
    paths = [render_individuals(work, recipe.seed, index) for index in range(recipe.shards)]
    known, unseen = Individuals(paths[:-1]), Individuals(paths[-1:])
    state = work / f"state-{'perceptual' if name == 'attributes' else name}.safetensors"
    if name == "identity":
        network, facts = _train_identity(known, unseen, recipe, state, report)
    else:
        shards = range(recipe.first_picture, recipe.first_picture + recipe.pictures)
        pictures = Pictures([render_shard(work, 0, index) for index in shards])
        untrained = distance.network if name == "distance" else perceptual.network
        network, facts = _train_reader(untrained, pictures, known, unseen, recipe, state, report)
        if name != "attributes":
            network, weighed = _weighed(network.features, known, unseen, recipe)
            facts |= weighed
    facts = {"licence": "Apache-2.0", "recipe": dataclasses.asdict(recipe)} | facts
    save_tensors(weights, {key: value.half() for key, value in network.state_dict().items()}, facts)
    return facts


def _train_reader(
    untrained: Callable[..., ConvNet | ResNet],
    pictures: Pictures,
    known: Individuals,
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
        twins = known.batch(recipe.batch // 2, 1, rng)
        image = torch.cat([cats.photo.image, twins.image])
        wanted = torch.cat([readings(cats.params, cats.camera), readings(twins.params, twins.camera)])
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
            got = reader(image.contiguous(memory_format=torch.channels_last))
        return (F.smooth_l1_loss(got.float(), wanted, beta=0.2, reduction="none") * count).mean()

    seconds = descend(reader, missed, recipe, state, report)
    reader = folded(reader)
    photos = _unseen_photos(unseen)
    with torch.no_grad():
        got = torch.cat([reader(part) for part in photos.image.split(64)])
    return reader, {"seconds": round(seconds, 1), "r2": explained(readings(photos.params, photos.camera), got)}


def _weighed(
    features: ConvNet | ResNet, known: Individuals, unseen: Individuals, recipe: JudgeRecipe
) -> tuple[Distance, dict[str, object]]:
    """The distance of what this network sees, its channels weighed by judgements, and how far these agree with it."""
    rng = torch.Generator().manual_seed(recipe.seed)
    with torch.no_grad():
        result = Distance(features)
        near, far, other = judgements(features, known, recipe.judgements, rng)
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
    known: Individuals, unseen: Individuals, recipe: JudgeRecipe, state: Path, report: Report
) -> tuple[identity.Identity, dict[str, object]]:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed + 2)
        judge, centres = identity.Identity(normalised=True), Centres(len(known))
    learner = nn.ModuleDict({"judge": judge, "centres": centres})

    def confused(rng: torch.Generator, done: float) -> Tensor:
        photos = known.batch(recipe.batch // 4, 1, rng, twins=4)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
            features = judge(worn(photos.image, rng).contiguous(memory_format=torch.channels_last))
        # A margin from the first step on keeps random centres where they are.
        return margin_loss(features.float(), centres(), photos.who, margin=recipe.margin * min(1.0, 2 * done))

    seconds = descend(learner, confused, recipe, state, report)
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
