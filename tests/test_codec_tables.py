"""Tests of what hypothesis is told about codecs: it is true, and hypothesis takes it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment_conformance.codec_tables import ENCODABLE, put_into

ASKS_HYPOTHESIS = """
import json, sys
from pathlib import Path
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.internal import charmap
set_hypothesis_home_dir(Path(sys.argv[1]))
charmap.range = None  # whoever tries the characters fails
print(json.dumps([[list(each.intervals) for each in charmap.intervals_from_codec(name)] for name in sys.argv[2:]]))
"""


def can_encode(codec: str, code_point: int) -> bool:
    try:
        return chr(code_point).encode(codec).decode(codec) == chr(code_point)
    except UnicodeEncodeError:
        return False


def is_listed(codec: str, code_point: int) -> bool:
    return any(first <= code_point <= last for first, last in ENCODABLE[codec])


@pytest.mark.parametrize("codec", ENCODABLE)
def test_a_range_ends_where_the_codec_does(codec: str) -> None:
    edges = {edge + step for ends in ENCODABLE[codec] for edge in ends for step in (-1, 0, 1)} & {*range(0x110000)}

    assert {edge: is_listed(codec, edge) for edge in edges} == {edge: can_encode(codec, edge) for edge in edges}


@given(codec=st.sampled_from(sorted(ENCODABLE)), code_point=st.integers(0, 0x10FFFF))
def test_whatever_can_be_encoded_is_listed(codec: str, code_point: int) -> None:
    assert is_listed(codec, code_point) == can_encode(codec, code_point)


def test_hypothesis_takes_it_and_tries_no_character(tmp_path: Path) -> None:
    put_into(tmp_path)

    asked = [sys.executable, "-c", ASKS_HYPOTHESIS, str(tmp_path), *ENCODABLE]
    taken = json.loads(subprocess.run(asked, capture_output=True, check=True, text=True).stdout)

    assert taken == [[[[*ends] for ends in ranges], []] for ranges in ENCODABLE.values()]
