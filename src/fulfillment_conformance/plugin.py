"""The pytest plugin: options, the fixtures' session, the judging of every test, the results at the end.

It is loaded by its entry point in every pytest session and does nothing until `--target` names a target file:

    pytest suites/publisher --target publisher.yaml --fc-output reports/publisher

The command line `fulfillment-conformance run` is this plugin with a terminal of its own.
"""

import gc
import time
import traceback
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from fulfillment_conformance import evidence, report
from fulfillment_conformance.checks import Checks
from fulfillment_conformance.errors import ConformanceError, EnvironmentUnavailable
from fulfillment_conformance.interruptions import Interruption, Precondition, TargetGone
from fulfillment_conformance.outcome import Blame, CheckResult, ExitCode, Outcome, TestRecord
from fulfillment_conformance.report import allure
from fulfillment_conformance.report.allure_redaction import AllureRedaction
from fulfillment_conformance.report.terminal import Mode, Progress
from fulfillment_conformance.run import (
    EXCHANGES,
    EXCHANGES_OF_WORKERS,
    Run,
    RunOptions,
    begin,
    check_output,
    prepare,
    results_of,
)
from fulfillment_conformance.suite_index import read_suites
from fulfillment_conformance.termination import Terminated, uninterrupted

_RUN = pytest.StashKey[Run]()
_JUDGING = pytest.StashKey["Judging"]()
_STATE = pytest.StashKey["ItemState"]()
_ON_TARGET = "the-one-target"
_TIME_OUT = "from pytest-timeout"
_STOPS = {Blame.ENVIRONMENT: ExitCode.ENVIRONMENT, Blame.CONFIGURATION: ExitCode.USAGE}


class ConformanceFailure(AssertionError):  # noqa: N818 - a finding, not an error
    """A test whose checks failed: raised once, at its end, listing every failed check."""


class ItemState:
    """What is known of one test while it runs."""

    def __init__(self, claims: tuple[str, ...], checks: Checks) -> None:
        self.claims = claims
        self.checks = checks
        self.blame: Blame | None = None
        self.reason = ""
        self.started = time.perf_counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; all but `--target` carry a prefix, because other plugins live in the same session."""
    group = parser.getgroup("fulfillment-conformance", "SaaS Fulfillment API v2 conformance")
    group.addoption("--target", metavar="FILE", help="target file: what is judged, and how (docs/target-file.md)")
    group.addoption("--fc-output", metavar="DIR", help="folder for results.json, exchanges.jsonl and the reports")
    group.addoption("--fc-profile", choices=["documented", "observed"], help="whose behaviour is expected")
    group.addoption("--fc-seed", type=int, metavar="N", help="source of all choices of the run")
    group.addoption("--fc-only", action="append", default=[], metavar="ID", help="judge only this requirement")
    group.addoption("--fc-set", metavar="NAME", help="judge a frozen set of the catalogue")
    group.addoption("--fc-known", metavar="FILE", help="known failures (docs/known-failures.md)")
    group.addoption("--fc-dry-run", metavar="FILE", help="send nothing to the live service; list the requests here")
    group.addoption("--fc-replay", metavar="FILE", help="play a story from a run's folder stories instead of new ones")
    group.addoption("--fc-progress", choices=get_args(Mode), help="show our own progress; wants -p no:terminalreporter")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the run if a target is named."""
    config.addinivalue_line("markers", "requirement(*ids): the requirements that this test decides")
    if not config.getoption("--target"):
        return
    workerinput = getattr(config, "workerinput", None)
    output, known = config.getoption("--fc-output"), config.getoption("--fc-known")
    options = RunOptions(
        target=Path(config.getoption("--target")),
        output=Path(output) if output else None,
        profile=config.getoption("--fc-profile"),
        seed=workerinput["fc_seed"] if workerinput else config.getoption("--fc-seed"),
        only=tuple(config.getoption("--fc-only")),
        set_name=config.getoption("--fc-set"),
        dry_run=Path(config.getoption("--fc-dry-run")) if config.getoption("--fc-dry-run") else None,
        known=Path(known) if known else None,
    )
    try:
        if options.output is not None and workerinput is None:
            check_output(options.output)
        run = prepare(
            options,
            redaction_key=bytes.fromhex(workerinput["fc_redaction_key"]) if workerinput else None,
            worker=workerinput["workerid"] if workerinput else None,
        )
        if workerinput is None:
            begin(run)
    except ConformanceError as error:
        pytest.exit(f"{error}", returncode=error.exit_code)
    config.stash[_RUN] = run
    judging = Judging(config, run)
    config.stash[_JUDGING] = judging
    config.pluginmanager.register(judging, "fulfillment-conformance-judging")
    cleaning = AllureRedaction(run.redactor.text)
    cleaning.start()
    config.add_cleanup(cleaning.stop)
    for module in ("common", run.role):
        config.pluginmanager.import_plugin(f"fulfillment_conformance.fixtures.{module}")
    if not run.target.isolated:
        # Its tests must not run side by side, however xdist was asked to distribute them.
        if workerinput is not None:
            config.option.loadgroup = True
        elif config.getoption("dist", "no") != "no":
            config.option.dist = "loadgroup"
    if workerinput is not None:
        return
    config.pluginmanager.register(_Workers(run), "fulfillment-conformance-workers")
    progress = config.getoption("--fc-progress")
    if progress:
        judged = {requirement.id for requirement in run.scope}
        shown = Progress(
            progress, requirements=run.catalogue, judged=judged, waivable=run.waivable, redact=run.redactor.text
        )
        config.pluginmanager.register(shown, "fulfillment-conformance-progress")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the evidence file."""
    if _RUN in config.stash:
        config.stash[_RUN].recorder.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse suites without a target: there is no default one."""
    if _RUN not in config.stash and any(item.get_closest_marker("requirement") for item in items):
        raise pytest.UsageError(
            "the conformance suites judge a target, and none is named: "
            "add --target FILE (docs/target-file.md describes the file)"
        )


