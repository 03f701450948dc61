"""`gpk weights`: files imported, downloads from a real server, and what is there."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gpk.errors import UnknownNameError
from gpk.generator import Generator
from gpk.registry import Registry
from gpk_checkpoints.cache import card_file, source_file
from gpk_checkpoints.files import write_safetensors
from gpk_checkpoints.imports import import_weights
from gpk_checkpoints.weights import load_generator
from gpk_cli.context import find_card
from gpk_stylegan2.network import StyleGAN2

Gpk = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]
Install = Callable[..., None]

DOGS = """
    import dataclasses
    import gpk_stylegan2
    from gpk.plugin import Card, hookimpl

    gpk_api = 1

    @hookimpl
    def gpk_backends():
        config = {config}
        (theirs,) = gpk_stylegan2.gpk_backends()
        cards = (
            Card("pug", "Pugs on grass", "Dogs' licence", config, {url!r}, {sha256!r}, page="https://example.org/dogs"),
            Card("hound", "Hounds", "CC0", config, page="https://example.org/hounds"),
        )
        return [dataclasses.replace(theirs, name={name!r}, cards=cards)]
"""


@pytest.fixture
def file(stylegan2: StyleGAN2, tmp_path: Path) -> Path:
    """A generator's weights in the official names, as a user may have them."""
    write_safetensors(tmp_path / "my-dogs.safetensors", stylegan2.state_dict(), {})
    return tmp_path / "my-dogs.safetensors"


@pytest.fixture
def other(stylegan2: StyleGAN2, tmp_path: Path) -> Path:
    """Another generator's."""
    changed = {name: tensor * 2 for name, tensor in stylegan2.state_dict().items()}
    write_safetensors(tmp_path / "other-dogs.safetensors", changed, {})
    return tmp_path / "other-dogs.safetensors"


@pytest.fixture
def dogs(install: Install, stylegan2: StyleGAN2) -> Callable[..., None]:
    """Installs a backend with a card that can be fetched, and one that cannot."""

    def installed(
        url: str | None = "https://example.org/pug.pkl", sha256: str | None = None, name: str = "dogs"
    ) -> None:
        config = dataclasses.asdict(stylegan2.config)
        source = DOGS.replace("{config}", repr(config)).replace("{url!r}", repr(url))
        install(f"gpk-{name}", source.replace("{sha256!r}", repr(sha256)).replace("{name!r}", repr(name)))

    return installed


@pytest.fixture
def served(server: Any, file: Path, dogs: Callable[..., None]) -> Any:
    """The server of the card dogs/pug."""
    server.content = file.read_bytes()
    dogs(server.url)
    return server


