"""Every layout of a file that people have: imported, it shows the picture of the same numbers in plain safetensors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import layouts
import pytest
import torch
import typer
from safetensors.torch import load_file
from torch import Tensor

from gpk.errors import InputError
from gpk.generator import Generator
from gpk.plugin import Backend
from gpk.registry import Registry
from gpk_checkpoints.files import write_safetensors
from gpk_checkpoints.weights import load_generator
from gpk_cli.app import build
from gpk_eg3d import gpk_backends as eg3d_backends
from gpk_stylegan2 import gpk_backends as stylegan2_backends

BACKENDS: dict[str, Backend] = {"stylegan2": stylegan2_backends()[0], "eg3d": eg3d_backends()[0]}
NAMES = {"stylegan2": "StyleGAN2", "eg3d": "EG3D"}
EVERY = [(row, family) for row in layouts.LAYOUTS for family in row.families]

EXPLAINED = [
    (row, row.families[i % len(row.families)]) for i, row in enumerate(layouts.LAYOUTS) if row.seen is not None
]
"""Each layout once, the families by turns: what is told of a file is not what it takes long to find."""


def cases(rows: Iterable[tuple[Any, str]]) -> list[Any]:
    return [pytest.param(row, family, id=f"{row.name}-{family}") for row, family in rows]


@pytest.fixture
def network(request: pytest.FixtureRequest, family: str, row: Any) -> Generator:
    """The small network of `family`, with the settings of `row`; every number of it matters to its pictures."""
    rng = torch.Generator().manual_seed(3)
    small = request.getfixturevalue(family)
    prefix = "" if family == "stylegan2" else "backbone."
    small.get_buffer(f"{prefix}mapping.w_avg").normal_(generator=rng)
    loud = {"stylegan2": "synthesis.b16.conv0.noise_strength", "eg3d": "superresolution.block0.conv0.bias"}
    small.get_parameter(loud[family]).fill_(1000)  # beyond every clamp
    made = layouts.changed(small, dict(row.changes))
    return made.to(row.dtype) if row.dtype else made


def shown(generator: Generator, truncation: float, noise: Any) -> tuple[Tensor, ...]:
    """What it makes of one z: the picture and, in 3D, the raw one and the depth."""
    z = torch.randn(1, generator.latent.z_dim, generator=torch.Generator().manual_seed(1))
    camera = generator.orbit(0.3, 0.1)
    made = generator(generator.mapping(z, camera, truncation=truncation), camera, noise=noise)
    return tuple(part for part in (made.image, made.raw, made.depth) if part is not None)


def same(one: tuple[Tensor, ...], two: tuple[Tensor, ...]) -> bool:
    return len(one) == len(two) and all(map(torch.equal, one, two))


@pytest.fixture(scope="module")
def known() -> dict[object, tuple[Tensor, ...]]:
    """What numbers show that many rows share."""
    return {}


@pytest.mark.parametrize(("row", "family"), cases(case for case in EVERY if not case[0].refused))
def test_the_picture_is_that_of_the_numbers(
    row: Any, family: str, network: Any, known: dict[object, tuple[Tensor, ...]], tmp_path: Path
) -> None:
    backend = BACKENDS[family]
    own = replace(backend.card, name="own", config=asdict(network.config))
    key = (network.config, row.dtype, row.truncation, row.noise)
    if key not in known:
        write_safetensors(tmp_path / "plain.safetensors", network.state_dict(), {})
        plain = load_generator(backend, own, tmp_path / "plain.safetensors")
        known[key] = shown(plain, row.truncation, row.noise)
    card = replace(backend.card, name="own") if row.tells else own
    loaded = load_generator(backend, card, Path(row.make(tmp_path, network)))
    assert same(shown(loaded, row.truncation, row.noise), known[key])


@pytest.mark.parametrize(("row", "family"), cases(case for case in EVERY if case[0].refused))
def test_what_is_no_such_generator_is_named(row: Any, family: str, network: Any, tmp_path: Path) -> None:
    backend = BACKENDS[family]
    card = replace(backend.card, name="own", **({} if row.tells else {"config": asdict(network.config)}))
    told = row.make(tmp_path, network)
    with pytest.raises(InputError, match=row.refused) as caught:
        load_generator(backend, card, Path(told))
    assert "anew from its publisher" not in str(caught.value)
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.fixture(scope="module")
def gpk() -> Callable[..., int]:
    """The command line, built once: building takes longer than what is done here."""
    registry = Registry.discover()
    command = typer.main.get_command(build(registry))
    return lambda *arguments: command.main(arguments, prog_name="gpk", obj=registry, standalone_mode=False) or 0


@pytest.mark.parametrize(("row", "family"), cases(EXPLAINED))
def test_any_file_is_explained(
    row: Any, family: str, network: Any, tmp_path: Path, gpk: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    told = row.make(tmp_path, network)
    wanted = row.seen or NAMES[family]
    for options in ((), ("--json",)):
        assert gpk("weights", "explain", told, *options) == 0
        said = capsys.readouterr().out
        assert re.search(wanted, said, re.IGNORECASE), said
    assert isinstance(json.loads(said), dict)


@pytest.mark.parametrize("name", ["stylegan3-t", "stylegan3-r"])
def test_a_stylegan3_of_the_official_code(name: str, parity: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match=rf"{name}\.pkl .*StyleGAN3"):
        load_generator(BACKENDS["stylegan2"], BACKENDS["stylegan2"].own_card(), parity(f"pickles/{name}.pkl"))


def test_a_pickle_of_the_official_code(tmp_path: Path, parity: Callable[[str], Path]) -> None:
    """A StyleGAN2 as the stylegan3 repository writes it, whose arguments leave out what was at its default."""
    backend, packed = BACKENDS["stylegan2"], parity("pickles/stylegan2.flat.pkl")
    card = replace(backend.card, name="own")
    loaded: Any = load_generator(backend, card, packed)
    assert (loaded.config.conv_clamp, loaded.config.num_fp16_res) == (256, 4)
    state = load_file(packed.parents[1] / packed.stem / "weights.safetensors")
    write_safetensors(tmp_path / "plain.safetensors", state, {})
    plain = load_generator(backend, replace(card, config=asdict(loaded.config)), tmp_path / "plain.safetensors")
    assert same(shown(loaded, 0.7, "const"), shown(plain, 0.7, "const"))


def test_the_page_has_the_table() -> None:
    """docs/weights.md tells of every layout what gpk does with it; `python tests/files/layouts.py` prints it anew."""
    page = (Path(__file__).parents[2] / "docs" / "weights.md").read_text(encoding="utf-8")
    assert page.partition("| the file |")[2] == layouts.table().partition("| the file |")[2] + "\n"
