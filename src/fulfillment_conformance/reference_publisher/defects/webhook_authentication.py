"""Webhooks that believe whom they should not, or refuse whom they should believe."""

import base64
import contextlib
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm
from starlette.requests import Request

from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.messages import Event
from fulfillment_conformance.reference_publisher.settings import MARKETPLACE_APP_ID
from fulfillment_conformance.reference_publisher.signing_keys import KeysUnavailable
from fulfillment_conformance.reference_publisher.tokens import Claims, TokenRefused
from fulfillment_conformance.reference_publisher.webhook import Verdict

_HALF_AN_HOUR = 1800.0


def _header(token: str) -> dict[str, Any]:
    try:
        return jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise TokenRefused("the bearer token is not a JWT") from error


def _claims(token: str) -> Claims:
    """Return what a token says, whoever signed it."""
    try:
        claims: Claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise TokenRefused("the bearer token is not a JWT") from error
    return claims


def _signed_with(token: str, key: RSAPublicKey) -> Claims:
    """Return what a token says if a key has signed it; times are checked elsewhere."""
    unchecked: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss"), False)
    try:
        claims: Claims = jwt.decode(token, key, algorithms=["RS256"], options=unchecked)
    except (jwt.PyJWTError, ValueError) as error:
        raise TokenRefused("the token's signature does not verify") from error
    return claims


def _rsa_key(entry: Mapping[str, Any]) -> RSAPublicKey:
    key = RSAAlgorithm.from_jwk(dict(entry))
    assert isinstance(key, RSAPublicKey)
    return key


@defect("accepts-unsigned-tokens", breaks=["WHK-018"])
def accepts_unsigned_tokens(publisher: ReferencePublisher) -> None:
    """A token with the algorithm none needs no signature."""
    verify = publisher.webhook_tokens.signed_claims

    async def signed_claims(token: str) -> Claims:
        if str(_header(token).get("alg")).lower() == "none":
            return _claims(token)
        return await verify(token)

    replace(publisher.webhook_tokens, "signed_claims", signed_claims)


@defect("accepts-hmac-with-the-public-key", breaks=["WHK-018"])
def accepts_hmac_with_the_public_key(publisher: ReferencePublisher) -> None:
    """The token chooses the algorithm: HS256 is checked with the published key as the secret."""
    tokens = publisher.webhook_tokens
    verify = tokens.signed_claims

    async def signed_claims(token: str) -> Claims:
        header = _header(token)
        key = await tokens.keys.key(str(header.get("kid")))
        if header.get("alg") != "HS256" or key is None:
            return await verify(token)
        signed, _, signature = token.rpartition(".")
        for encoding in (Encoding.PEM, Encoding.DER):
            secret = key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
            expected = hmac.digest(secret, signed.encode(), hashlib.sha256)
            if hmac.compare_digest(base64.urlsafe_b64encode(expected).rstrip(b"=").decode(), signature):
                return _claims(token)
        raise TokenRefused("the token's signature does not verify")

    replace(tokens, "signed_claims", signed_claims)


@defect("ignores-the-signature", breaks=["WHK-012", "WHK-018", "WHK-024"])
def ignores_the_signature(publisher: ReferencePublisher) -> None:
    """Claims are checked, but anybody may have written them."""

    async def signed_claims(token: str) -> Claims:
        return _claims(token)

    replace(publisher.webhook_tokens, "signed_claims", signed_claims)


@defect("trusts-the-key-in-the-token", breaks=["WHK-018"])
def trusts_the_key_in_the_token(publisher: ReferencePublisher) -> None:
    """A token that brings its own key in jwk is checked with that key."""
    verify = publisher.webhook_tokens.signed_claims

    async def signed_claims(token: str) -> Claims:
        entry = _header(token).get("jwk")
        return _signed_with(token, _rsa_key(entry)) if isinstance(entry, dict) else await verify(token)

    replace(publisher.webhook_tokens, "signed_claims", signed_claims)