def run_of(config: pytest.Config) -> Run:
    """Return the run of this session."""
    return config.stash[_RUN]


def checks_of(item: pytest.Item) -> Checks:
    """Return the checks of the test that runs."""
    return item.stash[_STATE].checks


class _Workers:
    """What controller and workers of pytest-xdist tell each other."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["fc_redaction_key"] = self._run.redactor.key.hex()
        node.workerinput["fc_seed"] = self._run.seed


class Judging:
    """Turns what happens to tests into records, and the records into results."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        self._config = config
        self._run = run
        self._records: dict[str, TestRecord] = {}
        self._claims: dict[str, tuple[str, ...]] = {}
        self._left_out: dict[str, tuple[str, ...]] = {}
        self._suites: Path | None = None
        self._faults: list[int] = []
        self._reason = ""
        self._interrupted = False
        self.results: report.RunResults | None = None

    @property
    def _is_worker(self) -> bool:
        return hasattr(self._config, "workerinput")

    # --- collection ---

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the tests of this run's role and selection; an id that the catalogue lacks stops everything."""
        kept, left = [], []
        for item in items:
            claims = _claims(item)
            unknown = [claim for claim in claims if claim not in self._run.catalogue]
            if unknown:
                self._stop(ExitCode.SUITE_FAULT, f"{item.nodeid} claims {', '.join(unknown)}: not in the catalogue")
            if claims and self._run.concerns(claims):
                kept.append(item)
            else:
                left.append(item)
        if items and not any(_party(item, self._run) == self._run.role for item in items if _claims(item)):
            self._stop(
                ExitCode.USAGE,
                f"the target's role is {self._run.role!r}, but none of the {len(items)} tests named judges that role; "
                f"name suites/{self._run.role}",
            )
        if left:
            config.hook.pytest_deselected(items=left)
            items[:] = kept
        self._left_out = {_name(item.nodeid): _claims(item) for item in items}
        if not self._run.target.isolated:
            # One clock and one webhook address: its tests must not run side by side.
            for item in items:
                item.add_marker(pytest.mark.xdist_group(_ON_TARGET))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember what is going to be judged, and what options or plugins have taken away from it."""
        for item in session.items:
            self._claims[_name(item.nodeid)] = _claims(item)
            self._left_out.pop(_name(item.nodeid), None)
            self._suites = self._suites or _suites_around(item.path, self._run.role)
        if self._is_worker:
            cast("Any", self._config).workeroutput["fc_left_out"] = self._left_out
        # What has been imported and collected stays until the end: looked through again and again, and several times
        # by pytest at its end, it would cost a tenth of a run.
        gc.freeze()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over from a worker what was taken away."""
        left_out = getattr(node, "workeroutput", {}).get("fc_left_out", {})
        self._left_out |= {name: tuple(claims) for name, claims in left_out.items()}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:  # noqa: ARG002
        """Remember what the workers are going to judge: the controller collects nothing itself."""
        if ids and self._suites is None:
            self._suites = _suites_around(self._config.rootpath / ids[0].partition("::")[0], self._run.role)
        by_id = {test.id: test.claims for test in read_suites(self._suites, role=self._run.role)}
        for name in map(_name, ids):
            self._claims[name] = by_id.get(name.partition("[")[0], ())

    # --- one test ---

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        claims = _claims(item)
        item.stash[_STATE] = ItemState(
            claims,
            Checks(claims, self._run.catalogue, profile=self._run.profile, redactor=self._run.redactor),
        )
        self._run.recorder.test = _name(item.nodeid)
        self._run.recorder.take_numbers()
        self._run.life.take_called()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Fail the test once, for all of its failed checks; what is known to fail stops nobody."""
        yield
        failures = _binding(item.stash[_STATE].checks, self._run)
        unknown = [failure for failure in failures if failure.requirement not in self._run.waivable]
        if unknown:
            raise ConformanceFailure(_told(unknown, self._run))
        if failures:
            ids = dict.fromkeys(failure.requirement for failure in failures)
            pytest.xfail("; ".join(f"known failure {name}: {self._run.waivable[name].reason}" for name in ids))

    @pytest.hookimpl(wrapper=True, trylast=True)  # innermost: whoever else looks at the report finds it redacted
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say what a broken-off test means, and send the record along with the last report."""
        state = item.stash[_STATE]
        if call.excinfo is not None:
            self._interpret(state, call.excinfo.value, call)
        test_report = yield
        if call.excinfo is not None:
            self._tell(test_report, state, call.excinfo.value)
        clean = self._run.redactor.text
        test_report.sections[:] = [(title, clean(text)) for title, text in test_report.sections]
        if call.when == "teardown":
            numbers = self._run.recorder.take_numbers()
            record = TestRecord(
                test=_name(item.nodeid),
                title=_title(item),
                claims=state.claims,
                checks=tuple(state.checks.results),
                exchanges=numbers,
                seconds=time.perf_counter() - state.started,
                blame=state.blame,
                reason=clean(state.reason),
                called=self._run.life.take_called(),
                alive=self._run.life.take_alive(),
            )
            cast("Any", test_report).conformance = record.to_json()
            if not self._run.ready and state.blame in _STOPS:
                # What hinders this test hinders every other: say it once.
                cast("Any", test_report).conformance_stop = int(_STOPS[state.blame])
                item.session.shouldstop = record.reason
            claimed = [self._run.catalogue[claim] for claim in state.claims]
            exchanges = self._run.recorder.recent(numbers)
            allure.report_test(
                claimed, record, exchanges, known=self._run.waivable, parameters={"profile": self._run.profile}
            )
        return test_report

    def _tell(self, test_report: pytest.TestReport, state: ItemState, error: BaseException) -> None:
        """Replace the traceback by what was found; keep it, redacted, where the suite itself is at fault."""
        if isinstance(error, ConformanceFailure | pytest.xfail.Exception):
            told = str(error)
        elif state.reason and state.blame is not Blame.SUITE:
            told = state.reason
        else:
            told = test_report.longreprtext
        if not isinstance(test_report.longrepr, tuple):  # a skipped test's has a form of its own
            test_report.longrepr = self._run.redactor.text(told)

    def _interpret(self, state: ItemState, error: BaseException, call: pytest.CallInfo[None]) -> None:
        if isinstance(error, ConformanceFailure | pytest.xfail.Exception | KeyboardInterrupt):
            return
        if isinstance(error, pytest.skip.Exception):
            state.reason = f"skipped, which no test of the suites does by itself: {error}"
            return
        if isinstance(error, pytest.fail.Exception) and _TIME_OUT in str(error) and self._is_slow(state):
            error = Precondition(
                f"the test was given up after {time.perf_counter() - state.started:.0f} s, of which the target took "
                f"{self._run.waited:.0f} s for its answers; a shorter time-out in the target file ends it sooner"
            )
        if isinstance(error, TargetGone):
            self._run.gone = error.exchange
        if isinstance(error, Interruption) or (isinstance(error, EnvironmentUnavailable) and self._run.silent_first):
            interruption = (
                error if isinstance(error, Interruption) else Precondition(str(error), self._run.unanswered[0])
            )
            for claim in state.claims:
                if interruption.reopens or not any(result.requirement == claim for result in state.checks.results):
                    state.checks.record(
                        self._run.catalogue[claim],
                        interruption.outcome,
                        reason=str(error),
                        rests_on=[interruption.exchange] if interruption.exchange else [],
                    )
            state.reason = str(error)
        elif isinstance(error, EnvironmentUnavailable):
            state.blame, state.reason = Blame.ENVIRONMENT, str(error)
        elif isinstance(error, ConformanceError) and error.exit_code == ExitCode.USAGE:
            state.blame, state.reason = Blame.CONFIGURATION, str(error)
        else:
            state.blame = Blame.SUITE
            state.reason = f"the suite's own fault in {call.when}: {type(error).__name__}: {error}{_where(error)}"

    def _is_slow(self, state: ItemState) -> bool:
        """Whether most of a test's time went into waiting for the target, as far as answers have come at all."""
        return 2 * self._run.waited > time.perf_counter() - state.started

    # --- the run ---

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in a record, or a worker's crash."""
        data = getattr(report, "conformance", None)
        if data is not None:
            self._take(TestRecord.from_json(data))
            stop = getattr(report, "conformance_stop", None)
            if stop is not None:
                self._faults.append(stop)
                self._reason = data["reason"]
        elif report.when not in {"setup", "call", "teardown"} and report.failed:
            name = _name(report.nodeid)
            self._take(
                TestRecord(
                    test=name,
                    claims=self._claims.get(name, ()),
                    blame=Blame.SUITE,
                    reason=f"the worker died while it ran this test: {report.longreprtext[:500]}",
                )
            )

    def _take(self, record: TestRecord) -> None:
        self._records[record.test] = record
        self._config.hook.pytest_conformance_record(record=record, config=self._config)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that the run was stopped from outside; pytest and xdist use the hook for other endings, too."""
        if type(excinfo.value) in {KeyboardInterrupt, Terminated}:
            self._interrupted = True
            self._reason = "interrupted"

    def pytest_internalerror(self, excrepr: object, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note a fault of the suite outside of any test, or a file that cannot be written any more."""
        self._faults.append(ExitCode.SUITE_FAULT)
        self._reason = str(excinfo.value) if isinstance(excinfo.value, OSError) else f"internal error: {excrepr}"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A suite file that cannot be collected is the suite's fault, not a smaller suite."""
        if report.failed:
            self._faults.append(ExitCode.SUITE_FAULT)
            self._reason = f"cannot collect {report.nodeid}: {report.longreprtext}"

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Judge, write everything, and give the process its exit code."""
        try:
            yield
        except KeyboardInterrupt:
            self._interrupted, self._reason = True, "interrupted"
        except Exception as error:  # whatever a teardown does, what was recorded is written
            self._faults.append(ExitCode.SUITE_FAULT)
            self._reason = f"the suite's own fault at the end: {type(error).__name__}: {error}"
        if not self._is_worker:
            with uninterrupted():
                self._finish(session)

    def _finish(self, session: pytest.Session) -> None:
        """Put everything together, write it, and show it."""
        problems: list[str] = []
        folder = self._run.options.output
        self._run.recorder.close()
        parts = sorted(folder.glob(EXCHANGES_OF_WORKERS)) if folder is not None else []
        if folder is not None and parts:
            try:
                evidence.merge(parts, folder / EXCHANGES)
            except (OSError, ConformanceError) as error:
                problems.append(f"cannot join {', '.join(part.name for part in parts)} in {folder}: {error}")
        if not self._faults and (session.shouldstop or session.shouldfail):
            self._interrupted, self._reason = True, str(session.shouldstop or session.shouldfail)
        if not self._interrupted and not self._faults and session.exitstatus in {2, 3, 4}:
            self._faults.append(int(session.exitstatus))
        only_collected = bool(self._config.option.collectonly)
        if only_collected:
            self._reason = self._reason or "--collect-only: the tests were listed, and none was run"
        for name in self._claims.keys() - self._records.keys():
            if not (self._interrupted or self._faults or only_collected):
                self._take(
                    TestRecord(
                        test=name,
                        claims=self._claims[name],
                        blame=Blame.SUITE,
                        reason="collected, but never ran",
                    )
                )
        self.results = results_of(
            self._run,
            list(self._records.values()),
            collected=self._claims,
            left_out=self._left_out,
            suite=read_suites(self._suites, role=self._run.role),
            exchanges=report.recorded(folder)[0] if folder is not None else (),
            interrupted=self._interrupted,
            faults=self._faults,
            reason=self._reason,
        )
        if folder is not None:
            problems += report.write_all(self.results, folder)
        session.exitstatus = ExitCode.SUITE_FAULT if problems else self.results.exit_code
        self._config.hook.pytest_conformance_finish(
            results=self.results, folder=folder, problems=problems, config=self._config
        )

    def _stop(self, code: int, reason: str) -> None:
        self._faults.append(code)
        self._reason = reason
        pytest.exit(reason, returncode=code)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let others follow a run: see `fulfillment_conformance.hooks`."""
    from fulfillment_conformance import hooks

    pluginmanager.add_hookspecs(hooks)


