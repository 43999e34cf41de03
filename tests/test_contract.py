import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fulfillment_conformance import openapi_file, yamlfile
from fulfillment_conformance.contract import Contract, Violation
from fulfillment_conformance.errors import SuiteFault, UsageProblem
from fulfillment_conformance.resources import folder

JSON = (("Content-Type", "application/json; charset=utf-8"), ("x-ms-requestid", "1"))
PACKAGED = folder("openapi") / "fulfillment-v2.yaml"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract.load()


@pytest.fixture
def example(contract: Contract) -> Any:
    """Return a function that gives a copy of a named example."""
    return lambda name: copy.deepcopy(contract.document["components"]["examples"][name]["value"])


def sent(value: Any) -> bytes:
    return json.dumps(value).encode()


def seen(violations: list[Violation]) -> set[tuple[str, tuple[str, ...]]]:
    return {(violation.pointer, violation.requirements) for violation in violations}


class TestOperations:
    def test_there_are_eleven(self, contract: Contract) -> None:
        names = [operation.id for operation in contract.operations]
        assert len(names) == len(set(names)) == 11
        assert {"changePlan", "changeQuantity"} < set(names)

    def test_both_changes_are_the_one_patch(self, contract: Contract) -> None:
        plan, seats, both = map(contract.operation, ("changePlan", "changeQuantity", "updateSubscription"))
        assert plan.definition is seats.definition is both.definition
        assert (plan.id, seats.id, both.id) == ("changePlan", "changeQuantity", "updateSubscription")
        assert {plan.operation_id, seats.operation_id, both.operation_id} == {"updateSubscription"}
        assert (both.method, both.path) == ("PATCH", "/saas/subscriptions/{subscriptionId}")

    def test_a_pointer_leads_to_the_definition(self, contract: Contract) -> None:
        for operation in contract.operations:
            assert openapi_file.at(contract.document, operation.pointer) is operation.definition

    def test_an_unknown_one_is_the_suites_fault(self, contract: Contract) -> None:
        with pytest.raises(SuiteFault, match=r"no operation 'getSubscripton'.*did you mean 'getSubscription'"):
            contract.operation("getSubscripton")


