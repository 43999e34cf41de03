import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from fulfillment_conformance.answers import Answer, Reading
from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.certification.rederivation import Depth, Rederivation, rederive
from fulfillment_conformance.checks import GUID, Check, Checks
from fulfillment_conformance.evidence import redacted
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.outcome import CheckResult, Outcome
from fulfillment_conformance.redaction import Redactor

REDACTOR = Redactor(key=bytes(16))
CATALOGUE = Catalogue.load()
PLAIN = next(row for row in CATALOGUE.values() if not row.accepted and not row.excluded)
OBSERVED = next(
    row for row in CATALOGUE.values() if [one.profile for one in row.accepted] == ["observed"] and not row.excluded
)


def answer(status: int | None = 200, body: Any = None, number: str = "1") -> Answer:
    return Answer(
        Exchange(
            sender="suite",
            receiver="marketplace",
            method="GET",
            url="http://127.0.0.1:1/api/saas/subscriptions/7?api-version=2018-08-31",
            status=status,
            error=None if status else "ConnectError",
            response_headers=(("operation-location", "http://x/1"),),
            response_body=b"" if body is None else json.dumps(body).encode(),
            number=number,
        )
    )


BODY = {"planId": "gold", "emailId": "buyer@contoso.example", "seats": 5}
FIRST, TWIN, GONE = answer(404, BODY, "1"), answer(200, BODY, "2"), answer(None, number="3")
EXCHANGES = {one.exchange.number: redacted(one.exchange, REDACTOR) for one in (FIRST, TWIN, GONE)}


def checked(row: Any = PLAIN, profile: str = "documented") -> tuple[Check, Checks]:
    checks = Checks([row.id], CATALOGUE, profile=profile, redactor=REDACTOR)
    return checks(row.id), checks


def again(check: CheckResult, *, row: Any = PLAIN, profile: str = "documented") -> Rederivation:
    """Derive a check again as it comes back from a file."""
    read = CheckResult.from_json(json.loads(json.dumps(check.to_json())))
    return rederive(read, EXCHANGES, readings=row.accepted, profile=profile, patterns=GUID.pattern)


@pytest.mark.parametrize(
    ("make", "depth"),
    [
        (lambda check: check.status(FIRST, 404), Depth.REDERIVED),
        (lambda check: check.status(FIRST, 200), Depth.REDERIVED),
        (lambda check: check.status(GONE, 200), Depth.REDERIVED),
        (lambda check: check.accepted(TWIN), Depth.REDERIVED),
        (lambda check: check.taken(TWIN), Depth.REDERIVED),
        (lambda check: check.refused(FIRST, while_twin=TWIN), Depth.REDERIVED),
        (lambda check: check.refused(FIRST, while_twin=FIRST), Depth.REDERIVED),
        (lambda check: check.turned_away(FIRST, while_twin=TWIN), Depth.REDERIVED),
        (lambda check: check.equals(TWIN["planId"], "gold"), Depth.REDERIVED),
        (lambda check: check.equals(TWIN["planId"], FIRST["planId"]), Depth.REDERIVED),
        (lambda check: check.equals("gold", "gold"), Depth.TRUSTED),
        (lambda check: check.equals(TWIN.header("operation-location"), "http://x/1"), Depth.REDERIVED),
        (lambda check: check.equals(TWIN["emailId"], "buyer@contoso.example"), Depth.SEEN_AGAIN),
        (lambda check: check.equals(TWIN["seats"], {1, 2}), Depth.SEEN_AGAIN),
        (lambda check: check.is_one_of(TWIN["planId"], ["silver"]), Depth.REDERIVED),
        (lambda check: check.absent_or(TWIN["none"], ["silver"]), Depth.REDERIVED),
        (lambda check: check.is_guid(TWIN["planId"]), Depth.REDERIVED),
        (lambda check: check.is_a(TWIN["seats"], int, meaning="a number"), Depth.REDERIVED),
        (lambda check: check.is_text(TWIN["seats"]), Depth.REDERIVED),
        (lambda check: check.that(True, expected="a", actual="a", rests_on=[TWIN["planId"]]), Depth.SEEN_AGAIN),
        (lambda check: check.that(True, expected="a", actual="a"), Depth.TRUSTED),
        (lambda check: check.untestable("no clock"), Depth.TRUSTED),
        (lambda check: check.undecided("who knows", rests_on=[TWIN]), Depth.TRUSTED),
    ],
)
def test_every_check_comes_out_the_same_and_tells_how_deep_it_went(make: Any, depth: Depth) -> None:
    check, checks = checked()
    make(check)
    [recorded] = checks.results

    assert again(recorded) == Rederivation(depth)


