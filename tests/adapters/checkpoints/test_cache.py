import subprocess
import sys
from pathlib import Path

import pytest

from gpk_checkpoints.cache import cache_folder, card_file, source_file


def test_a_folder_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GPK_CACHE", str(tmp_path / "a"))
    assert cache_folder() == tmp_path / "a"
    assert card_file("eg3d-ffhq", "ffhq512-128") == tmp_path / "a/weights/eg3d-ffhq/ffhq512-128.safetensors"
    assert source_file("stylegan2", "0123456789abcdef" * 4).name == "0123456789abcdef.safetensors"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GPK_CACHE", "~/b")
    assert cache_folder() == tmp_path / "b"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPK_CACHE", "c")
    assert cache_folder() == tmp_path / "c"


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {}, "home/.cache/gpk"),
        ("linux", {"XDG_CACHE_HOME": "{root}/xdg"}, "xdg/gpk"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "home/.cache/gpk"),
        ("linux", {"XDG_CACHE_HOME": "", "LOCALAPPDATA": "{root}/local"}, "home/.cache/gpk"),
        ("darwin", {"XDG_CACHE_HOME": "{root}/xdg"}, "home/Library/Caches/gpk"),
        ("win32", {"LOCALAPPDATA": "{root}/local"}, "local/gpk"),
    ],
)
def test_the_platforms_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variables: dict[str, str], folder: str
) -> None:
    for name in ("GPK_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(root=tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == tmp_path / folder
    assert not (tmp_path / folder).exists()


def test_it_does_not_import_torch() -> None:
    program = "import sys, gpk_checkpoints.cache, gpk_checkpoints.inert; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
