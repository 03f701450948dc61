r"""dlib's recogniser of faces, read from the file that dlib wrote of it, without dlib.

A residual network of 29 convolutions (after He et al., 2015, arXiv 1512.03385, ResNet-34, with fewer layers and half
the widths), trained by Davis King on three million pictures of faces; its weights are in the public domain
(https://github.com/davisking/dlib-models, CC0).

dlib writes layers one after the other, each with its name, its settings, and what it learned (`serialize.h` and
`dnn/layers.h` of dlib, Boost licence). A whole number is a byte that says how many bytes follow, and these, the least
first; a name is its length and its letters; a tensor is the number 2, its four sides, and its numbers as they are:

    05 "con_4"    2  4736 1 1 1    32·3·7·7 weights, 32 biases
    07 "affine_"  2    64 1 1 1    32 scales, 32 shifts, which follow each convolution
    04 "fc_2"  128 256  2  256 128 1 1

What a layer begins with follows from the network's own shapes, so that each is looked for right behind the one before,
and nothing else of the file is read.

Shapes: B batch, C channels, h and w sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.errors import WeightsError
from gpk_checkpoints.budget import read_file
from gpk_checkpoints.sniffed import NOTHING, what_is

SIDE = 150
"""Pixels of a side of what it looks at."""
BLOCKS = ((32, False),) * 3 + ((64, True),) + ((64, False),) * 3 + ((128, True),) + ((128, False),) * 2
BLOCKS += ((256, True),) + ((256, False),) * 2 + ((256, True),)
"""Width of each block, and whether it halves the sides."""
FEATURES = 128
"""Numbers that a face becomes."""
COLOUR = (122.782, 117.001, 104.298)
"""Mean red, green and blue of what it learned from, of 255; pictures are less by them, and a 256th."""
BETWEEN = 512
"""Bytes that lie between what two layers learned, at most: 277 do."""
LARGEST = 2**25
"""Bytes of a file that is read."""


class Block(nn.Module):
    """Two convolutions beside a shortcut, which is averaged where the block halves the sides. What is narrower or
    smaller than the other is filled up with zeros.
    """

    def __init__(self, before: int, width: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.first = nn.Conv2d(before, width, 3, 2, 0) if halves else nn.Conv2d(before, width, 3, 1, 1)
        self.second = nn.Conv2d(width, width, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] → [B, width, h, w], or about half of h and w."""
        y = self.second(self.first(x).relu())
        if self.halves:
            x = F.avg_pool2d(x, 2)
        sides = [max(a, b) for a, b in zip(x.shape[1:], y.shape[1:], strict=True)]
        return (_filled(x, sides) + _filled(y, sides)).relu()


class Recogniser(nn.Module):
    """Faces [B, 3, 150, 150] in [-1, 1], cut out as dlib does, → dlib's descriptors [B, 128]. Two of one person are as
    a rule less than 0.6 apart.
    """

    colour: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("colour", torch.tensor(COLOUR, device="cpu").view(3, 1, 1), persistent=False)
        width = BLOCKS[0][0]
        self.stem = nn.Conv2d(3, width, 7, 2)
        blocks = []
        for after, halves in BLOCKS:
            blocks.append(Block(width, after, halves))
            width = after
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(width, FEATURES, bias=False)

    def forward(self, faces: Tensor) -> Tensor:
        """What is seen in the faces."""
        x = ((faces + 1) * 127.5 - self.colour) / 256
        x = F.max_pool2d(self.stem(x).relu(), 3, 2)
        return self.last(self.blocks(x).mean((2, 3)))


def read_recogniser(file: Path, *, remedy: str) -> Recogniser:
    """The network of a file of dlib's, each convolution with its scale and shift made one.

    Raises WeightsError, which ends with `remedy`, where the file is of something else.
    """
    with torch.device("meta"):  # random weights would cost time and move the global random state
        network = Recogniser()
    try:
        content = bytearray(read_file(file, LARGEST))
    except OSError as error:
        raise WeightsError(f"cannot read {file}: {error.strerror}") from error
    learned = _learned(content, network)
    state = {}
    try:
        for name, layer in _convolutions(network):
            weight, bias = next(learned).split([layer.weight.numel(), layer.out_channels])
            scale, shift = next(learned).chunk(2)
            state[f"{name}.weight"] = weight.view(layer.weight.shape) * scale.view(-1, 1, 1, 1)
            state[f"{name}.bias"] = bias * scale + shift
        state["last.weight"] = next(learned).view(network.last.in_features, FEATURES).T.contiguous()
    except LookupError as error:
        what = what_is(file) if not state else NOTHING
        told = f", but {what}" if what != NOTHING else ""
        raise WeightsError(f"{file} is not dlib's recogniser of faces{told}: {error.args[0]}. {remedy}") from None
    network.load_state_dict(state, assign=True)
    return network


def _learned(content: bytearray, network: Recogniser) -> Iterator[Tensor]:
    """The numbers of each layer in the order of the file; raises LookupError with a reason for another one."""
    at = 0
    for number, (head, count) in enumerate(_heads(network), 1):
        begin = content.find(head, at, at + BETWEEN + len(head)) + len(head)
        at = begin + 4 * count
        if begin < len(head):
            raise LookupError(f"its layer {number} is another one, or none")
        if at > len(content):
            raise LookupError(f"it ends in its layer {number}")
        yield torch.frombuffer(content[begin:at], dtype=torch.float32)  # a copy: they begin at odd places


def _heads(network: Recogniser) -> Iterator[tuple[bytes, int]]:
    """What each layer begins with, up to its numbers, and how many these are."""
    for _, layer in _convolutions(network):
        count = layer.weight.numel() + layer.out_channels
        yield _name("con_4") + _numbers(2, count, 1, 1, 1), count
        yield _name("affine_") + _numbers(2, 2 * layer.out_channels, 1, 1, 1), 2 * layer.out_channels
    before = network.last.in_features
    yield _name("fc_2") + _numbers(FEATURES, before, 2, before, FEATURES, 1, 1), before * FEATURES


def _convolutions(network: Recogniser) -> list[tuple[str, nn.Conv2d]]:
    return [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)]


def _name(text: str) -> bytes:
    return _numbers(len(text)) + text.encode()


def _numbers(*values: int) -> bytes:
    r"""Whole numbers above 0 as dlib writes them.

    >>> _numbers(2, 4736)
    b'\x01\x02\x02\x80\x12'
    """
    sizes = ((value.bit_length() + 7) // 8 for value in values)
    return b"".join(bytes([size]) + value.to_bytes(size, "little") for size, value in zip(sizes, values, strict=True))


def _filled(x: Tensor, sides: list[int]) -> Tensor:
    """[B, C, h, w] with zeros behind its channels, rows and columns up to these sides."""
    channels, height, width = (side - given for side, given in zip(sides, x.shape[1:], strict=True))
    return F.pad(x, (0, width, 0, height, 0, channels))
