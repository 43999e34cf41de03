"""The commands about the live service, in this process, against a stand-in."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.commands import call, ended, start
from tests.live.account import FLAT, TOKEN, UNLISTED, Account, account, environ

from fulfillment_conformance.http_client import HttpClient


@pytest.fixture
def acc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name, value in environ().items():
        monkeypatch.setenv(name, value)
    with account(tmp_path) as running:
        yield running


def test_check_looks_it_over(acc: Account) -> None:
    said = call("check", "--target", acc.file)

    assert said.code == 0, said.text
    assert "ok   subscriptions: 4 listed" in said.out
    assert "ok   left over: nothing" in said.out


def test_inventory_shows_what_there_is_and_proposes_how_to_list_it(acc: Account) -> None:
    said = call("inventory", "--target", acc.file)

    assert said.code == 0, said.text
    assert re.search(rf"^{FLAT} +Subscribed +contoso-crm-preview +silver +- +\S+ +yes$", said.err, re.MULTILINE)
    assert re.search(rf"^{UNLISTED} +Subscribed .*[^s]$", said.err, re.MULTILINE)
    assert "5 subscriptions, 5 of preview offers" in said.err
    assert len(yaml.safe_load(said.out)["live"]["subscriptions"]) == 5


def test_restore_puts_back_and_says_so(acc: Account) -> None:
    with acc.service() as service:
        service.client.change_plan(FLAT, "gold")
    said = call("restore", "--target", acc.file)

    assert (said.code, said.out.splitlines()[0]) == (0, f"subscription {FLAT}: planId 'gold' is 'silver' again")


def test_what_hinders_a_command_is_the_environments_affair(acc: Account) -> None:
    (acc.file.parent / "STOP").touch()
    for command in ("restore", "inventory", "check"):
        with acc.service() as service:
            service.http.ledger.begin(FLAT, "planId", before="silver", wanted="gold")
        said = call(command, "--target", acc.file)
        assert said.code == 6, said.text
        assert "kill switch" in said.text


def test_a_restore_that_does_not_succeed_says_what_is_left(acc: Account) -> None:
    with acc.service() as service:
        service.http.ledger.begin(FLAT, "planId", before="no-such-plan", wanted="gold")
    said = call("restore", "--target", acc.file)

    assert said.code == 6
    assert "is not put back to 'no-such-plan'" in said.out
    assert "not everything is back" in said.err


@pytest.mark.parametrize("command", ["restore", "inventory", "listen", "run"])
def test_other_targets_are_refused(command: str, tmp_path: Path) -> None:
    file = tmp_path / "target.yaml"
    file.write_text("role: marketplace\nmarketplace:\n  driver: embedded\n", encoding="utf-8")
    more = {"listen": ["--output", tmp_path / "o"], "run": ["--output", tmp_path / "o", "--dry-run"]}.get(command, [])
    said = call(command, "--target", file, *more)

    assert said.code == 4
    assert "expected driver: live" in said.err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Chnageplan=200", "there is no event 'Chnageplan'; did you mean 'ChangePlan'?"),
        ("nothing", "expected a status such as 200 or 400, or silence"),
        ("302", "expected a status"),
    ],
)
def test_an_answer_that_nobody_understands_is_told(answer: str, said: str, tmp_path: Path) -> None:
    ended_ = call("listen", "--target", tmp_path / "t", "--output", tmp_path, "--answer", answer)

    assert ended_.code == 4
    assert said in " ".join(ended_.err.split())


def test_listen_catches_what_comes_and_keeps_it_redacted(acc: Account) -> None:
    output = acc.file.parent / "caught"
    output.mkdir()
    (output / "exchanges.jsonl").write_text("of yesterday", encoding="utf-8")
    process = start(
        "listen", "--target", acc.file, "--output", output, "--answer", "Suspend=400", "--guide", environ=environ()
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    found = re.fullmatch(r"landing page (\S+), webhook (\S+); Ctrl-C ends it\n", first)
    assert found is not None, first
    with HttpClient() as http:
        assert http.send("GET", f"{found[1]}?token={TOKEN.replace('/', '%2F')}").status == 200
        headers = {"authorization": f"Bearer {acc.emulator.identity.webhook_token(1)}"}
        body = json.dumps({"action": "Suspend", "subscriptionId": FLAT}).encode()
        assert http.send("POST", found[2], headers=headers, content=body).status == 400
    wanted = {
        "a purchase token: the page in the browser shows it",
        f"Suspend of subscription {FLAT}, token version 1.0: 400; not as described: ",
        "2. List the purchase token",
    }
    out = ""
    while not all(text in out for text in wanted):
        line = process.stdout.readline()
        assert line, out
        out += line
    process.send_signal(signal.SIGTERM)
    said = ended(process)

    assert said.code == 0, said.text
    kept = [json.loads(line) for line in (output / "notifications.jsonl").read_text().splitlines()]
    assert [(each["kind"], each["answered"]) for each in kept] == [("visit", None), ("notification", 400)]
    assert (output / "exchanges.jsonl").read_text(encoding="utf-8") == "of yesterday"
    evidence = (output / "exchanges-2.jsonl").read_text(encoding="utf-8")
    assert "landing page with a purchase token" in evidence
    assert TOKEN not in evidence
    assert "eyJ" not in evidence
