r"""Super-resolution: StyleGAN2 blocks that carry the feature image to the final side, all styled by the last w.

The first three features are the raw picture, and each block adds to it (Chan et al., 2022, arXiv 2112.07945,
section 3.4). The published modules, 8X and 8XDC, are two doubling blocks that differ in width.

Shapes: B batch, F features, D latent width, r and R sides before and after.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.album import resize
from gpk_eg3d.config import CLAMP, EG3DConfig
from gpk_stylegan2.resample import binomial_filter
from gpk_stylegan2.synthesis import SynthesisBlock


class Superresolution(nn.Module):
    """A feature image [B, F, r, r] to a picture [B, 3, R, R]."""

    def __init__(self, config: EG3DConfig) -> None:
        super().__init__()
        self.side, self.antialias = config.sr_input_resolution, config.sr_antialias
        self.count = len(config.sr_channels)
        reduced = config.sr_num_fp16_res > 0
        before = config.decoder_features
        for i, channels in enumerate(config.sr_channels):
            block = SynthesisBlock(
                before,
                channels,
                w_dim=config.w_dim,
                resolution=config.sr_resolutions[i],
                img_channels=3,
                up=config.sr_up[i],
                reduced=reduced,
                clamp=CLAMP if reduced else None,
            )
            self.add_module(f"block{i}", block)
            before = channels
        if config.sr_resample_filter:
            self.register_buffer("resample_filter", binomial_filter())

    def blocks(self) -> list[tuple[str, SynthesisBlock]]:
        """The blocks by name, in execution order."""
        return [(name, block) for name, block in self.named_children() if isinstance(block, SynthesisBlock)]

    def forward(self, features: Tensor, w: Tensor, half: torch.dtype | None = None) -> Tensor:
        """`w` [B, D]; features of another side than the network's are resized first, bilinearly. `half` is the type of
        reduced precision, as a block's.
        """
        if self.antialias:
            features = resize(features, self.side)
        elif features.shape[-1] != self.side:
            features = F.interpolate(features, (self.side, self.side), mode="bilinear", align_corners=False)
        x, img = features, features[:, :3]
        for _, block in self.blocks():
            x, img = block(x, img, (w, w, w), (None, None), half)
        return img
