"""Of targets that stumble, or that can be arranged or seen in part only, each test says what it said before.

By default a few tests are asked about a few variations; `FC_VARIATIONS=all` asks all tests about all of them. After a
change of the suites, or of what they say, `FC_VARIATIONS=record` writes `variations.json` anew; what has changed in it
is to be looked through like any other change.
"""

import os
from pathlib import Path

import pytest
from tests.suites.variations import VARIATIONS, Variation, differences, judged_by, keep

WANTED = os.environ.get("FC_VARIATIONS", "")

FEW = {
    "marketplace": ["ACT-009", "CHP-010", "DEL-010", "GET-013", "LST-007", "OPG-001", "RES-014"],
    "publisher": ["EVT-027", "EVT-030", "LND-038"],
}
"""Requirements of many kinds, whose tests go many steps."""

BY_DEFAULT = ("server-error at request 1", "server-error at request 2", "shows nothing", "acts later")


@pytest.mark.parametrize(
    "variation", [each for each in VARIATIONS if WANTED or each.name in BY_DEFAULT], ids=lambda each: str(each)
)
def test_each_test_says_of_a_variation_what_it_said_before(tmp_path: Path, variation: Variation) -> None:
    run = judged_by(variation, tmp_path, *([] if WANTED else FEW[variation.role]))
    if WANTED == "record":
        keep(variation, run)

    assert not run.blamed, "\n".join(run.blamed)
    assert run.results["tests"]
    assert not differences(variation, run), "\n".join(differences(variation, run))
