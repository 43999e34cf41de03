"""Every way of changing an archive is found and named: as it comes, and after everything else was made to fit again."""

import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from tests.certification import forgery
from tests.certification.forgery import (
    FAILING,
    KEY,
    LATER,
    OTHER_KEY,
    REFUSED,
    SHOWN,
    SUBSCRIPTION,
    WARNING,
    Files,
    Results,
    change_exchanges,
    change_results,
    refitted,
    resummed,
    unpacked,
)

from fulfillment_conformance.certification import Verification, archive, documents, signing, verify
from fulfillment_conformance.certification.rederivation import Depth
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.outcome import ExitCode
from fulfillment_conformance.report.results import RESULTS
from fulfillment_conformance.run import EXCHANGES

Change = Callable[[Files], object]
CHECKSUM = "is not the file whose checksum stands in SHA256SUMS"


def held(path: Path, data: bytes, *, failing: bool = False, key: signing.PublicKey | None = None) -> Verification:
    """Verify these bytes."""
    file = path / "readiness.zip"
    file.write_bytes(data)
    return verify(file, key=key, installation=forgery.installation(failing=failing))


def said(verification: Verification) -> str:
    return "\n".join(map(str, verification.findings))


def in_results(change: Callable[[Results], object]) -> Change:
    return lambda files: change_results(files, change)


def in_exchanges(change: Callable[[list[dict[str, Any]]], object]) -> Change:
    return lambda files: change_exchanges(files, change)


def in_exchanges_alone(change: Callable[[bytes], bytes]) -> Change:
    return lambda files: files.update({EXCHANGES: change(files[EXCHANGES])})


def in_certificate(change: Callable[[dict[str, Any]], object]) -> Change:
    def forge(files: Files) -> None:
        data = json.loads(files[documents.CERTIFICATE])
        change(data)
        files[documents.CERTIFICATE] = documents.as_json(data)

    return forge


def setting(data: dict[str, Any], **values: Any) -> None:
    data.update(values)


# --- what holds ---


def test_an_archive_as_it_was_written_matches(unsigned: bytes, tmp_path: Path) -> None:
    found = held(tmp_path, unsigned)

    assert found.matches, said(found)
    assert found.exit_code == ExitCode.CONFORMANT
    assert found.signer is None
    assert dict(found.depths) == {Depth.REDERIVED: 4, Depth.SEEN_AGAIN: 3, Depth.TRUSTED: 1}
    assert found.answers == 4
    assert found.about is not None
    assert found.about.product == forgery.PRODUCT


@pytest.mark.parametrize("given", [True, False], ids=["key given", "key of the archive"])
def test_a_signed_archive_matches_and_names_the_key(given: bool, signed: bytes, tmp_path: Path) -> None:
    found = held(tmp_path, signed, key=KEY.public_key() if given else None)

    assert found.matches, said(found)
    assert found.signer == signing.fingerprint(KEY.public_key())


def test_the_forgers_tools_make_what_matches(unsigned: bytes, tmp_path: Path) -> None:
    """Otherwise the tests below would show nothing."""
    files = unpacked(unsigned)
    change_results(files, lambda results: results.conclude())
    change_exchanges(files, lambda _lines: None)

    assert held(tmp_path, archive.pack(refitted(files))).matches
    assert held(tmp_path, archive.pack(resummed(unpacked(unsigned)))).matches


# --- a failure made to vanish ---


def _pass_the_requirement(results: Results) -> None:
    results.requirement("GET-010")["outcome"] = "passed"
    results.count()


def _pass_the_check(results: Results) -> None:
    [check] = results.test(FAILING)["checks"]
    check["outcome"] = "passed"
    results.conclude()


def _say_it_came(results: Results) -> None:
    [check] = results.test(FAILING)["checks"]
    check["outcome"], check["actual"], check["basis"]["of"][0]["value"] = "passed", "'team'", "team"
    results.conclude()


def _expect_it(results: Results) -> None:
    [check] = results.test(FAILING)["checks"]
    check["outcome"], check["basis"]["of"][1]["value"] = "passed", "silver"
    results.conclude()


