"""What a job asks of a device, watched on one that only pretends: Apple's operators, float64, and who meets whom.

The pretended device is torch's "meta", which computes shapes alone. What a job does there it does on a GPU: all that is
called must have a kernel for MPS, and nothing there may meet a tensor that was left on the CPU.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import lpips
import pytest
import torch
import torchgen
import yaml
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from gpk import portable
from gpk.album import Album
from gpk.attach import render_many
from gpk.context import Context
from gpk.errors import InputError
from gpk.generator import fingerprint
from gpk.hull import LatentHull
from gpk.logger import NullLogger
from gpk.persona import Origin, Persona
from gpk.plugin import Backend
from gpk.recipe import RELEASE_PARTS, Recipe
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_cli.context import find_device
from gpk_judges import load_lpips
from gpk_minicat import load_distance, load_identity
from gpk_tasks.personalize.inversion import find_codes
from gpk_tasks.personalize.settings import Inversion, Tuning
from gpk_tasks.personalize.tuning import tune
from gpk_tasks.placement import Placement, place
from gpk_tasks.renders import novel_views, render_album
from gpk_tasks.scores import score

OPERATORS = Path(torchgen.__file__).parent / "packaged" / "ATen" / "native" / "native_functions.yaml"
LATE = {
    "_linalg_det": (2, 7),
    "_upsample_bilinear2d_aa": (2, 7),
    "grid_sampler_2d_backward": (2, 13),
    "native_group_norm_backward": (2, 13),
    "_linalg_eigh": (2, 14),
    "_linalg_svd": (2, 14),
    "_upsample_bilinear2d_aa_backward": (2, 14),
}
"""Operators of this field that MPS got late, and the first torch with them, by this very file of its releases."""

KERNEL = {"convolution": 1, "convolution_backward": 2}
"""Which argument is the kernel. Until torch 2.14 MPS reads one that is no whole piece of memory wrongly, and is silent
(pytorch#192212)."""

BACKENDS: Mapping[str, Mapping[str, Any]] = {
    "stylegan2": {"z_dim": 12, "w_dim": 16, "img_resolution": 32, "channel_base": 128, "channel_max": 12}
    | {"num_fp16_res": 1, "conv_clamp": 256.0},
    "eg3d-ffhq": {"neural_rendering_resolution": 12, "sr_resample_filter": True},  # so that super-resolution resizes
    "eg3d-minicat": {},
}
"""Settings of each backend, an EG3D's beside its small sizes."""
RECIPE = Recipe(rank=1, parts={**RELEASE_PARTS, "mapping": "adapt", "decoder": "adapt"})


class Watch(TorchDispatchMode):
    """Notes what is asked of the meta device, and lets values be fetched from it: zeros, and 1 for a single number."""

    def __init__(self) -> None:
        super().__init__()
        self.called: set[str] = set()
        self.doubles: set[str] = set()
        self.strangers: set[str] = set()
        self.loose: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs, name = kwargs or {}, func.name().removeprefix("aten::")
        given = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = [tensor for tensor in given if tensor.is_meta]
        if there and name == "_local_scalar_dense":
            return 1.0 if there[0].is_floating_point() else 1
        if there and name == "_to_copy" and kwargs.get("device", there[0].device).type == "cpu":
            return torch.zeros(there[0].shape, dtype=kwargs.get("dtype") or there[0].dtype, device="cpu")
        if there and name not in ("_to_copy", "copy_"):
            here = [tensor for tensor in given if not tensor.is_meta and tensor.ndim]
            # Photos are chosen by indices, which torch takes from the CPU for any device.
            if any(tensor.is_floating_point() for tensor in here) or (here and name != "index.Tensor"):
                self.strangers.add(name)
        if there and name in KERNEL and not args[KERNEL[name]].is_contiguous():
            self.loose.add(f"{name} of {list(args[KERNEL[name]].shape)}")
        out = func(*args, **kwargs)
        made = [leaf for leaf in pytree.tree_leaves(out) if isinstance(leaf, Tensor) and leaf.is_meta]
        if there or made:
            self.called.add(name)
            if any(tensor.dtype == torch.float64 for tensor in made):
                self.doubles.add(name)
        return out


@functools.cache
def operators() -> dict[str, dict[str, Any]]:
    if not OPERATORS.exists():
        pytest.skip("this torch does not ship its list of operators")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {entry["func"].partition("(")[0]: entry for entry in yaml.load(OPERATORS.read_text(), Loader=loader)}


def kernels(name: str) -> set[str]:
    """The dispatch keys that have a kernel for the operator."""
    entry = operators()[name]
    own = {key.strip() for keys in entry.get("dispatch", {}) for key in keys.split(",")}
    return own | (kernels(entry["structured_delegate"]) if "structured_delegate" in entry else set())


def on_mps(name: str) -> bool:
    """Whether MPS has the operator, or it is made of others."""
    return "MPS" in kernels(name) or any(key.startswith("Composite") for key in kernels(name))


@pytest.fixture(params=["this torch", "torch 2.11"])
def late(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> frozenset[str]:
    """Has the pretended device treated as MPS is by this torch, or by an older one; gives what must not be called."""
    old = request.param == "torch 2.11"
    for name in ("SAMPLING", "RESIZING"):
        there = {"meta"} if old or "mps" in getattr(portable, name) else set()
        monkeypatch.setattr(portable, name, frozenset(there))
    return frozenset(name for name, since in LATE.items() if old and since > (2, 11))


def pretended(backend: str) -> tuple[Context, Persona]:
    """A context of the backend's first card, made small, and a persona for it, both on the pretended device."""
    known: Backend = Registry.discover().backend(backend)
    with torch.random.fork_rng(devices=()):
        small = {**(known.tiny if backend == "eg3d-ffhq" else {}), **BACKENDS[backend]}
        generator = known.build({**known.card.config, **small}).eval().requires_grad_(False)
    photos = torch.zeros(2, 3, 64, 64)
    album = Album(photos, ("a", "b"), generator.orbit(torch.tensor([-0.2, 0.2])))
    generator = generator.to("meta")
    origin = Origin(backend, known.card.name, fingerprint(generator), album_size=2)
    anchors = torch.zeros(2, generator.latent.w_dim, device="meta")
    persona = Persona.create(generator, RECIPE, origin=origin, anchors=anchors, rng=seeded(0))
    judge = load_identity().to("meta")
    return Context(
        known, known.card, generator, load_distance().to("meta"), album.to("meta"), NullLogger(), judge
    ), persona


def checked(watch: Watch, late: frozenset[str]) -> None:
    assert watch.strangers == set(), "a tensor on the CPU met one on the device"
    assert watch.doubles == set(), "MPS has no float64"
    assert {name for name in watch.called if not on_mps(name)} == set(), "MPS has no such operator"
    assert watch.called & late == set(), "MPS got the operator too late"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_job_asks_for_nothing_that_mps_lacks(backend: str, late: frozenset[str]) -> None:
    with Watch() as watch:
        context, persona = pretended(backend)
        regularised = Inversion(steps=1, noise="regularised", whiten=True, side=16)
        anchors = find_codes(context, regularised)
        find_codes(context, Inversion(steps=1, space="w+"))
        before = watch.called.copy()
        tune(context, persona, Tuning(steps=1, batch=2))
        assert watch.called - before, "the step of tuning was not seen"
        assert {"convolution", "convolution_backward", "lerp_.Scalar"} <= watch.called  # forward, backward, Adam

        w = place(context, anchors, context.album, Placement(steps=1, side=16)).w
        images = render_album(context, w, context.album)
        score(images, context.album.photos, context, references=context.album.photos, masks=images[:, :1])
        novel_views(context, w)
        context.generator(w, noise="random", rng=seeded(0))
        if context.generator.orbit() is not None:
            context.generator(w, context.generator.orbit(torch.zeros(2, device="meta"), 0.1), rng=seeded(0))
        render_many(context.generator, [persona, persona], w, context.album.cameras)

        hull = LatentHull(anchors, beta=0.1)
        alpha = hull.project(hull.points(hull.sample(2, seeded(0))), steps=2)
        for edge in ("stop", "continue", "project"):
            hull.travel(alpha, hull.direction(anchors), torch.ones(3, device="meta"), edge=edge)
    checked(watch, late)


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_lpips_asks_for_nothing_that_mps_lacks(
    net: Literal["alex", "vgg"], late: frozenset[str], tmp_path: Path
) -> None:
    with warnings.catch_warnings(), torch.random.fork_rng(devices=()):
        warnings.simplefilter("ignore")  # torchvision's arguments that lpips uses are deprecated
        slices = lpips.LPIPS(net=net, pnet_rand=True, pretrained=False, verbose=False).net.state_dict()
    torch.save({f"features.{name.partition('.')[2]}": tensor for name, tensor in slices.items()}, tmp_path / "net.pth")
    distance = load_lpips(net, tmp_path / "net.pth")
    with Watch() as watch:
        image = torch.zeros(2, 3, 64, 64, device="meta", requires_grad=True)
        distance.to("meta")(image, torch.zeros(2, 3, 64, 64, device="meta")).sum().backward()
        assert image.grad is not None
    assert "max_pool2d_with_indices_backward" in watch.called
    checked(watch, late)


@pytest.mark.parametrize("backend", BACKENDS)
def test_kernels_are_whole_pieces_of_memory(backend: str) -> None:
    with Watch() as watch:
        context, persona = pretended(backend)
        find_codes(context, Inversion(steps=1))
        tune(context, persona, Tuning(steps=1, batch=2))
    assert "convolution" in watch.called
    assert watch.loose == set()


def test_auto_is_the_best_device_there_is() -> None:
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert find_device("auto").type == best


@pytest.mark.parametrize("name", ["meta", "abacus", "cuda:99", "mps:7"])
def test_a_device_that_cannot_compute_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(InputError, match=rf"^device '{name}' cannot be used: .*[^.]\. Use cpu, or auto$") as refusal:
        find_device(name)
    assert refusal.value.exit_code == 2
    assert len(str(refusal.value)) < 300
