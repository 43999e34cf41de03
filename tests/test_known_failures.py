import json
from datetime import date
from pathlib import Path

import pytest

from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.known_failures import KnownFailure, State, in_force, load_known, settle
from fulfillment_conformance.outcome import Outcome, RequirementResult
from fulfillment_conformance.yamlfile import YamlProblem

TODAY = date(2026, 11, 22)
ENTRY = """\
  - id: {id}
    why: It waits for the gateway.
    link: https://tracker.contoso.example/4711
    until: {until}
"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


def entry(requirement_id: str = "WHK-018", *, until: date = date(2026, 12, 31)) -> KnownFailure:
    return KnownFailure(
        id=requirement_id, why="It waits.", link="https://t.example/1", until=until, place="known.yaml:2"
    )


def result(outcome: Outcome, requirement_id: str = "WHK-018") -> RequirementResult:
    return RequirementResult(id=requirement_id, level="MUST", party="publisher", outcome=outcome, reason="observed")


class TestLoading:
    def test_entries_keep_their_place(self, tmp_path: Path, catalogue: Catalogue) -> None:
        file = tmp_path / "known.yaml"
        text = ENTRY.format(id="WHK-018", until="2026-12-31") + ENTRY.format(id="LND-001", until="'2027-01-31'")
        file.write_text(f"# put up with\nfailures:\n{text}", encoding="utf-8")

        first, second = load_known(file, catalogue, role="publisher")

        assert first == KnownFailure(
            id="WHK-018",
            why="It waits for the gateway.",
            link="https://tracker.contoso.example/4711",
            until=date(2026, 12, 31),
            place="known.yaml:3",
        )
        assert (second.id, second.until, second.place) == ("LND-001", date(2027, 1, 31), "known.yaml:7")

    def test_there_may_be_none(self, tmp_path: Path, catalogue: Catalogue) -> None:
        (tmp_path / "known.yaml").write_text("failures: []\n", encoding="utf-8")

        assert load_known(tmp_path / "known.yaml", catalogue, role="publisher") == ()

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"id": "WHK-918"}, ".id: WHK-918 is not in the catalogue; did you mean 'WHK-018'?"),
            ({"id": "RES-001"}, ".id: RES-001 binds the marketplace, and the target's role is publisher; move it"),
            ({"id": "whk18"}, ".id: got 'whk18'; expected an id such as WHK-014"),
            ({"until": "someday"}, ".until: got 'someday'; expected a date such as 2026-11-22"),
            ({"unti": "x"}, ".unti: unknown key; did you mean 'until'? allowed: id, why, link, until"),
            ({"why": "''"}, ".why: must not be empty"),
            ({"link": "ticket 4711"}, ".link: got 'ticket 4711'; an address holds no blanks"),
            ({"link": None}, ".link: missing; expected the address where that is tracked"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_told_with_its_line(
        self, tmp_path: Path, catalogue: Catalogue, changes: dict[str, str | None], said: str
    ) -> None:
        file = tmp_path / "known.yaml"
        keys = {"id": "WHK-018", "why": "x", "link": "'https://t.example'", "until": "2026-12-31"} | changes
        written = ", ".join(f"{key}: {value}" for key, value in keys.items() if value is not None)
        file.write_text(f"failures:\n  - {{{written}}}\n", encoding="utf-8")

        with pytest.raises(YamlProblem) as raised:
            load_known(file, catalogue, role="publisher")

        assert f"{file}:2: failures[0]{said}" in str(raised.value).splitlines()
        assert raised.value.exit_code == 4

    def test_an_id_stands_there_once(self, tmp_path: Path, catalogue: Catalogue) -> None:
        file = tmp_path / "known.yaml"
        file.write_text("failures:\n" + 2 * ENTRY.format(id="WHK-018", until="2026-12-31"), encoding="utf-8")

        with pytest.raises(YamlProblem, match=r":6: failures\[1\].id: WHK-018 is given twice, first on line 2; remove"):
            load_known(file, catalogue, role="publisher")

    def test_what_is_excluded_cannot_be_known_to_fail(self, tmp_path: Path, catalogue: Catalogue) -> None:
        excluded = next(row for row in catalogue.values() if row.excluded and row.party == "publisher")
        file = tmp_path / "known.yaml"
        file.write_text("failures:\n" + ENTRY.format(id=excluded.id, until="2026-12-31"), encoding="utf-8")

        with pytest.raises(YamlProblem, match=f"{excluded.id} is excluded, so no run can find that it fails"):
            load_known(file, catalogue, role="publisher")


class TestSettling:
    def test_a_known_failure_is_waived_with_its_reason(self) -> None:
        [settled], [told] = settle([entry()], [result(Outcome.FAILED)], on=TODAY)

        assert settled.outcome is Outcome.WAIVED
        assert settled.reason == "It waits. (until 2026-12-31, https://t.example/1)"
        assert (told.state, told.stale) == (State.WAIVED, False)

    def test_the_last_day_is_a_day_of_grace(self) -> None:
        known = [entry(until=TODAY)]

        assert in_force(known, on=TODAY).keys() == {"WHK-018"}
        assert in_force(known, on=date(2026, 11, 23)) == {}

    @pytest.mark.parametrize("outcome", Outcome)
    def test_an_expired_entry_is_stale_and_waives_nothing(self, outcome: Outcome) -> None:
        [settled], [told] = settle([entry(until=date(2026, 11, 21))], [result(outcome)], on=TODAY)

        assert settled == result(outcome)
        assert (told.state, told.stale) == (State.EXPIRED, True)
        assert told.complaint == (
            "known.yaml:2: WHK-018 was put up with until 2026-11-21; mend the target, or decide again"
        )

    def test_an_entry_whose_requirement_passes_is_stale(self) -> None:
        [settled], [told] = settle([entry()], [result(Outcome.PASSED)], on=TODAY)

        assert settled.outcome is Outcome.PASSED
        assert (told.state, told.stale) == (State.PASSES, True)
        assert told.complaint == "known.yaml:2: WHK-018 passes now; remove the entry"

    @pytest.mark.parametrize("outcome", [Outcome.UNDECIDED, Outcome.UNTESTABLE, Outcome.NOT_APPLICABLE])
    def test_what_is_not_known_to_fail_is_not_waived(self, outcome: Outcome) -> None:
        [settled], [told] = settle([entry()], [result(outcome)], on=TODAY)

        assert settled.outcome is outcome
        assert (told.state, told.stale) == (State.OPEN, False)

    def test_other_failures_are_failures(self) -> None:
        settled, [told] = settle([entry("LND-001")], [result(Outcome.FAILED)], on=TODAY)

        assert settled == (result(Outcome.FAILED),)
        assert (told.state, told.stale) == (State.NOT_JUDGED, False)


def test_an_entry_survives_json() -> None:
    [told] = settle([entry()], [result(Outcome.FAILED)], on=TODAY)[1]

    assert KnownFailure.from_json(json.loads(json.dumps(told.to_json()))) == told
