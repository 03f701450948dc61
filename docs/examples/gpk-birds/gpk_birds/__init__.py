"""Wooden birds: a conditional radiance field as a backend of gpk. Light: torch is imported when something is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpk.plugin import Backend, Card, JudgeCard, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gpk.generator import Generator

gpk_api = 1


def build(config: Mapping[str, Any]) -> Generator:
    """A field of the settings of `Field`."""
    from gpk_birds.field import Field

    return Field(**config)


def meaning(z: Tensor) -> Mapping[str, Tensor]:
    """What codes [B, Z] say, by name."""
    from gpk_birds import bird

    return bird.meaning(z)


@hookimpl
def gpk_backends() -> list[Backend]:
    """The one family."""
    card = Card(
        name="birds-48",
        title="Wooden birds of a thousand colours, 48 x 48",
        licence="Apache-2.0",
        config={"side": 48, "samples": 16},
        weights=Path(__file__).with_name("birds.safetensors"),
        notes="Photos: the whole bird on a dark ground. Cameras: focal length 5.2 sides, 2.7 from the origin.",
    )
    return [
        Backend(
            name="graf-birds",
            summary="a conditional radiance field (GRAF) of wooden birds, weights included",
            cards=(card,),
            build=build,
            resolution=48,
            distance="birds-distance",
            judge="birds-identity",
            attributes="birds-attributes",
            meaning=meaning,
            tiny={"side": 12, "samples": 6},
        )
    ]


def load_distance(weights: Path | None) -> nn.Module:
    """The distance, which has no weights."""
    from gpk_birds.judges import Edges

    return Edges()


def load_identity(weights: Path | None) -> nn.Module:
    """The judge, which has no weights."""
    from gpk_birds.judges import Palette

    return Palette()


def load_attributes(weights: Path | None) -> nn.Module:
    """The attributes, which have no weights."""
    from gpk_birds.judges import Looks

    return Looks()


@hookimpl
def gpk_judges() -> list[JudgeCard]:
    """None of them is a network: nobody need download anything."""
    return [
        JudgeCard(
            "birds-distance", "distance", "absolute differences of colours and edges at three sizes", load_distance
        ),
        JudgeCard("birds-identity", "judge", "which hues a picture has, and how much of each", load_identity),
        JudgeCard(
            "birds-attributes", "attributes", "how much of the picture is bird, and its mean colour", load_attributes
        ),
    ]


@hookimpl
def gpk_commands(app: typer.Typer) -> None:
    """`gpk birds`, which takes the photographs."""

    @app.command()
    def birds(
        folder: Annotated[Path, typer.Argument(help="Folder to make: train, held-out and raw.")],
        seed: Annotated[int, typer.Option(help="Which bird.")] = 0,
        photos: Annotated[int, typer.Option(help="How many are learned from; half as many are held out.")] = 12,
    ) -> None:
        """Photograph a bird with a collar and a patch, which no bird had that the field was taught."""
        from gpk_birds.album import photograph

        photograph(folder, seed=seed, photos=photos)
        print(folder)
