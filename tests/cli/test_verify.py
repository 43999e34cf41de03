from pathlib import Path

import pytest
from tests.commands import call

from fulfillment_conformance.certification.documents import NOTICE


def test_what_does_not_match_is_named_and_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "readiness.zip").write_bytes(b"no archive")
    ended = call("verify", tmp_path / "readiness.zip")

    assert ended.code == 1
    assert "FAIL archive: it is no archive: it does not begin as one" in ended.out
    assert "is not to be trusted: 1 things in it do not match" in ended.out
    assert ended.out.endswith(f"{NOTICE}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.zip"], "nothing.zip: No such file or directory; name an archive that certify wrote"),
        (["nothing.zip", "--key", "nothing.pem"], "--key nothing.pem: No such file or directory; name a PEM file"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_mistake_of_the_order(arguments: list[str], said: str) -> None:
    ended = call("verify", *arguments)

    assert ended.code == 4
    assert said in ended.err
