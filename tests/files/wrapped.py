"""State dicts by the official names, as scripts save them: wrapped, under prefixes, in other types of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import persistence
import torch
from layout import Layout
from safetensors.torch import save_file
from torch import Tensor, nn

State = dict[str, Tensor]


def state_of(generator: nn.Module) -> State:
    """A copy of the generator's numbers."""
    return {name: tensor.detach().clone() for name, tensor in generator.state_dict().items()}


def prefixed(state: Mapping[str, Tensor], prefix: str) -> State:
    """`state` with `prefix` before every name."""
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def other_network() -> State:
    """A few numbers of a network that is no generator."""
    return {"b4.out.weight": torch.ones(1, 4), "b4.out.bias": torch.ones(1), "b8.conv0.weight": torch.ones(4, 4, 3, 3)}


def pt(name: str, whole: Callable[[State], object], *, legacy: bool = False) -> Callable[[Path, nn.Module], str]:
    """A maker of a file of torch.save, from the state dict."""

    def make(folder: Path, generator: nn.Module) -> str:
        return str(persistence.torch_saved(folder / name, whole(state_of(generator)), legacy=legacy))

    return make


def tensors(
    name: str, whole: Callable[[State], State], metadata: dict[str, str] | None = None
) -> Callable[[Path, nn.Module], str]:
    """A maker of a safetensors file."""

    def make(folder: Path, generator: nn.Module) -> str:
        save_file(whole(state_of(generator)), folder / name, metadata)
        return str(folder / name)

    return make


def keyed(make: Callable[[Path, nn.Module], str], key: str) -> Callable[[Path, nn.Module], str]:
    """The same file, and gpk is told the `key` of the generator in it."""
    return lambda folder, generator: f"{make(folder, generator)}::{key}"


def without(part: str) -> Callable[[State], State]:
    """The state dict without the tensors that have `part` in their names."""
    return lambda state: {name: tensor for name, tensor in state.items() if part not in name}


def _cast(dtype: torch.dtype) -> Callable[[State], State]:
    return lambda state: {name: tensor.to(dtype) for name, tensor in state.items()}


def _wrong(state: State) -> State:
    """Another generator of the same names."""
    return {name: torch.zeros_like(tensor) for name, tensor in state.items()}


def _optimizer(state: State) -> dict[str, Any]:
    moments = {i: {"step": torch.tensor(9.0), "exp_avg": tensor * 0} for i, tensor in enumerate(state.values())}
    return {"state": moments, "param_groups": [{"lr": 0.002, "betas": (0.0, 0.99), "params": list(moments)}]}


def _two(state: State) -> dict[str, State]:
    return {"netG_A": _wrong(state), "netG_B": state}


def _two_prefixes(state: State) -> State:
    return prefixed(_wrong(state), "old.") | prefixed(state, "new.")


PLAIN = (
    Layout("state dict, zip", "torch.save(G.state_dict())", pt("g.pt", dict)),
    Layout("state dict, .pth", "the same by another suffix", pt("g.pth", dict)),
    Layout("state dict, legacy", "torch before 1.6", pt("g.pt", dict, legacy=True)),
    Layout("state dict, renamed .pkl", "somebody who wanted a .pkl", pt("renamed.pkl", dict)),
    Layout("state dict, legacy, renamed .pkl", "the same", pt("renamed.pkl", dict, legacy=True)),
    Layout("state dict, without a suffix", "a download", pt("generator", dict)),
    Layout("safetensors", "safetensors.torch.save_file", tensors("g.safetensors", dict)),
    Layout("safetensors, metadata", "the Hub", tensors("g.safetensors", dict, {"format": "pt"})),
    Layout("safetensors, renamed .pt", "somebody who wanted a .pt", tensors("renamed.pt", dict)),
    *(
        Layout(f"{kind}, {str(dtype)[6:]}", "a smaller or an exacter copy", make(name, _cast(dtype)), dtype=dtype)
        for dtype in (torch.float16, torch.bfloat16, torch.float64)
        for kind, make, name in (("state dict", pt, "g.pt"), ("safetensors", tensors, "g.safetensors"))
    ),
    Layout(
        "parameters",
        "torch.save of dict(G.named_parameters()) and buffers",
        pt("g.pt", lambda state: {name: nn.Parameter(tensor) for name, tensor in state.items()}),
    ),
    Layout("a number beside", "a training loop", pt("g.pt", lambda state: {**state, "step": 7})),
    Layout("views of one storage", "flattened parameters", pt("g.pt", lambda state: _views(state))),
)

