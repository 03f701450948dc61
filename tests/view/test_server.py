"""The viewer's server, with real browsers' messages."""

from __future__ import annotations

import copy
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec.msgpack
import pytest
import torch
from PIL import Image
from viser import _messages
from viser._image_encoding import cv2_imencode_with_fallback

from gpk.attach import is_attached
from gpk.context import Context
from gpk.errors import InputError, RunError
from gpk_runs.pictures import write_picture
from gpk_view import edits
from gpk_view.app import serving
from gpk_view.camera import Angles, angles_from, position_at
from gpk_view.frame import frame
from gpk_view.panel import QUALITY, new_file
from gpk_view.scene import Look, Stage

Open = Callable[..., Any]
Sees = Callable[[Any, Look], None]


@pytest.fixture
def stage(subject: Context) -> Stage:
    """Two personas of one generator, of whose noise something is known."""
    assert subject.persona is not None
    known = replace(subject.backend, meaning=lambda z: {"size": z[:, 0], "ears": z[:, 1]})
    twin = replace(subject.persona.origin, album_size=3)
    other = type(subject.persona)(
        {}, subject.persona.recipe, twin, subject.persona.anchors[:3], subject.persona.cameras[:3]
    )
    return Stage(replace(subject, backend=known), {"cat": subject.persona, "other": other})


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "KNOWN", 256)


@pytest.fixture
def solid(stage: Stage) -> Stage:
    if stage.context.generator.orbit() is None:
        pytest.skip("a 2D generator has no views")
    return stage


@pytest.fixture
def served(stage: Stage, browser: Open, port: int, tmp_path: Path) -> Iterator[Open]:
    """Opens browsers on the stage, which is served until the test ends."""
    opened = []
    with serving(stage, host="127.0.0.1", port=port, folder=tmp_path / "pictures", tell=lambda told: None) as (url, _):

        def open_one() -> Any:
            opened.append(browser(url))
            opened[-1].look_from((3.0, 3.0, 3.0))
            opened[-1].until(lambda: opened[-1].pictures)
            opened[-1].arrive()
            return opened[-1]

        yield open_one
        for one in opened:
            one.close()


@pytest.fixture
def sent(stage: Stage) -> Callable[[Look], bytes]:
    """The picture of a look as a browser gets it, by a stage of the test's own: a stage is for one thread."""
    personas = {name: copy.deepcopy(persona) for name, persona in stage.personas.items()}
    twin = Stage(replace(stage.context, generator=copy.deepcopy(stage.context.generator)), personas)

    def made(look: Look) -> bytes:
        twin.directions = dict(stage.directions)
        shown = frame(twin.pictures(look), 640, 480).numpy()
        return cv2_imencode_with_fallback("jpeg", shown, QUALITY, channel_ordering="rgb")

    return made


@pytest.fixture
def sees(sent: Callable[[Look], bytes]) -> Sees:
    """Waits until a browser sees just that look."""

    def wait(one: Any, look: Look) -> None:
        wanted = sent(look)
        one.until(lambda: one.pictures and one.pictures[-1] == wanted)

    return wait


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert [thread for thread in set(threading.enumerate()) - before if thread.is_alive()] == []


def test_the_page_is_served_here_and_nothing_stays_behind(
    stage: Stage, browser: Open, port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        nothing_left_behind(),
        serving(stage, host="127.0.0.1", port=port, folder=tmp_path, tell=print) as (url, render_thread),
    ):
        assert url == f"http://127.0.0.1:{port}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url) as page:
            assert page.status == 200
            assert b"<html" in page.read()
        one = browser(url)
        one.look_from((3.0, 3.0, 3.0))
        one.until(lambda: one.pictures)
        one.close()
    render_thread.wait()
    assert not is_attached(stage.context.generator)
    assert capsys.readouterr() == ("", "")


