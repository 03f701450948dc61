"""Makes files in the layout of the official checkpoints, and their poisoned twins.

    python official.py eg3d-ffhq OUT.pkl [--seed N]
    python official.py stylegan2/ffhq-1024 OUT.pkl

writes a full-size file of random numbers, for trying things by hand.
"""

from __future__ import annotations

import argparse
import io
import os
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from corekit.generator import Generator
from corekit.registry import Registry
from gpk_eg3d.network import EG3D
from gpk_stylegan2.network import StyleGAN2


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
    """Only a name: the official one runs the source text in `meta`."""


class EasyDict(dict[str, Any]):
    """Only a name."""


class Persistent:
    """An object that is saved with its source text."""

    def __init__(self, class_name: str, state: dict[str, Any]) -> None:
        self.class_name, self.state = class_name, state

    def __reduce__(self) -> tuple[Any, ...]:
        source = "import os\nraise SystemExit('this text was run')\n"
        meta = {"type": "class", "version": 6, "module_src": source, "class_name": self.class_name, "state": self.state}
        return _reconstruct_persistent_obj, (meta,)


NAMED = {
    "torch_utils.persistence": [_reconstruct_persistent_obj],
    "dnnlib.util": [EasyDict],
    "training.triplane": [type("OSGDecoder", (), {})],
    "training.volumetric_rendering.renderer": [type("ImportanceRenderer", (), {})],
    "training.volumetric_rendering.ray_marcher": [type("MipRayMarcher2", (), {})],
}
"""Modules that exist while a file is written, and what is in them."""
CLASSES = {
    "backbone": "Generator", "mapping": "MappingNetwork", "synthesis": "SynthesisNetwork", "torgb": "ToRGBLayer",
    "conv0": "SynthesisLayer", "conv1": "SynthesisLayer", "affine": "FullyConnectedLayer",
}  # fmt: skip


def written(
    path: Path, generator: Generator, *, member: str | None = "G_ema", protocol: int = 4, **changes: Any
) -> Path:
    """Writes the whole file at `path`; with `member` None the bare network, "G" a file without an average.

    `changes` go into the network's attributes.
    """
    network = _network(generator)
    network.state.update(changes)
    with _named():
        if member is None:
            path.write_bytes(pickle.dumps(network, protocol=protocol))
            return path
        options = EasyDict(class_name="training.dataset.ImageFolderDataset", path="/data/x.zip", xflip=np.bool_(True))
        whole: dict[str, Any] = {
            "training_set_kwargs": options,
            "augment_pipe": None,
            "D": Persistent("Discriminator", _state({}, {"w": nn.Parameter(torch.ones(3))})),
        }
        if member == "G_ema":
            whole["G"] = Persistent(network.class_name, _state({}, {"other": nn.Parameter(torch.zeros(2))}))
        path.write_bytes(pickle.dumps({**whole, member: network}, protocol=protocol))
    return path


def arguments_of(generator: Generator) -> dict[str, Any]:
    """The constructor's arguments as an official checkpoint has them, with what numpy leaves in them."""
    assert isinstance(generator, StyleGAN2 | EG3D)
    c = generator.config
    common: dict[str, Any] = {"z_dim": c.z_dim, "w_dim": c.w_dim, "img_resolution": c.img_resolution, "img_channels": 3}
    common["mapping_kwargs"] = EasyDict(num_layers=c.mapping_layers)
    synthesis = {"channel_base": c.channel_base, "channel_max": np.int64(c.channel_max), "num_fp16_res": c.num_fp16_res}
    synthesis["conv_clamp"] = c.conv_clamp
    if isinstance(generator, StyleGAN2):
        return {"c_dim": 0, **common, "synthesis_kwargs": EasyDict(synthesis)}
    return {
        "c_dim": generator.config.c_dim,
        **common,
        **synthesis,
        "sr_num_fp16_res": generator.config.sr_num_fp16_res,
        "sr_kwargs": EasyDict(channel_base=32768, channel_max=512),
        "rendering_kwargs": rendering_of(generator),
    }


