import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.commands import call
from tests.live.account import APPLICATION, DOOMED, FLAT, PENDING, SEATS, SECRET, TENANT, TOKEN, UNLISTED
from tests.live.recorded import run_against

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.live.recorder import Made, record
from fulfillment_conformance.live.recordings import RecordedExchange
from fulfillment_conformance.redaction import Redactor


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_against(tmp_path_factory.mktemp("account"), "observed")


@pytest.fixture(scope="module")
def made(output: Path) -> Made:
    return record(output, output / "recording.yaml")


def told(exchange: RecordedExchange) -> str:
    """Return an exchange in a line: what was there, what was asked, what came back."""
    there = []
    for given in exchange.given:
        seats = f" x{given.quantity}" if given.quantity else ""
        under_way = (f" ({each.action} {each.plan or each.quantity or ''} {each.status})" for each in given.operations)
        there.append(f"{given.status} {given.plan}{seats}{''.join(under_way)}")
    request = exchange.request
    return f"{', '.join(there)}: {request.method} {request.path} -> {exchange.answer.status}"


def test_each_exchange_is_kept_with_what_the_subscription_was_like_before(made: Made) -> None:
    plan, seats = "Subscribed silver (ChangePlan gold InProgress)", "Subscribed team x10"
    assert [told(each) for each in made.recording.exchanges] == [
        f"Subscribed silver, PendingFulfillmentStart gold, {seats}, Subscribed gold: GET  -> 200",
        ": GET  -> 403",
        "Subscribed silver: GET /{id} -> 400",
        "Subscribed silver: GET /{id} -> 200",
        "Subscribed silver: GET /{id}/operations -> 200",
        "PendingFulfillmentStart gold: GET /{id} -> 200",
        "PendingFulfillmentStart gold: GET /{id}/operations -> 200",
        f"{seats}: GET /{{id}} -> 200",
        f"{seats}: GET /{{id}}/operations -> 200",
        "Subscribed gold: GET /{id} -> 200",
        "Subscribed gold: GET /{id}/operations -> 200",
        "Subscribed silver: GET /{id}/operations/00000000-0000-4000-8000-000000000009 -> 400",
        "Subscribed silver: GET /{id}/listAvailablePlans -> 200",
        f"{seats}: GET /{{id}}/listAvailablePlans -> 200",
        ": POST /resolve -> 400",
        "PendingFulfillmentStart gold: POST /resolve -> 200",
        "Subscribed silver: PATCH /{id} -> 202",
        f"{plan}: GET /{{id}}/operations/{{operationId}} -> 200",
        f"{plan}: GET /{{id}}/operations -> 200",
        f"{plan}: GET /{{id}} -> 200",
        f"{plan}: PATCH /{{id}} -> 400",
        f"{plan}: PATCH /{{id}}/operations/{{operationId}} -> 500",
        f"{seats}: PATCH /{{id}} -> 202",
        f"{seats} (ChangeQuantity 12 InProgress): GET /{{id}}/operations/{{operationId}} -> 200",
        "Subscribed gold: DELETE /{id} -> 202",
        "Subscribed gold (Unsubscribe  Succeeded): GET /{id}/operations/{operationId} -> 200",
        "Unsubscribed gold: GET /{id} -> 200",
        "Unsubscribed gold: DELETE /{id} -> 200",
    ]


def test_what_cannot_be_repeated_is_left_out_and_told(made: Made) -> None:
    assert made.left_out == {
        "what was wrong with its access token cannot be told": 1,
        "what was wrong with its purchase token cannot be told": 1,
    }


def test_the_recording_says_when_it_was_made_and_of_what(made: Made, output: Path) -> None:
    recording = made.recording
    first = json.loads((output / "exchanges.jsonl").read_text(encoding="utf-8").splitlines()[0])

    assert f"{recording.recorded}" == first["at"][:10]
    assert recording.service == "https://marketplaceapi.microsoft.com/api"
    assert recording.api_version == "2018-08-31"
    assert {offer.offer_id: [plan.plan_id for plan in offer.plans] for offer in recording.offers} == {
        "contoso-crm-preview": ["silver", "gold"],
        "contoso-seats-preview": ["team"],  # that is all that was asked for
    }


def test_nothing_in_it_tells_who_anybody_is(made: Made, output: Path) -> None:
    text = (output / "recording.yaml").read_text(encoding="utf-8")

    for known in (SECRET, TOKEN, TENANT, APPLICATION, FLAT, PENDING, SEATS, DOOMED, UNLISTED, "eyJ"):
        assert known not in text
    assert set(re.findall(r"name: (.*)", text)) == {"'[name]'"}
    assert Redactor().text(text) == text


