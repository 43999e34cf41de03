import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args

import pytest

from fulfillment_conformance.exchange import ignore
from fulfillment_conformance.fieldtypes import HostAndPort
from fulfillment_conformance.filemodel import FileModel, keys_of
from fulfillment_conformance.target import (
    Browser,
    ByHand,
    Command,
    Get,
    MarketplaceTarget,
    Post,
    PublisherTarget,
    SubmitForm,
    load_target,
)
from fulfillment_conformance.yamlfile import InvalidContent, MalformedYaml, UnreadableFile, YamlProblem

ENVIRON = {"CLIENT_SECRET": "canary-secret", "CONTROL_KEY": "canary-key", "CODE": "canary-code"}
IDENTITY = """\
  identity:
    tenant_id: 8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10
    client_id: 5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20
    client_secret: ${CLIENT_SECRET}
"""
MARKETPLACE = """\
role: marketplace
marketplace:
  base_url: http://127.0.0.1:8080/api
  driver: control
"""
PUBLISHER = f"""\
role: publisher
publisher:
  landing_page: http://127.0.0.1:5000/signup
  webhook: http://127.0.0.1:5000/webhook
marketplace:
  listen: 127.0.0.1:8080
{IDENTITY}"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a target file into the current folder and return its relative path, as a user would name it."""
    monkeypatch.chdir(tmp_path)

    def written(text: str) -> Path:
        Path("target.yaml").write_text(text, encoding="utf-8")
        return Path("target.yaml")

    return written


def complaint(file: Path, **options: Any) -> str:
    with pytest.raises(YamlProblem) as refused:
        load_target(file, ENVIRON, **options)
    told = str(refused.value)
    assert "canary" not in told
    return told


def test_a_small_marketplace_target(write: Write) -> None:
    target = load_target(write(MARKETPLACE), ENVIRON)

    assert isinstance(target, MarketplaceTarget)
    assert target.role == "marketplace"
    assert target.base_url == "http://127.0.0.1:8080/api"
    assert target.driver == "control"
    assert target.webhook_listen == HostAndPort("127.0.0.1", 0)
    assert target.timeout == 30.0
    assert target.identity is None
    assert target.secrets == frozenset()
    assert target.file == Path("target.yaml")
    assert not target.isolated


def test_a_full_marketplace_target(write: Write) -> None:
    Path("ca.pem").write_text("")
    text = """\
        role: marketplace
        marketplace:
          base_url: https://sandbox.example/api/
          driver: my_sandbox.driver:Driver
          control_url: https://sandbox.example/control
          control_key: ${CONTROL_KEY}
          identity:
            token_endpoint: https://sandbox.example/tenant/oauth2/v2.0/token
            tenant_id: contoso.onmicrosoft.com
            client_id: my-app
            client_secret: ${CLIENT_SECRET}
            resource: my-resource
          publisher_id: contoso
          offers:
            - offerId: contoso-crm
              publisherId: contoso
              plans:
                - planId: silver
                - {planId: team, isPricePerSeat: true, minQuantity: 1, maxQuantity: 100, termUnits: [P1M, P3Y]}
          webhook_listen: 0.0.0.0:9000
          tls_ca: ca.pem
          timeout: 5
    """

    target = load_target(write(dedent(text)), ENVIRON)

    assert isinstance(target, MarketplaceTarget)
    assert target.secrets == {"canary-secret", "canary-key"}
    assert target.tls_ca == Path("ca.pem")
    assert target.offers[0].document() == {
        "offerId": "contoso-crm",
        "publisherId": "contoso",
        "plans": [
            {"planId": "silver"},
            {
                "planId": "team",
                "isPricePerSeat": True,
                "minQuantity": 1,
                "maxQuantity": 100,
                "termUnits": ["P1M", "P3Y"],
            },
        ],
    }
    settings = target.driver_settings(profile="observed", seed=7)
    assert settings.base_url == "https://sandbox.example/api"
    assert settings.control_key == "canary-key"
    assert settings.client_secret == "canary-secret"
    assert settings.tenant_id == "contoso.onmicrosoft.com"
    assert (settings.profile, settings.seed, settings.observer) == ("observed", 7, ignore)
    assert "canary" not in repr(target)
    assert target.describe() == {
        "role": "marketplace",
        "file": "target.yaml",
        "base_url": "https://sandbox.example/api",
        "driver": "my_sandbox.driver:Driver",
        "profile": None,
        "deviations": [],
    }


