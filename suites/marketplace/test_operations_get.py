"""Get operation: one operation, from its begin to long after its end (catalogue theme OPG)."""

from contextlib import nullcontext

import pytest

from fulfillment_conformance.backend.judgements import BAD_CREDENTIALS, is_dated, keeps_to, number_of_seats, value_is
from fulfillment_conformance.interruptions import CannotArrange, Precondition
from fulfillment_conformance.marks import requirement

STATUSES = ["NotStarted", "InProgress", "Succeeded", "Failed", "Conflict"]
BOTH_SIDES = pytest.mark.parametrize("by", ["customer", "publisher"])
BOTH_KINDS = pytest.mark.parametrize("kind", ["plan", "seats"])


@requirement("OPG-001", "OPG-002")
def test_an_operation_is_found_by_the_id_in_its_location(marketplace, situations, subscribed, check):
    """The id in Operation-Location is answered 200 with the operation of that id."""
    change = situations.begin_change(subscribed, by="publisher")
    got = marketplace.get_operation(subscribed.id, change.operation_id)

    for each in check.each("OPG-001", "OPG-002"):
        each.status(got, 200)
    check("OPG-001").equals(got["id"], change.operation_id)


@requirement("OPG-002")
def test_an_operation_is_found_by_the_id_in_the_list(marketplace, situations, check):
    """The id of a listed operation is answered 200."""
    change = situations.pending_change()
    listed = marketplace.list_operations(change.purchase.id)
    ids = [entry["id"].value for entry in listed.entries]
    if not ids:
        check("OPG-002").not_applicable("the list shows no operation by whose id it could be asked for (OPL-001)")
        return

    check("OPG-002").status(marketplace.get_operation(change.purchase.id, str(ids[0])), 200)


@requirement("OPG-002")
def test_an_operation_is_found_by_the_id_in_its_notification(marketplace, situations, webhook, check):
    """The id in the payload of a webhook call is answered 200."""
    change = situations.pending_change()
    notification = webhook.expects(change.purchase, change.action)
    operation_id = str(notification["id"].value)
    got = marketplace.get_operation(change.purchase.id, operation_id)

    check("OPG-002").equals(got.status_line, 200, observed="org:" if operation_id.startswith("org:") else None)


@requirement("OPG-003")
@BOTH_KINDS
@pytest.mark.parametrize("outcome", ["none yet", "Success", "Failure"])
def test_the_status_is_one_of_five(marketplace, situations, check, kind, outcome):
    """The status of a pending operation, and of a finished one, is a documented word."""
    with situations.further() if kind == "seats" else nullcontext():
        change = situations.pending_change(kind)
    if outcome != "none yet":
        marketplace.update_operation(change.purchase.id, change.operation_id, outcome)
    got = marketplace.get_operation(change.purchase.id, change.operation_id)

    check("OPG-003").is_one_of(got.status, STATUSES)


@requirement("OPG-003")
def test_the_status_of_a_reinstatement_is_one_of_five(marketplace, situations, check):
    """The status of a reinstatement, pending or not, is a documented word."""
    with situations.further():
        purchase, operation_id = situations.happening("Reinstate")
    got = marketplace.get_operation(purchase.id, operation_id)
    marketplace.update_operation(purchase.id, operation_id, "Success")

    check("OPG-003").is_one_of(got.status, STATUSES)
    check("OPG-003").is_one_of(marketplace.get_operation(purchase.id, operation_id).status, STATUSES)


@requirement("OPG-003", "OPG-004")
@BOTH_KINDS
def test_a_change_to_the_present_value_is_a_conflict(marketplace, situations, check, kind):
    """A customer who asks for what there is already: the operation's status is Conflict."""
    purchase = situations.changeable(kind)
    try:
        if kind == "plan":
            operation_id = situations.event(purchase, "ChangePlan", plan_id=purchase.plan)
        else:
            operation_id = situations.event(purchase, "ChangeQuantity", quantity=purchase.quantity)
    except CannotArrange as refused:
        if refused.exchange is None or refused.exchange.status != 400:
            raise
        # Nothing began that could have a status; nor does the API itself let such a change begin (CHP-013, CHQ-011).
        for each in check.each("OPG-003", "OPG-004"):
            each.not_applicable("a customer's change to what there is already begins no operation here")
        return
    got = marketplace.get_operation(purchase.id, operation_id)

    check("OPG-003").is_one_of(got.status, STATUSES)
    check("OPG-004").equals(got.status, "Conflict")


