"""Where gpk keeps imported weights. Light: never imports torch.

One folder for what can be made again: GPK_CACHE, or `gpk` in the platform's cache folder (XDG Base Directory
Specification 0.8; Apple, "File System Programming Guide"; Microsoft, "Known Folders").
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gpk.validation import file_name


def cache_folder() -> Path:
    """The folder, which need not exist yet."""
    if own := os.environ.get("GPK_CACHE"):
        return Path(own).expanduser().absolute()
    return _platform_folder(sys.platform) / "gpk"


def card_file(backend: str, card: str) -> Path:
    """The imported weights of the card named `card`."""
    return _weights(backend) / f"{card}.safetensors"


def source_file(backend: str, sha256: str) -> Path:
    """The weights made from the file with this hash."""
    return _weights(backend) / f"{sha256[:16]}.safetensors"


def _weights(backend: str) -> Path:
    return cache_folder() / "weights" / file_name(backend)


def _platform_folder(platform: str) -> Path:
    if platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local)
    if platform == "darwin":
        return Path.home() / "Library" / "Caches"
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return xdg if xdg.is_absolute() else Path.home() / ".cache"  # a relative one is to be ignored, XDG says
