"""What a run leaves in its output folder: `results.json` first, then everything derived from it.

Each kind of report is a module of its own that reads nothing but `RunResults` and the recorded exchanges.
"""

from collections.abc import Sequence
from pathlib import Path

from fulfillment_conformance.report.results import ReportedRequirement, RunResults, begin, read

__all__ = ["ReportedRequirement", "RunResults", "begin", "read", "write_all"]


def write_all(results: RunResults, folder: Path) -> Sequence[str]:
    """Write `results.json`, then every report derived from it.

    Returns:
        What went wrong, a sentence each; the caller ends with exit code 3 then. A derived report that cannot be written
        leaves the others, and `results.json` above all, untouched.
    """
    problems: list[str] = []
    try:
        results.write(folder)
    except OSError as error:
        problems.append(f"cannot write {folder / 'results.json'}: {error.strerror or error}")
    return problems
