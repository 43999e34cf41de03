import json

from tests.report import runs

from fulfillment_conformance.report import badge


def test_a_badge_says_verdict_and_share() -> None:
    assert json.loads(badge.render(runs.passed_run()[0])) == {
        "schemaVersion": 1,
        "label": "SaaS Fulfillment publisher",
        "message": "conformant, 1/1",
        "color": "brightgreen",
        "isError": False,
    }


def test_only_a_conformant_run_is_green() -> None:
    failed = json.loads(badge.render(runs.mixed_run()[0]))
    broken = json.loads(badge.render(runs.broken_run()[0]))

    assert (failed["message"], failed["color"], failed["isError"]) == ("not conformant, 2/7", "red", True)
    assert (broken["message"], broken["color"], broken["isError"]) == ("incomplete, 0/2", "orange", True)


def test_a_run_that_puts_up_with_failures_is_yellow_and_says_so() -> None:
    results, _ = runs.mixed_run()
    kept = [one for one in results.requirements if one.kind in {"passed", "waived"}]
    made = json.loads(badge.render(runs.run(kept, results.tests, known=results.known_failures)))

    assert (made["message"], made["color"]) == ("conformant, with 1 known failure, 2/3", "yellow")
    assert made["isError"] is False