def rows(gpk: Gpk) -> dict[tuple[str, str | None], dict[str, Any]]:
    done = gpk("weights", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return {(row["backend"], row["card"]): row for row in json.loads(done.stdout)}


def line(gpk: Gpk, *start: str) -> str:
    """The line of the table that begins with these words, its blanks made one."""
    lines = [line.split() for line in gpk("weights", "list").stdout.splitlines()]
    (found,) = [words for words in lines if tuple(words[: len(start)]) == start]
    return " ".join(found)


def loaded(card: str = "pug") -> Generator:
    backend = Registry.discover().backend("dogs")
    (chosen,) = [c for c in backend.cards if c.name == card]
    return load_generator(backend, chosen, None)


def same(one: torch.nn.Module, two: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# What is there


def test_list_of_an_empty_cache(gpk: Gpk, dogs: Callable[..., None]) -> None:
    dogs()
    listed = rows(gpk)
    assert listed["eg3d-minicat", "minicat-64"]["state"] == "bundled"
    assert Path(listed["eg3d-minicat", "minicat-64"]["file"]).is_file()
    assert (listed["dogs", "pug"]["state"], listed["dogs", "hound"]["state"]) == ("fetchable", "absent")
    assert {frozenset(row) for row in listed.values()} == {frozenset(listed["dogs", "pug"])}
    assert line(gpk, "eg3d-minicat", "minicat-64") == "eg3d-minicat minicat-64 comes with gpk Apache-2.0"
    assert line(gpk, "dogs", "pug") == "dogs pug can be fetched Dogs' licence"
    assert line(gpk, "dogs", "hound") == "dogs hound give a file CC0"


def test_list_after_an_import(gpk: Gpk, dogs: Callable[..., None], file: Path) -> None:
    dogs()
    assert gpk("weights", "import", "dogs", str(file)).returncode == 0
    row = rows(gpk)["dogs", "pug"]
    there = card_file("dogs", "pug")
    assert (row["state"], row["file"], row["bytes"]) == ("cached", str(there), there.stat().st_size)
    assert row["source"] == {"name": "my-dogs.safetensors", "sha256": sha256(file)}
    assert f"MB, from my-dogs.safetensors ({sha256(file)[:8]})" in gpk("weights", "list").stdout


def test_files_of_no_card_are_listed_once(gpk: Gpk, dogs: Callable[..., None], file: Path, other: Path) -> None:
    dogs()
    backend = Registry.discover().backend("dogs")
    made = [import_weights(backend, backend.card, path) for path in (file, other)]
    assert made == [source_file("dogs", sha256(path)) for path in (file, other)]
    gpk("weights", "import", "dogs", str(file))
    row = rows(gpk)["dogs", None]
    assert (row["state"], row["file"], row["licence"]) == ("imported", str(made[1]), "Dogs' licence")
    assert row["source"] == {"name": "other-dogs.safetensors", "sha256": sha256(other)}


@pytest.mark.parametrize("harm", [lambda b: b[:-1], lambda b: b[:100], lambda b: b"", lambda b: b[8:] * 2])
def test_a_damaged_file_is_named_and_replaced(
    gpk: Gpk, dogs: Callable[..., None], file: Path, harm: Callable[[bytes], bytes]
) -> None:
    dogs()
    gpk("weights", "import", "dogs", str(file))
    there = card_file("dogs", "pug")
    there.write_bytes(harm(there.read_bytes()))
    listed = rows(gpk)
    assert (listed["dogs", "pug"]["state"], ("dogs", None) in listed) == ("damaged", False)
    assert f"damaged: {there}" in gpk("weights", "list").stdout
    done = gpk("weights", "import", "dogs", str(file))
    assert done.returncode == 0
    assert f"{there} is damaged, or no file that gpk imported: delete it. It is replaced" in done.stderr
    assert rows(gpk)["dogs", "pug"]["state"] == "cached"


def test_one_bad_file_in_the_cache_is_one_row(gpk: Gpk, dogs: Callable[..., None], file: Path) -> None:
    """Whatever it is: its row says so and what to do, the others are as they were."""
    dogs()
    gpk("weights", "import", "dogs", str(file))
    before, folder = rows(gpk), card_file("dogs", "pug").parent
    for name, facts in {
        "deep": "[" * 100_000,
        "odd": '{"format": [1]}',
        "huge": '{"format": ' + "9" * 5000 + "}",
    }.items():
        write_safetensors(folder / f"{name}.safetensors", {"w": torch.ones(1)}, {"gpk": facts})
    facts = json.dumps({"format": "gpk-weights/1", "backend": "dogs", "card": {}, "licence": 3, "source": {"name": 1}})
    write_safetensors(folder / "types.safetensors", {}, {"gpk": facts})
    (folder / "text.safetensors").write_text("nothing of the kind")
    (folder / "folder.safetensors").mkdir()
    os.mkfifo(folder / "pipe.safetensors")
    listed = json.loads(gpk("weights", "list", "--json").stdout)
    bad = [row for row in listed if row["state"] == "damaged"]
    names = ("deep", "folder", "huge", "odd", "pipe", "text", "types")
    assert [Path(row["file"]).stem for row in bad] == [*names]
    assert [row for row in listed if row not in bad] == [*before.values()]
    told = gpk("weights", "list").stdout
    assert all(re.search(rf"{name}\.safetensors.*(delete it|Get it anew|give a file)", told) for name in names)


def test_list_leaves_torch_alone(gpk: Gpk, dogs: Callable[..., None], file: Path, site: Path) -> None:
    dogs()
    gpk("weights", "import", "dogs", str(file))
    script = (
        "import sys; from gpk_cli import main; codes = [main(['weights', a]) for a in ('list', 'where', '--help')]; "
        "print(codes, {'torch', 'numpy', 'safetensors'} & sys.modules.keys(), file=sys.stderr)"
    )
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))  # the gpk that is tested
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert "from my-dogs.safetensors" in done.stdout
    assert done.stderr == "[0, 0, 0] set()\n"


