"""Every hostile bearer token in one place, and the genuine ones beside which they are judged.

`Forge` makes the Authorization headers of notifications, for the publisher's webhook. `AccessTokenForge` spoils an
access token that somebody else issued, for the Fulfillment API. Each method is one case: it differs from the genuine
token in the one thing that its name says, and its docstring is why it must be refused, or accepted.

No JWT library makes such tokens, so they are put together by hand: header, payload, signature.
"""

import base64
import functools
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fulfillment_conformance.emulator.identity import GRAPH_APP_ID, IdentityProvider, TokenVersion
from fulfillment_conformance.emulator.identity.keys import SigningKey, b64url, stranger_key
from fulfillment_conformance.emulator.identity.tokens import issuer

Expected = Literal["accepted", "refused", "either"]
"""What a conformant receiver does. `either`: no source decides, but a server error is wrong all the same."""

Signer = Callable[[bytes], bytes]
"""Makes the signature over `<header>.<payload>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """One case: what to send as Authorization, and what ought to come of it.

    Attributes:
        name: the case, in words joined by dashes.
        authorization: values of the Authorization header, in order; empty: send no such header; two: send it twice.
        expected: what a conformant receiver does.
        reason: why.
        requirements: ids of the catalogue that the case concerns.
    """

    name: str
    authorization: tuple[str, ...] = field(repr=False)
    expected: Expected
    reason: str
    requirements: tuple[str, ...]


def compact(header: Mapping[str, Any] | str, payload: object, sign: Signer) -> str:
    """Return a JWS in compact form; a header or payload given as text is taken as it is, be it JSON or not."""
    signed = f"{b64url(_as_json(header))}.{b64url(_as_json(payload))}"
    return f"{signed}.{b64url(sign(signed.encode('ascii')))}"


def by_key(key: SigningKey, digest: hashes.HashAlgorithm | None = None) -> Signer:
    """Sign as RS256 does, or with another digest as its kin."""
    return lambda signed: key.private_key.sign(signed, padding.PKCS1v15(), digest or hashes.SHA256())


def by_hmac(secret: bytes) -> Signer:
    """Sign as HS256 does."""
    return lambda signed: hmac.digest(secret, signed, "sha256")


def literally(signature: bytes) -> Signer:
    """Put these bytes where the signature belongs."""
    return lambda _signed: signature


def strangers_site() -> Starlette:
    """Return an application that serves the stranger's key set at `/keys` and certificate at `/certificate.pem`.

    Tokens with `jku` and `x5u` point there; a request to it shows that somebody followed them.
    """

    async def keys(_request: Request) -> Response:
        return JSONResponse({"keys": [stranger_key().jwk]})

    async def certificate(_request: Request) -> Response:
        pem = stranger_key().certificate.public_bytes(serialization.Encoding.PEM)
        return Response(pem, media_type="application/x-pem-file")

    return Starlette(routes=[Route("/keys", keys), Route("/certificate.pem", certificate)])


_Maker = TypeVar("_Maker", bound="_Cases")
_Made = str | tuple[str, ...]
"""A token to be sent as bearer, or the values of the Authorization header as they are."""


@dataclass(frozen=True, slots=True)
class _About:
    expected: Expected
    requirements: tuple[str, ...]


_about: dict[str, _About] = {}


def _case(expected: Expected, *requirements: str) -> Callable[[Callable[[_Maker], _Made]], Callable[[_Maker], Forgery]]:
    def decorate(make: Callable[[_Maker], _Made]) -> Callable[[_Maker], Forgery]:
        _about[make.__qualname__] = _About(expected, requirements)

        @functools.wraps(make)
        def case(self: _Maker) -> Forgery:
            made = make(self)
            return Forgery(
                name=_case_name(make.__name__),
                authorization=(f"Bearer {made}",) if isinstance(made, str) else made,
                expected=expected,
                reason=make.__doc__ or "",
                requirements=requirements,
            )

        return case

    return decorate


class _Cases:
    """Finds the cases of a class by name, in the order in which they are written."""

    @classmethod
    def names(cls, *, expected: Expected | None = None, requirement: str | None = None) -> list[str]:
        """Return the names of the cases, all or those with one expectation or requirement."""
        return [
            _case_name(method)
            for method, about in cls._written()
            if expected in (None, about.expected) and (requirement is None or requirement in about.requirements)
        ]

    def make(self, name: str) -> Forgery:
        """Return the case of that name.

        Raises:
            KeyError: there is none.
        """
        for method, _ in self._written():
            if _case_name(method) == name:
                forgery: Forgery = getattr(self, method)()
                return forgery
        raise KeyError(name)

    @classmethod
    def _written(cls) -> Sequence[tuple[str, _About]]:
        return [
            (name, _about[member.__qualname__])
            for name, member in vars(cls).items()
            if getattr(member, "__qualname__", None) in _about
        ]


class Forge(_Cases):
    """Authorization headers of notifications to a publisher, genuine and forged.

    Args:
        identity: whose keys and claims are genuine.
        version: of the tokens, where a case does not say otherwise.
        strangers_url: where `strangers_site` is served, for the tokens that point there.
    """

    ANOTHER_CLIENT: ClassVar[str] = "7f4d2c81-5e0b-4a96-b3c7-e81d69f20a45"
    """An application that is neither the publisher's nor Microsoft's."""

    def __init__(
        self,
        identity: IdentityProvider,
        *,
        version: TokenVersion = 2,
        strangers_url: str = "https://stranger.invalid",
    ) -> None:
        self._identity = identity
        self._version: TokenVersion = version
        self._strangers_url = strangers_url

    # --- genuine ---

    @_case("accepted", "WHK-012", "WHK-022")
    def genuine_version_2(self) -> str:
        """A version 2 token: issuer login.microsoftonline.com, the caller in azp."""
        return self._identity.webhook_token(2)

    @_case("accepted", "WHK-012", "WHK-022")
    def genuine_version_1(self) -> str:
        """A version 1 token: issuer sts.windows.net, the caller in appid."""
        return self._identity.webhook_token(1)

    @_case("accepted", "WHK-012")
    def genuine_without_nbf(self) -> str:
        """The claims of a call seen live in 2024, which had no nbf."""
        return self._genuine(nbf=None)

    @_case("either", "WHK-018")
    def genuine_without_kid(self) -> str:
        """Signed by the right key, which it does not name: found by trying each, or refused."""
        return self._by(self._key, {"kid": None, "x5t": None}, self._claims())

    @_case("accepted", "WHK-012")
    def issued_fifty_minutes_ago(self) -> str:
        """Issued fifty minutes ago, and good for ten more: Entra's callers use a token again until it ends."""
        return self._ending(600)

    # --- no token at all ---

    @_case("refused", "WHK-014", "WHK-024")
    def no_header(self) -> tuple[str, ...]:
        """No Authorization header: anybody can send that."""
        return ()

    @_case("refused", "WHK-012", "WHK-024")
    def empty_bearer(self) -> tuple[str, ...]:
        """The scheme Bearer without a token."""
        return ("Bearer",)

    @_case("refused", "WHK-012", "WHK-024")
    def basic_scheme(self) -> tuple[str, ...]:
        """A name and password by the scheme Basic: not what Microsoft sends."""
        return (f"Basic {base64.b64encode(b'marketplace:guessed').decode()}",)

    @_case("refused", "WHK-012", "WHK-024")
    def garbage(self) -> str:
        """A token that is no JWT."""
        return "garbage"

    @_case("refused", "WHK-012", "WHK-024")
    def garbage_in_three_parts(self) -> str:
        """Three parts that decode to nothing."""
        return "a.b.c"

    @_case("refused", "WHK-012", "WHK-024")
    def payload_that_is_a_list(self) -> str:
        """Properly signed, but the payload is a JSON list: it has no claims, so none of them can be right."""
        return compact(self._header(), [self._claims()], by_key(self._key))

    @_case("refused", "WHK-012", "WHK-024")
    def two_forged_headers(self) -> tuple[str, ...]:
        """The header twice, each time with a token that a stranger signed."""
        return (f"Bearer {self._by(stranger_key())}", f"Bearer {self._by(stranger_key())}")

    @_case("either", "WHK-012")
    def genuine_after_a_forged_header(self) -> tuple[str, ...]:
        """The header twice, forged and genuine: refused as ambiguous, or judged by the genuine one."""
        return (f"Bearer {self._by(stranger_key())}", f"Bearer {self._genuine()}")

    # --- signature ---

    @_case("refused", "WHK-018", "WHK-024")
    def unsigned(self) -> str:
        """Algorithm none and no signature: whoever believes the header believes anybody."""
        return compact({**self._header(), "alg": "none"}, self._claims(), literally(b""))

    @_case("refused", "WHK-018", "WHK-024")
    def unsigned_in_mixed_case(self) -> str:
        """Algorithm nOnE: passes a filter that looks for none letter by letter."""
        return compact({**self._header(), "alg": "nOnE"}, self._claims(), literally(b""))

    @_case("refused", "WHK-018", "WHK-024")
    def signature_left_out(self) -> str:
        """Algorithm RS256, but the third part is empty."""
        return compact(self._header(), self._claims(), literally(b""))

    @_case("refused", "WHK-018", "WHK-024")
    def signature_truncated(self) -> str:
        """The first half of a genuine signature."""
        sign = by_key(self._key)
        return compact(self._header(), self._claims(), lambda signed: sign(signed)[:128])

    @_case("refused", "WHK-018", "WHK-024")
    def payload_exchanged(self) -> str:
        """Header and signature of a genuine token that has expired, around claims that have not."""
        header, _, signature = self.expired_an_hour_ago().authorization[0].removeprefix("Bearer ").split(".")
        return f"{header}.{b64url(_as_json(self._claims()))}.{signature}"

    @_case("refused", "WHK-018", "WHK-024")
    def hs256_with_the_public_key_in_pem(self) -> str:
        """HS256 with the published key as the secret, in PEM: works where the header chooses the algorithm."""
        return self._hs256(self._public_key(serialization.Encoding.PEM))

    @_case("refused", "WHK-018", "WHK-024")
    def hs256_with_the_public_key_in_der(self) -> str:
        """HS256 with the published key as the secret, in DER."""
        return self._hs256(self._public_key(serialization.Encoding.DER))

    @_case("refused", "WHK-018", "WHK-024")
    def hs256_with_the_published_certificate(self) -> str:
        """HS256 with the text of the published x5c entry as the secret."""
        certificate = self._key.certificate.public_bytes(serialization.Encoding.DER)
        return self._hs256(base64.b64encode(certificate))

    @_case("refused", "WHK-018", "WHK-024")
    def signed_by_a_stranger(self) -> str:
        """Right claims, signed by a key that nobody published, under that key's own name."""
        return self._by(stranger_key())

    @_case("refused", "WHK-018", "WHK-024")
    def signed_by_a_stranger_under_a_known_kid(self) -> str:
        """Right claims, signed by a stranger's key under the name of Microsoft's."""
        return self._by(stranger_key(), self._header())

    @_case("refused", "WHK-018", "WHK-024")
    def signed_by_a_stranger_without_kid(self) -> str:
        """Right claims, signed by a stranger's key that is not named."""
        return self._by(stranger_key(), {"kid": None, "x5t": None})

    @_case("refused", "WHK-018", "WHK-024")
    def signed_by_a_stranger_with_another_algorithm(self) -> str:
        """RS512 by a stranger under the name of Microsoft's key: passes where only the usual algorithm is looked at."""
        return compact({**self._header(), "alg": "RS512"}, self._claims(), by_key(stranger_key(), hashes.SHA512()))

    @_case("refused", "WHK-018", "WHK-024")
    def signed_by_a_stranger_without_algorithm(self) -> str:
        """Signed by a stranger under the name of Microsoft's key, and the header names no algorithm."""
        header = {name: value for name, value in self._header().items() if name != "alg"}
        return compact(header, self._claims(), by_key(stranger_key()))

    @_case("refused", "WHK-018", "WHK-024")
    def kid_that_is_a_path(self) -> str:
        """HS256 with an empty secret, and a kid that points at an empty file."""
        return self._hs256(b"", kid="../../../../../../../../dev/null")

    @_case("refused", "WHK-018", "WHK-024")
    def kid_that_is_an_address(self) -> str:
        """Signed by a stranger, and a kid that is the address of the stranger's keys."""
        return self._by(stranger_key(), {"kid": f"{self._strangers_url}/keys"})

    @_case("refused", "WHK-018", "WHK-024")
    def kid_that_is_sql(self) -> str:
        """HS256 with a secret that the kid injects into a database query."""
        return self._hs256(b"injected", kid="none' UNION SELECT 'injected' -- ")

    @_case("refused", "WHK-018", "WHK-024")
    def key_in_the_header(self) -> str:
        """Signed by a stranger, whose key the token brings along in jwk."""
        return self._by(stranger_key(), {"jwk": stranger_key().jwk})

    @_case("refused", "WHK-018", "WHK-024")
    def certificate_in_the_header(self) -> str:
        """Signed by a stranger, whose certificate the token brings along in x5c."""
        return self._by(stranger_key(), {"x5c": stranger_key().jwk["x5c"]})

    @_case("refused", "WHK-018", "WHK-024")
    def key_set_of_a_stranger(self) -> str:
        """Signed by a stranger, whose key set the token points at in jku."""
        return self._by(stranger_key(), {"jku": f"{self._strangers_url}/keys"})

    @_case("refused", "WHK-018", "WHK-024")
    def certificate_of_a_stranger(self) -> str:
        """Signed by a stranger, whose certificate the token points at in x5u."""
        return self._by(stranger_key(), {"x5u": f"{self._strangers_url}/certificate.pem"})

    @_case("either", "WHK-018")
    def signed_with_another_tenants_key(self) -> str:
        """Right claims, signed with another tenant's key: /common publishes it, the publisher's own tenant does not."""
        return self._by(self._identity.keys.foreign_key)

    # --- audience ---

    @_case("refused", "WHK-015", "WHK-024")
    def for_another_application(self) -> str:
        """Genuine, but made out to another application."""
        return self._genuine(aud=self.ANOTHER_CLIENT)

    @_case("refused", "WHK-015", "WHK-024")
    def for_another_application_by_address(self) -> str:
        """Genuine, but made out to another application, in the form api://<id>."""
        return self._genuine(aud=f"api://{self.ANOTHER_CLIENT}")

    @_case("refused", "WHK-015", "WHK-024")
    def for_another_application_whose_address_names_ours(self) -> str:
        """Genuine, but made out to an address of another application, in which the publisher's own id stands, too."""
        client = self._identity.directory.fulfillment_application.client_id
        return self._genuine(aud=f"api://{self.ANOTHER_CLIENT}/{client}")

    @_case("refused", "WHK-015", "WHK-024")
    def for_microsoft_graph(self) -> str:
        """Genuine, but made out to Microsoft Graph."""
        return self._genuine(aud=GRAPH_APP_ID)

    @_case("refused", "WHK-015", "WHK-024")
    def for_nobody(self) -> str:
        """Genuine, but without aud."""
        return self._genuine(aud=None)

    # --- caller ---

    @_case("refused", "WHK-016", "WHK-024")
    def from_another_client(self) -> str:
        """Made out to the publisher, but asked for by another application than the marketplace."""
        return self._genuine(**{self._caller: self.ANOTHER_CLIENT})

    @_case("refused", "WHK-016", "WHK-024")
    def from_no_client(self) -> str:
        """Made out to the publisher, but neither appid nor azp says who asked for it."""
        return self._genuine(**{self._caller: None})

    @_case("refused", "WHK-016", "WHK-024")
    def of_a_user(self) -> str:
        """A user's token for the publisher's application: scp and preferred_username, asked for by another client."""
        return self._genuine(
            **{self._caller: self.ANOTHER_CLIENT},
            scp="access_as_user",
            preferred_username="mallory@stranger.example",
            oid="1b7e0c52-93fd-4e68-a0d5-4c82f6b91e37",
        )

    # --- tenant and issuer ---

    @_case("refused", "WHK-017", "WHK-018", "WHK-021", "WHK-024")
    def of_another_tenant_with_its_own_keys(self) -> str:
        """Everything of another tenant, signed with the keys that tenant publishes."""
        tenant = self._identity.directory.foreign_application.tenant_id
        claims = {**self._claims(), "tid": tenant, "iss": issuer(self._version, tenant)}
        return self._by(self._identity.keys.foreign_key, claims=claims)

    @_case("refused", "WHK-017", "WHK-021", "WHK-024")
    def of_another_tenant_with_shared_keys(self) -> str:
        """Tenant and issuer of another tenant, signed with the keys that tenants share, as they do in real Entra."""
        tenant = self._identity.directory.foreign_application.tenant_id
        return self._genuine(tid=tenant, iss=issuer(self._version, tenant))

    @_case("refused", "WHK-017", "WHK-024")
    def with_the_tenant_of_another(self) -> str:
        """Right issuer, but tid names another tenant."""
        return self._genuine(tid=self._identity.directory.foreign_application.tenant_id)

    @_case("refused", "WHK-017", "WHK-024")
    def without_tenant(self) -> str:
        """Right issuer, but no tid."""
        return self._genuine(tid=None)

    @_case("refused", "WHK-021")
    def with_the_issuer_of_another_tenant(self) -> str:
        """Right tenant in tid, but issued by another tenant."""
        return self._genuine(iss=issuer(self._version, self._identity.directory.foreign_application.tenant_id))

    @_case("refused", "WHK-021")
    def with_the_issuer_of_a_look_alike(self) -> str:
        """Right tenant in tid, but the issuer's host only begins like Microsoft's."""
        tenant = self._identity.directory.fulfillment_application.tenant_id
        return self._genuine(iss=f"https://login.microsoftonline.com.stranger.invalid/{tenant}/v2.0")

    @_case("refused", "WHK-021")
    def without_issuer(self) -> str:
        """Right tenant in tid, but no iss."""
        return self._genuine(iss=None)

    # --- time ---

    @_case("refused", "WHK-019", "WHK-024")
    def expired_an_hour_ago(self) -> str:
        """Expired an hour ago."""
        return self._ending(-3600)

    @_case("refused", "WHK-019", "WHK-024")
    def expired_ten_minutes_ago(self) -> str:
        """Expired ten minutes ago: more than any skew of clocks."""
        return self._ending(-600)

    @_case("refused", "WHK-019", "WHK-024")
    def expired_six_minutes_ago(self) -> str:
        """Expired six minutes ago: outside the five minutes that are customary."""
        return self._ending(-360)

    @_case("either", "WHK-019")
    def expired_four_minutes_ago(self) -> str:
        """Expired four minutes ago: inside the five minutes that are customary, which nobody has to grant."""
        return self._ending(-240)

    @_case("accepted", "WHK-048")
    def expired_two_minutes_ago(self) -> str:
        """Expired two minutes ago: clocks differ, and a notification that is refused may reject a customer's change."""
        return self._ending(-120)

    @_case("accepted", "WHK-048")
    def valid_in_two_minutes(self) -> str:
        """Begins in two minutes: clocks differ."""
        return self._beginning(120)

    @_case("either", "WHK-020")
    def valid_in_four_minutes(self) -> str:
        """Begins in four minutes: inside the five minutes that are customary, which nobody has to grant."""
        return self._beginning(240)

    @_case("refused", "WHK-020", "WHK-024")
    def valid_in_seven_minutes(self) -> str:
        """Begins in seven minutes: outside the five minutes that are customary, however long the call takes."""
        return self._beginning(420)

    @_case("refused", "WHK-020", "WHK-024")
    def valid_in_an_hour(self) -> str:
        """Begins in an hour."""
        return self._beginning(3600)

    @_case("refused", "WHK-020", "WHK-024")
    def valid_in_ten_years(self) -> str:
        """Begins in ten years, with an end that lies beyond."""
        return self._beginning(10 * 365 * 86400)

    @_case("refused", "WHK-019", "WHK-024")
    def expired_an_hour_ago_as_text(self) -> str:
        """Expired an hour ago, with exp as a string: neither a valid time nor a future one."""
        return self._genuine(exp=str(int(time.time()) - 3600))

    # --- ambiguous JSON, properly signed: no source decides, but nothing may break ---

    @_case("either", "WHK-019")
    def end_as_text(self) -> str:
        """Valid, with exp as a string."""
        return self._genuine(exp=str(int(time.time()) + 3600))

    @_case("either", "WHK-019")
    def end_beyond_every_number(self) -> str:
        """An exp of 1e999, which many parsers read as infinity."""
        text = json.dumps({**self._claims(), "exp": 0}).replace('"exp": 0', '"exp": 1e999')
        return compact(self._header(), text, by_key(self._key))

    @_case("either", "WHK-015")
    def audience_twice(self) -> str:
        """The claim aud twice, the publisher's and another's: parsers differ in which one they keep."""
        claims = self._claims()
        audience = json.dumps(claims.pop("aud"))
        text = f'{{"aud": {audience}, "aud": "{self.ANOTHER_CLIENT}", {json.dumps(claims)[1:]}'
        return compact(self._header(), text, by_key(self._key))

    # --- made of another one ---

    def under_another_signature(self, genuine: Forgery) -> Forgery:
        """Return a genuine token again, letter by letter, but signed by a stranger: is it known by what it says?"""
        signed = genuine.authorization[0].removeprefix("Bearer ").rpartition(".")[0]
        signature = by_key(stranger_key())(signed.encode("ascii"))
        return Forgery(
            name="under-another-signature",
            authorization=(f"Bearer {signed}.{b64url(signature)}",),
            expected="refused",
            reason="Header and claims of a token that was believed, under a stranger's signature.",
            requirements=("WHK-018", "WHK-024"),
        )

    def of_the_other_version(self) -> "Forge":
        """Return the maker of the same cases in tokens of the other version."""
        return Forge(self._identity, version=1 if self._version == 2 else 2, strangers_url=self._strangers_url)

    def genuine(self) -> Forgery:
        """Return a genuine token of the version that is made here."""
        return self.make(f"genuine-version-{self._version}")

    # --- many at once ---

    def invented_kids(self, count: int) -> list[Forgery]:
        """Return that many tokens by a stranger, each under a name that no key has: do they cause as many fetches?"""
        return [
            Forgery(
                name=f"invented-kid-{number}",
                authorization=(f"Bearer {self._by(stranger_key(), {'kid': f'invented-{number}', 'x5t': None})}",),
                expected="refused",
                reason="Right claims, signed by a stranger's key under a name that no key has.",
                requirements=("WHK-049", "WHK-018", "WHK-024"),
            )
            for number in range(1, count + 1)
        ]

    # --- how it is made ---

    @property
    def _key(self) -> SigningKey:
        return self._identity.keys.signing_key

    @property
    def _caller(self) -> str:
        return "appid" if self._version == 1 else "azp"

    def _claims(self) -> dict[str, Any]:
        return self._identity.webhook_claims(self._version)

    def _header(self) -> dict[str, Any]:
        return _header_of(self._key)

    def _genuine(self, **changes: Any) -> str:
        """Sign the genuine claims with some replaced, or left out by None, with Microsoft's key."""
        return self._identity.webhook_token(self._version, **changes)

    def _by(
        self, key: SigningKey, header: Mapping[str, Any] | None = None, claims: Mapping[str, Any] | None = None
    ) -> str:
        """Sign with a key of choice; fields of the header are added, replaced, or left out by None."""
        fields = {**_header_of(key), **(header or {})}
        fields = {name: value for name, value in fields.items() if value is not None}
        return compact(fields, claims or self._claims(), by_key(key))

    def _hs256(self, secret: bytes, *, kid: str | None = None) -> str:
        header = {"typ": "JWT", "alg": "HS256", "kid": kid or self._key.kid}
        return compact(header, self._claims(), by_hmac(secret))

    def _public_key(self, encoding: serialization.Encoding) -> bytes:
        return self._key.public_key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)

    def _ending(self, seconds: int) -> str:
        end = int(time.time()) + seconds
        return self._genuine(iat=end - 3600, nbf=end - 3600, exp=end)

    def _beginning(self, seconds: int) -> str:
        begin = int(time.time()) + seconds
        return self._genuine(iat=begin, nbf=begin, exp=begin + 3600)


