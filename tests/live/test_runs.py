"""Whole commands, in processes of their own, against the stand-in; on a machine whose variables would lead astray."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.commands import Ended, call, ended, run, start
from tests.live.account import DOOMED, FLAT, PENDING, SEATS, SECRET, TOKEN, UNLISTED, Account, account, environ

from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.live.dry_run import as_line, comparable
from fulfillment_conformance.redaction import Redactor

JUDGED = ("GET-001", "GET-002", "RES-001", "CHP-003", "CHP-011", "CHQ-002", "DEL-001", "EVT-001")
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Account]:
    with account(tmp_path) as running:
        yield running


def outcomes(output: Path) -> dict[str, str]:
    results = json.loads((output / "results.json").read_text(encoding="utf-8"))
    return {row["id"]: row["outcome"] for row in results["requirements"]}


def test_a_dry_run_and_the_run_that_it_foretells(live: Account, tmp_path: Path) -> None:
    """One test, because each of the two commands takes seconds; what is looked at stands in functions of its own."""
    output = tmp_path / "output"
    rehearsed = run(
        "run", "--target", live.file, "--output", tmp_path / "dry", "--dry-run", "--only", *JUDGED, environ=environ()
    )
    assert rehearsed.code == 0, rehearsed.text
    assert live.arrived == [], "the dry run sent something"
    judged = run(
        "run", "--target", live.file, "--output", output, "--progress", "quiet", "--only", *JUDGED, environ=environ()
    )
    assert judged.code == 7, judged.text

    what_can_be_judged_passes_and_the_rest_is_untestable(outcomes(output))
    nothing_outside_the_list_is_ever_addressed(live)
    everything_but_what_may_be_cancelled_is_as_before(live)
    the_dry_run_lists_what_the_run_sends(live, rehearsed)
    assert not (tmp_path / "dry").exists()
    no_secret_is_shown_anywhere(output, rehearsed, judged)


def what_can_be_judged_passes_and_the_rest_is_untestable(found: dict[str, str]) -> None:
    assert found == {
        "GET-001": "passed",
        "GET-002": "untestable",  # an id that nothing has is not listed, so it is not addressed
        "RES-001": "passed",
        "CHP-003": "passed",
        "CHP-011": "passed",
        "CHQ-002": "passed",
        "DEL-001": "passed",
        "EVT-001": "untestable",
    }


def nothing_outside_the_list_is_ever_addressed(live: Account) -> None:
    allowed = {FLAT, PENDING, SEATS, DOOMED}
    addressed = {
        each.url.partition("/saas/subscriptions/")[2].partition("?")[0].partition("/")[0]
        for each in live.arrived
        if "/saas/subscriptions/" in each.url
    }

    assert allowed <= addressed <= {*allowed, "resolve"}
    changed = {(each.method, GUID.findall(each.url)[0]) for each in live.arrived if each.method in {"PATCH", "DELETE"}}
    assert changed == {("PATCH", FLAT), ("PATCH", SEATS), ("DELETE", DOOMED)}
    hosts = {each.url.split("/")[2] for each in live.arrived}
    assert hosts == {"marketplaceapi.microsoft.com", "login.microsoftonline.com"}


def everything_but_what_may_be_cancelled_is_as_before(live: Account) -> None:
    assert live.state() == {
        FLAT: ("silver", None, "Subscribed"),
        PENDING: ("gold", None, "PendingFulfillmentStart"),
        SEATS: ("team", 10, "Subscribed"),
        DOOMED: ("gold", None, "Unsubscribed"),
        UNLISTED: ("silver", None, "Subscribed"),
    }


def the_dry_run_lists_what_the_run_sends(live: Account, rehearsed: Ended) -> None:
    """Method, host, path, query and body of every request, in order; see `comparable` for what is left out."""
    *listed, summary = rehearsed.out.splitlines()
    redactor = Redactor([SECRET, TOKEN])
    sent = [as_line(each, redactor) for each in live.arrived]

    assert comparable(listed) == comparable(sent)
    assert summary == (
        f"{len(listed)} requests would be sent, if the live service answers as the emulator does; none was"
    )


def no_secret_is_shown_anywhere(output: Path, rehearsed: Ended, judged: Ended) -> None:
    written = [file.read_bytes() for file in output.rglob("*") if file.is_file()]

    assert len(written) > 5
    for content in (*written, rehearsed.text.encode(), judged.text.encode()):
        assert SECRET.encode() not in content
        assert TOKEN.encode() not in content
        assert b"eyJ" not in content


def test_a_run_that_is_killed_is_put_back_by_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = threading.Event()

    class Arrived(list[Exchange]):
        def append(self, exchange: Exchange) -> None:
            super().append(exchange)
            if exchange.method == "PATCH" and exchange.status == 202:
                accepted.set()

    with account(tmp_path, arrived=Arrived()) as acc:
        before = acc.state()
        process = start(
            "run", "--target", acc.file, "--output", tmp_path / "output", "--only", "CHP-003", environ=environ()
        )
        assert accepted.wait(120)
        process.kill()
        ended(process)
        for name, value in environ().items():
            monkeypatch.setenv(name, value)

        restored = call("restore", "--target", acc.file)
        assert restored.code == 0, restored.text
        assert restored.out.splitlines() == [
            f"subscription {FLAT}: planId 'gold' is 'silver' again",
            "1 changes undone, nothing is left to put back",
        ]
        assert acc.state() == before
        again = call("restore", "--target", acc.file)
        assert again.out.splitlines() == ["0 changes undone, nothing is left to put back"]
