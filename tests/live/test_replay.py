"""The emulator against recordings of the live service: those in `recordings/`, on every build, and some of our own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.live.recorded import run_against

from fulfillment_conformance.catalogue import Catalogue, Recorded
from fulfillment_conformance.emulator import Emulator, Settings
from fulfillment_conformance.emulator.fulfillment import FulfillmentApi
from fulfillment_conformance.emulator.messages import Reply
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.live import replay
from fulfillment_conformance.live.recorder import record
from fulfillment_conformance.live.recordings import RecordedExchange, Recording, load_folder
from fulfillment_conformance.redaction import Redactor

FOLDER = Path(__file__).parents[2] / "recordings"
LIVE = "https://marketplaceapi.microsoft.com/api"
NAME = "2026-11-22"
GONE = "- GET /saas/subscriptions/{id} 200 /created: string"
TEXT = "~ GET /saas/subscriptions/{id} 200 /quantity: number -> string"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A recording of a service that behaves as the emulator does under `observed`."""
    return of_a_stand_in(tmp_path_factory.mktemp("observed"), "observed")


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A recording of a service that does what the pages say instead."""
    return of_a_stand_in(tmp_path_factory.mktemp("documented"), "documented")


def of_a_stand_in(folder: Path, profile: Any) -> Recording:
    return record(run_against(folder, profile), folder / f"{NAME}.yaml").recording


def data(recording: Recording) -> dict[str, Any]:
    """Return a recording as its file has it."""
    return recording.model_dump(mode="json", by_alias=True, exclude_unset=True)


# --- the recordings that come with the suite ---


def test_the_emulator_answers_as_the_live_service_was_recorded(catalogue: Catalogue) -> None:
    recordings = load_folder(FOLDER)

    found = [said for name, recording in recordings.items() for said in replay.complaints(name, recording, catalogue)]
    assert found + list(replay.forgotten(recordings, catalogue)) == []


def test_recordings_are_of_the_live_service_and_tell_no_secret() -> None:
    for name, recording in load_folder(FOLDER).items():
        assert recording.service == LIVE, name
        text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
        assert Redactor().text(text) == text, name


def test_the_documentation_says_whether_there_are_any() -> None:
    said = "There is none yet" in (FOLDER / "README.md").read_text(encoding="utf-8")

    assert said == (not load_folder(FOLDER))


# --- how a recording is compared ---


def test_a_service_that_is_like_the_emulator_shows_no_difference(observed: Recording) -> None:
    assert replay.compared(observed) == []
    assert {each.answer.status for each in observed.exchanges} == {200, 202, 400, 403, 500}


def test_a_service_that_does_what_the_pages_say_differs_wherever_the_profiles_do(documented: Recording) -> None:
    call = "GET /saas/subscriptions/{id}"
    found = [str(each) for each in replay.compared(documented)]

    assert (
        {
            "~ GET /saas/subscriptions status: 401 -> 403",  # one status for whoever is not let in
            "- GET /saas/subscriptions 200 /subscriptions/*/created: string",
            "~ GET /saas/subscriptions 200 /subscriptions/*/quantity: number -> string",
            GONE,
            TEXT,
            f"+ {call} 200 /quantity: string",
            f"~ {call}/operations/{{operationId}} status: 404 -> 400",
            f"~ PATCH{call[3:]}/operations/{{operationId}} status: 200 -> 500",
            f"- {call}/operations 200 /operations/*/status: 'InProgress'",  # listed later only
        }
        <= set(found)
    )
    assert len(found) == len(set(found))
    assert replay.compared(documented, profile="documented") == []


Change = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda body: body.update(storeFront="US"), "- {call} /storeFront: string"),
        (lambda body: body.update(autoRenew="true"), "~ {call} /autoRenew: string -> boolean"),
        (lambda body: body.update(sessionMode="DryRun"), "~ {call} /sessionMode: 'DryRun' -> 'None'"),
        (lambda body: body.update(term=None), "~ {call} /term: null -> object"),
        (lambda body: body["allowedCustomerOperations"].pop(), "'Read', 'Update' -> 'Delete', 'Read', 'Update'"),
        (lambda body: body.update(name="Another", planId="bronze"), None),
    ],
)
def test_fields_types_null_and_words_are_compared_and_values_are_not(
    observed: Recording, change: Change, difference: str | None
) -> None:
    (number,) = (
        index
        for index, each in enumerate(observed.exchanges)
        if (each.request.path, each.answer.status) == ("/{id}", 200)
        and each.request.method == "GET"
        and [given.plan for given in each.given] == ["silver"]
        and not each.given[0].operations
    )
    document = data(observed)
    change(document["exchanges"][number]["answer"]["body"])
    document["exchanges"] = [document["exchanges"][number]]
    found = replay.compared(Recording.model_validate(document))

    if difference is None:
        assert found == []
    else:
        assert any(difference.format(call="GET /saas/subscriptions/{id} 200") in str(each) for each in found)


def test_a_header_that_the_emulator_lacks_is_told(observed: Recording) -> None:
    document = data(observed)
    document["exchanges"] = document["exchanges"][:1]
    document["exchanges"][0]["answer"]["headers"] |= {"retry-after": "1", "x-azure-ref": "1"}

    assert [str(each) for each in replay.compared(Recording.model_validate(document))] == [
        "- GET /saas/subscriptions 200 header retry-after: sent"
    ]


def test_where_the_live_service_varies_one_of_the_forms_of_the_emulator_suffices(observed: Recording) -> None:
    """Under `observed` some subscriptions never show the days of their term, by the emulator's seed (LB-41)."""
    shown = [each for each in observed.exchanges if each.request.path == "/{id}" and each.request.method == "GET"]
    subscribed = next(each for each in shown if each.given[0].status == "Subscribed" and each.answer.status == 200)

    forms = {
        "startDate" in replay.repeated(observed, subscribed, seed=seed)["response"]["body"]
        for seed in range(replay.FORMS)
    }

    assert forms == {True, False}


