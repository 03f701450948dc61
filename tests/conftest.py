"""Small real networks and albums, shared by the tests."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
import torch
from filelock import FileLock
from torch import nn

from gpk.album import Album
from gpk.context import Context
from gpk.generator import Generator, fingerprint
from gpk.logger import NullLogger
from gpk.lowrank import LoRA
from gpk.persona import Origin, Persona
from gpk.plugin import Backend, Card
from gpk.recipe import Recipe
from gpk.seeding import seeded
from gpk_cli import main
from gpk_eg3d import TINY
from gpk_eg3d.config import EG3DConfig
from gpk_eg3d.network import EG3D
from gpk_minicat.album import write_album
from gpk_stylegan2.config import StyleGAN2Config
from gpk_stylegan2.network import StyleGAN2
from gpk_tasks.placement import Placement

Net = TypeVar("Net", bound=Generator)

SMALL_STYLEGAN2 = StyleGAN2Config(
    z_dim=12, w_dim=16, img_resolution=16, mapping_layers=2, channel_base=128, channel_max=12
)
SMALL_EG3D = EG3DConfig(**TINY)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Names the parity packs that no network here answers for, which a count of skipped tests would hide."""
    told = {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", []) if report.longrepr}
    names = sorted(reason.rpartition(" ")[2] for reason in told if "no network here for" in reason)
    if names:
        terminalreporter.write_line(f"parity packs skipped, no network here for: {', '.join(names)}")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of the test's own: nothing is read from or written to that of whoever runs it."""
    monkeypatch.setenv("GPK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def small_files() -> Callable[[int], AbstractContextManager[None]]:
    """A block in which no file of this process may grow beyond so many bytes, as on a disk that is full."""

    @contextmanager
    def limited(most: int) -> Iterator[None]:
        import resource

        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture
def parity() -> Callable[[str], Path]:
    """Where something lies in one of the packs of reference numbers that GPK_PARITY_DIR names; skips without."""

    def find(name: str) -> Path:
        for pack in filter(None, os.environ.get("GPK_PARITY_DIR", "").split(os.pathsep)):
            if (path := Path(pack) / name).exists():
                return path
        pytest.skip(f"GPK_PARITY_DIR names no parity pack with {name}")

    return find


@pytest.fixture
def stylegan2() -> StyleGAN2:
    """A StyleGAN2 of 16 x 16 pixels with random weights, biases and noise strengths."""
    return settled(StyleGAN2(SMALL_STYLEGAN2))


@pytest.fixture
def eg3d() -> EG3D:
    """An EG3D of 32 x 32 pixels with random weights, rendering at 8 x 8."""
    return settled(EG3D(SMALL_EG3D))


@pytest.fixture(params=["stylegan2", "eg3d"])
def generator(request: pytest.FixtureRequest) -> Generator:
    """Each family in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["stylegan2", "eg3d"])
def wide(request: pytest.FixtureRequest) -> Generator:
    """Each family in turn, with channels enough for low-rank gradients to pay."""
    if request.param == "stylegan2":
        return settled(StyleGAN2(replace(SMALL_STYLEGAN2, channel_base=512, channel_max=32)))
    features = {"decoder_features": 32, "sr_channels": (32, 32)}
    return settled(EG3D(replace(SMALL_EG3D, channel_base=512, channel_max=32, **features)))


def settled(generator: Net) -> Net:
    """`generator` with weights that depend on nothing else, frozen as a loaded one is."""
    rng = torch.Generator().manual_seed(0)
    for name, parameter in generator.named_parameters():
        small = name.endswith(("bias", "noise_strength"))
        slow = "mapping.fc" in name  # a learning-rate multiplier of 0.01 is part of these weights' gain
        nn.init.normal_(parameter, std=0.1 if small else 100.0 if slow else 1.0, generator=rng)
    for name, buffer in generator.named_buffers():
        if name.endswith("noise_const"):
            nn.init.normal_(buffer, generator=rng)
    return generator.eval().requires_grad_(False)


@pytest.fixture
def subject(generator: Generator) -> Context:
    """Each family in turn, with a persona of five anchors that changes what it shows."""
    anchors = generator.mapping(torch.randn(5, generator.latent.z_dim, generator=seeded(1)))[:, 0]
    persona = Persona.create(
        generator, Recipe(), origin=Origin("small", "small", fingerprint(generator)), anchors=anchors, rng=seeded(0)
    )
    with torch.no_grad():
        for change in persona.changes.values():
            if isinstance(change, LoRA):
                change.B.normal_(std=0.3, generator=seeded(2))
    card = Card("small", "Small", "none")
    backend = Backend("small", "Small", (card,), lambda config: generator, cameras=generator.orbit() is not None)
    album = Album(torch.empty(0, 3, generator.resolution, generator.resolution), ())
    return Context(
        backend, card, generator, lambda a, b: (a - b).abs().mean((1, 2, 3)), album, NullLogger(), persona=persona
    )


class Cat(NamedTuple):
    """A procedural cat: the run that personalized the embedded prior on it, photos learned from and held-out ones."""

    run: Path
    album: Path
    held_out: Path


@pytest.fixture(scope="session")
def cat(tmp_path_factory: pytest.TempPathFactory) -> Cat:
    """A small real job on the embedded prior: six photos, a few steps; made once for all workers of the tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cat"
    made = Cat(folder / "run", folder / "album" / "train", folder / "album" / "held-out")
    with FileLock(f"{folder}.lock"), pytest.MonkeyPatch.context() as quick:
        quick.setattr("gpk_tasks.report.report.Placement", partial(Placement, steps=6))  # of held-out photos
        write_album(folder / "album", 7, photos=6, held_out=2)
        few = ("--steps", "6", "--anchor-steps", "6", "--backend", "eg3d-minicat", "--device", "cpu")
        assert (
            main(["personalize", str(made.album), *few, "--held-out", str(made.held_out), "--out", str(made.run)]) == 0
        )
    return made


Running = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT interrupts, also where whoever started the tests ignores it, as a shell does for what it leaves in the
    background: what is ignored is so in every process started from there.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def run(*command: object, seconds: float = 120, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that Ctrl-C interrupts, for the time of a block: then it is killed and its pipes are closed, and killed
    it is after `seconds` too, so that who reads what it says comes to an end.
    """
    with interruptible():
        process = subprocess.Popen(list(map(str, command)), text=True, **options)
    watch = threading.Timer(seconds, process.kill)
    watch.start()
    with process:
        try:
            yield process
        finally:
            watch.cancel()
            process.kill()


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """For tests that press Ctrl-C in their own process."""
    with interruptible():
        yield


@pytest.fixture(scope="session")
def running() -> Running:
    """Starts a process of its own: `with running(*command, stdout=PIPE) as process`."""
    return run


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A `Server` of tests/server.py, reached without a proxy."""
    spec = importlib.util.spec_from_file_location("small_server", Path(__file__).parent / "server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with module.serving() as running:
        yield running
