"""Anchors that are given: whose they are, what they become, and a persona that is the one of an inversion."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from gpk.context import Context
from gpk.errors import InputError, RunError
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_checkpoints.personas import load_persona
from gpk_runs.run import Run
from gpk_tasks.personalize.anchors import given_anchors
from gpk_tasks.personalize.personalize import describe
from gpk_tasks.personalize.plan import plan
from gpk_tasks.personalize.presets import preset

HERE = Path(__file__).parents[1]


@pytest.fixture
def context(job: ModuleType) -> Context:
    """A small EG3D and four photos, 0.png to 3.png."""
    return job.small_context()


@pytest.fixture
def w(context: Context) -> Tensor:
    """A code of W for each photo, [4, 16]."""
    return context.generator.mapping(torch.randn(4, 12, generator=seeded(5)), context.generator.frontal(4))[:, 0]


def layered(context: Context, w: Tensor) -> Tensor:
    """The codes with a row for each layer, all the same."""
    return w[:, None].expand(-1, context.generator.latent.num_ws, -1).contiguous()


def renamed(context: Context, *names: str, left_out: tuple[str, ...] = ()) -> Context:
    pairs = tuple((name, "a duplicate") for name in left_out)
    return dataclasses.replace(context, album=dataclasses.replace(context.album, names=names, left_out=pairs))


def test_a_file_has_a_code_for_each_photo_in_w_or_w_plus(context: Context, w: Tensor, tmp_path: Path) -> None:
    plus = layered(context, w)
    plus[2, 3] += 1
    for given, wanted in ((w, w), (layered(context, w), w), (w[:, None], w), (plus, plus)):
        np.save(tmp_path / "w.npy", given.numpy())
        found = given_anchors(context, tmp_path / "w.npy")
        assert torch.equal(found.anchors, wanted)
        assert found.unused == ()
        assert found.to_json()["space"] == ("w" if wanted.ndim == 2 else "w+")
        torch.save({"w_pivot": given}, tmp_path / "w.pt")
        assert given_anchors(context, tmp_path / "w.pt").to_json() == found.to_json()  # whatever the format


def test_as_many_photos_as_layers_are_codes_of_w(context: Context, tmp_path: Path) -> None:
    layers = context.generator.latent.num_ws
    photos = torch.zeros(layers, *context.album.photos.shape[1:])
    names = tuple(f"{i}.png" for i in range(layers))
    many = dataclasses.replace(
        context, album=dataclasses.replace(context.album, photos=photos, names=names, cameras=None)
    )
    np.save(tmp_path / "w.npy", np.random.default_rng(0).random((layers, 16), np.float32))
    assert given_anchors(many, tmp_path / "w.npy").anchors.shape == (layers, 16)


def test_a_folder_has_a_file_for_each_photo(context: Context, w: Tensor, tmp_path: Path) -> None:
    """My3DGen's names, plain ones, other formats, and folders within the album; what is no photo's is named."""
    named = renamed(context, "cats/b.1.png", "cats/c.jpg", "d.png", "e.webp")
    (tmp_path / "cats").mkdir()
    np.save(tmp_path / "cats" / "b.1_latent.npy", layered(context, w[:1]).numpy())
    torch.save(w[1], tmp_path / "c.pt")  # at the top, as most tools leave them
    np.savez(tmp_path / "d.npz", w=layered(context, w[2:3]).numpy())
    np.save(tmp_path / "e.npy", w[3:].numpy())
    np.save(tmp_path / "other_latent.npy", w[0].numpy())
    (tmp_path / "dataset.json").write_text("{}")
    (tmp_path / "d.png").write_bytes(b"a photo")
    found = given_anchors(named, tmp_path)
    assert torch.equal(found.anchors, w)
    assert found.unused == ("other_latent.npy",)


def leave(folder: Path, **files: Tensor) -> Path:
    for name, code in files.items():
        np.save(folder / f"{name}.npy", code.numpy())
    return folder


def test_folders_that_do_not_tell_whose_a_code_is(context: Context, w: Tensor, tmp_path: Path) -> None:
    named = renamed(context, "a.png", "b.png", "c.png", "d.png")
    leave(tmp_path, a=w[0], b_latent=w[1])
    with pytest.raises(
        InputError, match=r"no code of 2 of the 4 photos: c\.png, d\.png\. .* c_latent\.npy and the like"
    ):
        given_anchors(named, tmp_path)
    leave(tmp_path, c=w[2], d=w[3], d_latent=w[3])
    with pytest.raises(InputError, match=r"holds d_latent\.npy and d\.npy, both for d\.png: which is it"):
        given_anchors(named, tmp_path)
    (tmp_path / "d_latent.npy").unlink()
    assert torch.equal(given_anchors(named, tmp_path).anchors, w)
    leave(tmp_path, d=w)
    with pytest.raises(InputError, match=r"d\.npy holds 4 codes, where a photo has one"):
        given_anchors(named, tmp_path)
    twins = renamed(context, "a.png", "a.jpg", "b.png", "c.png")
    with pytest.raises(InputError, match="one code for two photos whose names differ in the ending alone"):
        given_anchors(twins, tmp_path)
    apart = renamed(context, "x/a.png", "y/a.png", "b.png", "c.png")
    with pytest.raises(InputError, match=r"no code of 2 of the 4 photos: x/a\.png, y/a\.png"):
        given_anchors(apart, tmp_path)


def test_files_that_do_not_tell_whose_a_code_is(context: Context, w: Tensor, tmp_path: Path) -> None:
    leave(tmp_path, three=w[:3], four=w)
    with pytest.raises(InputError, match=r"three\.npy holds 3 codes, and of the album 4 photos are used: whose they"):
        given_anchors(context, tmp_path / "three.npy")
    left = renamed(context, "a.png", "b.png", "c.png", "d.png", left_out=("dataset.json", "e.png"))
    with pytest.raises(
        InputError, match=r"4 photos are used and 1 left out \(e\.png\): whose .* such as a_latent\.npy"
    ):
        given_anchors(left, tmp_path / "four.npy")
    labels = renamed(context, "a.png", "b.png", "c.png", "d.png", left_out=("dataset.json",))
    assert torch.equal(given_anchors(labels, tmp_path / "four.npy").anchors, w)


def done(
    job: ModuleType, folder: Path, settings: object, anchors: Path | None = None
) -> tuple[bytes, list[dict[str, object]]]:
    """The persona's bytes, and the log."""
    persona = job.work(folder, job.Shown(), settings, anchors)
    return persona, [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_given_back_anchors_make_the_persona_of_the_inversion_that_found_them(job: ModuleType, tmp_path: Path) -> None:
    untuned = dataclasses.replace(job.SETTINGS, tuning=dataclasses.replace(job.SETTINGS.tuning, steps=0))
    done(job, tmp_path / "inverted", untuned)
    found = load_persona(tmp_path / "inverted" / "small.persona.safetensors").anchors
    np.save(tmp_path / "w.npy", layered(job.small_context(), found).numpy())
    whole, log = done(job, tmp_path / "whole", job.SETTINGS)
    given, given_log = done(job, tmp_path / "given", job.SETTINGS, tmp_path / "w.npy")
    assert given == whole
    assert [event["event"] for event in given_log] == [event["event"] for event in log if event["event"] != "invert"]
    figures = [next(e["figures"] for e in events if e["event"] == "done") for events in (log, given_log)]
    assert figures[0] == figures[1]
    page = (tmp_path / "given" / "report.html").read_text()
    assert "none: the anchors were given, in w" in page
    assert "--anchors ANCHORS" in page
    assert "Inversion: a code for every photo" not in page


def test_anchors_in_w_plus_are_tuned_from(job: ModuleType, context: Context, w: Tensor, tmp_path: Path) -> None:
    plus = layered(context, w) + 0.01 * torch.randn(4, context.generator.latent.num_ws, 16, generator=seeded(6))
    np.save(tmp_path / "w.npy", plus.numpy())
    still = dataclasses.replace(job.SETTINGS, tuning=dataclasses.replace(job.SETTINGS.tuning, lr_anchors=0.0))
    done(job, tmp_path / "run", still, tmp_path / "w.npy")
    assert torch.equal(load_persona(tmp_path / "run" / "small.persona.safetensors").anchors, plus)
    done(job, tmp_path / "moved", job.SETTINGS, tmp_path / "w.npy")
    moved = load_persona(tmp_path / "moved" / "small.persona.safetensors").anchors
    assert moved.shape == plus.shape
    assert not torch.equal(moved, plus)


def test_a_killed_run_goes_on_with_the_same_anchors(w: Tensor, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", w.numpy())
    given = f"--given={tmp_path / 'w.npy'}"
    command = [sys.executable, str(HERE / "job.py"), str(tmp_path / "run")]
    subprocess.run([*command[:2], str(tmp_path / "whole"), given], check=True)
    killed = subprocess.run([*command, "5", given], check=False)
    assert killed.returncode == -signal.SIGKILL
    subprocess.run([*command, given], check=True)
    persona = "small.persona.safetensors"
    assert (tmp_path / "run" / persona).read_bytes() == (tmp_path / "whole" / persona).read_bytes()


def test_other_anchors_are_another_run(job: ModuleType, context: Context, w: Tensor, tmp_path: Path) -> None:
    leave(tmp_path, one=w, two=w + 1e-3)
    one, two = (given_anchors(context, tmp_path / f"{name}.npy") for name in ("one", "two"))
    with Run.open(tmp_path / "run", describe(context, job.SETTINGS, one)):
        pass
    with pytest.raises(RunError, match=r"anchors\.sha256 is"):
        Run.open(tmp_path / "run", describe(context, job.SETTINGS, two))
    with pytest.raises(RunError, match=r"inversion is not set there and .* now; anchors is .* there and not set now\."):
        Run.open(tmp_path / "run", describe(context, job.SETTINGS))
    slower = dataclasses.replace(job.SETTINGS, inversion=dataclasses.replace(job.SETTINGS.inversion, steps=7))
    with Run.open(tmp_path / "run", describe(context, slower, one)):  # an inversion that is not run decides nothing
        pass


@pytest.mark.parametrize("save", [lambda w: w, lambda w: w[:, None].expand(-1, 10, -1) + torch.arange(10)[:, None]])
def test_a_plan_with_anchors_inverts_nothing(tmp_path: Path, save: Callable[[Tensor], Tensor]) -> None:
    backend = Registry.discover().backend("stylegan2-minicat")
    codes = save(torch.randn(5, 128, generator=seeded(7)))
    np.save(tmp_path / "w.npy", codes.numpy())
    found = plan(backend, backend.card, preset("fast"), photos=5)
    given = plan(backend, backend.card, preset("fast"), given=tmp_path / "w.npy")
    assert (given.photos, given.anchor_seconds, given.anchor_step_flops) == (5, 0, 0)
    assert given.step_flops == found.step_flops
    assert given.file_bytes == found.file_bytes + 4 * (codes.numel() - 5 * 128)
    assert given.memory_bytes <= found.memory_bytes
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no codes"):
        plan(backend, backend.card, preset("fast"), given=tmp_path / "empty")
