"""Recordings of the live service as files: exchanges, each with the situation it was made in.

A recording is made out of a run by `live.recorder`, and repeated against the emulator by `live.replay`. Its keys are
explained in docs/live.md. Nothing in it is secret: exchanges are redacted when a run writes them, and ids and names are
replaced when the recording is made.
"""

import datetime
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from fulfillment_conformance.catalogue import Id
from fulfillment_conformance.fieldtypes import BaseAddress, Date, TermUnit, Text
from fulfillment_conformance.filemodel import FileModel, complaints, validate
from fulfillment_conformance.target import Offers
from fulfillment_conformance.yamlfile import InvalidContent, KeyPath, Problem, YamlProblem, nearest, read

BELOW: Final = "/saas/subscriptions"
"""What the paths of requests are below."""
SUBSCRIPTION: Final = "{id}"
"""Stands in the path of a request for the first subscription of its situation."""
OPERATION: Final = "{operationId}"
"""Stands in the path of a request for that subscription's latest operation."""

HEADERS: Final = frozenset(
    {
        "content-type",
        "location",
        "operation-location",
        "retry-after",
        "www-authenticate",
        "x-ms-correlationid",
        "x-ms-requestid",
    }
)
"""Headers of answers that a publisher goes by; whatever else proxies and platforms add is not recorded."""

Status = Literal["PendingFulfillmentStart", "Subscribed", "Suspended", "Unsubscribed"]
STATUSES: tuple[Status, ...] = get_args(Status)


class BegunOperation(FileModel):
    """An operation that the publisher has begun on a subscription, and how far it had come.

    `seconds` is how long before the request it was begun.
    """

    action: Literal["ChangePlan", "ChangeQuantity", "Unsubscribe"]
    plan: Text | None = None
    quantity: int | None = None
    status: Literal["InProgress", "Succeeded", "Failed"] = "InProgress"
    seconds: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        wanted = {"ChangePlan": "plan", "ChangeQuantity": "quantity"}.get(self.action)
        if wanted is not None and getattr(self, wanted) is None:
            raise complaints([(wanted, f"missing; expected the value that {self.action} asks for")])
        return self


class Situation(FileModel):
    """A subscription as it was before a request, and before the operations begun on it, oldest first."""

    offer: Text = Field(description="the id of an offer that the recording lists")
    plan: Text = Field(description="the id of one of that offer's plans")
    quantity: Annotated[int, Field(ge=1)] | None = None
    status: Status
    term_unit: TermUnit = "P1M"
    operations: tuple[BegunOperation, ...] = Field(default=(), strict=False)


class RecordedRequest(FileModel):
    """A request. `access` is the publisher's own token, or none; a purchase token, if any, is one of the situation."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: Annotated[str, Field(description="what follows /saas/subscriptions in the address")]
    query: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    access: Literal["publisher", "none"] = "publisher"
    purchase_token: bool = False


class RecordedAnswer(FileModel):
    """An answer: JSON in `body`, anything else in `text`."""

    status: Annotated[int, Field(ge=100, le=599)]
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    text: str = ""


class RecordedExchange(FileModel):
    """A request, what it met, and what came back. The first situation is that of the subscription it addresses."""

    given: tuple[Situation, ...] = Field(default=(), strict=False)
    request: RecordedRequest
    answer: RecordedAnswer

    def as_evidence(self, service: str) -> dict[str, Any]:
        """Return it as `exchanges.jsonl` of a run has it, as far as it was kept; `service` is the address."""
        answer = self.answer
        return {
            "receiver": "marketplace",
            "request": {"method": self.request.method, "url": f"{service}{BELOW}{self.request.path}"},
            "response": {
                "status": answer.status,
                "headers": [[name, value] for name, value in answer.headers.items()],
                "body": answer.text if answer.body is None else json.dumps(answer.body),
            },
        }

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        path = self.request.path
        needs_one = SUBSCRIPTION in path or OPERATION in path or self.request.purchase_token
        if needs_one and not self.given:
            raise complaints([("given", "needs the situation of the subscription that the request is about")])
        if OPERATION in path and not self.given[0].operations:
            raise complaints([("given.0", f"needs an operation, for {OPERATION} stands in the path of the request")])
        return self


class Explained(FileModel):
    """A difference between the recording and the emulator that the catalogue explains."""

    difference: Text = Field(description="the difference, as `drift` tells it")
    by: Id = Field(description="the requirement whose row explains it under `recorded`")


class Recording(FileModel):
    """Exchanges with the live service on one day."""

    recorded: Date = Field(description="the day, such as 2026-11-22")
    service: BaseAddress = Field(description="the address that /saas/subscriptions was below")
    api_version: Text = Field(description="the api-version that was asked for")
    made_with: Text = Field(description="the version of the suite that made the recording")
    offers: Offers = Field(description="the offers of the subscriptions, as `offers` in a target file")
    explained: tuple[Explained, ...] = Field(default=(), strict=False)
    exchanges: tuple[RecordedExchange, ...] = Field(description="a list of exchanges", strict=False, min_length=1)


def load(file: Path) -> Recording:
    """Read a recording.

    Raises:
        YamlProblem: all that is wrong with the file, by line and key.
    """
    document = read(file)
    recording = validate(document, Recording)
    problems = [document.problem(path, said) for path, said in _complaints(recording)]
    if problems:
        raise InvalidContent(problems)
    return recording


def load_folder(folder: Path) -> Mapping[str, Recording]:
    """Read all recordings in a folder (`*.yaml`) and return them by name, which is the file's without `.yaml`.

    Raises:
        YamlProblem: all that is wrong with the files.
    """
    found: dict[str, Recording] = {}
    problems: list[Problem] = []
    for file in sorted(folder.glob("*.yaml")):
        try:
            found[file.stem] = load(file)
        except YamlProblem as error:
            problems += error.problems
    if problems:
        raise InvalidContent(problems)
    return found


def _complaints(recording: Recording) -> Iterator[tuple[KeyPath, str]]:
    if recording.recorded > datetime.datetime.now(datetime.UTC).date():
        yield ("recorded",), f"{recording.recorded} is a day to come; expected the day of the run"
    sold = {offer.offer_id: [plan.plan_id for plan in offer.plans] for offer in recording.offers}
    for number, exchange in enumerate(recording.exchanges):
        for index, given in enumerate(exchange.given):
            here: KeyPath = ("exchanges", number, "given", index)
            plans = sold.get(given.offer)
            if plans is None:
                hint = nearest(given.offer, sold) or ";"
                yield (*here, "offer"), f"got '{given.offer}'{hint} the recording lists {', '.join(sold)}"
            elif given.plan not in plans:
                hint = nearest(given.plan, plans) or ";"
                yield (*here, "plan"), f"got '{given.plan}'{hint} offer '{given.offer}' lists {', '.join(plans)}"