def test_the_mouse_turns_and_the_sliders_follow(solid: Stage, served: Open, sees: Sees) -> None:
    generator, one = solid.context.generator, served()
    assert one.position == pytest.approx((0, 0, 2.7), abs=1e-5)
    sees(one, Look("cat"))
    one.look_from(position_at(generator, Angles(0.4, -0.2)))
    one.until(lambda: (one.part("Yaw")["value"], one.part("Pitch")["value"]) == (0.4, -0.2))
    exact = angles_from(position_at(generator, Angles(0.4, -0.2)))
    sees(one, Look("cat", angles=exact))
    one.set("Yaw", -0.3)
    sees(one, Look("cat", angles=Angles(-0.3, -0.2)))
    assert one.position == pytest.approx(position_at(generator, Angles(-0.3, -0.2)), abs=1e-5)
    one.arrive()
    one.press("Front")
    sees(one, Look("cat"))
    assert one.part("Yaw")["value"] == 0


def test_a_slow_page_that_tells_late_where_its_camera_began_is_not_followed(
    solid: Stage, served: Open, sees: Sees
) -> None:
    front, one = position_at(solid.context.generator, Angles()), served()
    one.look_from((3.0, 3.0, 3.0))
    one.until(lambda: one.position == pytest.approx(front, abs=1e-5))  # it is put back
    assert one.part("Yaw")["value"] == 0
    sees(one, Look("cat"))


def test_beyond_the_range_the_picture_stops_and_the_camera_comes_back(solid: Stage, served: Open, sees: Sees) -> None:
    generator, one = solid.context.generator, served()
    one.look_from(position_at(generator, Angles(1.6, 0.0)), look_at=(0.0, 0.0, 0.0))
    sees(one, Look("cat", angles=Angles(0.8, 0.0)))
    one.until(lambda: one.position == pytest.approx(position_at(generator, Angles(0.8, 0.0)), abs=1e-5))
    one.arrive()
    one.set("All around", True)
    one.until(lambda: one.part("Yaw")["max"] == 3.14)
    one.look_from(position_at(generator, Angles(1.6, 0.0)))
    sees(one, Look("cat", angles=angles_from(position_at(generator, Angles(1.6, 0.0)))))


def test_pretrained_and_personalized_can_be_compared(stage: Stage, served: Open, sees: Sees) -> None:
    one = served()
    first = one.pictures[-1]
    one.set("Pretrained", True)
    sees(one, Look("cat", shown="pretrained"))
    one.set("Side by side", True)
    sees(one, Look("cat", shown="both"))
    one.set("Side by side", False)
    one.set("Pretrained", False)
    one.until(lambda: one.pictures[-1] == first)


def test_each_browser_has_a_look_of_its_own(stage: Stage, served: Open, sees: Sees) -> None:
    one, two = served(), served()
    two.set("Persona", "other")
    sees(two, Look("other"))
    one.set("anchor 0", 0.0)
    one.set("anchor 1", 0.5)
    sees(one, Look("cat", mix=((1, 1.0),)))
    assert one.part("Anchor")["value"] == "a mix"
    assert two.part("Anchor")["value"] == "0"
    sees(two, Look("other"))
    assert "anchor 2" in two.labels()
    assert "anchor 3" not in two.labels()  # the other has three
    one.set("Anchor", "3")
    sees(one, Look("cat", mix=((3, 1.0),)))
    one.press("Random mix")
    one.rest()
    shares = [one.part(f"anchor {number}")["value"] for number in range(5)]
    assert sum(shares) == pytest.approx(1, abs=0.02)
    assert sum(share > 0 for share in shares) <= 3


def test_edits_are_learned_for_everybody(stage: Stage, served: Open, sees: Sees) -> None:
    one, two = served(), served()
    assert "size" not in one.labels()
    one.press("Learn edits")
    for each in (one, two):
        each.until(lambda each=each: {"size", "ears"} <= set(each.labels()))
        assert "Learn edits" not in each.labels()
    plain = one.pictures[-1]
    one.set("size", 3.0)
    one.until(lambda: one.pictures[-1] != plain)
    sees(one, Look("cat", edits=(("size", 3.0),)))
    one.set("Beyond the album", True)
    sees(one, Look("cat", edits=(("size", 3.0),), freely=True))
    one.press("Reset edits")
    one.until(lambda: one.pictures[-1] == plain)
    assert one.part("size")["value"] == 0
    assert {"size", "ears"} <= set(served().labels())


