"""`gpk plugins --doctor`: what ails the plugins, and what to do about each.

A complaint is a paragraph: what is wrong, `Do:` what mends it, and the traceback where there is one. What takes a child
process, such as which imports are slow, is asked only where something is slow already.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import metadata

from gpk.plugin import API_VERSION
from gpk.quarantine import SLOW, PluginReport
from gpk.registry import DISABLE_VARIABLE, OURS, disabled_by_environment

PATIENCE = 60
"""Seconds that an import in a child process is waited for."""
OTHERWISE_CALLED = {
    "PIL": "pillow", "cv2": "opencv-python-headless", "skimage": "scikit-image", "sklearn": "scikit-learn",
    "yaml": "pyyaml", "attr": "attrs", "bs4": "beautifulsoup4", "dateutil": "python-dateutil",
}  # fmt: skip
"""Packages that pip knows by another name than Python imports them by."""
_COST = re.compile(r"import time: +(\d+) \| +\d+ \| +(\S+)")


def examine(reports: Sequence[PluginReport]) -> Iterator[str]:
    """The complaints, in the order of the plugins, and then those about no plugin in particular."""
    for report in reports:
        if report.status == "quarantined":
            told = f"{report} is quarantined: {report.error}"
            yield "\n".join([told, f"Do: {_remedy(report)}", *filter(None, [(report.traceback or "").rstrip()])])
        elif report.status == "duplicate":
            yield (
                f"{report} is in another plugin's way: {report.error}\n"
                f"Do: rename what it offers where it is yours; otherwise switch one plugin off, or uninstall it"
            )
        if report.status != "disabled":
            yield from _weight(report)
        if report.changed:
            yield (
                f"{report} changed {', '.join(report.changed)} for everybody, which was put back\n"
                f"Do: change it inside of your own calls alone, and back again, or tell its authors{_page(report)}"
            )
        for sentence in report.deprecations:
            yield f"{report}: {sentence}\nDo: change it before that release, or update {report.distribution}"
    yield from _namesakes(reports)
    yield from _disabled_nobody(reports)


def _remedy(report: PluginReport) -> str:
    """What mends a quarantined plugin."""
    again = f"pip install --force-reinstall {report.distribution}"
    module, _, attribute = report.value.partition(":")
    if report.missing is not None and f"{module}.".startswith(f"{report.missing}."):
        return (
            f"its entry point {report.name} = {report.value!r} names a module that is not there: reinstall it "
            f"({again}), or be rid of it (pip uninstall {report.distribution}); if it is yours, mend its pyproject.toml"
        )
    if report.missing is not None:
        return f"{_install(report)}; {_at(report)} imports it"
    if report.doing == "importing it" and attribute and report.line is None:
        return (
            f"its entry point {report.name} = {report.value!r} names {attribute!r}, which {module} does not have: "
            f"reinstall it ({again}); if it is yours, mend its pyproject.toml"
        )
    if report.doing == "importing it":
        return f"mend {_at(report)}, or update {report.distribution}: an older one may not know what it imports"
    if report.doing == "reading its hooks":
        return _reading(report)
    if report.traceback is not None:
        return f"mend {_at(report)}, or tell its authors{_page(report)}; `gpk plugins check` tries every hook"
    if "has already" in (report.error or ""):
        return "rename its command: those of gpk, and of plugins that come before it, keep their names"
    return f"return from {report.doing} what it promises (docs/plugins.md), or tell its authors{_page(report)}"


def _reading(report: PluginReport) -> str:
    error = report.error or ""
    if "unknown hook" in error:
        return "correct the name; a hook that only a later gpk has is marked @hookimpl(optionalhook=True)"
    if error.endswith("update gpk"):
        return "pip install --upgrade gpk, or install an older version of the plugin"
    if "gpk_api" in error:
        module = report.value.partition(":")[0]
        return f"write `gpk_api = {API_VERSION}` at the top of {module}, or tell its authors{_page(report)}"
    if "update " in error:
        return f"pip install --upgrade {report.distribution}; docs/stability.md has what changed"
    return f"take only the arguments that the hook has (docs/plugins.md), in {report.value.partition(':')[0]}"


def _install(report: PluginReport) -> str:
    """The command that brings the module that the plugin lacks."""
    assert report.missing is not None
    package = report.missing.partition(".")[0]
    if importlib.util.find_spec(package) is not None:
        return f"{package} is installed and has no {report.missing}: another version of it is wanted"
    name = OTHERWISE_CALLED.get(package, package).replace("_", "-")
    for requirement in _requirements(report):
        wanted = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        if re.sub(r"[-_.]+", "-", wanted).lower() == name.lower():
            extra = re.search(r"extra == ['\"]([^'\"]+)", requirement)
            if extra is not None:
                return f"pip install '{report.distribution}[{extra[1]}]', the extra that has {wanted}"
            return f"pip install {wanted}, which {report.distribution} requires"
    return f"pip install {name} (or whatever brings the module {package}: {report.distribution} does not say)"


def _requirements(report: PluginReport) -> list[str]:
    try:
        return metadata.requires(report.distribution) or []
    except metadata.PackageNotFoundError:
        return []


def _page(report: PluginReport) -> str:
    try:
        told = metadata.metadata(report.distribution)
    except metadata.PackageNotFoundError:
        return ""
    pages = [*told.get_all("Home-page", []), *(url.rpartition(", ")[2] for url in told.get_all("Project-URL", []))]
    return f" ({pages[0]})" if pages else ""


def _at(report: PluginReport) -> str:
    return report.line or report.value


def _weight(report: PluginReport) -> Iterator[str]:
    """Complaints of what a plugin's import costs. Of several that import torch only the first paid for it, so where
    torch is here already each foreign one is imported once more, in a process of its own.
    """
    costs: dict[str, float] = {}
    heavy = report.heavy
    foreign = report.distribution != OURS and report.status != "quarantined"
    if report.seconds > SLOW or (foreign and not heavy and "torch" in sys.modules):
        costs = import_costs(report.value.partition(":")[0])
        heavy = heavy or "torch" in costs
    if report.seconds > SLOW:
        most = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in list(costs.items())[:3] if seconds >= 0.05)
        spent = f" (of its imports {most})" if most else ""
        yield (
            f"{report} is slow: it takes {report.seconds:.1f} s to load{spent}, and every command waits for it\n"
            "Do: import what is slow inside functions, and compute nothing at the top"
        )
    if heavy:
        yield (
            f"{report} imports torch when it is imported itself, and `gpk --help` waits for that\n"
            "Do: import torch, and your modules that need it, inside the functions that build, load or run"
        )


def import_costs(module: str) -> dict[str, float]:
    """Seconds that importing `module` takes by package, the most first, measured in a process of its own, which may
    fail halfway; empty where it does not end.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", f"import sys; sys.path[:] = {sys.path!r}; import {module}"],
            capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {}
    spent: Counter[str] = Counter()
    for own, name in _COST.findall(done.stderr):
        spent[name.partition(".")[0]] += int(own)
    return {name: microseconds / 1e6 for name, microseconds in spent.most_common()}


def _namesakes(reports: Sequence[PluginReport]) -> Iterator[str]:
    there = [report for report in reports if report.status != "disabled"]
    for name, count in Counter(report.name for report in there).items():
        if count > 1:
            keys = [report.key for report in there if report.name == name]
            yield (
                f"{count} plugins are called {name!r}: {', '.join(keys)}. All work, and {DISABLE_VARIABLE}={name} "
                f"switches off all\nDo: name one as {DISABLE_VARIABLE}={keys[-1]}; if it is yours, rename it"
            )


def _disabled_nobody(reports: Sequence[PluginReport]) -> Iterator[str]:
    known = {name for report in reports for name in (report.name, report.key)}
    for name in sorted(disabled_by_environment() - known):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        yield (
            f"{DISABLE_VARIABLE} names {name!r}, and no installed plugin is called that{hint}\n"
            "Do: correct the variable, or unset it; `gpk plugins` has the names"
        )
