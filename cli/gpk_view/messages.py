"""What a browser may say: where its camera is, and what an input of its panel holds now.

viser's own messages can do far more: set any attribute of an input, upload files into it, publish the server. So each
frame is read by the two forms below, and what goes on to viser is what was understood, written anew. All else is not
heard. Every number is finite and of a size that sums and products leave finite.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

MOST_BYTES = 2**14
"""Of a frame: the longest message is a camera's, of some 300."""
LONGEST = 4096
"""Letters of an input's value: the longest are names of personas, which may be paths."""

Coordinate = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Number = Annotated[float, msgspec.Meta(ge=-(2**53), le=2**53)]
Text = Annotated[str, msgspec.Meta(max_length=LONGEST)]
Point = tuple[Coordinate, Coordinate, Coordinate]


class Camera(msgspec.Struct, tag_field="type", tag="ViewerCameraMessage", forbid_unknown_fields=True):
    """The camera and the window: `fov` in radians, the window in pixels."""

    wxyz: tuple[Coordinate, Coordinate, Coordinate, Coordinate]
    position: Point
    fov: Number
    near: Number
    far: Number
    image_height: Number
    image_width: Number
    look_at: Point
    up_direction: Point


class Input(msgspec.Struct, forbid_unknown_fields=True):
    """What an input holds now."""

    value: bool | Number | Text


class Update(msgspec.Struct, tag_field="type", tag="GuiUpdateMessage", forbid_unknown_fields=True):
    """An input that a person moved, or a button that was pressed."""

    uuid: Annotated[str, msgspec.Meta(max_length=64)]
    updates: Input


_decoder = msgspec.msgpack.Decoder(Camera | Update)


def understood(frame: bytes | str) -> bytes | None:
    """The message in a frame, in viser's own form; None where it is none of these."""
    if isinstance(frame, str):
        return None
    try:
        return msgspec.msgpack.encode(_decoder.decode(frame))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
