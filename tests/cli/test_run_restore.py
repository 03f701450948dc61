"""`gpk run restore` on the embedded priors, in 2D and 3D."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpk.damage import square_hole
from gpk.generator import Generator, fingerprint
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_checkpoints.personas import save_persona
from gpk_checkpoints.weights import load_generator
from gpk_photos import read_image, write_labels, write_png

Gpk = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("--protocol", "quick", "--steps", "2", "--device", "cpu")


def made(name: str, folder: Path) -> tuple[Generator, Tensor]:
    """The generator, codes of two photos in `folder`/photos, and a persona of four codes."""
    backend = Registry.discover().backend(name)
    generator = load_generator(backend, backend.card, None)
    w = generator.mapping(torch.randn(4, generator.latent.z_dim, generator=seeded(3)))
    origin = Origin(name, backend.card.name, fingerprint(generator), "none", 4, 0, {})
    persona = Persona.create(generator, Recipe(), origin=origin, anchors=w[:, 0], rng=seeded(0))
    save_persona(folder / "cat.persona.safetensors", persona)
    cameras = generator.orbit(torch.tensor([0.2, -0.1]))
    (folder / "photos").mkdir()
    for i, image in enumerate(generator(w[:2], cameras).image):
        write_png(folder / "photos" / f"{i}.png", image.clamp(-1, 1))
    if cameras is not None:
        write_labels(folder / "photos", ["0.png", "1.png"], cameras.label())
    return generator, w


@pytest.mark.parametrize("name", ["eg3d-minicat", "stylegan2-minicat"])
def test_holes_are_filled_and_the_second_call_finds_it_done(gpk: Gpk, tmp_path: Path, name: str) -> None:
    made(name, tmp_path)
    job = [str(tmp_path / "cat.persona.safetensors"), "--album", str(tmp_path / "photos"), *QUICK]
    job += ["--out", str(tmp_path / "run"), "--mask", "centre", "--whole"]
    done = gpk("run", "restore", *job, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["figures"]["mean"].keys() == {"psnr_known", "psnr", "psnr_inside", "ssim", "distance", "id_sim"}
    assert all(Path(path).exists() for path in (*told["pictures"], *told["files"]))
    around = ~square_hole(64)[0].expand(3, -1, -1)
    for photo in ("0.png", "1.png"):
        whole, mended = (read_image(tmp_path / folder / photo) for folder in ("photos", "run/pictures"))
        assert torch.equal(whole[around], mended[around])
        assert not torch.equal(whole, mended)
    again = gpk("run", "restore", *job)
    assert again.returncode == 0, again.stderr
    assert "is finished already" in again.stderr
    assert "psnr_inside" in again.stdout


def test_small_photos_grow_and_keep_what_surrounds_the_subject(gpk: Gpk, tmp_path: Path) -> None:
    made("stylegan2-minicat", tmp_path)
    for photo in (tmp_path / "photos").iterdir():
        Image.open(photo).resize((16, 16), Image.Resampling.BOX).save(photo)
    write_png(tmp_path / "subject.png", square_hole(64)[0].float().expand(3, -1, -1) * 2 - 1)
    job = [str(tmp_path / "cat.persona.safetensors"), "--album", str(tmp_path / "photos"), *QUICK]
    job += ["--kind", "upscale", "--factor", "4", "--subject-mask", str(tmp_path / "subject.png")]
    done = gpk("run", "restore", *job, "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    small = Image.open(tmp_path / "photos" / "0.png")
    large = read_image(tmp_path / "run" / "pictures" / "0.png")
    assert large.shape == (3, 64, 64)
    by_pillow = small.resize((64, 64), Image.Resampling.LANCZOS)
    pixels = torch.frombuffer(bytearray(by_pillow.tobytes()), dtype=torch.uint8).view(64, 64, 3).permute(2, 0, 1)
    apart = (large - (pixels / 127.5 - 1)).abs()
    assert apart[:, :16].max() < 2.5 / 127.5


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a persona and photos in 2D."""
    folder = tmp_path_factory.mktemp("subject")
    made("stylegan2-minicat", folder)
    return folder


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "what is missing?"),
        (["--mask", "nowhere.png"], "no mask at nowhere.png"),
        (["--kind", "upscale", "--factor", "5"], "cannot be divided by 5"),
        (["--kind", "repaint"], "one of inpaint, upscale, colour"),
        (["--box", "0.5,0.5,0.6,0.1"], "is not in the picture"),
        (["--box", "0.5,half,0.6,0.1"], "a number"),
        (["--kind", "colour", "--mask", "centre"], "mask is about inpaint"),
    ],
)
def test_what_cannot_be_is_answered_in_a_sentence(
    gpk: Gpk, subject: Path, tmp_path: Path, options: list[str], says: str
) -> None:
    job = [str(subject / "cat.persona.safetensors"), "--album", str(subject / "photos"), *QUICK]
    done = gpk("run", "restore", *job, *options, "--out", str(tmp_path / "run"))
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
