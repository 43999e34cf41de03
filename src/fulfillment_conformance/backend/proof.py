"""Watches a marketplace for signs of life, and gives parts that did not come to show any a last chance.

In a whole run all that tests call has long shown that it works, and nothing is sent at the end. Where only a few
requirements were asked for, their tests may have seen refusals alone; then a subscription goes through its life, looked
at on the way.
"""

from contextlib import suppress

from fulfillment_conformance.backend.signs import NOTIFICATIONS, MarketplaceSigns
from fulfillment_conformance.backend.situations import Purchase
from fulfillment_conformance.backend.under_test import MarketplaceUnderTest
from fulfillment_conformance.backend.webhook import Webhook
from fulfillment_conformance.errors import ConformanceError
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import Interruption
from fulfillment_conformance.life import LAST_CHANCE
from fulfillment_conformance.run import Run

MOST_PAGES = 100
"""Pages of the list that are searched for a fresh purchase."""


def watch_for_signs(run: Run, under_test: MarketplaceUnderTest) -> MarketplaceSigns:
    """Let the run learn from now on which operations of an opened marketplace tests call, and which of them work."""
    http = under_test.http
    signs = MarketplaceSigns(under_test.client.base_url, run.life, keeps_operations=run.profile == "documented")
    observe = http.observer

    def observe_both(exchange: Exchange) -> None:
        observe(exchange)
        run.life(exchange)

    http.observer = observe_both
    under_test.situations.on_purchase = signs.bought
    run.life.signs = signs
    return signs


def give_proof(run: Run, under_test: MarketplaceUnderTest, webhook: Webhook) -> None:
    """Let a marketplace show that what tests have called works; what it cannot show is left as it is."""
    unproven = run.life.unproven
    for_real = under_test.driver.name == "live"  # there each step costs money, or cannot be taken back
    if not unproven or run.gone is not None or for_real or not under_test.situations.has("purchases"):
        return
    with run.recorder.apart(LAST_CHANCE), run.life.aside(), suppress(Interruption, ConformanceError):
        _live(under_test, webhook, unproven)


def _live(under_test: MarketplaceUnderTest, webhook: Webhook, unproven: frozenset[str]) -> None:
    situations, client = under_test.situations, under_test.client
    purchase = situations.buy(None)
    client.resolve(purchase.token)
    if "list subscriptions" in unproven:
        _search_list(under_test, purchase)
    situations.activate(purchase)
    if "list available plans" in unproven:
        client.list_available_plans(purchase.id)
    for kind, part in (("plan", "change plan"), ("seats", "change quantity")):
        if part in unproven:
            with suppress(Interruption):
                of = purchase if kind == "plan" else situations.subscribed("per-seat")
                change = situations.begin_change(of, kind, by="publisher")  # type: ignore[arg-type] # one of the two
                client.get_operation(of.id, change.operation_id)
    if unproven & {"get operation", "list operations", "update operation"}:
        with suppress(Interruption):
            change = situations.pending_change(of=situations.subscribed(None))
            client.list_operations(change.purchase.id)
            client.update_operation(change.purchase.id, change.operation_id, "Success")
            situations.ended(change)
    if NOTIFICATIONS in unproven:
        suspended = situations.suspended(None)
        webhook.hears(suspended, "Suspend")
    if "cancel" in unproven:
        leaving = situations.subscribed(None)  # nothing else is under way there
        if client.cancel(leaving.id).is_success:
            situations.wait_for_status(leaving, "Unsubscribed")


def _search_list(under_test: MarketplaceUnderTest, purchase: Purchase) -> None:
    page = under_test.client.list_subscriptions()
    for _ in range(MOST_PAGES):
        if page.next_link is None or purchase.id.lower() in page.text.lower():
            return
        page = under_test.client.follow(page.next_link)
