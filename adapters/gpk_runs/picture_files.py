"""Pictures that lie in a run's or an album's folder, as what may have become of them since. Light: no torch.

A file may be gone, damaged, no picture, a pipe without an end, or a picture that is small packed and unpacked no memory
has room for.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

from PIL import (
    Image,
    JpegImagePlugin,  # noqa: F401 that Pillow knows it, and need not load all that it has
    PngImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from gpk.errors import RunError
from gpk_checkpoints.budget import read_file

FORMATS = ("PNG", "JPEG", "WEBP")
"""Of the pictures that gpk writes."""
MOST_BYTES = 2**28
"""Of a picture's file."""
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    NotImplementedError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged files, found by flipping bytes in good ones."""
UNREADABLE = (RunError, RuntimeError, Image.DecompressionBombError, Image.DecompressionBombWarning, *DAMAGE)
"""What `open_picture` raises, and Pillow where the pixels are read."""


def read_bytes(path: Path) -> bytes:
    """The file's bytes; raises what is in UNREADABLE."""
    return read_file(path, MOST_BYTES, RunError)


def open_picture(content: bytes, formats: Sequence[str] = FORMATS) -> Image.Image:
    """The picture in a file's bytes, whose pixels are not read yet; raises what is in UNREADABLE."""
    with warnings.catch_warnings():  # about odd metadata nobody can do anything; a bomb's is as good as its error
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=list(formats))
