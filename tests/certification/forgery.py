"""A small run whose archive is verified in no time, and the tools of somebody who forges archives.

The run is recorded by the suite's own recorder and checks; only its tests and its set are made up. A forger who knows
this suite can make everything fit again that is made of something else: `refitted`.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.catalogue import Catalogue, RequirementSet
from fulfillment_conformance.certification import archive, documents, signing
from fulfillment_conformance.certification.documents import Circumstances
from fulfillment_conformance.certification.installation import Installation, installed
from fulfillment_conformance.certification.issuing import files_of
from fulfillment_conformance.certification.outputs import derive
from fulfillment_conformance.checks import Checks
from fulfillment_conformance.errors import ConformanceError
from fulfillment_conformance.evidence import Recorder, read_exchanges
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.outcome import RequirementResult, TestRecord, conclude, decide_requirement
from fulfillment_conformance.product import Product
from fulfillment_conformance.redaction import Redactor
from fulfillment_conformance.report.reply_times import measure
from fulfillment_conformance.report.results import RESULTS, ReportedRequirement, RunResults
from fulfillment_conformance.run import EXCHANGES
from fulfillment_conformance.suite_index import SuiteTest

Files = dict[str, bytes]
Play = Callable[[Callable[..., Answer], Checks], None]

PRODUCT = Product(publisher="Contoso Ltd.", offer="contoso-crm", version="3.2.1", contact="desk@contoso.example")
KEY, OTHER_KEY = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
SET = "small"
SUBSCRIPTION = "c1a8b0d2-5f43-4e8e-9d5b-6a1f0e2c7b91"
NO_FAILURE = "no accepted activation failed, and nothing can be asked to let one fail"
"""A reason that a test of ACT-019 gives for leaving it out."""

SHOWN, REFUSED, FAILING, WARNING = (
    f"marketplace/test_get_subscription.py::test_{name}" for name in ("shown", "refused", "failing", "warning")
)
LATER = "marketplace/test_activate.py::test_later"


@cache
def examples() -> dict[str, Any]:
    """Return the examples of the description of the API."""
    from fulfillment_conformance.contract import Contract

    found: dict[str, Any] = Contract.load().document["components"]["examples"]
    return found


def subscription(**changes: Any) -> dict[str, Any]:
    """Return what Get subscription shows."""
    return {**examples()["SubscribedPerSeat"]["value"], **changes}


def _shown(send: Callable[..., Answer], check: Checks) -> None:
    answer = send("Get subscription", 200, subscription())
    check("GET-001").status(answer, 200)
    check("GET-007").is_guid(answer["id"])
    check("GET-007").equals(answer["id"], SUBSCRIPTION)
    check("GET-007").equals(answer["beneficiary"]["emailId"], "ada@contoso.example")


def _refused(send: Callable[..., Answer], check: Checks) -> None:
    refused, twin = send("unknown id", 404, {}), send("known id", 200, subscription())
    check("GET-002").refused(refused, with_status=404, while_twin=twin)
    check("GET-002").that(True, expected="nothing told", actual="nothing", rests_on=[refused, twin["planId"]])


def _failing(send: Callable[..., Answer], check: Checks) -> None:
    answer = send("Get subscription", 200, subscription(planId="silver"))
    check("GET-010").equals(answer["planId"], "team")


def _later(_send: Callable[..., Answer], check: Checks) -> None:
    check("ACT-019").not_applicable(NO_FAILURE)


def _warning(send: Callable[..., Answer], check: Checks) -> None:
    answer = send("Get subscription", 200, subscription())
    check("GET-026").that(False, expected="created in UTC", actual="local time", rests_on=[answer["created"]])


PLAYS: dict[str, tuple[tuple[str, ...], Play]] = {
    SHOWN: (("GET-001", "GET-007"), _shown),
    REFUSED: (("GET-002",), _refused),
    LATER: (("ACT-019",), _later),
    WARNING: (("GET-026",), _warning),
    FAILING: (("GET-010",), _failing),
}
"""Tests of the run. Only a run that is not conformant has the last one."""


@cache
def installation(*, failing: bool = False) -> Installation:
    """Return the installed suite with the small set, and no other tests than the run's."""
    whole = installed()
    required = ("ACT-019", "GET-001", "GET-002", "GET-007", *(("GET-010",) if failing else ()))
    small = RequirementSet(
        SET,
        date(2026, 11, 22),
        "A set for tests.",
        {"marketplace": required, "publisher": ()},
        {"marketplace": ("GET-026",), "publisher": ()},
    )
    rows = whole.catalogue
    tests = [
        SuiteTest(name.partition("::")[0], name.partition("::")[2], claims, "A test", 1)
        for name, (claims, _) in PLAYS.items()
        if failing or name != FAILING
    ]
    return replace(whole, catalogue=Catalogue(dict(rows), rows.themes(), {SET: small}), tests=tests)


def run(folder: Path, *, failing: bool = False) -> RunResults:
    """Record the run in a folder, as a real one would, and return its results; only the reports are not written."""
    folder.mkdir(parents=True, exist_ok=True)
    suite = installation(failing=failing)
    redactor = Redactor(key=bytes(16))
    name = f"1-{redactor.run_id}"
    started = datetime.now(UTC)
    records = []
    with Recorder(folder / EXCHANGES, redactor, run=name) as recorder:
        for test in suite.tests:
            recorder.test = test.id
            check = Checks(test.claims, suite.catalogue, redactor=redactor)
            PLAYS[test.id][1](_sender(recorder), check)
            records.append(
                TestRecord(
                    test=test.id,
                    title=test.title,
                    claims=test.claims,
                    checks=tuple(check.results),
                    exchanges=recorder.take_numbers(),
                )
            )
    results = _results(suite, records, name, started, folder)
    results.write(folder)
    return results