@pytest.mark.parametrize("profile", ["documented", "observed"])
def test_a_reading_that_was_only_observed_passes_again_under_its_profile(profile: str) -> None:
    check, checks = checked(OBSERVED, profile)
    check.equals(TWIN["planId"], "silver", observed=OBSERVED.accepted[0].reading)
    [recorded] = checks.results

    assert (recorded.outcome is Outcome.PASSED) == (profile == "observed")
    assert again(recorded, row=OBSERVED, profile=profile).mismatches == []


def test_a_pass_as_observed_needs_the_reading_and_the_profile() -> None:
    check, checks = checked(OBSERVED, "observed")
    check.equals(TWIN["planId"], "silver", observed=OBSERVED.accepted[0].reading)
    [recorded] = checks.results
    failed = ["says passed, but by its own exchanges it failed"]

    assert again(recorded, row=OBSERVED, profile="documented").mismatches == failed
    assert again(recorded, row=PLAIN, profile="observed").mismatches == failed


def test_a_value_behind_a_placeholder_is_not_judged_again() -> None:
    check, checks = checked()
    check.equals(TWIN["emailId"], "other@contoso.example")
    [recorded] = checks.results

    assert recorded.outcome is Outcome.FAILED
    assert again(recorded) == Rederivation(Depth.SEEN_AGAIN)


def test_a_check_of_a_status_says_where_it_saw_it() -> None:
    check, checks = checked()
    check.status(FIRST, 404)
    [recorded] = checks.results
    assert recorded.basis is not None
    basis = {**recorded.basis, "of": [{"name": "status", "value": 404}]}
    found = again(replace(recorded, basis=basis))

    assert "is about a status, and does not say of which exchange" in found.mismatches


def test_a_body_that_was_not_kept_is_not_judged_again() -> None:
    check, checks = checked()
    check.equals(TWIN["planId"], "gold")
    [recorded] = checks.results
    cut = {"2": {**EXCHANGES["2"], "response": {**EXCHANGES["2"]["response"], "bodyCutAt": 65_536}}}
    found = rederive(recorded, cut, readings=(), profile="documented", patterns="")

    assert found == Rederivation(Depth.TRUSTED)


@pytest.mark.parametrize(
    "basis",
    [
        {},
        {"kind": "equals"},
        {"kind": "equals", "of": []},
        {"kind": "type", "of": [{"exchange": "2", "at": ["status"], "value": 200}], "terms": {"types": ["no"]}},
        {"kind": "status", "of": [{"exchange": "9", "at": ["status"], "value": 200}], "terms": {"expected": [200]}},
        {"kind": "status", "of": 7},
        {"kind": "seen", "of": [{"exchange": "2", "at": ["header", {}], "value": 200}, 7]},
    ],
)
def test_a_basis_of_another_form_is_a_mismatch_and_no_error(basis: Any) -> None:
    found = again(CheckResult(requirement=PLAIN.id, outcome=Outcome.PASSED, exchanges=("2", "9"), basis=basis))

    assert len(found.mismatches) == 1
    assert "says what it was decided from in a form that is not ours" in found.mismatches[0]


