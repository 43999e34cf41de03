"""Checks: one decision about one requirement each, recorded with what was expected, what came, and where it was seen.

A check never raises. `Checks` collects what a test decides; the plugin fails the test once, at its end, listing every
failed check. Rules kept here, so that no test can forget them:

* a refusal counts only beside a *twin*, the same request without the fault, that was accepted; otherwise `undecided`;
* statuses that the catalogue row lists as accepted readings pass with a note, those only observed pass under the
  profile `observed` alone;
* what could not be arranged is `untestable`, with the name of what is missing.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol

from fulfillment_conformance.answers import ABSENT, Answer, Reading
from fulfillment_conformance.basis import Basis, as_observed, comparison, decide, names_of, of_status, seen, told
from fulfillment_conformance.catalogue import Catalogue, Requirement
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.outcome import CheckResult, Outcome
from fulfillment_conformance.redaction import Redactor

LONGEST_TEXT = 10_000
"""Characters of what a check says of expected and actual; a target decides how long some of it is."""

MOST_NOTES = 100

GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""The syntax of every id that the marketplace makes."""


class Effects(Protocol):
    """What a publisher did after something happened to it: calls that reached the marketplace, state that changed."""

    @property
    def differences(self) -> Sequence[str]:
        """Describe each change of what the publisher shows."""

    @property
    def shown(self) -> Sequence[Reading]:
        """What the publisher showed, each value before and after."""

    @property
    def calls(self) -> Sequence[Exchange]:
        """The calls that acted."""

    @property
    def subscription(self) -> str:
        """The subscription that it is about."""

    def changes(self) -> Sequence[str]:
        """Describe each change of state and each call that acts, in words for the report."""

    def evidence(self) -> Sequence[Exchange]:
        """Return the exchanges that show it."""


class UnclaimedRequirement(Exception):  # noqa: N818 - says what is so
    """A test checks an id that its marker does not claim: the suite's own fault."""


class UnwrittenReading(Exception):  # noqa: N818 - says what is so
    """A test relies on a reading that the catalogue row does not list: the suite's own fault."""


class Checks:
    """The checks of one test. Calling it with an id gives the `Check` that records decisions about this id."""

    def __init__(
        self, claims: Collection[str], catalogue: Catalogue, *, profile: str = "documented", redactor: Redactor
    ) -> None:
        self.results: list[CheckResult] = []
        self.profile = profile
        self.claims = tuple(claims)
        self._catalogue = catalogue
        self._redactor = redactor

    def __call__(self, requirement_id: str) -> "Check":
        """Return the check of a claimed requirement.

        Raises:
            UnclaimedRequirement: the test's `requirement` marker does not name the id.
        """
        if requirement_id not in self.claims:
            raise UnclaimedRequirement(
                f"check({requirement_id!r}): the test claims {', '.join(self.claims)}; add the id to its marker"
            )
        return Check(self._catalogue[requirement_id], self)

    def each(self, *requirement_ids: str) -> "list[Check]":
        """Return the checks of several ids that one observation decides together."""
        return [self(requirement_id) for requirement_id in requirement_ids]

    def record(
        self,
        requirement: Requirement,
        outcome: Outcome,
        *,
        expected: str = "",
        actual: str = "",
        reason: str = "",
        notes: Iterable[str] = (),
        rests_on: Iterable[Exchange] = (),
        basis: Basis | None = None,
    ) -> None:
        """Keep one decision, and what it was made from; everything is redacted here, and cut to what can be read."""

        def clean(text: str) -> str:
            whole = self._redactor.text(text)
            return whole if len(whole) <= LONGEST_TEXT else f"{whole[:LONGEST_TEXT]}… ({len(whole):,} characters)"

        said = list(notes)
        if len(said) > MOST_NOTES:
            said = [*said[:MOST_NOTES], f"and {len(said) - MOST_NOTES:,} more notes"]
        self.results.append(
            CheckResult(
                requirement=requirement.id,
                outcome=outcome,
                expected=clean(expected),
                actual=clean(actual),
                reason=clean(reason),
                notes=tuple(clean(note) for note in said),
                exchanges=tuple(dict.fromkeys(exchange.number for exchange in rests_on)),
                basis=basis.to_json(self._redactor.data) if basis is not None else None,
            )
        )

    @property
    def failures(self) -> list[CheckResult]:
        """The failed checks so far."""
        return [result for result in self.results if result.outcome is Outcome.FAILED]


