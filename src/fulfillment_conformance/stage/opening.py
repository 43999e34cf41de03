"""Opens the stage for a publisher's run: the emulator at its addresses, the publisher reached, after a preflight."""

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fulfillment_conformance.certificates import FILE_NAME, CertificateAuthority
from fulfillment_conformance.emulator import Settings
from fulfillment_conformance.emulator.identity import IdentitySettings
from fulfillment_conformance.emulator.identity.keys import keep_keys_in
from fulfillment_conformance.emulator.offers import BENEFICIARY, offers_from
from fulfillment_conformance.errors import EnvironmentUnavailable, UsageProblem
from fulfillment_conformance.exchange import Exchange, Party
from fulfillment_conformance.forge import Forge, Forgery
from fulfillment_conformance.http_client import HttpClient, trust
from fulfillment_conformance.intercept import MICROSOFT, MicrosoftHosts, intercepting
from fulfillment_conformance.interruptions import MissingCapability, NotClaimed, Precondition
from fulfillment_conformance.marketplace import Caller, Marketplace, Offer, Plan, Purchase
from fulfillment_conformance.preflight import Preflight, clocks_agree, reachable
from fulfillment_conformance.run import Run
from fulfillment_conformance.serving import serve
from fulfillment_conformance.silence import PROBE_SECONDS, SilenceWatch
from fulfillment_conformance.stage.browser import Browser
from fulfillment_conformance.stage.buyer import Buyer
from fulfillment_conformance.stage.customer import Customer, with_token
from fulfillment_conformance.stage.embedded import embedded_service
from fulfillment_conformance.stage.microsoft import Microsoft
from fulfillment_conformance.stage.publisher import Publisher, Service
from fulfillment_conformance.stage.signs import PublisherSigns
from fulfillment_conformance.stage.usual import UsualEvents
from fulfillment_conformance.target import PlayedMarketplace, PublisherTarget

UNRELATED_OFFER = "conformance-something-else"
UNHEARD_OF_PLAN = "conformance-negotiated"


