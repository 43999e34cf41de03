"""What no program does: a person is asked at the terminal, and has so long for it."""

import os
from pathlib import Path

from fulfillment_conformance.interruptions import CannotArrange

TERMINAL = Path("CONOUT$" if os.name == "nt" else "/dev/tty")
"""The terminal that the run was started from, whatever has become of its output."""


def ask(text: str) -> None:
    """Show a request to whoever sits at the terminal.

    Raises:
        CannotArrange: nobody does.
    """
    try:
        with TERMINAL.open("w", encoding="utf-8") as terminal:
            terminal.write(f"\n{text}\n")
    except OSError:
        raise CannotArrange(
            "publisher.onboarding: a step is to be done by hand, and there is no terminal to ask at; run it from one"
        ) from None