class TestAnswers:
    @pytest.mark.parametrize(
        ("operation", "name"),
        [
            ("resolve", "ResolvedPerSeat"),
            ("resolve", "ResolvedFlat"),
            ("getSubscription", "PendingSubscription"),
            ("listSubscriptions", "FirstPage"),
            ("listSubscriptions", "NoSubscriptions"),
            ("listAvailablePlans", "SeatPlans"),
            ("listOperations", "PendingOperations"),
            ("getOperation", "PlanChangeInProgress"),
        ],
    )
    def test_examples_are_right(self, contract: Contract, example: Any, operation: str, name: str) -> None:
        assert contract.validate_response(operation, 200, JSON, sent(example(name))) == []

    def test_every_breach_is_found_with_the_row_that_it_breaks(self, contract: Contract, example: Any) -> None:
        body = example("SubscribedPerSeat")
        del body["name"], body["term"]["endDate"]
        body |= {"quantity": "many", "saasSubscriptionStatus": "Suspended", "allowedCustomerOperations": ["Update"]}
        body["beneficiary"]["tenantId"] = "contoso"
        assert seen(contract.validate_response("getSubscription", 200, JSON, sent(body))) == {
            ("/name", ("GET-008",)),
            ("/term/endDate", ("GET-030",)),
            ("/quantity", ("GET-012",)),
            ("/allowedCustomerOperations", ("GET-018",)),
            ("/beneficiary/tenantId", ("GET-014",)),
        }

    def test_the_type_of_an_id_and_its_letters_are_different_rows(self, contract: Contract, example: Any) -> None:
        body = example("SubscribedPerSeat")
        assert ("/planId", ("TRM-005",)) in seen(
            contract.validate_response("getSubscription", 200, JSON, sent(body | {"planId": "Platinum001"}))
        )
        assert {rows for _, rows in seen(contract.validate_schema("Subscription", body | {"planId": 5}))} == {
            ("GET-011",),
            ("TRM-005",),
        }

    def test_a_breach_deep_in_a_list_is_found(self, contract: Contract, example: Any) -> None:
        body = example("FirstPage")
        body["subscriptions"][1]["autoRenew"] = "yes"
        (violation,) = contract.validate_response("listSubscriptions", 200, JSON, sent(body))
        assert violation.pointer == "/subscriptions/1/autoRenew"
        assert violation.schema_pointer == "/components/schemas/Subscription/properties/autoRenew/type"
        assert violation.requirements == ("GET-023",)

    def test_what_other_documents_have_is_not_a_breach(self, contract: Contract, example: Any) -> None:
        body = example("SubscribedPerSeat") | {"quantity": "", "saasSubscriptionStatus": "NotStarted"}
        assert contract.validate_response("getSubscription", 200, JSON, sent(body)) == []

    def test_bounds_that_no_page_states_are_not_judged(self, contract: Contract, example: Any) -> None:
        body = example("SubscribedPerSeat") | {"name": "n" * 2000, "publisherId": "P" * 99, "lastModified": 7}
        body["beneficiary"]["emailId"] = " not an address "
        assert contract.validate_response("getSubscription", 200, JSON, sent(body)) == []

    @pytest.mark.parametrize("spelling", ["ChargeDuration", "chargeDuration ", "charge_duration"])
    def test_a_described_member_under_another_spelling_is_found(
        self, contract: Contract, example: Any, spelling: str
    ) -> None:
        body = example("FirstPage")
        term = body["subscriptions"][0]["term"]
        term[spelling] = term.pop("chargeDuration")
        (violation,) = contract.validate_response("listSubscriptions", 200, JSON, sent(body))
        assert violation.pointer == "/subscriptions/0/term/chargeDuration"
        assert violation.requirements == ("HDR-023",)
        assert spelling in violation.message

    def test_a_further_spelling_beside_the_described_one_is_allowed(self, contract: Contract, example: Any) -> None:
        body = example("SubscribedPerSeat")
        body["PlanId"] = body["planId"]
        assert contract.validate_response("getSubscription", 200, JSON, sent(body)) == []

    def test_unknown_members_are_allowed(self, contract: Contract, example: Any) -> None:
        body = example("SubscribedPerSeat") | {"later": {"addition": True}}
        assert contract.validate_response("getSubscription", 200, JSON, sent(body)) == []

    @pytest.mark.parametrize("body", [b"", b"  ", b"{}"])
    @pytest.mark.parametrize("operation", ["listSubscriptions", "listOperations"])
    def test_an_empty_list_has_three_forms(self, contract: Contract, operation: str, body: bytes) -> None:
        assert contract.validate_response(operation, 200, JSON, body) == []

    @pytest.mark.parametrize(
        ("operation", "row"), [("resolve", "RES-001"), ("getSubscription", "GET-001"), ("getOperation", "OPG-001")]
    )
    def test_other_bodies_may_not_be_empty(self, contract: Contract, operation: str, row: str) -> None:
        (violation,) = contract.validate_response(operation, 200, JSON, b"")
        assert (violation.message, violation.requirements) == ("is empty", (row,))

    @pytest.mark.parametrize("body", [b"", b'"No."', b'{"error":{"code":"x","message":"y"}}', b'{"other":1}'])
    def test_the_content_of_an_error_is_not_judged(self, contract: Contract, body: bytes) -> None:
        assert contract.validate_response("resolve", 403, JSON, body) == []

    def test_a_body_where_none_is_described_is_not_judged(self, contract: Contract) -> None:
        assert contract.validate_response("activate", 200, (), b"anything") == []

    def test_a_page_instead_of_json_is_two_breaches(self, contract: Contract) -> None:
        found = contract.validate_response("getSubscription", 200, [("content-type", "text/html")], b"<html>")
        assert [(violation.part, violation.pointer) for violation in found] == [
            ("header", "/Content-Type"),
            ("body", ""),
        ]
        assert {violation.requirements for violation in found} == {("HDR-016",)}

    def test_an_error_may_have_a_kind_of_json_of_its_own(self, contract: Contract) -> None:
        headers = [("Content-Type", "application/problem+json; charset=utf-8"), ("x-ms-requestid", "1")]
        assert contract.validate_response("resolve", 400, headers, b'{"title":"Bad Request","status":400}') == []

    def test_json_of_another_name_is_judged_all_the_same(self, contract: Contract) -> None:
        found = contract.validate_response("listAvailablePlans", 200, (), b'{"plans": 1}')
        assert [violation.pointer for violation in found] == ["/Content-Type", "/plans"]
        assert "'absent'" in found[0].message

    @pytest.mark.parametrize(
        "body",
        [
            b"\xff",
            b"[" * 100_000,
            b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
            b'{"\\ud800":1}',
            b'{"id":"\\ud800"}',
            b'{"quantity":NaN}',
            b"null",
            b"[]",
        ],
    )
    def test_nothing_that_a_target_sends_raises(self, contract: Contract, body: bytes) -> None:
        assert contract.validate_response("getSubscription", 200, JSON, body)

    @pytest.mark.parametrize("status", [0, 99, 204, 302, 418, 599, 1000])
    def test_other_statuses_are_named(self, contract: Contract, status: int) -> None:
        (violation,) = contract.validate_response("changePlan", status, (), b"")
        assert violation.part == "status"
        assert (
            violation.message
            == f"{status} is not described for changePlan; described are 202, 400, 401, 403, 404, 409, 500"
        )
        assert violation.requirements == ()


