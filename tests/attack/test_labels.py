"""Label files made wrong in structure, numbers, names and bytes: each is read, or refused with a sentence."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from wrong_labels import WRONG, Faces, right

from gpk.errors import LabelError
from gpk_photos.labels import near_miss, parse_labels, photo_of, read_labels
from gpk_photos.plausible import checked, own_sight

pytestmark = pytest.mark.attack

ODD: list[Any] = [
    None, True, False, "", "1.0", [], {}, [[]], {"a": 1}, float("nan"), float("inf"), -float("inf"), 1e38, 1e39, -1e308,
    10**400, 5e-324, -0.0, 0, 2**63, "\ud800", "\x00", "e\u0301", "x" * 10_000, [1.0] * 1000,
]  # fmt: skip
"""What stands where a number, a name, a label or a list of them belongs."""
NAMES = ["", ".", "/", "../a.png", "a\\b.png", "C:/a.png", "__MACOSX/a.png", "\ud800.png", "a\n.png", "\u202e.png",
         "e\u0301.png", "\u00e9.png", "a/" * 2000 + "a.png", "a" * 100_000]  # fmt: skip


def document(count: int = 4) -> dict[str, Any]:
    return {"labels": [[f"{index}.png", row] for index, row in enumerate(right(count).tolist())]}


def mutated(rng: random.Random) -> object:
    """A document with a few things in it changed."""
    whole: Any = document()
    for _ in range(rng.randint(1, 3)):
        pairs = whole.get("labels") if isinstance(whole, dict) else None
        if not isinstance(pairs, list) or not pairs:
            return whole
        place = rng.randrange(len(pairs))
        kind = rng.randrange(7)
        pair = pairs[place]
        sound = isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], list) and len(pair[1]) > 1
        if kind == 0:
            whole = rng.choice([whole | {"labels": rng.choice(ODD)}, pairs, rng.choice(ODD), {"other": pairs}])
        elif kind == 1:
            pairs[place] = rng.choice([rng.choice(ODD), [pair], {"0.png": pair}])
        elif kind == 2 and sound:
            pair[rng.randrange(2)] = rng.choice(ODD)
        elif kind == 3 and sound:
            pair[0] = rng.choice(NAMES)
        elif kind == 4 and sound:
            pair[1][rng.randrange(len(pair[1]))] = rng.choice(ODD)
        elif kind == 5 and sound:
            rng.shuffle(pair[1]) if rng.random() < 0.5 else pair[1].pop()
        elif sound:
            number = rng.randrange(len(pair[1]))
            if isinstance(pair[1][number], float):
                pair[1][number] *= rng.choice([-1.0, 0.0, 1e-30, 1e30, 100.0, 0.5])
    return whole


def read(file: Path) -> Callable[[], object]:
    """What a command does with a label file."""
    sight = own_sight(Faces())  # pyright: ignore[reportArgumentType]

    def call() -> object:
        labels = read_labels(file)
        photo_of(labels, ["\u00e9.png", "0.png"])
        near_miss(labels, ["0.jpg", "x/1.png"])
        return checked(labels, str(file), sight=sight)

    return call


def test_labels_mutated(tally: Any, tmp_path: Path) -> None:
    rng, file = random.Random(18), tmp_path / "dataset.json"
    for number in range(3000):
        file.write_text(json.dumps(mutated(rng)))
        got = tally.attempt(f"document {number}", read(file))
        if isinstance(got, tuple) and not all(bool(torch.isfinite(label).all()) for label in got[0].values()):
            tally.fail(f"document {number}", "a label with a number that is not finite was taken")


def test_labels_mutated_bytewise(tally: Any, tmp_path: Path) -> None:
    rng, file = random.Random(19), tmp_path / "dataset.json"
    sound = json.dumps(document(2)).encode()
    for number in range(2000):
        data = bytearray(sound)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            kind = rng.randrange(4)
            if kind == 0:
                data[at] = rng.randrange(256)
            elif kind == 1:
                del data[at : at + rng.randint(1, 40)]
            elif kind == 2:
                data[at:at] = rng.choice([b"[", b"{", b"]", b'"', b",", b"-", b"e999", b"NaN", b"\xff", b"\\ud800"])
            else:
                data[at:at] = data[at : at + rng.randint(1, 200)]
        file.write_bytes(data)
        tally.attempt(f"bytes {number}", read(file))


def test_labels_that_cost(tally: Any) -> None:
    many = ",".join(["[]"] * 6_000_000)
    for what, text in {
        "millions of lists": f'{{"labels": [{many}]}}',
        "nested deep": "[" * 1_000_000,
        "nested deep, whole": '{"labels": ' + "[" * 900 + "]" * 900 + "}",
        "one long name": json.dumps({"labels": [["n" * 30_000_000, [1]]]}),
        "one long string for a label": json.dumps({"labels": [["a.png", "n" * 30_000_000]]}),
        "a number of many digits": '{"labels": [["a.png", [' + "1" * 1_000_000 + "]]]}",
        "more bytes than any label file": " " * (2**27 + 1),
    }.items():
        tally.attempt(what, lambda text=text: parse_labels(text.encode(), "dataset.json"))


def test_cameras_of_other_conventions(tally: Any) -> None:
    sight = own_sight(Faces())  # pyright: ignore[reportArgumentType]
    for seed in range(12):
        for kind, (make, _, _) in WRONG.items():
            labels = right(3 + seed, seed)
            wrong = {f"{index}.png": label for index, label in enumerate(make(labels))}
            refused = tally.attempt(kind, lambda wrong=wrong: checked(wrong, "dataset.json", sight=sight))
            if not isinstance(refused, LabelError):
                tally.fail(f"{kind}, seed {seed}", f"taken: {refused!r:.200}")
                continue
            turn = str(refused).rpartition("--labels-as ")[2]
            mended = checked(wrong, "dataset.json", sight=sight, labels_as=turn)[0]
            if (torch.stack(list(mended.values())) - labels).abs().max() > 1e-2:
                tally.fail(f"{kind}, seed {seed}", f"--labels-as {turn} makes other labels of it")
