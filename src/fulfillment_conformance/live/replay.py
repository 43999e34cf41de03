"""Repeats the exchanges of a recording against the emulator, profile `observed`, and tells where it answers otherwise.

For each exchange the recorded situation is arranged on an emulator of its own, the same request is sent, and the two
answers are compared by what a publisher has to cope with: status, headers that matter, fields and their types, null or
not, and the words of fields that have a fixed choice of them. Values make no difference.

Of a difference the live service is right. It stays only where the catalogue says why: the recording names the
difference and a requirement, and the requirement's row names the recording.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final
from urllib.parse import quote, urlencode

from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.emulator import Emulator, IdentitySettings, Settings
from fulfillment_conformance.emulator.offers import BENEFICIARY, offers_from
from fulfillment_conformance.emulator.settings import Profile
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.evidence import redacted
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.live.drift import Difference, call_of, differences, shape_of
from fulfillment_conformance.live.recordings import (
    BELOW,
    OPERATION,
    SUBSCRIPTION,
    BegunOperation,
    RecordedExchange,
    Recording,
    Situation,
)
from fulfillment_conformance.live.section import ListedSubscription
from fulfillment_conformance.live.standin import build
from fulfillment_conformance.marketplace import Caller, Ids, Operation, Refused
from fulfillment_conformance.redaction import Redactor
from fulfillment_conformance.serving import serve, shared_portal
from fulfillment_conformance.target import OfferSpec

FORMS: Final = 8
"""Seeds that are tried: where the live service has been seen to vary, the emulator chooses by its seed, and one of its
forms has to be the recorded one."""


def compared(recording: Recording, *, profile: Profile = "observed") -> list[Difference]:
    """Return where the emulator answers otherwise than the recording, each difference once, in order of the file.

    `before` is what was recorded, `after` what the emulator does.

    Raises:
        UsageProblem: a situation cannot be arranged.
    """
    found: dict[Difference, None] = {}
    for number, exchange in enumerate(recording.exchanges):
        try:
            found |= dict.fromkeys(_compared(recording, exchange, profile))
        except Refused as refused:
            raise UsageProblem(
                f"exchanges[{number}].given cannot be arranged on the emulator: {refused.message} Correct it, or "
                "remove the exchange"
            ) from None
    return list(found)


def complaints(name: str, recording: Recording, catalogue: Catalogue) -> Iterator[str]:
    """Yield what is wrong between a recording, the emulator and the catalogue; nothing where all is explained."""
    present = {str(difference) for difference in compared(recording)}
    explained = {each.difference: each.by for each in recording.explained}
    for difference in sorted(present - explained.keys()):
        yield (
            f"{name}: {difference}\n  The live service and `emulate --profile observed` differ. Mend the emulator, or "
            "add the difference to `explained` of the recording, and say why in the row that it names"
        )
    for difference, by in explained.items():
        if difference not in present:
            yield f"{name}: the difference explained by {by} is gone, so remove it: {difference}"
        if by not in catalogue:
            yield f"{name}: {by}, which is to explain a difference, is not in the catalogue: {difference}"
        elif all(each.recording != name for each in catalogue[by].recorded):
            yield f"{name}: {by} does not say why in its key `recorded`, with recording: {name}: {difference}"


def forgotten(recordings: Mapping[str, Recording], catalogue: Catalogue) -> Iterator[str]:
    """Yield the rows of the catalogue that explain what no recording asks them to."""
    for row in catalogue.values():
        for each in row.recorded:
            recording = recordings.get(each.recording)
            if recording is None:
                yield f"{row.id}: there is no recording {each.recording}; remove it from `recorded`"
            elif all(explained.by != row.id for explained in recording.explained):
                yield f"{row.id}: the recording {each.recording} has nothing explained by it; remove it from `recorded`"


def _compared(recording: Recording, exchange: RecordedExchange, profile: Profile) -> list[Difference]:
    """Return the differences of the emulator's form that has the fewest."""
    best: list[Difference] | None = None
    for seed in range(FORMS):
        evidence = repeated(recording, exchange, profile=profile, seed=seed)
        found = _between(exchange.as_evidence(recording.service), evidence)
        if best is None or len(found) < len(best):
            best = found
        if not found:
            break
    return best or []


