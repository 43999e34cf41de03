"""A marketplace target as one object: its driver, its client, its situations, opened after a preflight."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.backend.client import FulfillmentClient
from fulfillment_conformance.backend.situations import Situations
from fulfillment_conformance.backend.tokens import Application, TokenSource, by_form, by_msal
from fulfillment_conformance.drivers.base import Driver, TokenKind
from fulfillment_conformance.drivers.loading import load_driver
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import HttpClient, trust
from fulfillment_conformance.interruptions import Interruption
from fulfillment_conformance.preflight import (
    Preflight,
    clocks_agree,
    reachable,
    shows_purchase,
    tells_calls_apart,
    token_is_taken,
)
from fulfillment_conformance.redaction import Redactor
from fulfillment_conformance.run import Run
from fulfillment_conformance.silence import PROBE_SECONDS, SilenceWatch
from fulfillment_conformance.target import MarketplaceTarget


@dataclass
class MarketplaceUnderTest:
    """The target, ready to be judged."""

    driver: Driver
    http: HttpClient
    client: FulfillmentClient
    situations: Situations
    redactor: Redactor
    silence: SilenceWatch = field(init=False)

    def __post_init__(self) -> None:
        self.silence = SilenceWatch("marketplace", self.answers)

    def as_publisher(self, kind: TokenKind) -> FulfillmentClient:
        """Return a client whose access token has one fault, or is another publisher's."""
        return self.client.as_(self.access_token(kind))

    def access_token(self, kind: TokenKind) -> str:
        """Return an access token that has one fault, or is another publisher's."""
        self.situations.needs("access-tokens")
        if kind == "foreign-publisher":
            self.situations.needs("foreign-publisher")
        token = self.driver.access_token(kind)
        self.redactor.learn(token, "token")
        return token

    def answers(self) -> bool:
        """Whether the API answers anything at all, now."""
        probe = self.http.send(
            "GET",
            f"{self.client.base_url}/saas/subscriptions?api-version=2018-08-31",
            purpose="does the target still answer?",
            timeout=PROBE_SECONDS,
        )
        return probe.status is not None


@contextmanager
def open_marketplace(
    run: Run, preflight: Preflight | None = None, *, start_over: bool = True
) -> Iterator[MarketplaceUnderTest]:
    """Reach the run's target and make sure that judging it makes sense.

    Args:
        run: the run.
        preflight: who is told what is found.
        start_over: let the sandbox forget what was bought there, where it can; who only looks must not.

    Raises:
        UsageProblem: the target file names a driver that cannot be loaded.
        EnvironmentUnavailable: the preflight failed.
    """
    target = run.target
    assert isinstance(target, MarketplaceTarget)
    preflight = preflight or Preflight()
    if target.driver == "live":
        from fulfillment_conformance.live.under_test import open_live  # loaded only where it is used

        with open_live(run, target, preflight) as live:
            yield live
        return
    opened: list[MarketplaceUnderTest] = []

    def observe(exchange: Exchange) -> None:
        run.recorder(exchange)
        for under_test in opened:
            under_test.silence.notice(exchange)

    driver = load_driver(target.driver, target.driver_settings(profile=run.profile, seed=run.seed, observer=observe))
    inside = getattr(driver, "inside", None)  # the embedded driver's
    http = HttpClient(observer=observe, tls=trust(target.tls_ca), timeout=target.timeout, inside=inside)
    try:
        base_url = target.base_url or driver.base_url  # type: ignore[attr-defined] # the embedded driver knows its own
        client = FulfillmentClient(base_url, http=http, access_token=_token_source(run, target, driver, http))
        situations = Situations(driver, client, redactor=run.redactor, publisher_id=target.publisher_id)
        _fly(preflight, driver, http, client, situations, base_url, start_over=start_over)
        under_test = MarketplaceUnderTest(driver, http, client, situations, run.redactor)
        opened.append(under_test)
        run.ready = True
        yield under_test
    finally:
        http.close()
        driver.close()


def _token_source(run: Run, target: MarketplaceTarget, driver: Driver, http: HttpClient) -> TokenSource:
    given = target.identity
    if given is not None:
        application = Application(
            tenant_id=given.tenant_id,
            client_id=given.client_id,
            client_secret=given.client_secret.get_secret_value() if given.client_secret else "",
            authority=None if given.authority is None else f"{given.authority}/{given.tenant_id}",
            token_endpoint=given.token_endpoint,
            resource=given.resource,
        )
        fetch = by_form if application.token_endpoint is not None else by_msal
        return TokenSource(fetch(application, http), run.redactor.learn)
    if "identity" in driver.capabilities:
        info = driver.identity()
        run.redactor.learn(info.client_secret, "secret")
        application = Application(
            tenant_id=info.tenant_id,
            client_id=info.client_id,
            client_secret=info.client_secret,
            token_endpoint=info.token_endpoint,
            resource=info.resource,
        )
        return TokenSource(by_form(application, http), run.redactor.learn)
    return TokenSource(lambda: driver.access_token("valid"), run.redactor.learn)


def _fly(
    preflight: Preflight,
    driver: Driver,
    http: HttpClient,
    client: FulfillmentClient,
    situations: Situations,
    base_url: str,
    *,
    start_over: bool,
) -> None:
    start_over = start_over and "reset" in driver.capabilities
    first = http.send("GET", f"{base_url}/saas/subscriptions?api-version=2018-08-31", purpose="is anybody there?")
    preflight.look("reachable", lambda: reachable(first, base_url, "marketplace.base_url"))
    preflight.look("clock", lambda: clocks_agree(first, base_url))
    preflight.look("arranging", lambda: f"{driver.name}: {', '.join(sorted(driver.capabilities)) or 'nothing'}")
    if start_over:
        driver.reset()
    preflight.look("access token", lambda: "obtained" if client._access_token() else "none")
    answers = [client.list_subscriptions(), client.resolve("preflight"), client.get_subscription("preflight")]
    preflight.look("access token taken", lambda: token_is_taken(answers, base_url))
    preflight.look("answers", lambda: tells_calls_apart([Answer(first), *answers], base_url))
    if "purchases" in driver.capabilities:
        preflight.look("plans", lambda: f"{sum(len(offer.plans) for offer in situations.offers)} plans on offer")
        preflight.look("purchases", lambda: _trial_purchase(client, situations, base_url))
        if start_over:
            driver.reset()


def _trial_purchase(client: FulfillmentClient, situations: Situations, base_url: str) -> str:
    try:
        purchase = situations.buy(None)
    except Interruption as missing:
        return str(missing)  # says nothing against the set-up; tests that need a purchase will name it again
    answers = [client.get_subscription(purchase.id), client.resolve(purchase.token), client.list_subscriptions()]
    return shows_purchase(purchase.id, answers, base_url)
