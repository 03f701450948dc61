"""One plugin, from entry point to offers, and the boundary that its faults do not cross. Light: never imports torch."""

from __future__ import annotations

import re
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

import pluggy

from gpk import shared_state
from gpk.errors import PluginError, UnknownNameError, text_of
from gpk.plugin import API_VERSION, API_VERSIONS, GpkDeprecationWarning, Hooks
from gpk.validation import KINDS, Descriptor, checked

SLOW = 1.0
"""Seconds of loading beyond which a plugin is told of: every command waits for every plugin. Ours take milliseconds."""

PATIENCE = 5.0
"""Seconds of loading after which the plugin is named that everybody waits for: it may never end."""


@dataclass(frozen=True)
class PluginReport:
    """What became of one plugin: `offers` are names by kind, `hooks` what it implements, `seconds` its loading time.

    A "duplicate" works but for the offers that another plugin makes too. `error` is a sentence for a person; `doing`
    what went wrong in, a hook's name or a few words, `missing` the module that an import lacked, and `line` the
    plugin's own, as file:number. `deprecations` are sentences on what will not work in a later gpk, and `changed` is
    what it changed for all code of the process, which was put back. `value` is the entry point's, and `heavy` tells
    that torch was imported together with the plugin.
    """

    name: str
    distribution: str = "no distribution"
    version: str = ""
    status: Literal["ok", "quarantined", "disabled", "duplicate"] = "ok"
    api: int | None = None
    offers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hooks: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str | None = None
    traceback: str | None = None
    doing: str | None = None
    missing: str | None = None
    line: str | None = None
    deprecations: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    value: str = ""
    heavy: bool = False

    @property
    def key(self) -> str:
        """Names this plugin even where another distribution has one of the same name."""
        return f"{self.distribution}:{self.name}"

    def __str__(self) -> str:
        return f"{self.name!r} of {self.distribution} {self.version}".rstrip()


