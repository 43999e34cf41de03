"""Plans with auto activation: no waiting for the publisher (catalogue theme AAC)."""

from fulfillment_conformance.dates import day_of
from fulfillment_conformance.marks import requirement


@requirement("AAC-001")
def test_an_auto_activated_purchase_is_active_at_once(marketplace, situations, check):
    """The first look at it shows Subscribed; it never waits in PendingFulfillmentStart."""
    for plan in situations.auto_activated_plans():
        activated = situations.buy(plan=plan)  # which nobody has resolved or activated
        check("AAC-001").equals(marketplace.get_subscription(activated.id).status, "Subscribed")


@requirement("AAC-005")
def test_billing_begins_with_the_purchase(marketplace, situations, check):
    """The term's first day is the day of the purchase."""
    today = situations.now().date()
    for plan in situations.auto_activated_plans():
        purchase = situations.with_a_term(lambda plan=plan: situations.buy(plan=plan))
        start = marketplace.get_subscription(purchase.id)["term"]["startDate"]
        first = day_of(start.value)
        check("AAC-005").that(
            first is not None and abs((first - today).days) <= 1,
            expected=f"term.startDate the day of the purchase, {today} (UTC)",
            actual=start.value,
            rests_on=[start],
        )