@defect("trusts-the-certificate-in-the-token", breaks=["WHK-018"])
def trusts_the_certificate_in_the_token(publisher: ReferencePublisher) -> None:
    """A token that brings its own certificate in x5c is checked with that certificate."""
    verify = publisher.webhook_tokens.signed_claims

    async def signed_claims(token: str) -> Claims:
        chain = _header(token).get("x5c")
        if not isinstance(chain, list) or not chain:
            return await verify(token)
        key = x509.load_der_x509_certificate(base64.b64decode(chain[0])).public_key()
        assert isinstance(key, RSAPublicKey)
        return _signed_with(token, key)

    replace(publisher.webhook_tokens, "signed_claims", signed_claims)


@defect("trusts-the-key-address-in-the-token", breaks=["WHK-018"])
def trusts_the_key_address_in_the_token(publisher: ReferencePublisher) -> None:
    """A token that says in jku where its key is published is checked with the key from there."""
    verify = publisher.webhook_tokens.signed_claims

    async def signed_claims(token: str) -> Claims:
        header = _header(token)
        if not isinstance(header.get("jku"), str):
            return await verify(token)
        keys = (await publisher.http.get(header["jku"])).json()["keys"]
        return _signed_with(token, _rsa_key(next(entry for entry in keys if entry["kid"] == header.get("kid"))))

    replace(publisher.webhook_tokens, "signed_claims", signed_claims)


@defect("ignores-the-audience", breaks=["WHK-015", "WHK-024"])
def ignores_the_audience(publisher: ReferencePublisher) -> None:
    """A token for any application is good enough."""
    del publisher.webhook_tokens.checks["aud"]


@defect("accepts-the-audience-of-any-application-by-address", breaks=["WHK-015"])
def accepts_the_audience_of_any_application_by_address(publisher: ReferencePublisher) -> None:
    """An audience of the form api://... is taken for ours."""
    check = publisher.webhook_tokens.check_audience

    def check_audience(claims: Claims) -> None:
        if not str(claims.get("aud")).startswith("api://"):
            check(claims)

    publisher.webhook_tokens.checks["aud"] = check_audience


@defect("ignores-the-sender", breaks=["WHK-016"])
def ignores_the_sender(publisher: ReferencePublisher) -> None:
    """Neither appid nor azp is looked at: any application that can get a token for us is believed."""
    del publisher.webhook_tokens.checks["appid or azp"]


@defect("accepts-a-token-without-sender", breaks=["WHK-016"])
def accepts_a_token_without_sender(publisher: ReferencePublisher) -> None:
    """The sender is checked only in tokens that name one."""
    check = publisher.webhook_tokens.check_sender

    def check_sender(claims: Claims) -> None:
        if "appid" in claims or "azp" in claims:
            check(claims)

    publisher.webhook_tokens.checks["appid or azp"] = check_sender


@defect("ignores-the-tenant", breaks=["WHK-017"])
def ignores_the_tenant(publisher: ReferencePublisher) -> None:
    """Claim tid is not looked at."""
    del publisher.webhook_tokens.checks["tid"]


@defect("accepts-a-token-without-tenant", breaks=["WHK-017"])
def accepts_a_token_without_tenant(publisher: ReferencePublisher) -> None:
    """Claim tid is checked only where it is given."""
    check = publisher.webhook_tokens.check_tenant

    def check_tenant(claims: Claims) -> None:
        if "tid" in claims:
            check(claims)

    publisher.webhook_tokens.checks["tid"] = check_tenant


@defect("ignores-the-issuer", breaks=["WHK-021"])
def ignores_the_issuer(publisher: ReferencePublisher) -> None:
    """Claim iss is not looked at."""
    del publisher.webhook_tokens.checks["iss"]


@defect("compares-only-the-beginning-of-the-issuer", breaks=["WHK-021"])
def compares_only_the_beginning_of_the_issuer(publisher: ReferencePublisher) -> None:
    """An issuer whose address begins like Microsoft's is taken for Microsoft."""

    def check_issuer(claims: Claims) -> None:
        known = ("https://login.microsoftonline.com", "https://sts.windows.net")
        if not str(claims.get("iss")).startswith(known):
            raise TokenRefused("the token has another issuer")

    publisher.webhook_tokens.checks["iss"] = check_issuer


@defect("ignores-the-expiry", breaks=["WHK-019", "WHK-024"])
def ignores_the_expiry(publisher: ReferencePublisher) -> None:
    """A token is good for ever."""
    del publisher.webhook_tokens.checks["exp"]


