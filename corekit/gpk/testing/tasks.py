"""Rules of tasks: what is promised to whoever types `gpk run NAME`."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

import torch

from gpk.errors import ExtraError, InputError
from gpk.generator import fingerprint
from gpk.plugin import Task
from gpk.testing.building import imports_lightly
from gpk.testing.contexts import Folder, context
from gpk.testing.rule import ContractError, NotPromisedError, Rule
from gpk.testing.specimen import Specimen

SIMPLE = (int, float, str, bool, Path)
"""Types that an option can be of, alone or in others."""


@dataclass(frozen=True)
class TaskSpecimen:
    """A task, and the generator that it is tried on; `settings` are laid over the task's `tiny` ones."""

    task: Task
    on: Specimen
    plugin: EntryPoint | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> type:
        """The settings' class; NotPromisedError for a task that has none."""
        if self.task.settings is None:
            raise NotPromisedError("it has no settings, but a command of its own")
        return self.task.settings()

    def run(self, folder: Path, *, persona: bool = True) -> tuple[Folder, Mapping[str, Any]]:
        """Its results in `folder`, with or without a persona; NotPromisedError where it asks for what is not here."""
        task, on = self.task, self.on
        if task.views and not on.backend.cameras:
            raise NotPromisedError(f"it wants views, and {on.backend.name} is 2D: name a backend with cameras")
        settings = self.kind(**{**task.tiny, **self.settings})
        side = None if task.side is None else task.side(settings, on.generator.resolution)
        logger = Folder(folder)
        handed = context(on, logger, persona=persona, photos=task.photos != "none", side=side)
        try:
            return logger, task.run(handed, settings, logger)
        except (ExtraError, InputError) as error:
            raise NotPromisedError(f"it asks for something else: {error}") from error


def has_settings_with_defaults(specimen: TaskSpecimen) -> None:
    """The settings are a frozen dataclass whose defaults are valid (with the `tiny` ones, if the task has some), and
    each field becomes an option: a number, text, a path, true or false, a Literal, any of them or None, or a tuple of
    them, told in a sentence.
    """
    kind = specimen.kind
    if not dataclasses.is_dataclass(kind) or not kind.__dataclass_params__.frozen:  # pyright: ignore[reportAttributeAccessIssue]
        raise ContractError(
            f"{kind.__name__} is no frozen dataclass: what a run was asked for does not change under it"
        )
    try:
        kind(**{**specimen.task.tiny, **specimen.settings})
    except (TypeError, InputError) as error:
        raise ContractError(
            f"{kind.__name__} raised: {error}. Every field has a default, and where the defaults leave something to be "
            "asked for, the task's `tiny` settings say it: they are valid"
        ) from error
    hints = typing.get_type_hints(kind)
    for one in dataclasses.fields(kind):
        if not one.init:
            continue
        if not _is_an_option(hints[one.name]):
            raise ContractError(
                f"{one.name} is of type {hints[one.name]}, which no option can be: take numbers, text, Path, bool, "
                "Literal, any of them or None, or a tuple of them"
            )
        if not one.metadata.get("help"):
            raise ContractError(
                f"{one.name} tells nothing to who asks for --help: make the field with gpk.plugin.option"
            )


