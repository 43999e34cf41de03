"""Change the plan: the publisher asks, the marketplace carries it out by and by (catalogue theme CHP)."""

import pytest

from fulfillment_conformance.backend.judgements import BAD_CREDENTIALS, nothing_has_begun, operation_is_located
from fulfillment_conformance.backend.situations import FINAL
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.marks import requirement


@requirement("CHP-001", "CHP-024")
def test_a_plan_change_is_accepted(marketplace, situations, subscribed, check):
    """PATCH with another plan on a Subscribed subscription is answered 202; its body, if any, has no meaning."""
    accepted = marketplace.change_plan(subscribed.id, situations.other_plan(subscribed).plan_id)

    check("CHP-001").status(accepted, 202)
    check("CHP-024").that(
        accepted.status_code == 202,
        expected="202, with or without a body",
        actual=accepted.status_code,
        rests_on=[accepted],
        notes=[f"the body is {accepted.text[:80]!r}"] if accepted.text else [],
    )


@requirement("CHP-002")
def test_the_answer_locates_the_operation(marketplace, situations, subscribed, check):
    """Operation-Location is an absolute URL of the operation, api-version included, and answers."""
    accepted = marketplace.change_plan(subscribed.id, situations.other_plan(subscribed).plan_id)

    operation_is_located(check("CHP-002"), marketplace, subscribed.id, accepted)


@requirement("CHP-003", "CHP-022")
def test_the_plan_is_the_new_one_when_the_operation_has_succeeded(marketplace, situations, subscribed, check):
    """Right after the 202 either plan may show; once the operation has Succeeded it is the new one."""
    change = situations.begin_change(subscribed, by="publisher")
    at_once = marketplace.get_subscription(subscribed.id)
    situations.complete(change)
    afterwards = marketplace.get_subscription(subscribed.id)

    check("CHP-003").is_one_of(at_once.plan, [change.before, change.wanted])
    for each in check.each("CHP-003", "CHP-022"):
        each.equals(afterwards.plan, change.wanted)


@requirement("CHP-001", "CHP-002", "CHP-013", "CHP-022")
def test_the_plan_can_be_changed_again(marketplace, situations, subscribed, check):
    """What counts is the plan of today: changed to is the present one, refused with 400, and back goes with 202.

    Each change is an operation of its own.
    """
    with situations.further():
        first = situations.changed(subscribed)
    refused = marketplace.change_plan(subscribed.id, first.plan)
    accepted = marketplace.change_plan(subscribed.id, subscribed.plan)

    check("CHP-013").refused(refused, with_status=400, while_twin=accepted)
    if refused.is_success:
        for each in check.each("CHP-001", "CHP-002", "CHP-022"):
            each.not_applicable("a change to the present plan was accepted, and stands in the way (CHP-013)")
        return
    check("CHP-002").that(
        accepted.operation_id not in (None, first.operation_id),
        expected=f"Operation-Location with another operation than {first.operation_id}, which has ended",
        actual=accepted.operation_location or f"{accepted.status_code} without Operation-Location",
        rests_on=[accepted],
    )
    if check("CHP-001").status(accepted, 202):
        situations.complete(situations.change_of(subscribed, accepted, plan=subscribed.plan))
        check("CHP-022").equals(marketplace.get_subscription(subscribed.id).plan, subscribed.plan)


@requirement("CHP-001")
def test_a_plan_can_be_changed_after_a_rejected_change(marketplace, situations, check):
    """A change that the publisher has rejected is over: another one is accepted with 202."""
    with situations.further():
        change = situations.pending_change()
    marketplace.update_operation(change.purchase.id, change.operation_id, "Failure")
    ended = situations.ended(change)
    if ended.status.key not in FINAL:
        raise Precondition(f"the rejected change has not ended: {ended.status} (OPP-002)", ended.exchange)
    present = marketplace.get_subscription(change.purchase.id).plan.value
    again = change.before if present == change.wanted else change.wanted

    check("CHP-001").status(marketplace.change_plan(change.purchase.id, again), 202)


@requirement("CHP-022")
def test_a_change_of_plan_leaves_the_rest_alone(marketplace, situations, check):
    """Seats, automatic renewal and whose it is are after the change what they were before, and so are others' plans."""
    with situations.further():
        seats, bystander = (situations.subscribed("per-seat") for _ in range(2))
        target = situations.other_plan(seats)
    before = marketplace.get_subscription(seats.id)
    situations.change_plan(seats, target.plan_id)
    after = marketplace.get_subscription(seats.id)
    fits = (target.min_quantity or 1) <= seats.quantity <= (target.max_quantity or seats.quantity)

    for name in (*(["quantity"] if fits else []), "autoRenew", "offerId", "beneficiary", "purchaser"):
        check("CHP-022").equals(after[name], before[name])
    check("CHP-022").equals(marketplace.get_subscription(bystander.id).plan, bystander.plan)


