"""Reading the whole list of subscriptions, and keeping step with it (themes LST and GET; scenarios C15, F06, F07)."""

import pytest

from fulfillment_conformance.emulator.faults import Rewrites
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import answered, briefly
from fulfillment_conformance.stage.microsoft import kind_of

WITHOUT_STATE = "publisher.state: the target file names no page that shows the accounts"


@pytest.fixture
def reconcile(microsoft, publisher):
    """Make the publisher read the list; returns its answer and the list calls that it led to."""

    def reconcile():
        mark = microsoft.mark
        answer = publisher.reconciles()
        microsoft.wait(
            lambda: microsoft.called("list_subscriptions", since=mark) or None,
            seconds=publisher.service.timeouts.effect if answer.is_success else 0.0,
        )
        return answer, microsoft.called("list_subscriptions", since=mark)

    return reconcile


@requirement("LST-015")
def test_the_list_is_read_to_its_last_page(stage, microsoft, reconcile, check):
    """Every @nextLink is followed until there is none."""
    for _ in range(3):
        stage.purchase()
    with microsoft.deciding_otherwise(page_size=stage.page_size_for(pages=3)):
        answer, pages = reconcile()
        last = microsoft.wait(lambda: _last_page(microsoft, pages), seconds=1.0)

    if not pages:
        check("LST-015").undecided("the publisher did not read the list", rests_on=[answer])
        return
    check("LST-015").that(
        last is not None,
        expected="pages read along @nextLink to the one that has none",
        actual=f"{len(pages)} pages, the last with another link",
        rests_on=[answer, *pages],
    )


@requirement("LST-016")
def test_an_empty_list_without_a_body_is_no_failure(microsoft, reconcile, check):
    """200 and zero bytes: nothing to read, and the next time as always."""
    with microsoft.disturbed(Rewrites(lambda _: b"", "list"), call="list_subscriptions") as fault:
        empty, _ = reconcile()
    twin, calls = reconcile()

    if not fault.met or not calls or not twin.is_success:
        check("LST-016").undecided("the publisher does not read an ordinary list either", rests_on=[empty, twin])
        return
    check("LST-016").that(
        empty.is_success,
        expected="the list is read without failure",
        actual=empty.status_code or empty.error,
        rests_on=[empty, twin, *calls],
    )


@requirement("LST-019", "LST-020", "ACT-022")
def test_what_the_list_holds_besides_is_left_alone(stage, microsoft, publisher, reconcile, check):
    """Cancelled and pending entries, another offer's, an invented status: no failure, nothing done with the other's."""
    foreign = stage.purchase((offer := stage.unrelated_offer(), offer.plans[0]))
    microsoft.perform(lambda market: market.activate(stage.caller, foreign.id))
    cancelled = stage.subscribed(stage.seat_plan()) if stage.sells_seats else stage.subscribed()
    publisher.receives(cancelled.unsubscribe())
    pending, odd = stage.purchase(), stage.purchase()
    foreign.remember()
    twin, _ = reconcile()

    def strange(answer):
        for entry in answer.get("subscriptions", []):
            if entry["id"] == cancelled.id:
                entry.pop("quantity", None)
            if entry["id"] == odd.id:
                entry["saasSubscriptionStatus"] = "Provisioning"
        return answer

    mark = microsoft.mark
    with microsoft.disturbed(Rewrites(strange, "list"), call="list_subscriptions"):
        answer, calls = reconcile()
    foreign.effects()
    account = foreign.account()
    acted = [call for call in foreign.calls() if call.method != "GET"]
    plans = [
        call
        for call in microsoft.called("list_available_plans", since=mark)
        if stage.status_of(kind_of(call)[1]) == "Unsubscribed"
    ]

    if not calls or not twin.is_success:
        for each in check.each("LST-019", "LST-020", "ACT-022"):
            each.undecided("the publisher does not read an ordinary list either", rests_on=[answer, twin])
        return
    started = [call for call in pending.calls() if call.method != "GET"]
    check("ACT-022").that(
        not started,
        expected="no activate call for a purchase in the list whose buyer has not come yet",
        actual=briefly(started, otherwise="none"),
        rests_on=[*calls, *started],
    )
    check("LST-020").that(
        answer.is_success and not plans,
        expected="the list is read without failure, and no plans are asked for of what is cancelled",
        actual=f"{answer.status_code or answer.error}; {briefly(plans, otherwise='no plans asked for')}",
        rests_on=[answer, *calls, *plans],
    )
    check("LST-019").that(
        not acted and (account is None or account.status.absent),
        expected="no account and no activate, PATCH or DELETE for the subscription of another offer",
        actual=f"{briefly(acted, otherwise='no call')}; {account.status if account else 'no state page'}",
        rests_on=[answer, *acted, *([account.exchange] if account else [])],
    )


