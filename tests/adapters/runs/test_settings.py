import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from gpk.errors import InputError, RecipeError, UnknownNameError
from gpk.typed import to_dataclass
from gpk_runs.settings import read_config, write_config

Part = Literal["backbone", "superres"]


@dataclass(frozen=True)
class Small:
    rank: int = 1
    layout: Literal["flat", "kernel"] = "flat"
    parts: Mapping[Part, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Large:
    seed: int
    rate: float = 1e-3
    name: str = ""
    mirrored: bool = False
    betas: tuple[float, float] = (0.0, 0.99)
    ranks: tuple[int, ...] = ()
    kinds: frozenset[Part] = frozenset()
    limit: int | None = None
    size: int | float = 1
    album: Path | None = None
    recipe: Small = field(default_factory=Small)


def test_settings_come_back(tmp_path: Path) -> None:
    config = {
        "rate": 1e-05,
        "text": "1e-5",
        "more": ["1.e3", "3", "no", "null", "", "ünï", "a: b"],
        "nested": {"betas": [0.0, 0.99], "none": None, "empty": {}},
        "big": 1e30,
    }
    write_config(tmp_path / "a.yaml", config)
    assert read_config(tmp_path / "a.yaml") == config
    assert list(read_config(tmp_path / "a.yaml")) == list(config)


def test_exponents_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1e-3\nb: -2E5\nc: 1.5e+2\nd: .5e1\ne: e3\nf: 12\ng: 1.5\nh: '1e3'")
    assert read_config(path) == {"a": 1e-3, "b": -2e5, "c": 150.0, "d": 5.0, "e": "e3", "f": 12, "g": 1.5, "h": "1e3"}


def test_a_date_stays_text_and_an_alias_is_its_value(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 2001-99-99\nb: 2001-01-02\nc: &c {x: 1}\nd: *c\ne: {<<: *c, y: 2}")
    assert read_config(path) == {
        "a": "2001-99-99", "b": "2001-01-02", "c": {"x": 1}, "d": {"x": 1}, "e": {"x": 1, "y": 2}
    }  # fmt: skip


def test_an_empty_file_has_no_settings(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# nothing yet\n")
    assert read_config(tmp_path / "a.yaml") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: 1\nb: [1,\nc: 2", r"a\.yaml, line 3 is not YAML: "),
        (b"a: 1\na: 2", r"a\.yaml, line 2 is not YAML: the key 'a' twice"),
        (
            b"a: !!python/object/apply:os.getcwd []",
            r"a\.yaml, line 1: the tag .*os\.getcwd' is not read, and nothing is run",
        ),
        (b"- 1", "must map the names of settings to values"),
        (b"1: 2", "must map the names of settings to values"),
        (b"a: \xff", "is not text in UTF-8"),
        (b"a: \x00", "is not YAML: unacceptable character"),
        (b"? [a, b]\n: 1", "is not YAML: found unhashable key"),
        (b"a: " + b"9" * 5000, "line 1 is not YAML: '9{40}…' is no value"),
        (b"a: 0b_", "line 1 is not YAML: '0b_' is no value"),
        (b"a: 0x" + b"f" * 5000, "a whole number of more than 63 bits"),
        (b"a: !!timestamp 2001-99-99", "the tag 'tag:yaml.org,2002:timestamp' is not read"),
        (b"a: !!binary eA==", "the tag 'tag:yaml.org,2002:binary' is not read"),
        (b"a: &a [*a]", "an alias of what it lies in"),
        (b"a: " + b"[" * 200, "holds values nested deeper"),
        (b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 40)), "undefined alias 'a0'"),
        (
            b"a0: &a0 [1]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 40)),
            "holds more values than any such file",
        ),
        (
            b"a0: &a0 {k: 1}\n"
            + b"".join(b"a%d: &a%d {<<: [*a%d, *a%d]}\n" % (n, n, n - 1, n - 1) for n in range(1, 40)),
            "holds more values than any such file",
        ),
        (b"a: 1\n" * 2**16, "larger than such a file is"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "a.yaml").write_bytes(text)
    with pytest.raises(InputError, match=message):
        read_config(tmp_path / "a.yaml")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the settings in .*a\.yaml: No such file"):
        read_config(tmp_path / "a.yaml")


def test_settings_become_a_dataclass() -> None:
    plain = {
        "seed": 1e2,
        "rate": 1,
        "betas": [0, 0.5],
        "ranks": [1, 4],
        "kinds": ["backbone"],
        "limit": None,
        "size": 3,
        "album": "photos",
        "recipe": {"rank": 4, "parts": {"backbone": "adapt"}},
    }
    made = to_dataclass(Large, plain, source="a.yaml")
    assert made == Large(
        seed=100,
        rate=1.0,
        betas=(0.0, 0.5),
        ranks=(1, 4),
        kinds=frozenset({"backbone"}),
        size=3,
        album=Path("photos"),
        recipe=Small(rank=4, parts={"backbone": "adapt"}),
    )
    assert type(made.seed) is int
    assert type(made.rate) is float
    assert type(made.size) is int


def test_unknown_keys_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown config key in a\.yaml 'sed': did you mean 'seed'\?"):
        to_dataclass(Large, {"sed": 1}, source="a.yaml")
    with pytest.raises(UnknownNameError, match=r"'recipe\.rnk': did you mean 'recipe\.rank'\?"):
        to_dataclass(Large, {"seed": 1, "recipe": {"rnk": 1}}, source="a.yaml")
    with pytest.raises(UnknownNameError, match=r"'recipe\.parts\.superes': did you mean 'recipe\.parts\.superres'\?"):
        to_dataclass(Large, {"seed": 1, "recipe": {"parts": {"superes": "adapt"}}}, source="a.yaml")


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({}, "seed is missing: a whole number is needed"),
        ({"seed": "three"}, "seed is 'three', where a whole number is needed"),
        ({"seed": 1.5}, r"seed is 1\.5, where a whole number is needed"),
        ({"seed": True}, "seed is True, where a whole number is needed"),
        ({"seed": None}, "seed is None, where a whole number is needed"),
        ({"seed": float("inf")}, "seed is inf, where a whole number is needed"),
        ({"rate": "fast"}, "rate is 'fast', where a number is needed"),
        ({"rate": False}, "rate is False, where a number is needed"),
        ({"name": 3}, "name is 3, where text is needed"),
        ({"mirrored": "yes"}, "mirrored is 'yes', where true or false is needed"),
        ({"betas": [0.5]}, r"betas is \[0\.5\], where a list of a number and a number is needed"),
        ({"betas": 0.5}, r"betas is 0\.5, where a list"),
        ({"ranks": [1, "x"]}, r"ranks\[1\] is 'x', where a whole number is needed"),
        ({"ranks": "12"}, r"ranks is '12', where a list \(a whole number each\) is needed"),
        ({"kinds": ["head"]}, r"kinds\[0\] is 'head', where one of backbone, superres is needed"),
        ({"limit": "x"}, "limit is 'x', where a whole number or null is needed"),
        ({"album": 3}, "album is 3, where a path or null is needed"),
        ({"recipe": 3}, "recipe is 3, where a mapping is needed"),
        ({"recipe": {"layout": "flt"}}, r"recipe\.layout is 'flt', where one of flat, kernel is needed"),
        ({"recipe": {"parts": 3}}, r"recipe\.parts is 3, where a mapping is needed"),
    ],
)
def test_wrong_types_are_named(plain: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=rf"^a\.yaml: {message}"):
        to_dataclass(Large, {"seed": 1, **plain} if plain else {}, source="a.yaml")


def test_settings_do_not_import_torch() -> None:
    program = "import sys, gpk_runs.settings, gpk.typed, gpk_runs.log; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_recipe_of_before_is_read_by_the_names_of_now(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "recipe: {birth: normal, ranks: {b: 1}}\nrow: {recipe: {birth: kaiming}}\nranks: [1]"
    )
    config = read_config(tmp_path / "a.yaml")
    assert config["recipe"] == {"init": "normal", "rank_pattern": {"b": 1}}
    assert config["row"] == {"recipe": {"init": "kaiming"}}
    assert config["ranks"] == [1]
