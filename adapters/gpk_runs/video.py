"""Videos: frames into a file whose suffix says what it is, .mp4, .webp or .gif.

An mp4 is H.264 in 4:2:0, which phones and browsers play: its sides are even, its colours are told to be BT.709's, and
its index stands in front, so that it plays before it is whole. PyAV, an optional extra, brings the encoder. Frames go
to it one by one and none is kept, however many there are; WebP and GIF are Pillow's and hold all of them.

Every file says that it is synthetic: an mp4 and a GIF in their comment, a WebP in its XMP.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

from PIL import Image

from gpk.errors import ExtraError, InputError
from gpk_checkpoints.atomic import replacing
from gpk_runs.animation import write_animation, write_gif
from gpk_runs.pictures import COMMENT

Format = Literal["mp4", "webp", "gif"]
Frame = Image.Image
QUALITY = 17
"""H.264's constant rate factor, from 0 (lossless) to 51: at 17 nobody tells a frame from its original."""
BT709, LIMITED = 1, 1
"""H.264's number for the colours of BT.709, and FFmpeg's for their range of 16 to 235."""
FINEST = 1001
"""The largest denominator of a rate, that of television's 30000/1001."""


def write_video(path: Path, frames: Iterable[Frame], *, rate: float = 24.0) -> None:
    """Replaces the file at `path` by the frames, all of one size and at least one, `rate` a second.

    WebP and GIF go on for ever from the start. An odd side of an mp4 gets one more row or column, its last one again.
    Raises as `check_format` does, and RunError where the file cannot be written; the old file survives whatever fails.
    """
    match check_format(path.suffix.removeprefix(".")):
        case "mp4":
            _write_mp4(path, frames, rate)
        case "webp":
            write_animation(path, list(frames), rate=rate)
        case "gif":
            write_gif(path, list(frames), rate=rate)


def check_format(name: str) -> Format:
    """The format of that name; raises InputError for one that is none of ours, ExtraError for one that nothing here
    can write.
    """
    for known in get_args(Format):
        if name == known:
            if name == "mp4" and find_spec("av") is None:
                raise ExtraError("mp4 needs PyAV: pip install 'gpk[video]', or --formats webp, which needs nothing")
            return known
    raise InputError(f"{name!r} is no format of videos: give one of {', '.join(get_args(Format))}")


def _write_mp4(path: Path, frames: Iterable[Frame], rate: float) -> None:
    import av

    whole = iter(frames)
    first = next(whole)
    with (
        replacing(path) as part,
        av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        container.metadata["comment"] = COMMENT
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(FINEST))
        stream.width, stream.height = (side + side % 2 for side in first.size)
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(QUALITY)}
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = LIMITED
        for frame in chain([first], whole):
            picture = av.VideoFrame.from_image(_even(frame))
            container.mux(
                stream.encode(picture.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED))
            )
        container.mux(stream.encode())


def _even(frame: Frame) -> Frame:
    """The frame with even sides: the last row or column twice where one is odd."""
    width, height = frame.size
    if not (width % 2 or height % 2):
        return frame
    larger = Image.new("RGB", (width + width % 2, height + height % 2))
    for x, y in ((1, 1), (1, 0), (0, 1), (0, 0)):  # shifted copies first, so that they show at the edge alone
        larger.paste(frame, (x * (width % 2), y * (height % 2)))
    return larger