def _expect_something_else(results: Results) -> None:
    [check] = results.test(FAILING)["checks"]
    check["basis"] = {**check["basis"], "kind": "pattern", "terms": {"pattern": "(s+)+ilver", "meaning": "a plan"}}
    check["basis"]["of"].pop()
    check["outcome"], check["expected"] = "passed", "planId a plan"
    results.conclude()


def _forget_the_basis(results: Results) -> None:
    [check] = results.test(FAILING)["checks"]
    check["outcome"] = "passed"
    del check["basis"]
    results.conclude()


def _leave_it_out(results: Results) -> None:
    results.test(FAILING)["checks"] = [
        {"requirement": "GET-010", "outcome": "not-applicable", "reason": "we do not sell such plans"}
    ]
    results.conclude()


def _drop_the_test(results: Results) -> None:
    results.data["tests"].remove(results.test(FAILING))
    results.data["requirements"].remove(results.requirement("GET-010"))
    results.conclude()


def _drop_the_requirement(results: Results) -> None:
    results.data["requirements"].remove(results.requirement("GET-010"))
    results.conclude()


def _waive(results: Results) -> None:
    results.requirement("GET-010")["outcome"] = "waived"
    known = {"id": "GET-010", "why": "it is known", "link": "https://x.example/1", "until": "2099-01-01"}
    results.data["known_failures"] = [{**known, "place": "known.yaml:2", "state": "waived"}]
    results.count()
    setting(results.data, verdict="conformant", exit_code=0)


def _weaken(results: Results) -> None:
    results.requirement("GET-010")["level"] = "SHOULD"
    results.conclude()


VANISHED: dict[str, tuple[Change, str]] = {
    "verdict edited": (
        in_results(lambda results: setting(results.data, verdict="conformant", exit_code=0)),
        "results.json: the verdict is said to be conformant; the outcomes make it not-conformant",
    ),
    "exit code edited": (
        in_results(lambda results: setting(results.data, exit_code=0)),
        "results.json: the exit code is said to be 0; the outcomes make it 1",
    ),
    "outcome edited": (
        in_results(_pass_the_requirement),
        "results.json: GET-010 is said to be passed; its tests make it failed",
    ),
    "check passed": (
        in_results(_pass_the_check),
        f"results.json: GET-010 in {FAILING}: the check says passed, but by its own exchanges it failed",
    ),
    "other value said to have come": (
        in_results(_say_it_came),
        f"GET-010 in {FAILING}: the check saw planId 'team' in exchange 5, where it is 'silver'",
    ),
    "expected value edited": (
        in_results(_expect_it),
        "the check says expected \"planId 'team'\", where its own data say \"planId 'silver'\"",
    ),
    "other expectation invented": (
        in_results(_expect_something_else),
        "the check asks for the pattern '(s+)+ilver', which this suite does not know",
    ),
    "basis of a check removed": (
        in_results(_forget_the_basis),
        "the check says passed and not what it was decided from",
    ),
    "failure left out for an invented reason": (
        in_results(_leave_it_out),
        "it is left out because 'we do not sell such plans', which no test in marketplace/test_get_subscription.py",
    ),
    "failing test removed": (
        in_results(_drop_the_test),
        "exchange 5 belongs to a test that results.json does not have",
    ),
    "failing requirement removed": (
        in_results(_drop_the_requirement),
        "GET-010 is required by the set small and was not judged",
    ),
    "known failure added": (in_results(_waive), "known failures have no place in a certificate: GET-010"),
    "requirement weakened": (in_results(_weaken), "GET-010 is worded, or binds, otherwise than in the catalogue"),
    "exchange of the failure edited": (
        in_exchanges(lambda lines: setting(lines[-1]["response"], body=json.dumps(forgery.subscription()))),
        f"GET-010 in {FAILING}: the check saw planId 'silver' in exchange 5, where it is 'team'",
    ),
}


