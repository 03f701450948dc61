"""Each option and argument that takes a file, given each kind of file: taken where that makes sense, or a sentence.

A door is a command with FILE where the file goes. What is refused ends with 2 and a line that names the file, and
leaves nothing on the disk.
"""

from __future__ import annotations

import pickle
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from PIL import Image

from gpk.directions import Direction
from gpk.generator import fingerprint
from gpk.persona import Origin, Persona
from gpk.recipe import Recipe
from gpk.registry import Registry
from gpk.seeding import seeded
from gpk_checkpoints.directions import write_direction
from gpk_checkpoints.files import write_safetensors
from gpk_checkpoints.personas import save_persona
from gpk_checkpoints.weights import load_generator
from gpk_cli.app import build
from gpk_cli.exit_codes import Ended, exit_code

CAT = "cat.persona.safetensors"
BACKEND = "--backend stylegan2-minicat --device cpu --out new"
EDIT = f"run edit {BACKEND} --space w --amounts 1"
JOB = f"personalize album {BACKEND} --steps 0 --anchor-steps 1"
PREPARE = f"prepare album {BACKEND} --crop"
RESTORE = f"run restore {CAT} --album album --device cpu --out new --protocol quick --steps 1"
ARRAYS = {"numbers.npy", "numbers.npz", "numbers.pt", "plain.safetensors"}
DIRECTIONS = {"direction.npy", "direction.safetensors"}
WEIGHTS = {"weights.safetensors", "weights.pt"}
OTHERS = {"dict.pkl", "photos.zip", "photo.png", "text.txt", "boxes.csv", "settings.yaml", "empty", "folder"}
EVERY = ARRAYS | DIRECTIONS | WEIGHTS | OTHERS | {CAT}

