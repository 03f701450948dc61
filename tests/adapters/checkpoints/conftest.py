import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def official() -> ModuleType:
    """The maker of files in the official layout."""
    spec = importlib.util.spec_from_file_location("official_files", Path(__file__).parents[2] / "files" / "official.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
