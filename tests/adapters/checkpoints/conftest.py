import importlib
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def official() -> ModuleType:
    """The maker of files in the official layout."""
    return importlib.import_module("official")
