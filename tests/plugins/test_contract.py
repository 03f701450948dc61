"""The contract, held over every backend that gpk brings, the judges whose weights ship with it and its tasks; and what
our backends promise beyond it.
"""

from __future__ import annotations

import pytest

from gpk.registry import Registry
from gpk.testing import BackendContract, DetectorContract, JudgeContract, Specimen, TaskContract


class TestStyleGAN2(BackendContract):
    backend = "stylegan2"


class TestEG3DFaces(BackendContract):
    backend = "eg3d-ffhq"


class TestEG3DCats(BackendContract):
    backend = "eg3d-afhq"


class TestEmbeddedPrior(BackendContract):
    backend = "eg3d-minicat"


class TestEmbeddedPrior2D(BackendContract):
    backend = "stylegan2-minicat"


TRIED = (TestStyleGAN2, TestEG3DFaces, TestEG3DCats, TestEmbeddedPrior, TestEmbeddedPrior2D)
REGISTRY = Registry.discover(plugins=False)


def test_no_backend_is_left_out() -> None:
    """But a family whose generators are somebody else's: tests/plugins/module holds some of those to the contract."""
    ours = [name for name, offer in REGISTRY.backends().items() if offer.value.cards]
    assert sorted(str(tried.backend) for tried in TRIED) == sorted(ours)


@pytest.mark.parametrize(
    "specimen",
    [
        pytest.param(Specimen(offer.value, card), id=card.name)
        for offer in REGISTRY.backends().values()
        for card in offer.value.cards
    ],
)
def test_ours_say_all_that_they_can(specimen: Specimen) -> None:
    """So that no rule is skipped for what a plugin may leave out."""
    backend, generator = specimen.backend, specimen.generator
    assert {site.key for site in generator.sites()} == {name for name, _ in generator.named_parameters()}
    assert backend.fit is not None
    assert generator.noise_maps()
    render = generator(specimen.codes(1))
    solid = generator.solid(specimen.codes(1))
    assert (render.raw is None) == (render.depth is None) == (solid is None) == (not backend.cameras)
    assert (generator.depth_samples > 0) == backend.cameras
    assert len(render.pyramid) == 1 + backend.cameras


class TestDistance(JudgeContract):
    judge = "minicat-distance"


class TestReportingDistance(JudgeContract):
    judge = "minicat-perceptual"


class TestIdentity(JudgeContract):
    judge = "minicat-identity"


class TestAttributes(JudgeContract):
    judge = "minicat-attributes"


class TestFinder(DetectorContract):
    detector = "minicat-finder"


class TestFaces(DetectorContract):
    detector = "opencv-face"


class TestCats(DetectorContract):
    detector = "opencv-cat"


class TestSynthesize(TaskContract):
    task, backend = "synthesize", "stylegan2-minicat"


@pytest.mark.slow
class TestViews(TaskContract):
    task, backend = "views", "eg3d-minicat"


@pytest.mark.slow
class TestMesh(TaskContract):
    task, backend = "mesh", "eg3d-minicat"


@pytest.mark.slow
class TestInterpolate(TaskContract):
    task, backend = "interpolate", "stylegan2-minicat"


@pytest.mark.slow
class TestRender(TaskContract):
    task, backend = "render", "eg3d-minicat"


class TestInvert(TaskContract):
    task, backend = "invert", "stylegan2-minicat"


@pytest.mark.slow
class TestRestore(TaskContract):
    task, backend = "restore", "stylegan2-minicat"


@pytest.mark.slow
class TestEdit(TaskContract):
    task, backend = "edit", "stylegan2-minicat"
