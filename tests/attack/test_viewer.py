"""Browsers that say anything to a running viewer."""

from __future__ import annotations

import math
import random
import resource
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec.msgpack
import pytest
from viewing import Browser, free_port
from viser import _messages
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from gpk.context import Context
from gpk.errors import InputError
from gpk_view.app import serving
from gpk_view.door import Door
from gpk_view.messages import understood
from gpk_view.scene import Stage

pytestmark = pytest.mark.attack

MESSAGES, REQUESTS = 4000, 20_000
EXPECTED = ("Saved ", "The viewer goes on after an error: ValueError: could not convert string to float")
"""What the viewer may tell of; a slider that is sent a text is viser's to refuse."""
GROWN = 1 << 28
"""Bytes by which the viewer may grow, all in all."""
NUMBERS = (math.nan, math.inf, -math.inf, -0.0, 0, -1, 1, 7, 1e-300, 1e6, -1e6, 1e7, 1e300, 2**31, 2**53, 2**64 - 1)
ODD = (
    *NUMBERS,
    None,
    True,
    False,
    "",
    "a",
    "cat",
    "77",
    "../../x",
    "\0",
    "é" * 5000,
    b"",
    b"\xff",
    [],
    [1],
    {},
    {"a": 1},
)
CAMERA = _messages.ViewerCameraMessage((1, 0, 0, 0), (0, 0, 2.7), 0.6, 0.01, 99, 480, 640, (0, 0, 0), (0, 1, 0))


@pytest.fixture
def generator(stylegan2: Any) -> Any:
    """One family: what is attacked is before the generator."""
    return stylegan2


@pytest.fixture
def errors() -> list[str]:
    """What the viewer told of."""
    return []


@pytest.fixture
def url(subject: Context, tmp_path: Path, errors: list[str]) -> Iterator[str]:
    assert subject.persona is not None
    known = replace(subject.backend, meaning=lambda z: {"size": z[:, 0]})
    stage = Stage(replace(subject, backend=known), {"cat": subject.persona, "twin": subject.persona})
    with serving(stage, host="127.0.0.1", port=free_port(), folder=tmp_path / "out", tell=errors.append) as (url, _):
        yield url
    assert {file.suffix for file in tmp_path.rglob("*") if file.is_file()} <= {".png"}


class Attacker:
    """A browser that comes again where it was thrown out."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.browser = self._come()

    def say(self, frame: bytes | str) -> None:
        """Sends the frame; raises InputError where the viewer is not to hear it."""
        try:
            self.browser.send_raw(frame)
            self.browser.rest(0)
        except ConnectionClosed:
            self.browser = self._come()
            raise InputError("thrown out") from None
        if understood(frame) is None:
            raise InputError("not heard")

    def _come(self) -> Browser:
        one = Browser(self._url)
        one.look_from((3.0, 3.0, 3.0))
        one.until(lambda: one.labels())
        return one


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def examples(browser: Browser, rng: random.Random) -> dict[str, Any]:
    """One of the messages that viser knows, for an input of the panel or another."""
    uuid = rng.choice([*browser._parts, "none"])
    camera = rng.choice(
        [CAMERA, replace(CAMERA, image_width=rng.choice([70_000, 1]), image_height=rng.choice([1, 9999]))]
    )
    message = rng.choice(
        [
            camera,
            *4 * [_messages.GuiUpdateMessage(uuid, {"value": rng.choice(ODD)})],
            _messages.GuiUpdateMessage(uuid, {rng.choice(["removed", "update_cb", "order"]): rng.choice(ODD)}),
            _messages.GuiFormDirtyMessage(str(rng.random())),
            _messages.ShareUrlRequest(),
            _messages.FileTransferStartUpload(uuid, "t", "../x", "text/plain", 1, 1),
            _messages.FileTransferPart(uuid, "t", 0, b"x"),
        ]
    )
    return message.as_serializable_dict()


def mutated(message: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """With an odd value for one of its fields, or of a field's numbers, or a field less or more."""
    key = rng.choice([*message, "more"])
    before = message.get(key)
    if isinstance(before, tuple) and rng.random() < 0.7:
        at = rng.randrange(len(before))
        return message | {key: (*before[:at], rng.choice(ODD), *before[at + 1 :])}
    if rng.random() < 0.1:
        return {name: value for name, value in message.items() if name != key}
    return message | {key: rng.choice(ODD)}


def spoiled(frame: bytes, rng: random.Random) -> bytes | str:
    """With some of its bytes flipped, cut short, repeated, or as a text."""
    kind = rng.randrange(5)
    if kind == 0:
        return frame[: rng.randrange(len(frame))]
    if kind == 1:
        return frame * rng.choice([2, 500])
    if kind == 2:
        return frame.decode("latin-1")
    changed = bytearray(frame)
    for _ in range(rng.choice([1, 1, 2, 8])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def attacked(tally: Any, url: str, errors: list[str], make: Callable[[Browser], bytes | str]) -> None:
    """Says what `make` makes, of what an attacker knows; another browser is answered all the time."""
    good = Browser(url)
    good.look_from((3.0, 3.0, 3.0))
    good.until(lambda: good.pictures)
    attacker, before = Attacker(url), memory()
    for number in range(MESSAGES):
        frame = make(attacker.browser)
        tally.attempt(f"{number}: {frame[:80]!r}", lambda frame=frame: attacker.say(frame))
        if number % 100 == 99:
            seen = len(good.pictures)
            good.set("Anchor", str(number // 100 % 5))
            good.set("Beta", number % 7 / 100)
            good.until(lambda seen=seen: len(good.pictures) > seen)
    attacker.browser.close()
    good.close()
    if memory() - before > GROWN:
        tally.fail("memory", f"grew by {(memory() - before) >> 20} MiB")
    for error in errors:
        if not error.startswith(EXPECTED):
            tally.fail("an error", error)


def test_browsers_messages_of_odd_values(tally: Any, url: str, errors: list[str]) -> None:
    rng = random.Random(0)

    def make(browser: Browser) -> bytes:
        message = examples(browser, rng)
        return msgspec.msgpack.encode(mutated(message, rng) if rng.random() < 0.3 else message)

    attacked(tally, url, errors, make)


def test_browsers_messages_of_spoiled_bytes(tally: Any, url: str, errors: list[str]) -> None:
    rng = random.Random(1)
    attacked(tally, url, errors, lambda one: spoiled(msgspec.msgpack.encode(examples(one, rng)), rng))


def test_browsers_headers_mutated(tally: Any) -> None:
    rng, door = random.Random(2), Door("127.0.0.1")
    own, foreign = "127.0.0.1:8080", "rebound.org:8080"

    def come(host: str, origin: str) -> None:
        refusal = door.refusal(Request("/", Headers([("Host", host), ("Origin", origin)])))
        if refusal is not None:
            raise InputError(refusal)

    for number in range(REQUESTS):
        place = rng.choice([own, foreign])
        host, origin = place, f"http://{rng.choice([own, foreign])}"
        at, letter = rng.randrange(len(host)), rng.choice("@/\\#?:[]%. \t,0127aé")
        if rng.random() < 0.5:
            host = host[:at] + letter + host[at + rng.randrange(2) :]
        else:
            origin = origin[:at] + letter + origin[at + rng.randrange(2) :]
        what = f"{number}: {host!r} {origin!r}"
        let_in = tally.attempt(what, lambda host=host, origin=origin: come(host, origin)) is None
        if let_in and "rebound" in host + origin:
            tally.fail(what, "let in")
