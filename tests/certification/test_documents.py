import hashlib
import json
import subprocess
from pathlib import Path
from shutil import which

import pytest
from tests.certification import forgery
from tests.certification.forgery import unpacked

from fulfillment_conformance.certification import documents
from fulfillment_conformance.certification.documents import NOTICE, UNSIGNED, Circumstances
from fulfillment_conformance.certification.installation import FOLDERS


@pytest.fixture
def files(unsigned: bytes) -> dict[str, bytes]:
    return unpacked(unsigned)


def test_it_is_said_plainly_that_microsoft_has_no_part_in_it(files: dict[str, bytes]) -> None:
    assert "not a certification by Microsoft" in NOTICE
    assert NOTICE in files[documents.README].decode()
    assert json.loads(files[documents.CERTIFICATE])["notice"] == NOTICE
    assert json.loads(files[documents.STATEMENT])["predicate"]["notice"] == NOTICE


def test_whether_it_is_signed_is_said_plainly(files: dict[str, bytes], signed: bytes) -> None:
    assert UNSIGNED in files[documents.README].decode()
    assert UNSIGNED not in unpacked(signed)[documents.README].decode()
    assert "by the key" in unpacked(signed)[documents.README].decode()


def test_the_certificate_says_who_what_and_how(files: dict[str, bytes]) -> None:
    said = json.loads(files[documents.CERTIFICATE])

    assert said["product"] == {
        "publisher": "Contoso Ltd.",
        "offer": "contoso-crm",
        "version": "3.2.1",
        "contact": "desk@contoso.example",
    }
    assert said["required"] == {"number": 4, "passed": 3, "not-applicable": {"ACT-019": forgery.NO_FAILURE}}
    assert said["reported"] == {
        "number": 1,
        "passed": 0,
        "warning": {"GET-026": "expected created in UTC; came local time"},
    }
    assert (said["verdict"], said["exit_code"], said["set"]["name"]) == ("conformant", 0, "small")
    assert set(said["suite"]["digests"]) == set(FOLDERS)
    assert Circumstances.from_certificate(said) == forgery.circumstances()


def test_people_read_the_same(files: dict[str, bytes]) -> None:
    text = files[documents.README].decode()

    assert (
        "Publisher   Contoso Ltd.\nOffer       contoso-crm\nVersion     3.2.1\nContact     desk@contoso.example\n"
        in text
    )
    assert "Required    4: 3 passed, 1 not-applicable\n" in text
    assert f"Required and not-applicable:\n  ACT-019  {forgery.NO_FAILURE}\n" in text
    assert "Reported and warning:\n  GET-026  expected created in UTC; came local time\n" in text


def test_the_statement_is_an_in_toto_test_result(files: dict[str, bytes]) -> None:
    statement = json.loads(files[documents.STATEMENT])
    subjects = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    predicate = statement["predicate"]

    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert subjects == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != documents.STATEMENT
    }
    assert predicate["result"] == "WARNED"
    assert predicate["passedTests"] == ["GET-001", "GET-002", "GET-007"]
    assert predicate["warnedTests"] == ["GET-026"]
    assert predicate["failedTests"] == []
    assert {one["name"] for one in predicate["configuration"]} == set(FOLDERS)


def test_a_failed_run_would_be_called_so(failing: bytes) -> None:
    predicate = json.loads(unpacked(failing)[documents.STATEMENT])["predicate"]

    assert (predicate["result"], predicate["failedTests"]) == ("FAILED", ["GET-010"])


@pytest.mark.skipif(which("sha256sum") is None, reason="there is no sha256sum")
def test_the_checksums_can_be_compared_by_other_programs(signed: bytes, tmp_path: Path) -> None:
    for name, content in unpacked(signed).items():
        (tmp_path / name).write_bytes(content)
    compared = subprocess.run(
        ["sha256sum", "--check", "--strict", documents.SUMS], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert "results.json: OK" in compared.stdout
