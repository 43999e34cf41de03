from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.certification import forgery
from tests.commands import Ended, call, run, start

from fulfillment_conformance import runner
from fulfillment_conformance.certification import archive, issuing, signing, verification
from fulfillment_conformance.certification.documents import NOTICE, UNSIGNED
from fulfillment_conformance.run import RunOptions

LONGEST = 280
"""Seconds that a whole run may take on a machine that others use as well."""

PRODUCT = """\
publisher: Contoso Ltd.
offer: contoso-crm
version: "3.2.1"
contact: desk@contoso.example
"""
PUBLISHER = "role: publisher\npublisher: {embedded: true}\n"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A file with a private key; its public one lies beside it."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "public.pem").write_bytes(signing.as_pem(private.public_key()))
    return tmp_path / "key.pem"


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder / "target.yaml"


def test_the_reference_publisher_is_certified_and_the_certificate_holds(tmp_path: Path, key: Path) -> None:
    """The one whole run of these tests: a certificate of all the set, looked at from every side."""
    output = tmp_path / "output"
    with start("certify", "--demo", "--output", output, "--key", key, "-n", 2, "--progress", "quiet") as process:
        out, err = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, out + err
    assert f"conformant by the set 2026.1: {output / 'readiness.zip'}" in out
    assert "claims made: per_seat: true, refuses_changes: false, refused_plans: multiyear" in out
    assert out.endswith(f"{NOTICE}\n")

    held = call("verify", output / "readiness.zip", "--key", tmp_path / "public.pem")
    assert held.code == 0, held.text
    assert held.out.startswith("about     Contoso (made up), contoso-crm")
    assert "says      conformant, exit code 0\n" in held.out
    assert " re-derived, " in held.out
    assert held.out.endswith(f"{NOTICE}\n")

    files = {entry.name: entry.content() for entry in archive.read((output / "readiness.zip").read_bytes())}
    files["exchanges.jsonl"] = files["exchanges.jsonl"].replace(b'"status": 401', b'"status": 200')
    (output / "forged.zip").write_bytes(archive.pack(files))
    forged = call("verify", output / "forged.zip")
    assert forged.code == 1
    assert "FAIL exchanges.jsonl: is not the file whose checksum stands in SHA256SUMS" in forged.out
    assert "where it is 200" in forged.out
    assert "is not to be trusted" in forged.out


class TestOrders:
    """What is wrong with the order is told before anything runs."""

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ([], "certify needs --target FILE or --demo, one of them"),
            (["--demo", "--target", "target.yaml"], "certify needs --target FILE or --demo, one of them"),
            (["--demo", "--known", "known.yaml"], "No such option '--known'"),
            (["--demo", "--only", "WHK-018"], "No such option '--only'"),
            (["--demo", "--key", "nothing.pem"], "--key nothing.pem: No such file or directory"),
            (["--demo", "--product", "nothing.yaml"], "nothing.yaml: no such file"),
        ],
        ids=["nothing", "both", "known failures", "a part", "no key", "no product"],
    )
    def test_they_are_complete_and_leave_nothing_out(self, arguments: list[str], said: str, tmp_path: Path) -> None:
        ended = call("certify", "--output", tmp_path / "output", *arguments)

        assert ended.code == 4, ended.text
        assert said in ended.err
        assert not (tmp_path / "output" / "results.json").exists()

    def test_a_target_without_a_product_needs_one(self, tmp_path: Path) -> None:
        ended = call("certify", "--target", written(tmp_path, target=PUBLISHER), "--output", tmp_path / "output")

        assert ended.code == 4
        assert "does not say what is judged; add `product` with publisher, offer, version and contact" in ended.err

    def test_a_product_file_is_read_strictly(self, tmp_path: Path) -> None:
        target = written(tmp_path, target=PUBLISHER, product=PRODUCT.replace("offer", "ofer"))
        ended = call(
            "certify", "--target", target, "--product", tmp_path / "product.yaml", "--output", tmp_path / "out"
        )

        assert ended.code == 4
        assert f"{tmp_path / 'product.yaml'}:2: ofer: unknown key; did you mean 'offer'?" in ended.err

    def test_known_failures_are_refused(self, tmp_path: Path) -> None:
        known = "failures:\n  - {id: WHK-018, why: known, link: 'https://x.example/1', until: 2099-01-01}\n"
        target = written(tmp_path, target=f"{PUBLISHER}known: known.yaml\n", known=known, product=PRODUCT)
        ended = call(
            "certify", "--target", target, "--product", tmp_path / "product.yaml", "--output", tmp_path / "out"
        )

        assert ended.code == 4
        assert "names known failures, which have no place in a certificate; remove the key" in ended.err


def test_what_was_not_executed_is_not_certified(tmp_path: Path) -> None:
    """An address at which nobody answers: the preflight ends it, and there is no archive."""
    target = written(
        tmp_path,
        target="role: marketplace\nmarketplace: {base_url: 'http://127.0.0.1:9/api'}\n",
        product=PRODUCT,
    )
    output = tmp_path / "output"
    ended = run("certify", "--target", target, "--product", tmp_path / "product.yaml", "--output", output)

    assert ended.code == 6, ended.text
    assert "no certificate: the run ended with exit code 6" in ended.err
    assert not (output / "readiness.zip").exists()


class TestWithoutARun:
    """The small run of `forgery` instead of a real one, and its set."""

    @pytest.fixture(params=[False])
    def certify(self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ended:
        """Certify a run that fails, or does not."""
        suite = forgery.installation(failing=True)

        def run_suite(options: RunOptions, **_: Any) -> int:
            assert options.output is not None
            forgery.run(options.output, failing=request.param)
            return 0

        monkeypatch.setattr(runner, "run_suite", run_suite)
        for module in (issuing, verification):
            monkeypatch.setattr(module, "installed", lambda: suite if request.param else forgery.installation())
        target = written(tmp_path, target=PUBLISHER, product=PRODUCT)
        product = tmp_path / "product.yaml"
        return call("certify", "--target", target, "--product", product, "--output", tmp_path, "--set", forgery.SET)

    def test_without_a_key_it_is_said_that_nothing_is_signed(self, certify: Ended, tmp_path: Path) -> None:
        assert certify.code == 0, certify.text
        assert f"{UNSIGNED}\n{NOTICE}\n" in certify.out
        told = call("verify", tmp_path / "readiness.zip")
        assert told.code == 0, told.text
        assert "about     Contoso Ltd., contoso-crm, 3.2.1; contact: desk@contoso.example" in told.out
        assert f"signed    {UNSIGNED}" in told.out
        assert "checks    4 re-derived, 3 seen again, 1 trusted; 4 answers held against openapi/" in told.out

    @pytest.mark.parametrize("certify", [True], indirect=True)
    def test_what_is_not_kept_is_not_certified_whatever_the_exit_code(self, certify: Ended, tmp_path: Path) -> None:
        assert certify.code == 7
        assert "no certificate:\n  the verdict is not-conformant, exit code 1\n  GET-010 is required" in certify.err
        assert not (tmp_path / "readiness.zip").exists()
