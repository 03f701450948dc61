r"""The mapping network: from the noise z, and a label where there is one, to the intermediate latent w.

z / rms(z), joined by the embedded label / rms, goes through n fully connected layers; w is then drawn towards its
mean, w_avg + psi (w - w_avg) (Karras et al., 2019, arXiv 1812.04948, sections 2 and B).

Shapes: B batch, Z noise width, K label width, L latent layers, D latent width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gpk.errors import InputError
from gpk_stylegan2.layers import EPSILON, FullyConnected


class MappingNetwork(nn.Module):
    """z [B, Z] and label [B, K] to w [B, L, D]; `label_dim` 0 takes no label."""

    w_avg: Tensor

    def __init__(
        self, z_dim: int, w_dim: int, num_ws: int, *, layers: int, lr_multiplier: float, label_dim: int = 0
    ) -> None:
        super().__init__()
        self.num_ws, self.layers = num_ws, layers
        if label_dim:
            self.embed = FullyConnected(label_dim, w_dim)
        self.label_dim = label_dim
        for i in range(layers):
            inputs = w_dim if i else z_dim + (w_dim if label_dim else 0)
            self.add_module(f"fc{i}", FullyConnected(inputs, w_dim, activation="lrelu", lr_multiplier=lr_multiplier))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self, z: Tensor, label: Tensor | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """Truncation psi applies to the first `cutoff` layers, to all where None. Raises InputError without a label
        where there has to be one.
        """
        w = normalised(z)
        if self.label_dim:
            if label is None:
                raise InputError(f"this mapping network needs a label of {self.label_dim} numbers")
            w = torch.cat([w, normalised(self.embed(label))], dim=1)
        for i in range(self.layers):
            w = self.get_submodule(f"fc{i}")(w)
        ws = w[:, None].expand(-1, self.num_ws, -1)
        if truncation == 1:
            return ws.contiguous()
        drawn = self.w_avg + truncation * (ws - self.w_avg)
        return drawn if cutoff is None else torch.cat([drawn[:, :cutoff], ws[:, cutoff:]], dim=1)


def normalised(x: Tensor) -> Tensor:
    """`x` [B, n] with unit mean square."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + EPSILON)