@requirement("OPG-005")
@pytest.mark.parametrize("action", ["ChangePlan", "ChangeQuantity", "Reinstate"])
def test_the_action_is_the_name_of_the_event(marketplace, situations, check, action):
    """The action of an operation that can be acknowledged is the name of its event."""
    purchase, operation_id = situations.happening(action)

    check("OPG-005").equals(marketplace.get_operation(purchase.id, operation_id)["action"], action)


@requirement("OPG-005")
@BOTH_KINDS
def test_the_action_of_the_publishers_own_change_is_the_same(marketplace, situations, check, kind):
    """The operation that PATCH began has the action ChangePlan or ChangeQuantity as well."""
    with situations.further():
        purchase = situations.changeable(kind)
        change = situations.begin_change(purchase, kind, by="publisher")

    got = marketplace.get_operation(purchase.id, change.operation_id)
    if not got.is_success:
        check("OPG-005").not_applicable("the operation is not found, which OPG-001 is about")
        return

    check("OPG-005").equals(got["action"], change.action)


@requirement("OPG-005", "OPG-006")
@pytest.mark.parametrize("action", ["Suspend", "Renew", "Unsubscribe"])
def test_operations_that_are_only_announced_can_be_fetched(marketplace, situations, check, action):
    """Get operation finds the operation of a notify-only event too, under the name of its event."""
    purchase, operation_id = situations.happening(action)
    got = marketplace.get_operation(purchase.id, operation_id)

    check("OPG-006").status(got, 200)
    if got.is_success:
        check("OPG-005").equals(got["action"], action)
    else:
        check("OPG-005").not_applicable(f"the operation of {action} cannot be fetched, which OPG-006 is about")


@requirement("OPG-006")
def test_the_operation_of_an_automatic_activation_can_be_fetched(marketplace, situations, webhook, check):
    """Get operation finds the operation of a Subscribe."""
    purchase = situations.buy(plan=situations.auto_activated_plan())
    notification = webhook.expects(purchase, "Subscribe")

    check("OPG-006").status(marketplace.get_operation(purchase.id, str(notification["id"].value)), 200)


@requirement("OPG-007", "OPG-008")
def test_an_operation_says_what_it_is(marketplace, situations, contract, check):
    """Ids, offer, plan, seats, action, time and status are there; errors are told in strings, if at all."""
    change = situations.pending_change("seats")
    got = marketplace.get_operation(change.purchase.id, change.operation_id)
    quantity = got["quantity"]
    as_text = isinstance(quantity.value, str) and number_of_seats(quantity.value) is not None

    for each in check.each("OPG-007", "OPG-008"):
        keeps_to(each, contract.validate_schema("Operation", got.body.value), got.body)
    check("OPG-007").equals(got["subscriptionId"], change.purchase.id)
    check("OPG-007").equals(got["offerId"], change.purchase.offer.offer_id)
    publisher = marketplace.get_subscription(change.purchase.id)["publisherId"]
    if publisher:  # which GET-009 asks
        check("OPG-007").equals(got["publisherId"], publisher)
    check("OPG-007").equals(got["planId"], change.purchase.plan)
    check("OPG-007").is_a(
        quantity, int, meaning="an integer", observed="quantity as a numeric string" if as_text else None
    )


@requirement("OPG-009")
@BOTH_SIDES
@BOTH_KINDS
def test_an_operation_shows_the_values_asked_for(marketplace, situations, check, kind, by):
    """While the change is pending its operation shows the new plan, or the new seats."""
    purchase = situations.changeable(kind)
    change = situations.begin_change(purchase, kind, by=by)
    got = marketplace.get_operation(purchase.id, change.operation_id)

    value_is(check("OPG-009"), change.value_in(got), change.wanted)


