"""The target file: what is judged, where it is, and what the suite may assume about it.

A file has the role `marketplace` (something that serves the Fulfillment API is judged) or `publisher` (an ISV's landing
page and webhook are judged, and the suite's emulator plays Microsoft). Every key is described in docs/target-file.md.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    model_validator,
)
from pydantic.alias_generators import to_camel

from fulfillment_conformance.drivers.loading import DriverSettings
from fulfillment_conformance.emulator.identity.settings import IdentitySettings
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Observer, ignore
from fulfillment_conformance.fieldtypes import (
    Address,
    BaseAddress,
    ExistingFile,
    Guid,
    HostAndPort,
    HostPattern,
    JsonPointer,
    Listen,
    Origin,
    Route,
    Seconds,
    Secret,
    TermUnit,
    Text,
    placeholders,
)
from fulfillment_conformance.filemodel import FileModel, complaints, validate
from fulfillment_conformance.live.section import LiveSection
from fulfillment_conformance.product import Product
from fulfillment_conformance.variables import substitute
from fulfillment_conformance.yamlfile import InvalidContent, given, nearest, read

Role = Literal["marketplace", "publisher"]
SubscriptionStatus = Literal["PendingFulfillmentStart", "Subscribed", "Suspended", "Unsubscribed"]

MARKETPLACE_RESOURCE = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
"""Application id of the marketplace, the resource that access tokens for the Fulfillment API are issued for."""

DRIVERS = ("control", "microsoft-emulator", "embedded", "live")
"""The drivers that come with the suite; `package.module:Class` names another."""


def _driver(text: str) -> str:
    if text not in DRIVERS and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", text):
        hint = nearest(text, DRIVERS)
        raise ValueError(f"unknown driver{hint or ';'} allowed: {', '.join(DRIVERS)}, package.module:Class")
    return text


_OF_THE_VISIT = placeholders("token", "landing_page", "subscription_id", "plan", "seats")
_OF_THE_ACCOUNT = placeholders("subscription_id")


class _Camel(FileModel):
    """Keys as in the sandbox control protocol."""

    model_config = ConfigDict(alias_generator=to_camel)


class PlanSpec(_Camel):
    """A plan that the sandbox sells; attributes are those of `GET /control/offers`."""

    plan_id: Text = Field(description="the plan's id")
    display_name: str | None = None
    is_private: bool = False
    audience: tuple[str, ...] = Field(default=(), strict=False)
    is_price_per_seat: bool = False
    min_quantity: int | None = Field(default=None, ge=0)
    max_quantity: int | None = Field(default=None, ge=1)
    has_free_trials: bool = False
    is_stop_sell: bool = False
    market: Text = "US"
    term_units: tuple[TermUnit, ...] = Field(default=("P1M", "P1Y"), strict=False, min_length=1)
    auto_activate: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        found = []
        if self.min_quantity is not None and self.max_quantity is not None and self.min_quantity > self.max_quantity:
            found.append(("minQuantity", f"{self.min_quantity} is more than maxQuantity, {self.max_quantity}"))
        if self.audience and not self.is_private:
            found.append(("audience", "only a private plan has an audience; add isPrivate: true or remove it"))
        _refuse(found)
        return self


class OfferSpec(_Camel):
    """An offer that the sandbox sells, in the shape of the sandbox control protocol."""

    offer_id: Text = Field(description="the offer's id")
    publisher_id: Text = "contoso"
    plans: tuple[PlanSpec, ...] = Field(description="a list of plans", strict=False, min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _refuse(_twice("plans", "planId", [plan.plan_id for plan in self.plans]))
        return self

    def document(self) -> dict[str, Any]:
        """Return the offer as the file has it, in the shape of `GET /control/offers`."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


Offers = Annotated[tuple[OfferSpec, ...], Field(strict=False)]


