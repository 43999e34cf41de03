"""Access tokens, and whose subscriptions one may see and change (catalogue theme AUT)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import pytest

from fulfillment_conformance.forge import AccessTokenForge
from fulfillment_conformance.marks import requirement

FORMER_RESOURCE = "62d94f6c-d599-489b-a797-3e10e42fbe22"
NOT_GENUINE = AccessTokenForge.names(expected="refused", requirement="AUT-012")
STATUSES = ["PendingFulfillmentStart", "Subscribed", "Suspended", "Unsubscribed"]

READS = {
    "get": lambda api, purchase: api.get_subscription(purchase.id),
    "plans": lambda api, purchase: api.list_available_plans(purchase.id),
    "plans-one": lambda api, purchase: api.list_available_plans(purchase.id, plan=purchase.plan),
    "operations": lambda api, purchase: api.list_operations(purchase.id),
}
"""What can be read about a subscription in every state."""


@dataclass(frozen=True)
class Call:
    """A call that is ready to be made, by whatever client and with whatever token, and the subscription it is about."""

    subscription: str
    make: Callable[..., Any]


class Calls:
    """One kind of call, made again and again: one that went through is followed by one in a situation of its own.

    Otherwise a call that should have been refused would change the situation, and its twin fail for that.
    """

    def __init__(self, arrange):
        self._arrange = arrange
        self._call = arrange()

    @property
    def subscription(self):
        """The subscription that the next call is about."""
        return self._ready().subscription

    def make(self, api, **token):
        """Make the call."""
        answer = self._ready().make(api, **token)
        if answer.is_success:
            self._call = None
        return answer

    def _ready(self):
        if self._call is None:
            self._call = self._arrange()
        return self._call


def resolve(situations):
    """Resolve the token of a fresh purchase."""
    purchase = situations.buy()
    return Call(purchase.id, lambda api, **token: api.resolve(purchase.token, **token))


def activate(situations):
    """Activate a pending purchase."""
    purchase = situations.buy()
    return Call(purchase.id, lambda api, **token: api.activate(purchase.id, plan=purchase.plan, **token))


def list_all(situations):
    """List all subscriptions, one at least."""
    return Call(situations.buy().id, lambda api, **token: api.list_subscriptions(**token))


def get(situations):
    """Get a pending subscription."""
    purchase = situations.buy()
    return Call(purchase.id, lambda api, **token: api.get_subscription(purchase.id, **token))


def list_plans(situations):
    """List the plans that a pending subscription can have."""
    purchase = situations.buy()
    return Call(purchase.id, lambda api, **token: api.list_available_plans(purchase.id, **token))


def change_plan(situations):
    """Change the plan of an active subscription."""
    subscribed = situations.subscribed()
    target = situations.other_plan(subscribed).plan_id
    return Call(subscribed.id, lambda api, **token: api.change_plan(subscribed.id, target, **token))


def change_quantity(situations):
    """Change the seats of an active subscription."""
    subscribed = situations.subscribed("per-seat")
    target = situations.other_quantity(subscribed)
    return Call(subscribed.id, lambda api, **token: api.change_quantity(subscribed.id, target, **token))


def cancel(situations):
    """Cancel an active subscription."""
    subscribed = situations.subscribed()
    return Call(subscribed.id, lambda api, **token: api.cancel(subscribed.id, **token))


def list_operations(situations):
    """List the outstanding operations of a subscription that a customer is changing."""
    change = situations.pending_change()
    return Call(change.purchase.id, lambda api, **token: api.list_operations(change.purchase.id, **token))


def get_operation(situations):
    """Get the operation of a customer's change."""
    change = situations.pending_change()
    subscription, operation = change.purchase.id, change.operation_id
    return Call(subscription, lambda api, **token: api.get_operation(subscription, operation, **token))


def update_operation(situations):
    """Accept a customer's change."""
    change = situations.pending_change()
    subscription, operation = change.purchase.id, change.operation_id
    return Call(subscription, lambda api, **token: api.update_operation(subscription, operation, "Success", **token))


