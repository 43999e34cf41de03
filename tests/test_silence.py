"""Tests of what a target that answers nothing any more means for a run."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fulfillment_conformance import http_transport
from fulfillment_conformance.checks import Checks
from fulfillment_conformance.emulator import Emulator
from fulfillment_conformance.emulator.faults import BreaksOff
from fulfillment_conformance.exchange import Exchange, Party
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.interruptions import TargetGone
from fulfillment_conformance.run import Run
from fulfillment_conformance.serving import serve
from fulfillment_conformance.silence import SilenceWatch


class Recorded:
    """Checks that note which requirement failed, and why."""

    claims = ("LST-001",)

    def __init__(self) -> None:
        self.failed: list[tuple[str, str]] = []

    def each(self, *claims: str) -> Iterator[Any]:
        for claim in claims:
            yield SimpleNamespace(that=lambda met, *, actual, claim=claim, **_: self.failed.append((claim, actual)))


def request_to(receiver: Party, *, status: int | None = None) -> Exchange:
    return Exchange(
        sender="suite",
        receiver=receiver,
        method="GET",
        url="http://127.0.0.1/",
        status=status,
        error=None if status else "refused",
        number="7",
    )


def a_run() -> Run:
    run = Run.__new__(Run)
    run.gone, run.unanswered = None, []
    return run


def watched(run: Run, *exchanges: Exchange, there: bool = False) -> list[tuple[str, str]]:
    """Watch a test that has these exchanges; returns what failed."""
    watch, checks = SilenceWatch("marketplace", lambda: there), Recorded()
    with watch.during_test(run, cast("Checks", checks)):
        for exchange in exchanges:
            watch.notice(exchange)
    return checks.failed


def test_the_test_that_asked_last_fails() -> None:
    run = a_run()
    failed = watched(run, request_to("marketplace", status=200), request_to("marketplace"), request_to("control"))

    assert failed == [("LST-001", "target stopped answering after exchange 7: refused")]
    assert run.gone is not None
    assert run.silent_first


def test_one_request_without_an_answer_is_not_the_end() -> None:
    run = a_run()

    assert watched(run, request_to("marketplace"), there=True) == []
    assert run.gone is None


def test_where_the_sandbox_was_silent_first_nobody_is_blamed() -> None:
    run = a_run()

    assert watched(run, request_to("control"), request_to("marketplace")) == []
    assert run.gone is not None
    assert not run.silent_first


def test_nothing_is_arranged_on_a_target_that_is_gone() -> None:
    run = a_run()
    watched(run, request_to("marketplace"))

    with pytest.raises(TargetGone, match="exchange 7"):
        watched(run)


def test_what_gets_no_answer_between_tests_is_nobodys() -> None:
    run, watch = a_run(), SilenceWatch("marketplace", lambda: False)
    watch.notice(request_to("marketplace"))
    with watch.during_test(run, cast("Checks", Recorded())):
        pass
    watch.notice(request_to("control"))

    assert run.gone is None
    assert run.unanswered == []


@pytest.mark.parametrize(
    ("cut", "failed"),
    [
        (1, []),  # a kept connection that ended as the request went out: sent again, and answered
        (1000, ["LST-001"]),
    ],
)
def test_a_target_that_cuts_fresh_connections_too_is_blamed(
    cut: int, failed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_transport, "_IDLE_SECONDS", 300.0)  # however busy the machine is
    run, checks = a_run(), Recorded()
    emulator = Emulator()
    with serve(emulator.app) as serving:
        url = f"{serving.url}/api/saas/subscriptions"
        probe = HttpClient()
        watch = SilenceWatch("marketplace", lambda: probe.send("GET", url).status is not None)
        with probe, HttpClient(observer=watch.notice) as client, watch.during_test(run, cast("Checks", checks)):
            assert client.send("GET", url).status == 401
            emulator.faults.add(BreaksOff(), call="list_subscriptions", times=cut)
            answered = client.send("GET", url).status is not None

    assert answered == (not failed)
    assert [claim for claim, _ in checks.failed] == failed