class AccessTokenForge(_Cases):
    """Spoiled access tokens for the Fulfillment API, made from a genuine one without any secret of its issuer.

    Args:
        genuine: an access token that the API accepts.

    Raises:
        ValueError: it is not a signed JWT, as Entra's are, so that nothing can be made of it.
    """

    def __init__(self, genuine: str) -> None:
        self._token = genuine
        try:
            header, payload, self._signature = genuine.split(".")
            self._header: dict[str, Any] = {**json.loads(_from_b64url(header))}
            self._claims: dict[str, Any] = {**json.loads(_from_b64url(payload))}
        except (ValueError, TypeError):
            raise ValueError("the access token is not a signed JWT; forgeries can be made of one only") from None

    @_case("accepted", "AUT-012")
    def genuine(self) -> str:
        """The access token as it was issued."""
        return self._token

    @_case("refused", "AUT-011")
    def no_header(self) -> tuple[str, ...]:
        """No Authorization header."""
        return ()

    @_case("refused", "AUT-012")
    def empty_bearer(self) -> tuple[str, ...]:
        """The scheme Bearer without a token."""
        return ("Bearer",)

    @_case("refused", "AUT-012")
    def empty_header(self) -> tuple[str, ...]:
        """An Authorization header with nothing in it."""
        return ("",)

    @_case("refused", "AUT-012")
    def basic_scheme(self) -> tuple[str, ...]:
        """A name and password by the scheme Basic."""
        return (f"Basic {base64.b64encode(b'publisher:guessed').decode()}",)

    @_case("refused", "AUT-012")
    def garbage(self) -> str:
        """A token that is no JWT."""
        return "abc"

    @_case("refused", "AUT-012")
    def unsigned(self) -> str:
        """The same claims under algorithm none, without a signature."""
        return compact({**self._header, "alg": "none"}, self._claims, literally(b""))

    @_case("refused", "AUT-012")
    def unsigned_in_mixed_case(self) -> str:
        """Algorithm nOnE: passes a filter that looks for none letter by letter."""
        return compact({**self._header, "alg": "nOnE"}, self._claims, literally(b""))

    @_case("refused", "AUT-012")
    def signature_left_out(self) -> str:
        """The genuine token without its third part."""
        return self._token.removesuffix(self._signature)

    @_case("refused", "AUT-012")
    def hs256_with_an_empty_secret(self) -> str:
        """The same claims under HS256: whoever lets the header choose the algorithm checks no signature of Entra's."""
        return compact({**self._header, "alg": "HS256"}, self._claims, by_hmac(b""))

    @_case("refused", "AUT-012")
    def signature_truncated(self) -> str:
        """The first half of the genuine signature."""
        return self._token.removesuffix(self._signature[len(self._signature) // 2 :])

    @_case("refused", "AUT-012")
    def payload_changed(self) -> str:
        """The genuine signature around claims with a later end."""
        claims = {**self._claims, "exp": int(time.time()) + 86400}
        return compact(self._header, claims, literally(_from_b64url(self._signature)))

    @_case("refused", "AUT-012")
    def signed_by_a_stranger(self) -> str:
        """The same claims, signed by a key that nobody published, under that key's own name."""
        return compact(_header_of(stranger_key()), self._claims, by_key(stranger_key()))

    @_case("refused", "AUT-012")
    def signed_by_a_stranger_under_a_known_kid(self) -> str:
        """The same claims, signed by a stranger's key under the name of the genuine one."""
        return compact(self._header, self._claims, by_key(stranger_key()))

    @_case("refused", "AUT-012")
    def key_in_the_header(self) -> str:
        """The same claims, signed by a stranger, whose key the token brings along in jwk."""
        header = {**_header_of(stranger_key()), "jwk": stranger_key().jwk}
        return compact(header, self._claims, by_key(stranger_key()))


def _case_name(method: str) -> str:
    return method.replace("_", "-")


def _header_of(key: SigningKey) -> dict[str, Any]:
    return {"typ": "JWT", "alg": "RS256", "x5t": key.kid, "kid": key.kid}


def _as_json(value: object) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return text.encode("utf-8")


def _from_b64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
