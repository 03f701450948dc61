r"""What personalization learns of one subject.

A change per site (LoRA or Offset), the anchors (the album's w) with their cameras, and where all of it came from.
`gpk.attach` makes a generator read its weights through it.

Shapes: N anchors, L latent layers, D latent width.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gpk.errors import PersonaError, RecipeError, UnknownNameError
from gpk.generator import PARTS, Generator, Site
from gpk.lowrank import Change, LoRA, Offset, factor_shapes
from gpk.recipe import Recipe, Treated

FORMAT = "gpk-persona/1"
"""What a persona's header calls its format."""
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
"""Types of numbers that a persona's tensors may have."""
MOST_SIDES = 8
"""Numbers of a weight's shape."""


@dataclass(frozen=True)
class Origin:
    """Where a persona came from: `base` is the `fingerprint` of the generator it was made for, `licence` that of its
    weights; tuning looked `images_seen` times at one of `album_size` photos; `versions` are by package.
    """

    backend: str
    card: str
    base: str
    licence: str = ""
    album_size: int = 0
    images_seen: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)


class Persona:
    """The changes by site key, the anchors [N, D] or [N, L, D], and their cameras' labels [N, 25] ([N, 0] in 2D)."""

    def __init__(
        self, changes: Mapping[str, Change], recipe: Recipe, origin: Origin, anchors: Tensor, cameras: Tensor
    ) -> None:
        self.changes = dict(changes)
        self.recipe = recipe
        self.origin = origin
        self.anchors = anchors
        self.cameras = cameras

    @staticmethod
    def create(
        generator: Generator,
        recipe: Recipe,
        *,
        origin: Origin,
        anchors: Tensor,
        cameras: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Persona:
        """A persona that changes nothing yet, its factors A drawn from `rng`; raises as `changing_sites` does."""
        changes: dict[str, Change] = {}
        for site, treatment in changing_sites(generator, recipe):
            weight = generator.weight(site)
            shape, device = tuple(weight.shape), weight.device
            if treatment == "lora":
                changes[site.key] = LoRA(
                    shape,
                    rank=recipe.rank_at(site),
                    scale=recipe.scale(site),
                    layout=recipe.layout,
                    init=recipe.init,
                    device=device,
                    rng=rng,
                )
            else:
                changes[site.key] = Offset(shape, device=device)
        labels = anchors.new_zeros(len(anchors), 0) if cameras is None else cameras
        return Persona(changes, recipe, origin, anchors, labels)

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Everything that is tuned, in execution order of the sites, by its name in the file: `<site key>.A|B|D`."""
        for key, change in self.changes.items():
            for name, parameter in change.named_parameters():
                yield f"{key}.{name}", parameter

    def parameters(self) -> Iterator[nn.Parameter]:
        """Everything that is tuned, in execution order of the sites."""
        return (parameter for _, parameter in self.named_parameters())

    def only(self, keys: Collection[str]) -> Persona:
        """A persona that shares the changes at these sites with this one, and has no others."""
        changes = {key: change for key, change in self.changes.items() if key in keys}
        return Persona(changes, self.recipe, self.origin, self.anchors, self.cameras)

    @property
    def numbers(self) -> int:
        """How many numbers are tuned."""
        return sum(p.numel() for p in self.parameters())

    def to(self, device: torch.device | str) -> Persona:
        """This very persona, moved."""
        for change in self.changes.values():
            change.to(device)
        self.anchors, self.cameras = self.anchors.to(device), self.cameras.to(device)
        return self

    def tensors(self) -> dict[str, Tensor]:
        """Everything that is stored, by name: `<site key>.A|B|D`, `anchors`, `anchor_cameras`."""
        stored = {name: parameter.detach() for name, parameter in self.named_parameters()}
        return stored | {"anchors": self.anchors.detach(), "anchor_cameras": self.cameras.detach()}

    def header(self) -> dict[str, Any]:
        """What is stored beside the tensors, in JSON types."""
        sites = {
            key: {"shape": list(change.shape), "scale": change.scale, "rank": change.rank}
            if isinstance(change, LoRA)
            else {"shape": list(change.D.shape)}
            for key, change in self.changes.items()
        }
        origin = asdict(self.origin) | {"versions": dict(self.origin.versions)}
        return {
            "format": FORMAT,
            **origin,
            "numbers": self.numbers,
            "recipe": self.recipe.to_json(),
            "sites": sites,
        }

    @staticmethod
    def from_tensors(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Persona:
        """The persona that `header()` and `tensors()` describe.

        Raises PersonaError for an unknown format, a damaged header, and a missing, surplus, NaN or mis-shaped tensor;
        RecipeError or UnknownNameError for a recipe that cannot be.
        """
        stated = str(header.get("format", "none"))
        if stated != FORMAT:
            raise PersonaError(f"format {stated!r}, where this gpk reads {FORMAT!r}")
        stored = sum(tensor.numel() for tensor in tensors.values())
        try:
            recipe = Recipe.from_json(header["recipe"])
            origin = _origin(header)
            changes: dict[str, Change] = {}
            for key, site in header["sites"].items():
                changes[key] = _empty_change(site, recipe, most=stored)
                stored -= sum(parameter.numel() for parameter in changes[key].parameters())
        except KeyError as problem:
            raise PersonaError(f"its header is damaged: {problem} is missing") from problem
        except (TypeError, AttributeError, ValueError, OverflowError) as problem:
            raise PersonaError(f"its header is damaged: {problem}") from problem
        anchors, cameras = tensors.get("anchors"), tensors.get("anchor_cameras")
        if anchors is None or cameras is None:
            raise PersonaError("a tensor is missing: anchors or anchor_cameras")
        if anchors.ndim not in (2, 3) or cameras.ndim != 2 or len(cameras) != len(anchors):
            raise PersonaError(f"anchors {list(anchors.shape)} and anchor_cameras {list(cameras.shape)} do not fit")
        persona = Persona(changes, recipe, origin, anchors, cameras)
        persona.load(tensors)
        return persona

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over the values of `tensors`, which must be exactly this persona's; raises PersonaError otherwise."""
        own = self.tensors()
        if missing := sorted(own.keys() - tensors.keys()):
            raise PersonaError(f"{len(missing)} tensors are missing, the first {missing[0]}")
        if surplus := sorted(tensors.keys() - own.keys()):
            raise PersonaError(f"{len(surplus)} tensors are surplus, the first {surplus[0]}")
        for name, tensor in tensors.items():
            if tensor.shape != own[name].shape:
                raise PersonaError(f"{name} has shape {list(tensor.shape)}, expected {list(own[name].shape)}")
            if tensor.dtype not in FLOATS:
                raise PersonaError(f"{name} is of {str(tensor.dtype).removeprefix('torch.')}, and floats are needed")
            if not torch.isfinite(tensor).all():
                raise PersonaError(f"{name} has numbers that are not finite")
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def _origin(header: Mapping[str, Any]) -> Origin:
    """Where the header says it came from; raises KeyError, TypeError."""
    told = {name: header[name] for name in Origin.__dataclass_fields__}
    kinds: dict[type, tuple[str, ...]] = {
        str: ("backend", "card", "base", "licence"),
        int: ("album_size", "images_seen"),
        Mapping: ("versions",),
    }
    for kind, names in kinds.items():
        for name in names:
            if not isinstance(told[name], kind) or (kind is int and (told[name] is True or told[name] < 0)):
                raise TypeError(f"{name} is {repr(told[name])[:80]}")
    return Origin(**told)


def _empty_change(site: Mapping[str, Any], recipe: Recipe, *, most: int) -> Change:
    """A change of the stated shape; ValueError for one that no tensors of `most` numbers in all can be."""
    told, lora = site["shape"], "scale" in site
    if (
        not isinstance(told, list)
        or len(told) > MOST_SIDES
        or not all(map(_is_count, told))
        or (lora and len(told) < 2)
    ):
        raise ValueError(f"a shape is {repr(told)[:80]}")
    shape = tuple(told)
    rank = site.get("rank", recipe.rank)  # files of before there were ranks of blocks tell none
    if not _is_count(rank):
        raise ValueError(f"a rank is {repr(rank)[:80]}")
    wanted = factor_shapes(shape, rank, recipe.layout) if lora else (shape,)
    if sum(map(math.prod, wanted)) > most:  # before any memory is asked for: the header is a stranger's
        raise ValueError(f"a change of a weight {list(shape)} is more than the whole file holds")
    if not lora:
        return Offset(shape)
    scale = site["scale"]
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not math.isfinite(scale):
        raise ValueError(f"a scale is {repr(scale)[:80]}")
    return LoRA(shape, rank=rank, scale=float(scale), layout=recipe.layout)


def _is_count(value: object) -> bool:
    """Whether a header's value is a whole number of at least 1 that a shape can have."""
    return type(value) is int and 1 <= value < 1 << 63


def changing_sites(generator: Generator, recipe: Recipe) -> Sequence[tuple[Site, Treated]]:
    """The sites that `recipe` changes, and how.

    Raises RecipeError where a rank exceeds that of every layer it is for, or nothing is left to change, and
    UnknownNameError for a part that is neither the house's nor the generator's, or for the rank of a block that is not
    there.
    """
    parts = {*PARTS, *(site.part for site in generator.sites())}
    for part in recipe.parts:
        if part not in parts:
            raise UnknownNameError("part", part, parts)
    blocks = {site.block for site in generator.sites()}
    for block in recipe.rank_pattern:
        if block not in blocks:
            raise UnknownNameError("block", block, blocks)
    chosen: list[tuple[Site, Treated]] = []
    for site in generator.sites():
        if (treatment := recipe.treatment(site)) is not None:
            chosen.append((site, treatment))
    if not chosen:
        raise RecipeError("this recipe freezes every part: nothing is left to tune")
    full = {site: _full_rank(generator.weight(site)) for site, treatment in chosen if treatment == "lora"}
    for rank in {recipe.rank_at(site) for site in full}:
        most, largest = max((full[site], site.block) for site in full if recipe.rank_at(site) == rank)
        if rank > most:
            where = f"every layer of {largest}" if largest in recipe.rank_pattern else "every layer"
            raise RecipeError(f"rank {rank} is beyond {where}: the largest has rank {most}")
    return chosen


def _full_rank(weight: Tensor) -> int:
    return min(weight.shape[0], weight.shape[1:].numel())