def _claims(item: pytest.Item) -> tuple[str, ...]:
    return tuple(dict.fromkeys(claim for mark in item.iter_markers("requirement") for claim in mark.args))


def _party(item: pytest.Item, run: Run) -> str | None:
    claims = [claim for claim in _claims(item) if claim in run.catalogue]
    return run.catalogue[claims[0]].party if claims else None


def _name(nodeid: str) -> str:
    """Return the test's name without the folder the suites lie in and without xdist's group."""
    name = nodeid.removesuffix(f"@{_ON_TARGET}").replace("\\", "/")
    for role in ("marketplace/", "publisher/"):
        position = name.find(role)
        if position >= 0:
            return name[position:]
    return name


def _title(item: pytest.Item) -> str:
    doc = getattr(getattr(item, "function", None), "__doc__", None) or ""
    return " ".join(doc.split("\n\n")[0].split())


def _suites_around(path: Path, role: str) -> Path | None:
    """Return the folder of the suites that a test file lies in; None if it lies elsewhere."""
    return next((parent.parent for parent in path.parents if parent.name == role), None)


def _binding(checks: Checks, run: Run) -> list[CheckResult]:
    return [result for result in checks.failures if run.catalogue[result.requirement].level == "MUST"]


def _told(failures: Sequence[CheckResult], run: Run) -> str:
    lines = []
    for failure in failures:
        row = run.catalogue[failure.requirement]
        lines += [
            f"{row.id} ({row.level}): {row.statement}",
            f"  expected: {failure.expected}",
            f"  actual:   {failure.actual}",
            f"  source:   {'; '.join(row.source)}",
        ]
        lines += [f"  note:     {note}" for note in failure.notes]
        if failure.exchanges:
            lines.append(f"  exchanges: {', '.join(failure.exchanges)}")
    return "\n".join(lines)


def _where(error: BaseException) -> str:
    """Return the line that raised an error, and the line of the test that led there; for whoever reports a fault."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = dict.fromkeys(
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in (*[each for each in frames if Path(each.filename).name.startswith("test_")][:1], *frames[-1:])
    )
    return f" ({', '.join(lines)})" if lines else ""


__all__ = ["Outcome", "checks_of", "run_of"]