@requirement("CHP-006", "EVT-005")
def test_the_webhook_is_called_when_the_change_is_ready(marketplace, situations, webhook, subscribed, check):
    """ChangePlan comes with the new plan, under the id of the operation that the PATCH began."""
    change = situations.begin_change(subscribed, by="publisher")
    notification = webhook.hears(subscribed, "ChangePlan", operation=change.operation_id)
    shown = marketplace.get_operation(subscribed.id, change.operation_id)

    if check("CHP-006").that(
        notification is not None,
        expected="a webhook call with action ChangePlan",
        actual="a call" if notification else f"no such call, {shown.status}",
        rests_on=[notification or shown],
    ):
        check("CHP-006").equals(notification["id"], change.operation_id)
        blank = "empty or null" if notification["planId"].value in ("", None) else None
        check("EVT-005").equals(notification["planId"], change.wanted, observed=blank)


@requirement("CHP-010")
@pytest.mark.parametrize("status", ["PendingFulfillmentStart", "Suspended"])
def test_only_active_subscriptions_change_their_plan(marketplace, situations, subscribed, check, status):
    """A pending or suspended subscription is refused with 400, and keeps its plan."""
    inactive = {"PendingFulfillmentStart": situations.buy, "Suspended": situations.suspended}[status]()
    target = situations.other_plan(inactive).plan_id
    before = marketplace.get_subscription(inactive.id)
    refused = marketplace.change_plan(inactive.id, target)

    check("CHP-010").refused(refused, with_status=400, while_twin=marketplace.change_plan(subscribed.id, target))
    nothing_has_begun(check("CHP-010"), marketplace, inactive.id, before, refused, listed=situations.has("purchases"))


@requirement("CHP-026")
def test_a_cancelled_subscription_changes_no_plan(marketplace, situations, subscribed, check):
    """A cancelled subscription is refused with 400 or 404."""
    cancelled = situations.unsubscribed()
    target = situations.other_plan(cancelled).plan_id

    check("CHP-026").refused(
        marketplace.change_plan(cancelled.id, target),
        with_status=(400, 404),
        while_twin=marketplace.change_plan(subscribed.id, target),
    )


@requirement("CHP-011")
def test_a_plan_that_does_not_exist_is_refused(marketplace, situations, subscribed, check):
    """An invented planId is answered 400."""
    before = marketplace.get_subscription(subscribed.id)
    refused = marketplace.change_plan(subscribed.id, "a-plan-that-nobody-made")

    nothing_has_begun(check("CHP-011"), marketplace, subscribed.id, before, refused, listed=situations.has("purchases"))
    check("CHP-011").refused(
        refused,
        with_status=400,
        while_twin=marketplace.change_plan(subscribed.id, situations.other_plan(subscribed).plan_id),
    )


@requirement("CHP-012")
def test_a_plan_of_another_offer_is_refused(marketplace, situations, subscribed, check):
    """A plan that exists elsewhere is answered 400."""
    before = marketplace.get_subscription(subscribed.id)
    refused = marketplace.change_plan(subscribed.id, situations.plan_of_another_offer(subscribed).plan_id)

    nothing_has_begun(check("CHP-012"), marketplace, subscribed.id, before, refused, listed=situations.has("purchases"))
    check("CHP-012").refused(
        refused,
        with_status=400,
        while_twin=marketplace.change_plan(subscribed.id, situations.other_plan(subscribed).plan_id),
    )


@requirement("CHP-012")
def test_a_private_plan_of_others_is_refused(marketplace, situations, check):
    """A private plan whose audience lacks the customer's tenant is answered 400."""
    purchase, closed = situations.beside_a_private_plan(visible=False)
    before = marketplace.get_subscription(purchase.id)
    refused = marketplace.change_plan(purchase.id, closed.plan_id)

    nothing_has_begun(check("CHP-012"), marketplace, purchase.id, before, refused, listed=situations.has("purchases"))
    check("CHP-012").refused(
        refused,
        with_status=400,
        while_twin=marketplace.change_plan(purchase.id, situations.other_plan(purchase).plan_id),
    )


@requirement("CHP-020")
def test_a_private_plan_for_the_customer_can_be_changed_to(marketplace, situations, check):
    """A private plan whose audience has the customer's tenant is accepted with 202."""
    purchase, target = situations.beside_a_private_plan(visible=True)

    check("CHP-020").status(marketplace.change_plan(purchase.id, target.plan_id), 202)


@requirement("CHP-020")
def test_every_listed_plan_can_be_changed_to(marketplace, situations, subscribed, check):
    """Each plan in the list of available plans, but the present one, is accepted with 202."""
    situations.other_plan(subscribed)  # where the offer has one plan only, there is nothing to list
    listed = marketplace.list_available_plans(subscribed.id)
    if not listed.is_success:
        raise Precondition(f"the list of plans was answered {listed.status_code} (PLN-001)", listed.exchange)
    plans = [plan["planId"].value for plan in listed["plans"]]
    others = [plan for plan in plans if isinstance(plan, str) and plan != subscribed.plan]

    check("CHP-020").that(
        bool(others), expected="other plans in the list", actual=", ".join(map(str, plans)), rests_on=[listed]
    )
    for plan in others:
        check("CHP-020").status(marketplace.change_plan(situations.subscribed().id, plan), 202)


