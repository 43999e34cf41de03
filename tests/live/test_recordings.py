from pathlib import Path
from typing import Any

import pytest
import yaml

from fulfillment_conformance.live.recordings import load, load_folder
from fulfillment_conformance.yamlfile import InvalidContent, YamlProblem


def recording(**changes: Any) -> dict[str, Any]:
    """Return a small recording: a subscription is read while a change of plan is under way."""
    operation = {"action": "ChangePlan", "plan": "gold", "status": "InProgress", "seconds": 1.5}
    given = {"offer": "crm-preview", "plan": "silver", "status": "Subscribed", "operations": [operation]}
    request = {"method": "GET", "path": "/{id}", "query": {"api-version": "2018-08-31"}}
    return {
        "recorded": "2026-11-22",
        "service": "https://marketplaceapi.microsoft.com/api",
        "api_version": "2018-08-31",
        "made_with": "0.1.0",
        "offers": [{"offerId": "crm-preview", "plans": [{"planId": "silver"}, {"planId": "gold"}]}],
        "exchanges": [
            {
                "given": [given],
                "request": request,
                "answer": {"status": 200, "headers": {"content-type": "application/json"}, "body": {"id": "1"}},
            }
        ],
        **changes,
    }


def written(folder: Path, document: dict[str, Any], name: str = "2026-11-22") -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return file


def test_a_recording_is_read(tmp_path: Path) -> None:
    file = written(tmp_path, recording())

    [exchange] = load(file).exchanges
    assert load_folder(tmp_path) == {"2026-11-22": load(file)}
    assert exchange.given[0].operations[0].seconds == 1.5
    assert exchange.as_evidence("https://somewhere/api") == {
        "receiver": "marketplace",
        "request": {"method": "GET", "url": "https://somewhere/api/saas/subscriptions/{id}"},
        "response": {"status": 200, "headers": [["content-type", "application/json"]], "body": '{"id": "1"}'},
    }


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert load_folder(tmp_path) == {}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the small recording with another value at a path; None takes it away."""
    document: Any = recording()
    *above, last = (int(step) if step.isdecimal() else step for step in path.split("."))
    place = document
    for step in above:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    found: dict[str, Any] = document
    return found


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("recorded", None, "recorded: missing; expected the day"),
        ("recorded", "yesterday", "recorded: got 'yesterday'; expected a date"),
        ("recorded", "9999-12-31", "recorded: 9999-12-31 is a day to come"),
        ("service", "marketplace", "service: got 'marketplace'; expected an address"),
        ("exchanges", [], "exchanges: needs at least 1 entry"),
        ("exchanges.0.given.0.offer", "crm", "got 'crm'; the recording lists crm-preview"),
        ("exchanges.0.given.0.plan", "glod", "did you mean 'gold'? offer 'crm-preview' lists silver, gold"),
        ("exchanges.0.given.0.status", "Active", "status: got 'Active'; allowed: PendingFulfillmentStart, Subscribed"),
        (
            "exchanges.0.given.0.operations.0.plan",
            None,
            "operations[0].plan: missing; expected the value that ChangePlan",
        ),
        ("exchanges.0.given", None, "exchanges[0].given: needs the situation of the subscription"),
        ("exchanges.0.request.method", "PUT", "method: got 'PUT'; allowed: GET, POST"),
        ("exchanges.0.answer.status", 20, "status: must be at least 100, got the number 20"),
        ("exchanges.0.answer.code", 1, "answer.code: unknown key"),
        ("explained", [{"difference": "- x", "by": "GET"}], "got 'GET'; expected an id such as WHK-014"),
    ],
)
def test_what_is_wrong_is_said_by_file_line_and_key(tmp_path: Path, path: str, value: Any, said: str) -> None:
    file = written(tmp_path, changed(path, value))

    with pytest.raises(InvalidContent) as caught:
        load(file)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{file}:")


def test_an_operation_in_the_path_has_to_be_one_of_the_situation(tmp_path: Path) -> None:
    document = changed("exchanges.0.given.0.operations", None)
    document["exchanges"][0]["request"]["path"] = "/{id}/operations/{operationId}"

    with pytest.raises(InvalidContent, match=r"needs an operation, for \{operationId\} stands in the path"):
        load(written(tmp_path, document))


def test_all_files_of_a_folder_are_complained_about_at_once(tmp_path: Path) -> None:
    written(tmp_path, changed("recorded", None), "one")
    written(tmp_path, changed("service", None), "other")
    (tmp_path / "third.yaml").write_text("a: [", encoding="utf-8")

    with pytest.raises(YamlProblem) as caught:
        load_folder(tmp_path)
    assert [Path(problem.file).stem for problem in caught.value.problems] == ["one", "other", "third"]
