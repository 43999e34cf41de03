"""Makes a recording out of the exchanges of a run against the live service.

What a subscription was like before a request is read from what the service showed of it until then. A request of which
that cannot be told is left out, and so is one whose access or purchase token the run has redacted beyond telling what
was wrong with it: repeated with another flaw, it would be compared with something else. Of exchanges that differ in
values only, the first is kept.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import yaml

from fulfillment_conformance import __version__
from fulfillment_conformance.answers import Answer, Reading
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.evidence import read_exchanges
from fulfillment_conformance.exchange import Exchange, header
from fulfillment_conformance.live.drift import shape_of
from fulfillment_conformance.live.inventory import plan_document
from fulfillment_conformance.live.recordings import BELOW, HEADERS, OPERATION, STATUSES, SUBSCRIPTION, Recording, load

Json = dict[str, Any]

_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CONTINUATION: Final = re.compile(r"((?:continuationToken|skipToken)=)[^&\s\"]+", re.IGNORECASE)
_NAMES: Final = frozenset({"name", "subscriptionName"})
_SENT: Final = frozenset({"content-type", "x-ms-requestid", "x-ms-correlationid"})
_CIRCUMSTANCES: Final = frozenset({408, 429, 502, 503, 504})
"""Statuses that tell of the day, not of the request."""
_ENDED: Final[Mapping[str, str]] = {"Succeeded": "Succeeded", "Failed": "Failed", "Conflict": "Failed"}


@dataclass(frozen=True, slots=True)
class Made:
    """A recording that was made, and how many exchanges were left out of it, by the reason."""

    recording: Recording
    left_out: Mapping[str, int]


class _LeftOut(Exception):  # noqa: N818 - no error: it says why an exchange is no part of a recording
    """Why an exchange cannot be repeated."""


def record(run: Path, file: Path) -> Made:
    """Make a recording out of a run and write it.

    Args:
        run: the folder of a run, or its `exchanges.jsonl`.
        file: the recording, which must not exist yet.

    Raises:
        UsageProblem: the run cannot be read, holds nothing that can be recorded, or the file cannot be written.
    """
    exchanges = list(read_exchanges(run / "exchanges.jsonl" if run.is_dir() else run))
    document, left_out = recorded(exchanges)
    if not document["exchanges"]:
        why = "; ".join(f"{reason} ({count})" for reason, count in left_out.items()) or "it holds no exchange"
        raise UsageProblem(f"{run} holds nothing that could be recorded: {why}; give a run against the live service")
    if file.exists():
        raise UsageProblem(f"{file} exists, and may hold explanations; name another file, or remove it")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8", newline="\n") as text:
            yaml.dump(document, text, _Dumper, sort_keys=False, allow_unicode=True, width=100)
    except OSError as error:
        raise UsageProblem(f"cannot write {file}: {error.strerror or error}; name a file that you may write") from error
    return Made(load(file), left_out)


def recorded(exchanges: Iterable[Mapping[str, Any]]) -> tuple[Json, Mapping[str, int]]:
    """Return the content of a recording, and how many exchanges were left out of it, by the reason."""
    calls = [each for each in exchanges if each["receiver"] == "marketplace" and BELOW in each["request"]["url"]]
    account = _Account(calls)
    kept: dict[str, Json] = {}
    left_out: Counter[str] = Counter()
    for each in calls:
        try:
            entry = account.entry(each)
        except _LeftOut as reason:
            left_out[str(reason)] += 1
        else:
            kept.setdefault(_kind(entry, each), entry)
    entries = _without_identities(list(kept.values()))
    asked_for = (entry["request"]["query"].get("api-version") for entry in entries)
    versions = Counter(version for version in asked_for if version)
    document = {
        "recorded": calls[0]["at"][:10] if calls else "",
        "service": calls[0]["request"]["url"].partition(BELOW)[0] if calls else "",
        "api_version": max(versions, key=lambda version: versions[version], default="none"),
        "made_with": __version__,
        "offers": account.offers(entries),
        "exchanges": entries,
    }
    return document, dict(left_out)


@dataclass(frozen=True, slots=True)
class _Begun:
    """An operation that the suite has begun."""

    id: str
    action: str
    at: datetime
    plan: str | None = None
    quantity: int | None = None
    status: str = "InProgress"

    def given(self, at: datetime) -> Json:
        """Return it as a part of the situation of a request made at a time."""
        wanted = {"plan": self.plan, "quantity": self.quantity}
        return {
            "action": self.action,
            **{name: value for name, value in wanted.items() if value is not None},
            "status": self.status,
            "seconds": round(max((at - self.at).total_seconds(), 0.0), 1),
        }


@dataclass(frozen=True, slots=True)
class _Known:
    """A subscription as the service last showed it; and the operations begun on it, oldest first, that do not show."""

    offer: str
    plan: str
    quantity: int | None
    status: str
    term_unit: str
    operations: tuple[_Begun, ...] = ()

    def up_to(self, operation: str) -> "_Known | None":
        """Return it with one of its operations as the latest; None if it has no such operation."""
        ids = [begun.id for begun in self.operations]
        return replace(self, operations=self.operations[: ids.index(operation) + 1]) if operation in ids else None

    def given(self, at: datetime) -> Json:
        """Return it as the situation of a request made at a time."""
        given: Json = {"offer": self.offer, "plan": self.plan}
        if self.quantity is not None:
            given["quantity"] = self.quantity
        given |= {"status": self.status, "term_unit": self.term_unit}
        if self.operations:
            given["operations"] = [begun.given(at) for begun in self.operations]
        return given


@dataclass(slots=True)
class _Call:
    """One recorded exchange, read."""

    answer: Answer
    method: str
    parts: list[str]
    query: dict[str, str]
    body: Any
    at: datetime
    entry: Json = field(default_factory=dict)

    @property
    def subscription(self) -> str:
        """The id of the subscription that the path names, in lower case."""
        return self.parts[0].lower()


class _Account:
    """What the service has shown so far, from exchange to exchange."""

    def __init__(self, calls: Iterable[Mapping[str, Any]]) -> None:
        self._known: dict[str, _Known] = {}
        self._operations: set[str] = set()
        self._plans: dict[str, dict[str, Json]] = {}
        self._own_access: set[str] = set()
        # That an access token is good shows in any of its answers, also in later ones.
        for each in calls:
            if each["response"] is not None and each["response"]["status"] < 300:
                self._own_access.add(header(each["request"]["headers"], "authorization") or "")

    def entry(self, exchange: Mapping[str, Any]) -> Json:
        """Return an exchange with its situation, and take in what it shows.

        Raises:
            _LeftOut: the situation, or the request, cannot be told.
        """
        request, response = exchange["request"], exchange["response"]
        if response is None:
            raise _LeftOut("no answer came")
        if any(cut in side for side in (request, response) for cut in ("bodyCutAt", "headersCutAt")):
            raise _LeftOut("a body, or the headers, were cut when they were written")
        call = _call(exchange)
        try:
            given = self._given(call)
            if response["status"] in _CIRCUMSTANCES:
                raise _LeftOut("the service was busy or out of order")
            path = self._path(call, given)
            entry: Json = {
                **({"given": given} if given else {}),
                "request": {"method": call.method, "path": path, **self._sent(call, exchange)},
                "answer": _came_back(call, response),
            }
        finally:
            self._take_in(call)
        return entry

    def offers(self, entries: Iterable[Json]) -> list[Json]:
        """Return the offers of the situations, with all plans that were seen, as `offers` in a target file."""
        for entry in entries:
            for given in entry.get("given", ()):
                seats = {"isPricePerSeat": True} if "quantity" in given else {}
                plans = self._plans.setdefault(given["offer"], {})
                wanted = (each["plan"] for each in given.get("operations", ()) if "plan" in each)
                for plan in (given["plan"], *wanted):
                    document = plans.setdefault(plan, {"planId": plan, **seats, "termUnits": []})
                    document.setdefault("termUnits", ["P1M", "P1Y"])
                    if given["term_unit"] not in document["termUnits"]:
                        document["termUnits"].append(given["term_unit"])
        return [{"offerId": offer, "plans": list(plans.values())} for offer, plans in self._plans.items()]

    # --- the situation ---

    def _given(self, call: _Call) -> list[Json]:
        match call.parts:
            case []:
                if "continuationToken" in call.query:
                    raise _LeftOut("a later page of the list cannot be asked for again")
                shown = [_shown(entry) for entry in call.answer["subscriptions"]]
                return [known.given(call.at) for known in dict.fromkeys(each for each in shown if each)]
            case ["resolve"]:
                nested = _shown(call.answer["subscription"])
                return [nested.given(call.at)] if nested else []
            case [_]:
                known = self._known.get(call.subscription)
                shown_now = _shown(call.answer.body) if call.method == "GET" else None
                known = known if shown_now is None else _followed(known, shown_now)
            case [_, "operations", operation]:
                known = self._known.get(call.subscription)
                about = known.up_to(operation) if known else None
                if about is not None:
                    known = about
                    status = _ENDED.get(_text(call.answer["status"])) if call.method == "GET" else None
                    if status is not None:
                        latest = replace(about.operations[-1], status=status)
                        known = replace(about, operations=(*about.operations[:-1], latest))
                elif operation in self._operations:
                    raise _LeftOut("what the subscription was like before does not show")
                elif call.answer.is_success:
                    raise _LeftOut("an operation that somebody else began cannot be arranged")
            case [_, "activate" | "listAvailablePlans" | "operations"]:
                known = self._known.get(call.subscription)
            case _:
                raise _LeftOut("it is no call of the API")
        if known is not None:
            return [known.given(call.at)]
        if call.answer.status_code in {400, 401, 403, 404} and call.method == "GET":
            return []  # nothing has shown that there is such a subscription
        raise _LeftOut("what the subscription was like before does not show")

    def _path(self, call: _Call, given: list[Json]) -> str:
        parts = list(call.parts)
        if given and parts and parts != ["resolve"]:
            parts[0] = SUBSCRIPTION
            known = self._known.get(call.subscription)
            if len(parts) == 3 and known is not None and known.up_to(parts[2]) is not None:
                parts[2] = OPERATION
        return "".join(f"/{part}" for part in parts)

    def _sent(self, call: _Call, exchange: Mapping[str, Any]) -> Json:
        headers = exchange["request"]["headers"]
        authorization = header(headers, "authorization")
        sent: Json = {"query": call.query}
        if kept := {name.lower(): value for name, value in headers if name.lower() in _SENT}:
            sent["headers"] = kept
        if call.body is not None:
            sent["body"] = call.body
        if authorization is None:
            sent["access"] = "none"
        elif authorization not in self._own_access:
            raise _LeftOut("what was wrong with its access token cannot be told")
        elif call.answer.status_code == 401:
            raise _LeftOut("its access token had expired")
        token = header(headers, "x-ms-marketplace-token")
        if token is not None:
            if not call.answer.is_success:
                raise _LeftOut("what was wrong with its purchase token cannot be told")
            sent["purchase_token"] = True
        return sent

    # --- what it shows ---

    def _take_in(self, call: _Call) -> None:
        answer = call.answer
        if not answer.is_success:
            return
        for shown in (answer.body, answer["subscription"], *answer["subscriptions"]):
            self._see(_text(shown["id"]).lower(), _shown(shown))
        if call.parts[1:] == ["listAvailablePlans"] and (about := self._known.get(call.subscription)):
            for plan in answer["plans"]:
                if document := plan_document(plan):
                    self._plans.setdefault(about.offer, {})[document["planId"]] = document
        known = self._known.get(call.subscription) if call.parts else None
        if known is None:
            return
        if len(call.parts) == 1 and call.method in {"PATCH", "DELETE"}:
            begun = _begun(call)
            self._operations.add(begun.id)
            still_open = tuple(each for each in known.operations if each.status not in _ENDED)
            self._known[call.subscription] = replace(known, operations=(*still_open, begun))
        elif len(call.parts) == 3 and (status := _ENDED.get(_text(answer["status"]))):
            latest = known.operations[-1].id if known.operations else ""
            # Of those that have ended only the latest can be looked at once more; an earlier one is in nobody's way.
            operations = tuple(
                replace(each, status=status) if each.id == call.parts[2] else each
                for each in known.operations
                if each.id != call.parts[2] or each.id == latest
            )
            self._known[call.subscription] = replace(known, operations=operations)
        elif call.parts[1:] == ["activate"]:
            del self._known[call.subscription]  # until it is looked at again

    def _see(self, subscription: str, shown: _Known | None) -> None:
        if subscription and shown is not None:
            self._known[subscription] = _followed(self._known.get(subscription), shown)


def _followed(before: _Known | None, shown: _Known) -> _Known:
    """Return what a subscription shows, with the operations begun on it that have not come into force."""
    return (
        replace(shown, operations=tuple(each for each in before.operations if not _in_force(each, shown)))
        if before
        else shown
    )


def _in_force(begun: _Begun, shown: _Known) -> bool:
    match begun.action:
        case "ChangePlan":
            return shown.plan == begun.plan
        case "ChangeQuantity":
            return shown.quantity == begun.quantity
        case _:
            return shown.status == "Unsubscribed"


def _call(exchange: Mapping[str, Any]) -> _Call:
    request = exchange["request"]
    address = urlsplit(request["url"])
    parts = [part for part in address.path.partition(BELOW)[2].split("/") if part]
    try:
        body = json.loads(request["body"]) if request["body"] else None
    except ValueError:
        raise _LeftOut("its body is no JSON") from None
    return _Call(
        answer=_answer_of(exchange),
        method=request["method"],
        parts=parts,
        query=dict(parse_qsl(address.query, keep_blank_values=True)),
        body=body,
        at=datetime.fromisoformat(exchange["at"]),
    )


def _answer_of(exchange: Mapping[str, Any]) -> Answer:
    response = exchange["response"]
    return Answer(
        Exchange(
            sender="suite",
            receiver="marketplace",
            method=exchange["request"]["method"],
            url=exchange["request"]["url"],
            status=response["status"],
            response_headers=tuple((name, value) for name, value in response["headers"]),
            response_body=response["body"].encode("utf-8", "surrogatepass"),
        )
    )


def _came_back(call: _Call, response: Mapping[str, Any]) -> Json:
    kept = {name.lower(): value for name, value in response["headers"] if name.lower() in HEADERS}
    back: Json = {"status": response["status"], "headers": dict(sorted(kept.items()))}
    if not call.answer.body.absent:
        back["body"] = call.answer.body.value
    elif response["body"]:
        back["text"] = response["body"]
    return back


def _shown(entry: Reading) -> _Known | None:
    offer, plan, status = (_text(entry[name]) for name in ("offerId", "planId", "saasSubscriptionStatus"))
    if not offer or not plan or status not in STATUSES:
        return None
    quantity = _text(entry["quantity"])
    return _Known(
        offer=offer,
        plan=plan,
        quantity=int(quantity) if quantity.isdecimal() and int(quantity) else None,
        status=status,
        term_unit=_text(entry["term"]["termUnit"]) or "P1M",
    )


def _begun(call: _Call) -> _Begun:
    location = call.answer.header("operation-location").value
    operation = str(location).partition("?")[0].rstrip("/").rpartition("/")[2]
    if call.method == "DELETE":
        return _Begun(operation, "Unsubscribe", call.at)
    wanted = call.body if isinstance(call.body, dict) else {}
    if isinstance(wanted.get("planId"), str):
        return _Begun(operation, "ChangePlan", call.at, plan=wanted["planId"])
    return _Begun(operation, "ChangeQuantity", call.at, quantity=wanted.get("quantity"))


def _text(reading: Reading) -> str:
    value = reading.value
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


# --- what is kept of it ---


def _kind(entry: Json, exchange: Mapping[str, Any]) -> str:
    """Return what an exchange has in common with those that differ from it in values only."""
    given = [
        {**each, "operations": [{**begun, "seconds": 0} for begun in each.get("operations", ())]}
        for each in entry.get("given", ())
    ]
    request = {**entry["request"], "headers": sorted(entry["request"].get("headers", ()))}
    shape = sorted((place, sorted(kinds)) for place, kinds in shape_of(exchange).items())
    return json.dumps([given, request, shape], sort_keys=True)


def _without_identities(entries: list[Json]) -> list[Json]:
    """Put numbers in the place of ids, and nothing in that of names: they tell who the publisher's customers are."""
    numbers: dict[str, int] = {}

    def stand_in(found: re.Match[str]) -> str:
        number = numbers.setdefault(found.group().lower(), len(numbers) + 1)
        return f"00000000-0000-4000-8000-{number:012d}"

    def cleaned(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: cleaned(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [cleaned(each, name) for each in value]
        if not isinstance(value, str):
            return value
        if name in _NAMES and value:
            return "[name]"
        return _CONTINUATION.sub(r"\1[continuation]", _GUID.sub(stand_in, value))

    return [cleaned(entry) for entry in entries]


class _Dumper(yaml.SafeDumper):
    """Writes out what stands in a document twice, because aliases are no part of our dialect of YAML."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Never write an alias."""
        return True


def _quoted(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # PyYAML leaves quotes away from texts such as 1e5, which our dialect reads as numbers.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text[:1].isalpha() else "'")


_Dumper.add_representer(str, _quoted)
