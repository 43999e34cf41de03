"""Writing files whole or not at all."""

import contextlib
import os
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Replace a file by `text` in one step: a reader, or a run that dies, sees the old file or the new one.

    Half a surrogate pair, which a target may send and UTF-8 cannot hold, is written as its escape (`\\ud800`).

    Raises:
        OSError: the file cannot be written; what was there before is untouched.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        unfinished.write_bytes(text.encode("utf-8", "backslashreplace"))
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
