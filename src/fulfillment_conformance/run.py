"""What one run knows: its target, its requirements, its secrets, its evidence; and how its results come together."""

import functools
import os
import platform
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from fulfillment_conformance import __version__, report
from fulfillment_conformance.catalogue import Catalogue, Requirement
from fulfillment_conformance.errors import NothingSelected, UsageProblem
from fulfillment_conformance.evidence import Recorder
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.known_failures import KnownFailure, in_force, load_known, settle
from fulfillment_conformance.life import Life
from fulfillment_conformance.outcome import Outcome, RequirementResult, TestRecord, conclude, decide_requirement
from fulfillment_conformance.redaction import Redactor
from fulfillment_conformance.report.reply_times import measure
from fulfillment_conformance.report.results import ReportedRequirement, RunResults
from fulfillment_conformance.suite_index import SuiteTest, tests_by_requirement
from fulfillment_conformance.target import MarketplaceTarget, PublisherTarget, load_target

T = TypeVar("T")
Profile = Literal["documented", "observed"]
DEFAULT_SEED = 1
EXCHANGES = "exchanges.jsonl"
EXCHANGES_OF_WORKERS = "exchanges.gw*.jsonl"
_PACKAGES = ("pytest", "hypothesis", "schemathesis", "httpx2", "msal", "starlette", "uvicorn", "allure-pytest")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the user asked for.

    Attributes:
        target: the target file.
        output: folder for the results; None keeps nothing but the exit code and the terminal.
        profile: `documented` or `observed`; None takes the target's own, else `documented`.
        seed: where all choices of the run come from; None takes `DEFAULT_SEED`, and a fresh one for a publisher that
            may remember the subscriptions of an earlier run.
        only: requirement ids to judge; empty for all.
        set_name: a frozen set of the catalogue instead of the whole of it.
        dry_run: file that each request is written to that would be sent; a stand-in of the target gets them. Only
            for a target with the driver `live`.
        known: file of the known failures; None takes the one that the target file names, if it names one.
    """

    target: Path
    output: Path | None = None
    profile: Profile | None = None
    seed: int | None = None
    only: Sequence[str] = ()
    set_name: str | None = None
    dry_run: Path | None = None
    known: Path | None = None


@dataclass
class Run:
    """One run against one target, in this process (a worker has its own)."""

    options: RunOptions
    target: MarketplaceTarget | PublisherTarget
    catalogue: Catalogue
    redactor: Redactor
    recorder: Recorder
    scope: tuple[Requirement, ...]
    known: tuple[KnownFailure, ...] = ()
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    ready: bool = False
    """Whether the preflight has succeeded: before that, nothing can be the target's fault."""
    gone: Exchange | None = None
    """The exchange after which the target stopped answering, once it has."""
    unanswered: list[Exchange] = field(default_factory=list)
    """Requests of the current test, to the target or to its sandbox, that got no answer."""
    waited: float = 0.0
    """Real seconds that the target and its sandbox have taken for their answers in the current test."""
    life: Life = field(default_factory=Life)
    """Which parts of the target tests have called, and which of them have shown that they work."""

    @property
    def silent_first(self) -> bool:
        """Whether in the current test the target itself left a request without an answer, before its sandbox did."""
        return bool(self.unanswered) and self.unanswered[0].receiver != "control"

    @property
    def role(self) -> str:
        """Which side is judged: `marketplace` or `publisher`."""
        return self.target.role

    @property
    def profile(self) -> Profile:
        """The profile in force."""
        return self.options.profile or getattr(self.target, "profile", None) or "documented"

    @property
    def waivable(self) -> Mapping[str, KnownFailure]:
        """Id -> known failure, of those that have not expired on the day the run began (UTC)."""
        return in_force(self.known, on=self.started.date())

    @property
    def name(self) -> str:
        """What every exchange of this run carries, in all of its workers, and no other run's does."""
        return _name(self.seed, self.redactor)

    @property
    def seed(self) -> int:
        """The seed in force."""
        assert self.options.seed is not None, "chosen by `prepare`"
        return self.options.seed

    @contextmanager
    def opened(self, target: AbstractContextManager[T]) -> Iterator[T]:
        """Open a target for the block; the preflight is booked as such, not on the test that happens to be first."""
        with ExitStack() as stack:
            with self.recorder.apart("preflight"):
                ready = stack.enter_context(target)
            yield ready

    def concerns(self, claims: Iterable[str]) -> bool:
        """Whether a test that claims these ids belongs to this run."""
        wanted = {requirement.id for requirement in self.scope}
        return not wanted.isdisjoint(claims)