ABOUT_A_SUBSCRIPTION = [
    activate, get, list_plans, change_plan, change_quantity, cancel, list_operations, get_operation, update_operation,
]  # fmt: skip


@pytest.fixture
def call(request, situations):
    """Return the call that the test is parametrized with."""
    return Calls(lambda: request.param(situations))


on_every_operation = pytest.mark.parametrize(
    "call", [resolve, list_all, *ABOUT_A_SUBSCRIPTION], indirect=True, ids=lambda operation: operation.__name__
)
on_every_subscription_of_others = pytest.mark.parametrize(
    "call", ABOUT_A_SUBSCRIPTION, indirect=True, ids=lambda operation: operation.__name__
)


@requirement("AUT-011", "AUT-012")
@on_every_operation
def test_a_call_without_a_genuine_token_is_refused(marketplace, credentials, call, check):
    """No access token, something that is none, or one that nobody but a stranger has signed: 401 or 403."""
    without = call.make(marketplace, **credentials("missing"))
    forged = [call.make(marketplace, **credentials(fault)) for fault in NOT_GENUINE]
    twin = call.make(marketplace)

    check("AUT-011").refused(without, with_status=(401, 403), while_twin=twin)
    for answer in forged:
        check("AUT-012").refused(answer, with_status=(401, 403), while_twin=twin)


@requirement("AUT-013", "AUT-016")
@on_every_operation
def test_a_call_with_a_token_of_yesterday_or_for_somebody_else_is_refused(marketplace, credentials, call, check):
    """A genuine token whose time is over, or which was issued for another resource: 401 or 403."""
    expired = call.make(marketplace, **credentials("expired"))
    misdirected = call.make(marketplace, **credentials("wrong-audience"))
    twin = call.make(marketplace)

    check("AUT-013").refused(expired, with_status=(401, 403), while_twin=twin)
    check("AUT-016").refused(misdirected, with_status=(401, 403), while_twin=twin)


@requirement("AUT-014")
@pytest.mark.parametrize("call", [resolve], indirect=True, ids=["resolve"])
def test_another_application_resolves_nothing(marketplace, credentials, call, check):
    """A purchase token is worth nothing to an application that is not the offer's own: 401 or 403."""
    refused = call.make(marketplace, **credentials("foreign-publisher"))

    check("AUT-014").refused(refused, with_status=(401, 403), while_twin=call.make(marketplace))


@requirement("AUT-014", "AUT-015", "AUT-030")
@on_every_subscription_of_others
def test_a_subscription_of_another_publisher_is_out_of_reach(marketplace, credentials, call, check):
    """Whatever is asked of it is refused with 401 or 403, and it stays as it was; its own publisher is served."""
    subscription = call.subscription
    before = _shown(marketplace, subscription)
    refused = call.make(marketplace, **credentials("foreign-publisher"))
    after = _shown(marketplace, subscription)
    twin = call.make(marketplace)

    for each in check.each("AUT-014", "AUT-015", "AUT-030"):
        each.refused(refused, with_status=(401, 403), while_twin=twin)
    for left, right in zip(before, after, strict=True):
        check("AUT-030").equals(right.body, left.body)


@requirement("AUT-014", "AUT-015", "AUT-030")
@pytest.mark.parametrize("status", STATUSES)
def test_no_state_opens_a_subscription_to_others(marketplace, marketplace_under_test, situations, check, status):
    """In whatever state it is, and with whatever kind of plan, another publisher reads nothing of it: 401 or 403."""
    with situations.further():
        stranger = marketplace_under_test.as_publisher("foreign-publisher")
        for purchase in situations.of_each_kind(lambda kind: situations.in_status(status, kind)):
            for name, read in READS.items():
                if name.startswith("plans") and status == "Unsubscribed":
                    continue  # its own publisher may be refused them, too (PLN-011)
                refused, twin = read(stranger, purchase), read(marketplace, purchase)
                for each in check.each("AUT-014", "AUT-015", "AUT-030"):
                    each.refused(refused, with_status=(401, 403), while_twin=twin)


