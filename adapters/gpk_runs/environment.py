"""What a run ran on: versions and hardware, nothing that names a person or a folder."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

PACKAGES = ("gpk", "torch", "numpy", "safetensors", "pillow", "lpips")


def environment(device: torch.device | str = "cpu") -> dict[str, object]:
    """Python, packages (absent ones left out), platform and the device, in JSON types."""
    return {
        "python": platform.python_version(),
        **{name: found for name in PACKAGES if (found := _version(name))},
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "accelerator": _accelerator(torch.device(device)),
    }


def _version(package: str) -> str | None:
    try:
        return torch.__version__ if package == "torch" else version(package)  # torch's own names its build, as +cu130
    except PackageNotFoundError:
        return None


def _accelerator(device: torch.device) -> str | None:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None