class TestHeaders:
    LOCATION = "https://h/api/saas/subscriptions/{0}/operations/{0}?api-version=2018-08-31".format(
        "c1a8b0d2-5f43-4e8e-9d5b-6a1f0e2c7b91"
    )

    @pytest.mark.parametrize(
        "location",
        [LOCATION, LOCATION.replace("?", "?a=b&"), f"{LOCATION}&x=y", LOCATION.replace("//h/", "//[::1]:8080/")],
    )
    def test_an_operation_has_a_location(self, contract: Contract, location: str) -> None:
        assert contract.validate_response("changePlan", 202, [("operation-location", location)], b"") == []

    def test_a_missing_location_is_a_breach(self, contract: Contract) -> None:
        (violation,) = contract.validate_response("deleteSubscription", 202, (), b"")
        assert (violation.part, violation.pointer, violation.message) == ("header", "/Operation-Location", "is missing")
        assert violation.requirements == ("DEL-002",)

    @pytest.mark.parametrize(
        "location",
        [
            "/saas/subscriptions/x/operations/y?api-version=2018-08-31",
            LOCATION.partition("?")[0],
            LOCATION.replace("operations", "operation"),
            LOCATION.replace("2018-08-31", "2018-08-3"),
            f"https://{LOCATION}",
        ],
    )
    def test_another_location_is_a_breach(self, contract: Contract, location: str) -> None:
        found = contract.validate_response("changeQuantity", 202, [("Operation-Location", location)], b"")
        assert {violation.pointer for violation in found} == {"/Operation-Location"}
        assert {violation.requirements for violation in found} == {("CHP-002", "CHQ-003")}

    def test_a_repeated_cancellation_has_none(self, contract: Contract) -> None:
        assert contract.validate_response("deleteSubscription", 200, (), b"") == []

    def test_tracking_ids_are_not_demanded_of_every_answer(self, contract: Contract) -> None:
        """They are owed only to requests that had none, which an answer alone does not show."""
        assert contract.validate_response("activate", 200, (), b"") == []


