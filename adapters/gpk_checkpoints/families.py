"""Networks that people take for a generator of a backend and that are none, told by names of their tensors.

So a wrong file is answered with what it is. A name is matched at its end: prefixes may lie before it. Light: never
imports torch.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gpk_checkpoints.inert import shown

SHOWN = 3
"""How many tensors a description names."""


@dataclass(frozen=True)
class Family:
    """What a network is, in words, by patterns that all have to be found among its names; `advice` says what to do."""

    what: str
    patterns: tuple[str, ...]
    advice: str = ""


SYNTHESIS = "a StyleGAN2 synthesis network alone, without the mapping and the mean w that belong to it"
FAMILIES = (
    Family(
        "a whole-head generator of EG3D's family (PanoHead, SphereHead)",
        (r"(bcg_synthesis|t_mapping)\..*", r"backbone\.synthesis\..*"),
        "gpk does not read this family yet",
    ),
    Family(
        "a generator of StyleGAN3's layers (StyleGAN3 t or r; StyleGAN-XL where it has classes)",
        (r"synthesis\.L\d+_\d+_\d+\.weight",),
        "gpk does not read this family yet",
    ),
    Family(
        "a persona that My3DGen trained: an EG3D with low-rank factors beside its layers",
        (r"backbone\..*lora_(A|B)",),
        "`gpk persona import FILE --backend eg3d-ffhq` takes it",
    ),
    Family("an EG3D", (r"backbone\.synthesis\.b4\.conv1\.weight",), "use the backend eg3d-ffhq or eg3d-afhq"),
    Family(
        "a StyleGAN2 in the official layout",
        (r"synthesis\.b4\.conv1\.weight", r"mapping\.fc0\.weight"),
        "use the backend stylegan2",
    ),
    Family(
        "a StyleGAN2 in rosinality's layout", (r"input\.input", r"convs\.0\.conv\.weight"), "use the backend stylegan2"
    ),
    Family(
        SYNTHESIS,
        (r"b4\.conv1\.affine\.weight", r"b4\.torgb\.weight"),
        "save the whole generator, as the program that tuned it has it in memory (MyStyle keeps the synthesis alone)",
    ),
    Family("a StyleGAN of 2019, the first one", (r"(g_synthesis\.blocks|generator\.progression|epi1)\..*",), ""),
    Family("a discriminator", (r"b4\.(conv|fc|out)\.weight", r"b8\.(conv0|skip)\.weight"), "the generator is G_ema"),
    Family("a discriminator", (r"convs\.0\.0\.weight", r"final_linear\.0\.weight"), "the generator is g_ema"),
    Family(
        "an encoder of the pSp or e4e kind",
        (r"input_layer\.0\.weight", r"body\.0\..*"),
        "it makes codes, not pictures",
    ),
    Family("a diffusion model", (r"(diffusion_model|down_blocks|single_blocks|time_embed)\..*",), "gpk is for GANs"),
    Family("a low-rank adapter (LoRA)", (r".*lora_(A|B|up|down).*",), "it changes another network's weights"),
)
"""Of those that fit a network the first is it."""
FACTORS = ("lora_A", "lora_B")
"""What the low-rank factors beside a layer are called, in the layout that My3DGen's training leaves."""


def has_factors(names: Iterable[str]) -> bool:
    """Whether any of a network's tensors is a low-rank factor beside a layer."""
    return any(name.endswith(tuple(f".{factor}" for factor in FACTORS)) for name in names)


def recognised(names: Collection[str]) -> Family | None:
    """The first family whose every pattern some of the names end with; None where none is known."""
    for family in FAMILIES:
        patterns = [re.compile(rf"(.*\.)?{pattern}") for pattern in family.patterns]
        if all(any(pattern.fullmatch(name) for name in names) for pattern in patterns):
            return family
    return None


def described(names: Collection[str]) -> str:
    """What a network with tensors of these names is, in words, and what to do with it."""
    if family := recognised(names):
        return f"{family.what}{': ' + family.advice if family.advice else ''}"
    some = ", ".join(shown(name) for name in sorted(names)[:SHOWN])
    count = f"{len(names):,} tensor{'' if len(names) == 1 else 's'}"
    return f"a network that gpk does not know, of {count} ({some}{', …' if len(names) > SHOWN else ''})"
