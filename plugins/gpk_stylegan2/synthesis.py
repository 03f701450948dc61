r"""The synthesis network: from w to a picture, through blocks that double the side from 4 to R.

Skip architecture (Karras et al., 2020, arXiv 1912.04958, section 4.1): every block adds its own picture to the
doubled picture of the block before. One w per convolution; a block's ToRGB shares the w of the next convolution.

Shapes: B batch, L latent layers, D latent width, C channels, R picture side, r a block's side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from gpk.errors import InputError, UnknownNameError
from gpk.generator import Noise
from gpk_stylegan2.layers import SynthesisLayer, ToRGB
from gpk_stylegan2.resample import binomial_filter, doubled


class SynthesisBlock(nn.Module):
    """One resolution. With `in_channels` 0 it starts from the learned constant and has one convolution, else two.

    `up` doubles the side, `reduced` marks a block that may work in reduced precision, and activations stay within
    [-clamp, clamp] where there is a `clamp`.
    """

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        w_dim: int,
        resolution: int,
        img_channels: int,
        up: bool = True,
        reduced: bool = False,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.resolution, self.up, self.reduced = resolution, up, reduced
        self.register_buffer("resample_filter", binomial_filter())
        if in_channels:
            self.conv0 = SynthesisLayer(
                in_channels, out_channels, w_dim=w_dim, resolution=resolution, up=up, clamp=clamp
            )
        else:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        self.first = not in_channels
        self.conv1 = SynthesisLayer(out_channels, out_channels, w_dim=w_dim, resolution=resolution, clamp=clamp)
        self.torgb = ToRGB(out_channels, img_channels, w_dim=w_dim, clamp=clamp)

    def layers(self) -> Iterator[tuple[str, SynthesisLayer]]:
        """The convolutions by name, in execution order."""
        if not self.first:
            yield "conv0", self.conv0
        yield "conv1", self.conv1

    def forward(
        self,
        x: Tensor | None,
        img: Tensor | None,
        ws: Sequence[Tensor],
        noise: Sequence[Tensor | None],
        half: torch.dtype | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Features [B, C, r, r] and picture; one of `ws` [B, D] per convolution and the last for the picture.

        A block of reduced precision works in `half`; where that is None in what `working_dtype` says.
        """
        w = ws[0]
        dtype = working_dtype(w, half) if self.reduced else w.dtype
        y = self.const.expand(w.shape[0], -1, -1, -1).to(dtype) if x is None else x.to(dtype)
        for (_, layer), latent, given in zip(self.layers(), ws[:-1], noise, strict=True):
            y = layer(y, latent, given)
        own = self.torgb(y, ws[-1]).to(w.dtype)
        if img is not None:
            own = own + (doubled(img, self.resample_filter) if self.up else img)
        return y, own


class Synthesis(nn.Module):
    """w [B, L, D] to a picture [B, img_channels, R, R]."""

    def __init__(
        self,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        *,
        channel_base: int,
        channel_max: int,
        num_fp16_res: int = 0,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.resolutions = tuple(2**i for i in range(2, img_resolution.bit_length()))
        self.num_ws = 2 * len(self.resolutions)
        first_reduced = max(2 * img_resolution >> num_fp16_res, 8)
        channels = 0
        for r in self.resolutions:
            before, channels = channels, min(channel_base // r, channel_max)
            block = SynthesisBlock(
                before,
                channels,
                w_dim=w_dim,
                resolution=r,
                img_channels=img_channels,
                reduced=r >= first_reduced,
                clamp=clamp,
            )
            self.add_module(f"b{r}", block)

    def blocks(self) -> Iterator[tuple[str, SynthesisBlock]]:
        """The blocks by name, in execution order."""
        for r in self.resolutions:
            block = self.get_submodule(f"b{r}")
            assert isinstance(block, SynthesisBlock)
            yield f"b{r}", block

    def layers(self, prefix: str) -> dict[str, SynthesisLayer]:
        """The convolutions by path, in execution order."""
        return {f"{prefix}.{b}.{name}": layer for b, block in self.blocks() for name, layer in block.layers()}

    def forward(self, w: Tensor, noise: Sequence[Tensor | None], half: torch.dtype | None = None) -> Tensor:
        """The picture in w's precision; `noise` holds one map or None for each convolution, `half` is as a block has
        it.

        Raises InputError for w of another number of layers.
        """
        if w.ndim != 3 or w.shape[1] != self.num_ws:
            raise InputError(f"w is {list(w.shape)}; this generator takes [B, {self.num_ws}, D], one per layer")
        latents, maps = w.unbind(1), list(noise)
        x = img = None
        at = 0
        for _, block in self.blocks():
            count = 1 if block.first else 2
            x, img = block(x, img, latents[at : at + count + 1], maps[at : at + count], half)
            at += count
        assert img is not None
        return img


def noise_for(
    layers: Mapping[str, SynthesisLayer], noise: Noise, w: Tensor, rng: torch.Generator | None
) -> list[Tensor | None]:
    """What each of `layers` adds: a map [1 or B, 1, r, r], or None for no noise.

    A mapping of maps leaves the layers it does not name with their stored ones; a name that is none of the layers'
    raises UnknownNameError. Noise "random" needs the `rng`: InputError without.
    """
    if isinstance(noise, Mapping):
        for path in noise:
            if path not in layers:
                raise UnknownNameError("noise map", path, layers)
        given = [noise.get(path, layer.noise_const) for path, layer in layers.items()]
        return [map_.reshape(-1, 1, *map_.shape[-2:]).to(w) for map_ in given]
    if noise == "none":
        return [None for _ in layers]
    if noise == "const":
        return [layer.noise_const[None, None] for layer in layers.values()]
    if rng is None:
        raise InputError("noise 'random' needs an rng: without one a picture is always the same")
    return [
        torch.randn(w.shape[0], 1, r, r, generator=rng, device=rng.device, dtype=w.dtype).to(w.device)
        for r in (layer.resolution for layer in layers.values())
    ]


def working_dtype(like: Tensor, half: torch.dtype | None) -> torch.dtype:
    """The type that a block of reduced precision works in: `half`, or what the device gains by.

    On CUDA pictures are made in float16, whose mantissa is the finer, as the published networks make them; learning
    is done in bfloat16, whose range is float32's, so that no gradient is lost for being small.
    """
    if half is not None:
        return half
    if not like.is_cuda:
        return like.dtype
    if not torch.is_grad_enabled():
        return torch.float16
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else like.dtype
