"""The EG3D backends. Light: torch arrives when a generator is built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corekit.framing import EG3D_SHARE, Framing
from corekit.plugin import Backend, hookimpl
from gpk_checkpoints.cards import read_cards

if TYPE_CHECKING:
    from torch import Tensor

    from corekit.generator import Generator

gpk_api = 1

AFHQ = Framing("square", scale=1.4)
"""AFHQ's squares around the boxes of `opencv-cat`, which reach from ear to ear: chosen by eye, so that the ears are in
the picture and the eyes about a third of its side apart.
"""

TINY: Mapping[str, Any] = {
    "z_dim": 12,
    "w_dim": 16,
    "img_resolution": 32,
    "plane_resolution": 16,
    "plane_channels": 4,
    "channel_base": 128,
    "channel_max": 12,
    "decoder_hidden": 8,
    "decoder_features": 8,
    "neural_rendering_resolution": 8,
    "depth_resolution": 6,
    "depth_resolution_importance": 6,
    "sr_input_resolution": 8,
    "sr_channels": (8, 6),
}
"""Settings that make any EG3D of a size that a test can afford."""


def build(config: Mapping[str, Any]) -> Generator:
    """An EG3D of `config`, randomly initialised."""
    from gpk_eg3d.config import from_mapping
    from gpk_eg3d.network import EG3D

    return EG3D(from_mapping(config))


def fit(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Mapping[str, Any]:
    """`config` with every size that a file's tensors tell.

    Raises WeightsError where the file has the other super-resolution module than the card: faces and cats differ in
    it, and in what tensors cannot tell, the pivot of their cameras.
    """
    from corekit.errors import WeightsError
    from gpk_eg3d.config import from_mapping, infer

    stated = from_mapping(config)
    fitted = infer(stated, shapes)
    if fitted.sr_resample_filter != stated.sr_resample_filter:
        modules = {True: "8X, as cats' files have it", False: "8XDC, as faces' files have it"}
        backends = {True: "eg3d-afhq", False: "eg3d-ffhq"}
        raise WeightsError(
            f"its super-resolution is {modules[fitted.sr_resample_filter]}, and this card's is "
            f"{modules[stated.sr_resample_filter]}: use {backends[fitted.sr_resample_filter]}"
        )
    return dataclasses.asdict(fitted)


def adopt(
    arguments: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> tuple[Mapping[str, Any], Mapping[str, Tensor]]:
    """An official checkpoint, whose tensors have our names already; raises InputError for another architecture.

    Which super-resolution it has is not in the settings: its tensors tell, and `fit` compares them with the card.
    """
    from gpk_eg3d.config import official_settings, refuse_other_families

    refuse_other_families(tensors)
    settings = official_settings(arguments)
    if "sr_input_resolution" not in settings:  # no official file states it; then its tensors tell the picture's side
        settings.pop("img_resolution", None)
    return settings, tensors


@hookimpl
def gpk_backends() -> Sequence[Backend]:
    """`eg3d-ffhq` and `eg3d-afhq`."""
    cards = read_cards(Path(__file__).parent / "cards.yaml")
    return [
        Backend(
            name="eg3d-ffhq",
            summary="EG3D, human faces in 3D at 512 x 512; photos need EG3D's camera labels",
            cards=tuple(card for card in cards if card.name.startswith("ffhq")),
            build=build,
            fit=fit,
            adopt=adopt,
            detector="opencv-face",
            framing=Framing("ffhq", scale=EG3D_SHARE),
            tiny=TINY,
        ),
        Backend(
            name="eg3d-afhq",
            summary="EG3D, cat faces in 3D at 512 x 512; photos need EG3D's camera labels",
            cards=tuple(card for card in cards if card.name.startswith("afhq")),
            build=build,
            fit=fit,
            adopt=adopt,
            detector="opencv-cat",
            framing=AFHQ,
            tiny=TINY,
        ),
    ]
