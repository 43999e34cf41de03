"""The stage of a publisher's run for tests: a target file, and what came of opening it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.preflight import Preflight
from fulfillment_conformance.run import Run, RunOptions, prepare
from fulfillment_conformance.stage.opening import Stage, open_stage


@dataclass
class Staged:
    """A run against a publisher, before it is opened and after."""

    run: Run
    preflight: Preflight = field(default_factory=Preflight)
    recorded: list[Exchange] = field(default_factory=list)

    @contextmanager
    def opened(self) -> Iterator[Stage]:
        """Open the stage for the block."""
        self.run.recorder = self.recorded.append  # type: ignore[assignment] # nothing else of it is used here
        with open_stage(self.run, self.preflight) as stage:
            yield stage

    @property
    def looks(self) -> dict[str, str]:
        """What the preflight has looked at, and seen."""
        return {finding.what: finding.seen for finding in self.preflight.findings}


def staged(
    folder: Path, publisher: str = "{embedded: true}", more: str = "", environ: Mapping[str, str] | None = None
) -> Staged:
    """Prepare a run against a publisher; `more` are further lines of the target file."""
    file = folder / "target.yaml"
    file.write_text(f"role: publisher\npublisher: {publisher}\n{more}\n", encoding="utf-8")
    return Staged(prepare(RunOptions(target=file, seed=5), environ=environ or {}))
