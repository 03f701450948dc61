r"""EG3D (Chan et al., 2022, arXiv 2112.07945): w and a camera to a picture, through a field on three planes.

A StyleGAN2 backbone draws the planes, a decoder turns their features into colour and density, a volume renderer makes
a small feature image of them, and super-resolution the final one. The state-dict layout is the official one.

Shapes: B batch, L latent layers, D latent width, Z noise width, P planes, C channels per plane, H and W sides of a
plane, F colour features, N points, R image side, r a layer's side.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Self, cast, final

import torch
from torch import Tensor, nn

from gpk.camera import Camera
from gpk.errors import InputError
from gpk.generator import Generator, LatentSpace, Noise, Render, Site, ViewFunction
from gpk.solid import Matter, Solid
from gpk_eg3d.config import EG3DConfig
from gpk_eg3d.decoder import Decoder
from gpk_eg3d.rays import activated
from gpk_eg3d.renderer import rendered, shaded
from gpk_eg3d.superres import Superresolution
from gpk_stylegan2.layers import FullyConnected
from gpk_stylegan2.mapping import MappingNetwork
from gpk_stylegan2.sites import block_sites, connected_sites, mapping_sites, synthesis_sites
from gpk_stylegan2.synthesis import Synthesis, noise_for


class Backbone(nn.Module):
    """The StyleGAN2 that draws the planes: `synthesis` and `mapping`."""

    def __init__(self, config: EG3DConfig) -> None:
        super().__init__()
        self.synthesis = Synthesis(
            config.w_dim,
            config.plane_resolution,
            config.plane_channels * len(config.plane_axes),
            channel_base=config.channel_base,
            channel_max=config.channel_max,
            num_fp16_res=config.num_fp16_res,
            clamp=config.conv_clamp,
        )
        self.mapping = MappingNetwork(
            config.z_dim,
            config.w_dim,
            self.synthesis.num_ws,
            layers=config.mapping_layers,
            lr_multiplier=config.mapping_lr_multiplier,
            label_dim=config.c_dim,
        )


@final
class EG3D(Generator):
    """An EG3D of `config`, randomly initialised; `half_dtype` is for the parts that the config marks."""

    def __init__(self, config: EG3DConfig) -> None:
        super().__init__()
        self.config = config
        self.resolution = config.img_resolution
        self.backbone = Backbone(config)
        self.decoder = Decoder(
            config.plane_channels, config.decoder_hidden, config.decoder_features, lr_multiplier=config.decoder_lr_mul
        )
        self.superresolution = Superresolution(config)
        self.latent = LatentSpace(config.z_dim, config.w_dim, self.backbone.synthesis.num_ws)

    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """Latents [B, L, D] for z [B, Z] under `camera`: the frontal one where None, lest identity drift with pose.

        Raises InputError where it takes labels and there are neither one camera nor B of them.
        """
        label = None
        if self.config.c_dim:
            seen = _one_each(self.frontal() if camera is None else camera, len(z)).to(z.device, z.dtype)
            label = seen.label() * (0.0 if self.config.c_gen_conditioning_zero else self.config.c_scale)
        return self.backbone.mapping(z, label, truncation=truncation, cutoff=cutoff)

    def forward(
        self,
        w: Tensor,
        camera: Camera | None = None,
        *,
        noise: Noise = "const",
        rng: torch.Generator | None = None,
        resolution: int | None = None,
    ) -> Render:
        """The view from `camera`, frontal where None, with `resolution` rays a side before super-resolution."""
        return self.view(self.planes(w, noise=noise, rng=rng), w, camera, rng=rng, resolution=resolution)

    def looking_at(self, w: Tensor) -> ViewFunction:
        """What shows w [B, L, D] to one camera after the other; the planes are drawn once."""
        planes = self.planes(w)
        return lambda camera: self.view(planes, w, camera)

    def planes(self, w: Tensor, *, noise: Noise = "const", rng: torch.Generator | None = None) -> Tensor:
        """The planes [B, P, C, H, W] that w [B, L, D] draws: the subject, whatever the camera."""
        maps = noise_for(self.backbone.synthesis.layers("backbone.synthesis"), noise, w, rng)
        picture = self.backbone.synthesis(w, maps, self.half_dtype)
        return picture.unflatten(1, (len(self.config.plane_axes), self.config.plane_channels))

    def view(
        self,
        planes: Tensor,
        w: Tensor,
        camera: Camera | None = None,
        *,
        rng: torch.Generator | None = None,
        resolution: int | None = None,
    ) -> Render:
        """What `camera` sees of `planes`, which w [B, L, D] drew; many views of one subject need its planes only once.

        Without `rng` rays are sampled without jitter; `resolution` is as `forward` has it. Raises InputError where
        there are neither one camera nor B of them.
        """
        seen = _one_each(self.frontal() if camera is None else camera, len(planes)).to(planes.device, planes.dtype)
        features, depth = rendered(
            planes,
            self.decoder,
            seen,
            self.config,
            resolution=resolution or self.config.neural_rendering_resolution,
            rng=rng,
        )
        return Render(self.superresolution(features, w[:, -1], self.half_dtype), features[:, :3], depth)

    @property
    def depth_samples(self) -> int:
        """Samples along each ray, of both passes."""
        return self.config.depth_resolution + self.config.depth_resolution_importance

    @contextmanager
    def finer(self, times: int) -> Iterator[Self]:
        """This generator with `times` as many samples along each ray in both passes, inside the block."""
        whole = self.config
        self.config = replace(
            whole,
            depth_resolution=times * whole.depth_resolution,
            depth_resolution_importance=times * whole.depth_resolution_importance,
        )
        try:
            yield self
        finally:
            self.config = whole

    def field(self, points: Tensor, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Colour features [B, N, F] and raw density [B, N, 1] at world `points` [B, N, 3]."""
        colours, densities = shaded(planes, self.decoder, points[:, None], self.config)
        return colours[:, :, 0].mT, densities[:, 0, :, None]

    def solid(self, w: Tensor) -> Solid:
        """The matter of w [1, L, D] in the planes' box, with the raw picture's colours; its planes are drawn once.

        What rays are forced to end on (`opaque_far`) is none of it.
        """
        planes, c = self.planes(w), self.config

        def at(points: Tensor) -> Matter:
            features, densities = self.field(points[None], planes)
            return Matter(
                activated(densities[0, :, 0], gain=c.density_gain, offset=c.density_offset), 2 * features[0, :, :3] - 1
            )

        half = planes.new_full((3,), c.box_warp / 2)
        return Solid(at, torch.stack([-half, half]))

    def sites(self) -> tuple[Site, ...]:
        """Mapping, backbone, decoder, super-resolution: weights, biases, noise strengths, and the constant.

        Super-resolution runs without noise: its strengths are listed, for files carry them, but change nothing.
        """
        return tuple(self._sites())

    def _sites(self) -> Iterator[Site]:
        yield from mapping_sites("backbone.mapping", self.backbone.mapping)
        yield from synthesis_sites("backbone.synthesis", self.backbone.synthesis)
        for i in (0, 2):
            layer = cast(FullyConnected, self.decoder.net[i])
            yield from connected_sites(f"decoder.net.{i}", layer, "linear", "decoder", 0)
        for name, block in self.superresolution.blocks():
            yield from block_sites(f"superresolution.{name}", block, "superres")

    def noise_maps(self) -> dict[str, Tensor]:
        """The backbone's stored noise maps [r, r] by layer path."""
        layers = self.backbone.synthesis.layers("backbone.synthesis")
        return {path: layer.noise_const for path, layer in layers.items()}

    def orbit(self, yaw: Tensor | float = 0.0, pitch: Tensor | float = 0.0) -> Camera:
        """Cameras [B] at these angles off the frontal view, in radians, on the generator's device."""
        c = self.config
        camera = Camera.orbit(yaw, pitch, radius=c.avg_camera_radius, pivot=c.avg_camera_pivot, focal=c.focal)
        return camera.to(self.backbone.mapping.w_avg.device)

    def frontal(self, batch: int = 1) -> Camera:
        """The camera straight in front, `batch` times."""
        return self.orbit().expand(batch)


def _one_each(camera: Camera, batch: int) -> Camera:
    """`camera` for each of `batch` samples; a single one serves all."""
    if len(camera) == 1:
        return camera.expand(batch)
    if len(camera) != batch:
        raise InputError(f"{len(camera)} cameras for a batch of {batch}")
    return camera
