"""Rules of personas on a generator: nothing changes at init, much after it, and it comes off without a trace.

A persona's factors are given values at random, as if learned: what is looked at is whether the generator reads its
weights through it, not whether that is a likeness.
"""

from __future__ import annotations

import copy
import itertools
import json
from typing import get_args

import torch

from gpk.attach import attach, attached, detach, is_attached, render_many, restore
from gpk.camera import Camera
from gpk.errors import PersonaError
from gpk.generator import Generator, Render, fingerprint
from gpk.lowrank import Layout, LoRA
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk.testing.alike import alike, off
from gpk.testing.rule import ContractError, OnPurposeError, Rule
from gpk.testing.specimen import Specimen

EVERYTHING = Recipe(parts={"mapping": "adapt", "backbone": "adapt", "decoder": "adapt", "superres": "adapt"})
"""A recipe that changes every site."""


def untrained(specimen: Specimen, recipe: Recipe = EVERYTHING) -> Persona:
    """A persona of three anchors on the specimen's generator, which changes nothing yet."""
    generator = specimen.generator
    origin = Origin(specimen.backend.name, specimen.card.name, fingerprint(generator))
    return Persona.create(generator, recipe, origin=origin, anchors=specimen.codes(3)[:, 0], rng=seeded(0))


@torch.no_grad()
def learned(specimen: Specimen, recipe: Recipe = EVERYTHING, *, seed: int = 3) -> Persona:
    """A persona that changes every site that the recipe lets change."""
    persona, rng = untrained(specimen, recipe), seeded(seed)
    for key, change in persona.changes.items():
        moved = change.B if isinstance(change, LoRA) else change.D
        size = 0.2 * specimen.generator.get_parameter(key).square().mean().sqrt().clamp_min(0.1)
        moved += size.cpu() * torch.randn(moved.shape, generator=rng)
    return persona


def is_itself_at_a_personas_init(specimen: Specimen) -> None:
    """A persona that has learned nothing changes no bit of a picture, in every layout and at ranks 1 and 2: what
    training starts from is the pretrained generator.
    """
    generator, w, camera = specimen.generator, specimen.codes(2), specimen.views(2)
    with torch.no_grad():
        before = generator(w, camera).image
        for layout, rank in itertools.product(get_args(Layout), (1, 2)):
            persona = untrained(specimen, Recipe(rank=rank, layout=layout, parts=EVERYTHING.parts))
            with attached(generator, persona):
                after = generator(w, camera).image
            if not torch.equal(before, after):
                raise ContractError(
                    f"an untrained persona (layout {layout}, rank {rank}) changes the picture by "
                    f"{off(after, before):.2g} of its size: it adds zero to every weight. Look for what treats an "
                    "attached weight otherwise than a plain one"
                )


def is_changed_by_a_persona(specimen: Specimen) -> None:
    """Pictures are made with the weights as a persona changes them, all of them, at every call: attached, it shows what
    a network built anew with the changed weights shows, and that is something else than the generator alone.
    """
    generator, w, camera = specimen.generator, specimen.codes(2), specimen.views(2)
    persona = learned(specimen)
    twin = Specimen(specimen.backend, specimen.card).generator
    with torch.no_grad():
        plain = generator(w, camera).image
        with attached(generator, persona):
            changed = generator(w, camera).image
            weights = {site.key: generator.weight(site) for site in generator.sites()}
        twin.load_state_dict({**twin.state_dict(), **weights})
        wanted = twin(w, camera).image
    if torch.equal(changed, plain):
        raise ContractError(
            "a persona that changes every site changes no picture: forward does not read the parameters that sites() "
            "names. Look for copies of weights made at construction, and for .data"
        )
    if not alike(changed, wanted):
        raise ContractError(
            f"attached, a persona shows a picture {off(changed, wanted):.2g} of its size off what a network built with "
            "its weights shows: forward reads some weights from elsewhere. Look for weights that are prepared once and "
            "kept"
        )


def lets_a_persona_go(specimen: Specimen) -> None:
    """A persona comes off without a trace, by `detach`, at the end of `attached`, by an error inside it, and after
    merging by `restore`: weights and pictures are there again bit for bit.
    """
    generator, w, camera = specimen.generator, specimen.codes(2), specimen.views(2)
    before, persona = fingerprint(generator), learned(specimen)
    with torch.no_grad():
        picture = generator(w, camera).image
        attach(generator, persona)
        generator(w, camera)
        detach(generator)
        _as_before(specimen, "detach", before, w, camera, picture)
        try:
            with attached(generator, persona):
                raise OnPurposeError
        except OnPurposeError:
            pass
        _as_before(specimen, "an error inside `attached`", before, w, camera, picture)
        attach(generator, persona)
        restore(generator, detach(generator, merge=True))
        _as_before(specimen, "merging and `restore`", before, w, camera, picture)