class ClientIdentity(FileModel):
    """How the suite gets an access token for a marketplace that is under test."""

    authority: BaseAddress | None = None
    token_endpoint: BaseAddress | None = None
    tenant_id: Text = Field(description="the directory (tenant) id of the publisher")
    client_id: Text = Field(description="the application (client) id of the publisher")
    client_secret: Secret | None = None
    client_certificate: ExistingFile | None = None
    client_certificate_password: Secret | None = None
    federated_token: Secret | None = None
    federated_token_file: Text | None = None
    endpoint: Literal["v1", "v2"] = "v2"
    resource: Text = MARKETPLACE_RESOURCE

    @property
    def credentials(self) -> tuple[str, ...]:
        """The keys of the credentials that are given; a valid identity has one."""
        names = ("client_secret", "client_certificate", "federated_token", "federated_token_file")
        return tuple(name for name in names if getattr(self, name) is not None)

    def federated_assertion(self, folder: Path) -> str:
        """Return the token that stands for the application, read afresh where it is in a file, relative to `folder`.

        Raises:
            UsageProblem: the file cannot be read or is empty.
        """
        if self.federated_token is not None:
            return self.federated_token.get_secret_value()
        path = folder / (self.federated_token_file or "")
        try:
            token = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageProblem(f"identity.federated_token_file {path} cannot be read: {error}") from None
        if not token:
            raise UsageProblem(f"identity.federated_token_file {path} is empty; let the pipeline write its token there")
        return token

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        found = []
        if self.authority is not None and self.token_endpoint is not None:
            found.append(("authority", "give authority or token_endpoint, not both"))
        if not self.credentials:
            found.append(("client_secret", "missing; expected the application's secret, as ${NAME}"))
        if len(self.credentials) > 1:
            found.append((self.credentials[1], f"give {' or '.join(self.credentials)}, not both"))
        if self.client_certificate_password is not None and self.client_certificate is None:
            found.append(("client_certificate_password", "there is no client_certificate that it could open; remove"))
        _refuse(found)
        return self


class _Target(FileModel):
    """What both roles have; the private attributes are set by `load_target`."""

    _secrets: frozenset[str] = PrivateAttr(default=frozenset())
    _file: Path = PrivateAttr(default=Path())
    _known_failures: Path | None = PrivateAttr(default=None)

    @property
    def secrets(self) -> frozenset[str]:
        """Values that no log, report or message may show."""
        return self._secrets

    @property
    def file(self) -> Path:
        """The file that the target was read from."""
        return self._file

    @property
    def known_failures(self) -> Path | None:
        """The file of the target's known failures, if the target file names one."""
        return self._known_failures


