"""What the viewer's tests have in common."""

from __future__ import annotations

import pytest
from viewing import Browser, free_port


@pytest.fixture
def port() -> int:
    """A port that nothing listens at."""
    return free_port()


@pytest.fixture(scope="session")
def browser() -> type[Browser]:
    """The browser, for `browser(url)`."""
    return Browser