def test_an_embedded_target_needs_no_address(write: Write) -> None:
    text = (
        "role: marketplace\nmarketplace: {driver: embedded, profile: observed, deviations: [no-retry, padded-status]}\n"
    )

    target = load_target(write(text), {})

    assert isinstance(target, MarketplaceTarget)
    assert target.isolated
    assert target.profile == "observed"
    assert target.deviations == ("no-retry", "padded-status")
    assert target.driver_settings(profile="observed", seed=1).deviations == ("no-retry", "padded-status")


def test_the_reference_publisher_brings_everything_along(write: Write) -> None:
    target = load_target(write("role: publisher\npublisher: {embedded: true, defects: [no-signature-check]}\n"), {})

    assert isinstance(target, PublisherTarget)
    assert target.isolated
    assert target.marketplace is None
    assert target.describe()["defects"] == ["no-signature-check"]
    assert target.describe()["listen"] is None


def test_a_small_publisher_target(write: Write) -> None:
    target = load_target(write(PUBLISHER), ENVIRON)

    assert isinstance(target, PublisherTarget)
    assert target.role == "publisher"
    assert target.publisher.onboarding == ()
    assert target.publisher.timeouts.webhook == 30.0
    assert target.marketplace is not None
    assert target.marketplace.listen == HostAndPort("127.0.0.1", 8080)
    assert target.marketplace.tls is False
    assert target.marketplace.webhook_token_version == 2
    assert target.marketplace.identity.client_secret is not None
    assert target.marketplace.identity.client_secret.get_secret_value() == "canary-secret"
    known = target.marketplace.identity_settings()
    assert (known.client_secret, known.certificate_pem) == ("canary-secret", None)
    assert known.landing_client_id == known.client_id == "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"
    assert target.claims.per_seat
    assert not target.claims.sign_in
    assert not target.isolated
    assert target.describe()["landing_page"] == "http://127.0.0.1:5000/signup"


@pytest.mark.parametrize(
    ("said", "nothing"),
    [
        ("{}", False),
        ("{refused_plans: []}", True),
        ("{refused_plans: [gold]}", False),
        ("{refused_plans: [], refused_seats: 90}", False),
        ("{refused_plans: [], refuses_changes: true}", False),
    ],
)
def test_that_nothing_is_refused_has_to_be_said(write: Write, said: str, nothing: bool) -> None:
    target = load_target(write(f"{PUBLISHER}claims: {said}\n"), ENVIRON)

    assert isinstance(target, PublisherTarget)
    assert target.claims.refuses_nothing is nothing


