"""What people give instead of a StyleGAN2 or an EG3D: other families, parts of one, and what is no network at all."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import official
import persistence
import torch
import trees
import wrapped
from layout import Layout
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from gpk.generator import fingerprint
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk_checkpoints.personas import save_persona

State = dict[str, Tensor]
Maker = Callable[[Path, Any], str]
LAYERS = {"L0_36_32": (32, 32, 3, 3), "L13_64_16": (16, 16, 3, 3), "L14_64_3": (3, 16, 1, 1)}
DIFFUSION = {
    "model.diffusion_model.input_blocks.0.0.weight": (32, 4, 3, 3),
    "model.diffusion_model.time_embed.0.weight": (128, 32),
    "first_stage_model.decoder.conv_in.weight": (16, 4, 3, 3),
    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight": (77, 24),
}
DIFFUSERS = {
    "conv_in.weight": (32, 4, 3, 3),
    "down_blocks.0.resnets.0.conv1.weight": (32, 32, 3, 3),
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight": (32, 32),
}


def _ones(shapes: Mapping[str, tuple[int, ...]]) -> State:
    return {name: torch.ones(shape) for name, shape in shapes.items()}


def stylegan3(**shapes: tuple[int, ...]) -> State:
    """A StyleGAN3's numbers, few of them."""
    state = {"mapping.fc0.weight": (16, 12), "mapping.fc0.bias": (16,), "mapping.fc1.weight": (16, 16)}
    state |= {"mapping.fc1.bias": (16,), "mapping.w_avg": (16,)}
    state |= {"synthesis.input.weight": (32, 32), "synthesis.input.transform": (3, 3), "synthesis.input.freqs": (32, 2)}
    state |= {"synthesis.input.phases": (32,), "synthesis.input.affine.weight": (4, 16)}
    for name, shape in LAYERS.items():
        state |= {f"synthesis.{name}.weight": shape, f"synthesis.{name}.bias": shape[:1]}
        state |= {f"synthesis.{name}.magnitude_ema": (), f"synthesis.{name}.affine.weight": (shape[1], 16)}
        if shape[-1] > 1:
            state |= {f"synthesis.{name}.up_filter": (12,), f"synthesis.{name}.down_filter": (12,)}
    return _ones({**state, **shapes})


def _stylegan3_network() -> Any:
    """The tree of modules: its classes have StyleGAN2's names, but for the input; sizes are numpy's arrays."""

    def made(names: State, path: str) -> Any:
        children: dict[str, State] = {}
        for name, tensor in names.items():
            head, dot, rest = name.partition(".")
            if dot:
                children.setdefault(head, {})[rest] = tensor
        own = {name: tensor for name, tensor in names.items() if "." not in name}
        buffers = {n: t for n, t in own.items() if n.endswith(("filter", "_ema", "_avg", "form", "freqs", "phases"))}
        parameters = {name: nn.Parameter(tensor) for name, tensor in own.items() if name not in buffers}
        state = persistence.module_state({n: made(part, n) for n, part in children.items()}, parameters, buffers)
        if path == "synthesis":
            state |= {"layer_names": list(LAYERS), "num_layers": 14, "margin_size": 10, "output_scale": 0.25}
        if path.startswith(("L", "input")):
            state |= {"size": np.array([36, 36]), "sampling_rate": np.float64(16), "use_fp16": np.bool_(True)}
            state |= {"padding": [9, 8, 9, 8], "conv_clamp": 256}
        if path == "L14_64_3":
            state["_buffers"] |= {"up_filter": None, "down_filter": None}
        kinds = {"mapping": "MappingNetwork", "synthesis": "SynthesisNetwork", "input": "SynthesisInput"}
        kinds |= {"": "Generator", "affine": "FullyConnectedLayer", "fc0": "FullyConnectedLayer"}
        return persistence.Persistent(kinds.get(path, "SynthesisLayer"), state)

    root = made(stylegan3(), "")
    arguments = {"z_dim": 12, "c_dim": 0, "w_dim": 16, "img_resolution": 64, "img_channels": 3}
    arguments |= {"mapping_kwargs": {"num_layers": 2}, "channel_base": 1024, "magnitude_ema_beta": 0.9988915792636801}
    root.state |= {**arguments, "_init_args": (), "_init_kwargs": persistence.EasyDict(arguments)}
    return root


