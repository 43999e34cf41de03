"""The reference publisher as a target: it and the emulator on free ports of this machine, set up for each other."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Party
from fulfillment_conformance.reference_publisher import Patience, ReferencePublisher, Settings, SignIn
from fulfillment_conformance.reference_publisher.defects import named
from fulfillment_conformance.serving import serve, shared_portal
from fulfillment_conformance.stage.microsoft import Microsoft
from fulfillment_conformance.stage.publisher import Service
from fulfillment_conformance.target import Claims, PublisherTarget, Reconcile, SelfService, State, SubmitForm, Timeouts

PATIENCE: Final = Patience(
    request=2.0, pause=0.05, poll=1.0, poll_for=60.0, look_again=(0.0, 0.05, 0.2, 1.0, 3.0, 10.0, 30.0)
)
"""Waiting times that suit a marketplace which is a function call away, and people who wait for a run to end."""

EFFECT_SECONDS: Final = 4.0
"""After how many seconds an effect that has not shown will not come: everything happens on this machine."""

CLAIMS: Final = {"sells_auto_activation": True, "sign_in": True, "refused_plans": ("multiyear",)}
"""What the reference publisher says about itself, where the target file says nothing."""

SELF_SERVICE: Final = SelfService.model_validate(
    {
        "change_plan": [{"submit": "#change-plan", "fields": {"planId": "{plan}"}}],
        "change_seats": [{"submit": "#change-seats", "fields": {"quantity": "{seats}"}}],
        "cancel": [{"submit": "#cancel"}],
    }
)
"""What its customers do on their account's page."""


def embedded_service(
    target: PublisherTarget,
    microsoft: Microsoft,
    stack: ExitStack,
    ca_file: Path,
    authority: CertificateAuthority,
    origins: dict[str, Party],
) -> Service:
    """Serve the emulator and the reference publisher until `stack` ends; notes in `origins` where the emulator is.

    Raises:
        UsageProblem: the target file names a defect that does not exist.
    """
    identity = microsoft.emulator.settings.identity
    offers = microsoft.perform(
        lambda market: [offer for offer in market.offers() if offer.app_id == identity.client_id]
    )
    try:
        claims = _claims(target, {plan.plan_id for offer in offers for plan in offer.plans})
    except ValueError as error:
        raise UsageProblem(f"{target.file}: publisher.defects: {error}") from error
    api = stack.enter_context(serve(microsoft.emulator.app))
    entra = stack.enter_context(serve(microsoft.emulator.app, tls=authority.server_context("127.0.0.1", "localhost")))
    origins[api.url] = origins[entra.url] = "identity"
    late = _Late()
    site = stack.enter_context(serve(late))
    settings = Settings(
        tenant_id=identity.tenant_id,
        client_id=identity.client_id,
        client_secret=identity.client_secret,
        api_url=f"{api.url}/api",
        login_url=entra.url,
        ca_file=ca_file,
        public_url=site.url,
        sign_in=SignIn(client_id=identity.landing_client_id, client_secret=identity.landing_client_secret),
        offers=frozenset(offer.offer_id for offer in offers),
        refused_plans=frozenset(claims.refused_plans),
        reinstates=not claims.refuses_reinstatement,
        patience=PATIENCE,
    )
    reference = ReferencePublisher(settings, defects=target.publisher.defects)
    stack.enter_context(late.serving(reference.app))
    return Service(
        landing_page=reference.landing_page,
        webhook=reference.webhook_address,
        onboarding=(SubmitForm(submit="form", fields={"contactEmail": "buyer@contoso-customer.example"}),),
        state=State(
            get="/accounts/{subscription_id}",
            status="/status",
            plan="/planId",
            seats="/quantity",
            tenant="/tenantId",
            term_end="/term/endDate",
        ),
        self_service=SELF_SERVICE,
        reconcile=Reconcile(post="/admin/reconcile"),
        browser=target.publisher.browser,
        timeouts=_timeouts(target),
        claims=claims,
    )


def _timeouts(target: PublisherTarget) -> Timeouts:
    given = target.publisher.timeouts
    return given if "effect" in given.model_fields_set else given.model_copy(update={"effect": EFFECT_SECONDS})


def _claims(target: PublisherTarget, plans: set[str]) -> Claims:
    said = target.claims.model_fields_set
    given: dict[str, Any] = dict(CLAIMS)
    for name in target.publisher.defects:
        given |= named(name).claims
    own = {name: value for name, value in given.items() if name not in said}
    if "refused_plans" in own:
        own["refused_plans"] = tuple(plan for plan in own["refused_plans"] if plan in plans)
    return target.claims.model_copy(update=own)


class _Late:
    """An application that takes its port first and gets its content afterwards, because its settings name the port."""

    def __init__(self) -> None:
        self._content: Starlette | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
        elif self._content is not None:
            await self._content(scope, receive, send)

    @contextmanager
    def serving(self, content: Starlette) -> Iterator[None]:
        """Serve `content`, with its own lifespan around the block."""
        lifespan = content.router.lifespan_context(content)
        portal = shared_portal()
        portal.call(lifespan.__aenter__)
        self._content = content
        try:
            yield
        finally:
            self._content = None
            portal.call(lifespan.__aexit__, None, None, None)
