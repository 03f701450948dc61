"""The 2D prior: its noise tells the view, and it is a backend like any other."""

import dataclasses
from pathlib import Path

import torch

from gpk.camera import Camera
from gpk.logger import NullLogger
from gpk.metrics import psnr
from gpk.registry import Registry
from gpk_checkpoints.personas import read_header
from gpk_checkpoints.weights import load_generator
from gpk_cli.context import make_context
from gpk_minicat.album import write_album
from gpk_minicat.cameras import FOCAL, LIMIT, PITCH, YAW, angles, angles_of, noise_of, random_cameras
from gpk_minicat.parameters import PRIOR, from_noise
from gpk_minicat.render import render
from gpk_prior.prior_2d import PRIOR_2D
from gpk_runs.run import Run
from gpk_tasks.personalize.personalize import describe, personalize
from gpk_tasks.personalize.settings import Inversion, Settings, Tuning


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_angles_undo_an_orbit() -> None:
    yaw, pitch = torch.tensor([-0.6, 0.0, 0.3, 1.2]), torch.tensor([0.38, 0.0, -0.1, 0.5])
    for radius in (2.7, 1.0):
        found = angles(Camera.orbit(yaw, pitch, radius=radius, focal=FOCAL))
        torch.testing.assert_close(found, torch.stack([yaw, pitch], 1), atol=1e-5, rtol=0)


def test_noise_tells_the_cat_and_the_view_whatever_its_length() -> None:
    z, camera = 3 * torch.randn(64, len(PRIOR), generator=seeded()), random_cameras(64, seeded(1))
    noise = noise_of(z, camera)
    turned = angles(camera)
    seen = (turned.abs() < torch.tensor([YAW, PITCH]) * 0.98).all(1)  # the ends of the range are cut off at LIMIT
    for length in (1.0, 0.2, 7.0):
        torch.testing.assert_close(from_noise(length * noise[:, : len(PRIOR)]), from_noise(z))
        torch.testing.assert_close(angles_of(length * noise)[seen], turned[seen], atol=1e-4, rtol=0)


def test_the_noise_of_a_view_is_as_normal_as_the_cats() -> None:
    views = noise_of(torch.randn(4000, len(PRIOR), generator=seeded()), random_cameras(4000, seeded(1)))[:, -2:]
    assert (views.mean(0).abs() < 0.06).all()
    assert ((views.std(0) - 1).abs() < 0.05).all()
    assert views.abs().max() <= LIMIT


def test_views_beyond_the_range_are_its_ends() -> None:
    far = Camera.orbit(torch.tensor([-1.2, 1.2]), torch.tensor([0.9, -0.9]), focal=FOCAL)
    noise = noise_of(torch.ones(2, len(PRIOR)), far)
    assert torch.equal(noise[:, -2:], LIMIT * torch.tensor([[-1.0, 1.0], [1.0, -1.0]]))


def test_the_bundled_generator_turns_the_head_as_the_noise_says() -> None:
    backend = Registry.discover().backend("stylegan2-minicat")
    assert backend.card == PRIOR_2D.card
    assert not backend.cameras
    generator = load_generator(backend, backend.card, None)
    z, yaw = torch.randn(6, len(PRIOR), generator=seeded(5)), torch.tensor([-0.45, 0.45]).repeat(3)
    camera, opposite = (Camera.orbit(angle, 0.0, focal=FOCAL) for angle in (yaw, -yaw))
    image = generator(generator.mapping(noise_of(z, camera))).image
    right, wrong = (psnr(image, render(from_noise(z), view, 64).image) for view in (camera, opposite))
    assert (right > wrong + 1.5).all()


def test_photos_without_cameras_become_a_persona(tmp_path: Path) -> None:
    album = write_album(tmp_path / "album", 3, photos=3, held_out=0) / "train"
    (album / "dataset.json").unlink()
    registry = Registry.discover()
    backend = registry.backend("stylegan2-minicat")
    settings = Settings(inversion=Inversion(steps=2, lr=0.3), tuning=Tuning(steps=2, lr=0.02))
    context = make_context(
        registry,
        backend,
        backend.card,
        album,
        weights=None,
        distance=None,
        precision="auto",
        lpips_weights=None,
        device="cpu",
        logger=NullLogger(),
    )
    with Run.open(tmp_path / "run", describe(context, settings)) as run:
        outcome = personalize(dataclasses.replace(context, logger=run), settings, run)
    header = read_header(outcome.file)
    assert (header["backend"], header["card"], header["album_size"]) == ("stylegan2-minicat", "minicat-2d-64", 3)
    told = outcome.figures["train"]
    assert told["personalized"]["psnr"] > told["pretrained"]["psnr"] > 8
