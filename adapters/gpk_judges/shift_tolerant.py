r"""ST-LPIPS, an LPIPS that hardly minds by how many pixels a picture is shifted (Ghildyal and Liu, 2022, arXiv
2207.13686): d as in `gpk_judges.perceptual`, its trunk trained anew with strides that blur before they skip.

    pool of stride 2 = the largest of each window at stride 1, then [1, 2, 1] x [1, 2, 1] / 16 at stride 2

Trunks and heads are in the `stlpips-pytorch` package (BSD-2), of which only those two files are read: its code wants
packages that it does not name. So it needs no download beyond pip's. No resizing, as with LPIPS.

Shapes: B batch, C a level's channels, R side, h and w a level's sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.errors import InputError
from gpk_checkpoints.packaged import Packaged
from gpk_judges.weights import fitting, read_state_dict

Net = Literal["alex", "vgg"]
PLAN: Mapping[Net, Sequence[str]] = {
    "alex": ("conv0 blur relu", "pool3 blur conv5 relu", "pool3 blur conv9 relu", "conv11 relu", "conv13 relu"),
    "vgg": (
        "conv0 relu conv2 relu",
        "pool2 blur conv6 relu conv8 relu",
        "pool2 blur conv12 relu conv14 relu conv16 relu",
        "pool2 blur conv20 relu conv22 relu conv24 relu",
        "pool2 blur conv28 relu conv30 relu conv32 relu",
    ),
}
"""The steps up to each level; convolutions by their numbers in the file, pools by their windows."""
CHANNELS: Mapping[Net, Sequence[int]] = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
KERNELS = {("alex", 0): 11, ("alex", 5): 5}
"""Of the convolutions whose windows are not 3 x 3."""
BORDER = {11: 2, 5: 2, 3: 1}
"""Pixels around a convolution's input, by its window."""
LEAST = 32
"""Side below which nothing is left to look at after so many strides."""
SHA256: Mapping[Net, str] = {
    "alex": "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
    "vgg": "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250",
}


class ShiftTolerantDistance(nn.Module):
    """ST-LPIPS with the tensors of its file, frozen and always in evaluation mode; differentiable in both pictures."""

    def __init__(self, net: Net, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.plan = PLAN[net]
        for name, value in state.items():
            self.register_buffer(name.replace(".", "_"), value.float())
        line = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("window", (line[:, None] * line / 16)[None, None], persistent=False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """How different `a` and `b` [B, 3, R, R] in [-1, 1] look: [B], 0 for equal pictures."""
        return self.between(self.features(a), self.features(b))

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """The trunk's activations [B, C, h, w] on `images`, each of unit length over its channels.

        Raises InputError for pictures of fewer than LEAST pixels a side.
        """
        if min(images.shape[-2:]) < LEAST:
            raise InputError(f"stlpips looks at pictures of {LEAST} pixels a side and more, not {images.shape[-1]}")
        x = (images - self.get_buffer("scaling_layer_shift")) / self.get_buffer("scaling_layer_scale")
        levels = []
        for number, steps in enumerate(self.plan, 1):
            for step in steps.split():
                x = self._through(step, x, f"net_slice{number}_")
            levels.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return tuple(levels)

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """How different two pictures' `features` are, [B]."""
        heads = (self.get_buffer(f"lin{level}_model_1_weight") for level in range(len(a)))
        terms = [F.conv2d((x - y).square(), head).mean((1, 2, 3)) for head, x, y in zip(heads, a, b, strict=True)]
        return torch.stack(terms).sum(0)

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode, as every judge does."""
        return super().train(False)

    def _through(self, step: str, x: Tensor, prefix: str) -> Tensor:
        if step == "relu":
            return x.relu()
        if step == "blur":
            window = self.get_buffer("window").expand(x.shape[1], -1, -1, -1)
            return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), window, stride=2, groups=x.shape[1])
        kind, number = step[:4], step[4:]
        if kind == "pool":
            return F.max_pool2d(x, int(number), stride=1)
        weight, bias = (self.get_buffer(f"{prefix}{number}_{name}") for name in ("weight", "bias"))
        return F.conv2d(x, weight, bias, padding=BORDER[weight.shape[-1]])


def load(net: Net, weights: Path | None) -> ShiftTolerantDistance:
    """ST-LPIPS on AlexNet or VGG-16; `weights` is the package's file, found where pip put it where None.

    Raises ExtraError where the package is absent, WeightsError where the file is of something else.
    """
    shipped = Packaged(
        package="stlpips-pytorch",
        version="0.0.2",
        path=f"stlpips_pytorch/weights/vST0.0/{net}_shift_tolerant.pth",
        sha256=SHA256[net],
        licence="BSD-2-Clause",
        extra="stlpips",
    )
    file = weights or shipped.find(f"stlpips-{net}")
    wrong, remedy = f"{file} is not the file of stlpips-{net}", f"Get {Path(shipped.path).name}: {shipped.remedy}"
    return ShiftTolerantDistance(net, fitting(read_state_dict(file), shapes(net), wrong=wrong, remedy=remedy))


def shapes(net: Net) -> dict[str, torch.Size]:
    """The shape of each tensor that is used, by its name in the file."""
    wanted = {f"scaling_layer.{name}": torch.Size((1, 3, 1, 1)) for name in ("shift", "scale")}
    before = 3
    for level, (steps, width) in enumerate(zip(PLAN[net], CHANNELS[net], strict=True)):
        for number in (int(step[4:]) for step in steps.split() if step.startswith("conv")):
            side = KERNELS.get((net, number), 3)
            name = f"net.slice{level + 1}.{number}"
            wanted |= {f"{name}.weight": torch.Size((width, before, side, side)), f"{name}.bias": torch.Size((width,))}
            before = width
        wanted[f"lin{level}.model.1.weight"] = torch.Size((1, width, 1, 1))
    return wanted