def listing_operations(document: dict[str, Any]) -> dict[str, Any]:
    (one,) = (
        each
        for each in document["exchanges"]
        if each["request"]["path"] == "/{id}/operations" and "operations" in each["given"][0]
    )
    return one  # type: ignore[no-any-return]


def showing_a_change_of_plan(document: dict[str, Any]) -> dict[str, Any]:
    (one,) = (
        each
        for each in document["exchanges"]
        if each["request"]["path"] == "/{id}/operations/{operationId}"
        and each["request"]["method"] == "GET"
        and each["given"][0]["operations"][0]["action"] == "ChangePlan"
    )
    return one  # type: ignore[no-any-return]


@pytest.mark.parametrize("status", ["InProgress", "Succeeded", "Failed"])
def test_an_operation_is_brought_as_far_as_it_had_come(observed: Recording, status: str) -> None:
    document = data(observed)
    one = showing_a_change_of_plan(document)
    one["given"][0]["operations"][0]["status"] = one["answer"]["body"]["status"] = status
    document["exchanges"] = [one]

    assert replay.compared(Recording.model_validate(document)) == []


def test_a_pending_operation_is_listed_after_the_recorded_time_only(observed: Recording) -> None:
    """The age of an operation is a part of the situation: under `observed` it is listed a minute late (LB-03)."""
    document = data(observed)
    one = listing_operations(document)
    one["given"][0]["operations"][0]["seconds"] = 61.0
    document["exchanges"] = [one]

    found = list(map(str, replay.compared(Recording.model_validate(document))))

    assert "+ GET /saas/subscriptions/{id}/operations 200 /operations/*/action: 'ChangePlan'" in found


def test_operations_are_begun_one_after_the_other(observed: Recording) -> None:
    """The first is listed after its minute, the second not yet."""
    document = data(observed)
    one = listing_operations(document)
    (begun,) = one["given"][0]["operations"]
    one["given"][0]["operations"] = [{**begun, "seconds": 90.0}, {**begun, "seconds": 30.0}]

    evidence = replay.repeated(observed, RecordedExchange.model_validate(one))

    assert len(json.loads(evidence["response"]["body"])["operations"]) == 1


def test_a_situation_that_cannot_be_is_named(observed: Recording) -> None:
    document = data(observed)
    one = showing_a_change_of_plan(document)
    one["given"][0]["operations"][0]["plan"] = "silver"
    document["exchanges"] = [one]

    with pytest.raises(UsageProblem, match=r"exchanges\[0\].given cannot be arranged .* The plan is already 'silver'"):
        replay.compared(Recording.model_validate(document))


