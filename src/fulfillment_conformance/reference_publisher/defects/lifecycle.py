"""Publishers that misunderstand what an event means for a customer's access and data."""

import dataclasses
import functools
from collections.abc import Callable

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.messages import Event, Operation, Status, Subscription
from fulfillment_conformance.reference_publisher.webhook import DONE, EXPECTED, Verdict

_FAILED = Verdict(status=500, reason="something went wrong")


def _answering(publisher: ReferencePublisher, action: str, verdict: Verdict) -> None:
    """Let an event have this answer and no other consequence."""

    async def handle(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:  # noqa: ARG001
        return verdict

    publisher.webhook.handlers[action] = handle


def _before(publisher: ReferencePublisher, action: str, status: int) -> None:
    """Let an event have its effect, and another answer than 200."""
    handler = publisher.webhook.handlers[action]

    async def handle(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        await handler(event, operation, subscription)
        return Verdict(status=status, reason="something went wrong")

    publisher.webhook.handlers[action] = handle


@defect("ignores-suspend", breaks=["EVT-027"])
def ignores_suspend(publisher: ReferencePublisher) -> None:
    """A customer whose payment is missing keeps full access."""
    _answering(publisher, "Suspend", DONE)


@defect("fails-on-suspend", breaks=["EVT-026", "TST-003"])
def fails_on_suspend(publisher: ReferencePublisher) -> None:
    """Suspend has its effect and is answered 500."""
    _before(publisher, "Suspend", 500)


@defect("deletes-the-account-at-suspend", breaks=["EVT-027", "EVT-028", "LCY-027"])
def deletes_the_account_at_suspend(publisher: ReferencePublisher) -> None:
    """Account, data and settings are gone as soon as a payment is missing."""
    deleted: set[str] = set()
    suspend = publisher.webhook.handlers["Suspend"]
    get, save = publisher.accounts.get, publisher.accounts.save

    async def delete(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        verdict = await suspend(event, operation, subscription)
        if subscription.status is Status.SUSPENDED:
            deleted.add(event.subscription_id)
        return verdict

    def save_anew(account: Account) -> None:
        deleted.discard(account.subscription_id)
        save(account)

    publisher.webhook.handlers["Suspend"] = delete
    replace(publisher.accounts, "save", save_anew)
    replace(
        publisher.accounts, "get", lambda subscription_id: None if subscription_id in deleted else get(subscription_id)
    )


@defect("forgets-the-plan-while-suspended", breaks=["EVT-028"])
def forgets_the_plan_while_suspended(publisher: ReferencePublisher) -> None:
    """After Suspend and Reinstate the customer has the smallest plan instead of his own."""
    carry_out = publisher.webhook.carry_out
    settle = publisher.follower.settle
    reinstatements: set[str] = set()

    def begin_anew(account: Account, operation: Operation) -> None:
        carry_out(account, operation)
        if operation.action == "Reinstate":
            reinstatements.add(operation.id)
            kept = publisher.accounts.get(account.subscription_id)
            assert kept is not None
            publisher.accounts.save(dataclasses.replace(kept, plan_id="free"))

    async def settle_changes(subscription_id: str, operation_id: str) -> None:
        account = publisher.accounts.get(subscription_id)
        if operation_id not in reinstatements:
            await settle(subscription_id, operation_id)
        elif account is not None:
            publisher.accounts.save(account.settled(operation_id))

    replace(publisher.webhook, "carry_out", begin_anew)
    replace(publisher.follower, "settle", settle_changes)


@defect("ignores-reinstate", breaks=["EVT-030", "LCY-026", "LCY-027"])
def ignores_reinstate(publisher: ReferencePublisher) -> None:
    """A customer who has paid stays locked out."""
    _answering(publisher, "Reinstate", DONE)


@defect("fails-on-reinstate", breaks=["EVT-030", "LCY-027", "TST-003"])
def fails_on_reinstate(publisher: ReferencePublisher) -> None:
    """Reinstate has its effect and is answered 500."""
    _before(publisher, "Reinstate", 500)


@defect("neither-reinstates-nor-cancels", breaks=["WHK-031"], claims={"refuses_reinstatement": True})
def neither_reinstates_nor_cancels(publisher: ReferencePublisher) -> None:
    """A customer who has paid stays locked out, and the marketplace goes on billing him."""
    _answering(publisher, "Reinstate", DONE)


@defect("ignores-unsubscribe", breaks=["EVT-034", "LCY-026", "REG-018", "WHK-003"])
def ignores_unsubscribe(publisher: ReferencePublisher) -> None:
    """A cancelled subscription stays usable."""
    _answering(publisher, "Unsubscribe", DONE)


@defect("fails-on-unsubscribe", breaks=["EVT-034", "LCY-027", "TST-003", "WHK-035"])
def fails_on_unsubscribe(publisher: ReferencePublisher) -> None:
    """Unsubscribe has its effect and is answered 500."""
    _before(publisher, "Unsubscribe", 500)


@defect("fails-on-unknown-subscriptions", breaks=["WHK-035"])
def fails_on_unknown_subscriptions(publisher: ReferencePublisher) -> None:
    """An event for a subscription without account, unless it announces a purchase, is answered 500."""
    take = publisher.webhook.take

    async def take_known(event: Event) -> Verdict:
        if event.action != "Subscribe" and publisher.accounts.get(event.subscription_id) is None:
            return _FAILED
        return await take(event)

    replace(publisher.webhook, "take", take_known)


@defect("refuses-renew", breaks=["EVT-023", "TST-003"])
def refuses_renew(publisher: ReferencePublisher) -> None:
    """Renew is not expected and answered 400."""
    _before(publisher, "Renew", 400)


@defect("ends-access-at-renew", breaks=["EVT-023", "LCY-026"])
def ends_access_at_renew(publisher: ReferencePublisher) -> None:
    """The end of a term is taken for the end of the subscription."""
    ended: set[str] = set()
    notice = publisher.webhook.handlers["Renew"]
    save = publisher.accounts.save

    def save_ended(account: Account) -> None:
        over = account.access and account.subscription_id in ended
        save(dataclasses.replace(account, status=Status.SUSPENDED) if over else account)

    async def end(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        ended.add(event.subscription_id)
        return await notice(event, operation, subscription)

    publisher.webhook.handlers["Renew"] = end
    replace(publisher.accounts, "save", save_ended)


@defect("keeps-the-old-term", breaks=["EVT-046"])
def keeps_the_old_term(publisher: ReferencePublisher) -> None:
    """The term that the first look after Renew shows is kept, also when the new one appears later."""
    _answering(publisher, "Renew", DONE)


@defect("reads-the-term-as-the-end-of-access", breaks=["EVT-045"])
def reads_the_term_as_the_end_of_access(publisher: ReferencePublisher) -> None:
    """A subscription whose term shows no end date is taken for an ended one."""
    follow = publisher.follower.follow

    def follow_by_term(subscription: Subscription, *, handled: str = "") -> Account | None:
        account = follow(subscription, handled=handled)
        if account is not None and account.access and not subscription.term.end:
            account = dataclasses.replace(account, status=Status.SUSPENDED)
            publisher.accounts.save(account)
        return account

    replace(publisher.follower, "follow", follow_by_term)


@defect("reports-notices", breaks=["EVT-023", "EVT-026", "EVT-034", "OPP-016"])
def reports_notices(publisher: ReferencePublisher) -> None:
    """Suspend, Unsubscribe and Renew are reported as carried out, though nothing waits for that."""
    for action in EXPECTED:
        _reported(publisher, action)


@defect("reports-suspend", breaks=["EVT-026", "OPP-016"])
def reports_suspend(publisher: ReferencePublisher) -> None:
    """Suspend is reported as carried out, though nothing waits for that."""
    _reported(publisher, "Suspend")


def _reported(publisher: ReferencePublisher, action: str) -> None:
    handler = publisher.webhook.handlers[action]

    async def handle(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        verdict = await handler(event, operation, subscription)
        if subscription.status is not EXPECTED[event.action]:
            return verdict

        async def report() -> None:
            await publisher.webhook.report(event, "Success")
            if verdict.then is not None:
                await verdict.then()

        return dataclasses.replace(verdict, then=report)

    publisher.webhook.handlers[action] = handle


@defect("believes-unsubscribe", breaks=["GET-034", "WHK-009", "WHK-044"])
def believes_unsubscribe(publisher: ReferencePublisher) -> None:
    """Unsubscribe is carried out without a look at Get Subscription."""

    async def believe(event: Event, _operation: Operation | None, _subscription: Subscription) -> Verdict:
        account = publisher.accounts.get(event.subscription_id)
        if account is not None:
            ended = dataclasses.replace(account, status=Status.UNSUBSCRIBED)
            publisher.accounts.save(ended.having_handled(event.operation_id))
        return DONE

    publisher.webhook.handlers["Unsubscribe"] = believe


@defect("revives-what-was-cancelled", breaks=["LCY-026", "WHK-034"])
def revives_what_was_cancelled(publisher: ReferencePublisher) -> None:
    """A late Suspend or Renew brings a cancelled account back to life."""
    for action in ("Suspend", "Renew"):
        _revived(publisher, action)


def _revived(publisher: ReferencePublisher, action: str) -> None:
    handler = publisher.webhook.handlers[action]

    async def revive(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        account = publisher.accounts.get(event.subscription_id)
        if account is None or account.status is not Status.UNSUBSCRIBED:
            return await handler(event, operation, subscription)
        publisher.accounts.save(dataclasses.replace(account, status=EXPECTED[action]))
        return DONE

    publisher.webhook.handlers[action] = revive


@defect("ignores-subscribe", breaks=["AAC-008", "EVT-037"])
def ignores_subscribe(publisher: ReferencePublisher) -> None:
    """An automatically activated purchase is billed and never set up."""
    _answering(publisher, "Subscribe", DONE)


@defect("refuses-subscribe", breaks=["AAC-008", "EVT-037", "EVT-042"])
def refuses_subscribe(publisher: ReferencePublisher) -> None:
    """Subscribe is not expected and answered 400."""
    _answering(publisher, "Subscribe", Verdict(status=400, reason="not expected"))


@defect("ends-all-subscriptions-of-a-tenant", breaks=["GET-035"])
def ends_all_subscriptions_of_a_tenant(publisher: ReferencePublisher) -> None:
    """Accounts are found by tenant, so that one cancellation ends the tenant's other subscriptions as well."""
    notice = publisher.webhook.handlers["Unsubscribe"]

    async def end_all(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        verdict = await notice(event, operation, subscription)
        ended = publisher.accounts.get(event.subscription_id)
        for account in publisher.accounts.all():
            if ended is not None and account.tenant_id == ended.tenant_id:
                publisher.accounts.save(dataclasses.replace(account, status=ended.status))
        return verdict

    publisher.webhook.handlers["Unsubscribe"] = end_all


@defect("never-reconciles", breaks=["GET-034"])
def never_reconciles(publisher: ReferencePublisher) -> None:
    """The list is read, and what it shows is not compared with the accounts."""
    replace(publisher.follower, "differs", lambda _listed: False)


@defect("reconciles-offers-of-others", breaks=["LST-019"])
def reconciles_offers_of_others(publisher: ReferencePublisher) -> None:
    """Reconciliation opens accounts for subscriptions of the publisher's other applications."""
    replace(publisher.follower, "ours", lambda _subscription: True)


def _afterwards(publisher: ReferencePublisher, action: str, change: Callable[[Account], Account]) -> None:
    """Let an event that was taken leave the account as something else, for good."""
    handler = publisher.webhook.handlers[action]

    async def handle(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        verdict = await handler(event, operation, subscription)

        def leave() -> None:
            account = publisher.accounts.get(event.subscription_id)
            if account is not None:
                publisher.accounts.save(change(account))

        async def finish() -> None:
            if verdict.then is not None:
                await verdict.then()
            leave()

        if verdict.status != 200:
            return verdict
        leave()
        return dataclasses.replace(verdict, then=finish)

    publisher.webhook.handlers[action] = handle


def _one_seat(account: Account) -> Account:
    return account if account.quantity is None else dataclasses.replace(account, quantity=1)


@defect("forgets-the-seats-while-suspended", breaks=["EVT-028"])
def forgets_the_seats_while_suspended(publisher: ReferencePublisher) -> None:
    """After Suspend and Reinstate the customer has one seat."""
    _afterwards(publisher, "Reinstate", _one_seat)


@defect("gives-one-seat-at-renew", breaks=["EVT-023", "REG-018", "WHK-003"])
def gives_one_seat_at_renew(publisher: ReferencePublisher) -> None:
    """A new term begins with one seat, whatever was bought."""
    _afterwards(publisher, "Renew", _one_seat)


@defect("suspends-once", breaks=["EVT-027"])
def suspends_once(publisher: ReferencePublisher) -> None:
    """A customer who was suspended before is not suspended again: the event is taken for a repeated one."""
    take = publisher.webhook.take
    seen: set[str] = set()

    async def take_one(event: Event) -> Verdict:
        if event.action == "Suspend" and event.subscription_id in seen:
            return DONE
        verdict = await take(event)
        if event.action == "Suspend" and verdict.status == 200:
            seen.add(event.subscription_id)
        return verdict

    replace(publisher.webhook, "take", take_one)


@defect("cancels-what-is-suspended", breaks=["EVT-028", "TST-003"])
def cancels_what_is_suspended(publisher: ReferencePublisher) -> None:
    """A subscription whose payment is missing is cancelled at the marketplace at once."""
    suspend = publisher.webhook.handlers["Suspend"]

    async def cancel(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        verdict = await suspend(event, operation, subscription)
        if subscription.status is not Status.SUSPENDED:
            return verdict
        return dataclasses.replace(verdict, then=functools.partial(publisher.changes.cancel, event.subscription_id))

    publisher.webhook.handlers["Suspend"] = cancel


@defect("suspends-all-of-a-name", breaks=["GET-035"])
def suspends_all_of_a_name(publisher: ReferencePublisher) -> None:
    """Accounts are found by the subscription's name, so that one missing payment suspends others as well."""
    suspend = publisher.webhook.handlers["Suspend"]

    async def suspend_all(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        verdict = await suspend(event, operation, subscription)
        for account in publisher.accounts.all():
            if subscription.status is Status.SUSPENDED and account.name == subscription.name and account.access:
                publisher.accounts.save(dataclasses.replace(account, status=Status.SUSPENDED))
        return verdict

    publisher.webhook.handlers["Suspend"] = suspend_all


@defect("renews-what-is-suspended", breaks=["LCY-026", "WHK-034"])
def renews_what_is_suspended(publisher: ReferencePublisher) -> None:
    """A Renew that comes after a Suspend gives access again."""
    _given_access(publisher, "Renew", Status.SUSPENDED)


@defect("changes-the-plan-of-what-is-suspended", breaks=["LCY-026", "WHK-034"])
def changes_the_plan_of_what_is_suspended(publisher: ReferencePublisher) -> None:
    """A ChangePlan that comes after a Suspend gives access again."""
    _given_access(publisher, "ChangePlan", Status.SUSPENDED)


@defect("reinstates-what-was-cancelled", breaks=["LCY-026", "WHK-034"])
def reinstates_what_was_cancelled(publisher: ReferencePublisher) -> None:
    """A late Reinstate brings a cancelled account back to life."""
    _given_access(publisher, "Reinstate", Status.UNSUBSCRIBED)


@defect("sells-seats-of-what-was-cancelled", breaks=["LCY-026", "WHK-034"])
def sells_seats_of_what_was_cancelled(publisher: ReferencePublisher) -> None:
    """A late ChangeQuantity brings a cancelled account back to life."""
    _given_access(publisher, "ChangeQuantity", Status.UNSUBSCRIBED)


def _given_access(publisher: ReferencePublisher, action: str, status: Status) -> None:
    """Let an event give access to an account in some state, whatever Get Subscription says."""
    handler = publisher.webhook.handlers[action]

    async def handle(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        account = publisher.accounts.get(event.subscription_id)
        if account is None or account.status is not status:
            return await handler(event, operation, subscription)
        publisher.accounts.save(dataclasses.replace(account, status=Status.SUBSCRIBED))
        return DONE

    publisher.webhook.handlers[action] = handle


@defect("reports-subscribe", breaks=["OPP-016"])
def reports_subscribe(publisher: ReferencePublisher) -> None:
    """Subscribe is reported as carried out, though nothing waits for that."""
    _reported(publisher, "Subscribe")


@defect("sets-one-seat-up", breaks=["AAC-008", "EVT-037"])
def sets_one_seat_up(publisher: ReferencePublisher) -> None:
    """An automatically activated purchase gets one seat, whatever was bought."""
    _afterwards(publisher, "Subscribe", _one_seat)


@defect("sets-up-for-nobody", breaks=["AAC-008", "EVT-037"])
def sets_up_for_nobody(publisher: ReferencePublisher) -> None:
    """An automatically activated purchase gets an account that belongs to no tenant, so that nobody can use it."""
    _afterwards(
        publisher, "Subscribe", lambda account: dataclasses.replace(account, tenant_id="", purchaser_tenant_id="")
    )


@defect("fails-on-renewals-of-unknown-subscriptions", breaks=["WHK-035"])
def fails_on_renewals_of_unknown_subscriptions(publisher: ReferencePublisher) -> None:
    """A Renew for a subscription without account is answered 500."""
    take = publisher.webhook.take

    async def take_known(event: Event) -> Verdict:
        unknown = publisher.accounts.get(event.subscription_id) is None
        return _FAILED if event.action == "Renew" and unknown else await take(event)

    replace(publisher.webhook, "take", take_known)
