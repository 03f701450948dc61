import pytest
import torch


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Freshly made layers are the same in every run."""
    torch.manual_seed(0)