@pytest.mark.parametrize("change", VANISHED)
def test_a_failure_cannot_be_made_to_vanish(change: str, failing: bytes, tmp_path: Path) -> None:
    forge, words = VANISHED[change]
    files = unpacked(failing)
    forge(files)
    simple = held(tmp_path, archive.pack(files), failing=True)
    clever = held(tmp_path, archive.pack(refitted(files, failing=True)), failing=True)

    assert CHECKSUM in said(simple)
    assert words in said(clever)
    assert CHECKSUM not in said(clever)
    assert simple.exit_code == clever.exit_code == ExitCode.FAILED


# --- a run made into another ---


def _twice(results: Results) -> None:
    results.data["tests"].append(results.test(SHOWN))
    results.data["requirements"].append(results.requirement("GET-001"))
    results.conclude()


def _rest_on_another(results: Results) -> None:
    check = results.test(SHOWN)["checks"][0]
    check["exchanges"], check["basis"]["of"][0]["exchange"] = ["2"], "2"
    results.conclude()


def _rest_on_nothing(results: Results) -> None:
    results.test(SHOWN)["checks"][0]["exchanges"] = ["99"]
    results.conclude()


def _rest_on_less(results: Results) -> None:
    results.test(REFUSED)["checks"][0]["exchanges"] = ["2"]
    results.conclude()


def _claim_more(results: Results) -> None:
    results.test(WARNING)["claims"] = ["GET-026", "GET-001"]
    results.conclude()


def _reword(results: Results) -> None:
    results.test(SHOWN)["checks"][0]["actual"] = "204"
    results.conclude()


def _later_start(results: Results) -> None:
    results.data["started"] = results.data["finished"] = "2026-12-24T00:00:00+00:00"


