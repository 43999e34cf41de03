"""How a buyer gets through a landing page, as the target file says it: in a browser, by a program, by hand."""

import contextlib
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import TypeAdapter
from tests.suites.test_intercepted import IDENTITY, SECRET, SIGN_IN_CLIENT, free_port

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.interruptions import CannotArrange, Precondition
from fulfillment_conformance.reference_publisher import ReferencePublisher, Settings, SignIn
from fulfillment_conformance.run import RunOptions, prepare
from fulfillment_conformance.serving import serve
from fulfillment_conformance.stage import by_hand
from fulfillment_conformance.stage.customer import Customer, with_token
from fulfillment_conformance.stage.embedded import PATIENCE
from fulfillment_conformance.stage.opening import Stage, open_stage
from fulfillment_conformance.target import Step

TARGET = """
role: publisher
publisher:
  landing_page: http://127.0.0.1:{own}/signup
  webhook: http://127.0.0.1:{own}/webhook
  timeouts: {{page: 10, effect: 2}}
marketplace:
  listen: 127.0.0.1:{proxy}
  intercept: true
  identity: {{tenant_id: {tenant_id}, client_id: {client_id}, client_secret: "${{SECRET}}",
             landing_page_client_id: {landing_page_client_id}, landing_page_client_secret: "${{SECRET}}"}}
"""

ONBOARD = """
import re, sys, httpx2
with httpx2.Client(trust_env=False, follow_redirects=True) as client:
    page = client.get(sys.argv[1])
    hidden = dict(re.findall(r'<input type="hidden" name="(.*?)" value="(.*?)"', page.text))
    answer = client.post(sys.argv[2] + "/signup/confirm", data=hidden | {"contactEmail": "buyer@contoso.example"})
sys.exit(0 if answer.is_success else 3)
"""


@contextlib.contextmanager
def opened(folder: Path, *, sign_in: bool = False, trusting: bool = True) -> Iterator[Stage]:
    own, proxy = free_port(), free_port()
    authority = folder / ".fulfillment-conformance"
    CertificateAuthority.kept_in(authority)
    settings = Settings(
        tenant_id=IDENTITY["tenant_id"],
        client_id=IDENTITY["client_id"],
        client_secret=SECRET,
        ca_file=authority / "fulfillment-conformance-ca.pem" if trusting else None,
        proxy=f"http://127.0.0.1:{proxy}",
        public_url=f"http://127.0.0.1:{own}",
        sign_in=SignIn(client_id=SIGN_IN_CLIENT, client_secret=SECRET) if sign_in else None,
        patience=PATIENCE,
    )
    file = folder / "target.yaml"
    file.write_text(TARGET.format(own=own, proxy=proxy, **IDENTITY), encoding="utf-8")
    run = prepare(RunOptions(target=file), environ={"SECRET": SECRET})
    with serve(ReferencePublisher(settings).app, port=own), open_stage(run) as stage:
        yield stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with opened(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


def buyer(stage: Stage, *steps: Any) -> Customer:
    """Return a customer who goes about it in these steps of a target file."""
    onboarding: Sequence[Step] = TypeAdapter(list[Step]).validate_python(list(steps))
    customer = stage.purchase()
    service = replace(stage.publisher.service, onboarding=tuple(onboarding))
    publisher = type(stage.publisher)(service, stage.microsoft, stage.http)
    return replace(customer, publisher=publisher)


@pytest.mark.usefixtures("chromium")
def test_in_a_browser_with_sign_in_at_microsofts_own_address(tmp_path: Path) -> None:
    actions = [
        {"wait_for": "form"},
        {"fill": "input[name=contactEmail]", "text": "{plan}@contoso.example"},
        {"click": "form button"},
    ]
    with opened(tmp_path, sign_in=True) as stage:
        customer = buyer(stage, {"browser": actions})
        view = customer.buyer.browse(with_token(stage.publisher.service.landing_page, customer.token))
        customer.onboard()

    signed_in = [each.url for each in view.exchanges if "/authorize" in each.url]
    assert signed_in
    assert all(url.startswith("https://login.microsoftonline.com/common/") for url in signed_in)
    page = customer.page
    assert page is not None
    assert page.problem == ""
    sent = [each for each in page.way if each.method == "POST"]
    assert b"contactEmail=silver%40contoso.example" in sent[0].request_body


@pytest.mark.usefixtures("chromium")
def test_steps_after_a_browser_go_on_with_its_session(stage: Stage) -> None:
    customer = buyer(stage, {"browser": []}, {"submit": "form", "fields": {"contactEmail": "buyer@contoso.example"}})

    customer.onboard()

    assert customer.subscription.status == "Subscribed"


def test_by_a_program(stage: Stage) -> None:
    origin = stage.publisher.service.landing_page.removesuffix("/signup")
    customer = buyer(stage, {"command": [sys.executable, "-c", ONBOARD, "{landing_page}", origin]})

    customer.onboard()

    assert customer.subscription.status == "Subscribed"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ([sys.executable, "-c", "raise SystemExit(3)"], "it ended with 3"),
        (["no-such-program"], "FileNotFoundError: No such file or directory"),
    ],
)
def test_a_program_that_fails_is_told_of(stage: Stage, command: list[str], problem: str) -> None:
    with pytest.raises(Precondition, match=re.escape(f"the first failing step: command {command[0]}: {problem}")):
        buyer(stage, {"command": command}).onboard()


