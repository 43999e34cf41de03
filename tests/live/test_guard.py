import json
import string

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fulfillment_conformance.live.guard import NO_TOKEN, Allowance, Forbidden, Guard
from fulfillment_conformance.live.section import PERMISSIONS, ListedSubscription, Permission

BASE = "https://marketplaceapi.microsoft.com/api"
LOGIN = "https://login.microsoftonline.com"
TENANT = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
READ_ONLY = "2b1c9f04-7a53-4d18-9e6f-c0a4d8b35e71"
EVERYTHING = "6e0d7a38-1f4b-4c92-8b57-d93e5a20f8c4"
ELSEWHERE = "9a5e08d3-b714-4c60-92fb-6e1d3c7a4805"
TOKEN = "T25seS1mb3ItdGVzdHM/K2NhbmFyeStwdXJjaGFzZS90b2tlbj09"
OWN_OPERATION = "own-operation"


def entry(identity: str, *may: Permission) -> ListedSubscription:
    return ListedSubscription(id=identity, offer="o-preview", plan="silver", may=may)


GUARD = Guard(
    Allowance(
        base_url=BASE,
        authority=LOGIN,
        tenant_id=TENANT,
        subscriptions={READ_ONLY: entry(READ_ONLY, "read"), EVERYTHING: entry(EVERYTHING, *PERMISSIONS)},
        tokens={TOKEN: EVERYTHING},
    ),
    own_operation=lambda subscription, operation: (subscription, operation) == (EVERYTHING, OWN_OPERATION),
)


def url(path: str) -> str:
    return f"{BASE}/saas/subscriptions{path}?api-version=2018-08-31"


def body(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "", "list"),
        ("GET", f"/{READ_ONLY}", "read"),
        ("GET", f"/{READ_ONLY.upper()}", "read"),
        ("GET", f"/{READ_ONLY}/listAvailablePlans", "read"),
        ("GET", f"/{READ_ONLY}/operations", "read"),
        ("GET", f"/{READ_ONLY}/operations/org:1,2", "read"),
        ("POST", f"/{EVERYTHING}/activate", "activate"),
        ("DELETE", f"/{EVERYTHING}", "cancel"),
        ("PATCH", f"/{EVERYTHING}/operations/{OWN_OPERATION}", "settle"),
    ],
)
def test_what_the_file_allows_may_be_sent(method: str, path: str, kind: str) -> None:
    passage = GUARD.judge(method, url(path), [], body(status="Success"))

    assert passage.kind == kind
    assert passage.alters == (kind in {"activate", "cancel", "settle"})


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (body(planId="gold"), {"planId": "gold"}),
        (body(quantity=5), {"quantity": 5}),
        (body(PLANID="gold"), {"planId": "gold"}),
        (body(planId="gold", quantity=5), {"planId": "gold", "quantity": 5}),
        (b'{"planId": "gold", "planid": "silver"}', {"planId": None}),
        (body(), {"planId": None, "quantity": None}),
        (b"[1]", {"planId": None, "quantity": None}),
        (b"{not json", {"planId": None, "quantity": None}),
        (b"[" * 100_000, {"planId": None, "quantity": None}),
    ],
)
def test_a_change_is_what_its_body_says_or_might_be_taken_for(sent: bytes, wanted: dict[str, object]) -> None:
    assert GUARD.judge("PATCH", url(f"/{EVERYTHING}"), [], sent).wanted == wanted


@pytest.mark.parametrize(
    ("may", "sent", "lacks"),
    [
        (["change-plan"], body(quantity=5), "change-quantity"),
        (["change-quantity"], body(planId="gold"), "change-plan"),
        (["change-plan"], body(planId="gold", quantity=5), "change-quantity"),
        (["change-plan"], b"{not json", "change-quantity"),
        ([], body(planId="gold"), "change-plan"),
    ],
)
def test_each_change_needs_its_own_permission(may: list[Permission], sent: bytes, lacks: str) -> None:
    allowance = Allowance(
        base_url=BASE, authority=LOGIN, tenant_id=TENANT, subscriptions={READ_ONLY: entry(READ_ONLY, "read", *may)}
    )
    with pytest.raises(Forbidden, match=lacks) as refused:
        Guard(allowance).judge("PATCH", url(f"/{READ_ONLY}"), [], sent)

    assert refused.value.capability == lacks
    assert READ_ONLY in str(refused.value)


@pytest.mark.parametrize(
    ("method", "path", "capability"),
    [
        ("DELETE", f"/{READ_ONLY}", "cancel"),
        ("POST", f"/{READ_ONLY}/activate", "activate"),
        ("PATCH", f"/{READ_ONLY}", "change-plan"),
        ("PATCH", f"/{EVERYTHING}/operations/somebody-elses", "change-plan"),
        ("GET", f"/{ELSEWHERE}", "read"),
        ("PATCH", f"/{ELSEWHERE}", "read"),
        ("DELETE", f"/{ELSEWHERE}", "read"),
        ("GET", f"/{READ_ONLY}/%6fperations", "read"),
        ("GET", f"/{READ_ONLY}/../{ELSEWHERE}", "read"),
        ("GET", f"/{READ_ONLY}/", "read"),
        ("GET", "/preflight", "read"),
        ("PUT", f"/{EVERYTHING}", "read"),
        ("delete", f"/{EVERYTHING}", "read"),
        ("POST", f"/{EVERYTHING}", "read"),
        ("POST", "", "read"),
    ],
)
def test_everything_else_is_refused_by_the_name_of_what_it_lacks(method: str, path: str, capability: str) -> None:
    with pytest.raises(Forbidden) as refused:
        GUARD.judge(method, url(path), [], body(planId="gold"))

    assert refused.value.capability == capability