class TestObserved:
    """What only the live service is known for passes under its profile, and nothing else does."""

    @pytest.fixture
    def observed(self) -> Contract:
        return Contract.load(profile="observed")

    @pytest.mark.parametrize(
        "change",
        [
            {"quantity": "20"},
            {"term": {"termUnit": "P1M"}},
            {"offerId": "contoso-seats-preview", "lastModified": None},
        ],
    )
    def test_a_subscription_may_vary(self, observed: Contract, example: Any, change: Any) -> None:
        assert observed.validate_schema("Subscription", example("SubscribedPerSeat") | change) == []

    @pytest.mark.parametrize(
        ("change", "rows"),
        [
            ({"quantity": "20"}, {("/quantity", ("GET-012",))}),
            (
                {"term": {"termUnit": "P1M"}},
                {("/term/startDate", ("GET-029",)), ("/term/endDate", ("GET-030",))},
            ),
        ],
    )
    def test_the_pages_do_not_let_it(self, contract: Contract, example: Any, change: Any, rows: Any) -> None:
        assert seen(contract.validate_schema("Subscription", example("SubscribedPerSeat") | change)) == rows

    @pytest.mark.parametrize(
        ("event", "change"),
        [
            ("Unsubscribe", {"publisherId": "", "offerId": "", "planId": "", "quantity": "", "status": ""}),
            ("Unsubscribe", {"publisherId": None, "offerId": None, "planId": None, "status": "NotStarted"}),
            ("Renew", {"status": "InProgress", "timeStamp": "2026-03-20T08:15:02.7314405"}),
            ("Reinstate", {"status": "Succeeded"}),
            ("ChangeQuantity", {"id": f"org:{'1' * 36},{'2' * 36}", "quantity": "25"}),
        ],
    )
    def test_a_notification_may_vary(
        self, observed: Contract, contract: Contract, example: Any, event: str, change: Any
    ) -> None:
        payload = example(f"{event}Notified") | change
        assert observed.webhook_violations(event, payload) == []
        assert contract.webhook_violations(event, payload)

    def test_subscribe_may_have_six_fields(self, observed: Contract, contract: Contract, example: Any) -> None:
        kept = ("id", "activityId", "operationRequestSource", "subscriptionId", "timeStamp", "action")
        payload = {key: value for key, value in example("SubscribeNotified").items() if key in kept}
        assert observed.webhook_violations("Subscribe", payload) == []
        assert seen(contract.webhook_violations("Subscribe", payload)) == {
            ("/publisherId", ("EVT-003",)),
            ("/offerId", ("EVT-004",)),
            ("/planId", ("EVT-005",)),
            ("/subscription", ("EVT-012",)),
            ("/status", ("EVT-010",)),
        }
        renew = {key: value for key, value in example("RenewNotified").items() if key in kept}
        assert ("/subscription", ("EVT-012",)) in seen(observed.webhook_violations("Renew", renew))

    def test_transfer_has_been_seen(self, observed: Contract, contract: Contract) -> None:
        assert observed.webhook_violations("Transfer", {}) == []
        assert contract.webhook_violations("Transfer", {})

    def test_other_breaches_stay_breaches_and_are_named_as_precisely(self, observed: Contract, example: Any) -> None:
        body = example("SubscribedPerSeat") | {"quantity": "many", "saasSubscriptionStatus": " Subscribed "}
        found = observed.validate_schema("Subscription", body)
        assert seen(found) == {
            ("/quantity", ("GET-012",)),
            ("/saasSubscriptionStatus", ("GET-013", "HDR-024", "LCY-001")),
        }
        assert {violation.schema_pointer for violation in found} == {
            "/components/schemas/Quantity/anyOf",
            "/components/schemas/SubscriptionStatus/enum",
        }


