"""What is known of a run while it goes on: tests to come, tests done, outcomes of requirements so far."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from fulfillment_conformance.outcome import CheckResult, Level, Outcome, TestRecord, combine
from fulfillment_conformance.report.results import Kind


class Known(Protocol):
    """What is shown of a requirement; the rows of the catalogue have it."""

    @property
    def level(self) -> Level:
        """How binding it is."""

    @property
    def statement(self) -> str:
        """The requirement in one sentence."""


class Tally:
    """What is known of a run so far: tests to come, tests done, outcomes of requirements."""

    def __init__(
        self, requirements: Mapping[str, Known], clock: Callable[[], float], waivable: Collection[str] = ()
    ) -> None:
        """Begin to count.

        Args:
            requirements: id -> what is known of it.
            clock: seconds that only grow.
            waivable: ids of the known failures.
        """
        self._requirements = requirements
        self._clock = clock
        self._waivable = frozenset(waivable)
        self._started = clock()
        self._to_come: dict[str, set[str]] = {}
        self._of_theme: dict[str, dict[str, list[Outcome]]] = {}
        self._theme_seconds: dict[str, float] = {}
        self._outcomes: dict[str, list[Outcome]] = {}
        self._claims: dict[str, Sequence[str]] = {}
        self._tests: set[str] = set()
        self._done: set[str] = set()
        self._failed: set[str] = set()
        self.running = ""

    @property
    def total(self) -> int:
        """How many tests there are."""
        return len(self._tests)

    @property
    def done(self) -> int:
        """How many of them have ended."""
        return len(self._done)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._started

    @property
    def remaining(self) -> float | None:
        """Seconds that the rest is going to take, if it goes on like this; None before anything can be said."""
        if not self.done or not self.total:
            return None
        return self.elapsed / self.done * (self.total - self.done)

    @property
    def running_claims(self) -> Sequence[str]:
        """The requirements that the running test decides, empty if that is not known here."""
        return self._claims.get(self.running, ())

    def collected(self, tests: Iterable[str], claims: Mapping[str, Sequence[str]] | None = None) -> None:
        """Take in which tests are going to run, and what they claim; several workers tell the same."""
        self._claims |= {short_name(test): ids for test, ids in (claims or {}).items()}
        for test in map(short_name, tests):
            self._tests.add(test)
            self._to_come.setdefault(theme_of(test), set()).add(test)

    def take(self, record: TestRecord) -> str | None:
        """Take in a record; return the theme if it was the last test of it."""
        test = short_name(record.test)
        theme = theme_of(test)
        self._tests.add(test)
        self._done.add(test)
        self._theme_seconds[theme] = self._theme_seconds.get(theme, 0.0) + record.seconds
        for check in record.checks:
            self._outcomes.setdefault(check.requirement, []).append(check.outcome)
            self._of_theme.setdefault(theme, {}).setdefault(check.requirement, []).append(check.outcome)
        to_come = self._to_come.get(theme)
        if to_come is None:
            return None
        to_come.discard(test)
        if to_come:
            return None
        del self._to_come[theme]
        return theme

    def first_failures(self, record: TestRecord) -> list[CheckResult]:
        """Return the checks by which binding requirements fail for the first time in this run."""
        found = []
        for check in record.checks:
            binding = check.outcome is Outcome.FAILED and self.level(check.requirement) == "MUST"
            if binding and check.requirement not in self._failed:
                self._failed.add(check.requirement)
                found.append(check)
        return found

    def waives(self, requirement_id: str) -> bool:
        """Whether a failure of the requirement is known."""
        return requirement_id in self._waivable

    def level(self, requirement_id: str) -> Level:
        """Return how binding a requirement is, MUST if that is not known."""
        known = self._requirements.get(requirement_id)
        return known.level if known is not None else "MUST"

    def statement(self, requirement_id: str) -> str:
        """Return a requirement in one sentence, empty if that is not known."""
        known = self._requirements.get(requirement_id)
        return known.statement if known is not None else ""

    def counts(self) -> Counter[Kind]:
        """Return how many requirements have which kind of outcome so far."""
        return self._count(self._outcomes)

    def theme(self, theme: str) -> tuple[Counter[Kind], float]:
        """Return how many requirements of a theme have which kind of outcome, and the seconds its tests took."""
        return self._count(self._of_theme.get(theme, {})), self._theme_seconds.get(theme, 0.0)

    def _count(self, outcomes: Mapping[str, Sequence[Outcome]]) -> Counter[Kind]:
        # A copy: the live display asks from a thread of its own.
        return Counter(self._kind(name, combine(found)) for name, found in list(outcomes.items()))

    def _kind(self, requirement_id: str, outcome: Outcome) -> Kind:
        if outcome is not Outcome.FAILED:
            return outcome.value  # type: ignore[return-value] # the other kinds are named after their outcome
        if self.waives(requirement_id):
            return "waived"
        return "failed" if self.level(requirement_id) == "MUST" else "warning"


def short_name(nodeid: str) -> str:
    """Return a test's name from the file on: `publisher/test_x.py::test_y` becomes `test_x.py::test_y`."""
    file, separator, rest = nodeid.replace("\\", "/").partition("::")
    return file.rpartition("/")[2] + separator + rest.partition("@")[0]


def theme_of(test: str) -> str:
    """Return the theme that a test's file is about."""
    return short_name(test).partition("::")[0].removeprefix("test_").removesuffix(".py").replace("_", "-")
