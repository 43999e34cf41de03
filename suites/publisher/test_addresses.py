"""The two addresses registered with the offer: what stands in them, how they are served (REG; H01, H02, H05)."""

from urllib.parse import urlsplit

import pytest

from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.tls import outdated, shake_hands

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@pytest.fixture
def addresses(publisher):
    """The landing page and the connection webhook, by name."""
    return {"landing page": publisher.service.landing_page, "webhook": publisher.service.webhook}


@requirement("REG-005")
def test_the_landing_page_address_has_no_fragment(publisher, purchase, check):
    """No # in it; and it is the landing page's address: it resolves the token."""
    purchase.visit()
    purchase.complete()

    # Behind a # no token comes through, so that nothing could show that it is a landing page.
    if not purchase.resolves and "#" not in publisher.service.landing_page:
        check("REG-005").undecided("nothing shows that it is a landing page: no resolve call")
        return
    check("REG-005").that(
        "#" not in publisher.service.landing_page,
        expected="a landing page address without #",
        actual="#" if "#" in publisher.service.landing_page else "none",
        rests_on=purchase.resolves,
    )


@requirement("REG-014", "REG-021")
def test_both_addresses_are_served_by_https(publisher, addresses, check):
    """TLS 1.2 or newer, a certificate that is trusted and names the host; older versions are refused."""
    for name, address in addresses.items():
        parts = urlsplit(address)
        if parts.scheme == "http":
            check("REG-021").not_applicable(f"the {name} is plain HTTP, as in a test bed")
            if parts.hostname in LOOPBACK:
                check("REG-014").untestable(f"the {name} is an address of this machine; run against the public one")
            else:
                check("REG-014").that(False, expected=f"{name}: https", actual="http")
            continue
        now = shake_hands(address, publisher.trust())
        check("REG-014").that(
            now.version is not None,
            expected=f"{name}: https with a trusted certificate for {parts.hostname}",
            actual=now.version or now.problem,
        )
        if (context := outdated()) is None:
            check("REG-021").untestable("the suite's own machine cannot speak TLS 1.0 and 1.1 any more")
            continue
        before = shake_hands(address, context)
        check("REG-021").that(
            now.version in {"TLSv1.2", "TLSv1.3"} and before.version is None,
            expected=f"{name}: TLS 1.2 or newer, no older one",
            actual=f"{now.version or now.problem}; asked for an older one: {before.version or 'refused'}",
        )


@requirement("WHK-004")
def test_the_webhook_is_no_detour(publisher, subscribed, check):
    """A genuine call is answered where it was sent: no redirect to https, to a slash at the end or to a login page."""
    announcement = subscribed.an_event()
    answer = publisher.receives(announcement)
    subscribed.settles(announcement)
    if answer.status_code is None or not (answer.is_success or 300 <= answer.status_code < 400):
        check("WHK-004").undecided("the genuine call was not taken", rests_on=[answer])
        return
    check("WHK-004").that(
        answer.is_success,
        expected="2xx, no redirect",
        actual=f"{answer.status_code} to {answer.header('location').value}",
        rests_on=[answer],
    )


@requirement("WHK-014", "LND-001", "LND-027")
def test_both_addresses_are_ready_before_publishing(stage, publisher, subscribed, purchase, check):
    """Unsigned POST: refused. GET of the webhook: no server error. Landing page with and without token: a page."""
    announcement = subscribed.an_event()
    unsigned = publisher.receives(announcement, authorization=())
    looked = publisher.receives(announcement, method="GET")
    without = stage.new_buyer().open(publisher.service.landing_page, "landing page without token")
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)
    opened = purchase.visit().way[0]
    purchase.complete()

    check("WHK-014").turned_away(unsigned, while_twin=twin)
    for each, first in ((check("LND-001"), opened), (check("LND-027"), without.answer.exchange)):
        if not purchase.resolves:
            each.undecided("nothing shows that it is a landing page: no resolve call", rests_on=[first])
        elif first is not opened and without.elsewhere:
            each.undecided(without.elsewhere, rests_on=[first])
        else:
            each.that(
                first.status is not None and first.status < 500,
                expected="a page below 500",
                actual=first.status or first.error,
                rests_on=[first, looked],
                notes=[f"GET of the webhook: {looked.status_code}"] if looked.is_server_error else [],
            )