@requirement("GET-034")
def test_a_missed_event_is_made_up_for(stage, publisher, check):
    """A suspension and a cancellation whose notifications never came: the list, or the next visit, tells of them."""
    if not publisher.shows_state:
        check("GET-034").untestable(WITHOUT_STATE)
        return
    suspended, cancelled = stage.subscribed(), stage.subscribed()
    suspended.suspend()
    cancelled.unsubscribe()
    listed = publisher.reconciles() if publisher.service.reconcile is not None else None
    for customer, state in ((suspended, "Suspended"), (cancelled, "Unsubscribed")):
        looked = listed or customer.manage().answer
        account = customer.eventually(lambda now, state=state: _shows(now, state))
        check("GET-034").that(
            _shows(account, state),
            expected=f"{state}, as the marketplace has it",
            actual=account.status,
            rests_on=[looked, *customer.calls(), account.exchange],
        )


@requirement("GET-033")
def test_seats_are_read_in_every_form(stage, microsoft, publisher, check):
    """Resolve, Get and the list give seats as a number or as text, and none as empty, null or not at all."""
    forms = [(stage.flat_plan(), None, form) for form in ("", None)]
    if stage.sells_seats:
        forms += [(stage.seat_plan(), 12, "12"), (stage.seat_plan(), 12, " 12")]
    twin = publisher.receives(stage.subscribed().suspend())
    if not twin.is_success:
        check("GET-033").undecided("Suspend is not taken in any case", rests_on=[twin])
        return
    for plan, seats, form in forms:
        customer = stage.purchase(plan, **({} if seats is None else {"quantity": seats}))

        def odd(answer, form=form):
            nested = {"subscription": answer["subscription"] | {"quantity": form}} if "subscription" in answer else {}
            return answer | {"quantity": form} | nested

        what = f"quantity {form!r}"
        with (
            microsoft.disturbed(Rewrites(odd, what), call="resolve"),
            microsoft.disturbed(Rewrites(odd, what), call="get_subscription", of=customer.id),
        ):
            customer.visit()
            page = customer.complete()
            activated = [call for call in customer.awaits("activate") if call.status == 200]
            answer = publisher.receives(customer.suspend()) if activated else None
            account = customer.account()
        check("GET-033").that(
            answer is not None
            and answer.is_success
            and (account is None or account.seats.absent or account.seats.key in {seats, form}),
            expected=f"{what}: activated, Suspend taken, {'no seats' if seats is None else f'{seats} seats'}",
            actual=f"page {page.answer.status_code}; {briefly(activated, otherwise='not activated')}; Suspend "
            f"{answer.status_code if answer else 'not sent'}; {account.seats if account else 'no state page'}",
            rests_on=[page.answer, *activated, *([answer] if answer else []), twin],
        )


def _last_page(microsoft, pages):
    """Return the list call after the first of `pages` whose answer has no further link, None if there is none."""
    if not pages:
        return None
    begun = microsoft.called("list_subscriptions")
    for call in begun[begun.index(pages[0]) :]:
        body = answered(call)
        if call.status == 200 and isinstance(body, dict) and not str(body.get("@nextLink") or "").strip():
            return call
    return None


def _shows(account, state):
    """Whether an account is in a state; who deletes what has ended shows nothing of it any more."""
    return account.state.value == state or (state == "Unsubscribed" and account.state.absent)