def test_a_full_publisher_target(write: Write) -> None:
    for name in ("ca.pem", "app.pem"):
        Path(name).write_text("PEM")
    text = """\
        role: publisher
        publisher:
          landing_page: https://app.example/signup?campaign=1#start
          webhook: https://app.example/webhook?code=${CODE}
          onboarding:
            - submit: "form#confirm"
              fields: {contactEmail: buyer@contoso.example}
            - post: /api/activate
              json: {token: "{token}", nested: [{id: "{subscription_id}"}]}
            - post: /done
              form: {ok: "1"}
            - get: /welcome
            - browser: [{open: /welcome}, {fill: "#plan", text: "{plan}"}, {click: text=Confirm}]
            - command: [node, onboard.js, "{landing_page}"]
            - by_hand: Open {landing_page} and confirm.
              within: 120
          state:
            get: /accounts/{subscription_id}
            status: /status
            plan: /planId
            seats: /quantity
            words: {active: Subscribed, ended: Unsubscribed}
          reconcile: {post: /admin/reconcile}
          origins: [https://portal.example, "https://Help.example:8443/"]
          tls_ca: ca.pem
          timeouts: {webhook: 15, page: 20.5, effect: 5}
        marketplace:
          listen: 0.0.0.0:8080
          tls: both
          listen_tls: 0.0.0.0:8443
          identity:
            tenant_id: 8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10
            client_id: 5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20
            client_certificate: app.pem
            landing_page_client_id: 11111111-2222-3333-4444-555555555555
            landing_page_client_secret: ${CLIENT_SECRET}
            landing_page_redirect_uris: [https://app.example/signed-in]
          offers: [{offerId: a, plans: [{planId: b, isPrivate: true, audience: [x]}]}]
          webhook_token_version: 1
          control_key: ${CONTROL_KEY}
        claims:
          per_seat: false
          refuses_changes: true
          acknowledges_changes: false
          sells_auto_activation: true
          sign_in: true
    """

    target = load_target(write(dedent(text)), ENVIRON)

    assert isinstance(target, PublisherTarget)
    assert [type(step) for step in target.publisher.onboarding] == [
        *(SubmitForm, Post, Post, Get, Browser, Command, ByHand),
    ]
    assert target.publisher.state is not None
    assert target.publisher.state.words["active"] == "Subscribed"
    assert target.marketplace is not None
    assert target.marketplace.tls == "both"
    assert target.marketplace.listen_tls == HostAndPort("0.0.0.0", 8443)
    assert target.secrets == {"canary-secret", "canary-key", "canary-code"}
    known = target.marketplace.identity_settings()
    assert (known.client_secret, known.certificate_pem) == ("", b"PEM")
    assert (known.landing_client_id, known.landing_client_secret) == (
        "11111111-2222-3333-4444-555555555555",
        "canary-secret",
    )
    assert known.landing_redirect_uris == ("https://app.example/signed-in",)
    assert target.publisher.origins == ("https://portal.example", "https://help.example:8443")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("marketplace: {}\n", "target.yaml:1: role: missing; expected marketplace or publisher"),
        (
            "role: publishr\n",
            "target.yaml:1: role: got 'publishr'; did you mean 'publisher'? allowed: marketplace, publisher",
        ),
        ("role: [publisher]\n", "target.yaml:1: role: got a list; allowed: marketplace, publisher"),
        (
            "role: marketplace\n",
            "target.yaml:1: marketplace: missing; expected a mapping that says where the marketplace",
        ),
        (
            MARKETPLACE.replace("driver", "drivr"),
            "target.yaml:4: marketplace.drivr: unknown key; did you mean 'driver'?",
        ),
        (
            MARKETPLACE.replace("control\n", "contrl\n"),
            (
                "target.yaml:4: marketplace.driver: got 'contrl'; unknown driver; "
                "did you mean 'control'? allowed: control, microsoft-emulator, embedded, live, package.module:Class"
            ),
        ),
        (
            "role: marketplace\nmarketplace: {driver: control}\n",
            "target.yaml:2: marketplace.base_url: missing; expected",
        ),
        (MARKETPLACE.replace("http:", "ftp:"), "target.yaml:3: marketplace.base_url: got 'ftp://127.0.0.1:8080/api'; "),
        (
            MARKETPLACE + "  timeout: 0\n",
            "target.yaml:5: marketplace.timeout: must be greater than 0, got the number 0",
        ),
        (
            MARKETPLACE + "  tls_ca: ca.pem\n",
            "target.yaml:5: marketplace.tls_ca: got 'ca.pem'; no such file; a relative",
        ),
        (
            MARKETPLACE + "  webhook_listen: here\n",
            "target.yaml:5: marketplace.webhook_listen: got 'here'; expected a host and a port",
        ),
        (MARKETPLACE + "  profile: observed\n", "target.yaml:5: marketplace.profile: only the driver embedded has it"),
        (
            MARKETPLACE + "  deviations: [a]\n",
            "target.yaml:5: marketplace.deviations: only the driver embedded has deviations",
        ),
        (
            MARKETPLACE + "  control_key: canary\n",
            "target.yaml:5: marketplace.control_key: a secret is not written into",
        ),
        (
            MARKETPLACE + "  control_key: ${UNSET}\n",
            "target.yaml:5: marketplace.control_key: environment variable UNSET",
        ),
        (MARKETPLACE.replace("control", "live"), "target.yaml:2: marketplace.identity: missing; the driver live needs"),
        (
            MARKETPLACE.replace("control", "live").replace("http:", "https:") + IDENTITY + "  control_url: http://x/\n",
            "target.yaml:9: marketplace.control_url: the live service has no control surface; remove this key",
        ),
        (
            MARKETPLACE.replace("control", "embedded"),
            "target.yaml:3: marketplace.base_url: the driver embedded starts an",
        ),
        (
            MARKETPLACE + "  identity: {tenant_id: a, client_id: b}\n",
            "target.yaml:5: marketplace.identity.client_secret: missing; expected the application's secret, as ${NAME}",
        ),
        (
            MARKETPLACE + IDENTITY + "    authority: http://a\n    token_endpoint: http://b\n",
            "target.yaml:9: marketplace.identity.authority: give authority or token_endpoint, not both",
        ),
        (
            MARKETPLACE + "  offers: [{offerId: a, plans: []}]\n",
            "target.yaml:5: marketplace.offers[0].plans: needs at least 1 entry",
        ),
        (
            MARKETPLACE + "  offers: [{offerId: a, plans: [{planId: b, termUnits: [P1W]}]}]\n",
            "target.yaml:5: marketplace.offers[0].plans[0].termUnits[0]: got 'P1W'; expected a term of months or years",
        ),
        (
            MARKETPLACE + "  offers: [{offerId: a, plans: [{planId: b, minQuantity: 5, maxQuantity: 3}]}]\n",
            "target.yaml:5: marketplace.offers[0].plans[0].minQuantity: 5 is more than maxQuantity, 3",
        ),
        (
            MARKETPLACE + "  offers: [{offerId: a, plans: [{planId: b, audience: [x]}]}]\n",
            "target.yaml:5: marketplace.offers[0].plans[0].audience: only a private plan has an audience",
        ),
        (
            MARKETPLACE + "  offers: [{offerId: a, plans: [{planId: b}, {planId: b}]}]\n",
            "target.yaml:5: marketplace.offers[0].plans: planId 'b' is given twice; remove one of them",
        ),
        (
            MARKETPLACE
            + "  offers:\n    - {offerId: a, plans: [{planId: b}]}\n    - {offerId: a, plans: [{planId: b}]}\n",
            "target.yaml:5: marketplace.offers: offerId 'a' is given twice; remove one of them",
        ),
        (
            MARKETPLACE + "  offers: [{offerId: a, plans: [{plan_id: b}]}]\n",
            "target.yaml:5: marketplace.offers[0].plans[0].planId: missing; expected the plan's id",
        ),
    ],
)
def test_what_is_wrong_with_a_marketplace_target(write: Write, text: str, message: str) -> None:
    assert complaint(write(text)).splitlines()[0].startswith(message)


