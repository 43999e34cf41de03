from typing import Any

import pytest
from tests.emulator.conftest import NOBODY, Sandbox

from fulfillment_conformance.emulator import Emulator, Settings
from fulfillment_conformance.emulator.deviations import DEVIATIONS
from fulfillment_conformance.emulator.deviations.registry import (
    Deviation,
    apply,
    decision,
    deviation,
    error_code,
    lets_in,
    refuses_with,
)
from fulfillment_conformance.emulator.messages import Reply, error_reply
from fulfillment_conformance.errors import SuiteFault, UsageProblem

pytestmark = pytest.mark.anyio


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Deviation]:
    """An empty registry in place of the real one."""
    empty: dict[str, Deviation] = {}
    monkeypatch.setattr("fulfillment_conformance.emulator.deviations.registry.DEVIATIONS", empty)
    return empty


def test_a_deviation_is_listed_with_what_it_breaks_and_does(registry: dict[str, Deviation]) -> None:
    @deviation("is-late", breaks=["GET-001", "GET-002"], perhaps=["LCY-002"])
    def is_late(_: Emulator) -> None:
        """Comes too late."""

    assert registry["is-late"] == Deviation("is-late", ("GET-001", "GET-002"), ("LCY-002",), "Comes too late.", is_late)


def test_two_deviations_do_not_share_a_name(registry: dict[str, Deviation]) -> None:
    deviation("twice", breaks=[])(lambda _: None)

    with pytest.raises(SuiteFault, match="twice"):
        deviation("twice", breaks=[])(lambda _: None)
    assert len(registry) == 1


def test_an_unknown_name_is_a_usage_problem_that_names_the_nearest() -> None:
    with pytest.raises(UsageProblem, match=r"no deviation 'pages-have-fity-entries'.*'pages-have-fifty-entries'"):
        Emulator(Settings(deviations=["pages-have-fity-entries"]))


async def test_a_decision_gets_what_it_replaces(sandbox: Sandbox) -> None:
    class Judge:
        def verdict(self, value: int) -> int:
            return value

    judge = Judge()
    decision(judge, "verdict")(lambda inner, value: inner(value) + 1)
    decision(judge, "verdict")(lambda inner, value: inner(value) * 10)

    assert judge.verdict(1) == 20
    with pytest.raises(AttributeError):
        decision(judge, "no_such_decision")(print)


async def test_a_refusal_can_become_another_or_none(sandbox: Sandbox) -> None:
    refuses_with(sandbox.emulator, 418, "SubscriptionNotFound", "get_subscription")
    lets_in(sandbox.emulator, "list_subscriptions", "AccessTokenMissing")

    assert (await sandbox.api("GET", f"/{NOBODY}")).status_code == 418
    assert (await sandbox.api("GET", "", token=None)).status_code == 200
    assert (await sandbox.api("GET", "", token="a.b.c")).status_code == 401


def test_only_errors_have_a_code() -> None:
    assert error_code(error_reply(400, "Odd", "words")) == "Odd"
    documents: tuple[Any, ...] = (None, [], {"error": "x"}, {"error": {}}, b"x")
    for document in documents:
        assert error_code(Reply(400, document)) is None


def test_deviations_add_up() -> None:
    emulator = Emulator(Settings())
    apply(["pages-have-fifty-entries", "access-tokens-live-ten-minutes"], emulator)

    assert emulator.market.rules.page_size == 50
    assert emulator.identity.access_token_lifetime.total_seconds() == 600


def test_there_are_enough_of_them() -> None:
    assert len(DEVIATIONS) > 100