class Untouched:
    """What a publisher showed before and after, in exchanges 11 and 14; 12 and 13 lie between."""

    def __init__(self, plan: str = "gold", calls: Sequence[Exchange] = ()) -> None:
        self.calls = calls
        self.subscription = "s7"
        self.looks = [look("gold", "11"), look(plan, "14")]
        self.shown = [place for pair in zip(*self.looks, strict=True) for place in pair]
        self.differences = ["the plan changed"] if plan != "gold" else []

    def changes(self) -> Sequence[str]:
        return [*self.differences, *(f"{call.method} {call.number}" for call in self.calls)]

    def evidence(self) -> Sequence[Exchange]:
        return [*self.calls, *(place.exchange for place, _ in self.looks)]


def look(plan: str, number: str) -> tuple[Reading, Reading]:
    shown = answer(200, {"plan": plan, "seats": None}, number)
    shown.exchange.url = "http://127.0.0.1:5/accounts/s7"
    return shown["plan"], shown["seats"]


def call(method: str, number: str, subscription: str = "s7") -> Exchange:
    return Exchange(
        sender="publisher",
        receiver="marketplace",
        method=method,
        url=f"http://127.0.0.1:1/api/saas/subscriptions/{subscription}/operations/o",
        status=200,
        number=number,
    )


def recorded_with(effects: Untouched, *between: Exchange) -> dict[str, Any]:
    exchanges = [*(place.exchange for place, _ in effects.looks), *between]
    return {one.number: redacted(one, REDACTOR) for one in exchanges}


class TestEffects:
    @pytest.mark.parametrize("method", ["no_effect", "no_change_of_state"])
    @pytest.mark.parametrize("plan", ["gold", "silver"])
    def test_the_two_looks_and_the_calls_between_are_found_again(self, method: str, plan: str) -> None:
        check, checks = checked()
        effects = Untouched(plan)
        getattr(check, method)(effects)
        [recorded] = checks.results
        others = recorded_with(effects, call("GET", "12"), call("PATCH", "13", "another"), call("PATCH", "15"))
        found = rederive(recorded, others, readings=(), profile="documented", patterns="")

        assert (recorded.outcome is Outcome.PASSED) == (plan == "gold")
        assert found == Rederivation(Depth.REDERIVED)

    def test_a_call_that_acted_fails_and_is_named(self) -> None:
        check, checks = checked()
        effects = Untouched(calls=[call("PATCH", "12")])
        check.no_effect(effects)
        [recorded] = checks.results
        found = rederive(
            recorded, recorded_with(effects, call("PATCH", "12")), readings=(), profile="documented", patterns=""
        )

        assert recorded.outcome is Outcome.FAILED
        assert found == Rederivation(Depth.REDERIVED)

    def test_a_call_that_is_concealed_is_found(self) -> None:
        check, checks = checked()
        check.no_effect(Untouched())
        [recorded] = checks.results
        others = recorded_with(Untouched(), call("PATCH", "12"))
        found = rederive(recorded, others, readings=(), profile="documented", patterns="")

        assert found.mismatches == ["does not name exchange 12, which acted on the subscription"]

    def test_another_subscription_is_no_way_out(self) -> None:
        check, checks = checked()
        effects = Untouched()
        effects.subscription = "another"
        check.no_effect(effects)
        [recorded] = checks.results
        found = rederive(recorded, recorded_with(effects), readings=(), profile="documented", patterns="")

        assert found.mismatches == ["is about the subscription 'another', and looked at another in exchange 11"]

    def test_without_a_look_there_is_nothing_to_find(self) -> None:
        check, checks = checked()
        effects = Untouched()
        effects.shown = []
        check.no_effect(effects)
        [recorded] = checks.results

        assert rederive(recorded, {}, readings=(), profile="documented", patterns="") == Rederivation(Depth.TRUSTED)