@defect("grants-half-an-hour-after-expiry", breaks=["WHK-019"])
def grants_half_an_hour_after_expiry(publisher: ReferencePublisher) -> None:
    """A token that expired minutes ago is taken for a difference between clocks."""
    check = publisher.webhook_tokens.check_not_expired

    def check_not_expired(claims: Claims) -> None:
        expires = claims.get("exp")
        check({**claims, "exp": expires + _HALF_AN_HOUR} if isinstance(expires, int) else claims)

    publisher.webhook_tokens.checks["exp"] = check_not_expired


@defect("ignores-the-beginning-of-validity", breaks=["WHK-020"])
def ignores_the_beginning_of_validity(publisher: ReferencePublisher) -> None:
    """Claim nbf is not looked at."""
    del publisher.webhook_tokens.checks["nbf"]


@defect("grants-no-difference-between-clocks", breaks=["WHK-048"])
def grants_no_difference_between_clocks(publisher: ReferencePublisher) -> None:
    """A token that expired, or begins, within seconds of now is refused by a clock that is a little off."""
    tokens = publisher.webhook_tokens
    expired, begun = tokens.check_not_expired, tokens.check_already_valid

    def moved(claims: Claims, name: str, by: float) -> Claims:
        return {**claims, name: claims[name] + by} if isinstance(claims.get(name), int) else claims

    tokens.checks["exp"] = lambda claims: expired(moved(claims, "exp", -240.0))
    tokens.checks["nbf"] = lambda claims: begun(moved(claims, "nbf", 240.0))


@defect("pins-the-version-2-issuer", breaks=["WHK-022"])
def pins_the_version_2_issuer(publisher: ReferencePublisher) -> None:
    """Tokens of version 1 are refused for their issuer."""
    publisher.webhook_tokens.issuers = {issuer for issuer in publisher.webhook_tokens.issuers if "/v2.0" in issuer}


@defect("requires-azp", breaks=["WHK-022"])
def requires_azp(publisher: ReferencePublisher) -> None:
    """The sender is looked for in azp only, which tokens of version 1 do not have."""

    def check_sender(claims: Claims) -> None:
        if claims.get("azp") != MARKETPLACE_APP_ID:
            raise TokenRefused("the token was not issued to the marketplace")

    publisher.webhook_tokens.checks["appid or azp"] = check_sender


_NOTHING_IS_TAKEN = (
    *("AAC-008", "EVT-018", "EVT-020", "EVT-023", "EVT-026", "EVT-027", "EVT-030", "EVT-034", "EVT-037"),
    *("LCY-026", "POL-005", "REG-018", "TST-003", "WHK-003", "WHK-004", "WHK-012"),
)
"""What fails when no genuine call is believed; whatever needs an accepted twin stays undecided."""


@defect("loses-the-authorization-header", breaks=sorted(["REG-016", *_NOTHING_IS_TAKEN]))
def loses_the_authorization_header(publisher: ReferencePublisher) -> None:
    """A gateway before the application keeps the Authorization header to itself."""
    validate = publisher.webhook_tokens.validate

    async def validate_nothing(_authorization: Sequence[str]) -> Claims:
        return await validate([])

    replace(publisher.webhook_tokens, "validate", validate_nothing)


@defect("pins-the-version-1-issuer", breaks=[*_NOTHING_IS_TAKEN, "WHK-022"])
def pins_the_version_1_issuer(publisher: ReferencePublisher) -> None:
    """Tokens of version 2 are refused for their issuer."""
    publisher.webhook_tokens.issuers = {issuer for issuer in publisher.webhook_tokens.issuers if "/v2.0" not in issuer}


@defect("requires-appid", breaks=[*_NOTHING_IS_TAKEN, "WHK-022"])
def requires_appid(publisher: ReferencePublisher) -> None:
    """The sender is looked for in appid only, which tokens of version 2 do not have."""

    def check_sender(claims: Claims) -> None:
        if claims.get("appid") != MARKETPLACE_APP_ID:
            raise TokenRefused("the token was not issued to the marketplace")

    publisher.webhook_tokens.checks["appid or azp"] = check_sender


