r"""A generator that reads its weights through a persona.

Attached, every changed weight is W0 + delta, by `torch.nn.utils.parametrize`; detached, W0 is there again bit for bit.
The change has to be made to the weight itself, for a demodulated convolution is not linear in it.

Shapes: L latent layers, D latent width, P personas in one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.utils import parametrize

from gpk.camera import Camera
from gpk.errors import PersonaError
from gpk.generator import Generator, Render
from gpk.lowrank import LoRA
from gpk.made_for import require_weights
from gpk.persona import Persona


def is_attached(generator: nn.Module) -> bool:
    """Whether any weight of `generator` is changed by a persona."""
    return any(parametrize.is_parametrized(module) for module in generator.modules())


def check_fit(generator: Generator, *personas: Persona) -> None:
    """Raises PersonaError where one of `personas` was made for another generator; the message names both sides."""
    check_shapes(generator, *personas)
    for base, persona in {persona.origin.base: persona for persona in personas}.items():
        advice = f"{_made_for(persona)}; use the weights it was made with"
        require_weights(base, generator, what="the persona", advice=advice, error=PersonaError)


def check_shapes(generator: Generator, *personas: Persona) -> None:
    """Raises PersonaError where one of `personas` changes a weight that `generator`, which may be on the meta device,
    does not have in that shape.
    """
    weights = {site.key: tuple(generator.weight(site).shape) for site in generator.sites()}
    for persona in personas:
        for key, change in persona.changes.items():
            shape = change.shape if isinstance(change, LoRA) else tuple(change.D.shape)
            if weights.get(key) != shape:
                here = list(weights[key]) if key in weights else "no such weight"
                raise PersonaError(
                    f"the persona changes {key} {list(shape)}, where this generator has {here}: {_made_for(persona)}"
                )


def _made_for(persona: Persona) -> str:
    return f"it was made for {persona.origin.backend} ({persona.origin.card})"


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
def merged(generator: Generator) -> Iterator[Generator]:
    """`generator` with what is attached to it, if anything, written into its weights, inside the block; afterwards it
    is attached again over W0, bit for bit. So a second persona can be tuned, or attached, on top of the first.
    """
    changes = [
        (module, name, change)
        for module in list(generator.modules())
        if parametrize.is_parametrized(module)
        for name, (change,) in module.parametrizations.items()  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    ]
    originals = detach(generator, merge=True)
    try:
        yield generator
    finally:
        restore(generator, originals)
        for module, name, change in changes:
            parametrize.register_parametrization(module, name, change, unsafe=True)


@contextmanager
def attached(generator: Generator, persona: Persona) -> Iterator[Generator]:
    """`generator` with `persona` attached, inside the block; raises PersonaError as `attach` does."""
    attach(generator, persona)
    try:
        yield generator
    finally:
        detach(generator)


def render_many(generator: Generator, personas: Sequence[Persona], w: Tensor, camera: Camera | None = None) -> Render:
    """Several people in one batch: row i of w [P, L, D] (and of `camera`) through `personas[i]`, one vectorised pass.

    Sites that some personas change and others do not are W0 for those others. Raises PersonaError as `attach` does,
    and where there is not one persona for each row.
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
