"""The viewer in Chromium, as a person has it: `gpk view` as a process, a page, a mouse."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]  # playwright's own pipes

CHROMIUM = shutil.which("chromium")
SOFTWARE = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
PATIENCE = 120_000
"""Milliseconds: without a GPU, beside other tests, a page takes its time."""
GPK = "import sys; from gpk_cli import main; sys.exit(main())"


class Opened(NamedTuple):
    """A page with the viewer, and every address that it asked for."""

    page: Any
    asked: list[str]
    folder: Path

    def shot(self) -> np.ndarray:
        """The middle of the picture [h, w, 3], away from panels and notices."""
        file = self.folder / "shot.png"
        self.page.screenshot(path=file)
        width, height = Image.open(file).size
        across = width if width < 500 else width - 324  # a phone has its panel below
        high = height if width >= 500 else 0.38 * height
        whole = np.asarray(Image.open(file).convert("RGB")).astype(float)
        return whole[int(0.25 * high) : int(0.9 * high), int(0.3 * across) : int(0.7 * across)]

    def until(self, true: Callable[[], bool], seconds: float = 120.0) -> None:
        """Waits until something is true."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "still not"
            self.page.wait_for_timeout(200)

    def rest(self) -> np.ndarray:
        """The picture when it no longer changes."""
        last = self.shot()
        while (now := self.shot()).shape != last.shape or np.abs(now - last).mean() > 0.2:
            last = now
        return now

    def number(self, label: str) -> float:
        """What the slider of that label says."""
        return float(self._row(label).locator("input:not([type=hidden])").last.input_value())

    def enter(self, label: str, number: float) -> None:
        """Types a number beside the slider of that label."""
        field = self._row(label).locator("input:not([type=hidden])").last
        field.fill(str(number))
        field.press("Enter")

    def _row(self, label: str) -> Any:
        return self.page.get_by_text(label, exact=True).locator("xpath=ancestor::*[.//input][1]")


@pytest.fixture(scope="module")
def address(cat: Any, running: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `gpk view` serves the cat."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium here")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = str(found.getsockname()[1])
    command = (sys.executable, "-c", GPK, "view", cat.run, "--port", port, "--device", "cpu")
    folder, environment = tmp_path_factory.mktemp("view"), os.environ | {"OMP_NUM_THREADS": "1"}
    with running(*command, seconds=1800, cwd=folder, env=environment, stderr=subprocess.PIPE) as process:
        said = process.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert address is not None, said
        yield address[0]
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        assert process.returncode == 130, told
    assert told.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in told


@pytest.fixture(params=[(1280, 800), (390, 844)], ids=["desktop", "phone"])
def opened(request: pytest.FixtureRequest, address: str, tmp_path: Path) -> Iterator[Opened]:
    """The viewer on a screen and on a phone, when its first picture is there."""
    playwright = pytest.importorskip("playwright.sync_api")
    width, height = request.param
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE, timeout=PATIENCE)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE)
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url))
        page.goto(address)
        found = Opened(page, asked, tmp_path)
        page.get_by_text("Save picture").wait_for(state="attached")
        page.locator(".mantine-Notification-closeButton").first.click()  # software rendering is told
        found.until(lambda: found.shot().std() > 20)  # more than an empty ground
        yield found
        browser.close()


def differ(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether more than noise has changed, in shades of 255."""
    return np.abs(a - b).mean() > 2


def test_a_person_can_turn_compare_mix_and_edit(opened: Opened) -> None:
    page = opened.page
    front = opened.rest()
    assert (opened.number("Yaw"), opened.number("Pitch")) == (0, 0), "it does not begin in front"
    x, y = (page.viewport_size["width"] * 0.35, page.viewport_size["height"] * 0.2)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=6)
    page.mouse.up()
    opened.until(lambda: opened.number("Yaw") < -0.1)
    turned = opened.rest()
    assert differ(turned, front)
    page.get_by_text("Front", exact=True).click()
    opened.until(lambda: opened.number("Yaw") == 0 and not differ(opened.shot(), front))
    page.get_by_label("Pretrained").click()
    opened.until(lambda: differ(opened.shot(), front))
    page.get_by_label("Pretrained").click()
    opened.until(lambda: not differ(opened.shot(), front))
    opened.enter("anchor 2", 1)
    opened.enter("anchor 0", 0)
    opened.until(lambda: differ(opened.shot(), front))
    page.get_by_text("Learn edits").click()
    page.get_by_text("light", exact=True).wait_for()
    before = opened.rest()
    opened.enter("light", 3)
    opened.until(lambda: differ(opened.shot(), before))
    here = page.url.rstrip("/")
    assert [url for url in opened.asked if not url.startswith((here, f"blob:{here}", "data:"))] == []
