r"""Our networks against numbers that the reference implementations gave: every tensor of the parity pack.

The packs are the folders that GPK_PARITY_DIR names. Each of their folders, `family` or `family.variant`, holds a
`config.json`, `weights.safetensors` and `expected.safetensors`; its README tells what each tensor is.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gpk.camera import Camera
from gpk_eg3d.config import EG3DConfig
from gpk_eg3d.config import from_official as eg3d_config
from gpk_eg3d.config import infer as infer_eg3d
from gpk_eg3d.network import EG3D
from gpk_eg3d.renderer import rendered
from gpk_stylegan2.config import StyleGAN2Config
from gpk_stylegan2.config import from_official as stylegan2_config
from gpk_stylegan2.config import infer as infer_stylegan2
from gpk_stylegan2.network import StyleGAN2
from gpk_stylegan2.synthesis import SynthesisBlock

TOLERANCE = 1e-5
PACKS = filter(None, os.environ.get("GPK_PARITY_DIR", "").split(os.pathsep))
FOLDERS = sorted(file.parent for pack in PACKS for file in Path(pack).glob("*/config.json"))

pytestmark = pytest.mark.skipif(not FOLDERS, reason="GPK_PARITY_DIR names no parity pack")

Answers = Iterator[tuple[str, Tensor]]


def block_outputs(synthesis: nn.Module, run: Callable[[], object]) -> dict[str, tuple[Tensor, Tensor]]:
    """Features and picture of each block of `synthesis` during `run`, by block name."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    hooks = [
        block.register_forward_hook(lambda _module, _given, out, name=name: seen.update({name: out}))
        for name, block in synthesis.named_children()
        if isinstance(block, SynthesisBlock)
    ]
    run()
    for hook in hooks:
        hook.remove()
    return seen


def stylegan2(folder: Path, given: dict[str, Tensor]) -> Answers:
    kwargs = json.loads((folder / "config.json").read_text())["init_kwargs"]
    generator = StyleGAN2(stylegan2_config(kwargs)).eval()
    generator.load_state_dict(load_file(folder / "weights.safetensors"), strict=True)
    ws = generator.mapping(given["z"])
    yield "ws", ws
    yield "ws_psi07", generator.mapping(given["z"], truncation=0.7)
    yield "ws_psi05_cut4", generator.mapping(given["z"], truncation=0.5, cutoff=4)
    yield "image_const", generator(given["ws"]).image
    yield "image_none", generator(given["ws"], noise="none").image
    yield "image_wplus", generator(given["wplus"]).image
    for name, (x, img) in block_outputs(generator.synthesis, lambda: generator(given["ws"][:1])).items():
        yield f"act.{name}.x", x
        yield f"act.{name}.img", img


def eg3d(folder: Path, given: dict[str, Tensor]) -> Answers:
    kwargs = json.loads((folder / "config.json").read_text())["init_kwargs"]
    generator = EG3D(eg3d_config(kwargs)).eval()
    generator.load_state_dict(load_file(folder / "weights.safetensors"), strict=True)
    config = generator.config

    yaw, pitch = given["yaw_pitch"].unbind(1)
    yield "camera", Camera.orbit(yaw, pitch, pivot=config.avg_camera_pivot).label()
    yield "conditioning_camera", generator.frontal(2).label()
    conditioning = Camera.from_label(given["conditioning_camera"])
    yield "ws", generator.mapping(given["z"], conditioning)
    yield "ws_psi07", generator.mapping(given["z"], conditioning, truncation=0.7)

    seen = block_outputs(generator.backbone.synthesis, lambda: generator.planes(given["ws"][:1]))
    for name, (_, img) in seen.items():
        step = max(img.shape[-1] // 16, 1)
        yield f"act.{name}.img", img[:, :, ::step, ::step]
    colours, density = generator.field(given["points"], generator.planes(given["ws"][:1]))
    yield "points.rgb", colours
    yield "points.sigma", density

    cameras = Camera.from_label(given["camera"])
    for case, resolution in {"a": 64, "b": 64, "c": 128, "d": 64, "e": 256}.items():
        w = given["d.wplus"] if case == "d" else given["ws"][int(given[f"{case}.ws_index"])][None]
        camera = cameras[int(given[f"{case}.camera_index"])]
        planes = generator.planes(w)
        if case == "a":
            features = rendered(planes, generator.decoder, camera, config, resolution=resolution)[0]
            yield "a.features", features.flatten(2).mT
        image, raw, depth = generator.view(planes, w, camera, resolution=resolution)
        assert raw is not None
        assert depth is not None
        step = 4 if case == "e" else 1
        yield f"{case}.image", image[:, :, ::4, ::4]
        yield f"{case}.image_mean_std", torch.stack([image.mean(), image.std()])
        yield f"{case}.image_raw", raw[:, :, ::step, ::step]
        yield f"{case}.image_depth", depth[:, :, ::step, ::step]


FAMILIES: dict[str, Callable[[Path, dict[str, Tensor]], Answers]] = {
    "stylegan2": stylegan2,
    "eg3d-ffhq": eg3d,
    "eg3d-afhq": eg3d,
}
INPUTS = re.compile(r"z|wplus|d\.wplus|yaw_pitch|points|\w\.(ws|camera)_index")
"""What the pack gives to the network; every other tensor is an answer to meet."""


def known_family(folder: Path) -> str:
    """The family of a pack's folder; skips one that no network here answers for, as the tests' summary says."""
    family = folder.name.partition(".")[0]
    if family not in FAMILIES:
        pytest.skip(f"no network here for {folder.name}")
    return family


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@torch.no_grad()
def test_every_expected_tensor_is_met(folder: Path) -> None:
    family = known_family(folder)
    expected = load_file(folder / "expected.safetensors")
    errors = {
        name: float((got - expected[name]).norm() / expected[name].norm())
        for name, got in FAMILIES[family](folder, expected)
    }
    unanswered = {name for name in expected if not INPUTS.fullmatch(name)} - set(errors)
    assert not unanswered
    # Written so that a NaN fails too.
    assert {name: error for name, error in errors.items() if not error <= TOLERANCE} == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_file_alone_tells_its_sizes(folder: Path) -> None:
    stored = load_file(folder / "weights.safetensors")
    shapes = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    with torch.device("meta"):
        if known_family(folder) == "stylegan2":
            built = StyleGAN2(infer_stylegan2(StyleGAN2Config(), shapes))
        else:
            built = EG3D(infer_eg3d(EG3DConfig(), shapes))
    assert {name: tuple(tensor.shape) for name, tensor in built.state_dict().items()} == shapes
