"""What a plugin offers and how: descriptors, hook specifications, markers. Light: never imports torch.

A plugin is any object or module with functions marked `@hookimpl`, named by an entry point of group "gpk". Hooks return
values; nothing is registered by side effect. A plugin states the hook API it was written for in `gpk_api = 1`.

Shapes: B batch, Z noise width, R image side, F features, K attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from gpk.framing import Framing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gpk.album import Album
    from gpk.checkpoint import Adopted, Stored
    from gpk.detector import Detector
    from gpk.generator import Generator

API_VERSION = 1
"""The hook API of this gpk."""
API_VERSIONS: dict[int, str | None] = {1: None}
"""The hook APIs that this gpk understands; for one on its way out, the version of gpk that will not any more."""
ENTRY_POINT_GROUP = "gpk"
"""The group of entry points in which a distribution names its plugins."""


class GpkDeprecationWarning(FutureWarning):
    """Something that plugins may still do, for a release; its text says what replaces it and when it goes.

    A hook on its way out is specified with `@hookspec(warn_on_impl=GpkDeprecationWarning(…))`, an argument of one with
    `warn_on_impl_args={"name": GpkDeprecationWarning(…)}`; gpk tells, by the plugin's name, where one is implemented.
    """


hookspec = pluggy.HookspecMarker("gpk")
hookimpl = pluggy.HookimplMarker("gpk")
"""Marks a plugin's function as the hook of its name."""


@dataclass(frozen=True)
class Card:
    """One published checkpoint.

    `config` are the generator's constructor arguments; `weights` a file that ships with the plugin, if one does; `url`
    the file to download, with its `sha256` in hexadecimal, and `page` where a person finds it; `notes` what a user must
    know of it, such as how the photos that it was trained on were aligned. `ready` tells that `build` gives the
    trained network itself, so that no file of weights is needed; it is built twice, and has to be the same both times.
    """

    name: str
    title: str
    licence: str
    config: Mapping[str, Any] = field(default_factory=dict)
    url: str | None = None
    sha256: str | None = None
    weights: Path | None = None
    page: str | None = None
    notes: str = ""
    ready: bool = False


OWN = "own"
"""The name of a card for weights that no card of the backend describes."""


@dataclass(frozen=True)
class Backend:
    """A family of generators: how to build one from a card, and which networks judge its pictures.

    `build` makes the generator of a config on torch's default device (the meta device included);
    `fit` adapts a config to a weights file's tensor shapes, for files of another size than the card's.
    `adopt` takes over a network that is not gpk's (`gpk.checkpoint`): what the file states becomes settings, its
    tensors get this generator's names. It raises InputError for another family's file, and for what the file states
    that this family does not do; without it, names are taken as they are.
    `marks` are patterns of names of tensors, one of which every file of the family has, whatever is written before it:
    they find the generator among a file's networks, inside wrappers and under prefixes. Without them the names of what
    `build` makes are looked for.
    `essential` are settings in which a file and a card have to agree for the file to be that card's checkpoint; one
    that agrees with no card becomes a card of its own (`own_card`).
    `cameras` tells that its pictures are views, so that photos need a camera each; `resolution` is their usual side in
    pixels.
    `distance`, `reporting`, `judge` and `attributes` name offers of `gpk_judges`: the distance in the loss, another one
    that reports (the loss's own where None), the judge of identity, and what says in numbers what a picture shows.
    `detector` names the offer of `gpk_detectors` that finds its subjects in photographs, or several with commas, the
    best first, for those whose packages are absent; `framing` tells how its training set was cut from them. None where
    nothing is known, and the central square has to do.
    `draws` is from how many random codes, beside the mean one, an inversion chooses where it begins: 0 where the mean
    does as well, hundreds where the generator is flat there or codes have no middle.
    `meaning` is for generators whose noise means something known: noise z [B, Z] → numbers [B] by name.
    `variant`, where there is one, makes the backend that people ask for as `name:which` from `which`. It may run what
    `which` names, so that it is called only where a person asks for it, and never because a file says so. A backend
    with variants may have no cards of its own.
    `tiny` are settings that, laid over a card's config, make a network of a size that a test can afford; none where the
    cards are small as they are. `gpk.testing` builds every card with them.
    """

    name: str
    summary: str
    cards: tuple[Card, ...]
    build: Callable[[Mapping[str, Any]], Generator]
    fit: Callable[[Mapping[str, Any], Mapping[str, tuple[int, ...]]], Mapping[str, Any]] | None = None
    adopt: Callable[[Stored], Adopted] | None = None
    marks: tuple[str, ...] = ()
    essential: tuple[str, ...] = ()
    cameras: bool = True
    resolution: int = 512
    distance: str = "lpips-alex"
    reporting: str | None = None
    judge: str | None = None
    attributes: str | None = None
    detector: str | None = None
    framing: Framing | None = None
    draws: int = 0
    meaning: Callable[[Tensor], Mapping[str, Tensor]] | None = None
    variant: Callable[[str], Backend] | None = None
    tiny: Mapping[str, Any] = field(default_factory=dict)

    @property
    def detectors(self) -> tuple[str, ...]:
        """The names in `detector`, the best first."""
        return tuple(name.strip() for name in (self.detector or "").split(",") if name.strip())

    @property
    def card(self) -> Card:
        """The default card: the first."""
        return self.cards[0]

    def own_card(self, name: str = OWN) -> Card:
        """A card for weights that are none of the published ones; what their file does not state is the default's."""
        return Card(name, f"{self.name}, weights of one's own", "that of the weights, unknown to gpk", self.card.config)


