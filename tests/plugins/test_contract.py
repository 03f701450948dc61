"""The contract, held over every backend that gpk brings, and what ours promise beyond it."""

from __future__ import annotations

import pytest

from corekit.registry import Registry
from corekit.testing import BackendContract, Specimen


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
    assert sorted(tried.backend for tried in TRIED) == sorted(REGISTRY.backends())


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