@pytest.mark.parametrize(
    "address",
    [
        f"https://evil.example/api/saas/subscriptions/{READ_ONLY}",
        f"http://marketplaceapi.microsoft.com/api/saas/subscriptions/{READ_ONLY}",
        f"https://marketplaceapi.microsoft.com:8443/api/saas/subscriptions/{READ_ONLY}",
        f"https://marketplaceapi.microsoft.com@evil.example/api/saas/subscriptions/{READ_ONLY}",
        f"https://user:pass@marketplaceapi.microsoft.com/api/saas/subscriptions/{READ_ONLY}",
        f"https://marketplaceapi.microsoft.com\\@evil.example/api/saas/subscriptions/{READ_ONLY}",
        f"https://marketplaceapi.microsoft.com/api/saas/subscriptions/{READ_ONLY}\r\nx: y",
        f"https://marketplaceapi.microsoft.com/other/saas/subscriptions/{READ_ONLY}",
        "https://marketplaceapi.microsoft.com/api/usageEvent?api-version=2018-08-31",
        f"{LOGIN}/{TENANT}/oauth2/v2.0/authorize",
        "https://[::1/api",
        f"https://marketplaceapi.microsoft.com:99999/api/saas/subscriptions/{READ_ONLY}",
        "",
    ],
)
def test_no_other_address_is_called(address: str) -> None:
    with pytest.raises(Forbidden):
        GUARD.judge("GET", address)


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", f"{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration"),
        ("GET", f"{LOGIN}/{TENANT}/.well-known/openid-configuration"),
        ("GET", f"{LOGIN}/common/discovery/v2.0/keys"),
        ("POST", f"{LOGIN}/{TENANT}/oauth2/v2.0/token"),
        ("POST", f"{LOGIN}/contoso.onmicrosoft.com/oauth2/token"),
    ],
)
def test_the_identity_provider_may_be_asked(method: str, address: str) -> None:
    assert GUARD.judge(method, address).kind == "identity"


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "x-http-method", "X-Method-Override"])
def test_a_header_that_makes_another_method_of_it_is_refused(name: str) -> None:
    with pytest.raises(Forbidden, match="makes another method"):
        GUARD.judge("GET", url(f"/{READ_ONLY}"), [(name, "DELETE")])


def resolved(token: str | None) -> str | None:
    headers = [] if token is None else [("X-Ms-Marketplace-Token", token)]
    return GUARD.judge("POST", url("/resolve"), headers).subscription_id


@pytest.mark.parametrize(
    ("token", "subscription"),
    [
        (TOKEN, EVERYTHING),
        (None, None),
        ("", None),
        ("preflight", None),
        (TOKEN.replace("/", " "), None),
        (TOKEN[:-10], None),
        (f"{TOKEN}x", None),
    ],
)
def test_listed_tokens_and_what_is_none_may_be_resolved(token: str | None, subscription: str | None) -> None:
    assert resolved(token) == subscription


def test_a_token_of_somebody_elses_is_not_resolved() -> None:
    with pytest.raises(Forbidden, match="whose it is cannot be known"):
        resolved("QW5vdGhlciBjdXN0b21lcidzIHRva2VuLCBub3QgbGlzdGVk")
    with pytest.raises(Forbidden, match=f"no purchase token of subscription {READ_ONLY}"):
        resolved(f"{NO_TOKEN}{READ_ONLY}")


METHODS = st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "get", "Delete", ""])
IDS = st.sampled_from([READ_ONLY, EVERYTHING, ELSEWHERE, READ_ONLY.upper(), "preflight", "..", "%2e%2e"])
ENDS = st.sampled_from(
    ["", "/", "/activate", "/operations", "/operations/1", "/listAvailablePlans", "?x=y", "#x", "//"]
)
ORIGINS = st.sampled_from(
    ["", "https://marketplaceapi.microsoft.com", "https://evil.example", LOGIN, "http://marketplaceapi.microsoft.com"]
)
ADDRESSES = st.one_of(
    st.builds(lambda one, end: f"{BASE}/saas/subscriptions/{one}{end}", IDS, ENDS),
    st.builds(
        lambda origin, one, other, end: f"{origin}/api/saas/subscriptions/{one}/{other}{end}", ORIGINS, IDS, IDS, ENDS
    ),
    st.text(alphabet=string.printable, max_size=60).map(lambda text: f"{BASE}/saas/subscriptions{text}"),
    st.text(max_size=40),
)
BODIES = st.one_of(
    st.binary(max_size=40),
    st.dictionaries(st.sampled_from(["planId", "PlanID", "quantity", "Quantity", "x"]), st.integers() | st.text()).map(
        lambda fields: json.dumps(fields).encode()
    ),
)


@settings(max_examples=400, deadline=None)
@given(METHODS, ADDRESSES, BODIES)
def test_whatever_passes_addresses_a_listed_subscription_as_its_entry_allows(
    method: str, address: str, sent: bytes
) -> None:
    try:
        passage = GUARD.judge(method, address, [], sent)
    except Forbidden:
        return
    assume(passage.kind != "identity")

    assert address.startswith(f"{BASE}/saas/subscriptions")
    assert ELSEWHERE not in address.partition("?")[0].partition("#")[0].lower()
    if passage.subscription_id == READ_ONLY:
        assert (method, passage.kind) == ("GET", "read")
    elif passage.subscription_id == EVERYTHING:
        assert passage.alters == (method != "GET")
    else:
        assert passage.kind in {"list", "resolve"}
        assert not passage.alters
