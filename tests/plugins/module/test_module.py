"""Networks that know nothing of gpk, as generators: what is found of them, and what is said where nothing can be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from gpk.attach import attached
from gpk.errors import GpkError, InputError, WeightsError
from gpk.generator import Generator, fingerprint
from gpk.persona import Origin, Persona
from gpk.plugin import Backend
from gpk.recipe import Recipe
from gpk.registry import Registry
from gpk.testing import BACKEND_RULES, NotPromisedError, Specimen
from gpk_checkpoints.files import write_safetensors
from gpk_checkpoints.weights import load_generator

KNOWN = {
    "seeded": "codes [B, 12, 1, 1] to pictures [B, 3, 32, 32] from -1 to 1 (it ends in Tanh); 10 weights and biases",
    "seeded,kind=Mlp": "codes [B, 7] to pictures [B, 1, 16, 16] from 0 to 1 (seen at 16 random codes, ",
    "seeded,kind=Mlp,range=-1..1": "from -1 to 1 (as you say)",
    "new_spectral": "codes [B, 6] to pictures [B, 3, 16, 16] from -1 to 1 (seen",
    "old_spectral": "4 weights and biases can change; 2 of them folded out of a norm",
    "seeded,kind=Odd,how=plain": "codes [B, 5] to pictures [B, 3, 8, 8]",
    "seeded,kind=Odd,how=range-attribute": "from 0 to 255 (its output_range)",
    "seeded,nz=9,ngf=2,z=9,range=tanh": "codes [B, 9, 1, 1] to pictures [B, 3, 32, 32] from -1 to 1 (as you say)",
    "ready": "codes [B, 12, 1, 1]",
}
"""What a name names, and a part of what is told of it."""

WRONG = {
    "": "module: names no code: say module:package.file:factory",
    "nets": "module:nets names no code",
    "nets:seeded,nz": "names no code",
    "net:seeded": "unknown module 'net': did you mean 'nets'?",
    "nets.deeper:seeded": "unknown module 'deeper'",
    "nets:seded": "unknown attribute of nets 'seded': did you mean 'seeded'?",
    "nets:number": "nets:number is a int: name a torch module, or a function that returns one",
    "nets:ready,nz=3": "nets:ready is a module already, and takes no nz",
    "nets:raising": "calling nets:raising raised KeyError: 'no such key' at ",
    "nets:seeded,depth=3": "unexpected keyword argument 'depth'",
    "nets:a_dict": "nets:a_dict made a dict, not a torch module (nn.Module)",
    "halved:x": "importing halved raised ZeroDivisionError: division by zero at ",
    "lacking:x": "importing lacking raised ModuleNotFoundError: No module named 'no_such_package_at_all' at ",
    "nets:seeded,z=many": "z=many is no width of a code: give a whole number",
    "nets:seeded,z=13": "cannot tell how wide the module's code is: say it, as in module:package.file:factory,z=100",
    "nets:seeded,range=loud": "range=loud is no range: say sigmoid, tanh, or two numbers as in range=0..255",
    "nets:seeded,framing=wide": "framing=wide is none: say square",
    "nets:seeded,framing=ffhq*0": "a factor from 0.1 to 10, as in framing=ffhq*0.8",
    "nets:Labelled": "forward takes the code [B, Z] or [B, Z, 1, 1] alone. Tried [2, 12]: ",
    "nets:Odd,how=noisy": "picture of a code is another one each time",
    "nets:Odd,how=batch": "depends on the other codes of the batch",
    "nets:Odd,how=flat": "the module makes of codes [2, 5] a tensor [2, 192], and a generator makes square pictures",
    "nets:Odd,how=oblong": "a tensor [2, 3, 8, 4]",
    "nets:Odd,how=pair": "of codes [2, 5] a tuple",
    "nets:Odd,how=nan": "[2, 5] numbers that are not finite",
    "nets:Odd,how=frozen": "no gradient reaches the module's code",
    "nets:Odd,how=detached": "no gradient reaches the module's code",
    "nets:Odd,how=loud": "cannot tell between which numbers the module's pictures are: at 16 random codes from -",
    "nets:bad_range": "the module's output_range is (1, 0), not two numbers such as (0, 1)",
    "nets:nothing": "has no convolution or linear layer that gradients reach",
}


def backend_of(registry: Registry, which: str) -> Backend:
    return registry.backend(f"module:nets:{which}", asked=True)


@pytest.mark.parametrize("which", KNOWN)
@pytest.mark.filterwarnings("ignore:.*spectral_norm.* is deprecated")
def test_what_is_found_of_it(nets: Path, registry: Registry, which: str, capsys: pytest.CaptureFixture[str]) -> None:
    backend = backend_of(registry, which)
    assert KNOWN[which] in backend.card.notes
    assert backend.name == f"module:nets:{which}"
    generator = backend.build(backend.card.config)
    assert generator.resolution == backend.resolution
    assert str(nets) not in sys.path
    told = capsys.readouterr()
    assert told.out == ""
    assert "hello from nets" in told.err


@pytest.mark.parametrize("which", ["seeded", "seeded,kind=Mlp", "new_spectral", "ready"])
def test_keeps_every_backends_contract(nets: Path, registry: Registry, which: str) -> None:
    backend = backend_of(registry, which)
    kept = 0
    for rule in BACKEND_RULES:
        try:
            rule.check(Specimen(backend, backend.card, None))
            kept += 1
        except NotPromisedError:
            pass
    assert kept > 3


@pytest.mark.parametrize("which", ["seeded", "seeded,kind=Mlp", "new_spectral", "old_spectral"])
def test_picture_is_the_modules_own(nets: Path, registry: Registry, which: str) -> None:
    generator = backend_of(registry, which).build({})
    own = getattr(sys.modules["nets"], which.partition(",")[0])(*(["Mlp"] if "Mlp" in which else [])).eval()
    z = torch.randn(3, generator.latent.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        image = generator(generator.mapping(z)).image
        wanted = own(z[:, :, None, None] if which == "seeded" else z)
    wanted = wanted if "Mlp" not in which else (2 * wanted - 1).expand(-1, 3, -1, -1)
    torch.testing.assert_close(image, wanted, rtol=1e-5, atol=1e-5)


def test_sites_are_what_gradients_reach_in_the_order_they_run(nets: Path, registry: Registry) -> None:
    sites = backend_of(registry, "seeded").build({}).sites()
    assert [(site.key, site.kind, site.resolution) for site in sites[:4]] == [
        ("module.main.0.weight", "conv", 4),
        ("module.main.1.weight", "bias", 4),
        ("module.main.1.bias", "bias", 4),
        ("module.main.3.weight", "conv", 8),
    ]
    keys = [site.key for site in backend_of(registry, "seeded,kind=Mlp").build({}).sites()]
    assert keys == ["module.hidden.weight", "module.hidden.bias", "module.out.weight", "module.out.bias"]


@pytest.mark.parametrize("which", ["seeded", "seeded,kind=Mlp", "new_spectral"])
def test_persona_comes_on_and_off(nets: Path, registry: Registry, which: str) -> None:
    backend = backend_of(registry, which)
    generator = load_generator(backend, backend.card, None)
    before = fingerprint(generator)
    z = torch.randn(2, generator.latent.z_dim, generator=torch.Generator().manual_seed(1))
    w = generator.mapping(z, truncation=0.5)
    torch.testing.assert_close(w[:, 0], z / 2)
    persona = Persona.create(
        generator, Recipe(), origin=Origin(backend.name, backend.card.name, before), anchors=w[:, 0]
    )
    image = generator(w).image
    with attached(generator, persona):
        assert torch.equal(generator(w).image, image)
        with torch.no_grad():
            for parameter in persona.parameters():
                parameter += 0.1
        assert not torch.allclose(generator(w).image, image)
    assert torch.equal(generator(w).image, image)
    assert fingerprint(generator) == before


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_a_generator_is_told(nets: Path, registry: Registry, name: str) -> None:
    (nets / "halved.py").write_text("1 / 0\n")
    (nets / "lacking.py").write_text("import no_such_package_at_all\n")
    with (nets / "nets.py").open("a") as file:
        file.write(
            "def bad_range():\n    made = Odd('plain')\n    made.output_range = (1, 0)\n    return made\n"
            "class Nothing(nn.Module):\n    z_dim = 4\n    def forward(self, z):\n"
            "        return z.view(-1, 1, 2, 2).expand(-1, 3, -1, -1)\n"
            "nothing = Nothing\n"
        )
    with pytest.raises(InputError) as caught:
        registry.backend(f"module:{name}", asked=True)
    assert WRONG[name] in str(caught.value)
    assert caught.value.exit_code == 2
    assert str(nets) not in sys.path


def test_users_line_is_named(nets: Path, registry: Registry) -> None:
    line = next(n for n, text in enumerate((nets / "nets.py").read_text().splitlines(), 1) if "no such key" in text)
    with pytest.raises(InputError, match=rf"nets\.py:{line} "):
        backend_of(registry, "raising")


def test_nobody_asked_so_nothing_is_imported(nets: Path, registry: Registry) -> None:
    (nets / "evil.py").write_text("import pathlib\npathlib.Path('harm').write_text('done')\n")
    with pytest.raises(InputError, match=r"'module:evil:thing' is code on your machine, .* with --backend module:evil"):
        registry.backend("module:evil:thing")
    assert "evil" not in sys.modules
    assert not (nets / "harm").exists()
    with pytest.raises(GpkError, match="unknown attribute of evil"):
        registry.backend("module:evil:thing", asked=True)
    assert (nets / "harm").exists()  # it would have


def test_other_random_weights_each_time_are_refused(nets: Path, registry: Registry) -> None:
    backend = backend_of(registry, "Dcgan")
    with pytest.raises(WeightsError, match=r"module:nets:Dcgan has other weights each time it is made .* seed it"):
        load_generator(backend, backend.card, None)
    state = torch.random.get_rng_state()
    seeded = backend_of(registry, "seeded")
    load_generator(seeded, seeded.card, None)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("factory", ["Dcgan", "Spectral"])
@pytest.mark.parametrize("form", ["safetensors", "parallel.safetensors", "pt"])
def test_weights_by_the_modules_own_names(
    nets: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, factory: str, form: str
) -> None:
    monkeypatch.setenv("GPK_CACHE", str(nets / "cache"))
    backend = backend_of(registry, factory)
    torch.manual_seed(5)
    trained = getattr(sys.modules["nets"], factory)().eval()
    prefix = "module." if form.startswith("parallel") else ""
    state = {f"{prefix}{name}": tensor for name, tensor in trained.state_dict().items()}
    file = nets / f"trained.{form}"
    torch.save(state, file) if form == "pt" else write_safetensors(file, state, {})
    z = torch.randn(2, 12 if factory == "Dcgan" else 6)
    for _ in range(2):  # the second time from the cache
        generator = load_generator(backend, backend.card, file)
        with torch.no_grad():
            image = generator(generator.mapping(z)).image
            torch.testing.assert_close(image, trained(z[:, :, None, None] if factory == "Dcgan" else z))
    del state[next(iter(state))]
    write_safetensors(nets / "short.safetensors", state, {})
    with pytest.raises(WeightsError, match="missing are module"):
        load_generator(backend, backend.card, nets / "short.safetensors")


def test_weights_of_another_size_are_told(nets: Path, registry: Registry) -> None:
    backend = backend_of(registry, "Spectral")
    state = sys.modules["nets"].Spectral().state_dict()
    write_safetensors(nets / "odd.safetensors", state | {"fc.bias": torch.zeros(3)}, {})
    with pytest.raises(WeightsError, match=r"size mismatch for fc\.bias"):
        load_generator(backend, backend.card, nets / "odd.safetensors")


def test_one_object_twice_is_two_generators(nets: Path, registry: Registry) -> None:
    with (nets / "nets.py").open("a") as file:
        file.write("def same():\n    return ready\n")
    for which in ("same", "ready"):
        backend = backend_of(registry, which)
        one, two = backend.build({}), backend.build({})
        next(one.parameters()).data.zero_()
        assert not torch.equal(next(one.parameters()), next(two.parameters()))


def test_generator_of_gpks_is_taken_as_it_is(nets: Path, registry: Registry) -> None:
    backend = backend_of(registry, "a_generator")
    assert backend.card.notes == "StyleGAN2, a generator as it is"
    assert (backend.resolution, backend.cameras) == (64, False)
    generator = load_generator(backend, backend.card, None)
    assert isinstance(generator, Generator)
    assert type(generator).__name__ == "StyleGAN2"
    write_safetensors(nets / "own.safetensors", generator.state_dict(), {})
    assert fingerprint(load_generator(backend, backend.card, nets / "own.safetensors")) == fingerprint(generator)


def test_on_the_meta_device(nets: Path, registry: Registry) -> None:
    with torch.device("meta"):
        generator = backend_of(registry, "seeded").build({})
    assert all(parameter.is_meta for parameter in generator.parameters())
