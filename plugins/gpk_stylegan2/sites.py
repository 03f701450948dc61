r"""The stored weights of StyleGAN2's networks that may change, in execution order, with their run-time gains.

A site's gain is what its layer multiplies the stored weight by: 1/sqrt(fan_in) for styles (affine) and for RGB
(there through the style), the learning-rate multiplier besides in the mapping, 1 for a demodulated convolution.
"""

from __future__ import annotations

from collections.abc import Iterator

from gpk.generator import Kind, Part, Site
from gpk_stylegan2.layers import FullyConnected
from gpk_stylegan2.mapping import MappingNetwork
from gpk_stylegan2.synthesis import Synthesis, SynthesisBlock


def mapping_sites(path: str, mapping: MappingNetwork) -> Iterator[Site]:
    """Weights and biases of the label embedding and of every layer."""
    for name, layer in mapping.named_children():
        if isinstance(layer, FullyConnected):
            yield from connected_sites(f"{path}.{name}", layer, "linear", "mapping", 0)


def synthesis_sites(path: str, synthesis: Synthesis) -> Iterator[Site]:
    """Those of every block."""
    for name, block in synthesis.blocks():
        yield from block_sites(f"{path}.{name}", block, "backbone")


def block_sites(path: str, block: SynthesisBlock, part: Part) -> Iterator[Site]:
    """The constant, then per convolution style, weight, noise strength and bias, then those of the picture."""
    r = block.resolution
    if block.first:
        yield Site(path, "const", part, r, "const")
    for name, layer in block.layers():
        own = f"{path}.{name}"
        yield from connected_sites(f"{own}.affine", layer.affine, "affine", part, r)
        yield Site(own, "conv", part, r)
        yield Site(own, "noise", part, r, "noise_strength")
        yield Site(own, "bias", part, r, "bias")
    own = f"{path}.torgb"
    yield from connected_sites(f"{own}.affine", block.torgb.affine, "affine", part, r)
    yield Site(own, "torgb", part, r, gain=block.torgb.weight_gain)
    yield Site(own, "bias", part, r, "bias")


def connected_sites(path: str, layer: FullyConnected, kind: Kind, part: Part, resolution: int) -> Iterator[Site]:
    """Weight and bias of one fully connected layer."""
    yield Site(path, kind, part, resolution, gain=layer.weight_gain)
    yield Site(path, "bias", part, resolution, "bias", gain=layer.bias_gain)
