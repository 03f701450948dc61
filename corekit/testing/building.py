"""Rules of being found and being built: what holds before the first picture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache

import torch

from corekit.generator import LatentSpace
from corekit.testing.rule import ContractError, NotPromisedError, Rule
from corekit.testing.specimen import Specimen, affordable, built

SLOW = 0.5
"""Seconds of importing that a person feels, as every command waits for every plugin."""

_FRESH = """
import json, sys, time
from importlib.metadata import EntryPoint
from corekit.registry import Registry
name, value = sys.argv[1:]
(report,) = Registry.discover(entry_points=[EntryPoint(name, value, "gpk")]).plugins()
print(json.dumps({"seconds": report.seconds, "torch": "torch" in sys.modules, "error": report.error}))
"""


def imports_lightly(specimen: Specimen) -> None:
    """A plugin is imported, and its hooks are asked, at every start of gpk, `gpk --help` included: without torch, which
    alone takes seconds, and in less than half a second.
    """
    if specimen.plugin is None:
        raise NotPromisedError("the backend was given by itself, not by a plugin's name")
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
            f"waits for it: {SLOW} s is what a person feels. Look with `python -X importtime -c 'import "
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


def _seconds(told: dict[str, object]) -> float:
    return float(str(told["seconds"]))


RULES = (Rule(imports_lightly), Rule(builds_small, basic=True))
