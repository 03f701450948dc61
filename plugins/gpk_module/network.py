"""Any torch module as a generator: W is Z, and its pictures are brought to three channels in [-1, 1].

A code z ~ N(0, 1) is w itself, so that the mean of w is 0 and truncation pulls towards it.

Shapes: B batch, Z code width, R image side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self, final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from gpk.camera import Camera
from gpk.generator import Generator, LatentSpace, Noise, Render, Site
from gpk_module.traits import Traits


@final
class ModuleGenerator(Generator):
    """A `module` of those `traits`, always in evaluation mode."""

    def __init__(self, module: nn.Module, traits: Traits) -> None:
        super().__init__()
        self.latent = LatentSpace(z_dim=traits.width, w_dim=traits.width, num_ws=1)
        self.resolution = traits.resolution
        self.traits = traits
        self.module = module
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode: batch normalisation may not look at who else is in the batch, or learn from it."""
        return super().train(False)

    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """w [B, 1, Z] is z [B, Z], pulled towards 0."""
        return z[:, None] * (1.0 if cutoff == 0 else truncation)

    def forward(
        self, w: Tensor, camera: Camera | None = None, *, noise: Noise = "const", rng: torch.Generator | None = None
    ) -> Render:
        """The module's picture of w [B, 1, Z]; there are no cameras and no noise."""
        code = w[:, 0]
        low, high = self.traits.low, self.traits.high
        image = self.module(code[:, :, None, None] if self.traits.column else code)
        return Render(((image - low) * (2 / (high - low)) - 1).expand(-1, 3, -1, -1))

    def sites(self) -> tuple[Site, ...]:
        """Every weight that gradients reach, as `gpk_module.traits` found them."""
        return self.traits.sites


def computed(module: nn.Module) -> Iterator[tuple[nn.Module, str, Callable[[nn.Module, str], object]]]:
    """Every weight that is computed from others (spectral norm, weight norm, any parametrization of torch's): its
    layer, its name, and what makes it a plain parameter of the value that it has now.
    """
    for layer in list(module.modules()):
        if parametrize.is_parametrized(layer):
            for name in list(layer.parametrizations):  # pyright: ignore[reportArgumentType, reportGeneralTypeIssues]
                yield layer, name, parametrize.remove_parametrizations
        for hook in list(layer._forward_pre_hooks.values()):
            if isinstance(hook, SpectralNorm | WeightNorm):
                yield layer, hook.name, remove_spectral_norm if isinstance(hook, SpectralNorm) else remove_weight_norm


def fold(module: nn.Module) -> int:
    """Makes every computed weight of `module`, in eval mode, a plain one of the same value, to which a change can be
    attached, and returns how many.
    """
    found = list(computed(module))
    for layer, name, settle in found:
        settle(layer, name)
    return len(found)
