r"""StyleGAN2 (Karras et al., 2020, arXiv 1912.04958): w to a picture, with the official state-dict layout.

Shapes: B batch, L latent layers, D latent width, Z noise width, R image side, r a layer's side.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk.generator import Generator, LatentSpace, Noise, Render, Site
from gpk_stylegan2.config import StyleGAN2Config
from gpk_stylegan2.mapping import MappingNetwork
from gpk_stylegan2.sites import mapping_sites, synthesis_sites
from gpk_stylegan2.synthesis import Synthesis, noise_for


class _Mapping(MappingNetwork):
    """The unconditional mapping with a generator's signature: a 2D generator has no use for the camera."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        del camera
        return super().forward(z, truncation=truncation, cutoff=cutoff)


@final
class StyleGAN2(Generator):
    """A StyleGAN2 of `config`, randomly initialised; `half_dtype` is for the blocks that the config marks."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        self.resolution = config.img_resolution
        self.synthesis = Synthesis(
            config.w_dim,
            config.img_resolution,
            config.img_channels,
            channel_base=config.channel_base,
            channel_max=config.channel_max,
            num_fp16_res=config.num_fp16_res,
            clamp=config.conv_clamp,
        )
        self.latent = LatentSpace(config.z_dim, config.w_dim, self.synthesis.num_ws)
        self._modules["mapping"] = _Mapping(
            config.z_dim,
            config.w_dim,
            self.latent.num_ws,
            layers=config.mapping_layers,
            lr_multiplier=config.mapping_lr_multiplier,
        )

    @property
    def mapping(self) -> _Mapping:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The mapping network, called like the contract's method.

        The official layout wants a submodule of this very name, so the method's place is taken by the module.
        """
        mapping = self._modules["mapping"]
        assert isinstance(mapping, _Mapping)
        return mapping

    def forward(
        self, w: Tensor, camera: Camera | None = None, *, noise: Noise = "const", rng: torch.Generator | None = None
    ) -> Render:
        """The picture of w [B, L, D]; the camera is ignored."""
        del camera
        maps = noise_for(self.synthesis.layers("synthesis"), noise, w, rng)
        return Render(self.synthesis(w, maps, self.half_dtype))

    def sites(self) -> tuple[Site, ...]:
        """Every weight and bias of mapping and synthesis, noise strengths, and the constant."""
        return (*mapping_sites("mapping", self.mapping), *synthesis_sites("synthesis", self.synthesis))

    def noise_maps(self) -> dict[str, Tensor]:
        """The stored noise maps [r, r] by layer path."""
        return {path: layer.noise_const for path, layer in self.synthesis.layers("synthesis").items()}
