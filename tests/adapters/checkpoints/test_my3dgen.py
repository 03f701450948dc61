"""What My3DGen's training leaves becomes a persona that shows what the file's numbers say, by their definition."""

from __future__ import annotations

import copy
import pickletools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import my3dgen
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from gpk.attach import attached, check_fit
from gpk.errors import GpkError, WeightsError
from gpk.generator import Generator, fingerprint
from gpk.lowrank import LoRA, Offset
from gpk.persona import Origin, Persona
from gpk.plugin import Backend
from gpk.seeding import seeded
from gpk_checkpoints.foreign import read_checkpoint
from gpk_checkpoints.my3dgen import Learned, learned_by, read_snapshot
from gpk_checkpoints.personas import load_persona, save_persona
from gpk_eg3d import gpk_backends
from gpk_eg3d.network import EG3D

FACES = gpk_backends()[0]


@pytest.fixture(scope="session")
def maker() -> ModuleType:
    """The maker of snapshots."""
    return my3dgen


def learned(path: Path, base: Generator, backend: Backend = FACES, **options: Any) -> Learned:
    return learned_by(read_snapshot(path), backend, base, **options)


def persona_of(base: Generator, found: Learned, folder: Path) -> Persona:
    """The persona, written and read again."""
    origin = Origin("eg3d-ffhq", "own", fingerprint(base))
    anchors = base.mapping(torch.randn(2, base.latent.z_dim, generator=seeded(1)))[:, 0]
    persona = Persona(found.changes, found.recipe, origin, anchors, torch.zeros(2, 25))
    save_persona(folder / "cat.persona.safetensors", persona)
    return load_persona(folder / "cat.persona.safetensors")


def shown(generator: Generator) -> tuple[Tensor, ...]:
    w = generator.mapping(torch.randn(2, generator.latent.z_dim, generator=seeded(2)))
    made = generator(w, generator.orbit(torch.tensor([0.3, -0.2]), 0.1))
    assert made.raw is not None
    return made.image, made.raw


def by_definition(snapshot: Any, scale: float) -> EG3D:
    """A generator that computes what the training's does: B A in the stored weight of convolutions and ToRGB, and
    beside the layer of affines, behind their gain.
    """
    other = copy.deepcopy(snapshot.tuned).float()
    for key, (a, b) in snapshot.factors.items():
        layer: Any = other.get_submodule(key.removesuffix(".weight"))
        product = b.double() @ a.double()
        if "affine" in key:
            beside = (scale * product).float()
            layer.register_forward_hook(lambda _, given, out, beside=beside: out + given[0] @ beside.T)
        else:
            layer.weight.data = (layer.weight.double() + scale * product.reshape(layer.weight.shape)).float()
    return other


