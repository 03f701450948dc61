"""Which plugins are installed and what they offer. Light: never imports torch.

Plugins are found through entry points of group "gpk"; gpk's own are found the same way. One that cannot be imported,
raises in a hook, or returns nonsense is *quarantined*: kept with its traceback for `gpk plugins --doctor`, asked
nothing more, and no reason for a command that does not need it to stop.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, TypeVar

from gpk.errors import AlbumError, InputError, PluginError, UnknownNameError
from gpk.plugin import ENTRY_POINT_GROUP, Backend, DetectorCard, JudgeCard, Task
from gpk.quarantine import Guest, PluginReport
from gpk.validation import KINDS, D, Offer, checked

if TYPE_CHECKING:
    from pathlib import Path

    from gpk.album import Album
    from gpk.framing import Framing

App = TypeVar("App")
V = TypeVar("V", Backend, JudgeCard)

OURS = "gpk"
"""The distribution whose plugins `plugins=False` keeps."""
DISABLE_VARIABLE = "GPK_DISABLE_PLUGINS"
"""The environment's variable that names plugins to leave out, with commas between."""


class Registry:
    """The plugins of one process. Made by `Registry.discover`."""

    def __init__(self, guests: Iterable[Guest]) -> None:
        self._guests = list(guests)

    @classmethod
    def discover(
        cls,
        *,
        entry_points: Iterable[metadata.EntryPoint] | None = None,
        disabled: Iterable[str] = (),
        plugins: bool = True,
        waiting: Callable[[PluginReport], None] = lambda report: None,
    ) -> Registry:
        """Imports the installed plugins and asks what they offer; never raises on a plugin's account.

        `entry_points` stands in for the installed ones. `disabled` and the environment's GPK_DISABLE_PLUGINS=a,b hold
        plugins' names, or `distribution:name` where two share one; those, and with `plugins=False` every plugin that
        does not come with gpk, are not even imported. `waiting` is called, in another thread, of a plugin that takes
        more than `gpk.quarantine.PATIENCE` seconds.
        """
        found = metadata.entry_points(group=ENTRY_POINT_GROUP) if entry_points is None else entry_points
        guests = sorted(map(Guest, found), key=_rank)
        off = {*disabled, *disabled_by_environment()}
        for guest in guests:
            if {guest.report.name, guest.report.key} & off or not (plugins or guest.report.distribution == OURS):
                guest.disable()
            else:
                guest.load(waiting)
        return cls(guests)

    def backends(self) -> dict[str, Offer[Backend]]:
        """Every backend that one plugin alone offers, by name."""
        return self._sole(Backend)

    def tasks(self) -> dict[str, Offer[Task]]:
        """Every task that one plugin alone offers, by name."""
        return self._sole(Task)

    def judges(self) -> dict[str, Offer[JudgeCard]]:
        """Every judge, distance and attributes that one plugin alone offers, by name."""
        return self._sole(JudgeCard)

    def detectors(self) -> dict[str, Offer[DetectorCard]]:
        """Every detector that one plugin alone offers, by name."""
        return self._sole(DetectorCard)

    def backend(self, name: str, *, asked: bool = False) -> Backend:
        """The backend of that name, or of a variant's, as "module:package.file:factory".

        A variant may run code that its name names: say `asked` where a person gave the name, and never for one that
        was read from a file. Raises InputError for a variant that nobody asked for, UnknownNameError, or PluginError
        where two plugins offer it or the variant is no Backend.
        """
        base, colon, _ = name.partition(":")
        if colon and not asked and self._one(Backend, base).variant is not None:
            raise InputError(
                f"{name!r} is code on your machine, and a file that names it is no reason to run it: "
                f"if you trust that code, say so with --backend {name}"
            )
        return self._named(Backend, name)

    def task(self, name: str) -> Task:
        """The task of that name; raises UnknownNameError, or PluginError where two plugins offer it."""
        return self._one(Task, name)

    def judge(self, name: str, framing: Framing | None = None) -> JudgeCard:
        """The judge, distance or attributes of that name, or of a variant's, as "timm:resnet18"; for pictures that are
        framed so, where that is known and the name says nothing else.

        Raises UnknownNameError, PluginError where two plugins offer it or what it makes is no JudgeCard, and InputError
        for a framing that it is of no use to.
        """
        card = self._named(JudgeCard, name)
        if framing is None or card.framed is None or ":" in name:
            return card
        framed = card.framed(framing)
        if not isinstance(framed, JudgeCard):
            raise PluginError(f"the judge {name!r} offers {framed!r} for a framing, not a JudgeCard")
        checked(JudgeCard, [framed])
        return replace(framed, name=name)

    def detector(self, name: str) -> DetectorCard:
        """The detector of that name; raises UnknownNameError, or PluginError where two plugins offer it."""
        return self._one(DetectorCard, name)

    def open_album(self, path: Path, side: int, cameras: bool) -> Album:
        """The album at `path`, opened by the first plugin that knows its format; gpk's own are asked last.

        Raises AlbumError where none does, and passes on what a plugin says of the user's input.
        """
        from gpk.album import Album  # here, because it imports torch

        for guest in reversed(self._able("gpk_open_album")):
            with guest.guarded("gpk_open_album", passing=(InputError,)):
                album = guest.call("gpk_open_album", path=path, side=side, cameras=cameras)
                if isinstance(album, Album):
                    return album
                if album is not None:
                    raise PluginError(f"gpk_open_album returned a {type(album).__name__}, not an Album")
        unknown = f"no plugin knows how to open {path} as an album: give a folder or a zip of photos"
        wrong = unknown if path.exists() else f"there is no album at {path}"
        raise AlbumError(". ".join([wrong, *self.absent()]))

    def commands(self, fresh: Callable[[], App], adopt: Callable[[App], None]) -> None:
        """Hands each plugin's `gpk_commands` an application of its own from `fresh`, and then that to `adopt`.

        Of a plugin that raises halfway, or whose commands `adopt` refuses with a PluginError, nothing is adopted.
        """
        for guest in self._able("gpk_commands"):
            with guest.guarded("gpk_commands"):
                app = fresh()
                guest.call("gpk_commands", app=app)
                adopt(app)

    def plugins(self) -> list[PluginReport]:
        """A report on every plugin found, gpk's own first."""
        reports = {id(guest): guest.report for guest in self._guests}
        for wanted, kind in KINDS.items():
            for name, pairs in self._offers(wanted).items():
                for guest, _ in pairs if len(pairs) > 1 else ():
                    told = filter(None, [reports[id(guest)].error, _contested(kind, name, pairs)])
                    reports[id(guest)] = replace(guest.report, status="duplicate", error="; ".join(told))
        return list(reports.values())

    def absent(self) -> Iterator[str]:
        """Sentences on the plugins left out, which may have had what someone looks for."""
        where = {"quarantined": "see `gpk plugins --doctor`", "disabled": f"by {DISABLE_VARIABLE} or --no-plugins"}
        for status, hint in where.items():
            if those := [str(guest.report) for guest in self._guests if guest.report.status == status]:
                yield f"{status.capitalize()} plugins: {', '.join(those)} ({hint})"

    def _able(self, hook: str) -> list[Guest]:
        return [guest for guest in self._guests if guest.healthy and hook in guest.report.hooks]

    def _offers(self, wanted: type[D]) -> dict[str, list[tuple[Guest, D]]]:
        offers: dict[str, list[tuple[Guest, D]]] = {}
        for guest in filter(lambda guest: guest.healthy, self._guests):
            for value in guest.values:
                if isinstance(value, wanted):
                    offers.setdefault(value.name, []).append((guest, value))
        return offers

    def _sole(self, wanted: type[D]) -> dict[str, Offer[D]]:
        return {
            name: Offer(value, guest.report.name, guest.report.distribution)
            for name, ((guest, value), *others) in sorted(self._offers(wanted).items())
            if not others
        }

    def _named(self, wanted: type[V], name: str) -> V:
        """The offer of that name, or the variant that "base:which" names."""
        base, colon, which = name.partition(":")
        offer = self._one(wanted, base)
        if not colon:
            return offer
        kind = KINDS[wanted]
        if offer.variant is None:
            raise UnknownNameError(kind, name, self._sole(wanted))
        variant = offer.variant(which)
        if not isinstance(variant, wanted):
            told = f"as its variant {which!r}, not a {wanted.__name__}"
            raise PluginError(f"the {kind} {base!r} offers {variant!r} {told}")
        checked(wanted, [replace(variant, name=base)])
        return replace(variant, name=name)  # with its colon, which no offer may have

    def _one(self, wanted: type[D], name: str) -> D:
        offers = self._offers(wanted)
        if name not in offers:
            error = UnknownNameError(KINDS[wanted], name, offers)
            error.args = (". ".join([str(error), *self.absent()]),)
            raise error
        (_, value), *others = offers[name]
        if others:
            raise PluginError(_contested(KINDS[wanted], name, offers[name]))
        return value


def disabled_by_environment() -> set[str]:
    """What GPK_DISABLE_PLUGINS=a,b names."""
    return {name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",")} - {""}


def _rank(guest: Guest) -> tuple[bool, str]:
    return guest.report.distribution != OURS, guest.report.key


def _contested(kind: str, name: str, pairs: list[tuple[Guest, D]]) -> str:
    reports = [guest.report for guest, _ in pairs]
    return (
        f"the {kind} {name!r} is offered by the plugins {' and '.join(map(str, reports))}; "
        f"switch one off, as in {DISABLE_VARIABLE}={reports[-1].key}"
    )