def test_where(gpk: Gpk, dogs: Callable[..., None], file: Path, cache: Path) -> None:
    dogs()
    assert gpk("weights", "where").stdout == f"{cache}\n"
    assert Path(gpk("weights", "where", "minicat-64").stdout.strip()).name == "eg3d-minicat.safetensors"
    absent, no_address = gpk("weights", "where", "pug"), gpk("weights", "where", "hound")
    assert (absent.returncode, absent.stdout) == (2, "")
    assert absent.stderr == (
        "Error: the weights of dogs/pug are not here: `gpk weights fetch pug`, or `gpk weights import dogs FILE`\n"
    )
    assert no_address.stderr == (
        "Error: the weights of dogs/hound are not here: `gpk weights import dogs FILE --card hound`\n"
    )
    gpk("weights", "import", "dogs", str(file))
    assert gpk("weights", "where", "dogs/pug").stdout == f"{card_file('dogs', 'pug')}\n"


# Importing


def test_an_import_is_found_by_every_command(
    gpk: Gpk, dogs: Callable[..., None], file: Path, stylegan2: StyleGAN2
) -> None:
    dogs()
    done = gpk("weights", "import", "dogs", str(file), "--card", "hound")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Imported my-dogs.safetensors as dogs/hound in " in done.stderr
    assert f"{card_file('dogs', 'hound')} (" in done.stderr
    assert "licence  CC0" in done.stderr
    file.unlink()
    assert same(loaded("hound"), stylegan2)


