"""A report in a browser: what moves, what it asks of the network, how it looks on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.browser
CUT = "box => getComputedStyle(box.querySelector('.over-img')).clipPath"


class Opened:
    """The cat's report in a window of a size, and what went wrong or out while it was open."""

    def __init__(self, browser: Any, url: str, *, size: tuple[int, int] = (1280, 900), **settings: Any) -> None:
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)  # on a machine that is busy with other tests
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        self.page.goto(url)


@pytest.fixture
def opened(browser: Any, cat: Any) -> Iterator[Any]:
    """Opens the cat's report; at the end nothing may have been asked of a network, or have gone wrong."""
    url = (cat.run / "report.html").as_uri()
    windows: list[Opened] = []

    def open_one(**settings: Any) -> Any:
        windows.append(Opened(browser, url, **settings))
        return windows[-1].page

    yield open_one
    for window in windows:
        assert [asked for asked in window.asked if not asked.startswith("data:")] == [url]
        assert window.faults == []
        window.context.close()


def test_an_edge_follows_keys_pointer_and_finger(opened: Any) -> None:
    page = opened()
    box = page.locator(".card .compare").first
    assert box.evaluate(CUT) == "inset(0px 50% 0px 0px)"
    box.locator("input").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert box.evaluate(CUT) == "inset(0px 40% 0px 0px)"
    box.hover()  # in the middle, once the page has stopped moving
    place = box.bounding_box()
    middle = place["y"] + place["height"] / 2
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] / 4, middle, steps=3)
    page.mouse.up()
    page.mouse.move(place["x"] + place["width"] * 0.9, middle)  # let go: it stays
    assert box.evaluate(CUT) == "inset(0px 75% 0px 0px)"
    assert box.locator("input").get_attribute("aria-label").startswith("photo and personalized of img")
    phone = opened(size=(390, 844), has_touch=True)
    box = phone.locator(".first .compare")
    place = box.bounding_box()
    phone.touchscreen.tap(place["x"] + place["width"] * 0.2, place["y"] + 40)
    assert box.evaluate(CUT) == "inset(0px 80% 0px 0px)"


def test_any_two_are_compared_and_albums_are_filtered(opened: Any) -> None:
    page = opened()
    cards = page.locator(".card")
    shown = lambda: [card for card in cards.all() if card.is_visible()]  # noqa: E731
    assert len(shown()) == 8
    page.get_by_role("button", name="held out 2").click()
    assert [card.get_attribute("data-album") for card in shown()] == ["held-out"] * 2
    page.get_by_role("button", name="learned from 6").click()
    assert len(shown()) == 6
    page.locator("#left").select_option("pretrained")
    page.locator("#right").select_option("novel view")
    first, left = cards.first, "img => img.src"
    for side, column in ((".over-img", "pretrained"), ("img:not(.over-img)", "novel view")):
        source = first.locator(f"[data-column='{column}'] img").evaluate(left)
        assert first.locator(f".compare {side}").evaluate(left) == source
    assert first.locator(".tag").all_text_contents() == ["pretrained", "novel view"]
    assert cards.last.locator(".tag").all_text_contents() == ["pretrained", "personalized"]  # it has no novel view


def test_a_picture_is_enlarged_and_escape_closes_it(opened: Any) -> None:
    page = opened()
    dialog = page.locator("dialog")
    assert not dialog.is_visible()
    page.locator(".card").nth(1).locator("[data-column='pretrained']").click()
    assert dialog.is_visible()
    assert dialog.locator("h2").text_content() == page.locator(".card").nth(1).get_attribute("data-name")
    assert dialog.locator(".tag").all_text_contents() == ["photo", "pretrained"]
    dialog.get_by_label("Next photo").click()
    assert dialog.locator("h2").text_content() == page.locator(".card").nth(2).get_attribute("data-name")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_light_and_dark(opened: Any) -> None:
    paper = "() => getComputedStyle(document.body).backgroundColor"
    light, dark = opened(color_scheme="light"), opened(color_scheme="dark")
    colours = light.evaluate(paper), dark.evaluate(paper)
    assert colours[0] != colours[1]
    light.get_by_label("Light or dark").click()
    assert light.evaluate(paper) == colours[1]
    light.get_by_label("Light or dark").click()
    assert light.evaluate(paper) == colours[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(opened: Any, scheme: str) -> None:
    page = opened(color_scheme=scheme)
    for words, behind in (("--ink", "--paper"), ("--soft", "--paper"), ("--soft", "--card"), ("--accent", "--card"),
                          ("--on-accent", "--accent"), ("--ink", "--wash")):  # fmt: skip
        assert page.evaluate(CONTRAST, [words, behind]) >= 4.5, f"{words} on {behind}"  # WCAG 2.2, 1.4.3, AA


CONTRAST = """names => {
  const [one, other] = names.map(name => {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
    probe.remove();
    const [r, g, b] = parts.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  });
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}"""


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_the_window(opened: Any, width: int) -> None:
    page = opened(size=(width, 844))
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    assert page.evaluate("() => document.documentElement.scrollWidth") == width
    page.locator(".thumb").first.click()
    box = page.locator("dialog").bounding_box()
    assert 0 <= box["x"] < box["x"] + box["width"] <= width
    assert page.evaluate("() => document.querySelector('dialog').scrollHeight") <= 844


def test_points_are_read_out(opened: Any) -> None:
    page = opened()
    chart = page.locator(".chart.lines").last
    chart.scroll_into_view_if_needed()
    chart.hover(position={"x": 300, "y": 100})
    told = page.locator("#learning .charted").last.locator(".readout")
    assert told.text_content().startswith("step 6: pixels (L2) 0.")
    page.mouse.move(0, 0)
    assert told.text_content() == ""


def test_the_command_is_copied_or_else_selected(opened: Any) -> None:
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    command = page.locator(".command code").text_content()
    page.locator(".copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("() => navigator.clipboard.readText()") == command
    page = opened()
    page.evaluate("() => Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.locator(".copy").click()
    page.get_by_role("button", name="Selected").wait_for()
    assert page.evaluate("() => getSelection().toString()") == command


def test_a_turntable_stands_still_where_motion_is_unwanted(opened: Any) -> None:
    showing = "() => { const i = document.querySelector('.play img'); return i.currentSrc === i.src; }"
    page = opened(reduced_motion="reduce")
    assert not page.evaluate(showing)
    page.locator(".play").click()
    page.wait_for_function(showing)
    page = opened()
    assert page.evaluate(showing)
    page.locator(".play").click()
    page.wait_for_function(f"() => !({showing})()")


def test_without_scripts_everything_is_still_there(opened: Any) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator(".thumb img").count() == 6 * 4 + 2 * 3
    assert not page.locator(".tools").first.is_visible()
    assert not page.locator(".first").is_visible()