def _replayed(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        line["run"] = "1-0123456789abcdef"


def _replayed_and_renamed(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        line["at"] = line["at"].replace("202", "201", 1)


def _swap(lines: list[dict[str, Any]]) -> None:
    for part in ("request", "response", "purpose"):
        lines[0][part], lines[1][part] = lines[1][part], lines[0][part]


def _swap_lines(lines: list[dict[str, Any]]) -> None:
    lines[0], lines[1] = lines[1], lines[0]


def _break_a_shape(lines: list[dict[str, Any]]) -> None:
    lines[2]["response"]["body"] = json.dumps(forgery.subscription(id="not a GUID", planId="team"))


def _surplus_test(results: Results) -> None:
    results.data["tests"].append({**results.test(LATER), "test": "marketplace/test_mine.py::test_mine", "claims": []})


ANOTHER: dict[str, tuple[Change, str]] = {
    "other set": (
        in_results(lambda results: setting(results.data, set="2025.1")),
        "results.json: it judged the set '2025.1', which is none of small",
    ),
    "no set": (in_results(lambda results: setting(results.data, set=None)), "it judged the set None"),
    "other seed": (
        in_results(lambda results: setting(results.data, seed=7)),
        "exchanges.jsonl: the run is called '1-",
    ),
    "counts edited": (
        in_results(lambda results: setting(results.data["counts"], passed=9)),
        "results.json: is damaged: its counts",
    ),
    "run not ended": (
        in_results(lambda results: setting(results.data, closed=False)),
        "results.json: belongs to a run that did not end",
    ),
    "run interrupted": (
        in_results(lambda results: setting(results.data, interrupted=True)),
        "the exit code is said to be 0; the outcomes make it 2",
    ),
    "other program": (
        in_results(lambda results: setting(results.data, suite={"name": "mine", "version": "1"})),
        "results.json: was not written by fulfillment-conformance",
    ),
    "key removed": (in_results(lambda results: results.data.pop("tests")), "results.json: is damaged: the key 'tests'"),
    "statement of a requirement edited": (
        in_results(lambda results: setting(results.requirement("GET-001"), statement="Anything goes.")),
        "GET-001 is worded, or binds, otherwise than in the catalogue",
    ),
    "requirement and test repeated": (in_results(_twice), "GET-001 stands in it more than once"),
    "surplus test": (in_results(_surplus_test), "this suite has no test marketplace/test_mine.py::test_mine"),
    "claims of a test edited": (
        in_results(_claim_more),
        f"{WARNING} claims GET-026, GET-001; in this suite it claims GET-026",
    ),
    "reason edited": (
        in_results(lambda results: setting(results.requirement("ACT-019"), reason="it is so")),
        "ACT-019 does not have the checks and reasons that its tests have",
    ),
    "words of a check edited": (
        in_results(_reword),
        "the check says that '204' came, where its own data say 200",
    ),
    "check rests on another exchange": (
        in_results(_rest_on_another),
        f"GET-001 in {SHOWN}: the check saw status 200 in exchange 2, where it is 404",
    ),
    "check rests on no exchange": (in_results(_rest_on_nothing), "it rests on exchange 99 is not recorded"),
    "check rests on less than it looked at": (
        in_results(_rest_on_less),
        "the check looked at exchange 3, on which it does not say that it rests",
    ),
    "basis damaged": (
        in_results(lambda results: setting(results.test(SHOWN)["checks"][0], basis={"kind": "status"})),
        "the check says what it was decided from in a form that is not ours",
    ),
    "exchange of a test not listed": (
        in_results(lambda results: setting(results.test(SHOWN), exchanges=["2"])),
        f"exchange 2 is said to belong to {SHOWN}, and says itself that it does not",
    ),
    "reply times edited": (
        in_results(lambda results: setting(results.data["reply_times"][0], median=0.0001)),
        "results.json: its reply times are not those of the exchanges",
    ),
    "moved in time": (in_results(_later_start), "was recorded at a time outside of the run"),
    "exchanges of another run": (
        in_exchanges(_replayed),
        "exchanges 1, 2, 3 and 1 more: each is of another run than '1-",
    ),
    "exchanges of another time": (
        in_exchanges(_replayed_and_renamed),
        "exchanges 1, 2, 3 and 1 more: each was recorded at a time outside of the run",
    ),
    "exchange repeated": (
        in_exchanges(lambda lines: lines.append(lines[0])),
        "exchanges.jsonl: exchange 1 stands in it more than once",
    ),
    "exchange removed": (
        in_exchanges(lambda lines: lines.pop(1)),
        "exchanges.jsonl: exchange 2 is missing; the numbers go up to 4",
    ),
    "exchanges swapped": (in_exchanges(_swap), "the check saw status 404 in exchange 2, where it is 200"),
    "lines swapped": (in_exchanges(_swap_lines), "exchanges.jsonl: exchange 1 stands behind 2, which came later"),
    "exchange of an unknown test": (
        in_exchanges(lambda lines: setting(lines[3], test="marketplace/test_mine.py::test_mine")),
        "exchanges.jsonl: exchange 4 belongs to a test that results.json does not have",
    ),
    "status of an exchange edited": (
        in_exchanges(lambda lines: setting(lines[1]["response"], status=400)),
        f"GET-002 in {REFUSED}: the check saw status 404 in exchange 2, where it is 400",
    ),
    "address of an exchange edited": (
        in_exchanges(lambda lines: setting(lines[0]["request"], url="http://127.0.0.1:8080/api/saas/subscriptions/8")),
        "where its own data say 'GET /api/saas/subscriptions/8 answered 200'",
    ),
    "answer that no check looked at edited": (
        in_exchanges(_break_a_shape),
        "exchanges.jsonl: GET-007 is said to be passed; exchange 3 breaks it: getSubscription: body /id",
    ),
    "exchanges cut off": (
        in_exchanges_alone(lambda content: content[:-40]),
        "exchanges.jsonl: it is cut off: its last line does not end",
    ),
    "line of the exchanges damaged": (
        in_exchanges_alone(lambda content: content.replace(b'"number"', b'"nummer"', 1)),
        "exchanges.jsonl: line 1 is not a recorded exchange",
    ),
    "all exchanges removed": (
        in_exchanges_alone(lambda _content: b""),
        f"exchange 1 belongs to {SHOWN} and is not recorded",
    ),
}


@pytest.mark.parametrize("change", ANOTHER)
def test_a_run_cannot_be_made_into_another(change: str, unsigned: bytes, signed: bytes, tmp_path: Path) -> None:
    forge, words = ANOTHER[change]
    files = unpacked(unsigned)
    forge(files)
    simple = held(tmp_path, archive.pack(files))
    clever = held(tmp_path, archive.pack(refitted(files)))
    changed = unpacked(signed)
    forge(changed)
    under_signature = held(tmp_path, archive.pack(resummed(changed)), key=KEY.public_key())

    assert CHECKSUM in said(simple)
    assert words in said(clever)
    assert CHECKSUM not in said(clever)
    assert "statement.dsse.json: signs another statement than the one in the archive" in said(under_signature)
    assert {one.exit_code for one in (simple, clever, under_signature)} == {ExitCode.FAILED}


@pytest.mark.parametrize(
    "change",
    [
        lambda results: setting(results.requirement("GET-001"), level=[]),
        lambda results: setting(results.test(SHOWN), seconds="long"),
        lambda results: setting(results.test(SHOWN)["checks"][0], basis=7),
        lambda results: setting(results.test(SHOWN)["checks"][0], requirement={}),
        lambda results: setting(results.data, started="2026-11-22T10:00:00"),
        lambda results: setting(results.data, target=None, seed=None),
    ],
    ids=["level", "seconds", "basis", "requirement", "time", "target"],
)
def test_values_of_other_types_are_findings_and_no_errors(
    change: Callable[[Results], object], unsigned: bytes, tmp_path: Path
) -> None:
    files = unpacked(unsigned)
    change_results(files, change)
    found = held(tmp_path, archive.pack(resummed(files)))

    assert any(finding.where == RESULTS for finding in found.findings)
    assert found.exit_code == ExitCode.FAILED


# --- what is made of results and exchanges ---


@pytest.mark.parametrize(
    "name",
    [
        "report.html",
        "junit.xml",
        "summary.md",
        "badge.json",
        RESULTS,
        documents.README,
        documents.CERTIFICATE,
        documents.STATEMENT,
    ],
)
def test_what_is_made_of_the_run_is_made_again(name: str, unsigned: bytes, tmp_path: Path) -> None:
    files = unpacked(unsigned)
    files[name] += b" "
    if name != documents.STATEMENT:
        files = resummed(files)
    found = said(held(tmp_path, archive.pack(files)))

    assert f"{name}: is not what the results, the exchanges and the product give" in found


def test_the_numbers_of_each_level_are_counted_again(unsigned: bytes, tmp_path: Path) -> None:
    files = unpacked(unsigned)
    change_results(files, lambda results: setting(results.data["levels"]["MUST"], passed=9))

    assert "results.json: is not what the results" in said(held(tmp_path, archive.pack(resummed(files))))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: setting(data, claims={"per_seat": False}), "certificate.json: is not what the results"),
        (lambda data: setting(data["set"], name="2025.1"), "certificate.json: is not what the results"),
        (lambda data: setting(data, format=2), "certificate.json: has the format 2; this version reads 1"),
        (lambda data: data.pop("product"), "certificate.json: is damaged: it does not say what was judged"),
        (lambda data: setting(data["product"], offer="other"), "README.txt: is not what the results"),
        (
            lambda data: setting(data, signed_by="0" * 64),
            "archive: it is signed by half: signed_by in certificate.json",
        ),
    ],
    ids=["claims", "set", "format", "no product", "product", "signed by"],
)
def test_the_certificate_says_what_the_run_gives(
    change: Callable[[dict[str, Any]], object], words: str, unsigned: bytes, tmp_path: Path
) -> None:
    files = unpacked(unsigned)
    in_certificate(change)(files)

    assert words in said(held(tmp_path, archive.pack(resummed(files))))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("report.html", "report.html: is missing from the archive"),
        (RESULTS, "results.json: is missing from the archive"),
        (documents.SUMS, "SHA256SUMS: is missing from the archive"),
        (documents.STATEMENT, "statement.json: is missing from the archive"),
    ],
)
def test_a_missing_file_is_named(name: str, words: str, unsigned: bytes, tmp_path: Path) -> None:
    files = resummed(unpacked(unsigned))
    del files[name]

    assert words in said(held(tmp_path, archive.pack(files)))