def _between(recorded_one: Mapping[str, Any], repeated_one: Mapping[str, Any]) -> list[Difference]:
    before, after = (str(each["response"]["status"]) for each in (recorded_one, repeated_one))
    if before != after:  # then bodies and headers have nothing to do with each other
        return [Difference("changed", f"{call_of(recorded_one['request'])} status", before, after)]
    return list(differences(shape_of(recorded_one), shape_of(repeated_one)))


def repeated(
    recording: Recording, exchange: RecordedExchange, *, profile: Profile = "observed", seed: int = 0
) -> dict[str, Any]:
    """Arrange the situation of an exchange on a new emulator, send the request, and return it as evidence of a run."""
    offers = offers_from([_for_sale(offer) for offer in recording.offers], IdentitySettings())
    emulator = Emulator(Settings(profile=profile, seed=seed, offers=offers))
    request = exchange.request
    headers = dict(request.headers)
    if request.access == "publisher":
        headers["authorization"] = f"Bearer {emulator.identity.access_token()}"
    with serve(emulator.app) as serving, HttpClient() as http:
        there = shared_portal().call(_arrange, emulator, exchange.given)
        path = request.path
        if there:
            subscription, operation = there[0]
            path = path.replace(SUBSCRIPTION, subscription).replace(OPERATION, operation)
            if request.purchase_token:
                headers["x-ms-marketplace-token"] = emulator.market.issue_token(subscription)
        content = b"" if request.body is None else json.dumps(request.body).encode()
        address = f"{serving.url}/api{BELOW}{path}?{urlencode(request.query, quote_via=quote)}"
        came = http.send(request.method, address.rstrip("?"), headers=headers, content=content)
    evidence = redacted(came, Redactor())
    evidence["request"]["url"] = f"{serving.url}/api{BELOW}{request.path}"
    return evidence


def _for_sale(offer: OfferSpec) -> dict[str, Any]:
    """Return an offer whose private plans the emulator's customer may buy, as whoever bought them could."""
    document = offer.document()
    for plan in document["plans"]:
        if plan.get("isPrivate"):
            plan["audience"] = [BENEFICIARY.tenant_id]
    return document


async def _arrange(emulator: Emulator, given: tuple[Situation, ...]) -> list[tuple[str, str]]:
    """Put subscriptions there, and return the id of each with that of its latest operation, if any."""
    ids = Ids(emulator.settings.seed + 2)
    made = []
    for situation in given:
        listed = ListedSubscription(
            id=ids.guid(),
            offer=situation.offer,
            plan=situation.plan,
            quantity=situation.quantity,
            status=situation.status,
        )
        identity = emulator.settings.identity
        emulator.perform(lambda: build(emulator.market, listed, identity, term_unit=situation.term_unit))  # noqa: B023 - called at once
        latest = ""
        ages = [begun.seconds for begun in situation.operations]
        for begun, (age, age_of_next) in zip(situation.operations, pairwise([*ages, 0.0]), strict=True):
            latest = _begin(emulator, listed, begun)
            await emulator.advance(timedelta(seconds=max(age - age_of_next, 0.0)))
        made.append((listed.id, latest))
    return made


def _begin(emulator: Emulator, listed: ListedSubscription, begun: BegunOperation) -> str:
    """Begin an operation as the publisher, bring it to its recorded end, and return its id."""
    market, identity = emulator.market, emulator.settings.identity
    offer = market.offer_of(market.find(listed.id).subscription)
    caller = Caller(offer.publisher_id, identity.tenant_id, identity.client_id)

    def begin() -> Operation:
        if begun.action == "ChangePlan":
            assert begun.plan is not None
            operation = market.change_plan(caller, listed.id, begun.plan)
        elif begun.action == "ChangeQuantity":
            assert begun.quantity is not None
            operation = market.change_quantity(caller, listed.id, begun.quantity)
        else:
            cancelled = market.cancel(caller, listed.id)
            assert cancelled is not None, "a subscription that is Unsubscribed has no cancellation under way"
            operation = cancelled
        if operation.is_pending and begun.status == "Succeeded":
            market.accept(operation)
        elif operation.is_pending and begun.status == "Failed":
            market.fail(operation, "It failed in the recording.")
        return operation

    return emulator.perform(begin).id
