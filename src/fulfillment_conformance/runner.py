"""Runs a suite through pytest, shut off from the plugins, settings and options that a user's project may have."""

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fulfillment_conformance import resources
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.run import RunOptions, begin, check_output, prepare

_PLUGINS = ("fulfillment_conformance.plugin", "xdist.plugin", "pytest_timeout", "allure_pytest.plugin")


def run_suite(
    options: RunOptions, *, workers: int = 0, progress: str = "auto", pytest_options: Sequence[str] = ()
) -> int:
    """Judge a target with the suite of its role and return the exit code. Once a process: pytest keeps state.

    Args:
        options: what is judged; its `output` has to be given.
        workers: worker processes; below 2, and on a target that is the only one of its kind, none but this process.
        progress: what the terminal shows: `auto`, `quiet` or `json`.
        pytest_options: handed to pytest after our own.

    Raises:
        UsageProblem: a file, an id or a set that cannot be used, or the output folder.
        NothingSelected: the selected ids belong to the other role.
    """
    import pytest

    assert options.output is not None
    # Everything that can be wrong with the order is found here, before pytest would wrap it into words of its own.
    prepared = prepare(replace(options, output=None))
    target = prepared.target
    check_output(options.output)
    begin(replace(prepared, options=replace(prepared.options, output=options.output)))
    if workers > 1 and not target.isolated:
        sys.stderr.write(
            f"note: -n {workers} has no effect here: this target has one clock and one webhook address, "
            "so its tests run one after the other\n"
        )
        workers = 0
    suites = resources.folder("suites")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(options.output / ".hypothesis"))
    arguments = [str(suites / target.role), "-c", str(suites / "pytest.ini")]
    arguments += [f"--rootdir={suites}", f"--confcutdir={suites}"]
    arguments += [argument for plugin in _PLUGINS for argument in ("-p", plugin)]
    arguments += [f"--target={options.target}", f"--fc-output={options.output}"]
    arguments += [f"--fc-progress={progress}"] if options.dry_run is None else []  # its verdict is about a stand-in
    arguments += ["-p", "no:terminalreporter"]
    arguments += [f"--fc-seed={prepared.seed}"] if options.seed is not None else []
    arguments += [f"--fc-only={requirement_id}" for requirement_id in options.only]
    arguments += [f"--fc-set={options.set_name}"] if options.set_name is not None else []
    arguments += [f"--fc-profile={options.profile}"] if options.profile is not None else []
    arguments += [f"--fc-known={options.known}"] if options.known is not None else []
    arguments += [f"--alluredir={options.output / 'allure-results'}", "--clean-alluredir"]
    arguments += [f"--fc-dry-run={options.dry_run}"] if options.dry_run is not None else []
    arguments += ["-n", str(workers), "--dist", "loadgroup"] if workers > 1 else []
    # pytest's own place keeps what tests wrote, and is tidied up on the way, which can take longer than the run.
    try:
        with tempfile.TemporaryDirectory(prefix="fulfillment-conformance-", ignore_cleanup_errors=True) as temporary:
            return int(pytest.main([*arguments, f"--basetemp={Path(temporary, 'pytest')}", *pytest_options]))
    except ImportError as error:
        if "Error importing plugin" not in str(error):
            raise
        raise UsageProblem(f"{' '.join(pytest_options)}: {error}; install the plugin, or leave -p out") from error