DOORS: Mapping[str, tuple[str, set[str]]] = {
    "edit --direction": (f"{EDIT} --codes numbers.npy --direction FILE", DIRECTIONS),
    "edit --codes": (f"{EDIT} --direction direction.npy --codes FILE", ARRAYS | {"direction.npy"}),
    "edit --labels": (f"{EDIT} --codes numbers.npy --attribute x --labels FILE --labelled numbers.npy", set()),
    "edit --labelled": (f"{EDIT} --codes numbers.npy --attribute x --labels labels.csv --labelled FILE", set()),
    "edit --config": (f"{EDIT} --codes numbers.npy --direction direction.npy --config FILE", {"empty"}),
    "edit --weights": (f"{EDIT} --codes numbers.npy --direction direction.npy --weights FILE", WEIGHTS),
    "edit SUBJECT": ("run edit FILE --device cpu --out new --amounts 1 --direction direction.npy", {CAT}),
    "invert --album": (f"run invert {BACKEND} --album FILE --steps 1", {"photos.zip"}),
    "restore --mask": (f"{RESTORE} --mask FILE", {"photo.png", "photos.zip"}),
    "restore --subject-mask": (f"{RESTORE} --kind upscale --subject-mask FILE", {"photo.png", "photos.zip"}),
    "personalize --anchors": (f"{JOB} --anchors FILE".replace("--anchor-steps 1", ""), ARRAYS),
    "personalize --config": (f"{JOB} --config FILE", {"empty"}),
    "personalize --held-out": (f"{JOB} --held-out FILE", set()),
    "personalize --lpips-weights": (f"{JOB} --distance lpips-vgg --lpips-weights FILE", set()),
    "personalize ALBUM": (f"personalize FILE {BACKEND} --steps 0 --anchor-steps 1", {"photos.zip"}),
    "prepare ALBUM": (f"prepare FILE {BACKEND} --crop centre", {"photos.zip"}),
    "prepare --crop": (f"{PREPARE} FILE", {"boxes.csv"}),
    "prepare --labels": (
        "prepare album --backend eg3d-minicat --device cpu --out new --crop none --labels FILE",
        set(),
    ),
    "prepare --judge arcface": (f"{PREPARE} centre --judge arcface:eg3d=FILE", set()),
    "prepare --judge timm": (f"{PREPARE} centre --judge timm:test_vit.r160_in1k=FILE", set()),
    "prepare --detector": (f"prepare album {BACKEND} --detector yunet=FILE", set()),
    "show": ("show FILE", {CAT}),
    "merge": ("merge FILE new", {CAT}),
    "merge --weights": (f"merge {CAT} new --weights FILE", WEIGHTS),
    "export": ("export FILE new", {CAT}),
    "evaluate --judge": (f"evaluate {CAT} --references album --device cpu --out new --judge dists=FILE", set()),
    "evaluate": ("evaluate FILE --device cpu --out new", set()),
    "analyze": ("analyze FILE --device cpu --out new --no-check", {CAT}),
    "report": ("report FILE", set()),
    "view": ("view FILE", set()),
    "weights import": ("weights import stylegan2 FILE --as mine", WEIGHTS),
    "weights explain": ("weights explain FILE", EVERY),
    "persona import": ("persona import FILE --backend stylegan2 --out new", set()),
    "prepare --judge dlib-id": (f"{PREPARE} centre --judge dlib-id:eg3d=FILE", set()),
    "bench judges --judge": ("bench judges --people album --out new --judge dlib-id:eg3d=FILE", set()),
    "bench judges --people": (
        "bench judges --people FILE --judge minicat-identity --crop centre --out new",
        set(),
    ),
    "bench --rows": ("bench minicat --rows FILE --out new", set()),
}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each kind, and what the commands want besides."""
    folder = tmp_path_factory.mktemp("kinds")
    backend = Registry.discover(plugins=False).backend("stylegan2-minicat")
    generator = load_generator(backend, backend.card, None)
    codes = generator.mapping(torch.randn(2, generator.latent.z_dim, generator=seeded(1)))[:, 0]
    weights = generator.state_dict()
    origin = Origin("stylegan2-minicat", backend.card.name, fingerprint(generator))
    with chdir(folder):
        np.save("direction.npy", codes[0].numpy())
        np.save("numbers.npy", codes.numpy())
        np.savez("numbers.npz", w=codes.numpy())
        torch.save(codes, "numbers.pt")
        write_safetensors(Path("plain.safetensors"), {"w": codes}, {})
        save_persona(
            "cat.persona.safetensors",
            Persona.create(generator, Recipe(rank=1), origin=origin, anchors=codes, rng=seeded(0)),
        )
        write_direction(Path("direction.safetensors"), Direction(codes[:1], "openness"))
        assert backend.card.weights is not None
        shutil.copy(backend.card.weights, "weights.safetensors")
        torch.save(weights, "weights.pt")
        Path("dict.pkl").write_bytes(pickle.dumps({"w": codes.numpy()}))
        Path("album").mkdir()
        with zipfile.ZipFile("photos.zip", "w") as archive:
            for name, spread in (("a.png", 20), ("b.png", 90)):
                Image.effect_noise((64, 64), spread).convert("RGB").save(f"album/{name}")
                archive.write(f"album/{name}", name)
        shutil.copy("album/a.png", "photo.png")
        Path("text.txt").write_text("a few words\n")
        Path("boxes.csv").write_text("file,left,top,right,bottom,roll\na.png,0,0,64,64,0\nb.png,0,0,64,64,0\n")
        Path("labels.csv").write_text("index,x\n9,1\n")
        Path("settings.yaml").write_text("rank: 1\n")
        Path("empty").touch()
        Path("folder").mkdir()
    return folder


def there(folder: Path) -> dict[Path, int]:
    """Everything in the folder, with the time when each file was written."""
    return {path: path.stat().st_mtime_ns if path.is_file() else 0 for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def gpk() -> Callable[[Sequence[str]], int]:
    """The command line and its exit code, built once: building takes longer than most of what is done here."""
    registry = Registry.discover(plugins=False)
    command = typer.main.get_command(build(registry))

    def run(arguments: Sequence[str]) -> int:
        try:
            command.main(arguments, prog_name="gpk", obj=registry)
        except Ended as ended:
            return exit_code(ended.cause, debug=False)
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


@pytest.mark.parametrize(("command", "takes"), DOORS.values(), ids=DOORS)
def test_each_kind_of_file_is_taken_or_refused_by_its_name(
    command: str,
    takes: set[str],
    kinds: Path,
    gpk: Callable[[Sequence[str]], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    shutil.copytree(kinds, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for name in sorted(EVERY - ({CAT} if command == "view FILE" else set())):  # which would be shown until Ctrl-C
        before = there(tmp_path)
        code = gpk(command.replace("FILE", name).split())
        told = capsys.readouterr().err
        after = there(tmp_path)
        assert code == (0 if name in takes else 2), f"{name}: {told}"
        if code:
            assert name in told or "labels.csv" in told  # of more codes than are there
            assert "Traceback" not in told
            assert "header too" not in told
            assert after == before, name
        for made in {*after} - {*before}:
            shutil.rmtree(made, ignore_errors=True)
            made.unlink(missing_ok=True)
