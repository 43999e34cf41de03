"""The parts of two published formats that our reports use, as schemas: what must be there, and nothing unknown.

Written after the specifications, SARIF 2.1.0 and CTRF 1.0, not after our output; the words of the formats are all here
that a consumer of such a file looks at.
"""

from typing import Any

import jsonschema_rs

_TEXT = {"type": "string", "minLength": 1}
_WHOLE = {"type": "integer", "minimum": 0}
_STRINGS = {"type": "array", "items": {"type": "string"}}
_BAG = {"type": "object"}
_UTC = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}


def closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of an object that has these keys and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


_MESSAGE = closed({"text": {"type": "string"}})
_ARTIFACT = closed({"uri": {"type": "string", "format": "uri-reference"}}, {"uriBaseId": _TEXT})
_PHYSICAL = closed(
    {"artifactLocation": _ARTIFACT}, {"region": closed({"startLine": {"type": "integer", "minimum": 1}})}
)
_LOCATION = closed(
    {},
    {
        "physicalLocation": _PHYSICAL,
        "logicalLocations": {"type": "array", "items": closed({"name": _TEXT, "fullyQualifiedName": _TEXT})},
        "message": _MESSAGE,
    },
)
_SEVERITY = {"enum": ["none", "note", "warning", "error"]}
_RULE = closed(
    {"id": _TEXT, "shortDescription": _MESSAGE, "defaultConfiguration": closed({"level": _SEVERITY})},
    {
        "fullDescription": _MESSAGE,
        "help": _MESSAGE,
        "helpUri": {"type": "string", "format": "uri"},
        "properties": _BAG,
    },
)
_RESULT = closed(
    {
        "ruleId": _TEXT,
        "ruleIndex": _WHOLE,
        "level": _SEVERITY,
        "message": _MESSAGE,
        "locations": {"type": "array", "items": _LOCATION, "minItems": 1, "maxItems": 1},
        "partialFingerprints": {"type": "object", "additionalProperties": _TEXT, "minProperties": 1},
    },
    {
        "relatedLocations": {"type": "array", "items": _LOCATION, "minItems": 1},
        "suppressions": {
            "type": "array",
            "items": closed(
                {"kind": {"enum": ["inSource", "external"]}, "justification": _TEXT},
                {"status": {"enum": ["accepted", "underReview", "rejected"]}},
            ),
        },
        "properties": _BAG,
    },
)
_NOTIFICATION = closed(
    {"level": _SEVERITY, "message": _MESSAGE},
    {"associatedRule": closed({"id": _TEXT, "index": _WHOLE}), "properties": _BAG},
)
_INVOCATION = closed(
    {
        "executionSuccessful": {"type": "boolean"},
        "exitCode": {"type": "integer"},
        "exitCodeDescription": _TEXT,
        "startTimeUtc": _UTC,
        "endTimeUtc": _UTC,
        "toolExecutionNotifications": {"type": "array", "items": _NOTIFICATION},
    }
)
_DRIVER = closed(
    {"name": _TEXT, "version": _TEXT, "rules": {"type": "array", "items": _RULE, "uniqueItems": True}},
    {"fullName": _TEXT},
)
SARIF = jsonschema_rs.Draft202012Validator(
    closed(
        {
            "version": {"const": "2.1.0"},
            "$schema": {"type": "string", "format": "uri"},
            "runs": {
                "type": "array",
                "minItems": 1,
                "items": closed(
                    {"tool": closed({"driver": _DRIVER}), "results": {"type": "array", "items": _RESULT}},
                    {
                        "automationDetails": closed({"id": _TEXT}),
                        "originalUriBaseIds": {
                            "type": "object",
                            "additionalProperties": closed({"description": _MESSAGE}),
                        },
                        "invocations": {"type": "array", "items": _INVOCATION},
                        "properties": _BAG,
                    },
                ),
            },
        }
    ),
    validate_formats=True,
)

_STATUSES = ["passed", "failed", "skipped", "pending", "other"]
_TEST = closed(
    {"name": _TEXT, "status": {"enum": _STATUSES}, "duration": _WHOLE},
    {
        "suite": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "message": {"type": "string"},
        "trace": {"type": "string"},
        "rawStatus": {"type": "string"},
        "tags": _STRINGS,
        "type": {"type": "string"},
        "extra": _BAG,
    },
)
CTRF = jsonschema_rs.Draft202012Validator(
    closed(
        {
            "reportFormat": {"const": "CTRF"},
            "specVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
            "results": closed(
                {
                    "tool": closed({"name": _TEXT}, {"version": {"type": "string"}}),
                    "summary": closed(
                        dict.fromkeys(("tests", *_STATUSES, "start", "stop"), _WHOLE),
                        {"duration": _WHOLE, "extra": _BAG},
                    ),
                    "tests": {"type": "array", "items": _TEST},
                },
                {
                    "environment": closed(
                        {},
                        {
                            "reportName": {"type": "string"},
                            "appName": {"type": "string"},
                            "testEnvironment": {"type": "string"},
                            "extra": _BAG,
                        },
                    )
                },
            ),
        },
        {"timestamp": {"type": "string", "format": "date-time"}, "generatedBy": {"type": "string"}},
    ),
    validate_formats=True,
)