def prepare(
    options: RunOptions,
    *,
    environ: Mapping[str, str] = os.environ,
    redaction_key: bytes | None = None,
    worker: str | None = None,
) -> Run:
    """Read everything a run needs and open its evidence file.

    Args:
        options: what the user asked for.
        environ: where `${NAME}` in the target file is looked up.
        redaction_key: the key that all workers of a run share.
        worker: name of this worker, None in the only or the controlling process.

    Raises:
        UsageProblem: a file, an id or a set that cannot be used.
        NothingSelected: the selected ids belong to the other role.
    """
    target = load_target(options.target, environ)
    if options.seed is None:
        # A publisher with a memory of its own would meet the subscriptions of an earlier run again.
        seed = DEFAULT_SEED if target.role == "marketplace" or target.isolated else secrets.randbelow(2**31)
        options = replace(options, seed=seed)
    catalogue = _catalogue()
    redactor = Redactor(target.secrets, key=redaction_key)
    scope = _scope(catalogue, target.role, options)
    known = _known(options.known or target.known_failures, catalogue, redactor, target.role)
    path = None
    if options.output is not None:
        path = options.output / (f"exchanges.{worker}.jsonl" if worker else EXCHANGES)
    assert options.seed is not None
    recorder = Recorder(path, redactor, prefix=f"{worker}-" if worker else "", run=_name(options.seed, redactor))
    return Run(options, target, catalogue, redactor, recorder, scope, known)


def _name(seed: int, redactor: Redactor) -> str:
    return f"{seed}-{redactor.run_id}"


@functools.cache
def _catalogue() -> Catalogue:
    # Read once a process: `run` looks at it before pytest starts, and the plugin does again.
    return Catalogue.load()


def _scope(catalogue: Catalogue, role: str, options: RunOptions) -> tuple[Requirement, ...]:
    for requirement_id in options.only:
        catalogue[requirement_id]  # an unknown id is an error that names the nearest one
    chosen = set(options.only)
    if options.set_name is not None:
        in_set = set(catalogue.set(options.set_name).ids)
        chosen = (chosen & in_set) if chosen else in_set
    scope = tuple(
        requirement
        for requirement in catalogue.values()
        if requirement.party == role and (not (options.only or options.set_name) or requirement.id in chosen)
    )
    if not scope:
        wanted = ", ".join(options.only) or f"set {options.set_name}"
        raise NothingSelected(
            f"{wanted}: nothing of it is judged on a target with role {role!r}; "
            f"`fulfillment-conformance list --role {role}` shows what is"
        )
    return scope


def _known(file: Path | None, catalogue: Catalogue, redactor: Redactor, role: str) -> tuple[KnownFailure, ...]:
    if file is None:
        return ()
    return tuple(
        replace(entry, why=redactor.text(entry.why), link=redactor.text(entry.link))
        for entry in load_known(file, catalogue, role=role)
    )


def begin(run: Run) -> None:
    """Say in the output folder, if there is one, that a run has begun; what an earlier one left goes.

    Raises:
        UsageProblem: the folder cannot be written to.
    """
    folder = run.options.output
    if folder is None:
        return
    for part in folder.glob(EXCHANGES_OF_WORKERS):
        part.unlink()  # of a run that died; it would be taken for this one's
    report.begin(
        folder,
        role=run.role,
        set=run.options.set_name,
        profile=run.profile,
        seed=run.seed,
        target=run.redactor.data(run.target.describe()),
        environment=environment(),
        started=run.started,
    )