def panohead(state: State) -> State:
    """The numbers of a PanoHead that has those of an EG3D too."""
    return state | _ones({
        "bcg_synthesis.b4.const": (12, 4, 4),
        "bcg_synthesis.b4.conv1.weight": (12, 12, 3, 3),
        "t_mapping.fc0.weight": (16, 16),
        "torgb.weight": (3, 8, 1, 1),
        "torgb.affine.weight": (8, 16),
        "torgb.bias": (3,),
    })  # fmt: skip


def _panohead(root: Any) -> None:
    """The tree of an EG3D made one of PanoHead: three grids, a background, a mapping of cameras."""
    weight = {"weight": nn.Parameter(torch.ones(16, 16))}
    parts = {"bcg_synthesis": ("SynthesisNetwork", "b4"), "t_mapping": ("MappingNetwork", "fc0")}
    for name, (kind, inner) in parts.items():
        layer = persistence.Persistent("SynthesisBlock", persistence.module_state({}, weight))
        root.state["_modules"][name] = persistence.Persistent(kind, persistence.module_state({inner: layer}))
    grids = {"triplane_size": 16, "triplane_depth": 3, "use_background": True, "use_torgb_raw": True, "trans_reg": 10}
    root.state["rendering_kwargs"].update(grids)


def _pickle(name: str, value: Callable[[], object], protocol: int = 4) -> Maker:
    return lambda folder, generator: str(persistence.saved(folder / name, value(), protocol=protocol))


def _tensors(name: str, shapes: Mapping[str, tuple[int, ...]]) -> Maker:
    def make(folder: Path, generator: Any) -> str:
        save_file(_ones(shapes), folder / name)
        return str(folder / name)

    return make


def _bytes(name: str, data: Callable[[], bytes]) -> Maker:
    def make(folder: Path, generator: Any) -> str:
        (folder / name).write_bytes(data())
        return str(folder / name)

    return make


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 100, 50)).save(file, "png")
    return file.getvalue()


def _album() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as album:
        album.writestr("dataset.json", '{"labels": [["00000/img00000000.png", [0.0]]]}')
        album.writestr("00000/img00000000.png", _picture())
    return file.getvalue()


def _tensorflow() -> object:
    """Three networks, as the trainings of 2018 to 2020 left them."""
    kind = persistence.named("dnnlib.tflib.network", "Network")
    state = {"version": 3, "name": "Gs", "static_kwargs": {"num_channels": 3}, "variables": [("lod", np.float32(0))]}
    return tuple(persistence.plain(kind, state) for _ in range(3))


def _persona(folder: Path, generator: Any) -> str:
    anchors = generator.mapping(torch.randn(3, generator.latent.z_dim, generator=seeded(1)))[:, 0]
    origin = Origin("small", "small", fingerprint(generator))
    persona = Persona.create(generator, Recipe(), origin=origin, anchors=anchors, rng=seeded(0))
    save_persona(folder / "ada.persona.safetensors", persona)
    return str(folder / "ada.persona.safetensors")


def _unknown(folder: Path, generator: Any) -> str:
    module = persistence.plain(
        persistence.named("model", "Generator"), persistence.module_state({}, {"p": torch.zeros(3)})
    )
    return str(persistence.torch_saved(folder / "m.pt", module))


def _row(name: str, by: str, make: Maker, file: str, said: str, seen: str = "", families: Any = ()) -> Any:
    options = {"families": families} if families else {}
    return Layout(name, by, make, refused=rf"(?s){file}.*{said}", seen=seen or said, **options)