def in_publisher(lines: str) -> str:
    return PUBLISHER.replace("marketplace:\n", f"{lines}marketplace:\n")


def with_step(step: str) -> str:
    return in_publisher(f"  onboarding:\n    - {step}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            PUBLISHER.replace("  webhook: http://127.0.0.1:5000/webhook\n", ""),
            "target.yaml:2: publisher.webhook: missing; expected the address",
        ),
        (PUBLISHER.replace("/webhook", "/we bhook"), "target.yaml:4: publisher.webhook: got 'http://127.0.0.1:5000/we"),
        (
            PUBLISHER + "claims: {per_seats: true}\n",
            "target.yaml:11: claims.per_seats: unknown key; did you mean 'per_seat'?",
        ),
        (PUBLISHER + "claims: {per_seat: yes}\n", "target.yaml:11: claims.per_seat: expected true or false, got 'yes'"),
        (
            PUBLISHER + "claim: {}\n",
            "target.yaml:11: claim: unknown key; did you mean 'claims'? allowed: role, publisher",
        ),
        (
            with_step("sumbit: form"),
            (
                "target.yaml:6: publisher.onboarding[0]: a step is a mapping with one of the keys "
                "submit, post, get, browser, command, by_hand; did you mean 'submit'?"
            ),
        ),
        (
            with_step("hello"),
            "target.yaml:6: publisher.onboarding[0]: got 'hello'; a step is a mapping with one of the",
        ),
        (
            with_step("{get: /a, post: /b}"),
            "target.yaml:6: publisher.onboarding[0]: a step does one thing, and this one has",
        ),
        (with_step("{get: /a, gt: /b}"), "target.yaml:6: publisher.onboarding[0].gt: unknown key; did you mean 'get'?"),
        (with_step("{get: a}"), "target.yaml:6: publisher.onboarding[0].get: got 'a'; expected an address that begins"),
        (
            with_step("{post: /a, json: {}, form: {}}"),
            "target.yaml:6: publisher.onboarding[0].form: give json or form, not both",
        ),
        (
            with_step('{post: /a, json: {t: "{tokn}"}}'),
            "target.yaml:6: publisher.onboarding[0].json: {tokn} is no placeholder",
        ),
        (with_step("{submit: ''}"), "target.yaml:6: publisher.onboarding[0].submit: must not be empty"),
        (
            with_step("{submit: form, fields: {n: 5}}"),
            "target.yaml:6: publisher.onboarding[0].fields.n: expected text, got",
        ),
        (
            with_step("{browser: onboard.py}"),
            "target.yaml:6: publisher.onboarding[0].browser: expected a list, got 'onboard.py'",
        ),
        (
            with_step("{browser: [{}]}"),
            "target.yaml:6: publisher.onboarding[0].browser[0].open: missing; an action has one of the keys open",
        ),
        (
            with_step("{browser: [{click: a, fill: b}]}"),
            "target.yaml:6: publisher.onboarding[0].browser[0].fill: an action does one thing, and this one does click",
        ),
        (
            with_step("{browser: [{fill: '#plan'}]}"),
            "target.yaml:6: publisher.onboarding[0].browser[0].text: missing; expected what to fill",
        ),
        (
            with_step("{browser: [{click: a, text: x}]}"),
            "target.yaml:6: publisher.onboarding[0].browser[0].text: click takes no text; remove this key",
        ),
        (
            with_step("{browser: [{clik: a}]}"),
            "target.yaml:6: publisher.onboarding[0].browser[0].clik: unknown key; did you mean 'click'?",
        ),
        (
            with_step("{by_hand: x, within: 0}"),
            "target.yaml:6: publisher.onboarding[0].within: must be greater than 0",
        ),
        (
            with_step("{command: node x.js}"),
            "target.yaml:6: publisher.onboarding[0].command: expected a list, got 'node x",
        ),
        (with_step("{command: []}"), "target.yaml:6: publisher.onboarding[0].command: needs at least 1 entry"),
        (
            in_publisher("  state: {get: /a}\n"),
            "target.yaml:5: publisher.state.status: missing; expected the JSON pointer",
        ),
        (
            in_publisher("  state: {get: '/{id}', status: /s}\n"),
            "target.yaml:5: publisher.state.get: got '/{id}'; {id} is",
        ),
        (
            in_publisher("  state: {get: /a, status: s}\n"),
            "target.yaml:5: publisher.state.status: got 's'; expected a JSON",
        ),
        (
            in_publisher("  state: {get: /a, status: /s, words: {on: Subscribd}}\n"),
            "target.yaml:5: publisher.state.words.on: got 'Subscribd'; did you mean 'Subscribed'? allowed:",
        ),
        (
            in_publisher("  reconcile: {}\n"),
            "target.yaml:5: publisher.reconcile.post: missing; expected the path to send",
        ),
        (
            in_publisher("  timeouts: {webhook: 601}\n"),
            "target.yaml:5: publisher.timeouts.webhook: must be at most 600",
        ),
        (
            PUBLISHER.replace("  listen: 127.0.0.1:8080\n", ""),
            "target.yaml:5: marketplace.listen: missing; expected the host and port",
        ),
        (
            PUBLISHER.replace("127.0.0.1:8080", "0.0.0.0:8080"),
            "target.yaml:5: marketplace.control_key: missing; an emulator that others can reach",
        ),
        (PUBLISHER + "  tls: both\n", "target.yaml:5: marketplace.listen_tls: missing; tls: both needs a second host"),
        (
            PUBLISHER + "  listen_tls: 127.0.0.1:1\n",
            "target.yaml:11: marketplace.listen_tls: only tls: both listens twice",
        ),
        (
            PUBLISHER + "  tls: both\n  listen_tls: 127.0.0.1:8080\n",
            "target.yaml:12: marketplace.listen_tls: is the same",
        ),
        (
            PUBLISHER + "  intercept: true\n  tls: true\n",
            "target.yaml:12: marketplace.tls: intercept speaks TLS in the name of Microsoft's hosts already; remove",
        ),
        (
            PUBLISHER + "  intercept: {allow: [https://api.example]}\n",
            "target.yaml:11: marketplace.intercept.allow[0]: got 'https://api.example'; expected a host such as",
        ),
        (
            PUBLISHER + "  intercept: {alow: [api.example]}\n",
            "target.yaml:11: marketplace.intercept.alow: unknown key; did you mean 'allow'?",
        ),
        (PUBLISHER + "  tls: yes\n", "target.yaml:11: marketplace.tls: got 'yes'; allowed: true, false, both"),
        (
            PUBLISHER + "  webhook_token_version: 3\n",
            "target.yaml:11: marketplace.webhook_token_version: got the number 3",
        ),
        (
            PUBLISHER.replace("8d1f3a52-", ""),
            "target.yaml:8: marketplace.identity.tenant_id: got '64b0-4c4e-9b4e-0a5f7e2c1d10'; expected a GUID",
        ),
        (
            PUBLISHER.replace("    client_secret: ${CLIENT_SECRET}\n", ""),
            "target.yaml:7: marketplace.identity.client_secret",
        ),
        (
            PUBLISHER + "    landing_page_client_secret: ${CLIENT_SECRET}\n",
            "target.yaml:7: marketplace.identity.landing_page_client_id: missing; the landing page's secret needs",
        ),
        (
            PUBLISHER.replace("${CLIENT_SECRET}", "${CLIENT_SECRT}"),
            (
                "target.yaml:10: marketplace.identity.client_secret: "
                "environment variable CLIENT_SECRT is not set; did you mean 'CLIENT_SECRET'? set it and run"
            ),
        ),
    ],
)
def test_what_is_wrong_with_a_publisher_target(write: Write, text: str, message: str) -> None:
    assert complaint(write(text)).splitlines()[0].startswith(message)


