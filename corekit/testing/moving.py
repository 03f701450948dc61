"""Rules of types and devices: a generator goes where its tensors go."""

from __future__ import annotations

import torch

from corekit.testing.alike import alike, off
from corekit.testing.rule import ContractError, NotPromisedError, Rule
from corekit.testing.specimen import Specimen

ELSEWHERE = 2e-2
"""The most that a picture in another arithmetic is off, in units of its size: products on a GPU may keep 10 bits
(TF32), and what float32 loses in every layer is not lost in float64.
"""
ROUGHLY = 0.2
"""How far a picture in reduced precision may be from the full one, relative to its root mean square."""


def follows_its_weights_precision(specimen: Specimen) -> None:
    """In float64 it shows what it shows in float32, in float64: types follow the inputs, and no tensor is made in
    torch's default type on the way. Derivatives are checked so.
    """
    generator, w, camera = specimen.generator, specimen.codes(1), specimen.views(1)
    with torch.no_grad():
        single = generator(w, camera).image
        try:
            double = generator.double()(w.double(), None if camera is None else camera.to("cpu", torch.float64)).image
        except RuntimeError as error:
            raise ContractError(
                f"in float64 it raised: {str(error).splitlines()[0]}. Types follow the inputs: make tensors with "
                "w.new_tensor, or dtype=w.dtype"
            ) from error
    if double.dtype != torch.float64:
        raise ContractError(f"in float64 the image is {double.dtype}: something on the way converts it back")
    if not alike(single, double, within=ELSEWHERE):
        raise ContractError(
            f"in float64 the picture is {off(single, double):.2g} of its size off the one in float32: rounding does "
            "not go that far. Look for what depends on the type"
        )


def honours_half_dtype(specimen: Specimen) -> None:
    """`half_dtype` is the type of the parts that may run in reduced precision: float32 means none, bfloat16 shows
    nearly the same, and the picture is float32 in any case.
    """
    generator, w, camera = specimen.generator, specimen.codes(2), specimen.views(2)
    with torch.no_grad():
        generator.half_dtype = torch.float32
        full = generator(w, camera).image
        generator.half_dtype = torch.bfloat16
        rough = generator(w, camera).image
    if rough.dtype != torch.float32:
        raise ContractError(
            f"with half_dtype bfloat16 the image is {rough.dtype}: only what is inside is reduced. Convert it on the "
            "way out"
        )
    amiss = ((rough - full).square().mean() / full.square().mean()).sqrt().item()
    if not amiss < ROUGHLY:
        raise ContractError(
            f"with half_dtype bfloat16 the picture is off by {amiss:.0%} of its size: it is to show nearly the same. "
            "Keep in float32 what needs it, such as styles and what positions are computed from"
        )


def goes_to_a_gpu(specimen: Specimen) -> None:
    """On a GPU it shows what it shows on the CPU: every tensor that forward makes is made where w is."""
    if not torch.cuda.is_available():
        raise NotPromisedError("there is no CUDA device here")
    generator, w, camera = specimen.generator, specimen.codes(1), specimen.views(1)
    generator.half_dtype = torch.float32
    with torch.no_grad():
        here = generator(w, camera).image
        generator.to("cuda")
        there = generator(w.to("cuda"), None if camera is None else camera.to("cuda")).image
        alone = generator(w.to("cuda")).image
    if not there.is_cuda or not alone.is_cuda:
        raise ContractError(f"on a GPU the image is on {there.device}: it stays where w is")
    if not alike(there.cpu(), here, within=ELSEWHERE):
        raise ContractError(
            f"on a GPU the picture is {off(there.cpu(), here):.2g} of its size off the CPU's: rounding does not go "
            "that far"
        )


RULES = (Rule(follows_its_weights_precision), Rule(honours_half_dtype), Rule(goes_to_a_gpu))
