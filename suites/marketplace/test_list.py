"""List: every subscription of a publisher, page by page (catalogue theme LST)."""

import uuid
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.backend.judgements import UNUSABLE_TOKENS
from fulfillment_conformance.dates import day_of
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.marks import requirement

PAGE = 100
COUNTS = [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + PAGE // 2]
MAY_BE_MISSING = {"created", "lastModified"}
"""Fields that the list may leave out, because its sample does."""


NOT_COMPARED = MAY_BE_MISSING | {"id", "saasSubscriptionStatus"}
"""Fields by which an entry is found, or which the list may be slow to follow (LST-003)."""


@dataclass(frozen=True)
class Walk:
    """A list that ought to hold the ids in `bought`: its pages, along @nextLink to where it ends.

    `by_token` has every page but the first once more, asked for by the continuation token in the link to it; `shown`
    what Get subscription shows of the last entry of each page. With the first such token, `anonymous` was asked for
    without an access token and `foreign`, where there is one, by another publisher.
    """

    bought: list[str]
    pages: list[Answer]
    by_token: list[Answer]
    shown: dict[str, Answer]
    anonymous: Answer | None
    foreign: Answer | None

    @property
    def ids(self):
        """The listed ids in their order."""
        return [entry["id"].key for page in self.pages for entry in page.entries]

    @property
    def sizes(self):
        """The number of entries on each page, as far as pages are needed to show everything."""
        sizes = []
        for page in self.pages:
            sizes.append(len(page.entries))
            if sum(sizes) >= len(self.bought):
                break
        return sizes


@pytest.fixture(scope="module", autouse=True)
def fresh_list(marketplace_under_test):
    """Begin with an empty list where that can be had, so that only the tests about pages need more than one."""
    situations = marketplace_under_test.situations
    if situations.has("reset"):
        situations.driver.reset()


@pytest.fixture(scope="module")
def walks(marketplace_under_test):
    """Return a walk through the list at each length in `COUNTS`, taken while it grew."""
    situations, client = marketplace_under_test.situations, marketplace_under_test.client
    situations.needs("reset", "purchases")
    others = situations.has("access-tokens") and situations.has("foreign-publisher")
    situations.driver.reset()
    bought, taken = [], {}
    for count in COUNTS:
        bought += [situations.buy(None).id for _ in range(count - len(bought))]
        pages = _pages(client)
        tokens = [token for page in pages if (token := _continuation_token(page))]
        stranger = marketplace_under_test.as_publisher("foreign-publisher") if tokens and others else None
        taken[count] = Walk(
            list(bought),
            pages,
            [client.list_subscriptions(continuation=token) for token in tokens],
            {
                id_: client.get_subscription(id_)
                for page in pages
                for entry in page.entries[-1:]
                if (id_ := _id_of(entry))
            },
            client.list_subscriptions(continuation=tokens[0], token=None) if tokens else None,
            stranger.list_subscriptions(continuation=tokens[0]) if stranger else None,
        )
    situations.driver.reset()
    return taken


@pytest.fixture
def walk(walks, request):
    """Return the walk through a list of the length that the test is parametrized with."""
    return walks[request.param]


whatever_its_length = pytest.mark.parametrize("walk", COUNTS, indirect=True)
with_several_pages = pytest.mark.parametrize("walk", [count for count in COUNTS if count > PAGE], indirect=True)


@requirement("LST-001")
@pytest.mark.usefixtures("purchase")
def test_the_list_is_an_object_with_an_array(marketplace, check):
    """List answers 200 with the array subscriptions, which holds a purchase that was just made."""
    listed = marketplace.list_subscriptions()

    check("LST-001").status(listed, 200)
    check("LST-001").is_a(listed["subscriptions"], list, meaning="an array")
    check("LST-001").that(
        len(listed["subscriptions"]) > 0, expected="an entry", actual="none", rests_on=[listed["subscriptions"]]
    )


@requirement("LST-002")
def test_the_list_spans_all_offers(marketplace, situations, check):
    """A subscription of each offer of the publisher is listed."""
    plans = {offer.offer_id: (offer, plan) for offer, plan in situations.plans()}
    if len(plans) < 2:
        check("LST-002").untestable("the publisher has one offer only; sell a second one")
        return
    bought = [situations.buy(plan=plan) for plan in plans.values()]
    listed = _by_id(_pages(marketplace))

    for purchase in bought:
        _is_listed(check("LST-002"), listed, purchase, f"a subscription of offer {purchase.offer.offer_id}")


@requirement("LST-002")
def test_the_list_holds_what_was_bought_in_whatever_way(marketplace, situations, check):
    """Every plan on sale, private and activated by itself included, and what a reseller bought."""
    with situations.further():
        bought = {f"plan {plan.plan_id}": situations.buy(plan=(offer, plan)) for offer, plan in situations.plans()}
        for offer in situations.offers:
            for plan in offer.plans:
                if plan.auto_activate and situations.has("auto-activate") and not plan.is_private:
                    bought[f"plan {plan.plan_id}"] = situations.buy(plan=(offer, plan))
                elif plan.is_private and plan.audience and not plan.is_stop_sell and situations.has("private-plans"):
                    insider = _user_of(plan.audience[0])
                    bought[f"plan {plan.plan_id}"] = situations.buy(plan=(offer, plan), beneficiary=insider)
        if situations.has("csp"):
            bought["a reseller's purchase"] = situations.buy(None, channel="csp")
        listed = _by_id(_pages(marketplace))

        for what, purchase in bought.items():
            _is_listed(check("LST-002"), listed, purchase, what)


@requirement("LST-003")
def test_the_list_holds_subscriptions_in_every_status(marketplace, situations, check):
    """Pending, active, suspended and cancelled subscriptions are listed, each under its status."""
    arranged = {
        "PendingFulfillmentStart": situations.buy(),
        "Subscribed": situations.subscribed(),
        "Suspended": situations.suspended(),
        "Unsubscribed": situations.unsubscribed(),
    }
    listed = _by_id(_pages(marketplace))

    for status, purchase in arranged.items():
        if _is_listed(check("LST-003"), listed, purchase, f"a {status} subscription"):
            check("LST-003").equals(listed[purchase.id]["saasSubscriptionStatus"], status)


@requirement("LST-003")
@pytest.mark.parametrize("status", ["Subscribed", "Suspended", "Unsubscribed"])
def test_the_list_holds_every_kind_of_plan_in_every_status(marketplace, situations, check, status):
    """What is listed as a purchase, with seats or without, is listed in every state."""
    with situations.further():
        situations.needs("purchases", "events")
        for purchase in situations.of_each_kind(situations.buy):
            if purchase.id not in _by_id(_pages(marketplace)):
                raise Precondition(f"a purchase of {purchase.plan} is not listed at all (LST-002)")
            situations.bring_to(purchase, status)
            listed = _by_id(_pages(marketplace))
            if _is_listed(check("LST-003"), listed, purchase, f"a {status} subscription to {purchase.plan}"):
                check("LST-003").equals(listed[purchase.id]["saasSubscriptionStatus"], status)


@requirement("LST-004")
def test_a_cancelled_subscription_stays_in_the_list(marketplace, situations, check):
    """What was listed before its cancellation is listed after it, as Unsubscribed."""
    cancelled = situations.unsubscribed()
    listed = _by_id(_pages(marketplace))

    if _is_listed(check("LST-004"), listed, cancelled, "a cancelled subscription"):
        check("LST-004").equals(listed[cancelled.id]["saasSubscriptionStatus"], "Unsubscribed")


@requirement("LST-004")
def test_whatever_was_cancelled_stays_in_the_list_for_long(marketplace, situations, check):
    """With seats or without, active before or never, it is listed at once and, where time can pass, months later."""
    with situations.further():
        situations.needs("purchases", "events")
        cancelled = [*situations.of_each_kind(situations.buy), situations.buy()]
        bought = _by_id(_pages(marketplace))
        if any(purchase.id not in bought for purchase in cancelled):
            raise Precondition("a purchase is not listed at all (LST-002)")
        for purchase in cancelled[:-1]:
            situations.activate(purchase)
        for purchase in cancelled:
            situations.unsubscribe(purchase)
        for months_later in (False, True)[: 1 + situations.has("clock")]:
            if months_later:
                situations.pass_time(days=100)
            listed = _by_id(_pages(marketplace))
            for purchase in cancelled:
                what = f"a subscription to {purchase.plan}, cancelled {'months ago' if months_later else 'just now'},"
                _is_listed(check("LST-004"), listed, purchase, what)


@requirement("LST-005")
@whatever_its_length
def test_a_page_holds_a_hundred_entries(walk, check):
    """The first page has all entries or 100, every other one but the last 100, the last one no more than that."""
    first, *_ = walk.sizes
    wanted = min(len(walk.bought), PAGE)
    leads_on = first < wanted and walk.pages[0].next_link is not None

    check("LST-005").that(
        first == wanted and set(walk.sizes[:-1]) <= {PAGE} and walk.sizes[-1] <= PAGE,
        expected=f"{len(walk.bought)} subscriptions on pages of {PAGE}",
        actual=f"pages of {walk.sizes}",
        rests_on=walk.pages,
        observed="fewer than 100 entries" if leads_on else None,
    )


@requirement("LST-006")
@with_several_pages
def test_a_page_with_more_behind_it_has_a_link(walk, check):
    """Where more subscriptions exist than have been shown, @nextLink is an absolute URL with a continuation token."""
    for page in walk.pages[: len(walk.sizes) - 1] or walk.pages[:1]:
        link = _parts(page.next_link)
        check("LST-006").that(
            link.scheme in {"http", "https"}
            and bool(link.hostname)
            and parse_qs(link.query).get("api-version") == ["2018-08-31"]
            and _continuation_token(page) is not None,
            expected="@nextLink an absolute URL with continuationToken and api-version=2018-08-31",
            actual=page["@nextLink"].value,
            rests_on=[page],
        )


@requirement("LST-007")
@whatever_its_length
def test_the_last_page_has_no_link(walk, check):
    """The walk comes to a page whose @nextLink is empty, null or absent."""
    if not walk.pages[-1].is_success:
        check("LST-007").undecided("the last page cannot be reached (LST-008, LST-011)", rests_on=walk.pages[-1:])
        return

    check("LST-007").absent_or(walk.pages[-1]["@nextLink"], [None, ""])


@requirement("LST-008")
@with_several_pages
def test_the_link_can_be_requested_as_it_is(walk, check):
    """GET of @nextLink, byte for byte, answers 200 with entries that the pages before had not."""
    if walk.pages[0].next_link is None:
        check("LST-008").undecided("there is no link to follow (LST-006)", rests_on=walk.pages[:1])
        return
    known = {entry["id"].key for entry in walk.pages[0].entries}

    for page, followed in pairwise(walk.pages[: len(walk.sizes)]):
        new = [entry for entry in followed.entries if entry["id"].key not in known]
        known.update(entry["id"].key for entry in followed.entries)
        check("LST-008").equals(page.next_link, followed.exchange.url)
        check("LST-008").status(followed, 200)
        check("LST-008").that(
            bool(new),
            expected="further entries",
            actual=f"{len(followed.entries)} entries, none new",
            rests_on=[followed],
        )


@requirement("LST-009")
@with_several_pages
def test_the_continuation_token_can_be_passed_on_its_own(walk, check):
    """The token out of @nextLink, decoded and sent as continuationToken, gives the page that the link gives."""
    if not walk.by_token:
        check("LST-009").undecided("@nextLink has no continuation token (LST-006)", rests_on=walk.pages[:1])
        return

    for page, by_token in zip(walk.pages[1:], walk.by_token, strict=False):
        check("LST-009").status(by_token, 200)
        if not page.is_success:
            check("LST-009").undecided("the link itself leads to no page (LST-008)", rests_on=[page])
            return
        check("LST-009").equals(by_token["subscriptions"], page["subscriptions"])


@requirement("LST-010")
@pytest.mark.usefixtures("purchase")
def test_the_first_page_needs_no_continuation_token(marketplace, check):
    """Without continuationToken and with an empty one the first page is the same."""
    without, empty = marketplace.list_subscriptions(), marketplace.list_subscriptions(continuation="")

    check("LST-010").status(without, 200)
    check("LST-010").status(empty, 200)
    check("LST-010").equals(empty["subscriptions"], without["subscriptions"])


@requirement("LST-011")
@pytest.mark.parametrize("walk", [0], indirect=True)
def test_a_publisher_without_subscriptions_gets_an_empty_list(walk, check):
    """The answer is 200 without a body, with an empty object, or with an empty array."""
    [answer] = walk.pages[:1]
    readings = {
        "zero bytes": not answer.exchange.response_body.strip(),
        "an empty object": answer.body.value == {},
        "an empty array": answer["subscriptions"].value == [],
    }
    found = [reading for reading, holds in readings.items() if holds]

    check("LST-011").status(answer, 200)
    check("LST-011").that(
        bool(found),
        expected="an empty body, or one that lists nothing",
        actual=found[0] if found else answer.text[:200],
        rests_on=[answer],
        notes=found,
    )


@requirement("LST-012")
@pytest.mark.parametrize("fault", UNUSABLE_TOKENS)
def test_without_a_usable_access_token_nothing_is_listed(marketplace, credentials, check, fault):
    """No usable access token: 401 or 403."""
    refused = marketplace.list_subscriptions(**credentials(fault))

    check("LST-012").refused(refused, with_status=(401, 403), while_twin=marketplace.list_subscriptions())


@requirement("LST-012")
@with_several_pages
def test_a_continuation_token_is_no_access_token(walk, check):
    """The second page is refused like the first to who has no access token, whatever token it is asked for with."""
    if walk.anonymous is None:
        check("LST-012").undecided("@nextLink has no continuation token (LST-006)", rests_on=walk.pages[:1])
        return

    check("LST-012").refused(walk.anonymous, with_status=(401, 403), while_twin=walk.by_token[0])


@requirement("AUT-025")
@with_several_pages
def test_a_continuation_token_opens_no_list_of_others(walk, check):
    """Asked for with another publisher's access token, it shows none of the subscriptions that it stands for."""
    if walk.foreign is None:
        check("AUT-025").not_applicable("there is no continuation token, or no other publisher to use it")
        return
    strayed = {entry["id"].key for entry in walk.foreign.entries} & set(walk.bought)

    check("AUT-025").that(
        not strayed,
        expected="a refusal, or a list without them",
        actual=f"{walk.foreign.status_code} with {len(strayed)} subscriptions of who was given the continuation token",
        rests_on=[walk.foreign, walk.by_token[0]],
    )


@requirement("LST-014")
@whatever_its_length
def test_following_the_links_visits_each_subscription_once(walk, check):
    """All pages together hold every id that was bought, none of them twice, and no other."""
    repeated = len(walk.ids) - len(set(walk.ids))
    missing = set(walk.bought) - set(walk.ids)

    check("LST-014").that(
        sorted(map(str, walk.ids)) == sorted(walk.bought),
        expected=f"the {len(walk.bought)} ids that were bought, once each",
        actual=f"{len(walk.ids)} entries on {len(walk.pages)} pages, {repeated} repeated, {len(missing)} missing",
        rests_on=walk.pages,
    )


@requirement("LST-017")
@pytest.mark.parametrize("kind", ["flat", "per-seat"])
@pytest.mark.parametrize("status", ["PendingFulfillmentStart", "Subscribed", "Suspended", "Unsubscribed"])
def test_an_entry_has_the_fields_that_get_shows(marketplace, situations, check, kind, status):
    """In every status, the entry has the fields of Get subscription; created and lastModified may be missing."""
    purchase = situations.in_status(status, kind)
    listed, got = _by_id(_pages(marketplace)), marketplace.get_subscription(purchase.id)
    if purchase.id not in listed:
        check("LST-017").undecided("it is not listed (LST-003, LST-014)", rests_on=[got])
        return

    _shows_what_get_shows(check("LST-017"), listed[purchase.id], got)


@requirement("LST-017")
def test_an_entry_of_a_resellers_customer_has_the_values_that_get_shows(marketplace, situations, check):
    """Who bought and for whom, and what the customer may do, are the same in the list."""
    with situations.further():
        situations.needs("csp")
        purchase = situations.buy(None, channel="csp")
        entry, got = _by_id(_pages(marketplace)).get(purchase.id), marketplace.get_subscription(purchase.id)
        if entry is None:
            check("LST-017").undecided("it is not listed (LST-002, LST-014)", rests_on=[got])
            return

        _shows_what_get_shows(check("LST-017"), entry, got)


@requirement("LST-017")
@whatever_its_length
def test_no_page_has_other_entries_than_the_first(walk, check):
    """The last entry of each page has the fields and values that Get subscription shows."""
    if not walk.shown:
        check("LST-017").not_applicable("nothing is listed")
    for page in walk.pages:
        for entry in page.entries[-1:]:
            got = walk.shown.get(_id_of(entry))
            if got is None:
                check("LST-017").undecided("the entry has no id (GET-007)", rests_on=[page])
                continue
            _shows_what_get_shows(check("LST-017"), entry, got)


@requirement("LST-017")
def test_an_entry_shows_a_change_of_seats_as_get_does(marketplace, situations, check):
    """After a change of seats the entry names as many as Get subscription, ten minutes later at the latest."""
    with situations.further():
        subscribed = situations.subscribed("per-seat")
        situations.change_quantity(subscribed, situations.other_quantity(subscribed))
        if situations.has("clock"):
            situations.pass_time(minutes=10)
        got, entry = marketplace.get_subscription(subscribed.id), _by_id(_pages(marketplace)).get(subscribed.id)
        if entry is None or not got.is_success:
            check("LST-017").undecided("it is not listed, or not to be had (LST-003, LST-014, GET-001)", rests_on=[got])
            return

        check("LST-017").equals(entry["quantity"], got["quantity"])


@requirement("LST-017")
def test_an_entry_shows_a_change_as_get_does(marketplace, situations, subscribed, check):
    """After a change of plan the entry names the same plan as Get subscription, ten minutes later at the latest."""
    target = situations.other_plan(subscribed).plan_id
    situations.change_plan(subscribed, target)
    got = marketplace.get_subscription(subscribed.id)
    entry = _by_id(_pages(marketplace)).get(subscribed.id)
    if entry is not None and entry["planId"].value != got.plan.value and situations.has("clock"):
        situations.pass_time(minutes=10)
        got = marketplace.get_subscription(subscribed.id)
        entry = _by_id(_pages(marketplace)).get(subscribed.id)
    if entry is None or not got.is_success:
        check("LST-017").undecided("it is not listed, or not to be had (LST-003, LST-014, GET-001)", rests_on=[got])
        return

    check("LST-017").equals(entry["planId"], got["planId"])


@requirement("LST-018")
@pytest.mark.usefixtures("purchase")
def test_an_invented_continuation_token_breaks_nothing(marketplace, check):
    """It is answered with 4xx or with the first page; nothing is written about it."""
    answer = marketplace.list_subscriptions(continuation="no-continuation-token-of-yours")
    first = marketplace.list_subscriptions()

    check("LST-018").that(
        answer.is_client_error or (answer.is_success and answer.body.value == first.body.value),
        expected="4xx, or the first page",
        actual=answer.status_code or answer.error,
        rests_on=[answer, first],
    )


def _pages(client):
    """Follow @nextLink from the first page; a list that never ends is given up after more pages than can be needed."""
    pages = [client.list_subscriptions()]
    while pages[-1].next_link and len(pages) < 2 * max(COUNTS) // PAGE + 10:
        link = pages[-1].next_link
        if not _parts(link).scheme:  # a fault, and not one that should hide the pages behind it
            link = _parts(pages[-1].exchange.url)._replace(path="", query="").geturl() + link
        pages.append(client.follow(link, "next page"))
    return pages


def _parts(link):
    """Return the parts of a link, all empty if it cannot be read."""
    try:
        return urlsplit(link or "")
    except ValueError:
        return urlsplit("")


def _continuation_token(page):
    """Return the decoded token in a page's @nextLink, or None."""
    return next(iter(parse_qs(_parts(page.next_link).query).get("continuationToken", [])), None)


def _by_id(pages):
    return {entry["id"].key: entry for page in reversed(pages) for entry in page.entries}


def _is_listed(check, listed, purchase, what):
    return check.that(
        purchase.id in listed,
        expected=f"{what} in the list",
        actual="listed" if purchase.id in listed else f"not among the {len(listed)} listed",
        rests_on=list(listed.values())[:1],
    )


def _id_of(entry):
    """Return the id of an entry, or nothing if it has none that can be asked for."""
    value = entry["id"].value
    return value if isinstance(value, str) else ""


def _shows_what_get_shows(check, entry, got):
    """Check that an entry has the fields of Get subscription, and their values.

    Days may be written with a time of day or without.
    """
    differing = {
        f"{place}{name}"
        for place, left, right in (("", entry, got.body), ("term.", entry["term"], got["term"]))
        for name in _names(left) ^ _names(right)
    }
    check.that(
        got.is_success and not differing - MAY_BE_MISSING,
        expected="the same fields in list and get",
        actual=f"in one of them only: {', '.join(sorted(differing)) or 'none'}",
        rests_on=[entry, got],
    )
    for name in sorted(_names(entry) & _names(got.body) - NOT_COMPARED):
        if name == "term":
            for part in sorted(_names(entry["term"]) & _names(got["term"])):
                listed, shown = entry["term"][part], got["term"][part]
                same_day = day_of(shown.value) is not None and day_of(listed.value) == day_of(shown.value)
                check.that(
                    same_day or listed.value == shown.value,
                    expected=f"{listed.name} as Get subscription shows it, {shown.value!r}",
                    actual=repr(listed.value),
                    rests_on=[listed, shown],
                )
        else:
            check.equals(entry[name], got[name])


def _user_of(tenant_id):
    user = str(uuid.UUID(int=0xB0B))
    return {"emailId": "buyer@contoso.example", "objectId": user, "tenantId": tenant_id, "puid": None}


def _names(reading):
    return set(reading.value) if isinstance(reading.value, dict) else set()
