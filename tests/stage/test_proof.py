"""What a run lets happen at its end, so that a publisher that works can show it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.life import TARGET
from fulfillment_conformance.run import Run, RunOptions, prepare
from fulfillment_conformance.stage.opening import Stage, open_stage
from fulfillment_conformance.stage.proof import give_proof
from fulfillment_conformance.stage.signs import ACCOUNT, LANDING_PAGE, WEBHOOK


@contextmanager
def opened(folder: Path, *defects: str) -> Iterator[tuple[Run, Stage]]:
    file = folder / "target.yaml"
    place = {"embedded": True, "defects": list(defects)}
    file.write_text(yaml.safe_dump({"role": "publisher", "publisher": place}), encoding="utf-8")
    run = prepare(RunOptions(target=file, seed=5))
    with open_stage(run) as stage:
        yield run, stage


@pytest.mark.parametrize("parts", [[LANDING_PAGE], [ACCOUNT], [WEBHOOK], [LANDING_PAGE, ACCOUNT, WEBHOOK]])
def test_what_works_can_show_it(tmp_path: Path, parts: list[str]) -> None:
    with opened(tmp_path) as (run, stage):
        for part in parts:
            run.life.called(part)
        run.life.take_called()
        give_proof(run, stage)

        assert run.life.unproven == set()
        assert run.life.take_called() == (TARGET,)


def test_what_never_becomes_active_cannot(tmp_path: Path) -> None:
    with opened(tmp_path, "never-activates") as (run, stage):
        run.life.called(WEBHOOK)
        give_proof(run, stage)

        assert run.life.unproven == {WEBHOOK}


def test_nothing_happens_where_nothing_is_open_or_nobody_is_there(tmp_path: Path) -> None:
    with opened(tmp_path) as (run, stage):
        give_proof(run, stage)
        seen = stage.microsoft.mark
        give_proof(run, stage)
        run.life.called(WEBHOOK)
        run.gone = Exchange(sender="suite", receiver="publisher", method="GET", url="http://127.0.0.1/")
        give_proof(run, stage)

        assert stage.microsoft.mark == seen
