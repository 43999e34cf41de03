"""The outputs of a run, made once more from its two sources: `results.json` and `exchanges.jsonl`."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fulfillment_conformance import report
from fulfillment_conformance.errors import SuiteFault, UsageProblem
from fulfillment_conformance.report.results import RESULTS, RunResults
from fulfillment_conformance.run import EXCHANGES


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """The results of a run, and every file that says so: name -> content, the two sources first."""

    results: RunResults
    files: Mapping[str, bytes]


def derive(results: bytes, exchanges: bytes) -> Outputs:
    """Read the two sources and make everything else of them, as a run does.

    Raises:
        UsageProblem: the results are not those of a run that ended.
        SuiteFault: a report cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="fulfillment-conformance-") as name:
        folder = Path(name)
        (folder / RESULTS).write_bytes(results)
        (folder / EXCHANGES).write_bytes(exchanges)
        try:
            read = report.read(folder)
        except UsageProblem as error:
            raise UsageProblem(_without(folder, str(error))) from None
        problems = report.write_all(read, folder)
        if problems:
            raise SuiteFault(_without(folder, "; ".join(problems)))
        own = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    others = sorted(own.keys() - {RESULTS, EXCHANGES})
    return Outputs(results=read, files={name: own[name] for name in (RESULTS, EXCHANGES, *others)})


def _without(folder: Path, text: str) -> str:
    """Leave out where the files were for a moment: it tells nobody anything."""
    return text.replace(f"{folder}{os.sep}", "")