def renders_many_as_one_by_one(specimen: Specimen) -> None:
    """`render_many` shows several personas in one batch, each as it is shown alone: torch's vmap calls forward, so
    nothing in it may depend on a tensor's value in Python.
    """
    generator, w, camera = specimen.generator, specimen.codes(2), specimen.views(2)
    personas = [learned(specimen, seed=3), learned(specimen, Recipe(), seed=4)]
    with torch.no_grad():
        try:
            together = render_many(generator, personas, w, camera)
        except (RuntimeError, NotImplementedError) as error:
            raise ContractError(
                f"render_many raised {type(error).__name__}: {str(error).splitlines()[0]} Several personas in one "
                "batch go through torch.func.vmap. Look for .item(), `if tensor:`, writing into tensors in place, and "
                "custom autograd functions without generate_vmap_rule"
            ) from error
        for i, persona in enumerate(personas):
            with attached(generator, persona):
                alone: Render = generator(w[i : i + 1], None if camera is None else camera[i])
            if not alike(together.image[i], alone.image[0]):
                raise ContractError(
                    f"in one batch with another, persona {i} is shown {off(together.image[i], alone.image[0]):.2g} of "
                    "its size off what it is alone: each row is read through its own persona. Look for weights kept "
                    "from the call before"
                )


def keeps_a_persona_in_tensors(specimen: Specimen) -> None:
    """A persona's header, in JSON, and its tensors are all of it: read back on a generator built anew, it shows the
    same picture bit for bit. That is what a persona file is.
    """
    generator, w, camera = specimen.generator, specimen.codes(2), specimen.views(2)
    persona = learned(specimen)
    stored = {name: tensor.clone() for name, tensor in persona.tensors().items()}
    read = Persona.from_tensors(json.loads(json.dumps(persona.header())), stored)
    twin = Specimen(specimen.backend, specimen.card).generator
    with torch.no_grad(), attached(generator, persona), attached(twin, read):
        one, other = generator(w, camera).image, twin(w, camera).image
    if not torch.equal(one, other):
        raise ContractError(
            f"read back from its tensors and put on a generator built anew, a persona shows a picture "
            f"{off(other, one):.2g} of its size off: what a picture shows is in the state dict and the persona, and "
            "nowhere else. Look for tensors that are no parameters or persistent buffers"
        )


def copies_only_by_itself(specimen: Specimen) -> None:
    """A deep copy shows the same and shares nothing; while a persona is attached copying is refused with PersonaError,
    for torch shares the class that it injects, and detaching the copy would break the original.
    """
    generator, w, camera = specimen.generator, specimen.codes(1), specimen.views(1)
    with torch.no_grad():
        twin = copy.deepcopy(generator)
        picture = generator(w, camera).image
        if not torch.equal(twin(w, camera).image, picture):
            raise ContractError("a deep copy shows another picture: everything that decides it has to be copied")
        for parameter in twin.parameters():
            parameter.add_(1)
        if not torch.equal(generator(w, camera).image, picture):
            raise ContractError(
                "changing a deep copy's weights changes the original's picture: it shares tensors with it"
            )
    with attached(generator, untrained(specimen)):
        try:
            copy.deepcopy(generator)
        except PersonaError:
            return
    raise ContractError(
        "it can be copied while a persona is attached: detaching the copy would then break the original. Leave "
        "Generator.__deepcopy__ as it is, or call it first"
    )


def _as_before(
    specimen: Specimen, how: str, before: str, w: torch.Tensor, camera: Camera | None, picture: torch.Tensor
) -> None:
    generator: Generator = specimen.generator
    if is_attached(generator) or fingerprint(generator) != before:
        raise ContractError(
            f"after {how} the weights are not what they were: W0 is there again bit for bit. Look for weights that "
            "forward writes, and for parameters that share storage"
        )
    if not torch.equal(generator(w, camera).image, picture):
        raise ContractError(
            f"after {how} the weights are as before and the picture is not: it has kept something of the persona. Look "
            "for what is computed from weights once and kept"
        )


RULES = (
    Rule(is_itself_at_a_personas_init),
    Rule(keeps_a_persona_in_tensors),
    Rule(is_changed_by_a_persona),
    Rule(lets_a_persona_go),
    Rule(copies_only_by_itself),
    Rule(renders_many_as_one_by_one),
)