def test_a_surplus_file_is_named(unsigned: bytes, tmp_path: Path) -> None:
    files = {"note.txt": b"trust me", **unpacked(unsigned)}
    simple, clever = (said(held(tmp_path, archive.pack(each))) for each in (files, resummed(files)))

    assert "note.txt: is not named in SHA256SUMS" in simple
    assert "note.txt: does not belong into the archive" in clever


def test_another_order_of_the_files_is_found(unsigned: bytes, tmp_path: Path) -> None:
    files = unpacked(unsigned)
    moved = {"report.html": files.pop("report.html"), **files}

    assert "archive: its files stand in another order" in said(held(tmp_path, archive.pack(moved)))


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (lambda text: text.split("\n", 1)[1], "README.txt: is not named in SHA256SUMS"),
        (lambda text: f"{'0' * 64}  more.txt\n{text}", "more.txt: is named in SHA256SUMS, and not in the archive"),
        (lambda text: text + text, "is no checksum, or one of a file named before"),
    ],
    ids=["line removed", "line added", "lines repeated"],
)
def test_the_checksums_name_every_file_once(
    forge: Callable[[str], str], words: str, unsigned: bytes, tmp_path: Path
) -> None:
    files = unpacked(unsigned)
    files[documents.SUMS] = forge(files[documents.SUMS].decode()).encode()

    assert words in said(held(tmp_path, archive.pack(files)))


