"""The parts of the panel, each with its own share of the look.

A part calls `changed` when a person moved something in it; what the program itself sets calls nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from gpk.hull import LatentHull
from gpk.seeding import seeded
from gpk_view.browser_camera import BrowserCamera
from gpk_view.camera import ANYWHERE, TRUSTED, Angles
from gpk_view.edits import Edit
from gpk_view.scene import Look, Mix, random_mix

if TYPE_CHECKING:
    import viser

AT_ONCE, FIRST = 6, 8
"""Anchors that have a slider, and edits that are shown before the others."""
MOST_BETA, MOST_AMOUNT = 0.2, 3.0
"""Where the sliders end: of the hull's dilation, and of an edit in standard deviations."""
LAST_SEED = 2**32 - 1
"""The last that the panel counts to, before 0 again."""
MIXED = "a mix"
LAST = 1e9
"""In viser's order of things: after whatever is added later."""

Changed = Callable[[], None]


class Section(Protocol):
    """A part of the panel."""

    def applied(self, look: Look) -> Look:
        """The look with what is set here."""
        ...


def heed(handle: viser.GuiInputHandle[Any], action: Changed) -> None:
    """Calls `action` on the server's event loop when a person changed the input."""

    async def update(event: viser.GuiEvent[Any]) -> None:
        if event.client is not None:
            put_right(handle)
            action()

    handle.on_update(update)


def put_right(handle: viser.GuiInputHandle[Any]) -> None:
    """Has a slider, a number or a choice hold a value of its own, whatever a browser told: viser takes any."""
    import viser

    if isinstance(handle, viser.GuiDropdownHandle):
        if handle.value not in handle.options:
            handle.value = handle.options[0]
    elif isinstance(handle, viser.GuiSliderHandle | viser.GuiNumberHandle):
        handle.value = max(handle.min, min(handle.max, handle.value))


def press(button: viser.GuiButtonHandle, action: Changed) -> None:
    """Calls `action` on the server's event loop when a person pressed the button."""

    async def click(event: viser.GuiEvent[Any]) -> None:
        action()

    button.on_click(click)


class Who:
    """Which persona, and whether as it was pretrained."""

    def __init__(self, gui: viser.GuiApi, names: Sequence[str], changed: Changed) -> None:
        self._persona = gui.add_dropdown("Persona", names, visible=len(names) > 1)
        self._pretrained = gui.add_checkbox(
            "Pretrained", False, hint="The same code, shown by the generator as it was before it knew the subject."
        )
        self._both = gui.add_checkbox("Side by side", False, hint="Left as pretrained, right personalized.")
        heed(self._persona, changed)
        heed(self._pretrained, changed)
        heed(self._both, self._both_or_one)
        self._changed = changed

    @property
    def persona(self) -> str:
        """The chosen persona's name."""
        return self._persona.value

    def applied(self, look: Look) -> Look:
        """With the persona, and who shows it."""
        shown = "both" if self._both.value else "pretrained" if self._pretrained.value else "personalized"
        return replace(look, persona=self.persona, shown=shown)

    def _both_or_one(self) -> None:
        self._pretrained.disabled = self._both.value
        self._changed()


class Turn:
    """Sliders for what the mouse does."""

    def __init__(self, gui: viser.GuiApi, camera: BrowserCamera, changed: Changed) -> None:
        self._camera, self._changed = camera, changed
        with gui.add_folder("View"):
            self._yaw = gui.add_slider(
                "Yaw", -TRUSTED.yaw, TRUSTED.yaw, 0.01, 0.0, hint="Radians to the left and right of the front."
            )
            self._pitch = gui.add_slider(
                "Pitch", -TRUSTED.pitch, TRUSTED.pitch, 0.01, 0.0, hint="Radians above (below 0) and below the front."
            )
            self._beyond = gui.add_checkbox(
                "All around", False, hint="Beyond the sides that the generator learned from: expect it to break."
            )
            front = gui.add_button("Front", color="gray")
        heed(self._yaw, self._steer)
        heed(self._pitch, self._steer)
        heed(self._beyond, self._widen)
        press(front, self._face)

    def follow(self) -> None:
        """Shows where the mouse turned it."""
        self._yaw.value, self._pitch.value = (round(angle, 2) for angle in self._camera.angles.pair)

    def applied(self, look: Look) -> Look:
        """Seen from there."""
        return replace(look, angles=self._camera.angles)

    def _steer(self) -> None:
        self._camera.steer(Angles(self._yaw.value, self._pitch.value))
        self._changed()

    def _face(self) -> None:
        self._camera.steer(Angles())
        self.follow()
        self._changed()

    def _widen(self) -> None:
        self._camera.limit = limit = ANYWHERE if self._beyond.value else TRUSTED
        self._camera.steer(self._camera.angles)
        self.follow()
        for slider, most in zip((self._yaw, self._pitch), limit.pair, strict=True):
            slider.min, slider.max = -round(most, 2), round(most, 2)
        self._changed()