def check_output(folder: Path) -> None:
    """Make sure results can be written to a folder, before anything runs.

    Raises:
        UsageProblem: it cannot be made or written to, or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_text("", encoding="utf-8")
        probe.unlink()
    except OSError as error:
        raise UsageProblem(
            f"--output {folder}: {error.strerror or error}; name a folder that can be written to"
        ) from error


def results_of(
    run: Run,
    records: Sequence[TestRecord],
    *,
    collected: Mapping[str, Sequence[str]],
    suite: Sequence[SuiteTest],
    left_out: Mapping[str, Sequence[str]] = MappingProxyType({}),
    exchanges: Iterable[Mapping[str, Any]] = (),
    interrupted: bool = False,
    faults: Iterable[int] = (),
    reason: str = "",
) -> RunResults:
    """Judge what was recorded.

    Args:
        run: the run.
        records: one record per test that ran.
        collected: name of every test that was to run, with its parameters -> ids that it claims.
        suite: every test that there is, collected or not.
        left_out: name of every test that belongs to this run and was taken away from it -> ids that it claims.
        exchanges: the recorded exchanges, for the reply times.
        interrupted: the run was stopped from outside.
        faults: exit codes of what went wrong outside of any test.
        reason: why the run ended early, if it did.
    """
    chosen = {name.partition("[")[0] for name in collected}
    tested = {each: [test.id for test in tests] for each, tests in tests_by_requirement(suite).items()}
    for name, claims in collected.items():
        for requirement_id in claims:
            tested.setdefault(requirement_id, [name])
    judged: list[RequirementResult] = []
    untested: list[str] = []
    for requirement in run.scope:
        if requirement.excluded:
            result = RequirementResult(
                id=requirement.id,
                level=requirement.level,
                party=requirement.party,
                outcome=Outcome.EXCLUDED,
                reason=requirement.excluded,
            )
        elif requirement.id in tested:
            missing = [test for test in tested[requirement.id] if test.partition("[")[0] not in chosen]
            missing += [
                test
                for test, claims in left_out.items()
                if requirement.id in claims and test.partition("[")[0] in chosen
            ]
            result = decide_requirement(
                requirement.id,
                level=requirement.level,
                party=requirement.party,
                records=[*records, *(_left_out(test, requirement.id) for test in missing)],
            )
        else:
            untested.append(requirement.id)
            continue
        judged.append(result)
    settled, known = settle(run.known, judged, on=run.started.date())
    conclusion = conclude(
        settled, records, interrupted=interrupted, faults=faults, stale=any(entry.stale for entry in known)
    )
    return RunResults(
        suite={"name": "fulfillment-conformance", "version": __version__},
        role=run.role,
        set=run.options.set_name,
        profile=run.profile,
        seed=run.seed,
        run=run.name,
        target=run.redactor.data(run.target.describe()),
        environment=environment(),
        verdict=conclusion.verdict,
        exit_code=conclusion.exit_code,
        counts=conclusion.counts,
        known_failures=known,
        requirements=tuple(ReportedRequirement.of(result, run.catalogue[result.id]) for result in settled),
        tests=tuple(records),
        untested=tuple(untested),
        reply_times=measure(exchanges, role=run.role),
        interrupted=interrupted,
        reason=run.redactor.text(reason),
        started=run.started,
        finished=datetime.now(UTC),
    )


def _left_out(test: str, requirement_id: str) -> TestRecord:
    """Stand in for a test that was not to run, so that half the evidence is never taken for the whole."""
    return TestRecord(
        test=test,
        claims=(requirement_id,),
        reason="a test of it was left out of this run; to judge a part of the requirements, name them (--only)",
    )


def environment() -> dict[str, str]:
    """Return the versions that a result depends on."""
    versions = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.release()}"}
    versions["implementation"] = sys.implementation.name
    for package in _PACKAGES:
        versions[package] = metadata.version(package)
    return versions