WRAPPERS = (
    ("G_ema", lambda state: {"G_ema": state}),
    ("G_ema and D", lambda state: {"G": _wrong(state), "G_ema": state, "D": other_network()}),
    ("G_ema and an empty D", lambda state: {"G_ema": state, "D": {}}),
    ("g_ema", lambda state: {"g": _wrong(state), "g_ema": state, "d": other_network(), "g_optim": _optimizer(state)}),
    ("G", lambda state: {"G": state, "D": other_network()}),
    ("state_dict", lambda state: {"state_dict": state, "epoch": 3}),
    ("generator", lambda state: {"generator": state, "discriminator": other_network()}),
    ("params_ema", lambda state: {"params": _wrong(state), "params_ema": state}),
    ("params_ema alone", lambda state: {"params_ema": state}),
    ("netG_state_dict", lambda state: {"netG_state_dict": state, "iter": torch.tensor(5)}),
    ("model, generator", lambda state: {"model": {"generator": state, "discriminator": other_network()}}),
    ("a tuple", lambda state: (state, other_network(), 3)),
    ("generator_ema and generator", lambda state: {"generator": _wrong(state), "generator_ema": state}),
    ("arrays of numpy", lambda state: {"G_ema": {name: tensor.numpy() for name, tensor in state.items()}}),
    ("anything", lambda state: {"anything": state, "epoch": 3}),
    ("a Lightning checkpoint", lambda state: {"epoch": 3, "state_dict": prefixed(state, "G_ema."), "callbacks": {}}),
)
"""A name and what torch.save is given."""

PREFIXES = (
    ("module.", "DataParallel", lambda state: prefixed(state, "module.")),
    ("generator.", "a model of several networks", lambda state: prefixed(state, "generator.")),
    ("_orig_mod.", "torch.compile", lambda state: prefixed(state, "_orig_mod.")),
    ("module.generator.", "both", lambda state: prefixed(state, "module.generator.")),
    (
        "G_ema. with others",
        "several networks in one",
        lambda s: prefixed(s, "G_ema.") | prefixed(_wrong(s), "G.") | prefixed(other_network(), "D."),
    ),
    ("G_ema.", "several networks in one", lambda state: prefixed(state, "G_ema.")),
    (
        "decoder. of an encoder",
        "an encoder's training",
        lambda s: prefixed(s, "decoder.") | {"encoder.input_layer.0.weight": torch.ones(4, 3, 3, 3)},
    ),
)


def _views(state: State) -> State:
    flat, found, at = torch.cat([tensor.flatten() for tensor in state.values()]), {}, 0
    for name, tensor in state.items():
        found[name] = flat[at : at + tensor.numel()].view(tensor.shape)
        at += tensor.numel()
    return found


def _encoder(change: Callable[[State], State], mean: Callable[[Tensor], Tensor]) -> Callable[[State], object]:
    """What an encoder's training saves around the generator's `change`d numbers, with what `mean` makes of their mean
    of w beside.
    """
    return lambda state: {
        "state_dict": prefixed(change(state), "decoder.") | {"encoder.body.0.weight": torch.ones(4, 4, 3, 3)},
        "latent_avg": mean(next(tensor for name, tensor in state.items() if name.endswith("w_avg"))),
    }


ENCODERS = tuple(
    Layout(
        f"decoder. in a state_dict, latent_avg {where}",
        "an encoder's training",
        pt("encoder.pt", _encoder(change, mean)),
        refused=refused,
    )
    for where, change, mean, refused in (
        ("beside", dict, lambda w: w, ""),
        ("beside alone", without("w_avg"), lambda w: w, ""),
        ("beside alone, for each layer", without("w_avg"), lambda w: w.repeat(6, 1), ""),
        (
            "beside alone, another for each layer",
            without("w_avg"),
            lambda w: w + torch.arange(6.0)[:, None],
            r"encoder\.pt .*missing.*w_avg",
        ),
    )
)

SEVERAL = (
    Layout("two in one, the second", "CycleGAN-like trainings", keyed(pt("two.pt", _two), "netG_B")),
    Layout("two prefixes, the second", "a merge", keyed(tensors("two.safetensors", _two_prefixes), "new")),
    Layout(
        "G although there is G_ema",
        "whoever wants the live weights",
        keyed(pt("g.pt", lambda state: {"G": state, "G_ema": _wrong(state)}), "G"),
    ),
    Layout("two in one", "CycleGAN-like trainings", pt("two.pt", _two), refused=r"(?s)two\.pt.*netG_A.*netG_B"),
    Layout(
        "two prefixes",
        "a merge",
        tensors("two.safetensors", _two_prefixes),
        refused=r"(?s)two\.safetensors.*(old.*new|new.*old)",
    ),
    Layout(
        "a key that is not there",
        "a slip",
        keyed(pt("two.pt", _two), "netG_C"),
        refused=r"(?s)two\.pt.*netG_C.*netG_B",
        seen=None,
    ),
)

LACKING = tuple(
    Layout(
        f"without {part}, {kind}",
        "a script that saves parameters only",
        make(f"less.{suffix}", without(part)),
        refused=rf"less\.{suffix} .*missing.*{part}",
    )
    for part in ("noise_const", "resample_filter", "w_avg")
    for kind, make, suffix in (("torch", pt, "pt"), ("safetensors", tensors, "safetensors"))
)

LAYOUTS = (
    *PLAIN,
    *(Layout(f"wrapped: {name}", "a training loop", pt("wrapped.pth", whole)) for name, whole in WRAPPERS),
    *(
        Layout(f"prefix {name} ({kind})", by, make(f"prefixed.{kind}", whole))
        for name, by, whole in PREFIXES
        for kind, make in (("pt", pt), ("safetensors", tensors))
    ),
    *ENCODERS,
    *SEVERAL,
    *LACKING,
)
