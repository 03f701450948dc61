r"""What personalization learns of one subject, and how it is attached to a generator.

A persona is a change per site (LoRA or Offset), the anchors (the album's w) with their cameras, and its origin.
Attached, every changed weight reads W0 + delta through `torch.nn.utils.parametrize`; detached, W0 is there again bit
for bit.

Shapes: N anchors, L latent layers, D latent width, P personas in one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.utils import parametrize

from corekit.camera import Camera
from corekit.errors import PersonaError, RecipeError
from corekit.generator import Generator, Render, Site, fingerprint
from corekit.lowrank import Change, LoRA, Offset, factor_shapes
from corekit.recipe import Recipe

FORMAT = "gpk-persona/1"


@dataclass(frozen=True)
class Origin:
    """Where a persona came from: `base` is the `fingerprint` of the generator it was made for."""

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
        """A persona that changes nothing yet; raises RecipeError as `changing_sites` does."""
        changes: dict[str, Change] = {}
        for site, treatment in changing_sites(generator, recipe):
            weight = generator.weight(site)
            shape, device = tuple(weight.shape), weight.device
            if treatment == "lora":
                changes[site.key] = LoRA(
                    shape,
                    rank=recipe.rank,
                    scale=recipe.scale(site),
                    layout=recipe.layout,
                    birth=recipe.birth,
                    device=device,
                    rng=rng,
                )
            else:
                changes[site.key] = Offset(shape, device=device)
        labels = anchors.new_zeros(len(anchors), 0) if cameras is None else cameras
        return Persona(changes, recipe, origin, anchors, labels)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Everything that is tuned, in execution order of the sites."""
        for change in self.changes.values():
            yield from change.parameters()

    @property
    def numbers(self) -> int:
        """How many numbers are tuned."""
        return sum(p.numel() for p in self.parameters())

    def to(self, device: torch.device | str) -> Persona:
        """The same persona, moved."""
        for change in self.changes.values():
            change.to(device)
        self.anchors, self.cameras = self.anchors.to(device), self.cameras.to(device)
        return self

    def tensors(self) -> dict[str, Tensor]:
        """Everything that is stored, by name: `<site key>.A|B|D`, `anchors`, `anchor_cameras`."""
        stored = {
            f"{key}.{name}": parameter.detach()
            for key, change in self.changes.items()
            for name, parameter in change.named_parameters()
        }
        return stored | {"anchors": self.anchors.detach(), "anchor_cameras": self.cameras.detach()}

    def header(self) -> dict[str, Any]:
        """What is stored beside the tensors, in JSON types."""
        sites = {
            key: {"shape": list(change.shape), "scale": change.scale}
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

        Raises PersonaError for an unknown format and for a missing, surplus, NaN or mis-shaped tensor.
        """
        stated = str(header.get("format", "none"))
        if stated != FORMAT:
            raise PersonaError(f"format {stated!r}, where this gpk reads {FORMAT!r}")
        try:
            recipe = Recipe.from_json(header["recipe"])
            origin = Origin(**{name: header[name] for name in Origin.__dataclass_fields__})
            changes = {key: _empty_change(site, recipe) for key, site in header["sites"].items()}
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            raise PersonaError(f"its header is damaged: {problem!r}") from problem
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
            if not torch.isfinite(tensor).all():
                raise PersonaError(f"{name} has numbers that are not finite")
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def _empty_change(site: Mapping[str, Any], recipe: Recipe) -> Change:
    shape = tuple(int(side) for side in site["shape"])
    if "scale" not in site:
        return Offset(shape)
    factor_shapes(shape, recipe.rank, recipe.layout)
    return LoRA(shape, rank=recipe.rank, scale=float(site["scale"]), layout=recipe.layout)


def changing_sites(generator: Generator, recipe: Recipe) -> Sequence[tuple[Site, Literal["lora", "offset"]]]:
    """The sites that `recipe` changes, and how.

    Raises RecipeError where the rank exceeds that of every layer, or nothing is left to change.
    """
    chosen = [(site, treatment) for site in generator.sites() if (treatment := recipe.treatment(site)) is not None]
    if not chosen:
        raise RecipeError("this recipe freezes every part: nothing is left to tune")
    shapes = [generator.weight(site).shape for site, treatment in chosen if treatment == "lora"]
    most = max((min(shape[0], shape[1:].numel()) for shape in shapes), default=recipe.rank)
    if recipe.rank > most:
        raise RecipeError(f"rank {recipe.rank} is beyond every layer: the largest has rank {most}")
    return chosen


def is_attached(generator: nn.Module) -> bool:
    """Whether any weight of `generator` is changed by a persona."""
    return any(parametrize.is_parametrized(module) for module in generator.modules())


def check_fit(generator: Generator, *personas: Persona) -> None:
    """Raises PersonaError where one of `personas` was made for another generator; the message names both sides."""
    weights = {site.key: tuple(generator.weight(site).shape) for site in generator.sites()}
    base = fingerprint(generator)
    for persona in personas:
        made_for = f"it was made for {persona.origin.backend} ({persona.origin.card})"
        for key, change in persona.changes.items():
            shape = change.shape if isinstance(change, LoRA) else tuple(change.D.shape)
            if weights.get(key) != shape:
                here = list(weights[key]) if key in weights else "no such weight"
                raise PersonaError(
                    f"the persona changes {key} {list(shape)}, where this generator has {here}: {made_for}"
                )
        if base != persona.origin.base:
            raise PersonaError(
                f"the persona belongs to weights {persona.origin.base[:12]}…, and these are {base[:12]}…: {made_for}; "
                "use the weights it was made with"
            )


def attach(generator: Generator, persona: Persona) -> None:
    """Makes `generator` read its weights through `persona`, and freezes the generator's own.

    Load the base checkpoint first; do not write `.weight.data` while attached. Raises PersonaError where another
    persona is attached already or this one was made for other weights.
    """
    if is_attached(generator):
        raise PersonaError("a persona is attached already: detach it first")
    check_fit(generator, persona)
    generator.requires_grad_(False)
    for key, change in persona.changes.items():
        path, _, name = key.rpartition(".")
        parametrize.register_parametrization(generator.get_submodule(path), name, change, unsafe=True)


@torch.no_grad()
def detach(generator: Generator, *, merge: bool = False) -> dict[str, Tensor]:
    """Takes the persona off. Without `merge` W0 is there again bit for bit.

    With `merge` the changed weights stay, and W0 is returned by site key: `restore` puts it back bit for bit, which
    subtracting the change again would not.
    """
    originals: dict[str, Tensor] = {}
    for path, module in list(generator.named_modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):  # pyright: ignore[reportArgumentType, reportGeneralTypeIssues]
                changed = getattr(module, name).detach().clone() if merge else None
                parametrize.remove_parametrizations(module, name, leave_parametrized=False)
                if changed is not None:
                    originals[f"{path}.{name}"] = getattr(module, name).detach().clone()
                    getattr(module, name).copy_(changed)
    return originals


@torch.no_grad()
def restore(generator: Generator, originals: Mapping[str, Tensor]) -> None:
    """Puts back what a merging `detach` returned."""
    for key, tensor in originals.items():
        path, _, name = key.rpartition(".")
        getattr(generator.get_submodule(path), name).copy_(tensor)


@contextmanager
def attached(generator: Generator, persona: Persona) -> Iterator[Generator]:
    """`generator` with `persona` attached, inside the block."""
    attach(generator, persona)
    try:
        yield generator
    finally:
        detach(generator)


def render_many(generator: Generator, personas: Sequence[Persona], w: Tensor, camera: Camera | None = None) -> Render:
    """Several people in one batch: row i of w [P, L, D] (and of `camera`) through `personas[i]`, one vectorised pass.

    Sites that some personas change and others do not are W0 for those others.
    """
    if not len(personas) == len(w) == (len(camera) if camera is not None else len(w)):
        raise PersonaError(f"{len(personas)} personas for {len(w)} rows of w: one each is needed")
    if is_attached(generator):
        raise PersonaError("a persona is attached already: detach it first")
    check_fit(generator, *personas)
    weights = {site.key: generator.weight(site) for site in generator.sites()}
    changed = {
        key: torch.stack([p.changes[key](weight) if key in p.changes else weight for p in personas])
        for key, weight in weights.items()
        if any(key in p.changes for p in personas)
    }

    def one(own: dict[str, Tensor], w_row: Tensor, pose: Tensor | None, intrinsics: Tensor | None) -> dict[str, Tensor]:
        view = None if pose is None or intrinsics is None else Camera(pose[None], intrinsics[None])
        render: Render = functional_call(generator, own, (w_row[None], view))
        return {name: field[0] for name, field in render._asdict().items() if field is not None}

    pose, intrinsics = (None, None) if camera is None else (camera.pose, camera.intrinsics)
    in_dims = (0, 0, None if pose is None else 0, None if intrinsics is None else 0)
    return Render(**vmap(one, in_dims=in_dims)(changed, w, pose, intrinsics))
