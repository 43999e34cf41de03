"""List outstanding operations: what waits for the publisher's word (catalogue theme OPL)."""

from contextlib import nullcontext

import pytest

from fulfillment_conformance.backend.judgements import BAD_CREDENTIALS, keeps_to, number_of_seats
from fulfillment_conformance.backend.receiver import Reaction
from fulfillment_conformance.backend.situations import FINAL
from fulfillment_conformance.checks import GUID
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.marks import requirement


@pytest.fixture
def listed(marketplace, situations, webhook):
    """Return a function that begins a change and returns it with its entry in the list, however late that comes."""

    def listed(kind, of=None):
        change = situations.pending_change(kind, of=of)
        answer = marketplace.list_operations(change.purchase.id)
        if entry_of(answer, change) is None and situations.has("clock") and situations.has("webhook"):
            subscription = situations.changeable(kind)
            webhook.reacts(subscription, Reaction(status=503))  # keeps it from being accepted by silence
            change = situations.pending_change(kind, of=subscription)
            situations.pass_time(minutes=2)
            answer = marketplace.list_operations(change.purchase.id)
        entry = entry_of(answer, change)
        if entry is None:
            raise Precondition("a pending change is not listed (OPL-001)", answer.exchange)
        return change, entry

    return listed


def entry_of(answer, change):
    """Return the entry of a change in a list of operations, None when it is not there."""
    return next((entry for entry in answer.entries if entry["id"].value == change.operation_id), None)


@requirement("OPL-001")
def test_a_pending_change_is_listed(marketplace, situations, check):
    """Answers 200 with an object whose array `operations` holds the change that waits, and it alone."""
    change = situations.pending_change()
    answer = marketplace.list_operations(change.purchase.id)
    ids = [entry["id"].value for entry in answer["operations"]]

    check("OPL-001").status(answer, 200)
    check("OPL-001").that(
        ids == [change.operation_id],
        expected=f"operations with operation {change.operation_id} alone",
        actual=f"operations {ids}" if answer["operations"] else answer.text[:200],
        rests_on=[answer],
        observed="the list stays empty" if answer.is_success and not answer.entries else None,
    )


@requirement("OPL-001")
@pytest.mark.parametrize("what", ["the publisher's change", "a change of seats", "a reinstatement"])
def test_whatever_is_pending_is_listed(marketplace, situations, check, what):
    """The list holds the operation that waits, whatever it is and whoever began it, and no other subscription's."""
    with situations.further():
        bystander = situations.begin_change(situations.subscribed(), by="publisher")
        if what == "a reinstatement":
            purchase, operation_id = situations.happening("Reinstate")
        else:
            own = what == "the publisher's change"
            purchase = situations.changeable("plan" if own else "seats")
            operation_id = situations.begin_change(
                purchase, "plan" if own else "seats", by="publisher" if own else "customer"
            ).operation_id
    answer = marketplace.list_operations(purchase.id)
    got = marketplace.get_operation(purchase.id, operation_id)
    ids = [entry["id"].value for entry in answer["operations"]]
    if got.status.key in FINAL:
        check("OPL-001").not_applicable(f"{what} is {got.status.value} before anybody says a word about it")
        return

    check("OPL-001").that(
        answer.is_success and ids == [operation_id],
        expected=f"operations with operation {operation_id} alone, and not {bystander.operation_id} of another one",
        actual=f"operations {ids}" if answer["operations"] else f"{answer.status_code} {answer.text[:200]}",
        rests_on=[answer, got],
        observed="the list stays empty" if answer.is_success and not answer.entries else None,
    )


@requirement("OPL-002")
@pytest.mark.parametrize("status", ["Subscribed", "PendingFulfillmentStart", "Suspended", "Unsubscribed"])
def test_nothing_pending_is_empty(marketplace, situations, check, status):
    """Where nothing is pending the answer is 200 with `{}`, an empty array, or no body at all, in every state."""
    with situations.further() if status != "Subscribed" else nullcontext():
        purchase = situations.in_status(status)
    answer = marketplace.list_operations(purchase.id)
    body = answer.body.value
    empty = not answer.text.strip() or (isinstance(body, dict) and body.get("operations", []) == [])

    check("OPL-002").status(answer, 200)
    check("OPL-002").that(
        empty,
        expected='{}, {"operations": []} or no body',
        actual=answer.text[:200],
        rests_on=[answer],
        notes=[f"it is {answer.text.strip() or 'no body'}"] if empty else [],
    )


