"""What a browser may say."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import msgspec.msgpack
import pytest
from viser import _messages

from gpk_view.messages import LONGEST, Camera, Update, understood

CAMERA = _messages.ViewerCameraMessage((1, 0, 0, 0), (0, 0, 2.7), 0.6, 0.01, 99, 480, 640, (0, 0, 0), (0, 1, 0))
MOVED = {"type": "GuiUpdateMessage", "uuid": "a", "updates": {"value": 1.5}}


def packed(message: dict[str, Any]) -> bytes:
    return msgspec.msgpack.encode(message)


@pytest.mark.parametrize("value", [0.5, 3, True, "cat"])
def test_visers_own_messages_are_understood_as_they_are(value: object) -> None:
    update = _messages.GuiUpdateMessage("a", {"value": value})
    for message in (CAMERA, update):
        heard = understood(packed(message.as_serializable_dict()))
        assert heard is not None
        assert _messages.Message.deserialize(heard) == message


def test_the_forms_have_the_fields_that_viser_sends() -> None:
    for form, message in ((Camera, _messages.ViewerCameraMessage), (Update, _messages.GuiUpdateMessage)):
        assert form.__struct_config__.tag == message.__name__
        assert set(form.__struct_fields__) == {field.name for field in dataclasses.fields(message)}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e300, 2**64 - 1, "1", None, True, [1.0]])
@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(CAMERA)])
def test_a_camera_of_odd_numbers_is_not_heard(field: str, number: object) -> None:
    message = CAMERA.as_serializable_dict()
    before = message[field]
    message[field] = (*before[:-1], number) if isinstance(before, tuple) else number
    assert understood(packed(message)) is None
    message[field] = ()
    assert understood(packed(message)) is None
    del message[field]
    assert understood(packed(message)) is None


@pytest.mark.parametrize(
    "message",
    [
        MOVED | {"updates": {"value": math.nan}},
        MOVED | {"updates": {"value": 1e300}},
        MOVED | {"updates": {"value": "a" * (LONGEST + 1)}},
        MOVED | {"updates": {"value": [1]}},
        MOVED | {"updates": {"value": None}},
        MOVED | {"updates": {"removed": True}},
        MOVED | {"updates": {"value": 1, "update_cb": []}},
        MOVED | {"updates": {}},
        MOVED | {"uuid": "a" * 65},
        MOVED | {"uuid": 1},
        MOVED | {"more": 1},
        {"type": "Message"},
        {"type": "GuiFormDirtyMessage", "uuid": "a"},
        {"type": "FileTransferStartUpload", "source_component_uuid": "a", "transfer_uuid": "b"},
        {},
    ],
)
def test_another_message_is_not_heard(message: dict[str, Any]) -> None:
    assert understood(packed(MOVED)) is not None
    assert understood(packed(message)) is None


@pytest.mark.parametrize(
    "frame", ["text", b"", b"\x91" * 10_000, b"\x81\xa4\xff\xff\xff\xff\x00", b"\xdd\xff\xff\xff\xff"]
)
def test_bytes_that_are_no_message_are_not_heard(frame: bytes | str) -> None:
    assert understood(frame) is None