class Hull:
    """Where in the subject's hull: an anchor, or a mix of some."""

    def __init__(self, gui: viser.GuiApi, hull_of: Callable[[], LatentHull], changed: Changed) -> None:
        self._hull_of, self._changed, self._drawn = hull_of, changed, 0
        self._chosen: list[int] = []
        with gui.add_folder("Code"):
            self._anchor = gui.add_dropdown("Anchor", [MIXED], hint="The code of one photo of the album.")
            self._sliders = [
                gui.add_slider(f"anchor {slot}", 0.0, 1.0, 0.01, 0.0, hint="Its share; all are made to sum to 1.")
                for slot in range(AT_ONCE)
            ]
            self._beta = gui.add_slider(
                "Beta", 0.0, MOST_BETA, 0.01, 0.0, hint="How far the hull is dilated: identity for freedom."
            )
            draw = gui.add_button("Random mix", color="gray")
        for handle in (*self._sliders, self._beta):
            heed(handle, self._mixed)
        heed(self._anchor, self._one)
        press(draw, self._draw)
        self.start()

    def start(self) -> None:
        """Begins at the subject's first anchor."""
        self._anchor.options = (*(str(number) for number in range(len(self._hull_of()))), MIXED)
        self._anchor.value = "0"
        self._show(((0, 1.0),))

    def applied(self, look: Look) -> Look:
        """With the mix."""
        sliders = zip(self._chosen, self._sliders, strict=False)
        mix = [(number, slider.value) for number, slider in sliders]
        # An anchor that has no share takes part only where the hull is dilated, and then only if others are drawn too.
        shares = tuple(pair for pair in mix if pair[1] > 0) or tuple(mix)
        return replace(look, mix=shares, beta=self._beta.value)

    def _show(self, mix: Mix) -> None:
        """Sets the sliders to this mix, those left over to the anchors that follow."""
        count = len(self._hull_of())
        chosen = [number for number, _ in mix]
        following = [number % count for number in range(chosen[0], chosen[0] + count)]
        self._chosen = list(dict.fromkeys((*chosen, *following)))[: min(AT_ONCE, count)]
        shares = dict(mix)
        for slot, slider in enumerate(self._sliders):
            slider.visible = slot < len(self._chosen)
            if slider.visible:
                slider.label = f"anchor {self._chosen[slot]}"
                slider.value = round(shares.get(self._chosen[slot], 0.0), 2)

    def _one(self) -> None:
        if self._anchor.value != MIXED:
            self._show(((int(self._anchor.value), 1.0),))
        self._changed()

    def _mixed(self) -> None:
        self._anchor.value = MIXED
        self._changed()

    def _draw(self) -> None:
        self._drawn += 1
        hull = LatentHull(self._hull_of().anchors, beta=self._beta.value)
        self._show(random_mix(hull, seeded(0, "viewer", self._drawn)))
        self._mixed()


class Own:
    """One of the generator's own codes."""

    def __init__(self, gui: viser.GuiApi, changed: Changed) -> None:
        self._changed = changed
        with gui.add_folder("Code"):
            self._seed = gui.add_number(
                "Seed", 0, min=0, max=LAST_SEED, step=1, hint="The same seed is the same picture."
            )
            self._truncation = gui.add_slider(
                "Truncation", 0.0, 1.0, 0.05, 0.7, hint="1 as drawn, towards 0 nearer to the generator's mean."
            )
            another = gui.add_button("Another one")
        heed(self._seed, changed)
        heed(self._truncation, changed)
        press(another, self._next)

    def applied(self, look: Look) -> Look:
        """With the seed."""
        return replace(look, seed=self._seed.value, truncation=self._truncation.value)

    def _next(self) -> None:
        self._seed.value = (self._seed.value + 1) % (LAST_SEED + 1)
        self._changed()


class Edits:
    """A slider for every edit; they come when they are learned."""

    def __init__(
        self, gui: viser.GuiApi, edits: Sequence[Edit], changed: Changed, *, learn: Changed | None, subject: bool
    ) -> None:
        self._gui, self._changed = gui, changed
        self._sliders: dict[str, viser.GuiSliderHandle[float]] = {}
        self._folder = gui.add_folder("Edits", visible=learn is not None or bool(edits))
        with self._folder:
            self._learn = gui.add_button(
                "Learn edits", hint="From codes of the generator: one slider an attribute.", visible=learn is not None
            )
            self._bar = gui.add_progress_bar(0.0, visible=False)
            self._freely = gui.add_checkbox(
                "Beyond the album",
                False,
                visible=False,
                order=LAST,
                hint="Edit freely, not only what the album itself varies.",
            )
            self._reset = gui.add_button("Reset edits", color="gray", visible=False, order=LAST + 1)
        if learn is not None:
            press(self._learn, learn)
        heed(self._freely, changed)
        press(self._reset, self._clear)
        self._subject = subject
        if edits:
            self.show(edits)

    def show(self, edits: Sequence[Edit]) -> None:
        """Adds a slider for each that has none; those beyond the first ones in a folder that is closed."""
        fresh = [edit for edit in edits if edit.name not in self._sliders]
        with self._folder:
            for edit in fresh[:FIRST]:
                self._add(edit)
            if fresh[FIRST:]:
                with self._gui.add_folder("More edits", expand_by_default=False):
                    for edit in fresh[FIRST:]:
                        self._add(edit)
        self._freely.visible, self._reset.visible = self._subject, True

    def learning(self, share: float) -> None:
        """Shows how far learning is; 1 is the end."""
        self._learn.visible, self._bar.visible = False, share < 1
        self._bar.value = 100 * share

    def applied(self, look: Look) -> Look:
        """With the edits."""
        edits = tuple((name, slider.value) for name, slider in self._sliders.items() if slider.value)
        return replace(look, edits=edits, freely=self._freely.value)

    def _add(self, edit: Edit) -> None:
        told = "In standard deviations of the generator's codes."
        if edit.held is not None:
            told += f" The album goes along with {edit.held:.0%} of it."
        slider = self._gui.add_slider(edit.name, -MOST_AMOUNT, MOST_AMOUNT, 0.1, 0.0, hint=told)
        heed(slider, self._changed)
        self._sliders[edit.name] = slider

    def _clear(self) -> None:
        for slider in self._sliders.values():
            slider.value = 0.0
        self._changed()