def test_pictures_are_saved_marked_and_none_is_replaced(
    stage: Stage, served: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = served()
    for name in ("cat-001.png", "cat-002.png"):
        one.told.clear()
        one.press("Save picture")
        one.until(lambda: one.told)
        assert one.told == [f"Saved: {tmp_path / 'pictures' / name}"]
    with Image.open(tmp_path / "pictures/cat-002.png") as saved:
        assert saved.size == (stage.context.generator.resolution,) * 2
        assert "trainedAlgorithmicMedia" in saved.info["XML:com.adobe.xmp"]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no temporary files"))
    one.press("Download picture")
    one.until(lambda: one.files)
    assert one.files == (tmp_path / "pictures/cat-001.png").read_bytes()
    one.set("Side by side", True)
    one.told.clear()
    one.press("Save picture")
    one.until(lambda: one.told)
    with Image.open(tmp_path / "pictures/cat-003.png") as saved:
        assert saved.width > 2 * 256


def test_a_picture_that_cannot_be_saved_is_told(served: Open, tmp_path: Path, sees: Sees) -> None:
    one = served()
    (tmp_path / "pictures").write_text("a file")
    one.press("Save picture")
    one.until(lambda: one.told)
    assert one.told[0].startswith("That did not work: cannot write ")
    one.set("anchor 0", 0.0)
    one.set("anchor 1", 1.0)
    sees(one, Look("cat", mix=((1, 1.0),)))  # and it goes on


def test_without_a_subject_there_are_the_generators_own(
    stage: Stage, browser: Open, port: int, tmp_path: Path, sees: Sees
) -> None:
    alone = Stage(stage.context, {})
    with serving(alone, host="127.0.0.1", port=port, folder=tmp_path, tell=print) as (url, _):
        one = browser(url)
        one.look_from((3.0, 3.0, 3.0))
        one.until(lambda: one.pictures)
        assert {"Pretrained", "Anchor", "Beta"}.isdisjoint(one.labels())
        assert ("Yaw" in one.labels()) == (stage.context.generator.orbit() is not None)
        sees(one, Look(None, truncation=0.7))
        one.press("Another one")
        sees(one, Look(None, seed=1, truncation=0.7))
        one.set("Seed", 0)
        sees(one, Look(None, truncation=0.7))
        one.close()


def test_no_browser_can_have_it_published(served: Open, monkeypatch: pytest.MonkeyPatch, sees: Sees) -> None:
    import viser

    asked = []
    monkeypatch.setattr(viser.ViserServer, "request_share_url", lambda server: asked.append(server))
    one = served()
    one.send(_messages.ShareUrlRequest())
    one.set("Anchor", "1")  # what comes after it is answered
    sees(one, Look("cat", mix=((1, 1.0),)))
    assert asked == []


def test_a_port_in_use_is_told_with_a_free_one(stage: Stage, port: int, tmp_path: Path) -> None:
    with (
        serving(stage, host="127.0.0.1", port=port, folder=tmp_path, tell=print),
        pytest.raises(InputError, match=rf"port {port} is in use here: give another one, such as --port \d+"),
        serving(stage, host="127.0.0.1", port=port, folder=tmp_path, tell=print),
    ):
        pass


def test_what_fails_unforeseen_costs_who_asked_and_is_told_once(
    stage: Stage, browser: Open, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, said = stage.pictures, []

    def fail(look: Look) -> torch.Tensor:
        if look.persona == "other":
            raise ZeroDivisionError("by nothing\nat all")
        return pictures(look)

    monkeypatch.setattr(stage, "pictures", fail)
    with serving(stage, host="127.0.0.1", port=port, folder=tmp_path, tell=said.append) as (url, _):
        one, two = browser(url), browser(url)
        for each in (one, two):
            each.look_from((3.0, 3.0, 3.0))
            each.until(lambda each=each: each.pictures)
        one.set("Persona", "other")
        one.until(lambda: one.told)
        one.set("Pretrained", True)
        one.until(lambda: len(one.told) == 2)
        assert set(one.told) == {"That did not work: by nothing\nat all"}
        for each in (one, two):
            seen = len(each.pictures)
            each.set("Persona", "cat")
            each.set("Anchor", "1")
            each.until(lambda each=each, seen=seen: len(each.pictures) > seen)
            each.close()
        assert two.told == []
    assert said == ["The viewer goes on after an error: ZeroDivisionError: by nothing"]


def test_what_fails_unforeseen_in_learning_is_told(
    stage: Stage, browser: Open, port: int, tmp_path: Path, sees: Sees
) -> None:
    said: list[str] = []
    known = replace(stage.context.backend, meaning=lambda z: {"size": z[:, 0] / 0, "ears": z[1, 2, 3]})
    stage.context = replace(stage.context, backend=known)
    with serving(stage, host="127.0.0.1", port=port, folder=tmp_path, tell=said.append) as (url, _):
        one = browser(url)
        one.look_from((3.0, 3.0, 3.0))
        one.until(lambda: one.pictures)
        one.press("Learn edits")
        one.until(lambda: one.told)
        one.set("Anchor", "1")
        sees(one, Look("cat", mix=((1, 1.0),)))
        one.close()
    assert one.told[0].startswith("Nothing learned: too many indices")
    assert said[0].startswith("The viewer goes on after an error: IndexError: too many indices")


def test_a_window_of_any_shape_costs_nobody_the_viewer(served: Open, sees: Sees) -> None:
    one, two = served(), served()
    for window in ((70_000, 100), (100, 2**50), (0, 0), (-5, 7), (2**50, 2**50)):
        seen, one.window = len(one.pictures), window
        one.look_from(one.position)
        one.until(lambda seen=seen: len(one.pictures) > seen)
    assert one.told == []
    two.set("Anchor", "1")
    sees(two, Look("cat", mix=((1, 1.0),)))


def test_an_input_holds_its_own_values_whatever_a_browser_tells(served: Open, sees: Sees) -> None:
    one = served()
    for label, told, held in (
        ("Persona", "nobody", "cat"), ("Anchor", "77", "0"), ("anchor 0", 5.0, 1.0), ("anchor 1", -1.0, 0.0),
        ("Beta", 1e9, 0.2), ("Beta", -3.0, 0.0),
    ):  # fmt: skip
        one.set(label, told)
        one.until(lambda label=label, held=held: one.part(label)["value"] == held)
    one.set("Anchor", "1")
    sees(one, Look("cat", mix=((1, 1.0),)))


def test_what_is_no_message_is_not_heard(served: Open, sees: Sees) -> None:
    one = served()
    uuid = next(uuid for uuid, part in one._parts.items() if part["label"] == "Beta")
    for odd in ("text", b"", b"\xc1", msgspec.msgpack.encode({"type": "GuiFormDirtyMessage", "uuid": uuid})):
        one.send_raw(odd)
    one.send(_messages.GuiUpdateMessage(uuid, {"update_cb": [1]}))
    one.set("Anchor", "1")
    sees(one, Look("cat", mix=((1, 1.0),)))


def test_a_picture_is_not_saved_over_what_appears_meanwhile(tmp_path: Path) -> None:
    with new_file(tmp_path, "cat") as first, new_file(tmp_path, "cat") as second:
        assert [first.name, second.name] == ["cat-001.png", "cat-002.png"]
    (tmp_path / "cat-003.png").symlink_to(tmp_path / "elsewhere")
    with new_file(tmp_path, "cat") as fourth:
        assert fourth.name == "cat-004.png"
        fourth.unlink()
    with pytest.raises(RunError, match="cannot write"), new_file(tmp_path, "cat") as fourth:
        write_picture(fourth / "below", torch.zeros(3, 8, 8))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cat-001.png", "cat-002.png", "cat-003.png"]


def test_random_numbers_of_torch_are_left_alone(stage: Stage) -> None:
    state = torch.get_rng_state()
    stage.pictures(Look("cat"))
    stage.pictures(Look(None, seed=3))
    assert torch.equal(torch.get_rng_state(), state)
