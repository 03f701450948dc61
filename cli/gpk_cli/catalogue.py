"""`gpk backends`, `gpk tasks`, `gpk judges`, `gpk detectors`: what the installed plugins offer."""

from __future__ import annotations

import typer

from gpk.plugin import Backend
from gpk.registry import Registry
from gpk.validation import Offer
from gpk_cli.output import AsJson, say, show


def gpk_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command()(backends)
    app.command()(tasks)
    app.command()(judges)
    app.command()(detectors)


def backends(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List families of generators, with their known checkpoints."""
    registry: Registry = ctx.obj
    rows = [_backend(offer.value) | _offerer(offer) for offer in registry.backends().values()]
    show(rows, ("name", "summary", "resolution", "cameras", "cards", "plugin"), as_json=as_json)
    _say_what_is_missing(registry, "backends")


def tasks(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List what one can do with a generator or a persona."""
    registry: Registry = ctx.obj
    rows = [
        {"name": name, "summary": offer.value.summary} | _offerer(offer) for name, offer in registry.tasks().items()
    ]
    show(rows, ("name", "summary", "plugin"), as_json=as_json)
    _say_what_is_missing(registry, "tasks")


def judges(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the networks that look at pictures."""
    registry: Registry = ctx.obj
    rows = [
        {"name": name, "kind": offer.value.kind, "summary": offer.value.summary} | _offerer(offer)
        for name, offer in registry.judges().items()
    ]
    show(rows, ("name", "kind", "summary", "plugin"), as_json=as_json)
    _say_what_is_missing(registry, "judges")


def detectors(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List what finds faces and heads in photographs."""
    registry: Registry = ctx.obj
    rows = [
        {
            "name": name,
            "finds": offer.value.finds,
            "summary": offer.value.summary,
            "licence": offer.value.licence,
            "page": offer.value.page,
        }
        | _offerer(offer)
        for name, offer in registry.detectors().items()
    ]
    show(rows, ("name", "finds", "summary", "licence", "plugin"), as_json=as_json)
    _say_what_is_missing(registry, "detectors")


def _backend(backend: Backend) -> dict[str, object]:
    return {
        "name": backend.name,
        "summary": backend.summary,
        "resolution": backend.resolution,
        "cameras": backend.cameras,
        "distance": backend.distance,
        "judge": backend.judge,
        "detector": backend.detector,
        "cards": [
            {
                "name": card.name,
                "title": card.title,
                "licence": card.licence,
                "url": card.url,
                "sha256": card.sha256,
                "page": card.page,
                "notes": card.notes,
                "embedded": card.weights is not None,
            }
            for card in backend.cards
        ],
    }


def _offerer(offer: Offer) -> dict[str, object]:
    return {"plugin": offer.plugin, "distribution": offer.distribution}


def _say_what_is_missing(registry: Registry, kinds: str) -> None:
    """A list that is silently too short sends people searching in the wrong place."""
    for report in registry.plugins():
        if report.status == "duplicate" and kinds in report.offers:
            say(f"Not listed: {report.error}")
    for sentence in registry.absent():
        say(sentence)