def option(default: Any, told: str) -> Any:  # noqa: ANN401 - the field's own type
    """A field of a task's settings: its default, and what a person is told about it.

    The type decides what `gpk run` takes for it: a number, text, a path, true or false, a `Literal`, any of them or
    None, or a tuple of them, which is given as a list with commas.
    """
    return field(default=default, metadata={"help": told})


@dataclass(frozen=True)
class Task:
    """Something one can do with a generator, a persona or photos.

    `run(context, settings, run)` does it and returns what it found, in JSON types; files go to `run.directory`, a
    `gpk.logger.Run`. `settings` returns the frozen dataclass that such settings are, whose fields (`option`) become
    the options of `gpk run NAME`; None for a task that has a command of its own. Both are called only when the task is
    asked for, so that they may import what they need.

    `photos` tells whether it wants photos to work on, `persona` whether it wants a persona; `side` the side at which it
    wants its photos, for its settings and the generator's own side; `views` that it needs a generator with cameras;
    `direct` is what `gpk --help` says of a task that is a command too, `gpk NAME` as well as `gpk run NAME`, which is
    for gpk's own. `tiny` are settings with which a test can afford it; `gpk.testing` runs it with them.
    """

    name: str
    summary: str
    run: Callable[..., Any]
    settings: Callable[[], type] | None = None
    photos: Literal["none", "some", "optional"] = "none"
    persona: Literal["needed", "optional"] = "needed"
    side: Callable[[Any, int], int] | None = None
    views: bool = False
    direct: str = ""
    tiny: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JudgeCard:
    """A network that looks at pictures [B, 3, R, R] in [-1, 1], and of which kind: a judge (picture → unit features
    [B, F]), a distance (two pictures → [B]), or attributes (picture → named numbers [B, K]). `gpk.judges` has each
    as a type: `Judge`, `Distance`, `Attributes`.

    `load` takes a weights file or None, and returns the module, frozen and in evaluation mode.
    `variant`, where there is one, makes the card that people ask for as `name:which` from `which`; it raises
    UnknownNameError for one that it does not have.
    `framed`, where there is one, makes the card for a generator whose training set was cut so, as `Backend.framing` has
    it: a recogniser wants the eyes in their place. It is asked wherever a person names no variant, and raises
    InputError for pictures that it cannot look at.
    """

    name: str
    kind: Literal["judge", "distance", "attributes"]
    summary: str
    load: Callable[[Path | None], nn.Module]
    variant: Callable[[str], JudgeCard] | None = None
    framed: Callable[[Framing], JudgeCard] | None = None


@dataclass(frozen=True)
class DetectorCard:
    """Something that finds faces or heads in photographs, and of whom: `finds` is "face", "cat" or another word.

    `load` takes a model file or None, and returns a `gpk.detector.Detector`; it raises ExtraError where a package
    or the file is absent, and says where to get it. `licence` is that of what finds, `page` where a person reads of it.
    """

    name: str
    finds: str
    summary: str
    load: Callable[[Path | None], Detector]
    licence: str
    page: str | None = None


class Hooks:
    """The hook specifications. Every hook is optional."""

    @hookspec
    def gpk_backends(self) -> Sequence[Backend]:  # pyright: ignore[reportReturnType]
        """Families of generators."""

    @hookspec
    def gpk_tasks(self) -> Sequence[Task]:  # pyright: ignore[reportReturnType]
        """Things one can do."""

    @hookspec
    def gpk_judges(self) -> Sequence[JudgeCard]:  # pyright: ignore[reportReturnType]
        """Judges, distances and attributes."""

    @hookspec
    def gpk_detectors(self) -> Sequence[DetectorCard]:  # pyright: ignore[reportReturnType]
        """What finds faces and heads."""

    @hookspec(firstresult=True)
    def gpk_open_album(self, path: Path, side: int, cameras: bool) -> Album | None:
        """The album at `path` with photographs of `side` x `side` pixels, or None where the format is not known here.

        `cameras` asks for a camera per photograph: a photograph without one is left out, and said so.
        Raises InputError for what the user can mend; whatever else it raises, the plugin is put into quarantine.
        """

    @hookspec
    def gpk_commands(self, app: Any) -> None:  # noqa: ANN401 - Typer is the command line's business
        """Adds commands to the command line's Typer application."""