@pytest.mark.parametrize("text", ["role: marketplace\nmarketplace: {driver: embedded}\n", PUBLISHER])
def test_both_roles_may_name_their_known_failures(write: Write, text: str) -> None:
    file = write(text + "known: known.yaml\n")
    assert (
        complaint(file)
        .splitlines()[0]
        .endswith("known: got 'known.yaml'; no such file; a relative path starts from the folder of the target file")
    )

    (file.parent / "known.yaml").write_text("failures: []\n", encoding="utf-8")

    assert load_target(file, ENVIRON).known_failures == file.parent / "known.yaml"
    assert load_target(write(text), ENVIRON).known_failures is None


DOCS = Path(__file__).parents[1] / "docs" / "target-file.md"


def examples() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("text", examples())
def test_the_examples_of_the_documentation_are_right(write: Write, text: str) -> None:
    load_target(write(text), ENVIRON | {"LANDING_PAGE_SECRET": "canary-landing", "PURCHASE_TOKEN": "canary-token"})


@pytest.mark.parametrize(
    ("said", "allow"),
    [
        ("", None),
        ("  intercept: false\n", None),
        ("  intercept: true\n", ()),
        ("  intercept: {}\n", ()),
        ("  intercept: {allow: [db.Example, '*.cdn.example:8443']}\n", ("db.example", "*.cdn.example:8443")),
    ],
)
def test_interception_is_off_or_on_and_lets_named_hosts_through(
    write: Write, said: str, allow: tuple[str, ...] | None
) -> None:
    target = load_target(write(PUBLISHER + said), ENVIRON)

    assert isinstance(target, PublisherTarget)
    assert target.marketplace is not None
    assert (target.marketplace.intercept.allow if target.marketplace.intercept else None) == allow
    assert target.describe()["intercept"] is (allow is not None)


