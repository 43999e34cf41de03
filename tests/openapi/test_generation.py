"""schemathesis reads the description, generates what it says, and finds its way along the links."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Config, GenerationMode, openapi

from fulfillment_conformance.contract import Contract
from fulfillment_conformance.resources import folder

Node = dict[str, Any]

FEW = settings(
    max_examples=25, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def config() -> Config:
    return Config.from_dict({"seed": 1, "cache": {"enabled": False}, "generation": {"database": "none"}})


def schema() -> Any:
    return openapi.from_path(folder("openapi") / "fulfillment-v2.yaml", config=config())


def valid(document: Node, name: str) -> Callable[[Any], bool]:
    """The schema as it is written, with the bounds that only generators keep to."""
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}, validate_formats=True
    ).is_valid


def test_it_loads_with_every_operation_and_every_link(fulfillment: Node) -> None:
    written = [
        link
        for item in fulfillment["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
        for response in operation["responses"].values()
        for link in response.get("links", {})
    ]
    counted = schema().statistic
    assert counted.operations.total == 10
    assert counted.transitions.total == len(written) > 20


def test_the_links_make_a_state_machine() -> None:
    machine = schema().as_state_machine()
    rules = {name for name in dir(machine) if "acceptStartedOperation" in name or "accept_started_operation" in name}
    assert rules, "the link that takes the operation from Operation-Location is not among the transitions"


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("PATCH", "/saas/subscriptions/{subscriptionId}", "SubscriptionChange"),
        ("PATCH", "/saas/subscriptions/{subscriptionId}/operations/{operationId}", "OperationOutcome"),
        ("POST", "/saas/subscriptions/{subscriptionId}/activate", "PurchasedPlan"),
    ],
)
def test_generated_requests_are_valid(fulfillment: Node, method: str, path: str, name: str) -> None:
    is_valid = valid(fulfillment, name)
    bodies = []

    @seed(1)
    @FEW
    @given(schema()[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def generate(case: Any) -> None:
        if isinstance(case.body, dict):
            bodies.append(case.body)
            assert is_valid(case.body)

    generate()
    assert bodies


def test_both_kinds_of_change_are_generated() -> None:
    seen = set()

    @seed(1)
    @FEW
    @given(
        schema()["/saas/subscriptions/{subscriptionId}"]["PATCH"].as_strategy(generation_mode=GenerationMode.POSITIVE)
    )
    def generate(case: Any) -> None:
        seen.add(tuple(case.body))

    generate()
    assert seen == {("planId",), ("quantity",)}


@pytest.mark.parametrize(
    "event", ["ChangePlan", "ChangeQuantity", "Renew", "Suspend", "Unsubscribe", "Reinstate", "Subscribe"]
)
def test_generated_notifications_are_valid_and_their_times_are_real(fulfillment: Node, event: str) -> None:
    is_valid = valid(fulfillment, f"{event}Notification")
    contract = Contract.load()
    webhooks = openapi.from_dict(contract.webhooks_as_paths(), config=config())

    @seed(1)
    @FEW
    @given(webhooks[f"/webhook/{event}"]["POST"].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def generate(case: Any) -> None:
        assert is_valid(case.body)
        assert contract.webhook_violations(event, case.body) == []
        assert case.body["action"] == event
        for moment in (case.body["timeStamp"], *filter(None, [case.body["subscription"].get("created")])):
            assert re.match(r"(?!0000)\d{4}-", moment)
            datetime.fromisoformat(re.sub(r"[.]\d+", "", moment))

    generate()


def test_named_mutations_of_a_notification_are_invalid(fulfillment: Node) -> None:
    is_valid = valid(fulfillment, "ChangePlanNotification")
    webhooks = openapi.from_dict(Contract.load().webhooks_as_paths(), config=config())
    operation = webhooks["/webhook/ChangePlan"]["POST"]
    cases: Any = webhooks.iter_coverage_cases(
        operation, generation_modes=[GenerationMode.NEGATIVE], generation_config=webhooks.config.generation
    )
    names = {case.meta.phase.data.description: case.body for case in cases if case.method == "POST"}
    mutated = {name: body for name, body in names.items() if isinstance(body, dict) and "Content-Type" not in name}
    assert len(mutated) > 40
    assert [name for name, body in mutated.items() if is_valid(body)] == []


class TestTimestamps:
    @pytest.fixture
    def is_valid(self, fulfillment: Node) -> Callable[[Any], bool]:
        return valid(fulfillment, "Timestamp")

    def test_every_day_of_the_calendar_is_one(self, is_valid: Callable[[Any], bool]) -> None:
        day, last = date(1895, 1, 1), date(2105, 1, 1)
        while day < last:
            assert is_valid(f"{day}T23:59:59"), day
            day += timedelta(days=1)

    @pytest.mark.parametrize(
        "text", ["1900-02-29", "2023-02-29", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00", "0000-01-01"]
    )
    def test_no_other_day_is(self, is_valid: Callable[[Any], bool], text: str) -> None:
        assert not is_valid(f"{text}T00:00:00")

    @pytest.mark.parametrize(
        "text",
        [
            "2026-03-09T16:20:31Z",
            "2026-03-09T16:20:31.4821907Z",
            "2026-03-09T16:20:31+00:00",
            "2026-03-09T16:20:31.4821907",
            "0001-01-01T00:00:00",
            "2024-02-29T00:00:00",
            "2000-02-29T00:00:00",
        ],
    )
    def test_the_forms_that_have_been_seen_are_ones(self, is_valid: Callable[[Any], bool], text: str) -> None:
        assert is_valid(text)

    @pytest.mark.parametrize("text", ["2026-03-09", "2026-03-09 16:20:31", "2026-03-09T24:00:00", "yesterday", ""])
    def test_other_forms_are_not(self, is_valid: Callable[[Any], bool], text: str) -> None:
        assert not is_valid(text)
