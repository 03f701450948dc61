"""Every bad input and what gpk answers; `python tests/cli/bad_input.py > docs/bad-input.md` writes the page.

A case spoils something in a folder that holds a good album, run and persona, and runs gpk there. `test_bad_input.py`
runs the same cases and compares each answer with its row of the page.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shlex
import shutil
import signal
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from PIL import Image

from gpk.registry import Registry
from gpk_checkpoints.files import read_safetensors, write_safetensors
from gpk_cli import main
from gpk_photos.labels import EXAMPLE

COMMAND = "python tests/cli/bad_input.py > docs/bad-input.md"
PERSONA = "cat.persona.safetensors"
SHORT = "--backend eg3d-minicat --device cpu --steps 2 --anchor-steps 2 --seed 3"
"""A job of seconds."""
FIRST = "img00000000.png"
"""The album's first photo."""
ALBUM_JOB = f"personalize album {SHORT} --out new"
PREPARE = "prepare album --backend stylegan2-minicat --device cpu"
PERSONA_JOBS = (f"show {PERSONA}", f"merge {PERSONA} new.safetensors", f"export {PERSONA} new")
WEIGHTS_JOBS = (f"{ALBUM_JOB} --weights bad.safetensors", f"merge {PERSONA} new.safetensors --weights bad.safetensors")

Spoil = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """What was given, `spoil` that makes it, the commands that must answer it alike, and a part of their answer.

    `varies` is a pattern of what Python, a library or the system has its own words for: an ellipsis on the page.
    """

    given: str
    says: str
    spoil: Spoil = lambda folder: None
    commands: tuple[str, ...] = (ALBUM_JOB,)
    varies: str = ""

    def row(self, told: str) -> str:
        """The page's row: the answer in one line, without the two on usage that Typer puts before its own."""
        return row(self.given, re.sub(self.varies, "…", told) if self.varies else told)


def row(given: str, told: str) -> str:
    """A row of the page."""
    told = re.sub(r"^Usage: .*\nTry .*\n\n", "", told).strip().replace(EXAMPLE, "{…}")
    plain = told.replace("|", r"\|").replace("<", "&lt;")
    lines = (line.strip() for line in plain.splitlines())
    return f"| {given} | {'<br>'.join(lines)} |"


@dataclass(frozen=True)
class Answer:
    """How gpk ended, and what it printed."""

    code: int
    out: str
    told: str


def answer(command: str) -> Answer:
    """Runs gpk in this process and folder."""
    out, told = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(told):
        code = main(shlex.split(command))
    return Answer(code, out.getvalue(), told.getvalue())


# What the cases start from.


class StopAt(StringIO):
    """A stderr that presses Ctrl-C when a line begins so."""

    def __init__(self, start: str) -> None:
        super().__init__()
        self._start = start

    def write(self, text: str, /) -> int:
        """Keeps the text."""
        if text.startswith(self._start):
            os.kill(os.getpid(), signal.SIGINT)
        return super().write(text)


def make_good(folder: Path) -> Path:
    """An album, a finished `run`, its persona, a `half` run that was stopped after a step of tuning, and a `prepared`
    album of the same photos.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with chdir(folder):
        assert answer("minicat album cat --seed 3 --photos 4 --held-out 0").code == 0
        Path("cat/train").rename("album")
        shutil.rmtree("cat")
        job = f"personalize album {SHORT} --out"
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored, as in the background
        with redirect_stdout(StringIO()), redirect_stderr(StopAt("tuning 1/2")):
            assert main(shlex.split(f"{job} half")) == 130
        signal.signal(signal.SIGINT, before)
        done = answer(f"{job} run")
        assert done.code == 0, done.told
        shutil.copy("run/eg3d-minicat.persona.safetensors", PERSONA)
        done = answer(f"{PREPARE} --crop centre --out prepared")
        assert done.code == 0, done.told
    return folder


# What spoils them.


def put(name: str, content: bytes | str) -> Spoil:
    """Writes a file, its folders with it."""

    def spoil(folder: Path) -> None:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    return spoil


def drop(*names: str) -> Spoil:
    """Deletes files."""
    return lambda folder: [(folder / name).unlink() for name in names]


def cut(name: str, share: float = 0.5) -> Spoil:
    """Cuts a file short."""

    def spoil(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])

    return spoil


def alone(name: str, content: bytes) -> Spoil:
    """An album with one photo, labelled as if it were good."""

    def spoil(folder: Path) -> None:
        label = labels(folder)[0][1]
        shutil.rmtree(folder / "album")
        put(f"album/{name}", content)(folder)
        put("album/dataset.json", json.dumps({"labels": [[name, label]]}))(folder)

    return spoil


def labels(folder: Path) -> list[Any]:
    """The album's labels: pairs of a name and 25 numbers."""
    return json.loads((folder / "album/dataset.json").read_text())["labels"]


def label(change: Callable[[list[float]], Sequence[object]]) -> Spoil:
    """Changes the first photo's label."""

    def spoil(folder: Path) -> None:
        pairs = labels(folder)
        pairs[0][1] = change(pairs[0][1])
        put("album/dataset.json", json.dumps({"labels": pairs}))(folder)

    return spoil


def all_labels(change: Callable[[list[float]], Sequence[object]]) -> Spoil:
    """Changes every photo's label."""

    def spoil(folder: Path) -> None:
        put("album/dataset.json", json.dumps({"labels": [[name, change(n)] for name, n in labels(folder)]}))(folder)

    return spoil


def relabelled(folder: Path) -> None:
    """Labels the album's photos with the ending of another format."""
    pairs = [[photo.with_suffix(".jpg").name, []] for photo in sorted((folder / "album").glob("*.png"))]
    put("album/dataset.json", json.dumps({"labels": pairs}))(folder)


def tensors(source: str, target: str, change: Callable[[dict[str, torch.Tensor]], object]) -> Spoil:
    """Writes a safetensors file again, as `target`, with its tensors changed."""

    def spoil(folder: Path) -> None:
        stored, metadata = read_safetensors(folder / source)
        change(stored)
        write_safetensors(folder / target, stored, metadata)

    return spoil


def event(run: str, name: str, **changes: object) -> Spoil:
    """Changes facts of the events of that name in a run's log."""

    def spoil(folder: Path) -> None:
        told = [json.loads(line) for line in (folder / run / "log.jsonl").read_text().splitlines()]
        lines = (json.dumps(each | changes if each["event"] == name else each) + "\n" for each in told)
        put(f"{run}/log.jsonl", "".join(lines))(folder)

    return spoil


def header(**changes: object) -> Spoil:
    """Changes the persona's header; None deletes."""

    def spoil(folder: Path) -> None:
        stored, metadata = read_safetensors(folder / PERSONA)
        known = {**json.loads(metadata["gpk"]), **changes}
        metadata["gpk"] = json.dumps({key: value for key, value in known.items() if value is not None})
        write_safetensors(folder / PERSONA, stored, metadata)

    return spoil


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Spoil:
    """The embedded weights with their tensors changed."""

    def spoil(folder: Path) -> None:
        file = Registry.discover(plugins=False).backend("eg3d-minicat").card.weights
        assert file is not None
        tensors(str(file), "bad.safetensors", change)(folder)

    return spoil