@requirement("AUT-014", "AUT-015", "AUT-030")
@pytest.mark.parametrize("status", ["PendingFulfillmentStart", "Suspended"])
def test_no_state_lets_others_cancel(marketplace, marketplace_under_test, situations, check, status):
    """What is not active cannot be cancelled by another publisher either; its own can."""
    with situations.further():
        situations.needs("purchases")
        stranger = marketplace_under_test.as_publisher("foreign-publisher")
        purchase = situations.in_status(status)
        before = marketplace.get_subscription(purchase.id).status
        refused = stranger.cancel(purchase.id)
        after = marketplace.get_subscription(purchase.id).status
        twin = marketplace.cancel(purchase.id)

        for each in check.each("AUT-014", "AUT-015", "AUT-030"):
            each.refused(refused, with_status=(401, 403), while_twin=twin)
        check("AUT-030").equals(after, before)


@requirement("AUT-025")
@pytest.mark.parametrize("status", STATUSES)
def test_no_state_lists_a_subscription_to_others(marketplace, marketplace_under_test, situations, check, status):
    """In whatever state it is, it is in its own publisher's list and not in another one's."""
    with situations.further():
        stranger = marketplace_under_test.as_publisher("foreign-publisher")
        situations.start_over()
        _bought_from_somebody_else(situations)
        bought = {each.id for each in situations.of_each_kind(lambda kind: situations.in_status(status, kind))}
        own_list, foreign_list = _listed(marketplace), _listed(stranger)
        strayed = bought & _ids(foreign_list)

        if not strayed and not bought & _ids(own_list):
            check("AUT-025").not_applicable(f"a {status} subscription is in no list, which LST-003 is about")
            return
        check("AUT-025").that(
            not strayed,
            expected=f"a {status} subscription in its own publisher's list only",
            actual=f"{len(strayed)} of {len(bought)} in the other's, {len(bought & _ids(own_list))} in its own",
            rests_on=[*own_list, *foreign_list],
        )


@requirement("AUT-025")
def test_two_publishers_never_see_each_other(marketplace, marketplace_under_test, situations, purchase, check):
    """Each list holds the publisher's own subscriptions and none of the other's."""
    stranger = marketplace_under_test.as_publisher("foreign-publisher")
    foreign = _bought_from_somebody_else(situations)
    own_list, foreign_list = _listed(marketplace), _listed(stranger)
    # What an earlier call has handed to the stranger is the matter of the test that made it (AUT-014, RES-021).
    strayed = {purchase.id} & _ids(foreign_list) | ({foreign.id} & _ids(own_list) if foreign else set())

    check("AUT-025").status(foreign_list[-1], 200)
    check("AUT-025").that(
        purchase.id in _ids(own_list) and not strayed,
        expected="each publisher's purchase in its own list, and not in the other's",
        actual=f"{len(_ids(own_list))} and {len(_ids(foreign_list))} ids, {len(strayed)} of the two in the wrong list",
        rests_on=[*own_list, *foreign_list],
    )
    if foreign is not None:
        check("AUT-025").that(
            foreign.id in _ids(foreign_list),
            expected="the other publisher's purchase in its list",
            actual="there" if foreign.id in _ids(foreign_list) else "missing",
            rests_on=foreign_list,
        )


@requirement("AUT-008")
@pytest.mark.parametrize("version", [1, 2])
def test_the_token_endpoint_answers_as_entra_does(token_endpoint, check, version):
    """Version 1 gives all numbers as strings, and the resource; version 2 gives integers."""
    answer = token_endpoint(version)
    number = str if version == 1 else int
    only_there = ("resource", "expires_on", "not_before")

    check("AUT-008").status(answer, 200)
    check("AUT-008").equals(answer["token_type"], "Bearer")
    check("AUT-008").is_text(answer["access_token"])
    for name in ("expires_in", "ext_expires_in", *(only_there[1:] if version == 1 else ())):
        check("AUT-008").is_a(answer[name], number, meaning="a number, as a string" if version == 1 else "an integer")
    for name in only_there:
        check("AUT-008").that(
            answer[name].absent == (version == 2),
            expected=f"{name} {'absent' if version == 2 else 'present'}",
            actual=answer[name].value,
            rests_on=[answer],
        )