ENCODER = {"encoder.input_layer.0.weight": (8, 3, 3, 3), "encoder.body.0.res_layer.1.weight": (8, 8, 3, 3)}
ALONE = ("stylegan2",)
"""What is not made of a generator need not be tried with both; a StyleGAN2's backend is tried."""

LAYOUTS = (
    _row("StyleGAN3", "its training", _pickle("g3.pkl", lambda: {"G_ema": _stylegan3_network()}), "g3", "StyleGAN3"),
    _row("StyleGAN3, protocol 3", "older releases", _pickle("g3.pkl", _stylegan3_network, 3), "g3", "StyleGAN3"),
    _row("StyleGAN3, safetensors", "a conversion", wrapped.tensors("g3", lambda _: stylegan3()), "g3", "StyleGAN3"),
    _row("StyleGAN3, .pt", "a script", wrapped.pt("g3.pt", lambda _: {"G_ema": stylegan3()}), "g3", "StyleGAN3"),
    _row(
        "PanoHead",
        "its training",
        lambda folder, generator: str(official.written(folder / "head.pkl", generator, edit=_panohead)),
        "head",
        "PanoHead",
        families=("eg3d",),
    ),
    _row(
        "PanoHead, safetensors",
        "a conversion",
        wrapped.tensors("head", panohead),
        "head",
        "PanoHead",
        families=("eg3d",),
    ),
    _row(
        "a discriminator alone",
        "pickle.dump(D)",
        _pickle("d.pkl", lambda: trees.discriminator()),
        r"d\.pkl",
        "(?i:discriminator)",
    ),
    _row(
        "a discriminator alone, rosinality",
        "torch.save",
        wrapped.pt("d.pt", lambda _: {"d": _ones({"convs.0.0.weight": (4, 3, 1, 1), "final_linear.0.weight": (4, 4)})}),
        r"d\.pt",
        "(?i:discriminator)",
        families=ALONE,
    ),
    _row(
        "an encoder alone",
        "pSp, e4e and their like",
        wrapped.pt("e.pt", lambda _: {"state_dict": _ones(ENCODER), "opts": {"output_size": 16}}),
        r"e\.pt",
        "(?i:encoder)",
        families=ALONE,
    ),
    _row("StyleGAN of TensorFlow", "2018 to 2020", _pickle("2019.pkl", _tensorflow, 3), r"2019\.pkl", "TensorFlow"),
    _row("Stable Diffusion", "its trainings", _tensors("sd.safetensors", DIFFUSION), "sd", "(?i:diffusion)"),
    _row("diffusers", "the Hub", _tensors("unet.safetensors", DIFFUSERS), "unet", "."),
    _row("a persona", "gpk personalize", _persona, r"ada\.persona", "persona"),
    _row("another module", "torch.save", _unknown, r"m\.pt", ".", families=ALONE),
    *(
        _row(name, by, _bytes(file, data), file, said, families=ALONE)
        for name, by, file, data, said in (
            ("nothing", "a full disk", "empty.pkl", lambda: b"", "(?i:empty|0 bytes)"),
            ("noise", "nobody", "noise.pkl", lambda: np.random.default_rng(0).bytes(4096), "."),
            ("text", "an editor", "notes.txt", lambda: b"not a network\n" * 9, "."),
            ("a web page", "a download", "g.pkl", lambda: b"<!DOCTYPE html><html></html>", "(?i:web page|html)"),
            (
                "a pointer",
                "a clone without Git LFS",
                "g.safetensors",
                lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n",
                "LFS",
            ),
            ("pictures", "dataset_tool", "album.zip", _album, "(?i:pictures|images|photos)"),
            ("a picture", "a camera", "photo.png", _picture, "(?i:picture|image|PNG)"),
        )
    ),
)  # fmt: skip
