"""The description of the API: calls made up from it, and every answer of the run beside it (openapi/).

These tests come last. The first ones call as no test by hand would think of; the last one looks at all answers that
the run has seen, whichever test caused them.
"""

from collections import Counter, defaultdict

import pytest

from fulfillment_conformance.backend.stand_ins import StandIns
from fulfillment_conformance.generated import PHASES, generate
from fulfillment_conformance.http_client import connection_failed
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.plugin import checks_of

LIST = "/saas/subscriptions"
SHOWN = 5
"""How many findings of a kind are spelled out; the rest is counted."""
LOST = 5
"""After how many calls of a kind without an answer no more of it are made up: what they would show is known."""


@pytest.fixture(scope="module")
def generated(run, contract, marketplace_under_test, tmp_path_factory):
    """Return a function that gives the generated calls of a phase, made once; each carries the publisher's token."""
    client, made = marketplace_under_test.client, {}
    lost, gone = defaultdict(list), []

    def send(made_up, stand_ins):
        unanswered = lost[_kind(made_up)]
        if len(unanswered) >= LOST:
            return unanswered[-1]
        if gone:
            return gone[-1]  # nobody is there any more
        call = stand_ins.put_into(made_up)
        answer = client.request(
            call.method,
            f"{call.path.removeprefix(LIST)}?{call.query}",
            "generated call",
            api_version=None,  # it is in the query, if anywhere
            headers=dict(call.headers),
            content=call.body,
        )
        stand_ins.learn(answer.exchange)
        if answer.status_code is None:
            unanswered.append(answer.exchange)
            gone.extend(unanswered[-1:] if connection_failed(answer.exchange) else ())
        return answer.exchange

    def generated(phase):
        marketplace_under_test.situations.takes_any_call()
        if phase not in made:
            folder, stand_ins = tmp_path_factory.mktemp("hypothesis"), StandIns(marketplace_under_test.situations)
            calls = generate(
                contract.document, phase, send=lambda call: send(call, stand_ins), seed=run.seed, folder=folder
            )
            made[phase] = list(calls)
        return made[phase]

    return generated


@requirement("HDR-033")
@pytest.mark.parametrize("phase", PHASES)
def test_calls_made_up_from_the_description_break_nothing(generated, check, phase):
    """Whatever is allowed, and whatever is not, is answered below 500: examples, edges, random calls, random walks."""
    calls = generated(phase)
    accepted = [call for call in calls if call.valid and _is_success(call)]
    if not accepted:
        check("HDR-033").undecided(f"none of {len(calls)} generated calls was accepted")
        return
    broken = [call for call in calls if call.exchange.status is None or call.exchange.status >= 500]
    forgiven = [call for call in calls if not call.valid and _is_success(call)]

    check("HDR-033").that(
        not broken,
        expected=f"{len(calls)} generated calls answered below 500",
        actual=_listed(broken) or f"{len(accepted)} valid ones accepted, none answered with 500 or more",
        rests_on=[call.exchange for call in broken[:SHOWN]] or [accepted[0].exchange],
        notes=[f"accepted, which no page forbids: {_listed(forgiven)}"] if forgiven else [],
    )


@requirement("HDR-029")
def test_a_method_that_is_not_described_is_refused(generated, check):
    """PUT, which no operation has, is refused wherever it is tried."""
    tried = [call for call in generated("coverage") if call.exchange.method == "PUT"]
    taken = [call for call in tried if not 400 <= (call.exchange.status or 0) < 500]

    check("HDR-029").that(
        bool(tried) and not taken,
        expected=f"4xx to PUT at {len(tried)} paths",
        actual=_listed(taken) or "4xx",
        rests_on=[call.exchange for call in taken or tried],
    )


@requirement(
    "CHP-002", "CHQ-003", "DEL-002",
    "GET-001", "GET-007", "GET-008", "GET-009", "GET-010", "GET-011", "GET-012", "GET-013", "GET-014", "GET-015",
    "GET-017", "GET-018", "GET-021", "GET-022", "GET-023", "GET-024", "GET-025", "GET-026", "GET-029", "GET-030",
    "GET-031", "GET-032", "HDR-009", "HDR-011", "HDR-016", "HDR-023", "HDR-024", "HDR-030", "LCY-001",
    "LST-001", "LST-005", "LST-006", "LST-017",
    "OPG-001", "OPG-003", "OPG-005", "OPG-007", "OPG-008", "OPG-016",
    "OPL-001", "OPL-003", "OPL-004", "OPL-005",
    "PLN-001", "PLN-013", "PLN-014", "PLN-015", "PLN-016", "PLN-017", "PLN-018", "PLN-019",
    "RES-001", "RES-005", "RES-006", "RES-007", "RES-008", "RES-009", "RES-010", "TRM-005", "TRM-006",
)  # fmt: skip
def test_every_answer_of_the_run_is_as_described(request, described_answers):
    """No answer that any test has seen breaks a shape that a requirement names."""
    check = checks_of(request.node)  # also when the target is gone: its answers are still there
    [claims] = [mark.args for mark in request.node.iter_markers("requirement")]

    for each in check.each(*claims):
        own = [breach for breach in described_answers.breaches if each.requirement.id in breach.requirements]
        shown = described_answers.shown(each.requirement.id)
        if own or shown:
            each.that(
                not own,
                expected=f"as described, in each of {shown} answers",
                actual="; ".join(map(str, own[:SHOWN])) or "as described",
                rests_on=[breach.exchange for breach in own[:SHOWN]],
            )
        else:
            each.not_applicable("no answer of this run shows it")


@requirement("HDR-026", "HDR-028")
def test_what_the_pages_do_not_mention_is_recorded(request, described_answers):
    """Answers that ask for patience, headers that no page names, and shapes that no requirement decides."""
    check = checks_of(request.node)
    patience = [(each.status, "with" if _names_retry(each) else "without") for each in described_answers.throttled]
    others = sorted(described_answers.other_headers)
    undecided = [breach for breach in described_answers.breaches if not breach.requirements]

    check("HDR-026").that(
        True,
        expected="429 and 503 with Retry-After",
        actual=f"{len(patience)} such answers",
        rests_on=described_answers.throttled[:SHOWN],
        notes=[f"{status} {how} Retry-After: {count} times" for (status, how), count in Counter(patience).items()],
    )
    check("HDR-028").that(
        True,
        expected="any further headers",
        actual=", ".join(others) or "none",
        rests_on=list(described_answers.other_headers.values())[:SHOWN],
        notes=[f"not described, and no requirement decides: {breach}" for breach in undecided],
    )


def _kind(made_up):
    """Return the method, and the path without the ids in it."""
    parts = made_up.path.removeprefix(LIST).split("/")
    return made_up.method, len(parts), parts[2] if len(parts) > 2 else parts[-1] == "resolve"


def _is_success(call):
    return call.exchange.status is not None and call.exchange.status < 300


def _listed(calls):
    """Name the different findings among calls, the first few of them in full."""
    kinds = dict.fromkeys(
        f"{call.operation} answered {call.exchange.status or call.exchange.error} ({call.about})" for call in calls
    )
    more = f" and {len(kinds) - SHOWN} more" if len(kinds) > SHOWN else ""
    return "; ".join(list(kinds)[:SHOWN]) + more


def _names_retry(exchange):
    return any(name.lower() == "retry-after" for name, _ in exchange.response_headers)
