"""The recipe of the priors: data, loss, resuming, what is bundled."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from gpk.errors import RunError
from gpk.generator import Render
from gpk.metrics import psnr
from gpk_minicat.cameras import FOCAL
from gpk_minicat.parameters import PRIOR, from_noise
from gpk_minicat.render import FAR, compose, layers
from gpk_minicat.store import load_tensors
from gpk_prior.export import export, generator_of, measure
from gpk_prior.pictures import Batch, Pictures, render_shard
from gpk_prior.prior import Prior, face_weight
from gpk_prior.prior_2d import PRIOR_2D
from gpk_prior.prior_3d import CONFIG, PRIOR_3D
from gpk_prior.train import Progress, Recipe, Trainer, train

BOTH = pytest.mark.parametrize("prior", [PRIOR_3D, PRIOR_2D], ids=["3d", "2d"])
RECIPE = Recipe(shards=1, steps=4, batch=2, mapping_steps=3, save_every=2)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_shard(tmp_path_factory.mktemp("shards"), 0, 0, count=8)


def test_the_card_has_the_cameras_and_the_noise_of_the_pictures() -> None:
    assert (CONFIG.z_dim, CONFIG.focal, CONFIG.ray_end) == (len(PRIOR), FOCAL, FAR)
    assert CONFIG.img_resolution == PRIOR_2D.config.img_resolution == 64


@BOTH
def test_the_card_has_the_noise_that_is_meant(prior: Prior, shard: Path) -> None:
    z = prior.noise(Pictures([shard]).tail(4))
    assert z.shape == (4, prior.build().latent.z_dim)
    assert prior.meaning(z).shape == z.shape == (4, sum(map(len, prior.meanings.values())))
    assert prior.meaning(z).abs().max() <= 1
    assert prior.meaning(z).std(0).min() > 0


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_batch_shows_the_cats_that_its_noise_means(shard: Path) -> None:
    batch = Pictures([shard]).batch(6, seeded())
    torch.testing.assert_close(batch.params, from_noise(batch.z))
    truth = compose(layers(batch.params, batch.camera, 64), batch.params, batch.camera)
    # Stored in 8 bits, and the highlight of mirrored eyes is on their other side.
    assert (batch.photo.image - truth.image).abs().mean() < 0.01
    assert (batch.photo.mask - truth.mask).abs().mean() < 0.01


def test_workers_divide_the_same_batch(shard: Path) -> None:
    pictures = Pictures([shard])
    whole = pictures.batch(6, seeded())
    for rank in range(2):
        part = pictures.batch(6, seeded(), share=slice(rank, None, 2))
        torch.testing.assert_close(part.photo.image, whole.photo.image[rank::2])  # another batch, other kernels
        assert torch.equal(part.z, whole.z[rank::2])


def test_drawing_leaves_the_pictures_as_they_are(shard: Path) -> None:
    pictures = Pictures([shard])
    before = pictures.z.clone()
    pictures.batch(8, seeded())
    assert torch.equal(pictures.z, before)


@BOTH
def test_the_truth_has_no_loss_and_a_shifted_picture_has(prior: Prior, shard: Path) -> None:
    batch = Pictures([shard]).tail(4)
    truth = Render(batch.photo.image, torch.nn.functional.avg_pool2d(batch.photo.image, 2), batch.photo.depth)
    weight = face_weight(batch.params, batch.camera, 64)
    assert weight.min() >= 1
    assert weight.max() > 3
    for name, value in prior.loss(truth, batch, weight).items():
        assert value < 1e-6, name
    worse = truth._replace(image=truth.image.roll(1, 3))
    terms = prior.loss(worse, batch, weight)
    assert all(terms[name] > 0.002 for name in ("final", "coarse", "edges"))


def test_psnr_of_a_known_error() -> None:
    grey = torch.zeros(1, 3, 4, 4)
    torch.testing.assert_close(psnr(grey, grey + 0.2), torch.tensor([20.0]))


def stopped(work: Path, shard: Path, at: int, *, prior: Prior = PRIOR_3D) -> Path:
    """A run of RECIPE in `work` that is interrupted once `at` steps are done."""
    work.mkdir()
    (work / shard.name).write_bytes(shard.read_bytes())

    def stop(progress: Progress) -> None:
        # The report of a step comes before its state is saved: stop at the next one.
        if progress.step > at:
            raise KeyboardInterrupt

    if at >= RECIPE.steps:
        return train(work, RECIPE, prior=prior)
    with pytest.raises(KeyboardInterrupt):
        train(work, RECIPE, prior=prior, progress=stop)
    return work / prior.state


@BOTH
def test_a_stopped_run_that_goes_on_equals_one_that_was_never_stopped(
    prior: Prior, tmp_path: Path, shard: Path
) -> None:
    never, _ = load_tensors(stopped(tmp_path / "never", shard, 4, prior=prior))
    _, note = load_tensors(stopped(tmp_path / "stopped", shard, 2, prior=prior))
    assert note["step"] == 2
    resumed, note = load_tensors(train(tmp_path / "stopped", RECIPE, prior=prior))
    assert note["step"] == 4
    assert never.keys() == resumed.keys()
    for key, value in never.items():
        assert torch.equal(value, resumed[key]), key


def test_a_run_of_other_settings_is_not_continued(tmp_path: Path, shard: Path) -> None:
    stopped(tmp_path / "work", shard, 2)
    with pytest.raises(RunError, match="is of a run with batch 2, not 3"):
        train(tmp_path / "work", dataclasses.replace(RECIPE, batch=3))


def test_a_finished_run_is_not_repeated(tmp_path: Path, shard: Path) -> None:
    state = stopped(tmp_path / "work", shard, 4)
    before = state.stat().st_mtime_ns
    train(tmp_path / "work", RECIPE)
    assert state.stat().st_mtime_ns == before


def test_two_priors_share_a_work_folder(tmp_path: Path, shard: Path) -> None:
    before = stopped(tmp_path / "work", shard, 2).read_bytes()
    state = train(tmp_path / "work", RECIPE, prior=PRIOR_2D)
    assert load_tensors(state)[1]["step"] == 4
    assert (tmp_path / "work" / PRIOR_3D.state).read_bytes() == before


def test_the_clock_ends_a_run_that_is_timed(shard: Path) -> None:
    trainer = Trainer(dataclasses.replace(RECIPE, minutes=1.0), Pictures([shard]))
    trainer.at, trainer.seconds = 1, 45.0
    assert trainer.done == 0.75


@BOTH
def test_exported_weights_are_the_average_in_half_precision(prior: Prior, tmp_path: Path, shard: Path) -> None:
    trainer = Trainer(RECIPE, Pictures([shard]), prior=prior)
    trainer.begin()
    trainer.step()
    trainer.save(tmp_path / "state.safetensors")
    facts = export(
        tmp_path / "state.safetensors",
        tmp_path / "weights.safetensors",
        prior=prior,
        validation=Pictures([shard]).tail(2),
    )
    tensors, note = load_tensors(tmp_path / "weights.safetensors")
    generator, _ = generator_of(tmp_path / "state.safetensors", prior=prior)
    assert note == json.loads(json.dumps(facts))
    assert note["card"] == prior.card.name
    assert note["config"]["w_dim"] == prior.config.w_dim
    assert note["licence"] == "Apache-2.0"
    figures = {"pictures", "psnr", "psnr_inside"} | ({"psnr_raw", "depth_error"} if prior is PRIOR_3D else set())
    assert set(facts["measured"]) == figures  # type: ignore[call-overload]
    for key, value in generator.state_dict().items():
        assert tensors[key].dtype == torch.float16
        assert torch.equal(tensors[key], value.half()), key
    (mean,) = (value for key, value in tensors.items() if key.endswith("mapping.w_avg"))
    assert mean.any()


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """Cats of another seed than the bundled weights were trained on."""
    return Pictures([render_shard(tmp_path_factory.mktemp("unseen"), 1, 0, count=24)]).tail(24)


@pytest.mark.parametrize(
    ("prior", "least", "inside"), [(PRIOR_3D, 26.8, 24.1), (PRIOR_2D, 27.6, 24.2)], ids=["3d", "2d"]
)
def test_the_bundled_weights_show_cats_that_they_never_saw(
    prior: Prior, least: float, inside: float, unseen: Batch
) -> None:
    assert prior.card.weights is not None
    generator = prior.build().eval().requires_grad_(False)
    untrained = measure(generator, unseen, prior=prior)
    assert untrained["psnr"] < 12
    generator.load_state_dict(load_tensors(prior.card.weights)[0])
    figures = measure(generator, unseen, prior=prior)
    assert figures["psnr"] > least
    assert figures["psnr_inside"] > inside
