"""Rules of being found and being built: what holds before the first picture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from importlib.metadata import EntryPoint
from typing import Protocol

import torch
from torch import Tensor

from gpk.checkpoint import Adopted, Stored
from gpk.errors import InputError
from gpk.generator import LatentSpace
from gpk.quarantine import SLOW
from gpk.registry import Registry
from gpk.testing.rule import ContractError, NotPromisedError, Rule
from gpk.testing.specimen import Specimen, affordable, built

_FRESH = """
import json, sys, time
from importlib.metadata import EntryPoint
from gpk.registry import Registry
name, value = sys.argv[1:]
(report,) = Registry.discover(entry_points=[EntryPoint(name, value, "gpk")]).plugins()
print(json.dumps({"seconds": report.seconds, "torch": "torch" in sys.modules, "error": report.error}))
"""


class Offered(Protocol):
    """Something that a plugin offers."""

    @property
    def plugin(self) -> EntryPoint | None:
        """Where it is offered."""
        ...


def imports_lightly(specimen: Offered) -> None:
    """A plugin is imported, and its hooks are asked, at every start of gpk, `gpk --help` included: without torch, which
    alone takes seconds, and in less than a second.
    """
    if specimen.plugin is None:
        raise NotPromisedError("it was given by itself, not by its name among what plugins offer")
    told = _loaded(specimen.plugin.name, specimen.plugin.value)
    seconds = _seconds(told)
    if told["error"]:
        raise ContractError(
            f"in a fresh interpreter the plugin {specimen.plugin.name!r} is unusable: {told['error']}. It may lean on "
            "what something else has imported before it"
        )
    if told["torch"]:
        raise ContractError(
            f"importing {specimen.plugin.value} and asking its hooks imports torch ({seconds:.1f} s): every "
            "command waits for that, `gpk --help` too. Import torch, and your modules that need it, inside functions"
        )
    if seconds > SLOW:
        raise ContractError(
            f"importing {specimen.plugin.value} and asking its hooks takes {seconds:.1f} s, and every command "
            f"waits for it: more than {SLOW:g} s is what a person feels. Look with `python -X importtime -c 'import "
            f"{specimen.plugin.module}'`"
        )


def builds_small(specimen: Specimen) -> None:
    """Every card builds a `Generator` from `{**card.config, **backend.tiny}`, of a size that a test can afford: what is
    cheap to try is tried.
    """
    affordable(specimen.backend, specimen.config)
    generator = built(specimen.backend, specimen.config)
    if not isinstance(getattr(generator, "latent", None), LatentSpace):
        raise ContractError(
            "the generator has no `latent`: tasks draw z and place w by it. Set self.latent = "
            "LatentSpace(z_dim, w_dim, num_ws) in __init__"
        )
    if not isinstance(getattr(generator, "resolution", None), int):
        raise ContractError(
            "the generator has no `resolution`: photos are resized to it. Set self.resolution, its pictures' side, in "
            "__init__"
        )
    for name, tensor in generator.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise ContractError(
                f"{name} has numbers that are not finite: a network without a file has random weights. "
                "Initialise what torch.empty left"
            )


def names_what_exists(specimen: Specimen) -> None:
    """The distance, judges and detector that a backend names are offered by someone, each of its kind, and weights that
    ship with its cards are there: else the first command that needs one ends in an error.
    """
    backend, registry = specimen.backend, Registry.discover()
    for role, kind in (("distance",) * 2, ("reporting", "distance"), ("judge",) * 2, ("attributes",) * 2):
        name = getattr(backend, role)
        if name is not None and registry.judge(name).kind != kind:
            raise ContractError(
                f"its {role} {name!r} is of kind {registry.judge(name).kind!r}: where {role} is named, {kind} is asked "
                "for"
            )
    for name in backend.detectors:
        registry.detector(name)
    for card in backend.cards:
        if card.weights is None or card.weights.is_file():
            continue
        raise ContractError(
            f"the weights of the card {card.name}, {card.weights}, are not there: a file that ships with a plugin has "
            "to be in its wheel. Leave `weights` out for a file that the user gives"
        )


def has_the_same_shapes_without_storage(specimen: Specimen) -> None:
    """Built on the meta device, which allocates nothing, the state dict has the names and shapes of the real one:
    `--dry-run` and the check of a weights file cost no memory so.
    """
    real = {name: tuple(tensor.shape) for name, tensor in specimen.generator.state_dict().items()}
    try:
        with torch.device("meta"):
            empty = specimen.backend.build(specimen.config)
    except (RuntimeError, NotImplementedError) as error:
        raise ContractError(
            f"on the meta device build raised: {str(error).splitlines()[0]}. Tensors have no values there: in __init__ "
            "read none, and give devices by name only where you must"
        ) from error
    there = {name: tuple(tensor.shape) for name, tensor in empty.state_dict().items()}
    if there != real:
        name = sorted({*there.items()} ^ {*real.items()})[0][0]
        raise ContractError(
            f"on the meta device {name} is {there.get(name, 'absent')}, and {real.get(name, 'absent')} otherwise: the "
            "config alone decides names and shapes"
        )
    if elsewhere := [name for name, tensor in empty.state_dict().items() if not tensor.is_meta]:
        raise ContractError(
            f"on the meta device {elsewhere[0]} is allocated nevertheless: build works on torch's default device. Make "
            "tensors without device="
        )


def fits_a_files_shapes(specimen: Specimen) -> None:
    """`fit` reads from a file's shapes a config that builds exactly those, or refuses with InputError: that is how a
    file of another size than the card's is taken.
    """
    backend = specimen.backend
    if backend.fit is None:
        raise NotPromisedError("it has no `fit`: files are of the card's own size")
    shapes = {name: tuple(tensor.shape) for name, tensor in specimen.generator.state_dict().items()}
    for config, told in ((specimen.config, "its own config"), (specimen.card.config, "the card's config")):
        try:
            fitted = backend.fit(config, shapes)
        except InputError as refusal:
            if config is specimen.card.config:
                continue
            raise ContractError(f"fit refuses the shapes of what the very config builds: {refusal}") from refusal
        with torch.device("meta"):
            state = built(backend, fitted).state_dict()
        again = {name: tuple(tensor.shape) for name, tensor in state.items()}
        for name in sorted(shapes.keys() | again.keys()):
            if again.get(name) != shapes.get(name):
                raise ContractError(
                    f"fitted from {told}, {name} is {again.get(name, 'absent')}, and in the file "
                    f"{shapes.get(name, 'absent')}: fit gives back every size that tensors tell, or raises InputError"
                )


def adopts_or_refuses(specimen: Specimen) -> None:
    """`adopt` returns settings and tensors, or refuses a file of another family with InputError, and leaves what it was
    given as it was: whatever a person takes for weights is answered in a sentence.
    """
    adopt = specimen.backend.adopt
    if adopt is None:
        raise NotPromisedError("it has no `adopt`: tensors are taken by their names")
    own = dict(specimen.generator.state_dict())
    for told, tensors in (
        ("a file of nothing", {}),
        ("another family's file", {"x.weight": torch.zeros(2, 2)}),
        ("its own", own),
    ):
        given, arguments = dict(tensors), {}
        try:
            returned = adopt(Stored(given, arguments))
        except InputError:
            pass
        except Exception as error:
            raise ContractError(
                f"adopt of {told} raised {type(error).__name__}: {error}. What is no checkpoint of this family is the "
                "user's to mend: raise InputError"
            ) from error
        else:
            if not isinstance(returned, Adopted):
                raise ContractError(f"adopt of {told} returned {type(returned).__name__}: it is an Adopted")
            if not all(isinstance(tensor, Tensor) for tensor in returned.tensors.values()):
                raise ContractError(f"adopt of {told} returned tensors that are none")
        if given.keys() != tensors.keys() or arguments:
            raise ContractError(f"adopt changed what it was given ({told}): it belongs to the caller. Copy it first")


@cache
def _loaded(name: str, value: str) -> dict[str, object]:
    """What a fresh interpreter tells of a plugin; where it is slow, the better of two tries: the machine may have been
    busy, or nothing compiled yet.
    """
    told = _in_a_fresh_interpreter(name, value)
    return told if _seconds(told) <= SLOW else min(told, _in_a_fresh_interpreter(name, value), key=_seconds)


def _in_a_fresh_interpreter(name: str, value: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", _FRESH, name, value],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ContractError(f"the plugin {name!r} ends a fresh interpreter: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _seconds(report: dict[str, object]) -> float:
    return float(str(report["seconds"]))


RULES = (Rule(imports_lightly), Rule(names_what_exists), Rule(builds_small, basic=True))
FILES = (Rule(has_the_same_shapes_without_storage), Rule(fits_a_files_shapes), Rule(adopts_or_refuses))
"""Rules of weights files, that nothing else rests on."""
