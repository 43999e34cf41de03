import shutil
from pathlib import Path

import pytest
from tests.certification import forgery
from tests.certification.forgery import KEY, PRODUCT, unpacked

from fulfillment_conformance.certification import issue, signing, verify
from fulfillment_conformance.certification.issuing import NAME, NotReady
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.outcome import ExitCode


@pytest.fixture
def folder(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder, tmp_path / "output"))


def test_an_archive_of_a_run_verifies(folder: Path) -> None:
    certificate = issue(folder, PRODUCT, key=KEY, installation=forgery.installation())

    assert certificate.path == folder / NAME
    assert certificate.signer == signing.fingerprint(KEY.public_key())
    assert verify(certificate.path, key=KEY.public_key(), installation=forgery.installation()).matches


@pytest.mark.parametrize("key", [None, KEY], ids=["unsigned", "signed"])
def test_equal_runs_give_equal_bytes(key: signing.PrivateKey | None, folder: Path) -> None:
    archives = [
        issue(folder, PRODUCT, key=key, installation=forgery.installation()).path.read_bytes() for _ in range(2)
    ]

    assert archives[0] == archives[1]


def test_every_output_of_the_run_is_in_it(folder: Path) -> None:
    files = unpacked(issue(folder, PRODUCT, installation=forgery.installation()).path.read_bytes())

    expected = {"results.json", "exchanges.jsonl", "report.html", "junit.xml", "summary.md", "badge.json"}
    assert expected <= files.keys()
    assert files["results.json"] == (folder / "results.json").read_bytes()
    assert files["exchanges.jsonl"] == (folder / "exchanges.jsonl").read_bytes()


def test_a_run_that_is_not_ready_gets_no_archive(tmp_path: Path) -> None:
    forgery.run(tmp_path, failing=True)

    with pytest.raises(NotReady) as raised:
        issue(tmp_path, PRODUCT, installation=forgery.installation(failing=True))

    assert raised.value.exit_code == ExitCode.INCOMPLETE
    assert str(raised.value) == (
        "no certificate:\n  the verdict is not-conformant, exit code 1\n  GET-010 is required and failed"
    )
    assert not (tmp_path / NAME).exists()


def test_a_folder_without_a_run_is_a_mistake_of_the_order(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="name the folder that a run wrote"):
        issue(tmp_path, PRODUCT)


def test_an_archive_that_cannot_be_written_is_told(folder: Path) -> None:
    (folder / NAME).mkdir()

    with pytest.raises(UsageProblem, match=r"cannot write .*readiness\.zip"):
        issue(folder, PRODUCT, installation=forgery.installation())
