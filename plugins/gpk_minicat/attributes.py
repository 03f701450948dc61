"""What pictures of procedural cats show, in numbers: the attributes `minicat-attributes`, and what the priors' noise
means.

The network is the whole `Reader` of which `minicat-perceptual` keeps the features: one training gives both. Every
reading is a place in its range: -1 is its lower end (of a marking, none of it), 1 its upper end. Beyond the ranges
nobody trained it.

Shapes: B batch, Z noise, Q readings, R image side.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from gpk_minicat import perceptual
from gpk_minicat.cameras import PITCH, YAW, angles_of
from gpk_minicat.parameters import NAMES, PRIOR, from_noise
from gpk_minicat.readings import Reader, places
from gpk_minicat.store import load_tensors

WEIGHTS = Path(__file__).parent / "weights" / "minicat-attributes.safetensors"


def load_attributes(weights: Path | None = None) -> Reader:
    """The reader with its trained weights (the bundled ones where None), frozen and ready to use; raises WeightsError
    where there is no such file.
    """
    tensors, _ = load_tensors(WEIGHTS if weights is None else weights)
    reader = Reader(perceptual.network())
    reader.load_state_dict({key: value.float() for key, value in tensors.items()})
    return reader.requires_grad_(False).eval()


def meaning(z: Tensor) -> dict[str, Tensor]:
    """What is known of the priors' noise z [B, Z], by name: the place [B] of every parameter in its range, -1 to 1;
    of the 2D prior's, which has two numbers more, also yaw and pitch, as a reader says them: up is positive.
    """
    shown = places(from_noise(z[:, : len(PRIOR)]))
    meant = {name: shown[:, index] for index, name in enumerate(NAMES) if name in PRIOR}
    if z.shape[1] > len(PRIOR):
        yaw, pitch = (angles_of(z) / z.new_tensor([YAW, -PITCH])).unbind(1)
        meant |= {"yaw": yaw, "pitch": pitch}
    return meant