@pytest.mark.parametrize("statement", [b"", b"[]", b'{"subject": [{}]}', b"[" * 100_000])
def test_a_statement_that_is_none_is_found(statement: bytes, unsigned: bytes, tmp_path: Path) -> None:
    files = {**unpacked(unsigned), documents.STATEMENT: statement}

    assert "statement.json: is not an in-toto statement about files" in said(held(tmp_path, archive.pack(files)))


# --- signatures ---


def test_everything_made_to_fit_again_under_another_key_is_found_by_the_key(signed: bytes, tmp_path: Path) -> None:
    forged = archive.pack(refitted(unpacked(signed), key=OTHER_KEY))

    assert held(tmp_path, forged).signer == signing.fingerprint(OTHER_KEY.public_key())
    found = said(held(tmp_path, forged, key=KEY.public_key()))
    fingers = [signing.fingerprint(key.public_key())[:16] for key in (OTHER_KEY, KEY)]
    assert f"public-key.pem: is the key {fingers[0]}, not the one that was given, {fingers[1]}" in found


def test_a_signature_that_was_taken_away_is_missed_where_a_key_is_given(signed: bytes, tmp_path: Path) -> None:
    forged = archive.pack(refitted(unpacked(signed)))

    assert held(tmp_path, forged).matches
    assert "archive: it is not signed, and has to be by the key" in said(held(tmp_path, forged, key=KEY.public_key()))


@pytest.mark.parametrize("name", [documents.ENVELOPE, documents.PUBLIC_KEY])
def test_half_a_signature_is_found(name: str, signed: bytes, tmp_path: Path) -> None:
    files = unpacked(signed)
    del files[name]

    assert f"it is signed by half: {'public-key.pem' if name == documents.ENVELOPE else 'statement.dsse.json'}" in said(
        held(tmp_path, archive.pack(resummed(files)))
    )


def test_an_edited_product_is_found_under_a_signature(signed: bytes, tmp_path: Path) -> None:
    files = unpacked(signed)
    in_certificate(lambda data: setting(data["product"], version="9.9"))(files)
    forged = {**refitted(files, key=KEY), documents.ENVELOPE: files[documents.ENVELOPE]}

    assert "statement.dsse.json: signs another statement" in said(held(tmp_path, archive.pack(forged)))


def test_the_envelope_of_another_archive_is_found(signed: bytes, tmp_path: Path) -> None:
    files = unpacked(signed)
    files[documents.ENVELOPE] = signing.sign(b"{}", KEY)

    assert "statement.dsse.json: signs another statement" in said(held(tmp_path, archive.pack(files)))


def test_another_public_key_in_the_archive_is_found(signed: bytes, tmp_path: Path) -> None:
    files = unpacked(signed)
    files[documents.PUBLIC_KEY] = signing.as_pem(OTHER_KEY.public_key())
    found = said(held(tmp_path, archive.pack(resummed(files))))

    assert "which certificate.json names" in found
    assert "statement.dsse.json:" in found


