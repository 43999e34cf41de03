import tempfile
from pathlib import Path

import pytest

from fulfillment_conformance.certification.outputs import derive
from fulfillment_conformance.errors import SuiteFault, UsageProblem
from fulfillment_conformance.report import read
from fulfillment_conformance.report.results import RESULTS
from fulfillment_conformance.run import EXCHANGES


@pytest.fixture
def sources(run_folder: Path) -> tuple[bytes, bytes]:
    return (run_folder / RESULTS).read_bytes(), (run_folder / EXCHANGES).read_bytes()


def test_everything_is_made_of_the_two_sources(sources: tuple[bytes, bytes], run_folder: Path) -> None:
    outputs = derive(*sources)

    assert outputs.results == read(run_folder)
    assert list(outputs.files)[:2] == [RESULTS, EXCHANGES]
    assert tuple(outputs.files.values())[:2] == sources
    assert outputs.files["report.html"].startswith(b"<!doctype html>")
    assert derive(*sources).files == outputs.files


def test_where_the_files_were_for_a_moment_is_told_to_nobody(sources: tuple[bytes, bytes]) -> None:
    with pytest.raises(UsageProblem) as no_results:
        derive(b"{", sources[1])
    with pytest.raises(SuiteFault) as no_exchanges:
        derive(sources[0], b"[]\n")

    assert str(no_results.value).startswith("results.json is cut off or not JSON")
    assert "exchanges.jsonl:1 is not a recorded exchange" in str(no_exchanges.value)
    assert tempfile.gettempdir() not in f"{no_results.value} {no_exchanges.value}"
