import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance.report.sequence import MOST_ARROWS, PARTICIPANTS, draw


def drawn(exchanges: list[dict[str, Any]], **options: Any) -> ET.Element:
    return ET.fromstring(draw(exchanges, title="a scenario", **options))


def texts(svg: ET.Element, kind: str) -> list[str]:
    return ["".join(one.itertext()) for one in svg.iter("text") if (one.get("class") or "").split()[0] == kind]


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw([], title="x") == ""


def test_participants_stand_from_left_to_right_and_only_those_who_take_part(mixed: Run) -> None:
    svg = drawn(mixed[1][:7])

    assert texts(svg, "name") == ["Buyer", "Publisher", "Marketplace", "Identity provider", "Stranger"]
    assert svg.get("aria-label") == "a scenario"


def test_an_unknown_participant_is_drawn_too() -> None:
    one = runs.exchange(1, "suite", "publisher", "GET /", 200) | {"sender": "auditor"}

    assert texts(drawn([one]), "name") == ["Publisher", "auditor"]


def test_every_exchange_is_an_arrow_with_request_and_answer(mixed: Run) -> None:
    svg = drawn(mixed[1][:9])

    assert texts(svg, "number") == [str(number) for number in range(1, 10)]
    assert texts(svg, "request")[3] == "POST /webhook"
    assert texts(svg, "status")[7:] == ["500 · 12 ms", "no answer: ReadTimeout: no answer in 10 s"]


def test_arrows_point_from_sender_to_receiver() -> None:
    svg = drawn([runs.exchange(1, "publisher", "marketplace", "GET /x", 200)])
    [there, back] = [path.get("d") or "" for path in svg.iter("path") if "line" in (path.get("class") or "")]

    start, end = (float(part) for part in re.fullmatch(r"M(\d+) \d+H(\d+)", there).groups())  # type: ignore[union-attr]
    assert start < end
    start, end = (float(part) for part in re.fullmatch(r"M(\d+) \d+H(\d+)", back).groups())  # type: ignore[union-attr]
    assert start > end


def test_who_calls_itself_gets_a_loop() -> None:
    assert texts(drawn([runs.exchange(1, "suite", "suite", "GET /x", 200)]), "request") == ["GET /x"]


def test_equal_exchanges_in_a_row_are_one_arrow() -> None:
    polls = [runs.exchange(number, "suite", "publisher", "GET /state", 200) for number in range(1, 9)]

    assert texts(drawn(polls), "request") == ["8 × GET /state"]
    assert texts(drawn(polls), "number") == ["1–8"]
    assert texts(drawn(polls, important={"5"}), "number") == ["1–4", "5", "6–8"]


def test_what_is_shown_in_full_is_a_link(mixed: Run) -> None:
    svg = drawn(mixed[1][:6], important={"4", "6"}, addresses={"4": "#exchange-4"})
    links = list(svg.iter("a"))

    assert [link.get("href") for link in links] == ["#exchange-4"]
    assert links[0].get("class") == "arrow important"
    assert links[0].findtext("title") == "Exchange 4: Stranger to Publisher, POST /webhook, 200 · 12 ms: open it"


def test_a_long_scenario_keeps_what_checks_rest_on() -> None:
    many = [runs.exchange(number, "suite", "publisher", f"GET /{number}", 200) for number in range(1, 501)]

    svg = drawn(many, important={"480", "500"})

    assert len(texts(svg, "number")) == MOST_ARROWS
    assert texts(svg, "number")[-2:] == ["480", "500"]
    assert texts(svg, "note") == ["460 more exchanges are not drawn; no check rests on them"]
    assert len(draw(many, title="x")) < 40_000


def test_hostile_texts_stay_texts() -> None:
    _, recorded = runs.hostile_run()
    tags = {element.tag.rpartition("}")[2] for element in drawn(recorded, important={"1"}).iter()}

    assert tags == {"svg", "line", "rect", "text", "g", "title", "path"}


@pytest.mark.parametrize("count", range(1, len(PARTICIPANTS) + 1))
def test_a_page_is_wide_enough_as_long_as_names_fit(count: int) -> None:
    names = list(PARTICIPANTS)[:count]
    path = f"GET /{'very-long-path/' * 10}"
    exchanges = [
        runs.exchange(number, sender, names[-1], path, 200)  # type: ignore[arg-type]
        for number, sender in enumerate(names, 1)
    ]

    assert float(drawn(exchanges).get("width") or 0) <= max(1_060, 58 + 150 * count)
