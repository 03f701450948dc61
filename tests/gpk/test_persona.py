"""A persona's invariants: zero at init, W0 back bit for bit, one meaning however it is applied, gradients only on
it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from gpk.attach import attach, attached, detach, is_attached, render_many, restore
from gpk.errors import PersonaError, RecipeError, UnknownNameError
from gpk.generator import Generator, Site, fingerprint
from gpk.lowrank import LoRA, factor_shapes
from gpk.persona import Origin, Persona
from gpk.recipe import RELEASE_PARTS, Recipe
from gpk.testing.alike import alike

EVERYWHERE = Recipe(parts={"mapping": "adapt", "backbone": "adapt", "decoder": "whole", "superres": "adapt"})


def born(generator: Generator, recipe: Recipe = EVERYWHERE, *, moved: bool = True, seed: int = 0) -> Persona:
    rng = torch.Generator().manual_seed(seed)
    camera = generator.frontal(5)
    persona = Persona.create(
        generator,
        recipe,
        origin=Origin("small", "card", fingerprint(generator), album_size=5, images_seen=10),
        anchors=torch.randn(5, generator.latent.w_dim, generator=rng),
        cameras=None if camera is None else camera.label(),
        rng=rng,
    )
    if moved:
        for parameter in persona.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=rng)
    return persona


def codes(generator: Generator, count: int = 2) -> Tensor:
    rng = torch.Generator().manual_seed(9)
    return torch.randn(count, generator.latent.num_ws, generator.latent.w_dim, generator=rng)


def test_a_newborn_persona_changes_nothing(generator: Generator) -> None:
    w = codes(generator)
    before = generator(w).image
    with attached(generator, born(generator, moved=False)):
        assert torch.equal(generator(w).image, before)


def test_detach_gives_the_weights_back_bit_for_bit(generator: Generator) -> None:
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    w = codes(generator)
    picture = generator(w).image
    attach(generator, born(generator))
    assert not torch.allclose(generator(w).image, picture)
    detach(generator)
    assert not is_attached(generator)
    after = generator.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert torch.equal(generator(w).image, picture)


def test_merge_keeps_the_picture_and_restore_gives_the_weights_back(generator: Generator) -> None:
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    w = codes(generator)
    attach(generator, born(generator))
    picture = generator(w).image
    originals = detach(generator, merge=True)
    assert not is_attached(generator)
    assert torch.equal(generator(w).image, picture)
    restore(generator, originals)
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


def test_parametrized_and_functional_agree_bitwise(generator: Generator) -> None:
    persona, w = born(generator), codes(generator)
    weights = {site.key: generator.weight(site) for site in generator.sites()}
    changed = {key: change(weights[key]) for key, change in persona.changes.items()}
    functional = functional_call(generator, changed, (w,)).image
    with attached(generator, persona):
        assert torch.equal(generator(w).image, functional)


def test_gradients_reach_the_persona_alone(generator: Generator) -> None:
    persona = born(generator)
    generator.requires_grad_(True)
    attach(generator, persona)
    generator(codes(generator), noise="const").image.square().mean().backward()
    own = set(map(id, persona.parameters()))
    for name, parameter in generator.named_parameters():
        assert id(parameter) in own or parameter.grad is None, name
    without = [key for key, change in persona.changes.items() if all(p.grad is None for p in change.parameters())]
    unused = ("mapping", "superresolution")  # w comes in after the mapping; super-resolution uses no noise
    assert all(key.startswith(("mapping", "backbone.mapping")) or "noise" in key for key in without), without
    assert any(unused[0] in key for key in without)


@pytest.mark.parametrize("layout", ["flat", "kernel", "loralib"])
def test_the_change_is_the_product_in_each_layout(layout: Any) -> None:
    lora = LoRA((6, 4, 3, 3), rank=2, scale=0.5, layout=layout, rng=torch.Generator().manual_seed(0))
    torch.nn.init.normal_(lora.B)
    product = 0.5 * lora.B @ lora.A
    assert (tuple(lora.A.shape), tuple(lora.B.shape)) == factor_shapes((6, 4, 3, 3), 2, layout)
    assert torch.equal(lora.delta().flatten(), product.flatten())
    rank = torch.linalg.matrix_rank(lora.delta().flatten(1))
    assert rank == {"flat": 2, "kernel": 6, "loralib": 6}[layout]


def test_divide_gain_acts_as_if_outside_the_gain(generator: Generator) -> None:
    site = next(site for site in generator.sites() if site.kind == "affine")
    assert Recipe(rank=2, alpha=3).scale(site) == pytest.approx(1.5 / site.gain)
    assert Recipe(rank=2, alpha=3, divide_gain=frozenset()).scale(site) == 1.5


def test_several_people_in_one_batch(generator: Generator) -> None:
    people = [born(generator, seed=1), born(generator, Recipe(rank=2, layout="flat"), seed=2), born(generator, seed=3)]
    w = codes(generator, 3)
    camera = None
    if (front := generator.orbit(torch.tensor([0.0, 0.3, -0.2]), 0.1)) is not None:
        camera = front
    together = render_many(generator, people, w, camera)
    for i, persona in enumerate(people):
        with attached(generator, persona):
            alone = generator(w[i : i + 1], None if camera is None else camera[i])
        for one, many in zip(alone.pyramid, together.pyramid, strict=True):
            assert alike(many[i], one[0], within=1e-4)


def test_tensors_and_header_make_the_same_persona(generator: Generator) -> None:
    persona, w = born(generator), codes(generator)
    again = Persona.from_tensors(persona.header(), persona.tensors())
    assert again.header() == persona.header()
    with attached(generator, persona):
        picture = generator(w).image
    with attached(generator, again):
        assert torch.equal(generator(w).image, picture)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.pop(next(iter(t))), "1 tensors are missing, the first"),
        (lambda t: t.update(extra=torch.zeros(1)), "1 tensors are surplus, the first extra"),
        (lambda t: t.update(anchors=t["anchors"] * float("nan")), "anchors has numbers that are not finite"),
        (lambda t: t.update({k: t[k][:-1] for k in [next(iter(t))]}), "has shape"),
        (lambda t: t.pop("anchors"), "a tensor is missing: anchors"),
        (lambda t: t.update(anchors=torch.zeros(3)), "do not fit"),
    ],
)
def test_damaged_tensors_are_named(
    stylegan2: Generator, spoil: Callable[[dict[str, Tensor]], Any], message: str
) -> None:
    persona = born(stylegan2)
    tensors = dict(persona.tensors())
    spoil(tensors)
    with pytest.raises(PersonaError, match=message):
        Persona.from_tensors(persona.header(), tensors)


def test_unknown_format_and_damaged_header(stylegan2: Generator) -> None:
    persona = born(stylegan2)
    with pytest.raises(PersonaError, match="format 'gpk-persona/9', where this gpk reads 'gpk-persona/1'"):
        Persona.from_tensors({**persona.header(), "format": "gpk-persona/9"}, persona.tensors())
    with pytest.raises(PersonaError, match="its header is damaged"):
        Persona.from_tensors({"format": "gpk-persona/1"}, persona.tensors())


def test_another_base_is_refused_and_both_are_named(generator: Generator) -> None:
    persona = born(generator)
    other = copy.deepcopy(generator)
    next(other.parameters()).data += 1
    with pytest.raises(PersonaError, match=r"belongs to weights \w{12}…, and these are \w{12}…: it was made for small"):
        attach(other, persona)
    with pytest.raises(PersonaError, match="belongs to weights"):
        render_many(other, [persona], codes(other, 1))


def test_another_family_is_refused(stylegan2: Generator, eg3d: Generator) -> None:
    with pytest.raises(PersonaError, match="no such weight"):
        attach(eg3d, born(stylegan2))


def test_only_one_persona_at_a_time_and_no_copies(generator: Generator) -> None:
    persona = born(generator)
    with attached(generator, persona):
        with pytest.raises(PersonaError, match="attached already"):
            attach(generator, persona)
        with pytest.raises(PersonaError, match="attached already"):
            render_many(generator, [persona], codes(generator, 1))
        with pytest.raises(PersonaError, match="cannot be copied"):
            copy.deepcopy(generator)
    twin = copy.deepcopy(generator)
    assert fingerprint(twin) == fingerprint(generator)
    assert next(twin.parameters()).data_ptr() != next(generator.parameters()).data_ptr()


def test_render_many_needs_one_persona_a_row(stylegan2: Generator) -> None:
    with pytest.raises(PersonaError, match="1 personas for 2 rows"):
        render_many(stylegan2, [born(stylegan2)], codes(stylegan2, 2))


def test_impossible_recipes(stylegan2: Generator) -> None:
    before = {"rank": 2, "birth": "normal", "ranks": {"backbone.8": 1}}  # keys of files of before
    assert Recipe.from_json(before) == Recipe(rank=2, init="normal", rank_pattern={"backbone.8": 1})
    with pytest.raises(RecipeError, match="rank must be a whole number of at least 1, not 0"):
        Recipe(rank=0)
    with pytest.raises(RecipeError, match=r"alpha must be above 0, not -1"):
        Recipe(alpha=-1)
    with pytest.raises(UnknownNameError, match="unknown layout 'flatt': did you mean 'flat'"):
        Recipe(layout="flatt")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UnknownNameError, match="unknown recipe key 'rnak': did you mean 'rank'"):
        Recipe.from_json({"rnak": 1})
    with pytest.raises(RecipeError, match="rank 999 is beyond every layer"):
        born(stylegan2, Recipe(rank=999))
    with pytest.raises(RecipeError, match="nothing is left to tune"):
        born(stylegan2, Recipe(parts={}))
    with pytest.raises(UnknownNameError, match="unknown part 'superes': did you mean 'superres'"):
        born(stylegan2, Recipe(parts={**RELEASE_PARTS, "superes": "frozen"}))


def test_a_part_with_a_word_of_its_own_is_treated_as_the_backbone() -> None:
    ours, theirs = Site("a", "linear", "decoder", 0), Site("b", "linear", "density", 0)
    assert [Recipe().treatment(site) for site in (ours, theirs)] == [None, "lora"]
    assert Recipe(parts={"backbone": "whole"}).treatment(theirs) == "offset"
    assert Recipe(parts={"backbone": "whole"}).treatment(ours) is None
    assert Recipe(parts={"backbone": "adapt", "density": "frozen"}).treatment(theirs) is None


def test_recipe_survives_json() -> None:
    recipe = Recipe(rank=3, layout="flat", whole=frozenset(), parts={**RELEASE_PARTS, "decoder": "whole"})
    assert Recipe.from_json(recipe.to_json()) == recipe