class Guest:
    """One plugin, on a pluggy manager of its own: on a shared one, calls stop at the first plugin that raises, and
    whatever a plugin's object does when compared, hashed or searched happens in the middle of another's call.
    """

    def __init__(self, entry_point: EntryPoint, specifications: type = Hooks) -> None:
        self._entry_point = entry_point
        self._manager = pluggy.PluginManager("gpk")
        self._manager.add_hookspecs(specifications)
        self._known = frozenset(name for name in vars(specifications) if name.startswith("gpk_"))
        self.values: tuple[Descriptor, ...] = ()
        self.report = PluginReport(entry_point.name, value=entry_point.value)
        if entry_point.dist is not None:
            canonical = re.sub(r"[-_.]+", "-", entry_point.dist.name).lower()
            self.report = replace(self.report, distribution=canonical, version=entry_point.dist.version)

    @property
    def healthy(self) -> bool:
        """Whether it may be asked for anything."""
        return self.report.status == "ok"

    def disable(self) -> None:
        """Leaves it alone, not even imported."""
        self.report = replace(self.report, status="disabled")

    def load(self, waiting: Callable[[PluginReport], None] = lambda report: None) -> None:
        """Imports the plugin, checks the API it was written for, and asks what it offers; calls `waiting` where that
        takes more than `PATIENCE`, in a thread of its own and while it goes on.
        """
        bell = threading.Timer(PATIENCE, waiting, [self.report])
        bell.daemon = True
        bell.start()
        try:
            self._load()
        finally:
            bell.cancel()

    def _load(self) -> None:
        started = time.perf_counter()
        before = "torch" in sys.modules
        with self.guarded("importing it"):
            plugin = self._entry_point.load()
            with self.guarded("reading its hooks"):
                self.report = replace(self.report, api=_api(plugin, self.report))
                self._register(plugin)
                self.report = replace(self.report, hooks=self._implemented())
        for wanted, kind in KINDS.items():
            if self.healthy:
                with self.guarded(f"gpk_{kind}s"):
                    for returned in self.call(f"gpk_{kind}s"):
                        values = checked(wanted, returned)
                        self.values += values
                        names = tuple(value.name for value in values)
                        self.report = replace(self.report, offers={**self.report.offers, f"{kind}s": names})
        heavy = "torch" in sys.modules and not before
        self.report = replace(self.report, seconds=time.perf_counter() - started, heavy=heavy)

    def call(self, hook: str, **arguments: object) -> Any:  # noqa: ANN401 what a hook returns is anyone's guess
        """What that hook of this plugin returns: a list, or for a firstresult hook the value or None."""
        return getattr(self._manager.hook, hook)(**arguments)

    @contextmanager
    def guarded(self, doing: str, *, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Quarantines this plugin on whatever is raised inside, `passing` excepted, and puts back what it changed for
        everybody.
        """
        changed: list[str] = []
        try:
            with shared_state.kept() as changed:
                yield
        except (*passing, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            # The one place where everything is caught: what runs inside is other people's code, which may fail in any
            # way (a script named as a plugin calls sys.exit), and one plugin's fault must not take the command line
            # with it. Nothing is lost: error and traceback are kept. Ctrl-C stays the user's.
            if isinstance(error, PluginError):
                told, shown = text_of(error), None  # on what to mend; the traceback would show our own checks
            else:
                told = f"{doing} raised {type(error).__name__}: {text_of(error)}"
                shown = "".join(traceback.format_exception(error))
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
            line = f"{frames[-1].filename}:{frames[-1].lineno}" if frames and shown else None
            if isinstance(error, SyntaxError) and error.filename is not None:
                line = f"{error.filename}:{error.lineno}"
            self.report = replace(
                self.report, status="quarantined", offers={}, error=told, traceback=shown,
                doing=doing, missing=missing, line=line,
            )  # fmt: skip
            self.values = ()
        finally:
            if new := tuple(name for name in changed if name not in self.report.changed):
                self.report = replace(self.report, changed=self.report.changed + new)

    def _register(self, plugin: object) -> None:
        """Registers the plugin, keeping what pluggy warns of what will go."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", GpkDeprecationWarning)
            self._manager.register(plugin, name=self.report.key)
        told = [str(one.message) for one in caught if issubclass(one.category, GpkDeprecationWarning)]
        for other in caught:
            if not issubclass(other.category, GpkDeprecationWarning):
                warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
        if self.report.api is not None and (gone := API_VERSIONS[self.report.api]) is not None:
            told.insert(
                0,
                f"it was written for hook API {self.report.api}, which gpk {gone} will not take any more: "
                f"see docs/stability.md for what has changed, then state gpk_api = {API_VERSION}",
            )
        self.report = replace(self.report, deprecations=tuple(dict.fromkeys(told)))

    def _implemented(self) -> tuple[str, ...]:
        implemented = {name: caller for name, caller in vars(self._manager.hook).items() if caller.get_hookimpls()}
        for name in sorted(implemented.keys() - self._known):
            if not all(impl.optionalhook for impl in implemented[name].get_hookimpls()):
                raise PluginError(str(UnknownNameError("hook", name, self._known)))
        return tuple(sorted(implemented.keys() & self._known))


def _api(plugin: object, report: PluginReport) -> int:
    """The hook API that `plugin` was written for; raises PluginError where that is none of ours."""
    api = getattr(plugin, "gpk_api", None)
    if api is None:
        raise PluginError(f"it states no gpk_api; for this gpk that is `gpk_api = {API_VERSION}`")
    if not isinstance(api, int) or isinstance(api, bool):
        raise PluginError(f"it states gpk_api = {api!r}, which is no whole number")
    if api not in API_VERSIONS:
        behind = "gpk" if api > API_VERSION else report.distribution
        ours = " to ".join(map(str, dict.fromkeys((min(API_VERSIONS), API_VERSION))))
        raise PluginError(f"it was written for hook API {api} and this gpk has {ours}: update {behind}")
    return api


def _is_theirs(file: str) -> bool:
    """Whether a line of a traceback is the plugin's rather than Python's, pluggy's or ours."""
    own = (str(Path(__file__).parent), str(Path(pluggy.__file__).parent), str(Path(re.__file__).parent.parent))
    return (
        not file.startswith("<")
        and ("site-packages" in file or not file.startswith(own[2]))
        and (not file.startswith(own[:2]))
    )
