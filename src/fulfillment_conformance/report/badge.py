"""`badge.json`: the verdict in the endpoint schema of shields.io."""

import json

from fulfillment_conformance.outcome import Outcome, Verdict
from fulfillment_conformance.report.results import RunResults
from fulfillment_conformance.report.wording import verdict_words

_COLORS = {Verdict.CONFORMANT: "brightgreen", Verdict.NOT_CONFORMANT: "red", Verdict.INCOMPLETE: "orange"}


def render(results: RunResults) -> str:
    """Return the badge as JSON: the verdict, and how many of the binding requirements passed."""
    required = [one for one in results.requirements if one.result.decides]
    passed = sum(one.outcome is Outcome.PASSED for one in required)
    badge = {
        "schemaVersion": 1,
        "label": f"SaaS Fulfillment {results.role}",
        "message": f"{verdict_words(results)}, {passed}/{len(required)}",
        "color": "yellow"
        if results.of_kind("waived") and results.verdict is Verdict.CONFORMANT
        else _COLORS[results.verdict],
        "isError": results.verdict is not Verdict.CONFORMANT,
    }
    return json.dumps(badge, indent=1) + "\n"