@requirement("OPG-010")
def test_an_unknown_subscription_has_no_operations(marketplace, situations, unknown_id, check):
    """A subscription id that names nothing is answered 404."""
    change = situations.pending_change()

    check("OPG-010").refused(
        marketplace.get_operation(unknown_id, change.operation_id),
        with_status=404,
        while_twin=marketplace.get_operation(change.purchase.id, change.operation_id),
    )


@requirement("OPG-011")
def test_an_unknown_operation_is_not_found(marketplace, situations, unknown_id, check):
    """An operation id that names nothing is answered 404."""
    change = situations.pending_change()

    check("OPG-011").refused(
        marketplace.get_operation(change.purchase.id, unknown_id),
        with_status=404,
        while_twin=marketplace.get_operation(change.purchase.id, change.operation_id),
    )


@requirement("OPG-012")
def test_an_operation_of_another_subscription_is_not_found(marketplace, situations, subscribed, check):
    """The operation of one subscription, asked for under another of the same publisher, is answered 404."""
    change = situations.pending_change()

    check("OPG-012").refused(
        marketplace.get_operation(subscribed.id, change.operation_id),
        with_status=404,
        while_twin=marketplace.get_operation(change.purchase.id, change.operation_id),
    )


@requirement("OPG-013")
@pytest.mark.parametrize("fault", BAD_CREDENTIALS)
def test_without_good_credentials_nothing_is_shown(marketplace, situations, credentials, check, fault):
    """No usable token, or another publisher's: 401 or 403."""
    change = situations.pending_change()

    check("OPG-013").refused(
        marketplace.get_operation(change.purchase.id, change.operation_id, **credentials(fault)),
        with_status=(401, 403),
        while_twin=marketplace.get_operation(change.purchase.id, change.operation_id),
    )


@requirement("OPG-016")
def test_an_operation_is_dated(marketplace, situations, check):
    """The timeStamp is the UTC time at which the operation began, with or without Z."""
    now = situations.now()
    change = situations.pending_change()
    got = marketplace.get_operation(change.purchase.id, change.operation_id)

    is_dated(check("OPG-016"), got["timeStamp"], now, zones=["Z", "+00:00", ""])


@requirement("OPG-016", "OPG-017")
@pytest.mark.parametrize("outcome", ["Success", "Failure"])
def test_a_finished_operation_keeps_its_status(marketplace, situations, check, outcome):
    """Asked again, and a day later, a finished operation has the status that it ended with, and the same time."""
    change = situations.pending_change()
    marketplace.update_operation(change.purchase.id, change.operation_id, outcome)
    ended = situations.ended(change)
    if ended.status.key not in {"Succeeded", "Failed"}:
        raise Precondition(f"the operation has not ended: {ended.status} (OPP-001, OPP-002)", ended.exchange)

    check("OPG-017").equals(marketplace.get_operation(change.purchase.id, change.operation_id).status, ended.status)
    if situations.has("clock"):
        situations.pass_time(days=1)
    later = marketplace.get_operation(change.purchase.id, change.operation_id)
    check("OPG-017").equals(later.status, ended.status)
    check("OPG-016").equals(later["timeStamp"], ended["timeStamp"])


@requirement("OPG-017")
def test_what_comes_later_leaves_a_finished_operation_alone(marketplace, situations, subscribed, check):
    """Another change, and the end of the subscription, leave an operation that has Succeeded as it is."""
    with situations.further():
        first = situations.changed(subscribed)
    back = marketplace.change_plan(subscribed.id, subscribed.plan)
    second = situations.change_of(subscribed, back, plan=subscribed.plan)
    looks = [marketplace.get_operation(subscribed.id, first.operation_id)]
    situations.complete(second)
    situations.unsubscribe(subscribed)
    looks.append(marketplace.get_operation(subscribed.id, first.operation_id))

    for look in looks:
        check("OPG-017").equals(look.status, "Succeeded")
