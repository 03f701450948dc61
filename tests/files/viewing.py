"""A browser without a window: the client's side of viser's protocol, as far as the viewer uses it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import msgspec.msgpack
import viser
import zstandard
from viser import _messages
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from gpk_view.browser_camera import REST

Point = tuple[float, float, float]


class Browser:
    """Connected to the viewer at `url`, with a window of 640 by 480 pixels and a camera that it moves itself."""

    def __init__(self, url: str, *, origin: Origin | None = None) -> None:
        place = url.removeprefix("http://")
        protocol = Subprotocol(f"viser-v{viser.__version__}")
        self._socket = connect(
            f"ws://{place}", origin=origin, subprotocols=[protocol], compression=None, max_size=None, proxy=None
        )
        self._parts: dict[str, dict[str, Any]] = {}
        self.position: Point = (3.0, 3.0, 3.0)
        self.window = (640, 480)
        self.pictures: list[bytes] = []
        self.told: list[str] = []
        self.files = b""

    def look_from(self, position: Point, *, look_at: Point = (0.0, 0.0, 0.0)) -> None:
        """Moves the camera."""
        self.position = position
        width, height = self.window
        camera = (position, 0.6, 0.01, 99, height, width, look_at, (0, 1, 0))
        self.send(_messages.ViewerCameraMessage((1, 0, 0, 0), *camera))

    def arrive(self) -> None:
        """Has the camera where it was steered to, and rests there."""
        self.look_from(self.position)
        self.rest(REST + 0.2)

    def set(self, label: str, value: object) -> None:
        """Sets the input of that label, as a person does."""
        uuid = self._find(label)
        self._parts[uuid]["value"] = value
        self.send(_messages.GuiUpdateMessage(uuid, {"value": value}))

    def press(self, label: str) -> None:
        """Presses the button of that label."""
        self.send(_messages.GuiUpdateMessage(self._find(label), {"value": True}))

    def part(self, label: str) -> dict[str, Any]:
        """All that is known of the part of the panel with that label, its `value` with it."""
        return self._parts[self._find(label)]

    def labels(self) -> list[str]:
        """The labels of what can be seen on the panel."""
        return [part["label"] for part in self._parts.values() if part.get("visible", True)]

    def _find(self, label: str) -> str:
        return next(uuid for uuid, part in self._parts.items() if part["label"] == label)

    def send(self, message: Any) -> None:
        """Sends one of viser's messages."""
        self.send_raw(msgspec.msgpack.encode(message.as_serializable_dict()))

    def send_raw(self, frame: bytes | str) -> None:
        """Sends anything."""
        self._socket.send(frame)

    def until(self, true: Callable[[], object], *, seconds: float = 20.0) -> None:
        """Takes in what comes until something is true."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"still not, after {len(self.pictures)} pictures; told {self.told}"
            self._take(0.1)

    def rest(self, seconds: float = 0.1) -> None:
        """Takes in what comes until nothing does for a while."""
        while self._take(seconds):
            pass

    def close(self) -> None:
        self._socket.close()

    def _take(self, seconds: float) -> bool:
        try:
            raw = self._socket.recv(timeout=seconds)
        except TimeoutError:
            return False
        assert isinstance(raw, bytes)
        packed = int.from_bytes(raw[8:16], "little")
        window = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(raw[16 : 16 + packed]))
        at, buffers = 16 + packed, []
        for length in window["binaryBufferLengths"]:
            at += -at % 8
            buffers.append(raw[at : at + length])
            at += length
        for message in window["messages"]:
            self._heed(message, buffers)
        return True

    def _heed(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        kind, props = message["type"], message.get("props") or {}
        if props.get("label") is not None and "uuid" in message:
            self._parts[message["uuid"]] = {"value": message.get("value"), **props}
        elif kind == "GuiUpdateMessage" and message["uuid"] in self._parts:
            self._parts[message["uuid"]].update(message["updates"])
        elif kind == "SetCameraPositionMessage":
            self.position = tuple(message["position"])
        elif kind == "BackgroundImageMessage" and (data := message["rgb_data"]) is not None:
            self.pictures.append(data if isinstance(data, bytes) else buffers[data["__binary_index"]])
        elif kind == "NotificationShowMessage":
            self.told.append(f"{props['title']}: {props['body']}")
        elif kind == "FileTransferPart":
            content = message["content"]
            self.files += content if isinstance(content, bytes) else buffers[content["__binary_index"]]


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]
