"""Faults of paths, versions, headers and the form of answers (catalogue theme HDR)."""

import uuid
from typing import TYPE_CHECKING, Any

from fulfillment_conformance.emulator.deviations.registry import (
    Json,
    answers,
    decision,
    deviation,
    refuses_with,
    subscription_objects,
)
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request, error_reply
from fulfillment_conformance.marketplace import Refused

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


@deviation(
    "operations-cannot-be-listed",
    breaks=["HDR-001", "HDR-002", "HDR-007", "OPL-001", "OPL-002", "WHK-047"],
)
def operations_cannot_be_listed(emulator: "Emulator") -> None:
    """The path of List outstanding operations is not served."""

    @answers(emulator, "list_operations")
    def nothing_here(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200:
            reply.status, reply.document = 404, error_reply(404, "PathUnknown", "Nothing is here.").document
        return reply


@deviation(
    "plans-are-of-another-version", breaks=["HDR-001", "HDR-002", "HDR-007", "PLN-001", "PLN-005", "PLN-006", "PLN-011"]
)
def plans_are_of_another_version(emulator: "Emulator") -> None:
    """List available plans refuses the api-version that all others ask for."""

    @answers(emulator, "list_available_plans")
    def other_version(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200:
            reply.status, reply.document = 400, error_reply(400, "ApiVersionUnknown", "Use 2018-09-15.").document
        return reply


@deviation(
    "bodies-are-always-needed", breaks=["HDR-001", "HDR-002", "HDR-007", "PLN-001", "PLN-005", "PLN-006", "PLN-011"]
)
def bodies_are_always_needed(emulator: "Emulator") -> None:
    """List available plans refuses a call of content type JSON that has no body."""

    @decision(emulator.api, "list_available_plans")
    def body_needed(plans: Any, request: Request, caller: Any) -> Reply:
        if not request.body and "json" in request.headers.get("content-type", ""):
            raise Refused(400, "MalformedBody", "The request body is not valid JSON.")
        reply: Reply = plans(request, caller)
        return reply


@deviation("calls-without-version-are-served", breaks=["HDR-004"])
def calls_without_version_are_served(emulator: "Emulator") -> None:
    """api-version may be left out."""

    @decision(emulator.api, "check_version")
    def optional(check: Any, request: Request) -> None:
        if request.parameter("api-version") is not None:
            check(request)


@deviation("every-version-is-served", breaks=["HDR-005", "TST-008"])
def every_version_is_served(emulator: "Emulator") -> None:
    """api-version may be anything."""

    @decision(emulator.api, "check_version")
    def anything(check: Any, request: Request) -> None:
        if request.parameter("api-version") is None:
            check(request)


def _without_made_up(emulator: "Emulator", name: str) -> None:
    @answers(emulator)
    def untraced(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if name not in request.headers:
            del reply.headers[name]
        return reply


@deviation("request-ids-are-not-made-up", breaks=["HDR-009"])
def request_ids_are_not_made_up(emulator: "Emulator") -> None:
    """x-ms-requestid comes back only when it was sent."""
    _without_made_up(emulator, "x-ms-requestid")


@deviation("correlation-ids-are-not-made-up", breaks=["HDR-011"])
def correlation_ids_are_not_made_up(emulator: "Emulator") -> None:
    """x-ms-correlationid comes back only when it was sent."""
    _without_made_up(emulator, "x-ms-correlationid")


@deviation("refusals-cannot-be-traced", breaks=["HDR-009", "HDR-011", "HDR-012", "HDR-013"])
def refusals_cannot_be_traced(emulator: "Emulator") -> None:
    """Answers with an error status carry neither id."""

    @answers(emulator)
    def untraced(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status >= 400:
            for name in request.trace:
                del reply.headers[name]
        return reply


def _never_echoed(emulator: "Emulator", name: str) -> None:
    @answers(emulator)
    def renamed(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        reply.headers[name] = str(uuid.uuid5(uuid.NAMESPACE_OID, reply.headers[name]))
        return reply


@deviation("request-ids-are-replaced", breaks=["HDR-012"])
def request_ids_are_replaced(emulator: "Emulator") -> None:
    """x-ms-requestid comes back with a value of the service's own."""
    _never_echoed(emulator, "x-ms-requestid")


@deviation("correlation-ids-are-replaced", breaks=["HDR-013"])
def correlation_ids_are_replaced(emulator: "Emulator") -> None:
    """x-ms-correlationid comes back with a value of the service's own."""
    _never_echoed(emulator, "x-ms-correlationid")


@deviation("ids-must-be-guids", breaks=["HDR-014"])
def ids_must_be_guids(emulator: "Emulator") -> None:
    """A request whose x-ms-requestid is no GUID is refused with 400."""

    @answers(emulator)
    def guids_only(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if len(request.headers.get("x-ms-requestid", " " * 36)) != 36:
            return Reply(400, error_reply(400, "RequestIdInvalid", "Send a GUID.").document, reply.headers)
        return reply


@deviation("answers-are-called-text", breaks=["HDR-016"])
def answers_are_called_text(emulator: "Emulator") -> None:
    """Answers have the content type text/plain."""

    @answers(emulator)
    def text(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.document is not None:
            reply.headers["content-type"] = "text/plain; charset=utf-8"
        return reply


@deviation("odd-ids-break-the-service", breaks=["HDR-019", "HDR-025", "HDR-033", "OPL-006"])
def odd_ids_break_the_service(emulator: "Emulator") -> None:
    """An id that is no GUID is answered 500."""
    refuses_with(emulator, 500, "IdInvalid")


@deviation("the-list-has-no-slash", breaks=["HDR-022"])
def the_list_has_no_slash(emulator: "Emulator") -> None:
    """The list is not found when its path ends in a slash."""

    @answers(emulator, "list_subscriptions")
    def without_slash(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if request.path.endswith("/"):
            return Reply(404, error_reply(404, "PathUnknown", "Nothing is here.").document, reply.headers)
        return reply


@deviation("property-names-are-padded", breaks=["HDR-023"])
def property_names_are_padded(emulator: "Emulator") -> None:
    """A property name ends in two blanks, as in a sample of the pages."""

    @subscription_objects(emulator)
    def padded(document: Json) -> None:
        document["isTest  "] = document.pop("isTest")


@deviation("enumerated-values-are-padded", breaks=["EVT-012", "GET-021", "HDR-024"])
def enumerated_values_are_padded(emulator: "Emulator") -> None:
    """An enumerated value has blanks around it, as in a sample of the pages."""

    @subscription_objects(emulator)
    def padded(document: Json) -> None:
        document["sessionMode"] = f" {document['sessionMode']} "
