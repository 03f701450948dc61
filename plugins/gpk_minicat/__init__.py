"""The embedded priors, a small EG3D and a small StyleGAN2 of procedural cats; the cats themselves, and the networks
that judge their pictures.

Light: torch arrives when something is built, loaded or drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpk.framing import Framing
from gpk.plugin import Backend, DetectorCard, JudgeCard, hookimpl
from gpk_checkpoints.cards import read_cards
from gpk_eg3d import MARK, build, fit
from gpk_eg3d import TINY as TINY_EG3D
from gpk_stylegan2 import MARK as MARK_2D
from gpk_stylegan2 import TINY as TINY_STYLEGAN2
from gpk_stylegan2 import build as build_2d
from gpk_stylegan2 import fit as fit_2d

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gpk.detector import Detector

gpk_api = 1

OWN_NOISE = {"z_dim"}
"""What small priors keep: their noise means something, number by number."""
TINY_2D: Mapping[str, Any] = {name: size for name, size in TINY_STYLEGAN2.items() if name not in OWN_NOISE}
TINY_3D: Mapping[str, Any] = {name: size for name, size in TINY_EG3D.items() if name not in OWN_NOISE} | TINY_2D
"""Settings that make the priors of a size that a test can afford a thousand pictures of."""


def load_distance(weights: Path | None = None) -> nn.Module:
    """The perceptual distance of procedural cats; see `gpk_minicat.distance`."""
    from gpk_minicat.distance import load_distance

    return load_distance(weights)


def load_perceptual(weights: Path | None = None) -> nn.Module:
    """The perceptual distance that reports and is never in a loss; see `gpk_minicat.perceptual`."""
    from gpk_minicat.perceptual import load_perceptual

    return load_perceptual(weights)


def load_identity(weights: Path | None = None) -> nn.Module:
    """The judge of procedural cats' identity; see `gpk_minicat.identity`."""
    from gpk_minicat.identity import load_identity

    return load_identity(weights)


def load_attributes(weights: Path | None = None) -> nn.Module:
    """What pictures of procedural cats show, in numbers; see `gpk_minicat.attributes`."""
    from gpk_minicat.attributes import load_attributes

    return load_attributes(weights)


def load_finder(weights: Path | None = None) -> Detector:
    """The detector of procedural cats' heads; see `gpk_minicat.finder`."""
    from gpk_minicat.finder import load_finder

    return load_finder(weights)


def meaning(z: Tensor) -> Mapping[str, Tensor]:
    """What is known of the priors' noise; see `gpk_minicat.attributes`."""
    from gpk_minicat.attributes import meaning

    return meaning(z)


@hookimpl
def gpk_backends() -> Sequence[Backend]:
    """`eg3d-minicat` and `stylegan2-minicat`."""
    solid, flat = read_cards(Path(__file__).parent / "cards.yaml")
    return [
        Backend(
            name="eg3d-minicat",
            summary="the embedded prior: a small EG3D of procedural cats, weights included",
            cards=(solid,),
            build=build,
            fit=fit,
            marks=(MARK,),
            essential=("img_resolution", "z_dim"),
            resolution=64,
            distance="minicat-distance",
            reporting="minicat-perceptual",
            judge="minicat-identity",
            attributes="minicat-attributes",
            detector="minicat-finder",
            framing=Framing(),
            meaning=meaning,
            tiny=TINY_3D,
        ),
        Backend(
            name="stylegan2-minicat",
            summary="the embedded 2D prior: a small StyleGAN2 of the same cats, weights included; plain photos",
            cards=(flat,),
            build=build_2d,
            fit=fit_2d,
            marks=(MARK_2D,),
            essential=("img_resolution", "z_dim"),
            cameras=False,
            resolution=64,
            distance="minicat-distance",
            reporting="minicat-perceptual",
            judge="minicat-identity",
            attributes="minicat-attributes",
            detector="minicat-finder",
            framing=Framing(),
            meaning=meaning,
            tiny=TINY_2D,
        ),
    ]


@hookimpl
def gpk_judges() -> Sequence[JudgeCard]:
    """The distances, the judge and the attributes of this domain."""
    return [
        JudgeCard(
            name="minicat-distance",
            kind="distance",
            summary="features of a network that reads procedural cats' parameters; weights included",
            load=load_distance,
        ),
        JudgeCard(
            name="minicat-perceptual",
            kind="distance",
            summary="the same measure by a network that is in no loss: the distance that reports; weights included",
            load=load_perceptual,
        ),
        JudgeCard(
            name="minicat-identity",
            kind="judge",
            summary="which procedural cat is this? Unit features; weights included",
            load=load_identity,
        ),
        JudgeCard(
            name="minicat-attributes",
            kind="attributes",
            summary="what a procedural cat's picture shows: eyes, coat, mouth, light, view; weights included",
            load=load_attributes,
        ),
    ]


@hookimpl
def gpk_detectors() -> Sequence[DetectorCard]:
    """`minicat-finder`."""
    return [
        DetectorCard(
            name="minicat-finder",
            finds="procedural cat",
            summary="procedural cats' heads, framed as the embedded priors' pictures are; weights included",
            load=load_finder,
            licence="Apache-2.0",
        )
    ]


@hookimpl
def gpk_commands(app: Any) -> None:  # noqa: ANN401 - Typer is the command line's business
    """Adds `gpk minicat album`."""
    from gpk_minicat.commands import add_commands

    add_commands(app)
