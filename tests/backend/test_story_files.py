"""Tests of stories as something to keep: shortened, put into words, saved and read again."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fulfillment_conformance.backend.stories import Disagreement
from fulfillment_conformance.backend.story_files import curl_lines, in_words, load, save, shrink
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange, Party
from fulfillment_conformance.lifecycle_model import Step
from fulfillment_conformance.redaction import Redactor

STORY = (
    Step(do="buy", of="A", offer="crm", plan="silver"),
    Step(do="switch auto-renewal", of="A", on=False),
    Step(do="event", of="A", word="ChangePlan", plan="gold", answer=400),
    Step(do="wait", seconds=1200.0),
)


def steps(count: int) -> list[Step]:
    return [Step(do="wait", seconds=float(number)) for number in range(count)]


class Played:
    """Says of a story whether it fails, which it does as long as some of its steps are in it."""

    def __init__(self, *needed: int) -> None:
        self.needed = {float(number) for number in needed}
        self.stories: list[list[Step]] = []

    def __call__(self, story: Sequence[Step]) -> bool:
        self.stories.append(list(story))
        return self.needed <= {step.seconds for step in story}


# --- shrinking ---


@pytest.mark.parametrize(
    ("length", "needed"),
    [(1, [0]), (2, [0]), (2, [1]), (2, [0, 1]), (7, [3]), (16, [0, 15]), (20, [2, 9, 17]), (13, [0, 5, 6, 12])],
)
def test_a_story_keeps_the_steps_that_it_needs_to_fail(length: int, needed: list[int]) -> None:
    played = Played(*needed)

    best = shrink(steps(length), played)

    assert [step.seconds for step in best] == needed


def test_a_story_whose_every_step_is_needed_stays_as_it_is() -> None:
    played = Played(0, 1, 2, 3, 4)

    assert shrink(steps(5), played) == steps(5)
    assert [len(story) for story in played.stories] == [3, 3, 4, 4, 4, 4, 4]


def test_no_step_is_moved_and_none_is_made_up() -> None:
    played = Played(9, 3)
    shrink(steps(10), played)

    for story in played.stories:
        seconds = [step.seconds or 0.0 for step in story]
        assert seconds == sorted(seconds)
        assert set(seconds) < set(range(10))


def test_a_story_without_steps_is_never_played() -> None:
    played = Played()

    assert len(shrink(steps(3), played)) == 1
    assert all(played.stories)


def test_half_of_a_story_is_tried_before_single_steps() -> None:
    played = Played(0)
    shrink(steps(8), played)

    assert [len(story) for story in played.stories[:2]] == [4, 2]
    assert [story[0].seconds for story in played.stories[:2]] == [0.0, 0.0]


def test_a_story_is_played_so_often_and_no_oftener() -> None:
    few, enough = Played(0, 19), Played(0, 19)
    shrink(steps(20), few, tries=3)
    best = shrink(steps(20), enough)

    assert len(few.stories) == 3
    assert len(enough.stories) <= 60
    assert len(best) == 2


def test_sixty_times_are_enough_unless_something_else_is_said() -> None:
    played = Played(*range(100))
    shrink(steps(100), played)

    assert len(played.stories) == 60


def test_what_has_been_found_so_far_is_kept_when_the_tries_are_over() -> None:
    assert shrink(steps(20), Played(0), tries=1) == steps(10)
    assert shrink(steps(20), Played(0, 19), tries=0) == steps(20)


def test_one_step_is_left_out_after_another_until_none_can_be() -> None:
    """Leaving one out may make another one needless: it is tried again."""

    def fails(story: Sequence[Step]) -> bool:
        seconds = [step.seconds for step in story]
        return 0.0 in seconds and (1.0 in seconds or 2.0 not in seconds)

    assert shrink(steps(3), fails) == steps(1)


# --- files ---


def saved(folder: Path, **found: Any) -> Path:
    file = folder / "stories" / "LCY-007.json"
    save(
        file,
        STORY,
        Disagreement("LCY-007", "A Suspended", "Subscribed", []),
        notes=["1. Something happens."],
        profile="observed",
        seed=7,
    )
    if found:
        file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | found), encoding="utf-8")
    return file


def test_a_saved_story_is_read_again_as_it_was(tmp_path: Path) -> None:
    assert load(saved(tmp_path)) == list(STORY)


def test_a_saved_story_can_be_read_by_people(tmp_path: Path) -> None:
    text = saved(tmp_path).read_text(encoding="utf-8")

    assert json.loads(text) == {
        "format": 1,
        "requirement": "LCY-007",
        "expected": "A Suspended",
        "actual": "Subscribed",
        "profile": "observed",
        "seed": 7,
        "told": ["1. Something happens."],
        "steps": [step.to_json() for step in STORY],
    }
    assert text.startswith('{\n  "format": 1,\n')
    assert text.endswith("}\n")


def test_saving_makes_the_folder_and_replaces_what_was_there(tmp_path: Path) -> None:
    assert saved(tmp_path / "of" / "a run") == saved(tmp_path / "of" / "a run")


def _no_file(folder: Path) -> Path:
    return folder / "nothing.json"


def _with(content: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        file = folder / "story.json"
        file.write_text(content, encoding="utf-8")
        return file

    return write


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_no_file, "FileNotFoundError"),
        (_with("not JSON"), "JSONDecodeError"),
        (_with("[]"), "TypeError"),
        (_with("{}"), "KeyError: 'format'"),
        (_with('{"format": 1}'), "KeyError: 'steps'"),
        (_with('{"format": 2, "steps": []}'), "ValueError: format 2, this suite reads 1"),
        (_with('{"format": "1", "steps": []}'), "ValueError: format '1'"),
        (_with('{"format": 1, "steps": [{"do": "wait", "minutes": 3}]}'), "TypeError"),
        (_with('{"format": 1, "steps": 5}'), "TypeError"),
        (lambda folder: folder, "IsADirectoryError|PermissionError"),
    ],
)
def test_what_is_no_story_is_refused_with_a_reason(tmp_path: Path, make: Callable[[Path], Path], reason: str) -> None:
    with pytest.raises(UsageProblem, match=reason) as refused:
        load(make(tmp_path))

    assert "is no story that can be replayed" in str(refused.value)
    assert "give a file that a run left in the folder stories of its output" in str(refused.value)


# --- words ---


def test_a_story_is_told_in_numbered_sentences() -> None:
    assert in_words(STORY) == [
        "1. A customer buys silver of crm: subscription A.",
        "2. The customer switches automatic renewal of A off.",
        "3. The customer of A asks for plan gold at the marketplace; the webhook answers 400.",
        "4. 0:20:00 pass.",
    ]
    assert in_words([]) == []


def call(method: str, path: str, receiver: Party = "marketplace") -> Exchange:
    return Exchange(
        sender="suite",
        receiver=receiver,
        method=method,
        url=f"https://market.example{path}",
        request_headers=(("authorization", "Bearer s3cret-token"),),
        request_body=b'{"planId": "gold"}' if method == "PATCH" else b"",
        status=200,
    )


def test_a_story_is_repeated_by_its_changes_and_its_last_look() -> None:
    redactor = Redactor()
    redactor.learn("s3cret-token", "token")
    lines = curl_lines(
        [
            call("POST", "/purchase", "control"),
            call("POST", "/s/activate"),
            call("GET", "/s"),
            call("PATCH", "/s"),
            call("GET", "/s/operations"),
            call("GET", "/s"),
            call("POST", "/clock", "control"),
        ],
        redactor,
    )

    assert [line.rpartition("https://market.example")[2] for line in lines] == ["/s/activate", "/s", "/s"]
    assert [line.split()[:4] for line in lines] == [
        ["curl", "-i", "-X", "POST"],
        ["curl", "-i", "-X", "PATCH"],
        ["curl", "-i", "-X", "GET"],
    ]
    assert '{"planId": "gold"}' in lines[1]
    assert "s3cret-token" not in "".join(lines)


@pytest.mark.parametrize(
    ("methods", "told"),
    [([], 0), (["GET"], 1), (["PATCH"], 1), (["GET", "GET"], 1), (["PATCH", "GET"], 2), (["PATCH", "PATCH"], 2)],
)
def test_the_last_call_of_a_story_is_always_told(methods: list[str], told: int) -> None:
    assert len(curl_lines([call(method, "/s") for method in methods], Redactor())) == told
