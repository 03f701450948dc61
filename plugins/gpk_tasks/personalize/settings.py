"""How the album is inverted and how the persona is tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gpk.errors import RecipeError
from gpk.recipe import Recipe
from gpk.typed import to_dataclass
from gpk_tasks.checks import above_zero, at_least, one_of


@dataclass(frozen=True)
class Inversion:
    """Photo → w by Adam, from the best for the photo of the mean w and so many random `draws`
    (`gpk_tasks.personalize.starts`); None is what the backend does well with.

    `whiten`: optimise in coordinates in which w is round. `jitter`: noise on w, in units of its spread, annealed to
    zero over the first three quarters. `noise` "regularised" also fits the noise maps, kept white by `noise_weight`
    (StyleGAN2, appendix D); the anchors do not carry them. `batch` photos are inverted together. `side`: larger renders
    are compared at this side, in pixels. `l2` and `perceptual` weigh the terms of Eq. 1; `warmup` and `decay` are as in
    `Tuning`. In round coordinates, of unit variance each: `pull` weighs the mean square distance from the mean w,
    `cohesion` that from the mean of the batch, since all photos of an album show one subject: both need `whiten`.

    Raises RecipeError for what cannot be.
    """

    steps: int = 500
    lr: float = 0.1
    space: Literal["w", "w+"] = "w"
    whiten: bool = False
    jitter: float = 0.05
    noise: Literal["fixed", "regularised"] = "fixed"
    noise_weight: float = 1e5
    warmup: float = 0.05
    decay: float = 0.25
    batch: int = 4
    side: int = 256
    l2: float = 1.0
    perceptual: float = 1.0
    pull: float = 0.0
    cohesion: float = 0.0
    draws: int | None = None

    def __post_init__(self) -> None:
        own = "inversion.{}"
        at_least(self, 0, "steps", "jitter", "noise_weight", "warmup", "decay", "l2", "perceptual", spelled=own)
        at_least(self, 0, "pull", "cohesion", "draws", spelled=own)
        at_least(self, 1, "batch", "side", spelled=own)
        above_zero(self, "lr", spelled=own)
        one_of(self, space=("w", "w+"), noise=("fixed", "regularised"))
        if (self.pull or self.cohesion) and not self.whiten:
            raise RecipeError("inversion.pull and inversion.cohesion are for round coordinates: set inversion.whiten")


@dataclass(frozen=True)
class Tuning:
    """Eq. 1 by Adam over the album.

    Learning rates by kind of change: `lr` of LoRA, times `lr_ratio` for B (LoRA+, Hayou et al., 2024, arXiv
    2402.12354), `lr_offset` of biases, noise strengths and the constant, `lr_decoder` of the decoder, `lr_anchors` of
    the anchors in round coordinates: at 0 they stay fixed. `warmup` and `decay` are the shares of the steps in which
    the rate rises, and falls along a cosine. `l2` and `perceptual` weigh the terms of Eq. 1.

    Raises RecipeError for a number out of range.
    """

    steps: int = 125_000
    batch: int = 4
    lr: float = 0.002
    lr_offset: float = 0.002
    lr_decoder: float = 0.002
    lr_ratio: float = 1.0
    lr_anchors: float = 0.0
    beta1: float = 0.0
    beta2: float = 0.99**0.8
    warmup: float = 0.0
    decay: float = 0.0
    l2: float = 1.0
    perceptual: float = 1.0

    def __post_init__(self) -> None:
        own = "tuning.{}"
        at_least(self, 0, "steps", "lr_offset", "lr_decoder", "lr_anchors", "beta1", "warmup", "decay", spelled=own)
        at_least(self, 0, "l2", "perceptual", spelled=own)
        at_least(self, 1, "batch", spelled=own)
        above_zero(self, "lr", "lr_ratio", spelled=own)
        if not (self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise RecipeError(f"beta1 and beta2 must be in [0, 1), not {self.beta1} and {self.beta2}")


@dataclass(frozen=True)
class Settings:
    """Everything that decides a persona, apart from the album and the weights.

    `memory`: GiB that a step may take; as many photos of a batch are rendered at once as fit. None is 8 on a CPU and
    four fifths of a GPU's. Raises RecipeError for a number out of range.
    """

    recipe: Recipe = field(default_factory=Recipe)
    inversion: Inversion = field(default_factory=Inversion)
    tuning: Tuning = field(default_factory=Tuning)
    seed: int = 0
    memory: float | None = None

    def __post_init__(self) -> None:
        above_zero(self, "memory")
        if not -(2**63) <= self.seed < 2**63:
            raise RecipeError(f"seed must be a whole number of at most 64 bits, not {self.seed}")


def to_json(settings: Settings) -> dict[str, Any]:
    """Settings in JSON types, as `resolve` takes them."""
    inversion = asdict(settings.inversion)
    if settings.inversion.draws is None:  # as it was before there were any: old runs go on
        del inversion["draws"]
    return {
        "recipe": settings.recipe.to_json(),
        "inversion": inversion,
        "tuning": asdict(settings.tuning),
        "seed": settings.seed,
        "memory": settings.memory,
    }


def resolve(base: Settings, *layers: tuple[str, Mapping[str, Any]]) -> Settings:
    """`base` with keys replaced by each layer in turn: a pair of its source, for messages, and a mapping in `to_json`'s
    shape, of which any part may be left out.

    Raises UnknownNameError for a key that is none, and RecipeError for a value of another type or out of range.
    """
    for source, layer in layers:
        base = to_dataclass(Settings, _merged(to_json(base), layer), source=source)
    return base


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(under[key], value) if isinstance(value, Mapping) and isinstance(under.get(key), Mapping) else value
        for key, value in over.items()
    }
    return {**under, **both}