@defect("fails-on-every-event", breaks=[*(each for each in _NOTHING_IS_TAKEN if each != "WHK-012"), "WHK-035"])
def fails_on_every_event(publisher: ReferencePublisher) -> None:
    """Tokens are checked as they should be, and then every notification ends in a server error."""

    async def fail(_event: Event) -> Verdict:
        raise LookupError("no tenant named 'common'")

    replace(publisher.webhook, "take", fail)


@defect("accepts-calls-without-token", breaks=["V1-010", "WHK-014", "WHK-024"])
def accepts_calls_without_token(publisher: ReferencePublisher) -> None:
    """A call without Authorization header is carried out: the check is meant for calls that have one."""
    validate = publisher.webhook_tokens.validate

    async def open_validate(authorization: Sequence[str]) -> Claims:
        return await validate(authorization) if authorization else {}

    replace(publisher.webhook_tokens, "validate", open_validate)


@defect("accepts-other-schemes", breaks=["WHK-012"])
def accepts_other_schemes(publisher: ReferencePublisher) -> None:
    """A call that authenticates by another scheme than Bearer is left to somebody else to check."""
    validate = publisher.webhook_tokens.validate

    async def open_validate(authorization: Sequence[str]) -> Claims:
        if authorization and not authorization[0].lower().startswith("bearer"):
            return {}
        return await validate(authorization)

    replace(publisher.webhook_tokens, "validate", open_validate)


@defect("accepts-what-it-cannot-read", breaks=["WHK-012"])
def accepts_what_it_cannot_read(publisher: ReferencePublisher) -> None:
    """An error while a token is being read is logged, and the call carried out."""
    validate = publisher.webhook_tokens.validate

    async def open_validate(authorization: Sequence[str]) -> Claims:
        for value in authorization:
            try:
                jwt.get_unverified_header(value.partition(" ")[2])
            except jwt.PyJWTError:
                return {}
        return await validate(authorization)

    replace(publisher.webhook_tokens, "validate", open_validate)


@defect("refuses-but-carries-out", breaks=["V1-010", "WHK-014", "WHK-024"])
def refuses_but_carries_out(publisher: ReferencePublisher) -> None:
    """A call without token is answered 401 after it has been carried out."""
    decide = publisher.webhook.decide

    async def decide_too_late(request: Request) -> Verdict:
        if "authorization" not in request.headers:
            await publisher.webhook.take(publisher.webhook.read(await request.body()))
        return await decide(request)

    replace(publisher.webhook, "decide", decide_too_late)


@defect(
    "hides-refusals",
    breaks=[
        "V1-010",
        "WHK-012",
        "WHK-014",
        "WHK-015",
        "WHK-016",
        "WHK-017",
        "WHK-018",
        "WHK-019",
        "WHK-020",
        "WHK-021",
    ],
)
def hides_refusals(publisher: ReferencePublisher) -> None:
    """A call that is not believed is answered 200, without effect."""
    decide = publisher.webhook.decide

    async def decide_politely(request: Request) -> Verdict:
        verdict = await decide(request)
        return Verdict() if verdict.status == 401 else verdict

    replace(publisher.webhook, "decide", decide_politely)


@defect("accepts-all-while-keys-are-unavailable", breaks=["WHK-012", "WHK-050"])
def accepts_all_while_keys_are_unavailable(publisher: ReferencePublisher) -> None:
    """While Entra's keys cannot be fetched, claims are believed without a check of the signature."""
    verify = publisher.webhook_tokens.signed_claims

    async def signed_claims(token: str) -> Claims:
        try:
            return await verify(token)
        except KeysUnavailable:
            return _claims(token)

    replace(publisher.webhook_tokens, "signed_claims", signed_claims)


@defect("refuses-for-good-while-keys-are-unavailable", breaks=["WHK-050"])
def refuses_for_good_while_keys_are_unavailable(publisher: ReferencePublisher) -> None:
    """While Entra's keys cannot be fetched, every call is answered 401, which also rejects changes."""
    verify = publisher.webhook_tokens.signed_claims

    async def signed_claims(token: str) -> Claims:
        try:
            return await verify(token)
        except KeysUnavailable as error:
            raise TokenRefused("the token's signature does not verify") from error

    replace(publisher.webhook_tokens, "signed_claims", signed_claims)


