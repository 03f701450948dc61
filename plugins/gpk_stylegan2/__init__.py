"""The StyleGAN2 backend, and the layers that EG3D reuses. Light: torch arrives when a generator is built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpk.plugin import Backend, hookimpl
from gpk_checkpoints.cards import read_cards

if TYPE_CHECKING:
    from gpk.checkpoint import Adopted, Stored
    from gpk.generator import Generator

gpk_api = 1

MARK = r"(?<!backbone\.)synthesis\.b4\.conv1\.weight"
"""A tensor of every StyleGAN2 in the official layout; one inside an EG3D is its backbone."""
TINY: Mapping[str, Any] = {"z_dim": 12, "w_dim": 16, "img_resolution": 16, "channel_base": 128, "channel_max": 12}
"""Settings that make any StyleGAN2 of a size that a test can afford."""


def build(config: Mapping[str, Any]) -> Generator:
    """A StyleGAN2 of `config`, randomly initialised."""
    from gpk_stylegan2.config import from_mapping
    from gpk_stylegan2.network import StyleGAN2

    return StyleGAN2(from_mapping(config))


def fit(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Mapping[str, Any]:
    """`config` with every size that a file's tensors tell; raises InputError where they do not fit it or each other."""
    from gpk_stylegan2.config import from_mapping, infer

    return dataclasses.asdict(infer(from_mapping(config), shapes))


def adopt(network: Stored) -> Adopted:
    """An official or a rosinality checkpoint; raises InputError for another architecture."""
    from gpk.checkpoint import Adopted
    from gpk_stylegan2.config import official_settings, refuse_other_families
    from gpk_stylegan2.rosinality import is_rosinality, taken
    from gpk_stylegan2.stored import AVERAGE, require_kind, synthesis_state, with_mean

    refuse_other_families(network.tensors)
    if is_rosinality(network.tensors):
        average = {AVERAGE: network.beside[AVERAGE]} if AVERAGE in network.beside else {}
        return taken(average | dict(network.tensors))
    require_kind(network.modules, "mapping.")
    # What the layers say comes before the arguments, which leave out what was at its default.
    settings = official_settings(network.arguments) | synthesis_state(network.modules, "synthesis.")
    return Adopted(settings, with_mean(network, "mapping.w_avg"))


@hookimpl
def gpk_backends() -> Sequence[Backend]:
    """`stylegan2`: any StyleGAN2 in the ADA layout, or rosinality's."""
    return [
        Backend(
            name="stylegan2",
            summary="StyleGAN2: 2D faces, cats and whatever else it was trained on; plain photos, no cameras",
            cards=read_cards(Path(__file__).parent / "cards.yaml"),
            build=build,
            fit=fit,
            adopt=adopt,
            marks=(MARK, r"input\.input"),
            essential=("img_resolution", "z_dim", "w_dim", "mapping_layers", "channel_base", "channel_max"),
            cameras=False,
            resolution=1024,
            tiny=TINY,
        )
    ]
