r"""DISTS, how different the textures and the structures of two pictures are.

    d(a, b) = sum_lc  alpha_lc (1 - T_lc) + beta_lc (1 - S_lc),        sum_lc alpha_lc + beta_lc = 1
    T = (2 mu_a mu_b + c) / (mu_a^2 + mu_b^2 + c),      S = (2 sigma_ab + c) / (sigma_a^2 + sigma_b^2 + c)

Means mu, variances sigma^2 and covariance sigma_ab are taken over all places of a channel c at a level l: of the
picture itself, and of VGG-16 after relu1_2, 2_2, 3_3, 4_3 and 5_3, its maximum pooling replaced by l2 pooling,
sqrt(g * x^2) with a Hann window g (Ding et al., 2020, arXiv 2004.07728). It forgives a texture whose grains lie
elsewhere, which LPIPS counts. No resizing: published figures are of pictures whose shorter side is 256, and distances
of pictures of different sides are not comparable.

alpha and beta are in the `dists-pytorch` package (MIT), from which only that file is read: its code asks torchvision
for weights in a way that newer ones refuse.

Shapes: B batch, C a level's channels, R side, h and w a level's sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.errors import ExtraError, WeightsError
from gpk_judges.backbone import backbone_weights
from gpk_judges.weights import fitting, read_state_dict

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of VGG-16's convolutions (Simonyan and Zisserman, 2014, arXiv 1409.1556, configuration D)."""
CHANNELS = (3, *(stage[-1] for stage in STAGES))
"""Channels of each level: of the picture's and of each stage's."""
C = 1e-6
"""The formula's c, the same in T and S."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of pictures in [0, 1]."""
WINDOW = ((1.0, 2.0, 1.0), (2.0, 4.0, 2.0), (1.0, 2.0, 1.0))
"""A Hann window of five, its zeros left out."""
PACKAGE = "DISTS_pytorch"
SOURCE = "https://github.com/dingkeyan93/DISTS"
"""The package that brings alpha and beta, and where its authors publish them."""


class TextureDistance(nn.Module):
    """DISTS, frozen and always in evaluation mode; differentiable in both pictures."""

    mean: Tensor
    std: Tensor
    window: Tensor

    def __init__(self, backbone: Mapping[str, Tensor], alpha: Tensor, beta: Tensor) -> None:
        super().__init__()
        self.stages = nn.ModuleList(map(nn.ModuleList, _stages(backbone)))
        total = alpha.sum() + beta.sum()
        self.alpha, self.beta = nn.Parameter(alpha / total), nn.Parameter(beta / total)
        for name, value in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(value).view(3, 1, 1), persistent=False)
        self.register_buffer("window", torch.tensor(WINDOW)[None, None] / 16, persistent=False)
        self.requires_grad_(False).train(False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """How different `a` and `b` [B, 3, R, R] in [-1, 1] look: [B], 0 for equal pictures."""
        return self.between(self.features(a), self.features(b))

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """The pictures in [0, 1] and the backbone's activations on them, [B, C, h, w] each."""
        picture = (images + 1) / 2
        levels = [picture]
        x = (picture - self.mean) / self.std
        for index, stage in enumerate(self.stages):
            x = self._pooled(x) if index else x
            assert isinstance(stage, nn.ModuleList)
            for layer in stage:
                x = layer(x).relu()
            levels.append(x)
        return tuple(levels)

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """How different two pictures' `features` are, [B]."""
        weights = zip(*(parameter.split(CHANNELS) for parameter in (self.alpha, self.beta)), strict=True)
        total = a[0].new_zeros(len(a[0]))
        for x, y, (alpha, beta) in zip(a, b, weights, strict=True):
            mu_x, mu_y = x.mean((2, 3), keepdim=True), y.mean((2, 3), keepdim=True)
            var_x, var_y = ((p - mu).square().mean((2, 3)) for p, mu in ((x, mu_x), (y, mu_y)))
            # Of centred values, unlike E[xy] - E[x]E[y]: then it is exactly the variance where the pictures are equal.
            covariance = ((x - mu_x) * (y - mu_y)).mean((2, 3))
            mu_x, mu_y = mu_x.flatten(1), mu_y.flatten(1)
            texture = (2 * mu_x * mu_y + C) / (mu_x.square() + mu_y.square() + C)
            structure = (2 * covariance + C) / (var_x + var_y + C)
            total = total + (alpha * (1 - texture) + beta * (1 - structure)).sum(1)
        return total

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode, as every judge does."""
        return super().train(False)

    def _pooled(self, x: Tensor) -> Tensor:
        """l2 pooling to half the side; the small number, which the authors add, keeps the root smooth at zero."""
        channels = x.shape[1]
        window = self.window.expand(channels, -1, -1, -1)
        return (F.conv2d(x.square(), window, stride=2, padding=1, groups=channels) + 1e-12).sqrt()


def load(weights: Path | None) -> TextureDistance:
    """DISTS. `weights` is either VGG-16's ImageNet state dict or the file with alpha and beta; the other one, and
    where None both, come from their usual places.

    Raises ExtraError where one cannot be had, WeightsError where the file is neither.
    """
    if weights is not None and not weights.is_file():
        raise WeightsError(f"no DISTS weights at {weights}: give VGG-16's or {SOURCE}'s")
    shape = torch.Size((1, sum(CHANNELS), 1, 1))
    wanted = {"alpha": shape, "beta": shape}
    given = {} if weights is None else read_state_dict(weights)
    own = given.keys() >= wanted.keys()
    file = weights if own else _shipped()
    of_channels = fitting(
        given if own else read_state_dict(_shipped()),
        wanted,
        wrong=f"{file} is not the file of DISTS' alpha and beta",
        remedy=f"Get weights.pt of {SOURCE}",
    )
    alpha, beta = (of_channels[name].float().flatten() for name in wanted)

    with torch.device("meta"):
        layers = {name: layer for stage in _layout() for name, layer in stage}
    needed = {f"{name}.{key}": value.shape for name, layer in layers.items() for key, value in layer.named_parameters()}
    backbone = backbone_weights("vgg", None if own else weights, needed, metric="DISTS")
    return TextureDistance(backbone, alpha, beta)


def _layout() -> list[list[tuple[str, nn.Conv2d]]]:
    """VGG-16's convolutions by stage, with torchvision's names: a ReLU follows each, a pooling each stage."""
    stages, index, before = [], 0, 3
    for widths in STAGES:
        stage = []
        for width in widths:
            stage.append((f"features.{index}", nn.Conv2d(before, width, 3, padding=1)))
            index, before = index + 2, width
        stages.append(stage)
        index += 1
    return stages


def _stages(backbone: Mapping[str, Tensor]) -> list[list[nn.Conv2d]]:
    with torch.device("meta"):  # random weights would cost time and move the global random state
        stages = _layout()
    for stage in stages:
        for name, layer in stage:
            state = {key: backbone[f"{name}.{key}"].float() for key in ("weight", "bias")}
            layer.load_state_dict(state, assign=True)
    return [[layer for _, layer in stage] for stage in stages]


def _shipped() -> Path:
    """The package's file; the package is not imported."""
    spec = find_spec(PACKAGE)
    places = [] if spec is None else spec.submodule_search_locations or []
    for place in places:
        if (file := Path(place) / "weights.pt").is_file():
            return file
    raise ExtraError(
        f'DISTS needs the weights of its channels: pip install "gpk[dists]", or give the file weights.pt of {SOURCE}'
    )