@defect("fetches-keys-for-every-unknown-kid", breaks=["WHK-049"])
def fetches_keys_for_every_unknown_kid(publisher: ReferencePublisher) -> None:
    """Whoever invents key ids makes this publisher flood Entra."""
    replace(publisher.signing_keys, "may_fetch", lambda: True)


@defect("never-fetches-keys-again", breaks=["WHK-049"])
def never_fetches_keys_again(publisher: ReferencePublisher) -> None:
    """The keys of the first fetch are used for ever, so that a new signing key locks the marketplace out."""
    replace(publisher.signing_keys, "may_fetch", lambda: False)


@defect(
    "believes-notices-without-proof",
    breaks=["WHK-012", "WHK-014", "WHK-015", "WHK-016", "WHK-017", "WHK-018", "WHK-019", "WHK-020"],
)
def believes_notices_without_proof(publisher: ReferencePublisher) -> None:
    """Only changes of plan and seats need a token: the other events are thought to do no harm."""
    decide = publisher.webhook.decide

    async def decide_by_action(request: Request) -> Verdict:
        with contextlib.suppress(ValueError):
            event = publisher.webhook.read(await request.body())
            if event.action not in {"ChangePlan", "ChangeQuantity"}:
                return await publisher.webhook.take(event)
        return await decide(request)

    replace(publisher.webhook, "decide", decide_by_action)


@defect("verifies-the-signature-of-version-2-only", breaks=["WHK-018", "WHK-024"])
def verifies_the_signature_of_version_2_only(publisher: ReferencePublisher) -> None:
    """A token of version 1 is read, and its signature is not looked at."""
    verify = publisher.webhook_tokens.signed_claims

    async def signed_claims(token: str) -> Claims:
        claims = _claims(token)
        return claims if _is_version_1(claims) else await verify(token)

    replace(publisher.webhook_tokens, "signed_claims", signed_claims)


@defect("checks-the-audience-of-version-2-only", breaks=["WHK-015", "WHK-024"])
def checks_the_audience_of_version_2_only(publisher: ReferencePublisher) -> None:
    """A token of version 1 may be made out to anybody."""
    _unchecked_in_version_1(publisher, "aud")


@defect("checks-the-sender-of-version-2-only", breaks=["WHK-016"])
def checks_the_sender_of_version_2_only(publisher: ReferencePublisher) -> None:
    """A token without azp is not asked for its appid."""
    _unchecked_in_version_1(publisher, "appid or azp")


@defect("checks-the-tenant-of-version-2-only", breaks=["WHK-017"])
def checks_the_tenant_of_version_2_only(publisher: ReferencePublisher) -> None:
    """A token of version 1 may name any tenant."""
    _unchecked_in_version_1(publisher, "tid")


@defect("checks-the-issuer-of-version-2-only", breaks=["WHK-021"])
def checks_the_issuer_of_version_2_only(publisher: ReferencePublisher) -> None:
    """The issuer of a version 1 token is not looked at, since it has another form."""
    _unchecked_in_version_1(publisher, "iss")


@defect("checks-the-times-of-version-2-only", breaks=["WHK-019", "WHK-020", "WHK-024"])
def checks_the_times_of_version_2_only(publisher: ReferencePublisher) -> None:
    """A token of version 1 is good for ever, and before its time."""
    _unchecked_in_version_1(publisher, "exp")
    _unchecked_in_version_1(publisher, "nbf")


def _is_version_1(claims: Claims) -> bool:
    return "azp" not in claims and "/v2.0" not in str(claims.get("iss"))


def _unchecked_in_version_1(publisher: ReferencePublisher, name: str) -> None:
    check = publisher.webhook_tokens.checks[name]
    publisher.webhook_tokens.checks[name] = lambda claims: None if _is_version_1(claims) else check(claims)


@defect("looks-for-its-id-in-the-audience", breaks=["WHK-015"])
def looks_for_its_id_in_the_audience(publisher: ReferencePublisher) -> None:
    """An audience in which our application id stands somewhere is taken for ours."""

    def check_audience(claims: Claims) -> None:
        if publisher.settings.client_id not in str(claims.get("aud")):
            raise TokenRefused("the token is for another application")

    publisher.webhook_tokens.checks["aud"] = check_audience