def test_by_hand(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = tmp_path / "terminal"
    monkeypatch.setattr(by_hand, "TERMINAL", terminal)
    customer = buyer(stage, {"by_hand": "Open {landing_page} and confirm.", "within": 20})

    def person() -> None:
        while not (terminal.is_file() and "goes on" in terminal.read_text(encoding="utf-8")):
            time.sleep(0.01)
        (address,) = re.findall(r"Open (\S+) and confirm", terminal.read_text(encoding="utf-8"))
        with httpx2.Client(trust_env=False, follow_redirects=True) as client:
            page = client.get(address)
            hidden = dict(re.findall(r'<input type="hidden" name="(.*?)" value="(.*?)"', page.text))
            client.post(f"{address.partition('?')[0]}/confirm", data=hidden | {"contactEmail": "a@contoso.example"})

    somebody = threading.Thread(target=person)
    somebody.start()
    customer.onboard()
    somebody.join()

    assert customer.subscription.status == "Subscribed"
    assert "in 20 seconds" in terminal.read_text(encoding="utf-8")


def test_by_hand_when_nobody_comes(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "TERMINAL", tmp_path / "terminal")

    with pytest.raises(Precondition, match=r"by hand: nothing had happened after 0\.2 s"):
        buyer(stage, {"by_hand": "Confirm.", "within": 0.2}).onboard()


def test_by_hand_without_a_terminal(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "TERMINAL", tmp_path / "no" / "terminal")

    with pytest.raises(CannotArrange, match="there is no terminal to ask at"):
        buyer(stage, {"by_hand": "Confirm."}).onboard()


def test_a_service_that_does_not_trust_the_authority_is_told_so(tmp_path: Path) -> None:
    with opened(tmp_path, trusting=False) as stage:
        customer = buyer(stage, {"submit": "form"})
        with pytest.raises(
            Precondition, match=r"CONNECT https://login\.microsoftonline\.com/ by its proxy: .* did not"
        ):
            customer.onboard()


@pytest.mark.usefixtures("chromium")
def test_a_page_that_scripts_make_is_seen_in_the_browser(stage: Stage) -> None:
    customer = buyer(stage, {"browser": []})
    customer.publisher.service = replace(customer.publisher.service, browser=True)

    page = customer.visit_as_shown()

    assert page.opened
    assert page.shows(customer.offer.offer_id)
    assert customer.resolved


def test_without_a_browser_nobody_sees_a_page_that_scripts_make(stage: Stage) -> None:
    with pytest.raises(CannotArrange, match="it takes a browser to see it"):
        buyer(stage, {"browser": []}).visit_as_shown()


def test_a_page_whose_script_posts_may_be_seen_as_it_is_served(stage: Stage) -> None:
    customer = buyer(stage, {"post": "/api/activate"})

    assert customer.visit_as_shown().shows(customer.offer.offer_id)