CUT = "a body, or the headers, were cut when they were written"
BASE = "https://marketplaceapi.microsoft.com/api/saas/subscriptions"


def exchange(method: str, path: str, **changes: Any) -> dict[str, Any]:
    """Return a line of exchanges.jsonl."""
    shown = {"id": FLAT, "offerId": "crm-preview", "planId": "silver", "saasSubscriptionStatus": "Subscribed"}
    line = {
        "number": "1",
        "test": "t",
        "sender": "suite",
        "receiver": "marketplace",
        "at": "2026-11-20T00:00:00+00:00",
        "seconds": 0.1,
        "request": {
            "method": method,
            "url": f"{BASE}{path}{'&' if '?' in path else '?'}api-version=2018-08-31",
            "headers": [["authorization", "Bearer [token:00000001]"]],
            "body": "",
        },
        "response": {"status": 200, "headers": [["X-Azure-Ref", "proxy"]], "body": json.dumps(shown)},
        "error": None,
    }
    return {**line, **changes}


def came(status: int, body: Any = None, **headers: str) -> dict[str, Any]:
    given = [[name.replace("_", "-"), value] for name, value in headers.items()]
    return {"status": status, "headers": given, "body": "" if body is None else json.dumps(body)}


LOOKED = exchange("GET", f"/{FLAT}")
CHANGED = exchange(
    "PATCH",
    f"/{FLAT}",
    request={**LOOKED["request"], "method": "PATCH", "body": '{"planId": "gold"}'},
    response=came(202, Operation_Location=f"https://x/saas/subscriptions/{FLAT}/operations/{UNLISTED}?api-version=1"),
)
SHOWS_GOLD = {**json.loads(LOOKED["response"]["body"]), "planId": "gold"}


def write(folder: Path, *lines: dict[str, Any]) -> Path:
    file = folder / "exchanges.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (exchange("GET", f"/{FLAT}", response=None), "no answer came"),
        (exchange("GET", f"/{FLAT}", response=came(503)), "the service was busy or out of order"),
        (exchange("GET", f"/{FLAT}", response=came(401)), "its access token had expired"),
        (exchange("GET", f"/{FLAT}", response={**came(200), "bodyCutAt": 9}), CUT),
        (exchange("GET", f"/{FLAT}", response={**came(200), "headersCutAt": 200}), CUT),
        (exchange("GET", "?continuationToken=x"), "a later page of the list cannot be asked for again"),
        (exchange("GET", f"/{FLAT}/usage"), "it is no call of the API"),
        (exchange("DELETE", f"/{SEATS}", response=came(202)), "what the subscription was like before does not show"),
        (
            exchange("GET", f"/{FLAT}/operations/{SEATS}", response=came(200, {"status": "InProgress"})),
            "an operation that somebody else began cannot be arranged",
        ),
    ],
)
def test_reasons_to_leave_an_exchange_out(tmp_path: Path, line: dict[str, Any], reason: str) -> None:
    made = record(write(tmp_path, LOOKED, line), tmp_path / "recording.yaml")

    assert made.left_out == {reason: 1}
    assert len(made.recording.exchanges) == 1


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ([], "Subscribed silver (ChangePlan gold InProgress)"),
        ([exchange("GET", f"/{FLAT}", response=came(200, SHOWS_GOLD))], "Subscribed gold"),
        (
            [exchange("GET", f"/{FLAT}/operations/{UNLISTED}", response=came(200, {"status": "Conflict"}))],
            "Subscribed silver (ChangePlan gold Failed)",
        ),
    ],
)
def test_a_change_is_under_way_until_it_shows(tmp_path: Path, then: list[dict[str, Any]], expected: str) -> None:
    last = exchange("GET", f"/{FLAT}/operations", response=came(200, {"operations": []}))

    made = record(write(tmp_path, LOOKED, CHANGED, *then, last), tmp_path / "recording.yaml")

    assert told(made.recording.exchanges[-1]) == f"{expected}: GET /{{id}}/operations -> 200"


def changed(operation: str, plan: str, at: str) -> dict[str, Any]:
    """Return a change of plan that was begun."""
    return {
        **CHANGED,
        "at": f"2026-11-20T00:00:{at}+00:00",
        "request": {**CHANGED["request"], "body": json.dumps({"planId": plan})},
        "response": came(202, Operation_Location=f"https://x/saas/subscriptions/{FLAT}/operations/{operation}"),
    }


