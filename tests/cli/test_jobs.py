"""`gpk personalize`, `show`, `merge`, `export` on a small real StyleGAN2, with a distance from a foreign plugin."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gpk.attach import attached
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_checkpoints.personas import load_persona
from gpk_checkpoints.weights import load_generator
from gpk_photos import write_png
from gpk_stylegan2.network import StyleGAN2

Gpk = Callable[..., subprocess.CompletedProcess[str]]

PLAIN_DISTANCE = """
    import torch
    from gpk.plugin import JudgeCard, hookimpl

    gpk_api = 1

    class Plain(torch.nn.Module):
        def forward(self, a, b):
            return (a - b).abs().mean((1, 2, 3))

    @hookimpl
    def gpk_judges():
        return [JudgeCard("plain", "distance", "mean absolute difference", lambda weights: Plain())]
"""


@pytest.fixture
def weights(stylegan2: StyleGAN2, tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    write_safetensors(path, stylegan2.state_dict(), {})
    return path


@pytest.fixture
def album(stylegan2: StyleGAN2, tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    images = stylegan2(stylegan2.mapping(torch.randn(3, 12, generator=seeded(0)))).image
    for i, image in enumerate(images):
        write_png(folder / f"{i}.png", (0.2 * image).clamp(-1, 1))
    return folder


@pytest.fixture
def job(album: Path, weights: Path, tmp_path: Path, install: Callable[..., None]) -> list[str]:
    """A job of a second: arguments of `gpk personalize`."""
    install("plain", PLAIN_DISTANCE)
    options = ["--backend", "stylegan2", "--weights", str(weights), "--distance", "plain", "--device", "cpu"]
    return [str(album), *options, "--steps", "6", "--anchor-steps", "5", "--out", str(tmp_path / "run")]


def test_an_album_becomes_a_persona(gpk: Gpk, job: list[str], tmp_path: Path, weights: Path) -> None:
    done = gpk("personalize", *job, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    persona = Path(told["persona"])
    assert persona == tmp_path / "run" / "stylegan2.persona.safetensors"
    assert told["album"] == 3
    assert told["bytes"] == persona.stat().st_size
    assert all(Path(picture).exists() for picture in told["pictures"])
    assert told["figures"]["train"]["personalized"]["psnr"] > told["figures"]["train"]["pretrained"]["psnr"]

    before = persona.read_bytes()
    report = Path(told["report"])
    assert "halfway to the next" in report.read_text()  # as 2D has no other views
    page = report.read_bytes()
    report.unlink()
    again = gpk("personalize", *job)
    assert again.returncode == 0, again.stderr
    assert "is finished already" in again.stderr
    assert f"{told['numbers']:,} numbers" in again.stdout
    assert f"Report    {report}" in again.stdout
    assert report.read_bytes() == page  # it costs a second: the same command makes it again
    assert persona.read_bytes() == before

    shown = gpk("show", str(persona), "--json")
    header = json.loads(shown.stdout)
    assert header["numbers"] == told["numbers"]
    assert header["backend"] == "stylegan2"
    assert f"{told['numbers']:,} at" in gpk("show", str(persona)).stdout

    merged = tmp_path / "merged.safetensors"
    assert gpk("merge", str(persona), str(merged), "--weights", str(weights)).returncode == 0
    backend = Registry.discover().backend("stylegan2")
    generator, whole = (load_generator(backend, backend.own_card(), path) for path in (weights, merged))
    w = generator.mapping(torch.randn(2, 12, generator=seeded(1)))
    with attached(generator, load_persona(persona)):
        assert torch.equal(generator(w).image, whole(w).image)
    refused = gpk("merge", str(persona), str(merged), "--weights", str(weights))
    assert refused.returncode == 2
    assert "exists already" in refused.stderr

    exported = gpk("export", str(persona), str(tmp_path / "peft"))
    assert exported.returncode == 0, exported.stderr
    assert "offsets have no place in this format" in exported.stderr
    tensors, _ = read_safetensors(tmp_path / "peft" / "adapter_model.safetensors")
    assert all(name.endswith((".lora_A.weight", ".lora_B.weight")) for name in tensors)

    repeated = gpk(
        *("personalize", *job[:-2], "--out", str(tmp_path / "run-b")),
        *("--config", str(tmp_path / "run" / "config.yaml"), "--json"),
    )
    assert repeated.returncode == 0, repeated.stderr
    assert (tmp_path / "run-b" / "stylegan2.persona.safetensors").read_bytes() == before
    took = re.compile(rb">[^<>]*, (?=[\d,]+ looks at)")  # the one thing of the page that was measured of the run itself
    other = (tmp_path / "run-b" / "report.html").read_bytes()
    assert took.sub(b">", other).replace(b"run-b", b"run") == took.sub(b">", page)
    assert len(took.findall(page)) == 1


def test_ctrl_c_saves_and_the_same_command_goes_on(
    job: list[str], gpk: Gpk, gpk_process: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    long = [*job, "--steps", "100000"]
    process = gpk_process("personalize", *long)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("tuning"):
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, rest
    assert "Interrupted: the work so far is saved in" in rest
    assert "the same command goes on from there" in rest
    assert (tmp_path / "run" / "state.safetensors").exists()
    other = gpk("personalize", *job)
    assert other.returncode == 2
    assert "tuning.steps is 100000 there and 6 now" in other.stderr


def test_a_persona_of_other_weights_is_refused(gpk: Gpk, job: list[str], tmp_path: Path, weights: Path) -> None:
    assert gpk("personalize", *job).returncode == 0
    tensors, _ = read_safetensors(weights)
    tensors["synthesis.b4.const"] += 1
    write_safetensors(weights, tensors, {})
    persona = str(tmp_path / "run" / "stylegan2.persona.safetensors")
    refused = gpk("merge", persona, str(tmp_path / "out.safetensors"), "--weights", str(weights))
    assert refused.returncode == 2
    assert "use the weights it was made with" in refused.stderr
    assert not (tmp_path / "out.safetensors").exists()


def test_anchors_of_another_tool_are_taken_instead_of_inversion(
    gpk: Gpk, job: list[str], album: Path, stylegan2: StyleGAN2, tmp_path: Path
) -> None:
    """An inversion's own anchors, given back beside the photos as My3DGen leaves them: the same persona."""
    whole = gpk("personalize", *job[:-1], str(tmp_path / "whole"), "--json")
    assert whole.returncode == 0, whole.stderr
    assert gpk("personalize", *job[:-1], str(tmp_path / "inverted"), "--steps", "0").returncode == 0
    found = load_persona(tmp_path / "inverted" / "stylegan2.persona.safetensors").anchors
    for i, code in enumerate(found):
        np.save(album / f"{i}_latent.npy", code.expand(1, stylegan2.latent.num_ws, -1).numpy())
    np.save(album / "gone_latent.npy", found[0].numpy())
    given = [part for part in job if part not in ("--anchor-steps", "5")]
    done = gpk("personalize", *given, "--anchors", str(album), "--json")
    assert done.returncode == 0, done.stderr
    assert "Not used, for no photo is called so: gone_latent.npy" in done.stderr
    assert "Left out" not in done.stderr  # codes beside photos are nothing that an album is puzzled by
    persona = tmp_path / "run" / "stylegan2.persona.safetensors"
    assert persona.read_bytes() == Path(json.loads(whole.stdout)["persona"]).read_bytes()
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert next(event for event in log if event["event"] == "source")["anchors"] == str(album)

    again = gpk("personalize", *given, "--anchors", str(album))
    assert "is finished already" in again.stderr
    np.save(album / "0_latent.npy", found[1].numpy())
    other = gpk("personalize", *given, "--anchors", str(album))
    assert other.returncode == 2
    assert "anchors.sha256 is" in other.stderr

    report = gpk("report", str(tmp_path / "run"))
    assert report.returncode == 0, report.stderr
    config = ("--config", str(tmp_path / "run" / "config.yaml"), "--out", str(tmp_path / "new"))
    refused = gpk("personalize", *given[:-2], *config)
    assert refused.returncode == 2
    assert "is of a run whose anchors were given: give them with --anchors" in refused.stderr
    np.save(tmp_path / "w.npy", found.numpy())
    repeated = gpk("personalize", *given[:-2], *config, "--anchors", str(tmp_path / "w.npy"))
    assert repeated.returncode == 0, repeated.stderr
    assert (tmp_path / "new" / persona.name).read_bytes() == persona.read_bytes()


