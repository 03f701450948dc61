"""What a torch module is as a generator, found by running it: its code, its pictures, its weights.

The code's width is told (`z=100`), an attribute of the module, or that of its first layer; whether it comes as [B, Z]
or [B, Z, 1, 1] is tried. Pictures are between 0 and 1 where a sigmoid ends the module, between -1 and 1 where a tanh
does, and otherwise as they are seen at random codes.

Shapes: B batch, Z code width, C channels (1 or 3), R image side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gpk.errors import InputError
from gpk.generator import Kind, Site
from gpk.testing.alike import alike

WIDTHS = ("z_dim", "latent_dim", "nz", "latent_size", "z_size", "noise_dim", "code_dim", "dim_z")
"""Attributes that say how wide a code is, as code in the wild calls them."""
RANGE = "output_range"
"""The attribute that says between which numbers pictures are, as (low, high)."""
NAMED = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
"""Ranges that have a name."""
LAST: Mapping[type[nn.Module], str] = {nn.Sigmoid: "sigmoid", nn.Tanh: "tanh", nn.Hardtanh: "tanh"}
"""What a module may end in, and the name of its range then."""
CODES = 16
"""Random codes at which the pictures' range is seen."""
_LAYERS = (
    nn.Linear,
    nn.Conv1d, nn.Conv2d, nn.Conv3d,
    nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip


@dataclass(frozen=True)
class Traits:
    """`width` is Z; `column` whether a code is [B, Z, 1, 1]; `resolution` R and `channels` C; `low` and `high` the ends
    of the pictures' range, and `why` those were taken; `sites` the weights that gradients reach, by their paths;
    `folded` how many of the weights were computed from others, by spectral norm or the like, and are plain ones now.
    """

    width: int
    column: bool
    resolution: int
    channels: int
    low: float
    high: float
    why: str
    sites: tuple[Site, ...]
    folded: int = 0

    def __str__(self) -> str:
        form = f"[B, {self.width}, 1, 1]" if self.column else f"[B, {self.width}]"
        folded = f"; {self.folded} of them folded out of a norm" if self.folded else ""
        return (
            f"codes {form} to pictures [B, {self.channels}, {self.resolution}, {self.resolution}] from {self.low:g} to "
            f"{self.high:g} ({self.why}); {len(self.sites)} weights and biases can change{folded}"
        )


def recognise(module: nn.Module, *, width: int | None = None, spread: str | None = None) -> Traits:
    """The traits of `module` on the CPU, in eval mode. `width` and `spread` are what the user says of the code's width
    and of the pictures' range, the latter as one of NAMED or as in "0..255".

    Raises InputError where it is no generator of pictures, or one that cannot be told.
    """
    codes, column, image = _try(module, width)
    with torch.no_grad():
        again = module(codes)
        try:
            alone = module(codes[:1])
        except Exception:  # other people's code: batch normalisation of one, for one, raises
            alone = torch.full_like(image[:1], torch.nan)
    if not torch.equal(image, again):
        raise InputError(
            "the module's picture of a code is another one each time: make it the same in eval mode (noise that is "
            "drawn inside has to be fixed)"
        )
    if not alike(alone, image[:1], image):  # another batch, other kernels
        raise InputError(
            "the module's picture of a code depends on the other codes of the batch: normalisation needs running "
            "statistics in eval mode"
        )
    last, sites = _reached(module, codes)
    low, high, why = _range(module, codes, spread, last)
    return Traits(codes.shape[1], column, image.shape[-1], image.shape[1], low, high, why, sites)


def _try(module: nn.Module, asked: int | None) -> tuple[Tensor, bool, Tensor]:
    """Two codes that the module takes, whether they are columns, and their pictures."""
    widths = [asked] if asked is not None else list(dict.fromkeys(_widths(module)))
    failed: list[str] = []
    misshaped: list[str] = []
    for width in widths:
        for column in (False, True):
            codes = torch.randn(2, width, *((1, 1) if column else ()), generator=torch.Generator().manual_seed(0))
            shown = list(codes.shape)
            try:
                with torch.no_grad():
                    image = module(codes)
            except Exception as error:  # other people's code; what it says is told below
                failed.append(f"{shown}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
                continue
            if not isinstance(image, Tensor):
                misshaped.append(f"{shown} a {type(image).__name__}")
            elif image.ndim != 4 or image.shape[1] not in (1, 3) or image.shape[2] != image.shape[3] or len(image) != 2:
                misshaped.append(f"{shown} a tensor {list(image.shape)}")
            elif not image.isfinite().all():
                misshaped.append(f"{shown} numbers that are not finite")
            else:
                return codes, column, image
    if misshaped:
        raise InputError(
            f"the module makes of codes {'; of '.join(misshaped)}, and a generator makes square pictures "
            "[B, 1 or 3, R, R]: name a function that wraps it"
        )
    tried = f". Tried {'; '.join(failed)}" if failed else ""
    raise InputError(
        f"cannot tell how wide the module's code is: say it, as in module:package.file:factory,z=100, or in an "
        f"attribute z_dim; its forward takes the code [B, Z] or [B, Z, 1, 1] alone{tried}"
    )


def _widths(module: nn.Module) -> Iterator[int]:
    for name in WIDTHS:
        width = getattr(module, name, None)
        if isinstance(width, int) and not isinstance(width, bool) and width > 0:
            yield width
    for layer in module.modules():
        if isinstance(layer, _LAYERS):
            yield layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
            return


def _reached(module: nn.Module, codes: Tensor) -> tuple[nn.Module | None, tuple[Site, ...]]:
    """The submodule that ran last, and every weight that gradients reach, in the order in which its layer ran."""
    paths = {layer: path for path, layer in module.named_modules()}
    ran: dict[nn.Module, int] = {}
    finished: list[nn.Module] = []

    def start(layer: nn.Module, inputs: object) -> None:
        ran.setdefault(layer, 0)

    def end(layer: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            ran[layer] = output.shape[-1]
        if not any(layer.children()):
            finished.append(layer)

    hooks = [hook for m in paths for hook in (m.register_forward_pre_hook(start), m.register_forward_hook(end))]
    wanted = {p: p.requires_grad for p in module.parameters()}
    try:
        for parameter in wanted:
            parameter.requires_grad_(parameter.is_floating_point())
        with torch.enable_grad():
            free = codes.clone().requires_grad_()
            image = module(free)
            learnable = [p for p in wanted if p.requires_grad]
            grads = (
                torch.autograd.grad(image.square().sum(), [free, *learnable], allow_unused=True)
                if (image.requires_grad)
                else (None,) * (1 + len(learnable))
            )
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, flag in wanted.items():
            parameter.requires_grad_(flag)
    if grads[0] is None:
        raise InputError("no gradient reaches the module's code, and inversion needs it: leave out no_grad and detach")
    reached = {p for p, gradient in zip(learnable, grads[1:], strict=True) if gradient is not None}
    sites: list[Site] = []
    for layer, side in ran.items():
        for name, parameter in layer.named_parameters(recurse=False):
            if parameter in reached:
                reached.discard(parameter)  # one that two layers share is told once
                path = f"module.{paths[layer]}".rstrip(".")
                sites.append(Site(path, _kind(layer, parameter), "backbone", side, name))
    if not any(site.kind in ("conv", "linear") for site in sites):
        raise InputError(
            "the module has no convolution or linear layer that gradients reach: there is nothing to adapt"
        )
    return (finished[-1] if finished else None), tuple(sites)


def _kind(layer: nn.Module, parameter: Tensor) -> Kind:
    if parameter.ndim < 2 or parameter.numel() == max(parameter.shape):
        return "bias"
    if isinstance(layer, _LAYERS):
        return "linear" if isinstance(layer, nn.Linear) else "conv"
    if parameter.shape[0] == 1:
        return "const"
    return "linear" if parameter.ndim == 2 else "conv"


def _range(module: nn.Module, codes: Tensor, stated: str | None, last: nn.Module | None) -> tuple[float, float, str]:
    if stated is not None:
        if stated in NAMED:
            return *NAMED[stated], "as you say"
        low, dots, high = stated.partition("..")
        try:
            ends = float(low), float(high)
        except ValueError:
            ends = (0.0, 0.0)
        if not dots or not ends[0] < ends[1]:
            raise InputError(f"range={stated} is no range: say sigmoid, tanh, or two numbers as in range=0..255")
        return *ends, "as you say"
    stated = getattr(module, RANGE, None)
    if stated is not None:
        if not isinstance(stated, tuple | list) or len(stated) != 2 or not stated[0] < stated[1]:
            raise InputError(f"the module's {RANGE} is {stated!r}, not two numbers such as (0, 1)")
        return float(stated[0]), float(stated[1]), f"its {RANGE}"
    for kind, name in LAST.items():
        if isinstance(last, kind):
            return *NAMED[name], f"it ends in {kind.__name__}"
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        seen = [module(torch.randn(codes.shape, generator=rng)) for _ in range(CODES // len(codes))]
    low, high = min(float(image.min()) for image in seen), max(float(image.max()) for image in seen)
    where = f"seen at {CODES} random codes, {low:.2f} to {high:.2f}; say range=… where that is wrong"
    if low >= 0 and high <= 1:
        return *NAMED["sigmoid"], where
    if low >= -1 and high <= 1:
        return *NAMED["tanh"], where
    raise InputError(
        f"cannot tell between which numbers the module's pictures are: at {CODES} random codes from {low:.2f} to "
        f"{high:.2f}. Say it, as in module:package.file:factory,range=tanh (or sigmoid, or 0..255)"
    )
