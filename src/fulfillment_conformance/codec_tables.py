"""Tells hypothesis which characters ASCII and UTF-8 can carry.

Hypothesis finds that out by trying each of the 1.1 million characters, which takes three seconds and 200 MB, and keeps
what it has found in its home folder. The home of a run is new, so what is known anyway is put there beforehand. Should
hypothesis look for it in another place or form one day, it finds nothing and tries the characters again.
"""

import gzip
import json
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ENCODABLE: Final[Mapping[str, Sequence[tuple[int, int]]]] = {
    "ascii": ((0x00, 0x7F),),
    "utf-8": ((0x00, 0xD7FF), (0xE000, 0x10FFFF)),  # all but the surrogates
}
"""First and last code points of the ranges that a codec, by its name in Python, can encode."""


def put_into(home: Path) -> None:
    """Write the tables where hypothesis looks for them, below its home folder.

    Raises:
        OSError: they cannot be written.
    """
    folder = home / "unicode_data" / unicodedata.unidata_version
    folder.mkdir(parents=True, exist_ok=True)
    for codec, ranges in ENCODABLE.items():
        nothing_decodes_to_something_else: list[tuple[int, int]] = []
        text = json.dumps([ranges, nothing_decodes_to_something_else])
        (folder / f"codec-v2-{codec}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