class Check:
    """Decisions about one requirement. Each method records exactly one and returns whether it passed."""

    def __init__(self, requirement: Requirement, checks: Checks) -> None:
        self.requirement = requirement
        self._checks = checks

    def that(
        self,
        condition: bool,
        *,
        expected: str,
        actual: Any,
        rests_on: Iterable[Answer | Reading | Exchange] = (),
        notes: Iterable[str] = (),
        observed: str | None = None,
    ) -> bool:
        """Record a free condition, with what was expected and what was seen in words.

        `observed` says that what came is one of the row's readings that were only observed, the one whose text contains
        these words: it passes under the profile `observed`, and is named as known behaviour of the live service where
        it fails.
        """
        rests_on = list(rests_on)
        return self._found(
            Outcome.PASSED if condition else Outcome.FAILED,
            seen(rests_on),
            expected=expected,
            actual=str(actual),
            notes=notes,
            rests_on=_exchanges(rests_on),
            observed=observed,
        )

    def equals(self, actual: Reading | Any, expected: Reading | Any, *, observed: str | None = None) -> bool:
        """Record whether two values are equal, compared with type (`1` is not `true`, `"1"` is not `1`)."""
        return self._decided(comparison("equals", actual, expected), _readings(actual, expected), observed=observed)

    def is_one_of(self, actual: Reading | Any, allowed: Iterable[Any]) -> bool:
        """Record whether a value is among the allowed ones, byte for byte."""
        return self._decided(comparison("one-of", actual, *allowed), _readings(actual))

    def matches(self, actual: Reading | Any, pattern: re.Pattern[str], *, meaning: str) -> bool:
        """Record whether a value is a string of the given syntax (without flags) as a whole."""
        basis = comparison("pattern", actual, pattern=pattern.pattern, meaning=meaning)
        return self._decided(basis, _readings(actual))

    def is_guid(self, actual: Reading | Any) -> bool:
        """Record whether a value is a GUID."""
        return self.matches(actual, GUID, meaning="a GUID")

    def is_a(self, actual: Reading | Any, *kinds: type, meaning: str, observed: str | None = None) -> bool:
        """Record whether a value has one of the JSON types given (`bool` never counts as `int`)."""
        basis = comparison("type", actual, types=names_of(kinds), meaning=meaning)
        return self._decided(basis, _readings(actual), observed=observed)

    def is_text(self, actual: Reading | Any) -> bool:
        """Record whether a value is a string with something in it."""
        return self._decided(comparison("text", actual), _readings(actual))

    def absent_or(self, actual: Reading, allowed: Iterable[Any]) -> bool:
        """Record whether a value is missing or among the allowed ones."""
        return self.is_one_of(actual, [ABSENT, *allowed])

    def status(self, answer: Answer, *expected: int) -> bool:
        """Record whether an answer has one of the expected statuses, or one that the row accepts as another reading."""
        return self._decided(of_status("status", answer.exchange, expected=list(expected)), [answer])

    def accepted(self, answer: Answer) -> bool:
        """Record whether an answer is 2xx."""
        return self._decided(of_status("accepted", answer.exchange), [answer])

    def taken(self, answer: Answer) -> bool:
        """Record whether a webhook took a notification: 200, or another 2xx with a note."""
        notes = []
        if answer.is_success and answer.status_code != 200:
            notes = [f"{answer.status_code} takes it; the page asks for 200"]
        return self._decided(of_status("taken", answer.exchange), [answer], notes=notes)

    def refused(self, answer: Answer, *, with_status: int | Collection[int] | None = None, while_twin: Answer) -> bool:
        """Record whether a faulty request is refused while its twin, the same without the fault, is accepted.

        Args:
            answer: the answer to the request with the fault.
            with_status: the statuses that refuse it rightly; None for any 4xx.
            while_twin: the answer to the twin. If it is not 2xx, a refusal proves nothing: `undecided`.
        """
        expected = [] if with_status is None else [with_status] if isinstance(with_status, int) else list(with_status)
        return self._decided(
            of_status("refused", answer.exchange, while_twin.exchange, expected=expected),
            [answer, while_twin],
            undecided="the twin, the same request without the fault, was not accepted either",
        )

    def turned_away(self, answer: Answer, *, while_twin: Answer) -> bool:
        """Record whether a webhook turned an unauthenticated call away, while the genuine one is taken.

        Any 4xx does, 401 best of all; a 5xx does with a warning, for it asks to be called again. An answer of 2xx or
        3xx, or none, does not. Without a twin that is taken it stays undecided.
        """
        notes = []
        if answer.is_server_error:
            notes = [f"{answer.status_code} is a server error, which asks Microsoft to call again; 401 says what is so"]
        elif answer.is_client_error and answer.status_code != 401:
            notes = [f"{answer.status_code} refuses it; 401 is the usual word"]
        return self._decided(
            of_status("turned-away", answer.exchange, while_twin.exchange),
            [answer, while_twin],
            notes=notes,
            undecided="the genuine call was not taken either",
        )

    def no_effect(self, effects: Effects) -> bool:
        """Record whether something left no trace at the publisher: no state change, no call that acts on it."""
        changes = effects.changes()
        calls = [call.number for call in effects.calls]
        return self._found(
            Outcome.FAILED if changes else Outcome.PASSED,
            comparison("no-effect", *effects.shown, subscription=effects.subscription, calls=calls),
            expected="no effect: no change of state and no call that acts on it",
            actual="; ".join(changes) or "no effect",
            rests_on=effects.evidence(),
        )

    def no_change_of_state(self, effects: Effects) -> bool:
        """Record whether what the publisher shows stayed as it was."""
        return self._found(
            Outcome.FAILED if effects.differences else Outcome.PASSED,
            comparison("unchanged", *effects.shown),
            expected="status, plan and seats as before",
            actual="; ".join(effects.differences) or "as before",
            rests_on=effects.evidence(),
        )

    def no_change_of_access(self, effects: Effects) -> bool:
        """Record whether nothing changed for the customer: by what the publisher shows, or else by how it acted."""
        return self.no_change_of_state(effects) if effects.shown else self.no_effect(effects)

    def untestable(self, missing: str) -> None:
        """Record that the situation cannot be arranged or seen on this target, naming what is missing."""
        self._checks.record(self.requirement, Outcome.UNTESTABLE, reason=missing)

    def undecided(self, reason: str, *, rests_on: Iterable[Answer | Reading | Exchange] = ()) -> None:
        """Record that the observation does not tell."""
        self._checks.record(self.requirement, Outcome.UNDECIDED, reason=reason, rests_on=_exchanges(rests_on))

    def not_applicable(self, reason: str) -> None:
        """Record that the target does not claim what this requirement is about."""
        self._checks.record(self.requirement, Outcome.NOT_APPLICABLE, reason=reason)

    def _decided(
        self,
        basis: Basis,
        things: Sequence[Answer | Reading],
        *,
        notes: Iterable[str] = (),
        undecided: str = "",
        observed: str | None = None,
    ) -> bool:
        """Decide by `basis`; `undecided` says what is so if the second of `things`, a twin, was not accepted."""
        decided = decide(basis, readings=self.requirement.accepted, profile=self._checks.profile)
        assert decided is not None, "only a test's own condition cannot be decided by its basis"
        outcome, more = decided
        requests = {thing.exchange.number: (thing.exchange.method, thing.exchange.url) for thing in things}
        expected, actual = told(basis, requests.__getitem__)
        answers = [thing for thing in things if isinstance(thing, Answer)]
        open_ = outcome is Outcome.UNDECIDED
        return self._found(
            outcome,
            basis,
            expected=expected,
            actual=_came(answers[0]) if answers else actual,
            reason=f"{undecided}: {_came(answers[1])}" if open_ else "",
            notes=() if open_ else (*notes, *more),
            rests_on=_exchanges(things),
            observed=observed,
        )

    def _found(
        self,
        outcome: Outcome,
        basis: Basis,
        *,
        expected: str,
        actual: str,
        reason: str = "",
        notes: Iterable[str] = (),
        rests_on: Iterable[Exchange],
        observed: str | None = None,
    ) -> bool:
        """Record what was found, as the reading that was only observed if it is that and nothing else."""
        more: tuple[str, ...] = ()
        if observed is not None and outcome is Outcome.FAILED:
            outcome, more = as_observed(self._observed_reading(observed), self._checks.profile)
        self._checks.record(
            self.requirement,
            outcome,
            expected=expected,
            actual=actual,
            reason=reason,
            notes=(*notes, *more),
            rests_on=rests_on,
            basis=basis,
        )
        return outcome is Outcome.PASSED

    def _observed_reading(self, words: str) -> str:
        for reading in self.requirement.accepted:
            if reading.profile == "observed" and words in reading.reading:
                return f"{reading.reading} ({reading.source})"
        raise UnwrittenReading(
            f"{self.requirement.id} lists no observed reading with {words!r}; write it into its row, with its source"
        )


def _exchanges(things: Iterable[Answer | Reading | Exchange]) -> list[Exchange]:
    return [thing if isinstance(thing, Exchange) else thing.exchange for thing in things]


def _readings(*things: Any) -> list[Reading]:
    return [thing for thing in things if isinstance(thing, Reading)]


def _came(answer: Answer) -> str:
    if answer.status_code is None:
        return f"no answer: {answer.error}"
    text = answer.text.strip()
    return f"{answer.status_code}" + (f": {text[:200]}" if text and not answer.is_success else "")