def test_a_proxy_that_others_reach_shows_no_control_surface_and_needs_no_key(write: Write) -> None:
    target = load_target(write(PUBLISHER.replace("127.0.0.1:8080", "0.0.0.0:8080") + "  intercept: true\n"), ENVIRON)

    assert isinstance(target, PublisherTarget)
    assert target.marketplace is not None
    assert target.marketplace.control_key is None


def test_every_key_is_documented() -> None:
    explained = DOCS.read_text(encoding="utf-8")
    models: list[type[FileModel]] = [MarketplaceTarget, PublisherTarget]
    for model in models:
        for key, info in keys_of(model).items():
            assert re.search(rf"[`.]{key}`|^{key}:", explained, re.MULTILINE), key
            models += [found for found in models_in(info.annotation) if found not in models]
    assert len(models) > 12


def models_in(annotation: Any) -> list[type[FileModel]]:
    if isinstance(annotation, type) and issubclass(annotation, FileModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in models_in(inner)]


def test_a_command_can_ask_for_one_role(write: Write) -> None:
    assert load_target(write(MARKETPLACE), ENVIRON, role="marketplace").role == "marketplace"
    assert complaint(write(MARKETPLACE), role="publisher") == (
        "target.yaml:1: role: this needs a target of role publisher, and the file has one of role marketplace; "
        "name another file"
    )


def test_a_file_without_role_still_tells_what_parsing_found(write: Write) -> None:
    assert complaint(write("a: 1\na: 2\n")).splitlines() == [
        "target.yaml:1: role: missing; expected marketplace or publisher",
        "target.yaml:2: a: key given twice, first on line 1; remove one of them",
    ]


def test_files_that_cannot_be_read_are_told_apart(write: Write, tmp_path: Path) -> None:
    file = write("")
    for wrong, kind in [(tmp_path, UnreadableFile), (Path("no.yaml"), UnreadableFile), (file, UnreadableFile)]:
        with pytest.raises(kind):
            load_target(wrong, {})
    with pytest.raises(MalformedYaml):
        load_target(write("a: [\n"), {})
    with pytest.raises(InvalidContent):
        load_target(write("a: 1\n"), {})


def test_all_complaints_about_a_file_come_at_once(write: Write) -> None:
    text = (
        with_step("sumbit: form").replace("http://127.0.0.1:5000/signup", "signup").replace("${CLIENT_SECRET}", "word")
    )

    lines = [line.split(":")[1] for line in complaint(write(text)).splitlines()]

    assert lines == ["3", "6", "12"]