@requirement("OPL-003", "OPL-004", "OPL-013")
def test_an_entry_says_what_the_change_is(marketplace, listed, contract, check):
    """Ids, offer, plan, action and time of a listed operation are there and right; its status is InProgress."""
    change, entry = listed("plan")

    keeps_to(check("OPL-003"), contract.validate_schema("Operation", entry.value), entry)
    check("OPL-003").equals(entry["subscriptionId"], change.purchase.id)
    check("OPL-003").equals(entry["offerId"], change.purchase.offer.offer_id)
    check("OPL-003").equals(entry["planId"], change.wanted)
    check("OPL-003").equals(entry["action"], "ChangePlan")
    publisher = marketplace.get_subscription(change.purchase.id)["publisherId"]
    if publisher:  # which GET-009 asks
        check("OPL-003").equals(entry["publisherId"], publisher)
    check("OPL-004").equals(entry["status"], "InProgress")
    activity = entry["activityId"]
    check("OPL-013").that(
        activity.absent or (isinstance(activity.value, str) and GUID.fullmatch(activity.value) is not None),
        expected="activityId a GUID, if it is there",
        actual=activity.value,
        rests_on=[activity],
    )


@requirement("OPL-005")
def test_an_entry_counts_the_seats(listed, check):
    """The quantity of a listed seat change is the number asked for, as an integer."""
    change, entry = listed("seats")
    quantity = entry["quantity"]
    as_text = isinstance(quantity.value, str) and number_of_seats(quantity.value) == change.wanted

    check("OPL-005").equals(quantity, change.wanted, observed="numeric string" if as_text else None)


@requirement("OPL-005")
def test_an_entry_of_a_flat_plan_has_no_seats(situations, listed, check):
    """The quantity of a listed plan change is null, absent, 0 or an empty string where seats mean nothing."""
    _, entry = listed("plan", of=situations.subscribed("flat"))
    quantity = entry["quantity"]

    check("OPL-005").that(
        quantity.absent or quantity.value in (None, 0, ""),
        expected="quantity null, absent, 0 or empty",
        actual=quantity.value,
        rests_on=[quantity],
        observed="1 on a flat-rate plan" if quantity.value == 1 else None,
    )


@requirement("OPL-006")
@pytest.mark.parametrize("malformed", ["not-a-guid", "00000000-0000"])
def test_a_malformed_id_is_refused(marketplace, subscribed, check, malformed):
    """An id that is no GUID is answered 400."""
    check("OPL-006").refused(
        marketplace.list_operations(malformed), with_status=400, while_twin=marketplace.list_operations(subscribed.id)
    )


@requirement("OPL-007")
@pytest.mark.parametrize("fault", BAD_CREDENTIALS)
def test_without_good_credentials_nothing_is_listed(marketplace, subscribed, credentials, check, fault):
    """No usable token, or another publisher's: 401 or 403."""
    check("OPL-007").refused(
        marketplace.list_operations(subscribed.id, **credentials(fault)),
        with_status=(401, 403),
        while_twin=marketplace.list_operations(subscribed.id),
    )


@requirement("OPL-008")
def test_an_unknown_subscription_is_not_found(marketplace, subscribed, unknown_id, check):
    """An id that names nothing is answered 404."""
    check("OPL-008").refused(
        marketplace.list_operations(unknown_id), with_status=404, while_twin=marketplace.list_operations(subscribed.id)
    )


@requirement("OPL-011")
@pytest.mark.parametrize("word", ["Success", "Failure", "none"])
def test_a_finished_operation_is_listed_no_longer(marketplace, situations, webhook, listed, check, word):
    """After PATCH Success or Failure, or when silence has accepted it, the operation is gone from the list."""
    change, _ = listed("plan")
    if word == "Success":
        situations.complete(change)
    else:
        if word == "Failure":
            marketplace.update_operation(change.purchase.id, change.operation_id, word)
        elif situations.has("webhook"):
            webhook.reacts(change.purchase, Reaction())
        ended = situations.ended(change)
        if ended.status.key not in FINAL:
            raise Precondition(f"the operation has not ended: {ended.status} (OPP-002, WHK-025)", ended.exchange)
    answer = marketplace.list_operations(change.purchase.id)

    check("OPL-011").that(
        answer.is_success and entry_of(answer, change) is None,
        expected=f"a list without operation {change.operation_id}",
        actual=answer.text[:200] if answer.is_success else answer.status_code,
        rests_on=[answer],
    )


@requirement("OPL-012")
@pytest.mark.parametrize("action", ["Suspend", "Renew", "Unsubscribe"])
def test_what_is_only_announced_is_not_listed(marketplace, situations, check, action):
    """After Suspend, Renew or Unsubscribe nothing waits for the publisher's word."""
    purchase, operation_id = situations.happening(action)
    answer = marketplace.list_operations(purchase.id)
    if not answer.is_success:
        raise Precondition(f"the list of operations was answered {answer.status_code} (OPL-002)", answer.exchange)

    check("OPL-012").that(
        not answer.entries,
        expected="no outstanding operation",
        actual=answer.text[:200],
        rests_on=[answer],
        notes=[f"operation {operation_id} of {action} is listed"] if answer.entries else [],
    )
