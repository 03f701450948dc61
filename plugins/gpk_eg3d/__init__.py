"""The EG3D backends. Light: torch arrives when a generator is built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpk.framing import EG3D_SHARE, Framing
from gpk.plugin import Backend, hookimpl
from gpk_checkpoints.cards import read_cards

if TYPE_CHECKING:
    from gpk.checkpoint import Adopted, Stored
    from gpk.generator import Generator

gpk_api = 1

AFHQ = Framing("square", scale=1.4)
"""AFHQ's squares around the boxes of `opencv-cat`, which reach from ear to ear: chosen by eye, so that the ears are in
the picture and the eyes about a third of its side apart.
"""

MARK = r"backbone\.synthesis\.b4\.conv1\.weight"
"""A tensor of every EG3D."""
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
    """`config` with every size that a file's tensors tell; raises InputError where they do not fit it or each other."""
    from gpk_eg3d.config import EG3DConfig, from_mapping, infer

    # The tensors tell the picture's side and where it is doubled; what the config says of it need not fit together.
    whole = {"sr_input_resolution": EG3DConfig.sr_input_resolution, **config, "sr_up": EG3DConfig.sr_up}
    side = whole["sr_input_resolution"] * 2 ** sum(EG3DConfig.sr_up)
    channels = EG3DConfig.sr_channels
    return dataclasses.asdict(infer(from_mapping({**whole, "sr_channels": channels, "img_resolution": side}), shapes))


PASSENGERS: Mapping[str, str] = {
    "dataset_label_std": "how much the training set's labels vary: a buffer of the training, which no picture needs",
}
"""Tensors that a training leaves on the generator, and why they are not needed."""


def adopt(network: Stored) -> Adopted:
    """An official checkpoint, whose tensors have our names already; raises InputError for another architecture."""
    from gpk.checkpoint import Adopted
    from gpk_eg3d.config import official_settings, planes_state, refuse_other_families, superresolution_state
    from gpk_stylegan2.stored import require_kind, synthesis_state, with_mean

    refuse_other_families(network.tensors)
    settings = official_settings(network.arguments)
    require_kind(network.modules, "backbone.mapping.")
    settings |= synthesis_state(network.modules, "backbone.synthesis.")
    settings |= superresolution_state(network.modules) | planes_state(network.modules)
    # Which super-resolution it is, is told by the tensors before the module's name; and they tell the picture's side.
    for told in ("sr_channels", "sr_resample_filter", "sr_up", "img_resolution"):
        settings.pop(told, None)
    ignored = {name: PASSENGERS[name] for name in network.tensors if name in PASSENGERS}
    tensors = with_mean(network, "backbone.mapping.w_avg")
    return Adopted(settings, {name: t for name, t in tensors.items() if name not in ignored}, ignored)


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
            marks=(MARK,),
            essential=("avg_camera_pivot",),
            detector="facemesh, mtcnn, opencv-face",
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
            marks=(MARK,),
            essential=("avg_camera_pivot",),
            detector="opencv-cat",
            framing=AFHQ,
            tiny=TINY,
        ),
    ]