def rendering_of(generator: EG3D) -> dict[str, Any]:
    """The rendering settings, which are saved apart."""
    c = generator.config
    module = "SuperresolutionHybrid8X" if c.sr_resample_filter else "SuperresolutionHybrid8XDC"
    names = ("c_gen_conditioning_zero", "c_scale", "sr_antialias", "depth_resolution", "depth_resolution_importance")
    names += ("ray_start", "ray_end", "box_warp", "avg_camera_radius", "sr_input_resolution")
    return {
        "superresolution_module": f"training.superresolution.{module}",
        "clamp_mode": "softplus",
        "disparity_space_sampling": False,
        "density_reg": np.float64(0.25),
        "avg_camera_pivot": list(c.avg_camera_pivot),
        **{name: getattr(c, name) for name in names},
    }


def _network(generator: Generator) -> Persistent:
    state = generator.state_dict(keep_vars=True)  # parameters and buffers can still be told apart
    kwargs = arguments_of(generator)
    if not isinstance(generator, EG3D):
        root = _tree(state, "Generator")
        root.state |= {"_init_args": (), "_init_kwargs": EasyDict(kwargs), "z_dim": kwargs["z_dim"]}
        return root
    root = _tree(state, "TriPlaneGenerator")
    root.state["_modules"]["decoder"] = _decoder(root.state["_modules"]["decoder"])
    root.state["_modules"]["renderer"] = _renderer()
    stale = {**kwargs["rendering_kwargs"], "depth_resolution": 7, "box_warp": 9.0, "avg_camera_pivot": [0, 0, 9]}
    root.state |= {
        "_init_args": (),
        "_init_kwargs": EasyDict({**kwargs, "rendering_kwargs": stale}),
        "rendering_kwargs": kwargs["rendering_kwargs"],
        "neural_rendering_resolution": generator.config.neural_rendering_resolution,
        "_last_planes": None,
    }
    return root


def _tree(state: Mapping[str, Tensor], class_name: str) -> Persistent:
    """Modules inside modules, from the names of a state dict."""
    children: dict[str, dict[str, Tensor]] = {}
    own: dict[str, Tensor] = {}
    for name, tensor in state.items():
        head, dot, rest = name.partition(".")
        if dot:
            children.setdefault(head, {})[rest] = tensor
        else:
            own[head] = tensor
    modules = {name: _tree(part, CLASSES.get(name, "Module")) for name, part in children.items()}
    return Persistent(class_name, _state(modules, own))


def _state(modules: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """The attributes of a module, with a buffer that is not to be saved and one that is None."""
    tensors = tensors or {}
    buffers = {name: tensor for name, tensor in tensors.items() if not isinstance(tensor, nn.Parameter)}
    return {
        "training": False,
        "_parameters": OrderedDict((name, t) for name, t in tensors.items() if isinstance(t, nn.Parameter)),
        "_buffers": OrderedDict({**buffers, "passing": torch.ones(1), "absent": None}),
        "_non_persistent_buffers_set": {"passing"},
        "_backward_hooks": OrderedDict(),
        "_modules": OrderedDict(modules),
    }


def _plain(kind: type, state: dict[str, Any]) -> Any:
    """An object of `kind` with these attributes, which no constructor has seen."""
    made = object.__new__(kind)
    vars(made).update(state)
    return made


def _decoder(ours: Persistent) -> Any:
    net = ours.state["_modules"]["net"].state["_modules"]
    layers = {"0": net["0"], "1": _plain(nn.Softplus, _state({}) | {"beta": 1, "threshold": 20}), "2": net["2"]}
    sequential = _plain(nn.Sequential, _state(layers))
    return _plain(NAMED["training.triplane"][0], _state({"net": sequential}) | {"hidden_dim": 64})


def _renderer() -> Any:
    marcher = _plain(NAMED["training.volumetric_rendering.ray_marcher"][0], _state({}))
    state = _state({"ray_marcher": marcher}) | {"plane_axes": torch.eye(3).expand(3, 3, 3).contiguous()}
    return _plain(NAMED["training.volumetric_rendering.renderer"][0], state)


@contextmanager
def _named() -> Iterator[None]:
    """The official modules, so that pickle finds in them what it writes down."""
    before = set(sys.modules)
    for path, members in NAMED.items():
        parts = path.split(".")
        for count in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:count]), ModuleType(parts[count - 1]))
        for member in members:
            member.__module__, member.__qualname__ = path, member.__name__
            setattr(sys.modules[path], member.__name__, member)
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in ("torch_utils", "dnnlib", "training"):
                del sys.modules[name]