@requirement("AUT-009")
@pytest.mark.parametrize("version", [1, 2])
def test_an_access_token_is_good_for_an_hour(token_endpoint, check, version):
    """From iat to exp it is 60 to 90 minutes, whichever endpoint issued it."""
    answer = token_endpoint(version)
    claims = _claims(answer["access_token"].value)
    begins, ends = claims.get("iat"), claims.get("exp")
    minutes = (ends - begins) / 60 if isinstance(begins, int) and isinstance(ends, int) else None

    check("AUT-009").that(
        minutes is not None and 59.5 <= minutes <= 90.5,
        expected="exp 60 to 90 minutes after iat",
        actual="not to be seen in the token" if minutes is None else f"{minutes:.1f} minutes",
        rests_on=[answer],
    )


@requirement("AUT-016")
def test_a_token_for_the_former_resource_is_refused(marketplace, token_endpoint, purchase, check):
    """The resource of version 1 and of 2019 is another one: 401 or 403."""
    former = token_endpoint(1, FORMER_RESOURCE)["access_token"].value
    if not isinstance(former, str):
        check("AUT-016").untestable("the identity provider issues no token for the former resource")
        return
    answer = marketplace.get_subscription(purchase.id, token=former)

    check("AUT-016").that(
        answer.status_code in {401, 403},
        expected="refused with 401 or 403",
        actual=answer.status_code or answer.error,
        rests_on=[answer],
        observed="former resource" if answer.is_success else None,
    )


@requirement("AUT-022", "AUT-024")
def test_how_a_caller_is_turned_away_is_recorded(marketplace, credentials, purchase, check):
    """Status and body of the refusals, for the report: the pages fix neither their text nor which of 401 and 403."""
    refusals = {
        fault: marketplace.get_subscription(purchase.id, **credentials(fault))
        for fault in ("missing", "garbage", "expired", "foreign-publisher")
    }
    unregistered = marketplace.get_subscription(purchase.id, **credentials("no-service-principal"))

    for fault, answer in refusals.items():
        check("AUT-022").that(
            True,
            expected="any body",
            actual=answer.status_code or answer.error,
            rests_on=[answer],
            notes=[f"{fault}: {answer.status_code}, {_kind_of_body(answer)}"],
        )
    check("AUT-024").that(
        True,
        expected="401 or 403",
        actual=unregistered.status_code or unregistered.error,
        rests_on=[unregistered],
        notes=[f"an application without service principal is answered {unregistered.status_code}"],
    )


def _shown(marketplace, subscription):
    """Return what can be read about a subscription."""
    return [marketplace.get_subscription(subscription), marketplace.list_operations(subscription)]


def _bought_from_somebody_else(situations):
    """Return a purchase from another publisher, None where all offers are the own one's."""
    own = {offer.publisher_id for offer in situations.offers}
    for offer in situations.driver.offers():
        for plan in offer.plans:
            if offer.publisher_id not in own and not plan.is_private and not plan.is_stop_sell:
                return situations.buy(plan=(offer, plan))
    return None


def _listed(client):
    pages = [client.list_subscriptions()]
    while pages[-1].next_link and len(pages) < 100:
        pages.append(client.follow(pages[-1].next_link, "next page"))
    return pages


def _ids(pages):
    return {str(entry["id"].value) for page in pages for entry in page.entries}


def _claims(token):
    """Return what a token says, nothing if it is no JWT."""
    try:
        return jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}


def _kind_of_body(answer):
    content_type = answer.header("content-type").value or "no content type"
    return f"{content_type}, {type(answer.body.value).__name__ if answer.body else 'no JSON'}"