@defect("accepts-a-token-without-issuer", breaks=["WHK-021"])
def accepts_a_token_without_issuer(publisher: ReferencePublisher) -> None:
    """Claim iss is checked only where it is given."""
    check = publisher.webhook_tokens.check_issuer
    publisher.webhook_tokens.checks["iss"] = lambda claims: check(claims) if "iss" in claims else None


@defect("verifies-the-usual-algorithm-only", breaks=["WHK-018"])
def verifies_the_usual_algorithm_only(publisher: ReferencePublisher) -> None:
    """Tokens under RS256, HS256 and none are verified or refused; under any other name nothing is looked at."""
    verify = publisher.webhook_tokens.signed_claims

    async def signed_claims(token: str) -> Claims:
        known = str(_header(token).get("alg")).lower() in {"rs256", "hs256", "none"}
        return await verify(token) if known else _claims(token)

    replace(publisher.webhook_tokens, "signed_claims", signed_claims)


@defect("knows-tokens-by-what-they-say", breaks=["WHK-018"])
def knows_tokens_by_what_they_say(publisher: ReferencePublisher) -> None:
    """A token that says the same as one that was believed is believed, whoever signed it."""
    verify = publisher.webhook_tokens.signed_claims
    believed: dict[str, Claims] = {}

    async def signed_claims(token: str) -> Claims:
        said = token.rpartition(".")[0]
        if said not in believed:
            believed[said] = await verify(token)
        return believed[said]

    replace(publisher.webhook_tokens, "signed_claims", signed_claims)


@defect("believes-whom-it-believed-before", breaks=["WHK-014"])
def believes_whom_it_believed_before(publisher: ReferencePublisher) -> None:
    """A subscription that a genuine call came for needs no token any more."""
    take, decide = publisher.webhook.take, publisher.webhook.decide
    believed: set[str] = set()

    async def take_and_remember(event: Event) -> Verdict:
        believed.add(event.subscription_id)
        return await take(event)

    async def decide_by_memory(request: Request) -> Verdict:
        if "authorization" not in request.headers:
            with contextlib.suppress(ValueError):
                event = publisher.webhook.read(await request.body())
                if event.subscription_id in believed:
                    return await take(event)
        return await decide(request)

    replace(publisher.webhook, "take", take_and_remember)
    replace(publisher.webhook, "decide", decide_by_memory)


@defect("refuses-tokens-that-are-not-fresh", breaks=["WHK-012", "WHK-048"])
def refuses_tokens_that_are_not_fresh(publisher: ReferencePublisher) -> None:
    """A token that was issued more than five minutes ago is refused, however long it is good for."""

    def check_fresh(claims: Claims) -> None:
        if time.time() - float(claims.get("iat", 0)) > 300.0:
            raise TokenRefused("the token was issued too long ago")

    publisher.webhook_tokens.checks["iat"] = check_fresh


@defect("believes-when-keys-are-no-json", breaks=["WHK-012"])
def believes_when_keys_are_no_json(publisher: ReferencePublisher) -> None:
    """When a page comes where the keys should be, claims are believed without a check of the signature."""
    _open_when(publisher, ValueError)


@defect("believes-when-keys-break-off", breaks=["WHK-012"])
def believes_when_keys_break_off(publisher: ReferencePublisher) -> None:
    """When the connection to the keys breaks off, claims are believed without a check of the signature."""
    _open_when(publisher, httpx2.TransportError)


def _open_when(publisher: ReferencePublisher, problem: type[Exception]) -> None:
    verify, get = publisher.webhook_tokens.signed_claims, publisher.signing_keys._get

    async def get_keys(url: str) -> Any:
        try:
            return await get(url)
        except problem as error:
            raise LookupError("no keys") from error

    async def signed_claims(token: str) -> Claims:
        try:
            return await verify(token)
        except LookupError:
            return _claims(token)

    replace(publisher.signing_keys, "_get", get_keys)
    replace(publisher.webhook_tokens, "signed_claims", signed_claims)