def test_a_public_key_that_is_none_is_found(signed: bytes, tmp_path: Path) -> None:
    files = resummed({**unpacked(signed), documents.PUBLIC_KEY: b"no key"})

    assert "public-key.pem: holds no public key in PEM" in said(held(tmp_path, archive.pack(files)))


# --- other suites ---


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            in_results(lambda results: setting(results.data["suite"], version="9.9.9")),
            "made by version 9.9.9, and this is",
        ),
        (
            in_certificate(lambda data: setting(data["suite"]["digests"], catalogue="0" * 64)),
            "with another catalogue than the one installed here",
        ),
    ],
    ids=["version", "catalogue"],
)
def test_an_archive_of_another_suite_cannot_be_told_here(
    change: Change, words: str, unsigned: bytes, tmp_path: Path
) -> None:
    files = unpacked(unsigned)
    change(files)
    simple = held(tmp_path, archive.pack(files))
    clever = held(tmp_path, archive.pack(refitted(files)))

    assert "is not the file whose checksum stands in" in said(simple)
    assert words in clever.other
    assert not clever.matches
    assert clever.exit_code == ExitCode.INCOMPLETE


def test_what_does_not_depend_on_the_suite_is_told_all_the_same(failing: bytes, tmp_path: Path) -> None:
    files = unpacked(failing)
    change_results(files, lambda results: setting(results.data["suite"], version="9.9.9"))
    change_results(files, lambda results: setting(results.data, verdict="conformant", exit_code=0))
    found = held(tmp_path, archive.pack(refitted(files, failing=True)), failing=True)

    assert "the verdict is said to be conformant" in said(found)
    assert found.exit_code == ExitCode.FAILED


# --- the bytes ---


def test_a_changed_byte_anywhere_is_found(signed: bytes, tmp_path: Path) -> None:
    places = random.Random(5).sample(range(len(signed)), 40)
    for place in places:
        changed = bytearray(signed)
        changed[place] ^= 1 << place % 8
        found = held(tmp_path, bytes(changed), key=KEY.public_key())
        assert found.findings, place
        assert found.exit_code == ExitCode.FAILED


def test_an_archive_that_was_cut_off_is_found_wherever_it_was_cut(signed: bytes, tmp_path: Path) -> None:
    for length in range(0, len(signed), len(signed) // 60):
        found = said(held(tmp_path, signed[:length]))
        assert "cut off" in found or "it is no archive" in found, length
    assert "archive: it is cut off inside its directory" in said(held(tmp_path, signed[:-1]))


def test_another_way_of_packing_is_found(unsigned: bytes, tmp_path: Path) -> None:
    files = unpacked(unsigned)
    repacked = BytesIO()
    with zipfile.ZipFile(repacked, "w", zipfile.ZIP_DEFLATED) as packer:
        for name, content in files.items():
            packer.writestr(zipfile.ZipInfo(name), content)
    stored = [archive.Entry.of(name, content) for name, content in files.items()]
    stored[2] = replace(stored[2], packed=_barely_packed(files[RESULTS]))

    assert "another program has packed it" in said(held(tmp_path, repacked.getvalue()))
    assert "results.json: is packed in another way" in said(held(tmp_path, archive.assemble(stored)))


def _barely_packed(content: bytes) -> bytes:
    import zlib

    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def test_an_archive_too_large_to_be_one_is_not_read(
    unsigned: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LARGEST", 100)

    assert f"archive: it has {len(unsigned):,} bytes; certify writes at most 100" in said(held(tmp_path, unsigned))


def test_no_archive_at_all_is_a_mistake_of_the_order(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"nothing\.zip: No such file or directory; name an archive"):
        verify(tmp_path / "nothing.zip")


def test_secrets_are_in_no_file(signed: bytes) -> None:
    files = unpacked(signed)

    assert not [name for name, content in files.items() if b"ada@contoso" in content or b"eyJzdWIi" in content]
    assert SUBSCRIPTION.encode() in files[EXCHANGES]
