"""Settings and cards with bytes changed, odd literals, deep nesting, and aliases that double each other."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from mutations import bytewise

from gpk.errors import InputError, PluginError
from gpk_checkpoints.cards import read_cards
from gpk_runs.settings import read_config

pytestmark = pytest.mark.attack
COUNT = 3000
WHOLE = b"""album: photos
recipe: {rank: 2, alpha: 1.0, layout: kernel, parts: {backbone: adapt}}
tuning: &t {steps: 100, lr: 1e-3, betas: [0.0, 0.99]}
other: {<<: *t, steps: 3}
again: *t
text: "a: b"
long: |
  two
  lines
none: null
"""
LITERALS = (
    b"0b_", b"0x_", b"0o8", b"1_000_000", b"1:60:60", b"59:" * 300 + b"59", b".inf", b"-.inf", b".nan", b"2001-99-99",
    b"2001-01-01t99:99:99z", b"9" * 5000, b"1" * 100_000, b"0x" + b"f" * 9000, b"1e999", b"!!int x", b"!!float x",
    b"!!binary x", b"!!set {a}", b"!!omap [a]", b"!!python/name:os.getcwd x", b"!!merge x", b"!!null x", b"!!bool x",
    b"<<", b"=", b"~", b"*t", b"&t", b"*none", b"&a [*a]", b"? [a]", b"? {a: b}", b"[" * 500, b"{" * 500, b"- " * 500,
    b"<<: 3", b"\0", b"\xff", b"\xef\xbb\xbf", b"%YAML 9.9", b"---", b"...", b"\t", b"a: 1\na: 2", b"\xe2\x80\xa8",
    b"!<tag:yaml.org,2002:map> x", b"!!seq x", b"!!map [a]", b"!!str [a]", b"!!int [1]", b"!!timestamp x",
)  # fmt: skip


def test_settings_bytewise(tally: Any, tmp_path: Path) -> None:
    rng, file = random.Random(30), tmp_path / "config.yaml"
    for number in range(COUNT):
        file.write_bytes(bytewise(WHOLE, rng, fragments=LITERALS))
        tally.attempt(f"input {number}", lambda: read_config(file))


def test_literals_of_settings(tally: Any, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    for literal in LITERALS:
        for text in (b"a: " + literal, literal + b": 1", b"a: [" + literal + b"]", literal):
            file.write_bytes(text + b"\n")
            tally.attempt(repr(text[:40]), lambda: read_config(file))


def test_aliases_that_double_each_other(tally: Any, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    for kind in (b"[*a%d, *a%d]", b"{<<: [*a%d, *a%d]}", b"{x: *a%d, y: *a%d}"):
        for deep in (20, 60, 2000):
            lines = [b"a%d: &a%d " % (n, n) + kind % (n - 1, n - 1) for n in range(1, deep)]
            file.write_bytes(b"\n".join([b"a0: &a0 {k: 1}", *lines]))
            if not isinstance(tally.attempt(f"{kind} {deep}", lambda: read_config(file)), InputError):
                tally.fail(f"{kind} {deep}", "taken")


def test_cards_bytewise(tally: Any, tmp_path: Path) -> None:
    """A plugin's own file: what is wrong with it is its error, and no more than that."""
    rng, file = random.Random(31), tmp_path / "cards.yaml"
    whole = (
        b"one: {title: One, licence: CC0, config: &c {img_resolution: 16}}\ntwo: {title: Two, licence: x, config: *c}\n"
    )

    def take() -> None:
        try:
            read_cards(file)
        except PluginError as error:
            raise InputError(str(error)) from error.__cause__

    for number in range(COUNT // 2):
        file.write_bytes(bytewise(whole, rng, fragments=LITERALS))
        tally.attempt(f"input {number}", take)