def _sender(recorder: Recorder) -> Callable[..., Answer]:
    def send(purpose: str, status: int, body: Any) -> Answer:
        exchange = Exchange(
            sender="suite",
            receiver="marketplace",
            method="GET",
            url=f"http://127.0.0.1:8080/api/saas/subscriptions/{SUBSCRIPTION}?api-version=2018-08-31",
            request_headers=(("authorization", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"),),
            status=status,
            response_headers=(("content-type", "application/json"),),
            response_body=json.dumps(body).encode(),
            purpose=purpose,
            seconds=0.01,
        )
        recorder(exchange)
        return Answer(exchange)

    return send


def _results(
    suite: Installation, records: Sequence[TestRecord], name: str, started: datetime, folder: Path
) -> RunResults:
    chosen = suite.catalogue.set(SET)
    judged: list[RequirementResult] = [
        decide_requirement(row.id, level=row.level, party=row.party, records=records)
        for row in (suite.catalogue[requirement_id] for requirement_id in chosen.ids)
    ]
    conclusion = conclude(judged, records)
    return RunResults(
        role="marketplace",
        set=SET,
        profile="documented",
        seed=1,
        run=name,
        target={"role": "marketplace", "file": "sandbox.yaml", "base_url": "http://127.0.0.1:8080/api"},
        environment={"python": "3.11.7"},
        verdict=conclusion.verdict,
        exit_code=conclusion.exit_code,
        counts=conclusion.counts,
        requirements=tuple(ReportedRequirement.of(one, suite.catalogue[one.id]) for one in judged),
        tests=tuple(records),
        reply_times=measure(read_exchanges(folder / EXCHANGES), role="marketplace"),
        started=started,
        finished=datetime.now(UTC),
    )


# --- the forger's tools ---


def circumstances(key: signing.PrivateKey | None = None) -> Circumstances:
    """Return what an archive of the small run says besides its results."""
    return Circumstances(
        product=PRODUCT,
        digests=installed().digests,
        compression=archive.ZLIB,
        signer=None if key is None else signing.fingerprint(key.public_key()),
    )


def unpacked(data: bytes) -> Files:
    """Return the files of an archive."""
    return {entry.name: entry.content() for entry in archive.read(data)}


def resummed(files: Files) -> Files:
    """Make the checksums fit, in both places that have them, and nothing else."""
    beside = (documents.SUMS, documents.STATEMENT, documents.ENVELOPE)
    new = {name: content for name, content in files.items() if name not in beside}
    new[documents.SUMS] = documents.sums(new).encode()
    statement = json.loads(files[documents.STATEMENT])
    statement["subject"] = [
        {"name": name, "digest": {"sha256": documents.digest(content)}} for name, content in new.items()
    ]
    return (
        new
        | {documents.STATEMENT: documents.as_json(statement)}
        | {name: content for name, content in files.items() if name == documents.ENVELOPE}
    )


def refitted(files: Files, *, failing: bool = False, key: signing.PrivateKey | None = None) -> Files:
    """Make everything fit that is made of results, exchanges and product: checksums, reports, certificate, statement.

    What cannot be read as a run's results keeps everything but fitting checksums.
    """
    suite = installation(failing=failing)
    with suppress(ConformanceError, LookupError, ValueError, TypeError):
        about = replace(
            Circumstances.from_certificate(json.loads(files[documents.CERTIFICATE])), signer=circumstances(key).signer
        )
        return dict(files_of(derive(files[RESULTS], files[EXCHANGES]), about, suite, key))
    return resummed(files)


@dataclass
class Results:
    """`results.json`, to be changed."""

    data: dict[str, Any]

    def test(self, name: str) -> dict[str, Any]:
        """Return a test."""
        return next(test for test in self.data["tests"] if test["test"] == name)

    def requirement(self, name: str) -> dict[str, Any]:
        """Return a requirement."""
        return next(one for one in self.data["requirements"] if one["id"] == name)

    def conclude(self) -> None:
        """Draw the conclusions again that follow from the tests."""
        records = [TestRecord.from_json(test) for test in self.data["tests"]]
        judged = []
        for one in self.data["requirements"]:
            result = decide_requirement(one["id"], level=one["level"], party=one["party"], records=records)
            one.update(result.to_json())
            judged.append(result)
        self.count()
        conclusion = conclude(judged, records)
        self.data["verdict"], self.data["exit_code"] = conclusion.verdict.value, conclusion.exit_code

    def count(self) -> None:
        """Count the outcomes again."""
        outcomes = [one["outcome"] for one in self.data["requirements"]]
        self.data["counts"] = {outcome: outcomes.count(outcome) for outcome in self.data["counts"]}


def change_results(files: Files, change: Callable[[Results], object]) -> None:
    """Change `results.json`."""
    results = Results(json.loads(files[RESULTS]))
    change(results)
    files[RESULTS] = documents.as_json(results.data)


def change_exchanges(files: Files, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change `exchanges.jsonl`, a line each."""
    lines = [json.loads(line) for line in files[EXCHANGES].splitlines()]
    change(lines)
    files[EXCHANGES] = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
    # The reply times are counted again, too: a forger who does not is found by them.
    results = Results(json.loads(files[RESULTS]))
    with suppress(LookupError, TypeError):
        results.data["reply_times"] = [one.to_json() for one in measure(lines, role="marketplace")]
        files[RESULTS] = documents.as_json(results.data)