class MarketplaceTarget(_Target):
    """Something that serves the Fulfillment API, and what the suite may use to arrange situations on it."""

    base_url: BaseAddress | None = Field(default=None, description="the address that /saas/subscriptions is below")
    driver: Annotated[str, AfterValidator(_driver)] = "control"
    control_url: BaseAddress | None = None
    control_key: Secret | None = None
    identity: ClientIdentity | None = None
    publisher_id: Text | None = None
    offers: Offers = ()
    webhook_listen: Listen = HostAndPort("127.0.0.1", 0)
    tls_ca: ExistingFile | None = None
    addresses: dict[str, Listen] = Field(default_factory=dict)
    timeout: Seconds = 30.0
    profile: Literal["documented", "observed"] | None = None
    deviations: tuple[Text, ...] = Field(default=(), strict=False)
    live: LiveSection | None = None
    _product: Product | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        embedded = self.driver == "embedded"
        found = _twice("offers", "offerId", [offer.offer_id for offer in self.offers])
        if embedded:
            for key in ("base_url", "control_url", "control_key", "identity", "tls_ca"):
                if getattr(self, key) is not None:
                    found.append((key, "the driver embedded starts an emulator of its own; remove this key"))
        else:
            if self.base_url is None:
                found.append(("base_url", "missing; expected the address that /saas/subscriptions is below"))
            if self.profile is not None:
                found.append(("profile", "only the driver embedded has it; use --profile to judge by another profile"))
            if self.deviations:
                found.append(("deviations", "only the driver embedded has deviations; remove this key"))
        if self.driver == "live":
            if self.identity is None:
                found.append(("identity", "missing; the driver live needs the identity of the publisher's application"))
            elif self.identity.token_endpoint is not None:
                found.append(("identity.token_endpoint", "the driver live finds it by itself; give authority instead"))
            if self.control_url is not None:
                found.append(("control_url", "the live service has no control surface; remove this key"))
            if self.base_url is not None and not self.base_url.startswith("https://"):
                found.append(("base_url", "the live service is only asked by https; begin it with https://"))
        else:
            if self.live is not None:
                found.append(("live", "only the driver live has it; remove this key"))
            if self.identity is not None and self.identity.client_secret is None and self.identity.credentials:
                [given] = self.identity.credentials[:1]
                found.append((f"identity.{given}", "only the driver live has it; give client_secret"))
            if self.identity is not None and self.identity.endpoint != "v2":
                found.append(("identity.endpoint", "only the driver live has it; give token_endpoint"))
            if self.addresses:
                found.append(("addresses", "only the driver live has them; remove this key"))
        _refuse(found)
        return self

    @property
    def role(self) -> Literal["marketplace"]:
        """Which side is judged."""
        return "marketplace"

    @property
    def product(self) -> Product | None:
        """What is sold there, for a certificate; it stands beside `marketplace` in the file."""
        return self._product

    @property
    def isolated(self) -> bool:
        """Whether every worker process gets a marketplace of its own, so that tests may run side by side."""
        return self.driver == "embedded"

    def describe(self) -> dict[str, Any]:
        """Return what a report says about the target."""
        shown = {"base_url", "driver", "profile", "deviations"}
        return {"role": self.role, "file": self.file.name, **self.model_dump(mode="json", include=shown)}

    def driver_settings(
        self, *, profile: Literal["documented", "observed"], seed: int, observer: Observer = ignore
    ) -> DriverSettings:
        """Return what the driver has to know."""
        identity = self.identity
        return DriverSettings(
            base_url=self.base_url,
            control_url=self.control_url,
            control_key=self.control_key.get_secret_value() if self.control_key else None,
            tls_ca=self.tls_ca,
            observer=observer,
            tenant_id=identity.tenant_id if identity else None,
            client_id=identity.client_id if identity else None,
            client_secret=identity.client_secret.get_secret_value() if identity and identity.client_secret else None,
            profile=profile,
            seed=seed,
            deviations=self.deviations,
        )


class SubmitForm(FileModel):
    """Send a form of the page just shown, with its hidden fields."""

    submit: Annotated[Text, _OF_THE_VISIT] = Field(description="the CSS selector of a form")
    fields: Annotated[dict[str, str], _OF_THE_VISIT] = Field(default_factory=dict)


class Post(FileModel):
    """Send a POST request with a JSON body or with form fields."""

    post: Annotated[Route, _OF_THE_VISIT]
    json_body: Annotated[dict[str, Any] | None, _OF_THE_VISIT] = Field(default=None, alias="json")
    form: Annotated[dict[str, str] | None, _OF_THE_VISIT] = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        both = self.json_body is not None and self.form is not None
        _refuse([("form", "give json or form, not both")] if both else [])
        return self


class Get(FileModel):
    """Open a page."""

    get: Annotated[Route, _OF_THE_VISIT]


class BrowserAction(FileModel):
    """One thing that a buyer does in a browser window; selectors are CSS, or Playwright's own."""

    open: Annotated[Route | None, _OF_THE_VISIT] = None
    click: Annotated[Text | None, _OF_THE_VISIT] = None
    fill: Annotated[Text | None, _OF_THE_VISIT] = None
    choose: Annotated[Text | None, _OF_THE_VISIT] = None
    wait_for: Annotated[Text | None, _OF_THE_VISIT] = None
    text: Annotated[str | None, _OF_THE_VISIT] = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        verbs = ("open", "click", "fill", "choose", "wait_for")
        named = [verb for verb in verbs if getattr(self, verb) is not None]
        found = []
        if not named:
            found.append(("open", f"missing; an action has one of the keys {', '.join(verbs)}"))
        elif len(named) > 1:
            found.append((named[1], f"an action does one thing, and this one does {named[0]} as well; make it two"))
        elif self.text is not None and named[0] not in {"fill", "choose"}:
            found.append(("text", f"{named[0]} takes no text; remove this key"))
        elif self.text is None and named[0] in {"fill", "choose"}:
            found.append(("text", f"missing; expected what to {named[0]}"))
        _refuse(found)
        return self


