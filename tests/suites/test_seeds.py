"""No false alarm: the reference emulator and the reference publisher keep everything, whatever a run's seed chooses.

A seed decides ids, keys, names, the stories that are told and the calls that are made up. By default each combination
of role and profile has one whole run, each with a seed of its own; `FC_SEEDS=50` gives each the first fifty seeds.
"""

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from tests.suites.runs import judge

REFERENCES: dict[str, dict[str, Any]] = {
    "marketplace": {"role": "marketplace", "marketplace": {"driver": "embedded"}},
    "publisher-v1": {"role": "publisher", "publisher": {"embedded": True, "webhook_token_version": 1}},
    "publisher-v2": {"role": "publisher", "publisher": {"embedded": True, "webhook_token_version": 2}},
}
PROFILES = ("documented", "observed")
BY_DEFAULT = (
    ("marketplace", "documented"),
    ("publisher-v2", "documented"),
    ("marketplace", "observed"),
    ("publisher-v1", "observed"),
)


def seed(number: int) -> int:
    """Return the seed with a number from 1 on: always the same ones, spread over all that a run can have."""
    return number * 2_654_435_761 % 2**31


def _tried() -> list[object]:
    wanted = int(os.environ.get("FC_SEEDS", "0"))
    if wanted:
        numbers = range(1, wanted + 1)
        chosen = [(*each, number) for number in numbers for each in itertools.product(REFERENCES, PROFILES)]
    else:
        chosen = [(*each, number) for number, each in enumerate(BY_DEFAULT, 1)]
    return [
        pytest.param(reference, profile, seed(number), id=f"{reference}-{profile}-{seed(number)}")
        for reference, profile, number in chosen
    ]


@pytest.mark.parametrize(("reference", "profile", "seed"), _tried())
def test_the_reference_keeps_everything(tmp_path: Path, reference: str, profile: str, seed: int) -> None:
    judged = judge(REFERENCES[reference], tmp_path, f"--profile={profile}", f"--seed={seed}")

    assert not judged.blamed, "\n".join(["the suite itself broke:", *judged.blamed])
    assert not judged.with_outcome("failed"), "\n".join(judged.why(judged.with_outcome("failed")))
    assert not judged.with_outcome("undecided", level="MUST"), "\n".join(
        judged.why(judged.with_outcome("undecided", level="MUST"), "undecided")
    )
    assert judged.results["seed"] == seed
    assert judged.exit_code == 0