def test_several_changes_may_be_under_way_and_each_can_be_looked_at(tmp_path: Path) -> None:
    def looked_at(operation: str, status: str) -> dict[str, Any]:
        return exchange("GET", f"/{FLAT}/operations/{operation}", response=came(200, {"status": status}))

    begun = [changed(SEATS, "gold", "01"), changed(DOOMED, "bronze", "03")]
    looks = [
        looked_at(DOOMED, "InProgress"),
        looked_at(SEATS, "InProgress"),
        looked_at(SEATS, "Failed"),
        looked_at(SEATS, "Failed"),
        exchange("GET", f"/{FLAT}/operations", at="2026-11-20T00:00:09+00:00", response=came(200, {"operations": []})),
    ]

    made = record(write(tmp_path, LOOKED, *begun, *looks), tmp_path / "recording.yaml")

    gold, bronze = "(ChangePlan gold InProgress)", "(ChangePlan bronze InProgress)"
    one = "GET /{id}/operations/{operationId} -> 200"
    assert [told(each) for each in made.recording.exchanges[2:]] == [
        f"Subscribed silver {gold}: PATCH /{{id}} -> 202",
        f"Subscribed silver {gold} {bronze}: {one}",
        f"Subscribed silver {gold}: {one}",
        f"Subscribed silver (ChangePlan gold Failed): {one}",
        f"Subscribed silver {bronze}: GET /{{id}}/operations -> 200",
    ]
    assert [each.seconds for each in made.recording.exchanges[-1].given[0].operations] == [6.0]
    assert made.left_out == {"what the subscription was like before does not show": 1}
    assert [plan.plan_id for plan in made.recording.offers[0].plans] == ["silver", "gold", "bronze"]


def test_only_headers_that_matter_are_kept_and_what_differs_in_values_only_once(tmp_path: Path) -> None:
    again = {**LOOKED, "at": "2026-11-20T00:00:09+00:00", "response": came(200, {**SHOWS_GOLD, "planId": "silver"})}

    made = record(write(tmp_path, LOOKED, again), tmp_path / "recording.yaml")

    [kept] = made.recording.exchanges
    assert kept.answer.headers == {}


@pytest.mark.parametrize("text", ["1e5", "12", "null", "2026-11-22", " 4", "tab\tand\nline", "", "\u2028", "{id}"])
def test_texts_stay_texts(tmp_path: Path, text: str) -> None:
    body = {**SHOWS_GOLD, "odd": text, "seats": 4, "price": 1e-7, "none": None}
    line = exchange("GET", f"/{FLAT}", response=came(200, body))

    made = record(write(tmp_path, line), tmp_path / "recording.yaml")

    found = made.recording.exchanges[0].answer.body
    assert (found["odd"], found["seats"], found["price"], found["none"]) == (text, 4, 1e-7, None)


def test_a_recording_is_not_overwritten_and_not_made_of_nothing(tmp_path: Path) -> None:
    run = write(tmp_path, LOOKED)
    taken = tmp_path / "taken.yaml"
    taken.write_text("explained", encoding="utf-8")

    with pytest.raises(UsageProblem, match="exists, and may hold explanations"):
        record(run, taken)
    with pytest.raises(UsageProblem, match="cannot write"):
        record(run, taken / "below.yaml")
    with pytest.raises(UsageProblem, match=r"holds nothing that could be recorded: no answer came \(1\)"):
        record(write(tmp_path, {**LOOKED, "response": None}), tmp_path / "new.yaml")
    with pytest.raises(UsageProblem, match="it holds no exchange"):
        record(write(tmp_path), tmp_path / "new.yaml")


def test_the_command_makes_it_and_tells_where_the_emulator_differs(output: Path, tmp_path: Path) -> None:
    file = tmp_path / "recordings" / "2026-11-22.yaml"
    same = call("record", output, file)
    other = call("record", write(tmp_path, LOOKED), tmp_path / "other.yaml")

    assert (same.code, same.out) == (0, "")
    assert f"{file}: 28 exchanges of " in same.err
    assert same.err.endswith("no differences from emulate --profile observed\n")
    assert other.code == 0
    assert "+ GET /saas/subscriptions/{id} 200 /beneficiary: object\n" in other.out


def test_a_run_is_compared_with_what_was_kept_of_one(made: Made, output: Path) -> None:
    since = call("drift", output / "recording.yaml", output)

    assert (since.code, since.out.splitlines()) == (
        1,
        [  # the one call that was left out
            "+ GET /saas/subscriptions/{id} 403: answered",
            "+ GET /saas/subscriptions/{id} 403 body: string",
            "+ GET /saas/subscriptions/{id} 403 header content-type: sent",
            "+ GET /saas/subscriptions/{id} 403 header x-ms-correlationid: sent",
            "+ GET /saas/subscriptions/{id} 403 header x-ms-requestid: sent",
        ],
    )
