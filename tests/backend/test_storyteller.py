"""Tests of making up stories: equal seeds tell equal stories, and what disagrees is told as shortly as it can be."""

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.backend.sandbox import Sandbox, showing, with_status

from fulfillment_conformance.backend.story_files import curl_lines, in_words, load, save
from fulfillment_conformance.backend.storyteller import Teller, Told
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import Interruption, Precondition
from fulfillment_conformance.lifecycle_model import Step
from fulfillment_conformance.redaction import Redactor

BUY = Step(do="buy", of="A", offer="contoso-crm", plan="silver")
ACTIVATE = Step(do="activate", of="A")
SUSPEND, RENEW = (Step(do="event", of="A", word=word) for word in ("Suspend", "Renew"))
SHOWN_AS_ACTIVE = showing(saasSubscriptionStatus="Subscribed")


def teller(sandbox: Sandbox) -> Teller:
    return Teller(sandbox.situations, sandbox.webhook, "documented")


def hides_suspensions(exchange: Exchange) -> None:
    body = json.loads(exchange.response_body)
    if body.get("saasSubscriptionStatus") == "Suspended":
        SHOWN_AS_ACTIVE(exchange)


def explored(sandbox: Sandbox, folder: Path, *, number: int = 1, stories: int = 3, steps: int = 4) -> Told:
    return teller(sandbox).explore(number=number, stories=stories, steps=steps, folder=folder)


def what_was_played(sandbox: Sandbox, folder: Path, number: int) -> list[tuple[str, str]]:
    played: list[tuple[str, str]] = []
    sandbox.http.change = lambda exchange: played.append((exchange.method, exchange.purpose))
    explored(sandbox, folder, number=number)
    return played


# --- making up ---


def test_a_target_that_keeps_to_the_pages_disagrees_with_no_story(sandbox: Sandbox, tmp_path: Path) -> None:
    told = explored(sandbox, tmp_path)

    assert (told.disagreement, told.unrepeated, list(told.steps), list(told.exchanges)) == (None, False, [], [])
    assert told.stories == 3
    assert told.came_across["LCY-002"] >= told.stories
    assert told.reason == "chance did not choose it"


def test_equal_seeds_tell_equal_stories_and_others_tell_others(sandbox: Sandbox, tmp_path: Path) -> None:
    first, again, other = (what_was_played(sandbox, tmp_path, number) for number in (1, 1, 2))

    assert first == again
    assert first != other


def test_no_more_stories_are_told_than_are_asked_for(sandbox: Sandbox, tmp_path: Path) -> None:
    assert explored(sandbox, tmp_path, stories=1, steps=1).stories == 1


def test_longer_stories_come_across_more(sandbox: Sandbox, tmp_path: Path) -> None:
    short, long = (explored(sandbox, tmp_path, stories=2, steps=steps) for steps in (1, 12))

    assert sum(long.came_across.values()) > sum(short.came_across.values())


# --- a disagreement ---


def test_a_disagreement_is_found_shortened_told_kept_and_played_again(sandbox: Sandbox, tmp_path: Path) -> None:
    """From a wrong state in the middle of a made-up story to a file that shows it again."""
    sandbox.answers("GET", "", hides_suspensions)
    told = explored(sandbox, tmp_path, number=3, stories=20, steps=20)

    assert told.disagreement is not None
    assert (told.disagreement.requirement, told.unrepeated) == ("LCY-007", False)
    assert [step.do for step in told.steps] == ["buy", "activate", "event"]
    words = in_words(told.steps)
    assert words[1:] == ["2. The publisher activates A.", "3. The payment for A is missing (Suspend)."]
    lines = curl_lines(told.exchanges, Redactor())
    assert [line.split()[3] for line in lines] == ["POST", "GET"]

    file = tmp_path / "story.json"
    save(file, told.steps, told.disagreement, notes=[*words, *lines], profile="documented", seed=3)
    again = teller(sandbox).replay(load(file))
    assert again.disagreement is not None
    assert str(again.disagreement) == str(told.disagreement)
    assert list(again.steps) == list(told.steps)

    sandbox.http.change = lambda _exchange: None
    assert teller(sandbox).replay(load(file)).disagreement is None