def test_a_dry_run_with_anchors_needs_neither_album_nor_weights(gpk: Gpk, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.ones((5, 18, 512), np.float32))
    told = gpk("personalize", "--dry-run", "--backend", "stylegan2", "--anchors", str(tmp_path / "w.npy"))
    assert told.returncode == 0, told.stderr
    assert "no inversion" in told.stdout
    assert "none for the anchors" in told.stdout
    assert "an album of 5 photos" in told.stdout


BAD = [
    (["--backend", "eg3d-afqh"], "unknown backend 'eg3d-afqh': did you mean 'eg3d-afhq'?"),
    (["--card", "ffhq-1042"], "unknown card of stylegan2 'ffhq-1042': did you mean 'ffhq-1024'?"),
    (["--preset", "fats"], "unknown preset 'fats': did you mean 'fast'?"),
    (["--rank", "0"], "rank must be a whole number of at least 1, not 0"),
    (["--rank", "999"], "rank 999 is beyond every layer"),
    (["--alpha", "-1"], "alpha must be above 0"),
    (["--lr", "0"], "lr must be above 0"),
    (["--batch", "0"], "batch must be at least 1"),
    (["--steps", "-5"], "steps must be at least 0"),
    (["--layout", "flt"], "layout is 'flt', where one of flat, kernel, loralib is needed"),
    (["--space", "z"], "space is 'z', where one of w, w+ is needed"),
    (["--distance", "plian"], "unknown judge 'plian': did you mean 'plain'?"),
    (["--distance", "minicat-identity"], "is a judge of single images"),
    (["--lpips-weights", "{tmp}/text.safetensors"], "--lpips-weights is of no use to the distance 'plain'"),
    (["--distance", "lpips-alex", "--lpips-weights", "{tmp}/text.safetensors"], "text.safetensors"),
    (["--device", "abacus"], "device 'abacus' cannot be used"),
    (["--weights", "{tmp}/none.safetensors"], "none.safetensors"),
    (["--weights", "{tmp}/text.safetensors"], "text.safetensors"),
    (["--config", "{tmp}/none.yaml"], "none.yaml"),
    (["--config", "{tmp}/key.yaml"], "did you mean 'tuning.steps'?"),
    (["--config", "{tmp}/text.safetensors"], "must map"),
    (["--out", "{tmp}/text.safetensors"], "is a file: a run needs a folder"),
    (["--out", "{tmp}"], "is no run's folder"),
    (["--backend", "eg3d-minicat", "--no-prepare"], "dataset.json"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[" ".join(o) for o, _ in BAD])
def test_bad_input_is_one_sentence_and_leaves_nothing(
    gpk: Gpk, job: list[str], tmp_path: Path, options: list[str], message: str
) -> None:
    (tmp_path / "text.safetensors").write_text("hello")
    (tmp_path / "key.yaml").write_text("tuning: {stpes: 5}")
    chosen = [option.format(tmp=tmp_path) for option in options]
    given = job
    if "eg3d-minicat" in options:
        given = [part for part in job if part not in (job[job.index("--weights") + 1], "--weights")]
    files = sorted(p for p in tmp_path.rglob("*") if "site" not in p.parts)
    done = gpk("personalize", *given, *chosen)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(p for p in tmp_path.rglob("*") if "site" not in p.parts) == files


def test_albums_that_cannot_be(gpk: Gpk, job: list[str], album: Path, tmp_path: Path) -> None:
    def told(path: Path) -> str:
        done = gpk("personalize", str(path), *job[1:])
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        return done.stderr

    assert "none" in told(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "empty" in told(tmp_path / "empty")
    for i in (1, 2):
        (album / f"{i}.png").write_text("not an image")
    one_left = told(album)
    assert "1 usable photo" in one_left
    assert "1.png" in one_left
    assert "which album?" in gpk("personalize", *job[1:]).stderr
    assert "which backend?" in gpk("personalize", str(album)).stderr


def test_files_that_are_no_personas(gpk: Gpk, weights: Path, tmp_path: Path) -> None:
    for path in (weights, tmp_path / "none.safetensors", tmp_path):
        done = gpk("show", str(path))
        assert done.returncode == 2
        assert str(path) in done.stderr


def test_a_dry_run_needs_nothing(gpk: Gpk) -> None:
    done = gpk("personalize", "--dry-run", "--backend", "eg3d-minicat", "--preset", "my3dgen", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["tuned"] == told["lora"] + told["offsets"]
    assert "numbers to tune of" in gpk("personalize", "--dry-run", "--backend", "eg3d-minicat").stdout
    impossible = gpk("personalize", "--dry-run", "--backend", "eg3d-minicat", "--rank", "1000")
    assert impossible.returncode == 2
