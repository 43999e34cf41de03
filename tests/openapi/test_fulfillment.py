"""The Fulfillment API's description: complete, and tied to the catalogue at every response."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

Node = dict[str, Any]

OPERATIONS = {
    "resolve": ("post", "/saas/subscriptions/resolve", {"200", "400", "401", "403", "404", "500"}),
    "activate": ("post", "/saas/subscriptions/{id}/activate", {"200", "202", "400", "401", "403", "404", "500"}),
    "listSubscriptions": ("get", "/saas/subscriptions", {"200", "400", "401", "403", "500"}),
    "getSubscription": ("get", "/saas/subscriptions/{id}", {"200", "400", "401", "403", "404", "500"}),
    "listAvailablePlans": (
        "get",
        "/saas/subscriptions/{id}/listAvailablePlans",
        {"200", "400", "401", "403", "404", "500"},
    ),
    "updateSubscription": (
        "patch",
        "/saas/subscriptions/{id}",
        {"202", "400", "401", "403", "404", "409", "500"},
    ),
    "deleteSubscription": (
        "delete",
        "/saas/subscriptions/{id}",
        {"200", "202", "400", "401", "403", "404", "409", "500"},
    ),
    "listOperations": ("get", "/saas/subscriptions/{id}/operations", {"200", "400", "401", "403", "404", "500"}),
    "getOperation": (
        "get",
        "/saas/subscriptions/{id}/operations/{operation}",
        {"200", "400", "401", "403", "404", "500"},
    ),
    "updateOperation": (
        "patch",
        "/saas/subscriptions/{id}/operations/{operation}",
        {"200", "400", "401", "403", "404", "409", "500"},
    ),
}

EVENTS = {
    "ChangePlan": ("InProgress", "Subscribed"),
    "ChangeQuantity": ("InProgress", "Subscribed"),
    "Renew": ("Succeeded", "Subscribed"),
    "Suspend": ("Succeeded", "Suspended"),
    "Unsubscribe": ("Succeeded", "Unsubscribed"),
    "Reinstate": ("InProgress", "Suspended"),
    "Subscribe": ("Succeeded", "Subscribed"),
}


def test_the_operations_are_those_of_the_api(operations: dict[str, Node]) -> None:
    described = {
        name: (
            operation["method"],
            operation["path"].replace("{subscriptionId}", "{id}").replace("{operationId}", "{operation}"),
            set(operation["responses"]),
        )
        for name, operation in operations.items()
    }
    assert described == OPERATIONS


def test_change_plan_and_change_quantity_make_eleven(operations: dict[str, Node], fulfillment: Node) -> None:
    both = {name: operation["x-operations"] for name, operation in operations.items() if "x-operations" in operation}
    assert {name: list(uses) for name, uses in both.items()} == {"updateSubscription": ["changePlan", "changeQuantity"]}
    assert len(operations) - 1 + len(both["updateSubscription"]) == 11
    assert [*both["updateSubscription"].values()] == fulfillment["components"]["schemas"]["SubscriptionChange"]["oneOf"]


def test_every_operation_takes_the_version_and_both_tracking_headers(operations: dict[str, Node]) -> None:
    for name, operation in operations.items():
        named = {parameter["$ref"].rsplit("/", 1)[1] for parameter in operation["parameters"]}
        assert named >= {"ApiVersion", "RequestId", "CorrelationId"}, name


def test_every_answer_has_both_tracking_headers(operations: dict[str, Node]) -> None:
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            assert {"x-ms-requestid", "x-ms-correlationid"} <= set(response["headers"]), (name, status)


def test_changes_and_cancellations_name_their_operation(operations: dict[str, Node], fulfillment: Node) -> None:
    assert fulfillment["components"]["headers"]["OperationLocation"]["required"] is True
    with_location = {
        (name, status)
        for name, operation in operations.items()
        for status, response in operation["responses"].items()
        if "Operation-Location" in response["headers"]
    }
    assert with_location == {("updateSubscription", "202"), ("deleteSubscription", "202")}


def test_a_change_takes_a_plan_or_seats_but_never_both(fulfillment: Node) -> None:
    schemas = fulfillment["components"]["schemas"]
    for name, key in (("PlanChange", "planId"), ("QuantityChange", "quantity")):
        assert schemas[name]["required"] == [key]
        assert list(schemas[name]["properties"]) == [key]
        assert schemas[name]["additionalProperties"] is False


@pytest.mark.parametrize(("event", "status", "nested"), [(event, *states) for event, states in EVENTS.items()])
def test_every_event_has_a_schema_of_its_own(fulfillment: Node, event: str, status: str, nested: str) -> None:
    webhook = fulfillment["webhooks"][event]["post"]
    assert webhook["security"] == [{"notificationToken": []}]
    assert set(webhook["responses"]) == {"200", "4XX", "5XX"}
    name = webhook["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    properties = fulfillment["components"]["schemas"][name]["properties"]
    assert properties["action"]["const"] == event
    assert properties["status"]["const"] == status
    assert properties["subscription"]["properties"]["saasSubscriptionStatus"]["const"] == nested


def test_there_are_no_other_events(fulfillment: Node) -> None:
    assert set(fulfillment["webhooks"]) == set(EVENTS) == set(fulfillment["components"]["schemas"]["Action"]["enum"])


def test_access_tokens_come_from_either_endpoint(fulfillment: Node) -> None:
    schemes = fulfillment["components"]["securitySchemes"]
    ends = {
        name: scheme["flows"]["clientCredentials"]["tokenUrl"].partition("your-tenant-id")[2]
        for name, scheme in schemes.items()
        if scheme["type"] == "oauth2"
    }
    assert ends == {"entraV2": "/oauth2/v2.0/token", "entraV1": "/oauth2/token"}
    assert [list(needed) for needed in fulfillment["security"]] == [["entraV2"], ["entraV1"]]


def _rows(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        if "x-requirements" in node:
            yield place, node["x-requirements"]
        for key, value in node.items():
            yield from _rows(value, f"{place}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _rows(value, f"{place}/{index}")


def test_every_response_names_the_rows_it_rests_on(fulfillment: Node) -> None:
    for group in ("paths", "webhooks"):
        for path, item in fulfillment[group].items():
            for method, operation in item.items():
                if method == "parameters":
                    continue
                assert operation["x-requirements"], (method, path)
                for status, response in operation["responses"].items():
                    assert response.get("x-requirements"), (method, path, status)
                    assert response["description"], (method, path, status)


def test_rows_are_named_once_each_and_exist(fulfillment: Node, requirement_ids: frozenset[str]) -> None:
    for place, rows in _rows(fulfillment):
        assert isinstance(rows, list), place
        assert len(rows) == len(set(rows)), place
        for row in rows:
            assert row in requirement_ids, (place, row)


def test_undocumented_keywords_are_there_to_be_left_out(fulfillment: Node) -> None:
    def check(node: Any, place: str) -> None:
        if isinstance(node, dict):
            for keyword in node.get("x-undocumented", ()):
                assert keyword in node, (place, keyword)
            for key, value in node.items():
                check(value, f"{place}/{key}")
        elif isinstance(node, list):
            for index, value in enumerate(node):
                check(value, f"{place}/{index}")

    check(fulfillment, "")


def test_alternatives_are_described_in_words_of_their_own(fulfillment: Node) -> None:
    """A failed `anyOf` is reported by the description of its schema."""

    def check(node: Any, place: str) -> None:
        if isinstance(node, dict):
            if {"anyOf", "oneOf", "x-accepted", "contains"} & node.keys() and "info" not in node:
                assert node.get("description") or "$ref" in node, place
            for key, value in node.items():
                check(value, f"{place}/{key}")
        elif isinstance(node, list):
            for index, value in enumerate(node):
                check(value, f"{place}/{index}")

    check(fulfillment["components"]["schemas"], "schemas")


class TestLinks:
    def test_every_target_and_parameter_exists(self, fulfillment: Node, operations: dict[str, Node]) -> None:
        parameters = fulfillment["components"]["parameters"]
        for name, link in fulfillment["components"]["links"].items():
            target = operations[link["operationId"]]
            own = [reference["$ref"].rsplit("/", 1)[1] for reference in target["parameters"]]
            shared = [
                reference["$ref"].rsplit("/", 1)[1]
                for reference in fulfillment["paths"][target["path"]].get("parameters", ())
            ]
            known = {parameters[key]["name"] for key in (*own, *shared)}
            assert set(link["parameters"]) <= known, name
            in_path = set(re.findall(r"\{(\w+)\}", target["path"]))
            assert in_path <= set(link["parameters"]), f"{name} leaves a part of the path open"
            assert ("requestBody" in link) <= ("requestBody" in target), name

    def test_the_walk_reaches_every_operation_but_the_list(
        self, operations: dict[str, Node], fulfillment: Node
    ) -> None:
        links = fulfillment["components"]["links"]
        reached, waiting = {"resolve"}, ["resolve"]
        while waiting:
            for response in operations[waiting.pop()]["responses"].values():
                for reference in response.get("links", {}).values():
                    target = links[reference["$ref"].rsplit("/", 1)[1]]["operationId"]
                    if target not in reached:
                        reached.add(target)
                        waiting.append(target)
        assert set(operations) - reached == {"listSubscriptions"}

    def test_the_operation_is_found_by_its_location(self, fulfillment: Node) -> None:
        expression = fulfillment["components"]["links"]["GetStartedOperation"]["parameters"]["operationId"]
        header, _, pattern = expression.partition("#regex:")
        assert header == "$response.header.Operation-Location"
        location = fulfillment["components"]["headers"]["OperationLocation"]["example"]
        found = re.search(pattern, location)
        assert found
        assert found[1] == "4be6f0c9-7a35-4d1c-8a0e-93d2b7f4c815"