# The poisoned twins: each would make the file `marker`, or change torch, if anything in it were run.


class Call:
    """A call that a pickle asks for."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def poisons(marker: Path) -> dict[str, tuple[bytes, str]]:
    """A poisoned pickle by the name of its trick, and what the refusal names."""
    run = f"touch '{marker}'"
    payload = io.BytesIO()
    torch.save(Call(os.system, run), payload, _use_new_zipfile_serialization=False)
    data = pickle.BINBYTES + struct.pack("<I", len(payload.getvalue())) + payload.getvalue()
    whole = pickle.PROTO + b"\x04%s" + pickle.STOP
    record = _name("training.triplane", "OSGDecoder") + pickle.EMPTY_TUPLE + pickle.NEWOBJ
    storage = _name("torch.storage", "_load_from_bytes") + data + pickle.TUPLE1 + pickle.REDUCE
    tensor = _name("torch._utils", "_rebuild_tensor_v2") + pickle.MARK + storage
    tensor += pickle.BININT1 + b"\0" + pickle.EMPTY_TUPLE * 2 + pickle.NEWFALSE + pickle.NONE + pickle.TUPLE
    parameters = pickle.EMPTY_DICT + _text("weight") + tensor + pickle.REDUCE + pickle.SETITEM
    module = pickle.EMPTY_DICT + _text("_parameters") + parameters + pickle.SETITEM
    defaults = pickle.NONE + pickle.EMPTY_DICT + _text("__defaults__") + pickle.EMPTY_TUPLE + pickle.SETITEM
    trap = pickle.EMPTY_DICT + _text("__setstate__") + _name("torch.storage", "_load_from_bytes") + pickle.SETITEM
    return {
        "system": (
            pickle.dumps({"G_ema": Call(os.system, run)}, protocol=4),
            rf"names {os.system.__module__}\.system,",
        ),
        "eval": (pickle.dumps(Call(eval, f"open({str(marker)!r}, 'w').close()"), protocol=4), r"names builtins\.eval,"),
        "protocol 2": (pickle.dumps(Call(os.system, run), protocol=2), rf"names {os.system.__module__}\.system,"),
        "dotted": (whole % _name("collections", "OrderedDict.fromkeys"), r"names collections\.OrderedDict\.fromkeys,"),
        "reached through": (
            whole % _name("training.triplane", "os.system"),
            r"names training\.triplane\.os\.system,",
        ),
        "state": (
            whole % (record + trap + pickle.BUILD + data + pickle.BUILD),
            "damaged .*sets attributes of a Record",
        ),
        "slots": (
            whole % (_name("torch._utils", "_rebuild_tensor_v2") + defaults + pickle.TUPLE2 + pickle.BUILD),
            "damaged .*sets attributes of a Name",
        ),
        "payload": (
            whole % (record + module + pickle.BUILD),
            rf"weight is a pickle that names {os.system.__module__}\.system,",
        ),
        "extension": (whole % (pickle.EXT1 + b"\x01"), "the instruction EXT1, which"),
        "persistent": (whole % (_text("a") + pickle.BINPERSID), "the instruction BINPERSID, which"),
        "instance": (whole % (pickle.MARK + _text(run) + b"ios\nsystem\n"), "the instruction INST, which"),
    }


def _text(text: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode()


def _name(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + pickle.STACK_GLOBAL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("card")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    name, _, card_name = given.card.partition("/")
    backend = Registry.discover().backend(name)
    card = next(card for card in backend.cards if card.name == (card_name or backend.card.name))
    torch.manual_seed(given.seed)
    generator = backend.build(card.config)
    for name, tensor in generator.state_dict().items():
        if name.endswith(("bias", "noise_strength", "w_avg")):
            tensor.add_(torch.randn(tensor.shape), alpha=0.1)
    written(given.out, generator)
    print(f"{given.out}: {sum(p.numel() for p in generator.parameters()):,} random numbers")


if __name__ == "__main__":
    main()