def returns_what_can_be_kept(specimen: TaskSpecimen) -> None:
    """What it returns is in JSON types, a mapping by text, with no NaN, and the pictures and files that it names are in
    the run's folder: it is kept in the log, and shown.
    """
    with elsewhere() as folder:
        logger, found = specimen.run(folder / "run")
        if not isinstance(found, Mapping):
            raise ContractError(
                f"it returned a {type(found).__name__}: a task returns a mapping, empty where nothing is to tell"
            )
        try:
            told = json.loads(json.dumps(dict(found), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ContractError(
                f"what it returned is not in JSON types: {error}. Give .item() and .tolist() of tensors, text of "
                "paths, and None where there is no number"
            ) from error
        for name in [*told.get("pictures", ()), *told.get("files", ())]:
            if not (logger.directory / name).exists():
                raise ContractError(
                    f"it names {name}, which is not in the run's folder: pictures and files are paths in it"
                )


def writes_only_into_its_folder(specimen: TaskSpecimen) -> None:
    """It writes into `run.directory` alone: a run is what can be moved, kept and deleted as one."""
    with elsewhere() as folder:
        specimen.run(folder / "run")
        strays = sorted(path.name for path in folder.iterdir() if path.name != "run")
        if strays:
            raise ContractError(
                f"it wrote {strays[0]} beside the run's folder: everything goes below run.directory, pictures below "
                "run.pictures, and nothing into the working directory"
            )


def leaves_the_generator_as_it_was(specimen: TaskSpecimen) -> None:
    """Afterwards the generator has its weights bit for bit, nothing is attached, what asks for gradients and the mode
    of training are as before: whoever has it goes on using it.
    """
    generator = specimen.on.generator
    before, stored = _state(specimen), fingerprint(generator)
    with elsewhere() as folder:
        specimen.run(folder / "run")
    if fingerprint(generator) != stored:
        raise ContractError(
            "afterwards the generator's weights are not what they were: work through context.personalized(), which "
            "takes the persona off again, or on a copy"
        )
    if (after := _state(specimen)) != before:
        name = next(name for name in before if after[name] != before[name])
        raise ContractError(
            f"afterwards {name} is {after[name]}, and it was {before[name]}: leave requires_grad and the mode of "
            "training as they were"
        )


def repeats_itself(specimen: TaskSpecimen) -> None:
    """The same settings find the same again, and torch's global randomness has no say and is left alone: a task's seed
    is among its settings.
    """
    found = []
    for seed in (1, 2):
        fresh = dataclasses.replace(specimen, on=Specimen(specimen.on.backend, specimen.on.card, specimen.on.plugin))
        with elsewhere() as folder, torch.random.fork_rng():
            torch.manual_seed(seed)
            state = torch.random.get_rng_state()
            found.append(fresh.run(folder / "run")[1])
            if not torch.equal(torch.random.get_rng_state(), state):
                raise ContractError(
                    "it draws from torch's global randomness: draw from a torch.Generator made of a seed among the "
                    "settings"
                )
    one, other = (json.loads(json.dumps(dict(each), default=str)) for each in found)
    if (where := _differing(one, other)) is not None:
        raise ContractError(
            f"run twice, it finds another {where}: the same settings give the same. Draw from a seed among the "
            "settings, and keep the time of day out of what is returned (fields named seconds are let off)"
        )


def works_on_the_pretrained_generator(specimen: TaskSpecimen) -> None:
    """Where the persona is optional, it works without one."""
    if specimen.task.persona != "optional":
        raise NotPromisedError("it needs a persona")
    with elsewhere() as folder:
        try:
            specimen.run(folder / "run", persona=False)
        except AttributeError as error:
            raise ContractError(
                f"without a persona it raised AttributeError: {error}. `persona` is 'optional': context.persona may be "
                "None. Work through context.personalized(), or say persona='needed'"
            ) from error


@contextmanager
def elsewhere() -> Iterator[Path]:
    """A folder of its own that is the working directory too, inside the block."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="gpk-contract-") as made:
        os.chdir(made)
        try:
            yield Path(made).resolve()
        finally:
            os.chdir(before)


def _state(specimen: TaskSpecimen) -> dict[str, object]:
    generator = specimen.on.generator
    asking: dict[str, object] = {
        f"requires_grad of {name}": parameter.requires_grad for name, parameter in generator.named_parameters()
    }
    return asking | {"training": generator.training}


def _is_an_option(hint: Any) -> bool:  # noqa: ANN401 - types as values
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        some = [argument for argument in arguments if argument is not type(None)]
        return len(some) == 1 and _is_an_option(some[0])
    if origin is Literal:
        return True
    if origin is tuple:
        return len(arguments) == 2 and arguments[1] is ... and _is_an_option(arguments[0])
    return hint in SIMPLE


def _differing(one: Any, other: Any, where: str = "") -> str | None:  # noqa: ANN401 - JSON
    """Where two results differ first, None where nowhere; times are let off."""
    if where.rpartition(".")[2] == "seconds":
        return None
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        pairs = [(f"{where}.{key}".lstrip("."), one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(f"{where}[{index}]", *pair) for index, pair in enumerate(zip(one, other, strict=True))]
    else:
        same = one == other
        if isinstance(one, float) and isinstance(other, float):
            same = math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
        return None if same else where or "outcome"
    return next((found for place, a, b in pairs if (found := _differing(a, b, place)) is not None), None)


TASK_RULES: tuple[Rule[TaskSpecimen], ...] = (
    Rule(imports_lightly),
    Rule(has_settings_with_defaults, basic=True),
    Rule(returns_what_can_be_kept, basic=True),
    Rule(writes_only_into_its_folder),
    Rule(leaves_the_generator_as_it_was),
    Rule(repeats_itself),
    Rule(works_on_the_pretrained_generator),
)