def close(one: tuple[Tensor, ...], two: tuple[Tensor, ...]) -> bool:
    return all((a - b).abs().max() <= 1e-6 * b.abs().max() for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("decoder", [False, True])
@pytest.mark.parametrize("rank", [1, 4])
@pytest.mark.parametrize("layout", ["kernel", "loralib", "flat"])
def test_the_picture_is_that_of_the_files_numbers(
    maker: ModuleType, eg3d: EG3D, tmp_path: Path, layout: str, rank: int, decoder: bool
) -> None:
    snapshot = maker.trained(eg3d, rank=rank, layout=layout, alpha=2, decoder=decoder)
    found = learned(snapshot.written(tmp_path / "a.pkl"), eg3d)
    assert found.notes == ()
    recipe = found.recipe
    assert (recipe.layout, recipe.rank, recipe.alpha, recipe.rank_pattern) == (layout, rank, 2, {})
    parts = {"mapping": "frozen", "backbone": "adapt", "superres": "adapt"}
    assert recipe.parts == parts | {"decoder": "whole" if decoder else "frozen"}
    wanted = shown(by_definition(snapshot, 2 / rank))
    persona = persona_of(eg3d, found, tmp_path)
    before = shown(eg3d)
    with attached(eg3d, persona):
        assert close(shown(eg3d), wanted)
    assert not close(before, wanted)
    assert not close(shown(snapshot.tuned), wanted)


def test_what_is_changed_and_how(maker: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    snapshot = maker.trained(eg3d, rank=2, alpha=6)
    superres = "superresolution.block0.conv0.bias"
    snapshot.tuned.get_parameter(superres).data.copy_(eg3d.get_parameter(superres))
    found = learned(snapshot.written(tmp_path / "a.pkl"), eg3d)
    sites = {site.key: site for site in eg3d.sites()}
    assert list(found.changes) == [key for key in sites if key in found.changes]  # in order of execution
    for key, (a, b) in snapshot.factors.items():
        change = found.changes[key]
        assert isinstance(change, LoRA)
        assert torch.equal(change.A, a)
        assert torch.equal(change.B, b)
        gain = sites[key].gain if sites[key].kind == "affine" else 1
        assert (change.rank, change.scale) == (2, pytest.approx(3 / gain))
        assert change.scale == pytest.approx(found.recipe.scale(sites[key]))
    offsets = {key for key, change in found.changes.items() if isinstance(change, Offset)}
    kinds = {"bias", "noise", "const"}
    tuned = {key for key, site in sites.items() if site.kind in kinds and site.part in ("backbone", "superres")}
    assert offsets == tuned - {superres}


@pytest.mark.parametrize("write", ["protocol 2", "protocol 4", "torch.save", "safetensors", "member"])
def test_every_way_it_may_lie_in_a_file(maker: ModuleType, eg3d: EG3D, tmp_path: Path, write: str) -> None:
    snapshot = maker.trained(eg3d)
    path = tmp_path / "a.pkl"
    if write.startswith("protocol"):
        snapshot.written(path, protocol=int(write[-1]))
    elif write == "member":
        path = Path(f"{snapshot.written(path)}::G")
    elif write == "torch.save":
        snapshot.torch_saved(path)
    else:
        save_file(snapshot.state(), path)
    found = learned(path, eg3d, alpha=16)
    whole = learned(snapshot.written(tmp_path / "b.pkl"), eg3d)
    assert found.changes.keys() == whole.changes.keys()
    for key, change in found.changes.items():
        assert torch.equal(change.delta(), whole.changes[key].delta())


def test_a_file_in_half_precision(maker: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    snapshot = maker.trained(eg3d, dtype=torch.float16)
    found = learned(snapshot.written(tmp_path / "a.pkl"), eg3d)
    persona = persona_of(eg3d, found, tmp_path)
    frozen = dict(eg3d.state_dict())
    mixed = {key: frozen[key] if key in snapshot.factors or key not in persona.changes else tensor
             for key, tensor in snapshot.tuned.float().state_dict().items()}  # fmt: skip
    snapshot.tuned.load_state_dict(mixed)
    wanted = shown(by_definition(snapshot, 16))
    with attached(eg3d, persona):
        assert close(shown(eg3d), wanted)


@pytest.mark.parametrize("stated", [{"r": 2, "lora_alpha": 6.0}, {"scaling": 3}, {"alpha": 6}])
def test_alpha_as_the_modules_state_it(maker: ModuleType, eg3d: EG3D, tmp_path: Path, stated: dict[str, float]) -> None:
    snapshot = maker.trained(eg3d, rank=2, alpha=None)
    snapshot.stated.update(stated)
    path = snapshot.written(tmp_path / "a.pkl")
    assert learned(path, eg3d).recipe.alpha == 6
    other = learned(path, eg3d, alpha=1)
    assert other.recipe.alpha == 1
    assert other.notes == ("the file states alpha 6, and 1 is taken",)


def test_alpha_that_is_not_stated_is_asked_for(maker: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    path = maker.trained(eg3d, alpha=None).written(tmp_path / "a.pkl")
    with pytest.raises(WeightsError, match=r"give --alpha .* has 16; the command in its README says 1$"):
        learned(path, eg3d)
    assert learned(path, eg3d, alpha=1).recipe.alpha == 1
    with pytest.raises(GpkError, match="alpha must be above 0"):
        learned(path, eg3d, alpha=-1)


def test_a_rank_three_that_is_flat_is_no_rank_one(maker: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    """The shapes of convolutions are the same."""
    path = maker.trained(eg3d, rank=3, layout="flat", alpha=None).written(tmp_path / "a.pkl")
    recipe = learned(path, eg3d, alpha=1).recipe
    assert (recipe.layout, recipe.rank) == ("flat", 3)


def test_ranks_of_blocks(maker: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    one, two = maker.trained(eg3d, rank=1), maker.trained(eg3d, rank=2)
    mixed = {key: (one if key.startswith("superres") else two).factors[key] for key in one.factors}
    one.factors.update(mixed)
    one.stated.clear()
    found = learned(one.written(tmp_path / "a.pkl"), eg3d, alpha=1)
    assert (found.recipe.rank, found.recipe.rank_pattern) == (2, {"superres.16": 1, "superres.32": 1})
    with attached(eg3d, persona_of(eg3d, found, tmp_path)):
        pass
    assert {change.rank for change in found.changes.values() if isinstance(change, LoRA)} == {1, 2}


def edited(maker: ModuleType, eg3d: EG3D, path: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
    state = maker.trained(eg3d).state()
    change(state)
    save_file(state, path)
    return path


CONV = "backbone.synthesis.synthesis.b8.synthesis_block.conv0"
INSIDE = f"{CONV}.synthesis_layer"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop(f"{CONV}.lora_A"), rf"{CONV} has lora_B and no lora_A"),
        (lambda s: s.pop(f"{CONV}.lora_B"), rf"{CONV} has lora_A and no lora_B"),
        (lambda s: s.pop(f"{INSIDE}.weight"), r"missing are backbone\.synthesis\.b8\.conv0\.weight"),
        (lambda s: s.update({f"{CONV}.gate": torch.ones(3)}), rf"tensors that this .* has not: {CONV}\.gate"),
        (lambda s: s.update({f"{CONV}.weight": torch.ones(3)}), r"are both backbone\.synthesis\.b8\.conv0\.weight"),
        (lambda s: s.update({f"{INSIDE}.bias": torch.ones(2)}), r"b8\.conv0\.bias \[2\], expected"),
        (lambda s: s[f"{INSIDE}.bias"].fill_(torch.nan), r"not finite in backbone\.synthesis\.b8\.conv0\.bias"),
        (lambda s: s[f"{CONV}.lora_A"].fill_(torch.inf), rf"not finite in the factors at {CONV}"),
        (
            lambda s: s.update({f"{CONV}.lora_A": torch.ones(3, 36)}),
            rf"the factors at {CONV} are A \[3, 36\] and B \[12, 3\], where those of a weight \[12, 12, 3, 3\] are, at "
            r"rank 1, \[3, 108\] and \[12, 3\] \(kernel\)",
        ),
        (
            lambda s: s.update({f"{CONV}.lora_A": torch.ones(3, 36), f"{CONV}.lora_B": torch.ones(36, 3)}),
            r"those of a weight .* \(kernel\), or .* \(flat\)$",
        ),
        (
            lambda s: s.update({f"backbone.mapping.fc0.lora_{x}": torch.ones(1, 9) for x in "AB"}),
            r"at backbone\.mapping\.fc0 belong to backbone\.mapping\.fc0, where My3DGen's training has none",
        ),
        (
            lambda s: s.update({"x.conv0.lora_A": torch.ones(1, 9), "x.conv0.lora_B": torch.ones(9, 1)}),
            r"at x\.conv0 belong to no layer of this generator",
        ),
        (
            lambda s: s.update({f"{INSIDE}.lora_{x}": s[f"{CONV}.lora_{x}"].clone() for x in "AB"}),
            r"are both of backbone\.synthesis\.b8\.conv0\.weight",
        ),
        (lambda s: s[f"{INSIDE}.weight"].mul_(1.001), r"tuned from another base: 1 .* weights \(.*b8\.conv0\.weight\)"),
        (lambda s: s[f"{INSIDE}.noise_const"].add_(1), r"tuned from another base"),
        (lambda s: s["backbone.mapping.fc1.bias"].add_(1), r"tuned from another base: .*mapping\.fc1\.bias"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(
    maker: ModuleType, eg3d: EG3D, tmp_path: Path, change: Callable[[dict[str, Tensor]], object], says: str
) -> None:
    path = edited(maker, eg3d, tmp_path / "a.safetensors", change)
    with pytest.raises(WeightsError, match=says) as caught:
        learned(path, eg3d, alpha=1)
    assert str(path) in str(caught.value)


def test_another_base(maker: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    path = maker.trained(eg3d).written(tmp_path / "a.pkl")
    other = copy.deepcopy(eg3d)
    for name, parameter in other.named_parameters():
        if name.endswith("weight"):
            parameter.data.mul_(1.01)
    with pytest.raises(WeightsError, match=r"tuned from another base: \d\d of .* Give --weights FILE"):
        learned(path, other)
    persona = persona_of(eg3d, learned(path, eg3d), tmp_path)
    check_fit(eg3d, persona)
    with pytest.raises(GpkError, match="belongs to weights"):
        check_fit(other, persona)


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"r": 4}, r"states r 4, and its factors have rank 1"),
        ({"lora_alpha": 16.0, "scaling": 1.0}, r"states lora_alpha 16 and scaling 1 at rank 1, which cannot be"),
        ({"lora_alpha": 0}, r"states lora_alpha 0 at rank 1"),
    ],
)
def test_statements_that_cannot_be(
    maker: ModuleType, eg3d: EG3D, tmp_path: Path, stated: dict[str, float], says: str
) -> None:
    snapshot = maker.trained(eg3d, alpha=None)
    snapshot.stated.update(stated)
    with pytest.raises(WeightsError, match=says):
        learned(snapshot.written(tmp_path / "a.pkl"), eg3d)


def test_a_mean_that_was_moved_is_told(maker: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    path = edited(maker, eg3d, tmp_path / "a.safetensors", lambda s: s["backbone.mapping.w_avg"].add_(1))
    (note,) = learned(path, eg3d, alpha=1).notes
    assert note.startswith("backbone.mapping.w_avg was moved")


def test_other_settings_are_told(maker: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    def finer(root: Any) -> None:
        root.state["neural_rendering_resolution"] = 16

    def odd(root: Any) -> None:
        root.state["_init_kwargs"]["lora_everywhere"] = True

    (note,) = learned(maker.trained(eg3d).written(tmp_path / "a.pkl", edit=finer), eg3d).notes
    assert note.startswith("the file states neural_rendering_resolution 16, where the base has 8")
    (note,) = learned(maker.trained(eg3d).written(tmp_path / "b.pkl", edit=odd), eg3d).notes
    assert note.startswith("what the file states of its settings is left out")
    assert "lora_everywhere" in note


def test_two_networks_are_told_apart(maker: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    trees = {"a": maker.trained(eg3d).tree(), "b": maker.trained(eg3d, seed=1).tree()}
    path = maker.persistence.saved(tmp_path / "two.pkl", trees)
    with pytest.raises(WeightsError, match=r"2 networks with factors: say which, .*two\.pkl::a or .*two\.pkl::b"):
        read_snapshot(path)
    assert learned(Path(f"{path}::b"), eg3d).recipe.rank == 1
    with pytest.raises(WeightsError, match=r"has no lora_A and lora_B at 'c'"):
        read_snapshot(Path(f"{path}::c"))


def test_what_is_no_snapshot(eg3d: EG3D, maker: ModuleType, tmp_path: Path) -> None:
    path = maker.official.written(tmp_path / "a.pkl", eg3d)
    with pytest.raises(WeightsError, match=r"a\.pkl is no snapshot of My3DGen: .* It holds .*an EG3D"):
        read_snapshot(path)
    persona_of(eg3d, learned(maker.trained(eg3d).written(tmp_path / "b.pkl"), eg3d), tmp_path)
    with pytest.raises(WeightsError, match="is a persona of gpk"):
        read_snapshot(tmp_path / "cat.persona.safetensors")


def test_the_maker_names_an_identity_and_has_one_generator(maker: ModuleType, eg3d: EG3D, tmp_path: Path) -> None:
    path = maker.trained(eg3d).written(tmp_path / "a.pkl")
    names = {str(argument) for _, argument, _ in pickletools.genops(path.read_bytes())}
    assert {"torch.nn.modules.linear", "Identity"} <= names
    by_key = {network.key: network.tensors for network in read_checkpoint(path).networks}
    assert by_key.keys() == {"G", "D", "G_ema"}
    assert all(tensor is by_key["G_ema"][name] for name, tensor in by_key["G"].items())
