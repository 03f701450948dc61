"""A real generator of faces: the DCGAN (Radford et al., 2015, arXiv 1511.06434) inside gan-face-generate 1.1.1.

    gpk personalize ALBUM --backend module:tests.real.face_dcgan:faces

Trained on photographs of people whose licence is not stated: for tests and measurements alone, nothing of it ships.
Its pictures show about 0.8 of an FFHQ picture's side.
"""

from __future__ import annotations

import torch
from torch import nn

from gpk_checkpoints.packaged import Packaged

WEIGHTS = Packaged(
    package="gan-face-generate",
    version="1.1.1",
    path="gan_face_generate/weights.tar",
    sha256="0c3b90b138cfc4e8a73310b9fd5ce2a8f1f3a542a037de277412307fcd28771f",
    licence="MIT",
)
WIDTHS = (512, 256, 128, 64)
"""Channels at 4, 8, 16 and 32 pixels a side."""


def network() -> nn.Sequential:
    """Codes [B, 100, 1, 1] to pictures [B, 3, 64, 64] in [-1, 1], with random weights."""
    layers: list[nn.Module] = []
    before = 100
    for index, width in enumerate(WIDTHS):
        stride, padding = (2, 1) if index else (1, 0)
        layers += [nn.ConvTranspose2d(before, width, 4, stride, padding, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, nn.ConvTranspose2d(before, 3, 4, 2, 1, bias=False), nn.Tanh())


def faces() -> nn.Module:
    """The network as it was published; raises ExtraError without the package."""
    made = network()
    file = WEIGHTS.find("this generator of faces")
    state = torch.load(file, map_location="cpu", weights_only=True)["netG_state_dict"]
    made.load_state_dict({name.removeprefix("main."): value for name, value in state.items()})
    return made