def png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def picture(width: int, height: int, form: str = "PNG") -> bytes:
    """A grey picture's file."""
    file = BytesIO()
    Image.effect_noise((width, height), 50).convert("RGB").save(file, form)
    return file.getvalue()


def zip_bomb(folder: Path) -> None:
    """A zip of 300 kB with a photo of 300 MB."""
    with zipfile.ZipFile(folder / "album.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(folder / "album/dataset.json", "dataset.json")
        with archive.open(labels(folder)[0][0], "w") as member:
            for _ in range(300):
                member.write(bytes(2**20))


def only_one(stored: dict[str, torch.Tensor]) -> None:
    """Leaves one change, of a weight called `a.weight`."""
    for name in list(stored):
        if not name.startswith("anchor"):
            del stored[name]
    stored["a.weight.D"] = torch.zeros(3)


def personalize(options: str, album: str = "album") -> tuple[str]:
    """The short job with other options, which win over those before."""
    return (f"personalize {album} {SHORT} --out new {options}",)


def configured(given: str, content: bytes | str, says: str, *, varies: str = "") -> Case:
    """A case of `--config a.yaml`."""
    return Case(given, says, put("a.yaml", content), personalize("--config a.yaml"), varies)


def optional(options: str, says: str, *, varies: str = "") -> Case:
    """A case of options alone."""
    return Case(f"`{options}`", says, commands=personalize(options), varies=varies)


def several(*spoils: Spoil) -> Spoil:
    """One after the other."""
    return lambda folder: [spoil(folder) for spoil in spoils]


def instead(name: str) -> tuple[str, ...]:
    """The persona's commands on another file."""
    return tuple(job.replace(PERSONA, name) for job in PERSONA_JOBS)


def persona(change: Callable[[dict[str, torch.Tensor]], object]) -> Spoil:
    """The persona with its tensors changed."""
    return tensors(PERSONA, PERSONA, change)


def state(change: Callable[[dict[str, torch.Tensor]], object]) -> Spoil:
    """The half run's state with its tensors changed."""
    return tensors("half/state.safetensors", "half/state.safetensors", change)


def in_folder(name: str) -> tuple[str]:
    """The short job in another run's folder."""
    return (f"personalize album {SHORT} --out {name}",)


def renamed_setting(folder: Path) -> None:
    """The half run's config as another version of gpk would have written it."""
    file = folder / "half/config.yaml"
    file.write_text(file.read_text().replace("jitter", "shiver"))


def folder_for(name: str) -> Spoil:
    """A folder where a file was."""
    return several(drop(name), lambda folder: (folder / name).mkdir())


def in_use(name: str) -> Spoil:
    """A run's folder in use; for as long as what this returns is kept."""

    def lock(folder: Path) -> FileLock:
        held = FileLock(folder / name / "run.lock", timeout=0)
        held.acquire()
        return held

    return lock


BRACKET = r"\(.*\)"
JSON_WORDS = r"\([^{]*\)"
YAML_WORDS = r"(?<=YAML: ).*"
DEVICE_WORDS = r"(?<=used: ).*(?=\. Use)"
USAGE_WORDS = r"(?<='--rank': ).*|(?<='--format': ).*|(?<=--stpes).*|(?<='personalise').*"
ONE = {"a.weight": {"shape": [3]}}
HUGE = {"a.weight": {"shape": [1_000_000, 1_000_000]}}
DEFLATED = "a zip whose photo unpacks from 300 kB to 300 MB"

ALBUMS = [
    Case("an album that is not there", "no album at none", commands=personalize("", "none")),
    Case("no album", "which album?", commands=(f"personalize {SHORT}",)),
    Case("a device as the album", "how to open /dev/null", commands=personalize("", "/dev/null")),
    Case("the folder of a run as the album", "Passed over: 1 run's folder", commands=personalize("", "run")),
    Case("an empty folder", "no photos in empty", lambda f: (f / "empty").mkdir(), personalize("", "empty")),
    Case("a text file as the album", "a folder or a zip", put("a.txt", "hello"), personalize("", "a.txt")),
    Case("a text file called `.zip`", "not a whole zip", put("a.zip", "hello"), personalize("", "a.zip"), BRACKET),
    Case("one photo", "1 usable photo, and 2 are needed", alone("a.png", picture(64, 64))),
    Case("a text file called `.png`, and no other photo", "a.png: unreadable", alone("a.png", b"hello")),
    Case(
        "a JPEG cut short, and no other photo", "cut off", alone("a.jpg", picture(64, 64, "JPEG")[:800]), varies=BRACKET
    ),
    Case(
        "a PNG of 100 bytes that claims 50,000 by 50,000 pixels",
        "more pixels than a photo has",
        alone("a.png", png(50_000, 50_000)),
        varies=BRACKET,
    ),
    Case(DEFLATED, "larger than a photo", zip_bomb, personalize("", "album.zip")),
    Case(
        "photos without camera labels, with `--no-prepare`",
        "album has no dataset.json",
        drop("album/dataset.json"),
        personalize("--no-prepare"),
    ),
    Case("labels of absent photos only", "absent", put("album/dataset.json", '{"labels": [["a.png", []]]}')),
    Case(
        "a `dataset.json` that is no JSON",
        "album: dataset.json is not whole JSON",
        put("album/dataset.json", "labels:"),
        varies=JSON_WORDS,
    ),
    Case("a `dataset.json` of another shape", 'no list "labels"', put("album/dataset.json", '{"images": []}')),
    Case("a label without its 25 numbers", "entry 0", put("album/dataset.json", '{"labels": ["a.png"]}')),
    Case("a label of 24 numbers", "not 24", label(lambda n: n[:24])),
    Case("a label with a NaN", "not finite", label(lambda n: [*n[:24], float("nan")])),
    Case("a label with text among its numbers", "not a number", label(lambda n: [str(n[0]), *n[1:]])),
    Case("a label whose pose is no rotation", "not a rotation", label(lambda n: [2.0, *n[1:]])),
    Case("a label with a focal length of zero", "focal length", label(lambda n: [*n[:16], 0.0, *n[17:]])),
    Case("a label with the intrinsics in pixels", "divide them", label(lambda n: [*n[:16], 2000.0, *n[17:]])),
    Case('a `dataset.json` with `"labels": null`', "have no labels", put("album/dataset.json", '{"labels": null}')),
    Case(
        "labels in other units than the generator's",
        "give --labels-as scale=",
        all_labels(lambda n: [*n[:3], 100 * n[3], *n[4:7], 100 * n[7], *n[8:11], 100 * n[11], *n[12:]]),
    ),
    Case(
        "`--labels-as` with a turn that there is not",
        "--labels-as knows no 'blender'",
        commands=(f"{ALBUM_JOB} --labels-as blender",),
    ),
    Case(
        "`--labels-as` of photos without labels",
        "that --labels-as could turn",
        lambda folder: (folder / "album/dataset.json").unlink(),
        (f"{ALBUM_JOB} --labels-as opengl",),
    ),
    Case(
        "labels whose names have another ending than the photos",
        "but for its ending",
        relabelled,
    ),
    Case("`--held-out` photos that are not there", "no album at none", commands=personalize("--held-out none")),
    Case(
        "`--held-out` photos that are learned from",
        "every held-out photo in album is learned from",
        commands=personalize("--held-out album"),
    ),
]

OPTIONS = [
    Case("no backend", "which backend?", commands=("personalize album",)),
    optional("--backend eg3d-minicta", "did you mean 'eg3d-minicat'?"),
    optional("--card minicat-46", "did you mean 'minicat-64'?"),
    optional("--preset fats", "did you mean 'fast'?"),
    optional("--distance minicat-distence", "did you mean 'minicat-distance'?"),
    optional("--distance minicat-identity", "is a judge of single images"),
    optional("--lpips-weights a.pth", "of no use"),
    optional("--rank 0", "at least 1"),
    optional("--rank -3", "at least 1"),
    optional("--rank 9999", "beyond every layer"),
    optional("--dry-run --rank 9999", "beyond every layer"),
    optional("--rank one", "'--rank'", varies=USAGE_WORDS),
    optional("--alpha inf", "alpha must be finite"),
    optional("--steps -1", "tuning.steps must be at least 0"),
    optional("--anchor-steps -1", "inversion.steps must be at least 0"),
    optional("--batch 0", "batch must be at least 1"),
    optional("--lr 0", "lr must be above 0"),
    optional("--lr nan", "lr must be above 0"),
    optional("--lr inf", "tuning.lr must be at most 1e+30"),
    optional("--layout nonsense", "recipe.layout is 'nonsense'"),
    optional("--space z", "inversion.space is 'z'"),
    optional("--seed 99999999999999999999", "64 bits"),
    optional("--device cuda:99", "'cuda:99' cannot be used", varies=DEVICE_WORDS),
    optional("--device abacus", "'abacus' cannot be used", varies=DEVICE_WORDS),
    optional("--device meta", "'meta' cannot be used", varies=DEVICE_WORDS),
    optional("--stpes 3", "--stpes", varies=USAGE_WORDS),
    Case("`gpk personalise`", "'personalise'", commands=("personalise album",), varies=USAGE_WORDS),
    optional("--config none.yaml", "cannot read the settings in none.yaml"),
    configured("a `--config` that is no YAML", "tuning: {", "a.yaml, line 1", varies=YAML_WORDS),
    configured("a binary file as `--config`", b"\xff\xfe\x00", "UTF-8"),
    configured("a picture as `--config`", png(8, 8), "is a picture (PNG). Settings are needed"),
    configured("a `--config` that is a list", "- 5", "must map"),
    configured("`tuning: {stpes: 5}` in `--config`", "tuning: {stpes: 5}", "did you mean 'tuning.steps'?"),
    configured("`tuning: 5` in `--config`", "tuning: 5", "where a mapping is needed"),
    configured(
        "`inversion: {batch: many}` in `--config`", "inversion: {batch: many}", "where a whole number is needed"
    ),
    configured(
        "`recipe: {rank_pattern: {backbone.7: 1}}`",
        "recipe: {rank_pattern: {backbone.7: 1}}",
        "unknown block 'backbone.7'",
    ),
    configured(
        "`recipe: {rank_pattern: {decoder: -1}}`", "recipe: {rank_pattern: {decoder: -1}}", "must be a whole number"
    ),
    configured(
        "`recipe: {rank_pattern: {superres.64: 999}}`", "recipe: {rank_pattern: {superres.64: 999}}", "of superres.64"
    ),
    configured("a key twice in `--config`", "seed: 1\nseed: 2", "a.yaml, line 2"),
    configured(
        "`seed: !!python/object/apply:os.mkdir [poisoned]` in `--config`",
        "seed: !!python/object/apply:os.mkdir [poisoned]",
        "nothing is run",
    ),
    configured("`task: interpolate` in `--config`", "task: interpolate", "of the task 'interpolate'"),
    Case("`gpk minicat album new --photos 0`", "at least one photo", commands=("minicat album new --photos 0",)),
    Case("`gpk minicat album new --size 7`", "an even number", commands=("minicat album new --size 7",)),
    Case(
        "`gpk minicat album new --traits moustache`", "'moustache'", commands=("minicat album new --traits moustache",)
    ),
    Case("`gpk minicat album` into a folder of photos", "is not empty", commands=("minicat album album",)),
    Case("`gpk demo` into a file", "give another place", put("a.txt", "hello"), ("demo --out a.txt",)),
    Case(
        "`gpk bench minicat` into a folder of other things",
        "is no run's folder",
        commands=("bench minicat --quick --out album",),
    ),
    Case("A benchmark of no cats", "needs a cat", commands=("bench minicat --subjects 0", "bench minicat --workers 0")),
    Case("A row of the benchmark that is none", "unknown row", commands=("bench minicat --row fats",)),
    Case(
        "`--quick` and rows of one's own",
        "has rows of its own",
        put("a.yaml", "a: {}"),
        ("bench minicat --quick --rows a.yaml",),
    ),
    Case(
        "Rows of a benchmark in which a setting is none",
        "unknown config key",
        put("a.yaml", "a: {tuning: {rate: 1}}"),
        ("bench minicat --rows a.yaml",),
    ),
    Case("Rows of a benchmark that are not there", "cannot read", commands=("bench minicat --rows a.yaml",)),
    Case(
        "People for judges, all in one folder",
        "no two folders of photos",
        commands=("bench judges --people album --judge minicat-identity --crop centre --out new",),
    ),
    Case(
        "A detector that is to cut recognisers' own pictures",
        "give --crop centre",
        commands=("bench judges --people album --framing whole --out new",),
    ),
    Case(
        "A distance that is to judge people",
        "no judge of identity",
        commands=("bench judges --people album --judge minicat-distance --crop centre --out new",),
    ),
    Case(
        "A picture as the weights of `dlib-id`",
        "is not dlib's recogniser of faces, but a picture",
        commands=("bench judges --people album --judge dlib-id=album/img00000003.png --crop centre --out new",),
    ),
]

LAYERS = 10
W = np.linspace(-1, 1, 128, dtype=np.float32)
"""A code of the embedded priors' width."""


def anchored(given: str, name: str, content: bytes, says: str, *, varies: str = "") -> Case:
    """A case of `--anchors` with a file, and where it is one code, of the photo that it is called like."""
    return Case(given, says, put(name, content), (f"{GIVEN_JOB} --anchors {name}",), varies)


def array(numbers: Any, **options: Any) -> bytes:
    """A .npy file."""
    file = BytesIO()
    np.save(file, numbers, **options)
    return file.getvalue()


def saved(content: object) -> bytes:
    """What torch.save writes."""
    file = BytesIO()
    torch.save(content, file)
    return file.getvalue()


def codes_beside(*names: str) -> Spoil:
    """Codes among the album's photos."""
    return several(*(put(f"album/{name}", array(W)) for name in names))


GIVEN_JOB = "personalize album --backend eg3d-minicat --device cpu --steps 2 --out new"
ANCHORS = [
    Case("`--anchors` that are not there", "cannot read none.npy", commands=(f"{GIVEN_JOB} --anchors none.npy",)),
    anchored("a text of numbers as `--anchors`", "w.csv", b"w0,w1\n0.5,1\n", "np.loadtxt"),
    anchored("another text as `--anchors`", "w.txt", b"cats and dogs\n", "begins with 'cats and dogs'"),
    anchored("JSON as `--anchors`", "w.json", b"[[0.5, 1]]", "json.loads"),
    anchored("a picture as `--anchors`", "w.png", picture(8, 8), "is a picture (PNG)"),
    anchored("a pickle as `--anchors`", "w.pkl", pickle.dumps([0.5]), "would have to be run"),
    anchored("a `.npy` cut short as `--anchors`", "w.npy", array(W)[:-3], "cut short or damaged"),
    anchored("a `.npy` of Python objects", "w.npy", array(np.array([{}]), allow_pickle=True), "of Python objects"),
    anchored("a `.npy` of whole numbers", "w.npy", array(np.ones((4, 128), int)), "of int64"),
    anchored("a `.npy` with NaN", "w.npy", array(W * np.nan), "not finite"),
    anchored("a `.pt` of a note", "w.pt", saved({"note": "a cat"}), "without an array"),
    anchored("a `.pt` of two tensors", "w.pt", saved({"a": torch.ones(2), "b": torch.ones(2)}), "with 2 arrays (a, b)"),
    anchored("codes of a wider generator", "w.npy", array(np.ones((4, 512), np.float32)), "of another generator"),
    anchored("codes in one row", "w.npy", array(np.ones((4, LAYERS * 128), np.float32)), ".reshape(-1,"),
    anchored("codes as columns", "w.npy", array(np.ones((128, 4), np.float32)), ".T)"),
    anchored("three codes for four photos", "w.npy", array(np.stack([W] * 3)), "3 codes, and of the album 4 photos"),
    Case(
        "four codes for four photos and one that is left out",
        "4 photos are used and 1 left out",
        several(put("album/empty.png", b""), put("w.npy", array(np.stack([W] * 4)))),
        (f"{GIVEN_JOB} --anchors w.npy",),
    ),
    Case(
        "a persona as `--anchors`",
        'load_file("cat.persona.safetensors")["anchors"]',
        commands=(f"{GIVEN_JOB} --anchors {PERSONA}",),
    ),
    Case(
        "a folder without a photo's code",
        "no code of 2 of the 4 photos",
        codes_beside("img00000000_latent.npy", "img00000001.npy"),
        (f"{GIVEN_JOB} --anchors album",),
    ),
    Case(
        "a folder with two codes of a photo",
        "which is it? Take one away",
        codes_beside("img00000000_latent.npy", "img00000000.npy"),
        (f"{GIVEN_JOB} --anchors album",),
    ),
    Case(
        "`--anchors` for raw photos",
        "has no camera labels, and anchors are of pictures",
        several(drop("album/dataset.json"), put("w.npy", array(W))),
        (f"{GIVEN_JOB} --anchors w.npy",),
    ),
    Case(
        "`--anchors` with an option of inversion",
        "about inversion, which --anchors leaves out",
        commands=(f"{GIVEN_JOB} --anchors w.npy --space w+",),
    ),
    Case(
        "`--config` of a run with `--anchors`, without them",
        "give them with --anchors",
        put("a.yaml", "anchors: {sha256: abc, space: w}"),
        (f"{GIVEN_JOB} --config a.yaml",),
    ),
]

PERSONAS = [
    Case("a persona that is not there", "there is no none", commands=instead("none.safetensors")),
    Case("a folder as the persona", "album holds no persona", commands=instead("album")),
    Case("a text file as the persona", "is a text", put(PERSONA, "hello"), PERSONA_JOBS),
    Case("an empty file as the persona", "an empty file.", put(PERSONA, ""), PERSONA_JOBS),
    Case("a persona cut short", "not a whole", cut(PERSONA), PERSONA_JOBS),
    Case(
        "another safetensors file as the persona", "is no persona", weights(lambda t: None), instead("bad.safetensors")
    ),
    Case("a persona of a later format", "update gpk", header(format="gpk-persona/2"), PERSONA_JOBS),
    Case("a persona without a tensor", "1 tensors are missing", persona(lambda t: t.pop(max(t))), PERSONA_JOBS),
    Case("a persona without its anchors", "missing: anchors", persona(lambda t: t.pop("anchors")), PERSONA_JOBS),
    Case("a persona with a tensor too many", "surplus", persona(lambda t: t.update(x=torch.ones(1))), PERSONA_JOBS),
    Case("a persona with a NaN", "anchors has numbers", persona(lambda t: t["anchors"].fill_(torch.nan)), PERSONA_JOBS),
    Case(
        "a persona with a tensor of another shape",
        "expected",
        persona(lambda t: t.update({max(t): torch.ones(7, 7)})),
        PERSONA_JOBS,
    ),
    Case("a persona whose header lacks the recipe", "'recipe' is missing", header(recipe=None), PERSONA_JOBS),
    Case("a persona whose header has a recipe of another gpk", "'colour'", header(recipe={"colour": 1}), PERSONA_JOBS),
    Case(
        "a persona whose header has a list of sites",
        "damaged",
        header(sites=[1]),
        PERSONA_JOBS,
        r"(?<=damaged: ).*(?=: copy)",
    ),
    Case(
        "a persona whose header claims a weight of 4 TB", "more than the whole file", header(sites=HUGE), PERSONA_JOBS
    ),
    Case("a persona whose header has a number for the base", "base is 5", header(base=5), PERSONA_JOBS),
    Case(
        "`gpk merge` of a persona for a backend that is not installed",
        "'dogs'",
        header(backend="dogs"),
        PERSONA_JOBS[1:2],
    ),
    Case(
        "`gpk merge` of a persona for a backend that is code",
        "say so with --backend module:nets:make",
        header(backend="module:nets:make"),
        PERSONA_JOBS[1:2],
    ),
    Case(
        "`--backend module:nets:make`, and no such code",
        "unknown module 'nets'",
        commands=("personalize album --backend module:nets:make",),
        varies=r"(?<=Looked for nets in )\S+",
    ),
    Case("`gpk merge` of a persona for an unknown card", "'pug'", header(card="pug"), PERSONA_JOBS[1:2]),
    Case(
        "`gpk merge` of a persona for another base",
        "weights it was made with",
        header(base="0" * 64),
        PERSONA_JOBS[1:2],
    ),
    Case(
        "`gpk merge` of a persona for a weight that is none",
        "no such weight",
        several(header(sites=ONE), persona(only_one)),
        PERSONA_JOBS[1:2],
    ),
    Case(
        "`gpk merge` onto a file, without `--force`", "exists already", put("new.safetensors", "x"), PERSONA_JOBS[1:2]
    ),
    Case("`gpk merge` onto a folder, with `--force`", "Is a directory", commands=(f"merge --force {PERSONA} album",)),
    Case("`gpk merge` below a file", "cannot write", commands=(f"merge {PERSONA} {PERSONA}/new",), varies=BRACKET),
    Case(
        "`gpk merge` and `gpk export` onto the persona itself, with `--force`",
        "would be lost",
        commands=(
            f"merge --force {PERSONA} {PERSONA}",
            f"export --force {PERSONA} {PERSONA}",
            f"export --format merged --force {PERSONA} {PERSONA}",
        ),
    ),
    Case(
        "`gpk export` onto a file, with `--force`",
        "needs a folder",
        put("new", "x"),
        (f"export --force {PERSONA} new",),
    ),
    Case(
        "`gpk export --format gguf`",
        "'--format'",
        commands=(f"export {PERSONA} new --format gguf",),
        varies=USAGE_WORDS,
    ),
]

WEIGHTS = [
    Case("weights that are not there", "cannot read none", commands=personalize("--weights none.safetensors")),
    Case("a folder as the weights", "album is no file", commands=personalize("--weights album")),
    Case("a text file as the weights", "is a text", put("bad.safetensors", "hello"), WEIGHTS_JOBS),
    Case("an empty file as the weights", "is an empty file", put("bad.safetensors", ""), WEIGHTS_JOBS),
    Case(
        "a web page as the weights",
        "a web page",
        put("bad.safetensors", "<!DOCTYPE html>"),
        (*WEIGHTS_JOBS, "weights import stylegan2 bad.safetensors"),
    ),
    Case(
        "a key that a file of weights has not",
        "leave out ::G_A",
        weights(lambda t: None),
        ("weights import eg3d-ffhq bad.safetensors::G_A",),
    ),
    Case(
        "`gpk weights import` of a file that is not the card's",
        "its avg_camera_pivot is",
        weights(lambda t: None),
        ("weights import eg3d-ffhq bad.safetensors",),
    ),
    Case(
        "`gpk weights import --as` a published name",
        "has a card",
        commands=("weights import stylegan2 x --as ffhq-256",),
    ),
    Case("`gpk weights explain` of no file", "there is no none", commands=("weights explain none",)),
    Case(
        "weights cut short",
        "not a whole",
        several(weights(lambda t: None), cut("bad.safetensors")),
        WEIGHTS_JOBS,
    ),
    Case(
        "another family's weights",
        "does not know",
        lambda f: write_safetensors(f / "bad.safetensors", {"conv.weight": torch.ones(3)}, {}),
        WEIGHTS_JOBS,
    ),
    Case(
        "a persona as the weights",
        "is a persona of gpk",
        lambda f: shutil.copy(f / PERSONA, f / "bad.safetensors"),
        WEIGHTS_JOBS,
    ),
    Case("weights with a NaN", "not finite", weights(lambda t: t[max(t)].fill_(torch.nan)), WEIGHTS_JOBS),
    Case("weights without a tensor", "missing", weights(lambda t: t.pop(max(t))), WEIGHTS_JOBS),
    Case("weights with a tensor too many", "x", weights(lambda t: t.update(x=torch.ones(1))), WEIGHTS_JOBS),
    Case(
        "weights with a tensor of another shape",
        "shape",
        weights(lambda t: t.update({max(t): torch.ones(7)})),
        WEIGHTS_JOBS,
    ),
]

LAYER = "backbone.synthesis.b4.conv1"
"""A layer of the embedded prior."""


def trained(change: Callable[[dict[str, torch.Tensor]], object] = lambda tensors: None) -> Spoil:
    """What another program trained of the embedded prior, as `bad.safetensors`: factors of one layer, and a change."""

    def added(tensors: dict[str, torch.Tensor]) -> None:
        outputs, inputs, k, _ = tensors[f"{LAYER}.weight"].shape
        tensors[f"{LAYER}.lora_A"], tensors[f"{LAYER}.lora_B"] = torch.ones(k, inputs * k * k), torch.ones(outputs, k)
        change(tensors)

    return weights(added)


def imported(options: str = "--alpha 1", file: str = "bad.safetensors") -> tuple[str]:
    """Makes a persona of it."""
    return (f"persona import {file} --backend eg3d-minicat --out new {options}",)


def code(array: np.ndarray) -> Spoil:
    """Such a file, and a code in the album."""
    file = BytesIO()
    np.save(file, array)
    return several(trained(), put("album/a_latent.npy", file.getvalue()))


CODES = imported("--alpha 1 --album album")
FOREIGN = [
    Case("a file that is not there", "cannot read none", commands=imported(file="none")),
    Case("a persona of gpk's", "is a persona of gpk", commands=imported(file=PERSONA)),
    Case("a text file as a snapshot", "is a text", put("a.pkl", "hello"), imported(file="a.pkl")),
    Case("a generator without factors", "is no snapshot of My3DGen", weights(lambda t: None), imported()),
    Case("factors whose alpha nobody tells", "give --alpha", trained(), imported("")),
    Case("`--alpha 0` for factors", "alpha must be above 0", trained(), imported("--alpha 0")),
    Case("a factor without its other", "no lora_A", trained(lambda t: t.pop(f"{LAYER}.lora_A")), imported()),
    Case(
        "factors of a layer that is none",
        "no layer of this generator",
        trained(lambda t: t.update({f"b4.conv7.lora_{name}": torch.ones(1) for name in "AB"})),
        imported(),
    ),
    Case(
        "factors of another shape",
        "at rank 1",
        trained(lambda t: t.update({f"{LAYER}.lora_A": torch.ones(3, 7)})),
        imported(),
    ),
    Case(
        "factors with a NaN",
        "not finite in the factors",
        trained(lambda t: t[f"{LAYER}.lora_B"].fill_(torch.nan)),
        imported(),
    ),
    Case(
        "what was tuned from other weights",
        "tuned from another base",
        trained(lambda t: t[f"{LAYER}.weight"].mul_(2)),
        imported(),
    ),
    Case("a snapshot that lacks a tensor", "missing", trained(lambda t: t.pop(f"{LAYER}.bias")), imported()),
    Case("`--album` that is no folder", "none is no folder", trained(), imported("--alpha 1 --album none")),
    Case("`--album` of photos without codes", "album holds no codes", trained(), CODES),
    Case("a code beside a photo of another generator", "Wanted is codes", code(np.ones((1, 18, 512))), CODES),
    Case("a persona that is there already", "exists already", several(trained(), put("new", "x")), imported()),
    Case(
        "`gpk weights import` of such a file",
        "`gpk persona import FILE",
        trained(),
        ("weights import eg3d-ffhq bad.safetensors",),
    ),
]

RUNS = [
    Case("a file as `--out`", "needs a folder", put("a.txt", "hello"), in_folder("a.txt")),
    Case("an `--out` below a file", "Not a directory", put("a.txt", "hello"), in_folder("a.txt/run")),
    Case("an `--out` that holds something else", "holds 'cv.doc'", put("a/cv.doc", "hello"), in_folder("a")),
    Case(
        "an `--out` that holds a run with other settings",
        "recipe.rank is 2 there and 3 now",
        commands=in_folder("run --rank 3"),
    ),
    Case(
        "an `--out` that holds a run of another album",
        "album is",
        drop("album/img00000003.png"),
        in_folder("run"),
        r'(?<=")\w+…',
    ),
    Case("an `--out` that holds a run of another gpk", "shiver", renamed_setting, in_folder("half")),
    Case("an `--out` in use by another process", "is in use", in_use("half"), in_folder("half")),
    Case(
        "a finished run whose persona is gone",
        "is gone",
        drop("run/eg3d-minicat.persona.safetensors"),
        in_folder("run"),
    ),
    Case(
        "a finished run whose log lacks its outcome",
        "does not tell",
        put("run/log.jsonl", '{"event": "finished"}\n'),
        in_folder("run"),
    ),
    Case(
        "a finished run whose outcome in the log is not what it was",
        "numbers is 'many'",
        event("run", "done", numbers="many"),
        (*in_folder("run"), "report run"),
    ),
    Case("a run whose state is cut short", "damaged or cut short", cut("half/state.safetensors"), in_folder("half")),
    Case(
        "a run whose state has a number changed",
        "are not those that were saved",
        state(lambda t: t["anchors"].add_(1e-3)),
        in_folder("half"),
    ),
    Case(
        "a run whose state lacks a tensor",
        "are not those that were saved",
        state(lambda t: t.pop("anchors")),
        in_folder("half"),
    ),
    Case(
        "a run whose state is another file",
        "is no state",
        lambda f: shutil.copy(f / PERSONA, f / "half/state.safetensors"),
        in_folder("half"),
    ),
    Case("a run whose state is a folder", "is no file", folder_for("half/state.safetensors"), in_folder("half")),
    Case("a run whose log is cut", "is shorter than", cut("half/log.jsonl"), in_folder("half")),
    Case("a run whose log is gone", "is shorter than", drop("half/log.jsonl"), in_folder("half")),
    Case("a run whose log holds other text", "line 1", put("half/log.jsonl", "hello\n" * 200), in_folder("half")),
    Case(
        "a run whose `config.yaml` is no YAML",
        "another --out",
        put("half/config.yaml", "{"),
        in_folder("half"),
        r"(?<=YAML: ).*(?=: put)",
    ),
    Case(
        "a run whose `config.yaml` is empty",
        "is not set there",
        put("half/config.yaml", ""),
        in_folder("half"),
        r"and \d+ more",
    ),
    Case(
        "a run whose `environment.json` is no JSON",
        "delete it to go on",
        put("half/environment.json", "{"),
        in_folder("half"),
    ),
]


def restoring(options: str) -> tuple[str, ...]:
    """Restores the album's photos."""
    return (f"run restore {PERSONA} --album album --device cpu --protocol quick --out new {options}",)


def evaluating(options: str) -> tuple[str, ...]:
    """Evaluates the run."""
    return (f"evaluate run --quick --device cpu --out new {options}",)


def mask(size: tuple[int, int], colour: int) -> bytes:
    """A mask of one colour."""
    file = BytesIO()
    Image.new("L", size, colour).save(file, "PNG")
    return file.getvalue()


TASKS = [
    Case("a task that is none", "'vieuws'", commands=(f"run vieuws {PERSONA}",)),
    Case("a task without a subject", "who is it about", commands=("run views",)),
    Case("views of a 2D generator", "2D", commands=("run views --backend stylegan2-minicat",)),
    Case("a hull of nobody", "give a persona", commands=("run synthesize --backend eg3d-minicat --out new",)),
    Case("photos to restore that are not given", "which photos", commands=(f"run restore {PERSONA} --mask centre",)),
    Case("nothing that is missing", "what is missing", commands=restoring("")),
    Case("a mask of another size", "32x32", put("m.png", mask((32, 32), 255)), restoring("--mask m.png")),
    Case("a mask that marks nothing", "marks nothing", put("m.png", mask((64, 64), 0)), restoring("--mask m.png")),
    Case("a mask that leaves nothing", "leaves nothing", put("m.png", mask((64, 64), 255)), restoring("--mask m.png")),
    Case("a box outside the picture", "not in the picture", commands=restoring("--box 0.5,0.5,0.7,0.2")),
    Case("a factor that does not divide", "divided by 7", commands=restoring("--kind upscale --factor 7")),
    Case(
        "codes of another width",
        "[2, 8]",
        put("w.npy", array(np.ones((2, 8), np.float32))),
        (f"run views {PERSONA} --codes w.npy --out new --device cpu",),
    ),
    Case(
        "a direction of two matrices",
        '["d"][0])` converts it',
        lambda folder: np.savez(folder / "d.npz", d=np.ones((2, 1, 128), np.float32)),
        (f"run edit {PERSONA} --direction d.npz --out new --device cpu",),
    ),
    Case(
        "a direction of another width",
        "[1, 8]",
        lambda folder: write_safetensors(folder / "d.safetensors", {"direction": torch.ones(1, 8)}, {}),
        (f"run edit {PERSONA} --direction d.safetensors --out new --device cpu",),
    ),
    Case(
        "an attribute that nobody reads",
        "'smiel'",
        commands=(f"run edit {PERSONA} --attribute smiel --samples 40 --out new --device cpu",),
    ),
    Case(
        "a persona of another base, to be turned",
        "belongs to weights",
        header(base="0" * 64),
        (f"run views {PERSONA}",),
    ),
    Case("held-out photos that are needed", "held out", commands=evaluating("--tasks inversion")),
    Case("a protocol that is none", "'synthesys'", commands=evaluating("--tasks synthesys")),
    Case("a judge that is none", "'arcfase'", commands=evaluating("--tasks synthesis --judge arcfase")),
    Case("runs to evaluate with one album", "one subject", commands=evaluating("run --album album")),
    Case("a video in a format that is none", "'avi'", commands=(f"render {PERSONA} --formats avi --out new",)),
    Case(
        "a way through one anchor",
        "there is 1",
        commands=(f"render {PERSONA} --motion interpolation --anchors 0 --out new --device cpu",),
    ),
    Case("a budget of more than all", "above 0 and at most 1", commands=("analyze run --budget 2 --out new",)),
    Case("several subjects with one album", "is of one subject", commands=("analyze run run --album album --out new",)),
    Case("a report of what is no run", "is no run's folder", commands=("report album",)),
    Case("a report of a log with text for a number", "l2 is 'low'", event("run", "invert", l2="low"), ("report run",)),
    Case(
        "a report of a log with a line that is no event",
        "line 1 does not say what event it is",
        put("run/log.jsonl", '{"loss": 1}\n'),
        ("report run", "evaluate run --device cpu --out new"),
    ),
    Case(
        "a report of a log that is nested beyond measure",
        "line 1 holds values nested deeper",
        put("run/log.jsonl", "[" * 100_000 + "\n"),
        ("report run",),
    ),
    Case(
        "a report of a log with more pictures than any run has",
        "more small pictures",
        event("run", "looks", albums={"train": {"columns": ["a"] * 999, "photos": ["b"] * 999}}),
        ("report run",),
    ),
    Case(
        "a report of a run whose recipe is a list",
        "recipe is [",
        put("run/config.yaml", "task: personalize\nrecipe: [1, 2]\n"),
        ("report run",),
    ),
    Case(
        "a run to evaluate whose log has a number for its photos' place",
        "album is 5",
        event("run", "source", album=5),
        ("evaluate run --device cpu --out new",),
    ),
    Case(
        "a run to evaluate whose log names a place that no disk has",
        "no place of photos",
        event("run", "source", held_out="x" * 5000),
        ("evaluate run --device cpu --out new",),
    ),
    Case("a report onto a file of one's own", "no page of gpk's", put("a.html", "mine"), ("report run --out a.html",)),
]


def preparing(options: str) -> tuple[str]:
    """Prepares the album's photos anew."""
    return (f"{PREPARE} --out new {options}",)


AGAIN = (f"{PREPARE} --crop centre --out prepared",)
"""Goes on with the prepared album."""
LEARN = ("personalize prepared --backend stylegan2-minicat --device cpu --out new",)
"""Learns from it."""


def boxed(given: str, lines: str | bytes, says: str, *, varies: str = "") -> Case:
    """A case of `--crop box.csv`."""
    content = lines if isinstance(lines, bytes) else f"file,left,top,right,bottom,roll\n{lines}"
    return Case(given, says, put("box.csv", content), preparing("--crop box.csv"), varies)


def masked(given: str, content: bytes, says: str) -> Case:
    """A case of an album whose only photo has such a mask."""
    return Case(given, says, several(alone("a.png", picture(64, 64)), put("album/masks/a.png", content)))


def chosen(change: Callable[[list[str]], Sequence[str]], file: str = "prepared/selection.csv") -> Spoil:
    """The selection of the prepared album with its lines changed."""

    def spoil(folder: Path) -> None:
        lines = (folder / "prepared/selection.csv").read_text("utf-8-sig").splitlines()
        put(file, "\n".join(change(lines)))(folder)

    return spoil


def decided(line: str, use: str) -> str:
    """A selection's line with another cell under `use`."""
    file, crop, _, rest = line.split(",", 3)
    return f"{file},{crop},{use},{rest}"


def known(given: str, content: str, says: str, *, varies: str = "") -> Case:
    """A case of `--labels a.json`."""
    return Case(
        given,
        says,
        put("a.json", content),
        ("prepare album --backend eg3d-minicat --device cpu --out new --labels a.json",),
        varies,
    )


RAW = [
    Case(
        "`gpk prepare` of a folder that is not there",
        "no album at none",
        commands=("prepare none --backend eg3d-minicat",),
    ),
    Case(
        "`gpk prepare` into the folder of the raw photos",
        "among the raw photos",
        commands=(f"{PREPARE} --out album/new",),
    ),
    Case(
        "`gpk prepare` into a folder of other things", "no album that was prepared", commands=(f"{PREPARE} --out run",)
    ),
    Case("`gpk prepare` into a file", "an album needs a folder", commands=(f"{PREPARE} --out {PERSONA}",)),
    Case("an album prepared with other settings", "pick is", commands=(f"{AGAIN[0]} --pick 2",)),
    Case("a prepared album in use by another process", "is in use", in_use("prepared/.prepare"), AGAIN),
    Case(
        "a prepared album whose state is cut short",
        "damaged or cut short",
        cut("prepared/.prepare/state.safetensors"),
        AGAIN,
    ),
    Case("`--crop round`", "not 'round'", commands=preparing("--crop round")),
    Case(
        "a photo as `--crop`",
        "which is a picture",
        commands=preparing(f"--crop album/{FIRST}"),
    ),
    Case(
        "`--labels` of photos for a 2D generator",
        "leave out --labels",
        commands=preparing("--crop none --labels album/dataset.json"),
    ),
    Case("`--crop` with boxes that are not there", "cannot read none.csv", commands=preparing("--crop none.csv")),
    boxed("boxes in a binary file", b"\xff\xfe\x00", "as a CSV file in UTF-8", varies=r"(?<=UTF-8: ).*"),
    boxed("boxes without a column", b"file,left,top\n", "has no column right, bottom"),
    boxed("a box of a photo that is not there", "img0000000.png,0,0,9,9,", "did you mean"),
    boxed("a box whose number is none", f"{FIRST},0,zero,9,9,", "line 2: top is 'zero'"),
    boxed("a box without its last number", f"{FIRST},0,0,9", "line 2: bottom is"),
    boxed("a box with a NaN for its roll", f"{FIRST},0,0,9,9,nan", "line 2: roll is 'nan'"),
    boxed("a box from right to left", f"{FIRST},9,0,0,9,", "line 2: the box is empty"),
    boxed("a box with a comma in the photo's name", "tom, tim.png,0,0,9,9,0", "line 2 has 7 cells"),
    boxed("boxes with a zero byte", b"file,left\0", "it has a zero byte"),
    Case(
        "a named pipe of boxes",
        "is no file, but a folder, a pipe or a device",
        lambda f: os.mkfifo(f / "box.csv"),
        preparing("--crop box.csv"),
    ),
    boxed("two boxes of one photo", f"{FIRST},0,0,9,9,\n{FIRST},0,0,8,8,", "line 3"),
    Case("`--pick third`", "not 'third'", commands=preparing("--pick third")),
    Case("`--pick 0`", "not '0'", commands=preparing("--pick 0")),
    Case("`--detector opencv-dog`", "'opencv-dog'", commands=preparing("--detector opencv-dog")),
    Case("`--detector` with `--crop centre`", "of no use", commands=preparing("--crop centre --detector opencv-cat")),
    Case("a file for OpenCV's cascade", "takes no file", commands=preparing(f"--detector opencv-cat={PERSONA}")),
    Case("`--judge` with a distance", "no judge of identity", commands=preparing("--judge minicat-distance")),
    Case("`--judge arcfase`", "'arcfase'", commands=preparing("--judge arcfase")),
    known("`--labels` that are no JSON", "labels:", "a.json is not whole JSON", varies=JSON_WORDS),
    known("`--labels` of absent photos", '{"labels": []}', "labels none of the photos"),
    known("`--labels` of 24 numbers", json.dumps({"labels": [[FIRST, [0] * 24]]}), "not 24"),
    Case(
        "`--labels` that are not there",
        "a.json: cannot be read",
        commands=("prepare album --backend eg3d-minicat --out new --labels a.json",),
    ),
    Case(
        "a `selection.csv` with another word than yes or no",
        "line 2: `use` is 'perhaps'",
        chosen(lambda lines: [lines[0], decided(lines[1], "perhaps"), *lines[2:]]),
        AGAIN + LEARN,
    ),
    Case(
        "a `selection.csv` without a column",
        "has no column 'crop'",
        chosen(lambda lines: ["file,use,why", *lines[1:]]),
        AGAIN + LEARN,
    ),
    Case(
        "a binary file as `selection.csv`",
        "as a CSV file in UTF-8",
        put("prepared/selection.csv", b"\xff\xfe\x00"),
        AGAIN + LEARN,
        r"(?<=UTF-8: ).*(?=: save)",
    ),
    Case(
        "a photo that `selection.csv` decides twice",
        "is decided twice, and differently",
        chosen(lambda lines: [*lines, decided(lines[1], "no"), decided(lines[1], "yes").replace(",gpk,", ",you,")]),
        AGAIN,
    ),
    Case(
        "a `selection.csv` that uses no photo",
        "no photo in prepared can be used",
        chosen(lambda lines: [lines[0], *(decided(line, "no") for line in lines[1:])]),
        LEARN,
    ),
    Case(
        "a `selection.csv` whose crops are gone",
        "its crop is gone: run `gpk prepare` again",
        lambda folder: shutil.rmtree(folder / "prepared/photos"),
        LEARN,
    ),
    masked("a photo whose mask has another size, and no other photo", mask((32, 32), 255), "its mask is 32x32"),
    masked("a photo whose mask is no picture, and no other photo", b"hello", "its mask is unreadable"),
    masked("a photo whose mask leaves nothing of it, and no other photo", mask((64, 64), 0), "its mask leaves 0%"),
]

SECTIONS = {
    "Albums": ALBUMS,
    "Raw photos": RAW,
    "Names, numbers and settings": OPTIONS,
    "Anchors of other tools": ANCHORS,
    "Personas": PERSONAS,
    "Personas that other programs trained": FOREIGN,
    "Weights": WEIGHTS,
    "Run folders": RUNS,
    "Tasks and evaluation": TASKS,
}
CASES = [case for cases in SECTIONS.values() for case in cases]

LEFT_OUT = {
    "a text file called `.png`": ("text.png", b"hello"),
    "a JPEG cut short": ("cut.jpg", picture(64, 64, "JPEG")[:800]),
    "an empty file": ("empty.png", b""),
    "a PNG that claims 50,000 by 50,000 pixels": ("bomb.png", png(50_000, 50_000)),
    "a photo without a label": ("unlabelled.png", picture(64, 64)),
    "a photo of 20 by 20 pixels": ("small.png", picture(20, 20)),
    "a labelled photo that is not square": ("wide.png", picture(80, 64)),
    "the same picture twice": ("twin.png", None),
    "a telephone's HEIC": ("phone.heic", b"ftypheic"),
    "a name with a control character": ("red\x1b[31m.png", b"hello"),
    "a label of an absent photo": ("absent.png", b""),
}
"""What lies beside good photos, as a file's name and content, None for that of the first photo."""


def left_out(folder: Path) -> dict[str, str]:
    """Runs a job on the album with all of that in it; the page's rows by what was given."""
    pairs = labels(folder)
    for name, content in LEFT_OUT.values():
        if name != "absent.png":
            put(f"album/{name}", (folder / "album" / pairs[0][0]).read_bytes() if content is None else content)(folder)
        if name != "unlabelled.png":
            pairs.append([name, pairs[1][1]])
    put("album/dataset.json", json.dumps({"labels": pairs}))(folder)
    with chdir(folder):
        done = answer(f"personalize album {SHORT} --steps 0 --anchor-steps 0 --out new")
    assert done.code == 0, done.told
    told = [line for line in done.told.splitlines() if line.startswith("Left out ")]
    rows = {}
    for given, (name, _) in LEFT_OUT.items():
        shown = "dataset.json" if name == "absent.png" else name.replace("\x1b", r"\x1b")
        (line,) = (line for line in told if line.startswith(f"Left out {shown}: "))
        rows[given] = row(given, re.sub(BRACKET, "…", line))
    assert len(rows) == len(told)
    return rows


# The page.


def page(rows: Mapping[str, str]) -> str:
    """The whole page, from its rows by what was given."""
    parts = [f"<!-- Generated: {COMMAND} -->\n\n{HEAD}"]
    for title, cases in SECTIONS.items():
        parts.append(f"## {title}\n\n{COLUMNS}\n" + "\n".join(rows[case.given] for case in cases) + "\n")
    beside = "\n".join(rows[f"beside: {given}"] for given in LEFT_OUT)
    parts.append(f"{BESIDE}\n{COLUMNS}\n{beside}\n")
    return "\n".join(parts)


HEAD = """\
# What gpk says to bad input

Each line below is a test: it makes the bad thing, runs gpk on it, and compares the answer. An ellipsis stands for words
of Python, of a library or of the system, which differ from one machine to the next.

- **One message**, on stderr, that says what is wrong, where, and what to do now; nothing on stdout, and no traceback
  (`gpk --debug …` shows one).
- **Exit code 2**: what was given is wrong, or the disk is full. Mend it and run the same command again.
- **Nothing is lost**: every file that was there is there, byte for byte, and no half-made folder stays behind. A file
  is written whole or not at all, on a disk that fills up too, and a job that has begun goes on from its last save.
- **Nothing is executed**: settings, weights, personas and photos are read as data.
"""
COLUMNS = "| what was given | what gpk prints |\n|---|---|"
BESIDE = """\
## Photos that are left out

A bad photo beside good ones stops nothing: it is left out, gpk says so, and the job goes on (exit code 0).
"""


def write_page() -> None:
    """Runs every case and prints the page."""
    rows = {}
    with tempfile.TemporaryDirectory() as name:
        good = make_good(Path(name) / "good")
        for number, case in enumerate(CASES):
            folder = shutil.copytree(good, Path(name) / str(number))
            kept = case.spoil(folder)
            with chdir(folder):
                rows[case.given] = case.row(answer(case.commands[0]).told)
            del kept
        folder = shutil.copytree(good, Path(name) / "left-out")
        rows |= {f"beside: {given}": line for given, line in left_out(folder).items()}
    print(page(rows), end="")


if __name__ == "__main__":
    write_page()
