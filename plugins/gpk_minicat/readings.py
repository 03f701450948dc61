"""What a picture of a procedural cat tells: the task by which the perceptual networks learn to see.

A `Reader` says every parameter's place in its range, the camera's yaw and height, and the colours of both eyes. The
eyes' colours are named apart because the trait alone, one number that is mostly zero, taught nothing about eyes.

Shapes: B batch, P parameters, Q = P + 8 readings.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.camera import Camera
from gpk_minicat.cameras import PITCH, YAW
from gpk_minicat.convnet import SIDE, ConvNet, ResNet
from gpk_minicat.paint import irises
from gpk_minicat.parameters import NAMES, PARAMETERS, columns

EYES = tuple(f"{side}_eye_{colour}" for side in ("left", "right") for colour in ("red", "green", "blue"))
READINGS = (*NAMES, "yaw", "pitch", *EYES)


class Reader(nn.Module):
    """Pictures [B, 3, R, R] in [-1, 1] to readings [B, Q]: a network, and a head that listens to its two last stages.

    Eyes are seen at 8 x 8 places and lost at 4 x 4.
    """

    names = READINGS

    def __init__(self, features: ConvNet | ResNet) -> None:
        super().__init__()
        self.features = features
        fine, coarse = features.widths[-2:]
        places = (SIDE >> (len(features.widths) - 1)) ** 2
        self.squeeze = nn.Conv2d(fine, 32, 1)
        self.hidden = nn.Linear(32 * 4 * places + coarse * places, 256)
        self.head = nn.Linear(256, len(READINGS))

    def forward(self, image: Tensor) -> Tensor:
        """What the picture shows, each about [-1, 1]."""
        fine, coarse = self.features(image)[-2:]
        seen = torch.cat([F.relu(self.squeeze(fine)).flatten(1), coarse.flatten(1)], 1)
        return self.head(F.relu(self.hidden(seen)))


def readings(params: Tensor, camera: Camera) -> Tensor:
    """What a reader is to say [B, Q] of the photos of cats [B, P] by the cameras, each about [-1, 1]."""
    x, y, z = camera.pose[:, :3, 3].unbind(1)
    view = torch.stack([torch.atan2(x, z) / YAW, y / 2.7 / (PITCH * 0.64)], 1)
    eyes = torch.cat(irises(columns(params)), 1) * 2 - 1
    return torch.cat([places(params), view, eyes], 1)


def places(params: Tensor) -> Tensor:
    """Where in its range every parameter [B, P] is: -1 at the lower end, 1 at the upper."""
    low, high = (params.new_tensor([getattr(p, key) for p in PARAMETERS]) for key in ("low", "high"))
    return (params - low) / (high - low) * 2 - 1


def explained(wanted: Tensor, got: Tensor) -> dict[str, float]:
    """R^2 of each reading [B, Q], by name: 1 is perfect, 0 no better than the mean."""
    r2 = 1 - (wanted - got).square().mean(0) / wanted.var(0, correction=0).clamp_min(1e-8)
    return {name: round(value, 3) for name, value in zip(READINGS, r2.tolist(), strict=True)}