class Browser(FileModel):
    """Do something in an installed browser, in a window that opens the landing page."""

    browser: tuple[BrowserAction, ...] = Field(description="a list of actions", strict=False)


class ByHand(FileModel):
    """Ask a person, who has so many seconds for it."""

    by_hand: Annotated[Text, _OF_THE_VISIT] = Field(description="what to do, for a person to read")
    within: Seconds = 300.0


class Command(FileModel):
    """Run a program, without a shell."""

    command: Annotated[tuple[Text, ...], Field(strict=False, min_length=1), _OF_THE_VISIT]


_STEPS = {"submit": SubmitForm, "post": Post, "get": Get, "browser": Browser, "command": Command, "by_hand": ByHand}


def _kind_of_step(step: Any) -> str | None:
    """Name the union member for a step by its verb."""
    keys = step if isinstance(step, Mapping) else ()
    verbs = [verb for verb in _STEPS if verb in keys]
    return f"step {verbs[0]}" if verbs else None


def _one_verb(step: Any) -> Any:
    """Refuse what the union's own message could not explain: no verb, several verbs."""
    verbs = ", ".join(_STEPS)
    found = [verb for verb in _STEPS if isinstance(step, Mapping) and verb in step]
    if len(found) > 1:
        raise ValueError(f"a step does one thing, and this one has {' and '.join(found)}; make it several steps")
    if not found:
        hints = (nearest(key, _STEPS) for key in (step if isinstance(step, Mapping) else ()))
        raise ValueError(f"a step is a mapping with one of the keys {verbs}{next(filter(None, hints), '')}")
    return step


Step = Annotated[
    Annotated[SubmitForm, Tag("step submit")]
    | Annotated[Post, Tag("step post")]
    | Annotated[Get, Tag("step get")]
    | Annotated[Browser, Tag("step browser")]
    | Annotated[Command, Tag("step command")]
    | Annotated[ByHand, Tag("step by_hand")],
    Discriminator(_kind_of_step),
    BeforeValidator(_one_verb),
]


class State(FileModel):
    """Where the publisher shows what it believes about a subscription."""

    get: Annotated[Route, _OF_THE_ACCOUNT] = Field(description="the path of an account, with {subscription_id} in it")
    status: JsonPointer = Field(description="the JSON pointer to the status in the answer")
    plan: JsonPointer | None = None
    seats: JsonPointer | None = None
    tenant: JsonPointer | None = None
    term_end: JsonPointer | None = None
    words: dict[str, SubscriptionStatus] = Field(default_factory=dict)


class SelfService(FileModel):
    """What a customer does on the publisher's own pages once the landing page has opened, to change or cancel."""

    change_plan: tuple[Step, ...] = Field(default=(), strict=False)
    change_seats: tuple[Step, ...] = Field(default=(), strict=False)
    cancel: tuple[Step, ...] = Field(default=(), strict=False)


class Reconcile(FileModel):
    """What makes the publisher read the whole list of subscriptions."""

    post: Route = Field(description="the path to send an empty POST to")


class Timeouts(FileModel):
    """Real seconds that the suite waits for the publisher."""

    webhook: Seconds = 30.0
    page: Seconds = 30.0
    effect: Seconds = 15.0


class PublisherUnderTest(FileModel):
    """An ISV's service: landing page, webhook, and how the suite gets on with them."""

    embedded: bool = False
    defects: tuple[Text, ...] = Field(default=(), strict=False)
    landing_page: Address | None = Field(default=None, description="the address of the landing page")
    webhook: Address | None = Field(default=None, description="the address of the connection webhook")
    origins: tuple[Origin, ...] = Field(default=(), strict=False)
    onboarding: tuple[Step, ...] = Field(default=(), strict=False)
    state: State | None = None
    self_service: SelfService | None = None
    reconcile: Reconcile | None = None
    tls_ca: ExistingFile | None = None
    browser: bool = False
    timeouts: Timeouts = Timeouts()
    webhook_token_version: Literal[1, 2] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        found: list[tuple[str, str]] = []
        if self.embedded:
            said = "embedded: true starts the reference publisher, which has its own; remove it"
            own = ("landing_page", "webhook", "origins", "onboarding", "state", "self_service", "reconcile", "tls_ca")
            found += [(key, said) for key in own if getattr(self, key)]
        else:
            for key, what in (("landing_page", "the landing page"), ("webhook", "the connection webhook")):
                if getattr(self, key) is None:
                    found.append((key, f"missing; expected the address of {what}"))
            if self.defects:
                found.append(("defects", "only the embedded reference publisher has defects; remove this key"))
            if self.webhook_token_version is not None:
                found.append(
                    ("webhook_token_version", "stands below marketplace unless embedded is true; move it there")
                )
        _refuse(found)
        return self