def test_an_emulator_that_changes_is_noticed(observed: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FulfillmentApi, "cancel", lambda self, request, caller: Reply(204))

    assert [str(each) for each in replay.compared(observed)] == [
        "~ DELETE /saas/subscriptions/{id} status: 202 -> 204",
        "~ DELETE /saas/subscriptions/{id} status: 200 -> 204",
    ]


# --- explanations ---


def with_explanations(recording: Recording, *pairs: tuple[str, str]) -> Recording:
    document = data(recording)
    return Recording.model_validate(
        {**document, "explained": [{"difference": difference, "by": by} for difference, by in pairs]}
    )


def explaining(catalogue: Catalogue, *ids: str) -> Catalogue:
    """Return the catalogue with rows that say why a difference from the recording stays."""
    why = (Recorded(recording=NAME, why="Seen once."),)
    rows = {name: row.model_copy(update={"recorded": why}) if name in ids else row for name, row in catalogue.items()}
    return Catalogue(rows, catalogue.themes(), catalogue.sets())


@pytest.fixture(scope="module")
def reading(documented: Recording) -> Recording:
    """Only the exchanges of the other service that read a subscription with seats: one difference of each kind."""
    document = data(documented)
    document["exchanges"] = [
        each
        for each in document["exchanges"]
        if (each["request"]["method"], each["request"]["path"]) == ("GET", "/{id}")
        and each["given"][0]["plan"] == "team"
    ]
    found = Recording.model_validate(document)
    assert {str(each) for each in replay.compared(found)} == {GONE, TEXT}
    return found


def test_a_difference_fails_until_the_catalogue_explains_it(reading: Recording, catalogue: Catalogue) -> None:
    both = with_explanations(reading, (GONE, "GET-026"), (TEXT, "GET-012"))

    first, second = replay.complaints(NAME, reading, catalogue)
    assert first.startswith(f"{NAME}: {GONE}\n  The live service and `emulate --profile observed` differ. Mend")
    assert second.startswith(f"{NAME}: {TEXT}\n")
    assert list(replay.complaints(NAME, both, catalogue)) == [
        f"{NAME}: GET-026 does not say why in its key `recorded`, with recording: {NAME}: {GONE}",
        f"{NAME}: GET-012 does not say why in its key `recorded`, with recording: {NAME}: {TEXT}",
    ]
    assert list(replay.complaints(NAME, both, explaining(catalogue, "GET-026", "GET-012"))) == []


def test_an_explanation_of_what_is_gone_fails_and_so_does_one_by_nobody(
    observed: Recording, reading: Recording, catalogue: Catalogue
) -> None:
    explained = explaining(catalogue, "GET-026")
    unknown = with_explanations(reading, (GONE, "GET-026"), (TEXT, "GET-999"))

    assert list(replay.complaints(NAME, with_explanations(observed, (GONE, "GET-026")), explained)) == [
        f"{NAME}: the difference explained by GET-026 is gone, so remove it: {GONE}"
    ]
    assert list(replay.complaints(NAME, unknown, explained)) == [
        f"{NAME}: GET-999, which is to explain a difference, is not in the catalogue: {TEXT}"
    ]


def test_a_row_that_explains_nothing_any_more_fails(reading: Recording, catalogue: Catalogue) -> None:
    explained = explaining(catalogue, "GET-026")
    used = with_explanations(reading, (GONE, "GET-026"))

    assert list(replay.forgotten({NAME: used}, explained)) == []
    assert list(replay.forgotten({NAME: reading}, explained)) == [
        f"GET-026: the recording {NAME} has nothing explained by it; remove it from `recorded`"
    ]
    assert list(replay.forgotten({}, explained)) == [
        f"GET-026: there is no recording {NAME}; remove it from `recorded`"
    ]


def test_each_exchange_has_an_emulator_of_its_own(observed: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Settings] = []

    class Counted(Emulator):
        def __init__(self, settings: Settings) -> None:
            made.append(settings)
            super().__init__(settings)

    monkeypatch.setattr(replay, "Emulator", Counted)

    replay.compared(observed)

    assert len(made) >= len(observed.exchanges)
    assert {settings.profile for settings in made} == {"observed"}