class TestSchemas:
    @pytest.mark.parametrize("body", [{"planId": "gold"}, {"quantity": 1}])
    def test_one_change_fits(self, contract: Contract, body: Any) -> None:
        assert contract.validate_schema("SubscriptionChange", body) == []

    @pytest.mark.parametrize("body", [{}, {"planId": "gold", "quantity": 1}, {"quantity": 0}, {"quantity": "1"}, []])
    def test_anything_else_does_not(self, contract: Contract, body: Any) -> None:
        (violation,) = contract.validate_schema("SubscriptionChange", body)
        assert violation.message.endswith("Either another plan or another number of seats, never both.")

    @pytest.mark.parametrize("status", ["Succeeded", "success", None])
    def test_the_words_of_an_outcome_are_exact(self, contract: Contract, status: Any) -> None:
        assert ("/status", ("OPP-003",)) in seen(contract.validate_schema("OperationOutcome", {"status": status}))

    @pytest.mark.parametrize(
        "link", ["", None, "https://h/api/saas/subscriptions?api-version=2018-08-31&continuationToken=a%2B"]
    )
    def test_a_page_may_be_the_last(self, contract: Contract, link: Any) -> None:
        assert contract.validate_schema("SubscriptionList", {"subscriptions": [], "@nextLink": link}) == []

    @pytest.mark.parametrize(
        "link",
        [
            "/saas/subscriptions?continuationToken=a",
            "https://h/?continuationToken=a",
            "https://https://h/?continuationToken=a&api-version=2018-08-31",
            5,
        ],
    )
    def test_a_link_to_the_next_page_is_absolute_and_whole(self, contract: Contract, link: Any) -> None:
        assert seen(contract.validate_schema("SubscriptionList", {"@nextLink": link})) == {("/@nextLink", ("LST-006",))}

    def test_an_unknown_one_is_the_suites_fault(self, contract: Contract) -> None:
        with pytest.raises(SuiteFault, match=r"no schema 'Subscripton'.*did you mean 'Subscription'"):
            contract.validate_schema("Subscripton", {})


class TestNotifications:
    @pytest.mark.parametrize("event", openapi_file.EVENTS)
    def test_examples_are_right(self, contract: Contract, example: Any, event: str) -> None:
        assert contract.webhook_violations(event, example(f"{event}Notified")) == []

    @pytest.mark.parametrize("event", openapi_file.EVENTS)
    def test_one_event_is_not_another(self, contract: Contract, example: Any, event: str) -> None:
        other = openapi_file.EVENTS[openapi_file.EVENTS.index(event) - 1]
        found = contract.webhook_violations(other, example(f"{event}Notified"))
        assert "/action" in {violation.pointer for violation in found}

    def test_its_own_words_are_checked(self, contract: Contract, example: Any) -> None:
        payload = example("SuspendNotified") | {"status": "InProgress", "timeStamp": "2026-03-20T08:15:02"}
        del payload["subscription"]["term"]
        found = seen(contract.webhook_violations("Suspend", payload))
        assert {
            ("/status", ("EVT-010",)),
            ("/timeStamp", ("EVT-008",)),
            ("/subscription/term", ("EVT-012",)),
        } <= found

    def test_older_samples_of_suspend_are_not_a_breach(self, contract: Contract, example: Any) -> None:
        payload = example("SuspendNotified")
        payload["subscription"]["saasSubscriptionStatus"] = "Subscribed"
        assert contract.webhook_violations("Suspend", payload) == []
        payload["subscription"]["saasSubscriptionStatus"] = "Unsubscribed"
        assert ("/subscription/saasSubscriptionStatus", ("EVT-025",)) in seen(
            contract.webhook_violations("Suspend", payload)
        )

    def test_the_status_of_subscribe_is_not_judged_since_no_page_has_it(self, contract: Contract, example: Any) -> None:
        payload = example("SubscribeNotified") | {"status": "InProgress"}
        assert contract.webhook_violations("Subscribe", payload) == []

    @pytest.mark.parametrize("action", ["Transfer", "suspend", "", None, 5, ["Suspend"]])
    def test_an_unknown_event_is_a_breach(self, contract: Contract, action: Any) -> None:
        (violation,) = contract.webhook_violations(action, {})
        assert (violation.pointer, violation.requirements) == ("/action", ("EVT-009",))

    @pytest.mark.parametrize("payload", [None, [], "text", 5, {}])
    def test_no_payload_raises(self, contract: Contract, payload: Any) -> None:
        assert contract.webhook_violations("Renew", payload)