class PlayedIdentity(FileModel):
    """The publisher's applications, as the emulator's identity provider knows them."""

    tenant_id: Guid = Field(description="the directory (tenant) id that the publisher is configured with")
    client_id: Guid = Field(description="the application (client) id that the publisher is configured with")
    client_secret: Secret | None = None
    client_certificate: ExistingFile | None = None
    landing_page_client_id: Guid | None = None
    landing_page_client_secret: Secret | None = None
    landing_page_redirect_uris: tuple[Address, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        found = []
        if self.client_secret is None and self.client_certificate is None:
            found.append(("client_secret", "missing; expected the secret as ${NAME}, or client_certificate"))
        if self.landing_page_client_secret is not None and self.landing_page_client_id is None:
            found.append(("landing_page_client_id", "missing; the landing page's secret needs the id it belongs to"))
        _refuse(found)
        return self


class Interception(FileModel):
    """What the proxy that answers for Microsoft's hosts lets through besides."""

    allow: tuple[HostPattern, ...] = Field(default=(), strict=False)


def _switched(value: Any) -> Any:
    """Let `true` stand for interception that lets nothing through, and `false` for none."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


class PlayedMarketplace(FileModel):
    """The emulator that plays Microsoft while a publisher is judged."""

    listen: Listen = Field(description="the host and port where the publisher expects Microsoft, as 127.0.0.1:8080")
    tls: Literal[True, False, "both"] = False
    listen_tls: Listen | None = None
    intercept: Annotated[Interception | None, BeforeValidator(_switched)] = None
    keys: Text = ".fulfillment-conformance"
    identity: PlayedIdentity = Field(description="tenant_id, client_id and client_secret of the publisher")
    offers: Offers = ()
    webhook_token_version: Literal[1, 2] = 2
    control_key: Secret | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        found = _twice("offers", "offerId", [offer.offer_id for offer in self.offers])
        if self.tls == "both" and self.listen_tls is None:
            found.append(("listen_tls", "missing; tls: both needs a second host and port"))
        if self.tls != "both" and self.listen_tls is not None:
            found.append(("listen_tls", "only tls: both listens twice; remove this key"))
        if self.tls == "both" and self.listen_tls == self.listen and self.listen.port:
            found.append(("listen_tls", "is the same as listen; give another port"))
        if self.intercept is not None and self.tls is not False:
            found.append(("tls", "intercept speaks TLS in the name of Microsoft's hosts already; remove this key"))
        open_to_others = [place for place in (self.listen, self.listen_tls) if place and not place.is_loopback]
        if open_to_others and self.control_key is None and self.intercept is None:
            found.append(("control_key", "missing; an emulator that others can reach needs one, as ${NAME}"))
        _refuse(found)
        return self

    def identity_settings(self) -> IdentitySettings:
        """Return the publisher's applications as the emulator wants them; no landing-page id means one for both."""
        known = self.identity
        landing_secret = known.landing_page_client_secret
        return IdentitySettings(
            tenant_id=known.tenant_id,
            client_id=known.client_id,
            client_secret=known.client_secret.get_secret_value() if known.client_secret else "",
            certificate_pem=known.client_certificate.read_bytes() if known.client_certificate else None,
            landing_client_id=known.landing_page_client_id or known.client_id,
            landing_client_secret=landing_secret.get_secret_value() if landing_secret else "",
            landing_redirect_uris=known.landing_page_redirect_uris,
        )


class Claims(FileModel):
    """What the publisher says about itself; what it does not claim is not asked of it."""

    per_seat: bool = True
    refuses_changes: bool = False
    refused_plans: tuple[Text, ...] = Field(default=(), strict=False)
    refused_seats: int | None = Field(default=None, ge=1)
    refuses_reinstatement: bool = False
    acknowledges_changes: bool = True
    sells_auto_activation: bool = False
    bills_by_usage: bool = False
    sign_in: bool = False

    @property
    def refuses_nothing(self) -> bool:
        """Whether the target file says outright, by an empty list of refused plans, that every change is taken."""
        said = "refused_plans" in self.model_fields_set and not self.refused_plans
        return said and not self.refuses_changes and self.refused_seats is None


class PublisherTarget(_Target):
    """An ISV's service, the emulator that plays Microsoft for it, and what the ISV claims."""

    role: Literal["publisher"]
    publisher: PublisherUnderTest = Field(description="a mapping that says where the publisher is")
    marketplace: PlayedMarketplace | None = Field(
        default=None, description="a mapping that says where the publisher looks for Microsoft"
    )
    claims: Claims = Claims()
    known: ExistingFile | None = None
    product: Product | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        found = []
        if self.publisher.embedded and self.marketplace is not None:
            found.append(("marketplace", "publisher.embedded brings its own; remove this key"))
        if not self.publisher.embedded and self.marketplace is None:
            found.append(
                ("marketplace", "missing; expected a mapping that says where the publisher looks for Microsoft")
            )
        _refuse(found)
        return self

    @property
    def isolated(self) -> bool:
        """Whether every worker process gets a publisher of its own; elsewhere one publisher has one webhook address."""
        return self.publisher.embedded

    def describe(self) -> dict[str, Any]:
        """Return what a report says about the target."""
        return {
            "role": self.role,
            "file": self.file.name,
            "embedded": self.publisher.embedded,
            "defects": list(self.publisher.defects),
            "landing_page": self.publisher.landing_page,
            "webhook": self.publisher.webhook,
            "listen": str(self.marketplace.listen) if self.marketplace else None,
            "intercept": self.marketplace is not None and self.marketplace.intercept is not None,
            "browser": self.publisher.browser,
            "claims": self.claims.model_dump(mode="json"),
        }


class _MarketplaceFile(FileModel):
    role: Literal["marketplace"]
    marketplace: MarketplaceTarget = Field(description="a mapping that says where the marketplace is")
    known: ExistingFile | None = None
    product: Product | None = None


def load_target(
    file: Path, environ: Mapping[str, str], *, role: Role | None = None
) -> MarketplaceTarget | PublisherTarget:
    """Read a target file; `${NAME}` is taken from `environ`, and paths start from the file's folder.

    Args:
        file: the target file.
        environ: environment variables.
        role: the only role that the caller can use, or None for either.

    Raises:
        YamlProblem: all that is wrong with the file, one line each.
    """
    document = read(file)
    named = document.data.get("role")
    if named not in get_args(Role):
        said = "missing; expected marketplace or publisher"
        if named is not None:
            hint = nearest(named, get_args(Role)) if isinstance(named, str) else ""
            said = f"got {given(named)}{hint or ';'} allowed: {', '.join(get_args(Role))}"
        raise InvalidContent([*(problem for _, problem in document.problems), document.problem(("role",), said)])
    if role is not None and named != role:
        said = f"this needs a target of role {role}, and the file has one of role {named}; name another file"
        raise InvalidContent([document.problem(("role",), said)])
    context = {"folder": file.parent}
    target: MarketplaceTarget | PublisherTarget
    if named == "marketplace":
        document = substitute(document, _MarketplaceFile, environ)
        whole = validate(document, _MarketplaceFile, context=context)
        target, known = whole.marketplace, whole.known
        target._product = whole.product
    else:
        document = substitute(document, PublisherTarget, environ)
        target = validate(document, PublisherTarget, context=context)
        known = target.known
    target._secrets = document.secrets
    target._file = file
    target._known_failures = known
    return target


def _refuse(found: list[tuple[str, str]]) -> None:
    if found:
        raise complaints(found)


def _twice(where: str, key: str, ids: Iterable[str]) -> list[tuple[str, str]]:
    seen: set[str] = set()
    found = []
    for name in ids:
        if name in seen:
            found.append((where, f"{key} '{name}' is given twice; remove one of them"))
        seen.add(name)
    return found
