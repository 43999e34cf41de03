"""Suspend, Reinstate, Renew and Unsubscribe: what each means for the customer's access (scenarios C01 to C06, D10)."""

from fulfillment_conformance.marks import requirement

WITHOUT_STATE = "publisher.state: the target file names no page that shows the accounts"


@requirement("EVT-026", "OPP-016")
def test_suspend_is_taken_without_a_patch(publisher, subscribed, check):
    """Suspend is a notification: 200, and nothing is reported back."""
    answer = publisher.receives(subscribed.suspend())
    effect = subscribed.effects()

    for each in check.each("EVT-026", "OPP-016"):
        each.that(
            not subscribed.patches(),
            expected="no PATCH of an operation",
            actual=f"{len(subscribed.patches())} PATCH calls" if subscribed.patches() else "none",
            rests_on=[answer, *subscribed.patches(), *effect.evidence()],
        )
    check("EVT-026").taken(answer)


@requirement("EVT-027")
def test_suspend_restricts_access(publisher, subscribed, check):
    """While payment is missing the customer has no full access."""
    if not publisher.shows_state:
        check("EVT-027").untestable(WITHOUT_STATE)
        return
    publisher.receives(subscribed.suspend())
    account = subscribed.eventually(lambda now: now.status.value == "Suspended")

    check("EVT-027").equals(account.status, "Suspended")


@requirement("EVT-028", "EVT-030")
def test_reinstate_brings_everything_back(publisher, subscribed, check):
    """After Suspend and Reinstate the customer has access, plan and seats as before."""
    if not publisher.shows_state:
        for each in check.each("EVT-028", "EVT-030"):
            each.untestable(WITHOUT_STATE)
        return
    before = subscribed.account()
    publisher.receives(subscribed.suspend())
    suspended = subscribed.eventually(lambda now: now.status.value == "Suspended")
    announcement = subscribed.reinstate()
    answer = publisher.receives(announcement)
    subscribed.settles(announcement)
    after = subscribed.eventually(lambda now: now.status.value == "Subscribed")

    check("EVT-030").taken(answer)
    check("EVT-030").equals(after.status, "Subscribed")
    check("EVT-028").that(
        not suspended.status.absent,
        expected="the account is still known while suspended",
        actual=suspended.status,
        rests_on=[suspended.exchange],
    )
    check("EVT-028").equals(after.plan, before.plan.value)
    check("EVT-028").equals(after.seats, before.seats.value)


@requirement("EVT-023", "OPP-016")
def test_renew_is_taken_and_access_goes_on(publisher, subscribed, check):
    """Renew is a notification: 200, no PATCH, and the account stays as it is."""
    answer = publisher.receives(subscribed.renew())
    effect = subscribed.effects()

    check("EVT-023").taken(answer)
    for each in check.each("EVT-023", "OPP-016"):
        each.no_effect(effect)


@requirement("EVT-034", "OPP-016")
def test_unsubscribe_ends_access_without_a_patch(publisher, subscribed, check):
    """Unsubscribe is a notification: 200, no PATCH, and access has ended."""
    answer = publisher.receives(subscribed.unsubscribe())
    account = subscribed.eventually(lambda now: not now.gives_access)
    subscribed.effects()

    check("EVT-034").taken(answer)
    for each in check.each("EVT-034", "OPP-016"):
        each.that(
            not subscribed.patches(),
            expected="no PATCH of an operation",
            actual=f"{len(subscribed.patches())} PATCH calls" if subscribed.patches() else "none",
            rests_on=[answer, *subscribed.patches()],
        )
    if account is None:
        check("EVT-034").untestable(WITHOUT_STATE)
    else:
        check("EVT-034").that(
            not account.gives_access,
            expected="no access after Unsubscribe",
            actual=account.status,
            rests_on=[account.exchange],
        )


@requirement("WHK-035")
def test_a_cancellation_of_a_purchase_never_opened_is_no_error(publisher, purchase, check):
    """Cancelled before the landing page was ever opened: the publisher does not know it, and that is all right."""
    answer = publisher.receives(purchase.unsubscribe())

    check("WHK-035").that(
        answer.status_code is not None and answer.status_code < 500,
        expected="no server error",
        actual=answer.status_code or answer.error,
        rests_on=[answer],
        notes=[] if answer.is_success else [f"{answer.status_code}: 2xx would end the delivery"],
    )