@requirement("CHP-013")
def test_the_present_plan_is_refused(marketplace, situations, subscribed, check):
    """A change to the plan that is in force is answered 400."""
    refused = marketplace.change_plan(subscribed.id, subscribed.plan)

    check("CHP-013").refused(
        refused,
        with_status=400,
        while_twin=marketplace.change_plan(subscribed.id, situations.other_plan(subscribed).plan_id),
    )


@requirement("CHP-014")
def test_a_customer_of_a_reseller_changes_no_plan_here(marketplace, situations, subscribed, check):
    """Where allowedCustomerOperations lacks Update the change is answered 400, and the plan stays."""
    situations.needs("csp")
    resold = situations.subscribed(channel="csp")
    target = situations.other_plan(resold).plan_id
    before = marketplace.get_subscription(resold.id)
    refused = marketplace.change_plan(resold.id, target)

    check("CHP-014").refused(refused, with_status=400, while_twin=marketplace.change_plan(subscribed.id, target))
    nothing_has_begun(check("CHP-014"), marketplace, resold.id, before, refused, listed=situations.has("purchases"))


@requirement("CHP-015")
def test_an_unknown_subscription_changes_no_plan(marketplace, situations, subscribed, unknown_id, check):
    """An id that names nothing is answered 404."""
    target = situations.other_plan(subscribed).plan_id

    check("CHP-015").refused(
        marketplace.change_plan(unknown_id, target),
        with_status=404,
        while_twin=marketplace.change_plan(subscribed.id, target),
    )


@requirement("CHP-016")
@pytest.mark.parametrize("fault", BAD_CREDENTIALS)
def test_without_good_credentials_no_plan_is_changed(marketplace, situations, subscribed, credentials, check, fault):
    """No usable token, or another publisher's: 401 or 403, and nothing is begun."""
    target = situations.other_plan(subscribed).plan_id
    before = marketplace.get_subscription(subscribed.id)
    refused = marketplace.change_plan(subscribed.id, target, **credentials(fault))

    nothing_has_begun(check("CHP-016"), marketplace, subscribed.id, before, refused, listed=situations.has("purchases"))
    check("CHP-016").refused(refused, with_status=(401, 403), while_twin=marketplace.change_plan(subscribed.id, target))


@requirement("CHP-018")
def test_plan_and_seats_do_not_change_in_one_call(marketplace, situations, check):
    """A body with both planId and quantity is answered 400."""
    seats = situations.subscribed("per-seat")
    target = situations.other_plan(seats).plan_id
    before = marketplace.get_subscription(seats.id)
    both = marketplace.change_plan(
        seats.id, target, json={"planId": target, "quantity": situations.other_quantity(seats)}
    )
    twin = situations.subscribed("per-seat")

    nothing_has_begun(check("CHP-018"), marketplace, seats.id, before, both, listed=situations.has("purchases"))
    check("CHP-018").refused(both, with_status=400, while_twin=marketplace.change_plan(twin.id, target))


@requirement("CHP-021")
def test_a_subscription_stays_active_while_its_plan_changes(marketplace, situations, subscribed, check):
    """The status is Subscribed while the operation runs, and afterwards."""
    change = situations.begin_change(subscribed, by="publisher")
    during = marketplace.get_subscription(subscribed.id)
    situations.complete(change)

    check("CHP-021").equals(during.status, "Subscribed")
    check("CHP-021").equals(marketplace.get_subscription(subscribed.id).status, "Subscribed")


@requirement("CHP-023")
def test_a_change_of_nothing_is_refused(marketplace, situations, subscribed, check):
    """A body with neither planId nor quantity is answered 400."""
    target = situations.other_plan(subscribed).plan_id
    refused = marketplace.change_plan(subscribed.id, target, json={})

    check("CHP-023").refused(refused, with_status=400, while_twin=marketplace.change_plan(subscribed.id, target))


@requirement("CHP-025", "WHK-047")
def test_a_second_change_is_answered_like_a_clients_call(marketplace, situations, check):
    """While one change is pending, another one is accepted or refused with 4xx; it is no server error.

    Refused, it leaves the first one waiting.
    """
    change = situations.pending_change("plan")
    plan = next(
        (plan.plan_id for plan in situations.siblings(change.purchase) if plan.plan_id != change.wanted),
        change.wanted,
    )
    second = marketplace.change_plan(change.purchase.id, plan)

    check("CHP-025").that(
        second.status_code == 202 or second.is_client_error,
        expected="202 or 4xx",
        actual=second.status_code or second.error,
        rests_on=[second],
        notes=[f"answered {second.status_code}"],
    )
    if second.is_client_error and change.by == "customer":
        operation = marketplace.get_operation(change.purchase.id, change.operation_id)
        check("WHK-047").equals(operation.status, "InProgress")
    else:
        check("WHK-047").not_applicable("the second change was not refused, or the first one is the publisher's own")
