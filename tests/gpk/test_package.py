"""`import gpk`: light, whole, and nobody else's."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import gpk

HOME = {name: module for module, names in gpk.HOMES.items() for name in names}


def python(code: str, *folders: Path) -> str:
    """What a fresh interpreter prints, with `folders` before all others on its path."""
    program = f"import sys; sys.path[:0] = {list(map(str, folders))}\n{code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    told = "print('torch' in sys.modules)"
    assert python(f"import gpk; dir(gpk); {told}; gpk.Persona; {told}").splitlines() == ["False", "True"]


@pytest.mark.parametrize("name", gpk.__all__)
def test_every_name_is_there(name: str) -> None:
    assert name in dir(gpk)
    assert getattr(gpk, name) is getattr(importlib.import_module(HOME[name]), name)


def test_what_it_has_not() -> None:
    with pytest.raises(AttributeError, match="module 'gpk' has no attribute 'Personas'"):
        _ = gpk.Personas


def test_it_stands_beside_packages_called_as_its_shelves_are(tmp_path: Path) -> None:
    """The public index has distributions that install a top-level `corekit`: none of gpk's packages is called so."""
    for name in ("corekit", "adapters", "plugins", "cli"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('this is nobody of gpk')\n")
    code = "from gpk_cli import main; code = main(['backends']); print(code, 'corekit' in sys.modules)"
    assert python(code, tmp_path).endswith("0 False")
