"""Denormal numbers: taken for zero in every thread that is born after, which is why it is asked for first."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, torch
from gpk.precision import flush_denormals
torch.set_num_threads(2)
if sys.argv[1] == "flush":
    if not flush_denormals():
        print("cannot")
        raise SystemExit
tiny = torch.full((4_000_000,), 1e-39)  # enough for two threads
print((tiny * 0.5).count_nonzero().item())
"""


def nonzero(mode: str) -> str:
    done = subprocess.run([sys.executable, "-c", PROGRAM, mode], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_no_thread_keeps_a_denormal() -> None:
    assert nonzero("keep") == "4000000"
    assert nonzero("flush") in ("0", "cannot")