def test_a_story_is_shortened_to_what_shows_the_same_disagreement(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.answers("GET", "", hides_suspensions)
    telling = teller(sandbox)
    told = telling.explore(number=3, stories=20, steps=20, folder=tmp_path)
    counted = Counter(told.came_across)

    assert told.disagreement is not None
    assert told.disagreement.exchanges[-1] is told.exchanges[-1]
    assert counted["LCY-007"] == 0  # what shortening comes across does not count
    assert told.stories < 20 + 60


def test_a_disagreement_that_does_not_come_again_is_told_so(sandbox: Sandbox, tmp_path: Path) -> None:
    suspended: list[Exchange] = []

    def once(exchange: Exchange) -> None:
        if not suspended and json.loads(exchange.response_body).get("saasSubscriptionStatus") == "Suspended":
            suspended.append(exchange)
            SHOWN_AS_ACTIVE(exchange)

    sandbox.answers("GET", "", once)
    told = explored(sandbox, tmp_path, number=3, stories=20, steps=20)

    assert told.unrepeated
    assert told.disagreement is not None
    assert told.disagreement.requirement == "LCY-007"
    assert told.disagreement.exchanges[-1] is suspended[0]


# --- replaying ---


def test_a_story_is_replayed_as_it_is(sandbox: Sandbox) -> None:
    told = teller(sandbox).replay([BUY, ACTIVATE, SUSPEND])

    assert (told.disagreement, told.stories) == (None, 1)
    assert told.came_across["LCY-007"] == 1


def test_a_replayed_story_ends_where_it_disagrees(sandbox: Sandbox) -> None:
    sandbox.answers("GET", "", hides_suspensions)
    told = teller(sandbox).replay([BUY, ACTIVATE, RENEW, SUSPEND, RENEW])

    assert told.disagreement is not None
    assert told.disagreement.requirement == "LCY-007"
    assert list(told.steps) == [BUY, ACTIVATE, RENEW, SUSPEND]
    assert [exchange.purpose for exchange in told.exchanges][:2] == ["get subscription", "activate"]


# --- interruptions ---


def test_a_situation_that_cannot_be_arranged_ends_the_telling(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.driver.missing = frozenset({"purchases"})
    telling = teller(sandbox)

    with pytest.raises(Interruption, match="capability 'purchases' is missing") as ended:
        telling.explore(number=1, stories=5, steps=5, folder=tmp_path)
    assert telling.interruption is not None
    assert str(telling.interruption) == str(ended.value)
    assert telling.told.stories == 1
    with pytest.raises(Interruption, match="capability 'purchases' is missing"):
        telling.begin()
    assert telling.told.stories == 1


def test_a_target_that_gives_no_answer_ends_the_telling(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.answers("POST", "/activate", with_status(None))

    with pytest.raises(Precondition, match="got no answer"):
        explored(sandbox, tmp_path, stories=20, steps=8)


def test_a_disagreement_is_not_forgotten_when_the_target_gives_no_answer_afterwards(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    suspended: list[Exchange] = []

    def dying(exchange: Exchange) -> None:
        if suspended:
            with_status(None)(exchange)
        elif json.loads(exchange.response_body).get("saasSubscriptionStatus") == "Suspended":
            suspended.append(exchange)
            SHOWN_AS_ACTIVE(exchange)

    sandbox.answers("GET", "", dying)
    sandbox.answers("POST", "/activate", lambda exchange: suspended and with_status(None)(exchange))
    told = explored(sandbox, tmp_path, number=3, stories=20, steps=20)

    assert told.unrepeated
    assert told.disagreement is not None
    assert told.disagreement.requirement == "LCY-007"


def test_nothing_has_been_told_at_first(sandbox: Sandbox) -> None:
    told = teller(sandbox).told

    assert (told.stories, told.came_across, told.steps, told.exchanges) == (0, Counter(), (), ())
    assert (told.disagreement, told.unrepeated, told.notes) == (None, False, [])