def test_the_same_file_again_is_fine_and_another_is_not(
    gpk: Gpk, dogs: Callable[..., None], file: Path, other: Path, stylegan2: StyleGAN2
) -> None:
    dogs()
    gpk("weights", "import", "dogs", str(file))
    again = gpk("weights", "import", "dogs", str(file))
    assert (again.returncode, "is imported from this file already" in again.stderr) == (0, True)
    refused = gpk("weights", "import", "dogs", str(other))
    assert refused.returncode == 2
    assert refused.stderr == (
        f"Error: dogs/pug is imported from another file, my-dogs.safetensors (sha256 {sha256(file)[:12]}…): "
        "give --force to replace it, --card NAME for another card, or --as NAME for one of its own\n"
    )
    assert same(loaded(), stylegan2)
    assert gpk("weights", "import", "dogs", str(other), "--force").returncode == 0
    assert not same(loaded(), stylegan2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["eg3d-minicat", "x"], "the weights of eg3d-minicat/minicat-64 come with it: for others give --weights FILE"),
        (["dogs", "no-such-file"], "no-such-file: No such file or directory"),
        (["dogs", "x", "--card", "hond"], "unknown card of dogs 'hond': did you mean 'hound'?"),
        (["dgos", "x"], "unknown backend 'dgos': did you mean 'dogs'?"),
        (["dogs", "x", "--as", "pug"], "dogs has a card 'pug': give --card pug if FILE is that, or another name"),
        (["dogs", "x", "--as", "My Dog"], "a card cannot be called 'My Dog'"),
        (["dogs", "x", "--as", "mine", "--card", "pug"], "leave out one of them"),
    ],
)
def test_imports_that_cannot_be(gpk: Gpk, dogs: Callable[..., None], arguments: list[str], told: str) -> None:
    dogs()
    done = gpk("weights", "import", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert rows(gpk)["dogs", "pug"]["state"] == "fetchable"


def test_a_card_of_ones_own(
    gpk: Gpk, file: Path, stylegan2: StyleGAN2, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A network of 16 x 16 pixels is none of the published ones, whose names it does not take."""
    monkeypatch.setenv("TORCH_HOME", str(file.parent / "nothing"))  # where LPIPS would look for its network
    backend = Registry.discover().backend("stylegan2")
    refused = gpk("weights", "import", "stylegan2", str(file))
    assert (refused.returncode, not card_file("stylegan2", "ffhq-1024").exists()) == (2, True)
    assert "is not stylegan2/ffhq-1024: its img_resolution is 16, where the card has 1024" in refused.stderr
    assert "run `gpk weights import stylegan2 FILE --as NAME`" in refused.stderr
    done = gpk("weights", "import", "stylegan2", str(file), "--as", "puppies")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Imported my-dogs.safetensors as stylegan2/puppies, a card of its own in " in done.stderr
    assert rows(gpk)["stylegan2", "puppies"]["state"] == "imported"
    for name in ("puppies", "stylegan2/puppies"):
        assert gpk("weights", "where", name).stdout == f"{card_file('stylegan2', 'puppies')}\n"
    file.rename(file.with_name("theirs.safetensors"))
    mine = find_card(backend, "puppies")
    assert (mine.name, mine.licence) == ("puppies", "that of the weights, unknown to gpk")
    assert same(load_generator(backend, mine, None), stylegan2)
    assert find_card(backend, None, file.with_name("theirs.safetensors")) == backend.own_card()
    assert "is none of stylegan2's cards: it is taken as a card of its own" in capsys.readouterr().err
    out = ("--out", str(file.parent / "run"), "--source", "prior", "--count", "1")
    told = gpk("run", "synthesize", "--backend", "stylegan2", "--card", "puppies", *out)
    assert told.returncode == 0, told.stderr
    with pytest.raises(UnknownNameError, match="unknown card of stylegan2 'pupies'"):
        find_card(backend, "pupies")


@pytest.mark.usefixtures("gpk")
def test_what_a_file_was_once_taken_for_does_not_say_which_card_it_is(
    dogs: Callable[..., None], stylegan2: StyleGAN2, tmp_path: Path
) -> None:
    dogs()
    backend = Registry.discover().backend("dogs")
    torch.save(stylegan2.state_dict(), tmp_path / "dogs.pt")
    load_generator(backend, backend.cards[1], tmp_path / "dogs.pt")
    assert find_card(backend, None, tmp_path / "dogs.pt") == backend.cards[0]


# Fetching


def test_fetch(gpk: Gpk, served: Any, cache: Path, file: Path, stylegan2: StyleGAN2) -> None:
    done = gpk("weights", "fetch", "pug", "--yes")
    assert (done.returncode, done.stdout) == (0, "")
    told = done.stderr.splitlines()
    assert told[:4] == [
        "Pugs on grass (dogs/pug)",
        f"address  {served.url}",
        f"size     {file.stat().st_size / 1e6:,.1f} MB",
        "licence  Dogs' licence",
    ]
    assert told[4].startswith("fetching weights.bin, MB 1/1 (100%)")
    assert told[5] == (f"No sha256 is recorded for this file, so that it could not be checked; it has {sha256(file)}")
    assert told[6].startswith("Imported weights.bin as dogs/pug in ")
    assert same(loaded(), stylegan2)
    assert not [path for path in (cache / "downloads").rglob("weights.bin*") if path.is_file()]
    count = len(served.asked)
    again = gpk("weights", "fetch", "dogs/pug")
    assert (again.returncode, len(served.asked)) == (0, count)
    assert "dogs/pug is there already, from weights.bin" in again.stderr
    assert gpk("weights", "fetch", "pug", "--yes", "--force").returncode == 0
    assert len(served.asked) > count


def test_fetch_of_a_known_hash(
    gpk: Gpk, server: Any, file: Path, other: Path, dogs: Callable[..., None], stylegan2: StyleGAN2
) -> None:
    dogs(server.url, sha256(file))
    server.content = other.read_bytes()
    wrong = gpk("weights", "fetch", "pug", "--yes")
    assert wrong.returncode == 2
    assert f"its sha256 is {sha256(other)}, expected {sha256(file)}. It is deleted" in wrong.stderr
    assert rows(gpk)["dogs", "pug"]["state"] == "fetchable"
    gpk("weights", "import", "dogs", str(other))
    kept = gpk("weights", "fetch", "pug", "--yes")
    assert kept.returncode == 2
    assert "imported from another file, other-dogs.safetensors: give --force to replace it" in kept.stderr
    server.content = file.read_bytes()
    done = gpk("weights", "fetch", "pug", "--yes", "--force")
    assert (done.returncode, "could not be checked" in done.stderr) == (0, False)
    assert same(loaded(), stylegan2)


def test_without_a_terminal_the_licence_wants_an_option(gpk: Gpk, served: Any) -> None:
    done = gpk("weights", "fetch", "pug")
    assert (done.returncode, served.asked) == (2, [])
    assert done.stderr == (
        "Error: dogs/pug has a licence to accept (Dogs' licence): use a terminal, or --yes if you accept it\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
@pytest.mark.parametrize(("answer", "code"), [("n", 2), ("", 2), ("y", 0), ("YES", 0)])
def test_on_a_terminal_the_licence_is_asked_for(
    gpk: Gpk, gpk_process: Start, served: Any, answer: str, code: int
) -> None:
    ours, theirs = pty.openpty()
    process = gpk_process("weights", "fetch", "pug", stdin=theirs)
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    _, told = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == code
    assert "licence  Dogs' licence\nDo you accept the licence? [y/N] " in told
    assert ("nothing was fetched: the licence of dogs/pug was not accepted" in told) == (code == 2)
    assert rows(gpk)["dogs", "pug"]["state"] == ("fetchable" if code else "cached")


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C is no signal there")
def test_ctrl_c_keeps_what_has_come(
    gpk: Gpk, gpk_process: Start, served: Any, cache: Path, stylegan2: StyleGAN2
) -> None:
    half = len(served.content) // 2
    served.drops = [0, half, -1]  # the question for the size, then the file, which stops half-way
    process = gpk_process("weights", "fetch", "pug", "--yes")
    part = cache / "downloads" / "dogs" / "pug" / "weights.bin.part"
    until = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size == half) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.splitlines()[-1] == "Interrupted: what has come is kept, and the same command goes on"
    assert gpk("weights", "fetch", "pug", "--yes").returncode == 0
    assert served.spans[-1] == f"bytes={half}-"
    assert same(loaded(), stylegan2)


def test_a_download_that_is_no_generator_is_kept_and_told(gpk: Gpk, served: Any, cache: Path, file: Path) -> None:
    served.content = b"not weights at all"
    done = gpk("weights", "fetch", "pug", "--yes")
    kept = cache / "downloads" / "dogs" / "pug" / "weights.bin"
    assert done.returncode == 2
    assert str(kept) in done.stderr
    assert done.stderr.endswith("The download is kept; --force fetches it again\n")
    count = len(served.asked)
    assert gpk("weights", "fetch", "pug", "--yes").returncode == 2
    assert len(served.asked) == count
    served.content = file.read_bytes()
    assert gpk("weights", "fetch", "pug", "--yes", "--force").returncode == 0


def test_no_address(gpk: Gpk, dogs: Callable[..., None]) -> None:
    dogs()
    done = gpk("weights", "fetch", "hound", "--yes")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: no address of a file is known for dogs/hound. Get the file from https://example.org/hounds "
        "and run `gpk weights import dogs FILE --card hound`\n"
    )


def test_offline(gpk: Gpk, dogs: Callable[..., None]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dogs(f"http://127.0.0.1:{free.getsockname()[1]}/pug.pkl")
        done = gpk("weights", "fetch", "pug", "--yes")
    assert done.returncode == 2
    assert "pug.pkl cannot be fetched: Connection refused. Get the file from https://example.org/dogs" in done.stderr
    assert "run `gpk weights import dogs FILE`" in done.stderr


def test_cards_by_name(gpk: Gpk, dogs: Callable[..., None]) -> None:
    dogs()
    dogs(name="puppies")
    unknown, ambiguous = gpk("weights", "where", "pugg"), gpk("weights", "fetch", "pug")
    assert (unknown.returncode, ambiguous.returncode) == (2, 2)
    assert "unknown card 'pugg': did you mean 'pug'?" in unknown.stderr
    assert "more than one backend has a card 'pug': say dogs/pug or puppies/pug" in ambiguous.stderr
    assert "the weights of puppies/pug are not here" in gpk("weights", "where", "puppies/pug").stderr
    assert "unknown card of dogs 'minicat-64'" in gpk("weights", "where", "dogs/minicat-64").stderr


def test_bundled_weights_are_not_fetched(gpk: Gpk) -> None:
    done = gpk("weights", "fetch", "minicat-64", "--yes")
    assert (done.returncode, "come with it" in done.stderr) == (2, True)