@dataclass
class Stage:
    """Everything a publisher's test needs: Microsoft, the publisher, buyers and their subscriptions, forged tokens."""

    microsoft: Microsoft
    publisher: Publisher
    forge: Forge
    http: HttpClient
    browser: Browser
    party_of: Callable[[str], Party | None]
    token_version: int
    _offers: tuple[Offer, ...] = ()
    _bystander: Customer | None = None
    _names: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    silence: SilenceWatch = field(init=False)
    usual: UsualEvents = field(init=False)

    def __post_init__(self) -> None:
        self.silence = SilenceWatch("publisher", self.answers)
        self.usual = UsualEvents(self.subscribed)

    @property
    def refused_plans(self) -> tuple[str, ...]:
        """Plans that the publisher says it refuses to change to."""
        return self.publisher.service.claims.refused_plans

    # --- plans ---

    @property
    def offers(self) -> tuple[Offer, ...]:
        """The offers of the publisher under test, as they were when the stage opened."""
        if not self._offers:
            identity = self.microsoft.emulator.settings.identity
            known = self.microsoft.perform(lambda market: tuple(market.offers()))
            application = (identity.tenant_id, identity.client_id)
            self._offers = tuple(offer for offer in known if (offer.tenant_id, offer.app_id) == application)
        return self._offers

    def unrelated_offer(self) -> Offer:
        """Put another offer of the same publisher on sale, one that the application under test knows nothing of."""
        own = self.offers[0]
        offer = replace(own, offer_id=UNRELATED_OFFER, display_name="Something Else", plans=(Plan(plan_id="basic"),))
        self.microsoft.perform(lambda market: market.publish(offer))
        return offer

    def unheard_of_plan(self) -> tuple[Offer, Plan]:
        """Put a flat plan on sale that did not exist when the publisher was built, as private offers do."""
        offer, ordinary = self.flat_plan()
        plan = replace(ordinary, plan_id=UNHEARD_OF_PLAN, display_name="Negotiated Yesterday")

        def publish(market: Marketplace) -> Offer:
            sold = next(each for each in market.offers() if each.offer_id == offer.offer_id)
            kept = [each for each in sold.plans if each.plan_id != plan.plan_id]
            market.publish(replace(sold, plans=(*kept, plan)))
            return replace(offer, plans=(*offer.plans, plan))

        return self.microsoft.perform(publish), plan

    @property
    def caller(self) -> Caller:
        """The publisher, as the marketplace knows it by its access token."""
        own = self.offers[0]
        return Caller(own.publisher_id, own.tenant_id, own.app_id)

    def status_of(self, subscription_id: str) -> str:
        """Return the state of any subscription."""
        return self.microsoft.subscription(subscription_id).status.value

    def page_size_for(self, pages: int) -> int:
        """Return the page size with which the publisher's list of subscriptions has at least so many pages."""

        def count(market: Marketplace) -> int:
            page = market.page(self.caller)
            found = len(page.subscriptions)
            while page.continuation is not None:
                page = market.page(self.caller, continuation=page.continuation)
                found += len(page.subscriptions)
            return found

        return max(1, self.microsoft.perform(count) // pages)

    def a_plan(self, wanted: Callable[[Plan], bool]) -> tuple[Offer, Plan]:
        """Return the first plan that is wanted, of an offer with another plan to change to where there is one."""
        found = [(offer, plan) for offer in self.offers for plan in offer.plans if wanted(plan)]
        if not found:
            raise MissingCapability("purchases", ": no such plan is among the offers of the target file")
        return next((pair for pair in found if sum(map(wanted, pair[0].plans)) > 1), found[0])

    def flat_plan(self) -> tuple[Offer, Plan]:
        """Return an ordinary flat-rate plan, or any ordinary plan where nothing is flat."""
        try:
            return self.a_plan(lambda plan: _ordinary(plan) and not plan.is_price_per_seat)
        except MissingCapability:
            return self.a_plan(_ordinary)

    def seat_plan(self) -> tuple[Offer, Plan]:
        """Return an ordinary plan that is priced per seat.

        Raises:
            NotClaimed: the publisher says that it sells none.
        """
        if not self.publisher.service.claims.per_seat:
            raise NotClaimed("claims.per_seat: the publisher says that it sells no plans priced per seat")
        return self.a_plan(lambda plan: _ordinary(plan) and plan.is_price_per_seat)

    @property
    def sells_seats(self) -> bool:
        """Whether the publisher says that it sells per seat, and the offers have such a plan."""
        plans = [plan for offer in self.offers for plan in offer.plans]
        return self.publisher.service.claims.per_seat and any(
            _ordinary(plan) and plan.is_price_per_seat for plan in plans
        )

    # --- people ---

    def new_buyer(self, account: str | None = "buyer") -> Buyer:
        """Return a fresh browser, signed in at Entra as one of the emulator's users."""
        return Buyer(self.http, party_of=self.party_of, browser=self.browser, account=account)

    def purchase(self, choice: tuple[Offer, Plan] | None = None, **details: Any) -> Customer:
        """Let a customer buy a plan; the landing page has not been opened yet."""
        offer, plan = choice or self.flat_plan()
        if plan.is_price_per_seat and "quantity" not in details:
            details["quantity"] = max(plan.min_quantity, min(10, plan.max_quantity or 10))
        details.setdefault("name", f"Conformance {next(self._names)}")
        details.setdefault("beneficiary", BENEFICIARY)
        order = Purchase(offer_id=offer.offer_id, plan_id=plan.plan_id, **details)
        subscription, token = self.microsoft.perform(lambda market: market.purchase(order))
        self.learn(token)
        return self._customer(subscription.id, token, offer)

    def scan(self, customer: Customer, method: str) -> Exchange:
        """Look at a landing page address as a link scanner does: one request, no cookies, no script, no sign-in."""
        url = with_token(self.publisher.service.landing_page, customer.token)
        return self.http.send(method, url, sender="stranger", receiver="publisher", purpose="link scanner")

    def forgeries(self, names: Iterable[str]) -> Iterator[Forgery]:
        """Make each case that is named, in tokens of both versions where it is a token of one."""
        for name in names:
            usual, other = (forge.make(name) for forge in (self.forge, self.forge.of_the_other_version()))
            for forgery in (usual, *([other] if other.authorization != usual.authorization else [])):
                for value in forgery.authorization:
                    self.hide(value)
                yield forgery

    def learn(self, token: str) -> None:
        """Hide a purchase token in everything that is written."""
        self.microsoft.hide(token, "purchase-token")

    def hide(self, authorization: str) -> None:
        """Hide the credentials of an Authorization header in everything that is written."""
        self.microsoft.hide(authorization.partition(" ")[2] or authorization, "token")

    def subscribed(self, choice: tuple[Offer, Plan] | None = None, **details: Any) -> Customer:
        """Let a customer buy a plan and go through the landing page until it is active."""
        customer = self.purchase(choice, **details)
        customer.onboard()
        return customer

    def subscribed_per_seat(self) -> Customer:
        """Let a customer buy seats where the publisher sells them and can set them up, and else a flat plan."""
        if self.sells_seats:
            with suppress(Precondition):
                return self.subscribed(self.seat_plan())
        return self.subscribed()

    def auto_activated(self, choice: tuple[Offer, Plan] | None = None) -> Customer:
        """Let a customer buy a plan that is active at once; `announced` is the Subscribe notification of it.

        Raises:
            NotClaimed: the publisher does not say that it sells such plans.
            MissingCapability: it does, and the offers have none.
        """
        return self.purchase(choice or self.auto_activated_plans()[0])

    def auto_activated_plans(self) -> list[tuple[Offer, Plan]]:
        """Return a plan that is active at once for each way of pricing in which there is one, a flat one first.

        Raises:
            NotClaimed: the publisher does not say that it sells such plans.
            MissingCapability: it does, and the offers have none.
        """
        claims = self.publisher.service.claims
        if not claims.sells_auto_activation:
            raise NotClaimed("claims.sells_auto_activation: the publisher does not say that it sells such plans")
        found: dict[bool, tuple[Offer, Plan]] = {}
        for offer in self.offers:
            for plan in offer.plans:
                if plan.auto_activate and (claims.per_seat or not plan.is_price_per_seat):
                    found.setdefault(plan.is_price_per_seat, (offer, plan))
        if not found:
            raise MissingCapability("purchases", ": no plan of the target file's offers is active at once")
        return [found[per_seat] for per_seat in sorted(found)]

    def activated_elsewhere(self, choice: tuple[Offer, Plan] | None = None) -> Customer:
        """Let a customer buy a plan and be active without the publisher's knowledge: it has lost the purchase."""
        customer = self.purchase(choice)
        self.microsoft.perform(lambda market: market.activate(self.caller, customer.id))
        return customer

    def _customer(self, subscription_id: str, token: str, offer: Offer) -> Customer:
        return Customer(
            id=subscription_id,
            token=token,
            offer=offer,
            microsoft=self.microsoft,
            publisher=self.publisher,
            buyer=self.new_buyer(),
            bystander=self.bystander,
        )

    def bystander(self) -> Customer | None:
        """Return the customer whose genuine changes show that the publisher has caught up; None if there is none."""
        if self._bystander is None:
            try:
                bystander = self.subscribed()
                bystander.other_plan()
            except (Precondition, MissingCapability, NotClaimed):
                return None
            bystander.bystander = lambda: None
            self._bystander = bystander
        return self._bystander

    # --- is the publisher still there? ---

    def answers(self) -> bool:
        """Whether the publisher answers anything at all, now."""
        probe = self.http.send(
            "GET",
            self.publisher.service.landing_page,
            receiver="publisher",
            purpose="does the publisher still answer?",
            timeout=PROBE_SECONDS,
        )
        return probe.status is not None


@contextmanager
def open_stage(run: Run, preflight: Preflight | None = None) -> Iterator[Stage]:
    """Start the emulator where the publisher expects Microsoft, and make sure that judging the publisher makes sense.

    Raises:
        UsageProblem: an address of the target file cannot be listened on.
        EnvironmentUnavailable: the publisher cannot be reached.
    """
    target = run.target
    assert isinstance(target, PublisherTarget)
    preflight = preflight or Preflight()
    opened: list[Stage] = []

    def observe(exchange: Exchange) -> None:
        run.recorder(exchange)
        for stage in opened:
            stage.silence.notice(exchange)
            run.life(exchange)

    with ExitStack() as stack:
        played = target.marketplace
        if played is not None:
            # A publisher that was started once and is judged again has Microsoft's keys in its cache.
            keys = target.file.parent / played.keys
            keep_keys_in(keys)
            authority = CertificateAuthority.kept_in(keys)
        else:
            authority = CertificateAuthority()
        settings = _settings(run, target)
        microsoft = Microsoft(settings, observer=observe, redactor=run.redactor)
        stack.callback(microsoft.close)
        run.redactor.learn(settings.identity.client_secret, "secret")
        origins: dict[str, Party] = {}
        addresses: dict[str, tuple[str, int]] = {}
        embedded = target.publisher.embedded
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fulfillment-conformance-")))
        if embedded:
            service = embedded_service(target, microsoft, stack, authority.write(folder), authority, origins)
        else:
            service = _external_service(target, microsoft, stack, authority, origins, addresses)
        # Buyers also open the emulator's sign-in page, whose certificate this run made.
        tls = trust(target.publisher.tls_ca, also=authority.pem)
        limit = service.timeouts.page
        http = stack.enter_context(HttpClient(observer=observe, tls=tls, timeout=limit, addresses=addresses))
        publisher = Publisher(service, microsoft, http)
        for address in (service.landing_page, service.webhook):
            origins[_origin(address)] = "publisher"
        for origin in service.origins:
            origins.setdefault(origin, "publisher")
        browser = Browser(origins=origins, addresses=addresses, observer=observe, timeout=limit)
        stack.callback(browser.close)
        stage = Stage(
            microsoft=microsoft,
            publisher=publisher,
            forge=Forge(microsoft.emulator.identity, version=settings.webhook_token_version),
            http=http,
            browser=browser,
            party_of=origins.get,
            token_version=settings.webhook_token_version,
        )
        microsoft.addresses(webhook=service.webhook, landing_page=service.landing_page)
        if played is not None and played.intercept is not None:
            ca_file = (target.file.parent / played.keys / FILE_NAME).resolve()
            said = f"HTTPS_PROXY=http://{played.listen} leads to it; the service has to trust {ca_file}"
            preflight.look("proxy", lambda: said)
        _fly(preflight, stage)
        opened.append(stage)
        run.life.signs = PublisherSigns(service, run.life)
        run.ready = True
        yield stage


def _settings(run: Run, target: PublisherTarget) -> Settings:
    played = target.marketplace
    identity = played.identity_settings() if played is not None else IdentitySettings()
    offers = None
    if played is not None and played.offers:
        try:
            offers = offers_from([offer.document() for offer in played.offers], identity)
        except ValueError as error:
            raise UsageProblem(f"{target.file}: marketplace.offers: {error}") from error
    return Settings(
        profile=run.profile,
        seed=run.seed,
        offers=offers,
        identity=identity,
        webhook_token_version=played.webhook_token_version if played else target.publisher.webhook_token_version or 2,
        webhook_timeout=target.publisher.timeouts.webhook,
        webhook_trust=trust(target.publisher.tls_ca) if target.publisher.tls_ca else None,
        control_key=played.control_key.get_secret_value() if played is not None and played.control_key else None,
    )


def _external_service(
    target: PublisherTarget,
    microsoft: Microsoft,
    stack: ExitStack,
    authority: CertificateAuthority,
    origins: dict[str, Party],
    addresses: dict[str, tuple[str, int]],
) -> Service:
    played, spec = target.marketplace, target.publisher
    assert played is not None
    assert spec.landing_page is not None
    assert spec.webhook is not None
    if played.intercept is not None:
        _intercept(played, microsoft, stack, authority, origins, addresses)
    listening = [] if played.intercept is not None else [(played.listen, played.tls is True)]
    if played.listen_tls is not None:
        listening.append((played.listen_tls, True))
    for place, encrypted in listening:
        context = authority.server_context(place.host, "localhost", "127.0.0.1") if encrypted else None
        serving = stack.enter_context(serve(microsoft.emulator.app, host=place.host, port=place.port, tls=context))
        origins[serving.url] = "identity"
        origins[f"{urlsplit(serving.url).scheme}://localhost:{serving.port}"] = "identity"
    return Service(
        landing_page=str(spec.landing_page),
        webhook=str(spec.webhook),
        origins=spec.origins,
        onboarding=spec.onboarding,
        state=spec.state,
        self_service=spec.self_service,
        reconcile=spec.reconcile,
        timeouts=spec.timeouts,
        tls_ca=spec.tls_ca,
        browser=spec.browser,
        folder=target.file.parent,
        claims=target.claims,
    )


def _intercept(
    played: PlayedMarketplace,
    microsoft: Microsoft,
    stack: ExitStack,
    authority: CertificateAuthority,
    origins: dict[str, Party],
    addresses: dict[str, tuple[str, int]],
) -> None:
    """Play Microsoft at its own addresses: for the service behind a proxy, for buyers by another way there."""
    assert played.intercept is not None
    app, clock = microsoft.emulator.app, microsoft.emulator.now
    stack.enter_context(
        intercepting(
            app,
            authority=authority,
            listen=played.listen,
            allow=played.intercept.allow,
            setting="marketplace.intercept.allow",
            observer=microsoft.notice,
            clock=clock,
        )
    )
    hosts = MicrosoftHosts(app, observer=microsoft.notice, clock=clock)
    entrance = stack.enter_context(serve(hosts, tls=authority.server_context(*MICROSOFT)))
    for host, (party, _) in MICROSOFT.items():
        addresses[host] = (entrance.host, entrance.port)
        if party == "identity":
            origins[f"https://{host}"] = party


def _fly(preflight: Preflight, stage: Stage) -> None:
    service = stage.publisher.service
    page = stage.http.send("GET", service.landing_page, sender="buyer", receiver="publisher", purpose="is it there?")
    preflight.look("landing page", lambda: reachable(page, service.landing_page, "publisher.landing_page"))
    preflight.look("clock", lambda: clocks_agree(page, service.landing_page))
    hook = stage.http.send("GET", service.webhook, sender="suite", receiver="publisher", purpose="is it there?")
    preflight.look("webhook", lambda: reachable(hook, service.webhook, "publisher.webhook"))
    preflight.look("plans", lambda: _plans(stage))


def _plans(stage: Stage) -> str:
    try:
        offer, plan = stage.flat_plan()
    except MissingCapability as error:
        raise EnvironmentUnavailable(
            "marketplace.offers names no public plan that can be bought and activated by hand; add one"
        ) from error
    return f"{offer.offer_id}/{plan.plan_id} can be bought"


def _ordinary(plan: Plan) -> bool:
    return not (plan.is_private or plan.is_stop_sell or plan.auto_activate or plan.has_free_trials)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