class TestMessages:
    def test_a_violation_reads_as_a_sentence(self) -> None:
        violation = Violation("/term/endDate", "is missing", "/x", requirements=("GET-029", "GET-030"))
        assert str(violation) == "body /term/endDate: is missing (GET-029, GET-030)"
        assert str(Violation("", "418 is not described", "/x", "status")) == "status: 418 is not described"

    def test_it_says_what_came_and_what_was_expected(self, contract: Contract, example: Any) -> None:
        body = example("SubscribedPerSeat") | {"quantity": "many", "autoRenew": None}
        said = {violation.pointer: violation.message for violation in contract.validate_schema("Subscription", body)}
        assert said["/quantity"].startswith("'many' does not fit: The number of seats as a whole number.")
        assert said["/autoRenew"] == 'null is not of type "boolean"'
        (wrong,) = contract.webhook_violations("Suspend", example("SuspendNotified") | {"status": "Success"})
        assert wrong.message == "\"Succeeded\" was expected, got 'Success'"

    def test_it_shows_no_address(self, contract: Contract, example: Any) -> None:
        body = example("SubscribedPerSeat") | {"id": "ada@contoso.example"}
        assert "ada@contoso.example" not in " ".join(map(str, contract.validate_schema("Subscription", body)))


class TestWebhooksAsPaths:
    def test_every_event_has_a_path(self, contract: Contract) -> None:
        document = contract.webhooks_as_paths("/hook")
        assert set(document["paths"]) == {f"/hook/{event}" for event in openapi_file.EVENTS}
        assert "webhooks" not in document

    def test_it_asks_for_no_credentials(self, contract: Contract) -> None:
        document = contract.webhooks_as_paths()
        assert document["security"] == []
        assert all("security" not in item["post"] for item in document["paths"].values())

    def test_it_is_a_copy(self, contract: Contract) -> None:
        contract.webhooks_as_paths()["components"].clear()
        assert contract.document["components"]
        assert contract.document["webhooks"]["Renew"]["post"]["security"]


class TestLoading:
    def test_the_packaged_file_is_read_once(self) -> None:
        assert Contract.load() is Contract.load()

    def test_another_file_takes_its_place(self, tmp_path: Path, example: Any) -> None:
        file = tmp_path / "mine.yaml"
        document = yaml.safe_load(PACKAGED.read_text("utf-8"))
        document["components"]["schemas"]["Subscription"]["required"].append("created")
        file.write_text(yaml.safe_dump(document), "utf-8")
        body = example("SubscribedPerSeat")
        del body["created"]
        assert seen(Contract.load(file).validate_schema("Subscription", body)) == {("/created", ("GET-026",))}
        assert Contract.load().validate_schema("Subscription", body) == []

    @pytest.mark.parametrize(
        ("old", "new", "place", "said"),
        [
            (
                "type: string\n      enum: [PendingF",
                "type: strin\n      enum: [PendingF",
                "SubscriptionStatus.type",
                "type",
            ),
            ('pattern: "^[a-z0-9_-]+$"', 'pattern: "("', "PublisherId.pattern", "regex"),
            ("maxItems: 100", "maxItems: many", "PageSize.maxItems", "integer"),
        ],
    )
    def test_a_broken_schema_is_named_with_its_line(
        self, tmp_path: Path, old: str, new: str, place: str, said: str
    ) -> None:
        text = PACKAGED.read_text("utf-8")
        assert old in text
        file = tmp_path / "mine.yaml"
        file.write_text(
            text.replace(old, new, 1).replace("x-undocumented: [maxLength, pattern]", "x-n: []", 2), "utf-8"
        )
        line = text.partition(old)[0].count("\n") + 1
        with pytest.raises(
            UsageProblem, match=rf"mine\.yaml:{line}: components\.schemas\.{place}: not a JSON Schema: "
        ) as caught:
            Contract.load(file)
        assert said in str(caught.value)
        assert str(caught.value).endswith("; mend it or take the packaged file")

    def test_a_file_that_is_no_description_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "mine.yaml"
        file.write_text("role: publisher\n", "utf-8")
        with pytest.raises(yamlfile.InvalidContent):
            Contract.load(file)
