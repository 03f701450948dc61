"""`gpk report` on the run of a cat: whole, cut short, of an older gpk, and with names that mean harm."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

Gpk = Callable[..., subprocess.CompletedProcess[str]]
HOSTILE = '"><script>alert(1)</script>.png'


class Page(HTMLParser):
    """What a browser sees: elements by tag, what they would load, and the text between them."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "srcset", "href", "data", "action", "poster", "formaction"):
                self.loads.append(value or "")
            elif name not in ("content", "alt"):
                self.attributes.append(name)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def run(cat: Any, tmp_path: Path) -> Path:
    """A copy of the cat's run to spoil."""
    return Path(shutil.copytree(cat.run, tmp_path / "elsewhere" / "run"))


def change_log(run: Path, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Changes every event, or leaves it out where that gives None."""
    events = [change(json.loads(line)) for line in (run / "log.jsonl").read_text().splitlines()]
    (run / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events if event is not None))


def test_a_personalization_ends_with_a_page_that_needs_nothing_else(gpk: Gpk, cat: Any, run: Path) -> None:
    page = Page(cat.run / "report.html")
    assert {"photos", "turntable", "figures", "learning", "layers", "recipe", "again", "enlarged"} <= set(page.ids)
    pictures = [load for load in page.loads if not load.startswith("#")]
    assert len(pictures) == 6 * 4 + 2 * 3 + 2
    assert all(load.startswith("data:image/webp;base64,") for load in pictures)
    assert not {"link", "iframe", "object", "embed", "base"} & set(page.tags)
    assert "url(" not in page.text
    assert "style" not in page.attributes  # the policy forbids it
    assert not [name for name in page.attributes if name.startswith("on")]
    told = json.loads((cat.run / "log.jsonl").read_text().splitlines()[-2])
    assert told["event"] == "done"
    assert f"{told['numbers']:,} numbers of the generator's" in page.text
    for photos in ("train", "held-out"):
        for generator in ("pretrained", "personalized"):
            assert f"{told['figures'][photos][generator]['psnr']:.1f} dB" in page.text
    assert "gpk personalize ALBUM --config run/config.yaml --out run-again" in page.text
    assert "minicat-perceptual, which no loss has seen" in page.text
    assert "Apache-2.0" in page.text
    assert str(cat.album.parent) not in page.text  # where the photos were is nobody's business
    assert (cat.run / "report.html").stat().st_size < 1_000_000

    (run / "report.html").unlink()
    for file in ("pictures/train.png", "eg3d-minicat.persona.safetensors"):
        (run / file).unlink()
    done = gpk("report", str(run), "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts == {
        "file": str(run / "report.html"),
        "bytes": facts["bytes"],
        "pictures": 31,
        "finished": True,
        "missing": [],
    }
    assert (run / "report.html").read_bytes() == (cat.run / "report.html").read_bytes()
    assert facts["bytes"] == (run / "report.html").stat().st_size


def test_names_that_mean_harm_are_text(gpk: Gpk, run: Path) -> None:
    def rename(event: dict[str, Any]) -> dict[str, Any]:
        for album in event.get("albums", {}).values() if event["event"] == "looks" else ():
            album["photos"][0] = HOSTILE
        return event | ({"title": HOSTILE, "licence": HOSTILE} if event["event"] == "provenance" else {})

    hostile = run.rename(run.with_name('a"><img src=x onerror=alert(1)>'))
    change_log(hostile, rename)
    config = hostile / "config.yaml"
    config.write_text(config.read_text().replace("card: minicat-64", f"card: '{HOSTILE}'"))
    harmless = Page(hostile / "report.html")
    assert gpk("report", str(hostile)).returncode == 0
    page = Page(hostile / "report.html")
    assert page.tags.count("script") == 1
    assert sorted(set(page.tags)) == sorted(set(harmless.tags))
    assert not [name for name in page.attributes if name.startswith("on")]
    assert page.text.count(HOSTILE) >= 4
    assert hostile.name in page.text


def test_an_unfinished_run_is_shown_so_far(gpk: Gpk, run: Path) -> None:
    change_log(run, lambda event: event if event["event"] in ("album", "provenance", "invert") else None)
    shutil.rmtree(run / "pictures")
    done = gpk("report", str(run))
    assert done.returncode == 0, done.stderr
    assert f"{run} is not finished: the page shows what is there so far." in done.stderr
    page = Page(run / "report.html")
    assert "inversion had come to step 6 of its photos' batch 2" in page.text
    assert {"learning", "recipe", "again"} <= set(page.ids)
    assert not {"photos", "turntable", "figures"} & set(page.ids)
    assert "gpk personalize ALBUM --config run/config.yaml --out run" in page.text
    (run / "log.jsonl").unlink()
    assert gpk("report", str(run)).returncode == 0
    assert "nothing was measured yet" in Page(run / "report.html").text


def test_a_run_of_an_older_gpk_has_its_contact_sheets(gpk: Gpk, run: Path) -> None:
    shutil.rmtree(run / "pictures" / "looks")
    (run / "pictures" / "turntable.webp").unlink()
    change_log(run, lambda event: event if event["event"] not in ("looks", "provenance") else None)
    done = gpk("report", str(run))
    assert done.returncode == 0, done.stderr
    assert "its contact sheets are shown instead" in done.stderr
    page = Page(run / "report.html")
    assert [load[:15] for load in page.loads if load.startswith("data:")] == ["data:image/png;", "data:image/png;"]
    assert "Make it again, with the command at the end" in page.text
    assert "licence" in page.text


def test_what_is_not_known_is_left_out_and_counted(gpk: Gpk, run: Path) -> None:
    with (run / "log.jsonl").open("a") as log:
        log.write('{"event": "dreams", "time": 0}\n{"event": "tune", "step": 7, "l2": NaN, "mood": []}\n')
    machine = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps(machine | {"gpu": {"name": "a"}}))
    done = gpk("report", str(run))
    assert done.returncode == 0, done.stderr
    told = [
        "1 line of the log is of a kind that this gpk does not know, and left out.",
        "1 fact in environment.json is not of a kind that is shown, and left out.",
    ]
    assert done.stderr.splitlines() == told
    page = Page(run / "report.html")
    assert all(sentence in page.text for sentence in told)
    assert machine["torch"] in page.text
    (run / "environment.json").write_text("[" * 100_000)
    assert "environment.json is damaged: what the run was made on is not shown." in gpk("report", str(run)).stderr


def test_a_figure_that_nobody_knows_is_left_blank(gpk: Gpk, run: Path) -> None:
    def change(event: dict[str, Any]) -> dict[str, Any]:
        if event["event"] == "done":
            event["figures"]["train"]["personalized"]["psnr"] = None
        return event

    change_log(run, change)
    assert gpk("report", str(run)).returncode == 0
    finished = Page(run / "report.html")
    assert "None" not in finished.text


def test_a_run_that_went_wrong_quietly_says_so(gpk: Gpk, cat: Any, tmp_path: Path) -> None:
    told = json.loads((cat.run / "log.jsonl").read_text().splitlines()[-2])
    assert told["doubts"] == []  # of a good one there is nothing to say
    job = ("personalize", str(cat.album), "--backend", "eg3d-minicat", "--device", "cpu", "--anchor-steps", "1")
    job = (*job, "--steps", "0", "--out", str(tmp_path / "still"))
    first, again = gpk(*job), gpk(*job, "--json")
    assert (first.returncode, again.returncode) == (0, 0)
    (doubt,) = json.loads(again.stdout)["doubts"]
    psnr = json.loads(again.stdout)["figures"]["train"]["personalized"]["psnr"]
    assert f"PSNR {psnr:.1f} dB before and {psnr:.1f} dB after" in doubt
    assert doubt in first.stderr
    assert doubt in again.stderr
    assert doubt in Page(tmp_path / "still" / "report.html").text


def test_what_lies_in_a_pictures_place_is_left_out(gpk: Gpk, run: Path) -> None:
    looks = run / "pictures" / "looks" / "train"
    (looks / "000-photo.webp").write_bytes(b"RIFF and no picture")
    (looks / "001-photo.webp").unlink()
    (looks / "002-photo.webp").unlink()
    (looks / "002-photo.webp").mkdir()
    (looks / "003-photo.webp").unlink()
    os.mkfifo(looks / "003-photo.webp")  # which nobody writes to: opened as a file it waits for ever
    whole = (looks / "004-photo.webp").read_bytes()
    (looks / "004-photo.webp").write_bytes(whole[: len(whole) // 2])
    turntable = run / "pictures" / "turntable.webp"
    content = bytearray(turntable.read_bytes())
    content[len(content) // 4 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 4)
    turntable.write_bytes(content)
    done = gpk("report", str(run))
    assert done.returncode == 0, done.stderr
    assert "5 of the 30 small pictures in the run's folder are gone or damaged." in done.stderr


def test_layers_are_shown_where_they_were_measured(gpk: Gpk, run: Path) -> None:
    blocks = [{"name": "backbone 8", "percent": 61.5, "low": 55.0, "high": 70.0}, {"name": "decoder", "percent": 38.5}]
    with (run / "log.jsonl").open("a") as log:
        log.write(json.dumps({"event": "importance", "time": 0.0, "blocks": blocks}) + "\n")
    assert gpk("report", str(run)).returncode == 0
    page = Page(run / "report.html")
    assert "layers" in page.ids
    assert "backbone 8" in page.text
    assert "38.5 %" in page.text


def test_a_page_elsewhere_and_nothing_of_anybody_is_lost(gpk: Gpk, run: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "page.html"
    done = gpk("report", str(run), "--out", str(file))
    assert re.fullmatch(rf"Report    {re.escape(str(file))} \(\d+ kB, 31 pictures\)\n", done.stdout)
    assert gpk("report", str(run), "--out", str(file)).returncode == 0
    file.write_text("mine")
    refused = gpk("report", str(run), "--out", str(file))
    assert refused.returncode == 2
    assert "exists already and is no page of gpk's: give another --out" in refused.stderr
    assert file.read_text() == "mine"


def test_a_browser_is_opened_where_it_is_asked_for(run: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)

    def opened_by(command: str) -> subprocess.CompletedProcess[str]:
        code = "import sys; from gpk_cli import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", code, "report", str(run), "--open"],
            env=os.environ | {"BROWSER": f"{command} %s", "PATH": ""},  # whatever browsers there are stay closed
            capture_output=True,
            text=True,
            check=False,
        )

    done = opened_by(str(browser))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "opened").read_text().strip() == (run / "report.html").as_uri()
    done = opened_by(str(tmp_path / "none"))
    assert done.returncode == 0, done.stderr
    assert f"No browser could be opened here: open {run / 'report.html'} in one." in done.stderr


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("none", "there is no {tmp}/none: give the folder of a run of `gpk personalize`"),
        ("album", "is no run's folder: give one that `gpk personalize` made"),
        ("album/a.png", "is no run's folder"),
        ("views", "is a run of 'views': reports are of runs of `gpk personalize`"),
    ],
)
def test_what_has_no_report_is_told(gpk: Gpk, tmp_path: Path, subject: str, message: str) -> None:
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "a.png").write_bytes(b"")
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "config.yaml").write_text("task: views\n")
    done = gpk("report", str(tmp_path / subject))
    assert done.returncode == 2
    assert message.format(tmp=tmp_path) in done.stderr
    assert done.stdout == ""
