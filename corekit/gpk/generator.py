r"""What a generator is: w and a camera in, a Render out, and the list of its weights that may change.

Shapes: B batch, L latent layers, D latent width, Z noise width, R image side, r side before super-resolution, S side of
a synthesis layer.
"""

from __future__ import annotations

import abc
import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gpk.camera import Camera
from gpk.errors import InputError, PersonaError
from gpk.solid import Solid

Kind = Literal["conv", "affine", "torgb", "linear", "bias", "noise", "const"]
"""What a weight is: that of a convolution, of the affine layer that makes a style of w, of a convolution to RGB, of
another linear layer; a bias, a strength of noise, the constant that synthesis starts from.
"""
Part = str
"""What a weight is part of: one of PARTS, or a word of the family's own, such as "density"."""
PARTS: tuple[Part, ...] = ("mapping", "backbone", "decoder", "superres")
"""What makes w of z, what makes the subject of w, what turns features at a point into density and colour, what makes
the picture larger. Presets name these alone; a part with a word of its own is treated as the backbone is.
"""
Noise = Literal["const", "random", "none"] | Mapping[str, Tensor]
"""Noise of the synthesis layers: the stored maps, fresh ones, none, or maps [1|B, 1, S, S] by layer path."""


class Render(NamedTuple):
    """What a generator shows: `image` [B, 3, R, R] in [-1, 1]; `raw` [B, 3, r, r] before super-resolution;
    `depth` [B, 1, r, r] in world units along the ray.
    """

    image: Tensor
    raw: Tensor | None = None
    depth: Tensor | None = None

    @property
    def pyramid(self) -> tuple[Tensor, ...]:
        """Every RGB image of the view, finest first: the loss is applied on each."""
        return (self.image,) if self.raw is None else (self.image, self.raw)


ViewFunction = Callable[[Camera | None], Render]
"""What one w looks like from a camera, the frontal one where None."""


@dataclass(frozen=True)
class Site:
    """One stored weight that may change.

    `resolution` is the side in pixels of what the weight works on, 0 where that means nothing; with `part` it makes the
    block that analyses tell of and ranks are given to.

    `gain` is what the network multiplies the stored weight by at run time (equalised learning rate).
    """

    path: str
    kind: Kind
    part: Part
    resolution: int
    parameter: str = "weight"
    gain: float = 1.0

    @property
    def key(self) -> str:
        """The weight's name in the generator's state dict.

        >>> Site("synthesis.b4.conv1", "conv", "backbone", 4).key
        'synthesis.b4.conv1.weight'
        """
        return f"{self.path}.{self.parameter}" if self.path else self.parameter

    @property
    def block(self) -> str:
        """The resolution block it belongs to: its part, and where the part has several resolutions which one.

        >>> Site("synthesis.b4.conv1", "conv", "backbone", 4).block, Site("net.0", "linear", "decoder", 0).block
        ('backbone.4', 'decoder')
        """
        return f"{self.part}.{self.resolution}" if self.resolution else self.part


@dataclass(frozen=True)
class LatentSpace:
    """Widths of Z and W, and how many copies of w the synthesis consumes.

    An anchor in W is one code [D], and every layer is given it: so `mapping` gives all layers the same one, and where
    they are told different things each takes its own share of its D numbers. In W+ each layer has a code to itself.
    """

    z_dim: int
    w_dim: int
    num_ws: int


class Generator(nn.Module, abc.ABC):
    """A pretrained network that a persona can be attached to. Abstract; every subclass is final."""

    latent: LatentSpace
    resolution: int
    """The side R of its pictures, in pixels."""
    half_dtype: torch.dtype | None = None
    """The type of the parts that may run in reduced precision, float32 for none; where None the device decides."""

    @abc.abstractmethod
    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """w [B, L, D] for z [B, Z]; truncation pulls the first `cutoff` layers (all where None) towards w_avg."""

    @abc.abstractmethod
    def forward(
        self, w: Tensor, camera: Camera | None = None, *, noise: Noise = "const", rng: torch.Generator | None = None
    ) -> Render:
        """The view of w [B, L, D] from `camera` (ignored by 2D generators).

        Without `rng` the result is deterministic; with it, ray samples are jittered and noise "random" is drawn from
        it.
        """

    def looking_at(self, w: Tensor) -> ViewFunction:
        """What shows w [B, L, D] to one camera after the other, as long as the weights stay what they are.

        A generator that makes the subject before it looks at it makes it here, once.
        """
        return lambda camera: self(w, camera)

    def views(self, w: Tensor, cameras: Camera) -> Iterator[Render]:
        """What each of the `cameras` sees of w [B, L, D], one after the other: a render [B, …] each."""
        view = self.looking_at(w)
        for index in range(len(cameras)):
            yield view(cameras[index].expand(len(w)))

    def solid(self, w: Tensor) -> Solid | None:
        """The matter of one code w [1, L, D], as long as the weights stay what they are; None for a generator that has
        only pictures. One that has matter renders depth too.
        """
        return None

    @property
    def depth_samples(self) -> int:
        """Samples along each ray; 0 for a generator that has no rays, or none whose samples can be multiplied."""
        return 0

    @contextmanager
    def finer(self, times: int) -> Iterator[Self]:
        """This generator with `times` as many samples along each ray, inside the block: moving pictures flicker less.

        Raises InputError where there are no samples to multiply, unless `times` is 1.
        """
        if times != 1:
            raise InputError(f"{type(self).__name__} has no samples along rays: they cannot be multiplied by {times}")
        yield self

    @abc.abstractmethod
    def sites(self) -> tuple[Site, ...]:
        """Every weight that may change, in execution order."""

    def noise_maps(self) -> dict[str, Tensor]:
        """The stored noise maps [S, S] by layer path; empty where the generator has none."""
        return {}

    def orbit(self, yaw: Tensor | float = 0.0, pitch: Tensor | float = 0.0) -> Camera | None:
        """Cameras [B] at these angles off the frontal view, in radians; None for 2D generators."""
        return None

    def frontal(self, batch: int = 1) -> Camera | None:
        """The frontal camera, `batch` times: it conditions the mapping. None for 2D generators."""
        camera = self.orbit()
        return None if camera is None else camera.expand(batch)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy; refused while a persona is attached.

        torch shares the class it injects into a parametrized module, so that detaching the copy would break the
        original.
        """
        if any(parametrize.is_parametrized(module) for module in self.modules()):
            raise PersonaError("a generator cannot be copied while a persona is attached: detach it first")
        twin = self.__class__.__new__(self.__class__)
        memo[id(self)] = twin
        vars(twin).update(copy.deepcopy(self.__dict__, memo))
        return twin

    def weight(self, site: Site) -> Tensor:
        """The weight at `site`, with whatever is attached to it."""
        return getattr(self.get_submodule(site.path), site.parameter)


@torch.no_grad()
def fingerprint(network: nn.Module) -> str:
    """sha256 of every stored tensor's name, shape and float32 value: the same for one network in any file format.

    It tells which weights a generator, or the judge behind a figure, had. A network whose weights are no tensors of
    its own, such as one that onnxruntime runs, tells their file's hash itself, as `weights_sha256`. Empty for a
    network on the meta device, which has no values.
    """
    told = getattr(network, "weights_sha256", None)
    if isinstance(told, str):
        return told
    tensors = sorted(network.state_dict().items())
    if any(tensor.is_meta for _, tensor in tensors):
        return ""
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name}{list(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
