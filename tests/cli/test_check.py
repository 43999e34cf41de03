from pathlib import Path
from threading import Timer

import httpx2
import pytest
from tests.commands import call

from fulfillment_conformance.emulator import Emulator
from fulfillment_conformance.serving import Serving, serve

EMBEDDED = {
    "marketplace": "role: marketplace\nmarketplace:\n  driver: embedded\n",
    "publisher": "role: publisher\npublisher:\n  embedded: true\n",
}
LOOKED_AT = {
    "marketplace": [
        "target file",
        "reachable",
        "clock",
        "arranging",
        "access token",
        "access token taken",
        "answers",
        "plans",
        "purchases",
    ],
    "publisher": ["target file", "landing page", "clock", "webhook", "plans"],
}


@pytest.mark.parametrize("role", EMBEDDED)
def test_everything_that_is_looked_at_is_told(role: str, tmp_path: Path) -> None:
    file = tmp_path / "target.yaml"
    file.write_text(EMBEDDED[role], encoding="utf-8")
    said = call("check", "--target", file)

    assert said.code == 0, said.text
    lines = said.out.splitlines()
    assert [line.removeprefix("ok   ").partition(":")[0] for line in lines[:-1]] == LOOKED_AT[role]
    assert lines[-1] == "ready: nothing stands in the way of a run"
    assert said.err == ""


def test_the_first_thing_that_is_wrong_ends_it_and_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "target.yaml"
    file.write_text("role: marketplace\nmarketplace:\n  base_url: http://127.0.0.1:9/api\n", encoding="utf-8")
    said = call("check", "--target", file)

    assert said.code == 6
    assert [line[:4] for line in said.out.splitlines()] == ["ok  ", "FAIL"]
    assert said.text.count("http://127.0.0.1:9") == 1


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("target.yaml").write_text(EMBEDDED["publisher"], encoding="utf-8")
    call("check", "--target", "target.yaml")

    assert [path.name for path in tmp_path.iterdir()] == ["target.yaml"]


def test_what_was_bought_in_a_sandbox_stays(tmp_path: Path) -> None:
    emulator = Emulator()
    with serve(emulator.app) as serving:
        ordered = httpx2.post(
            f"{serving.url}/control/purchases", json={"offerId": "contoso-crm", "planId": "gold"}, trust_env=False
        )
        file = tmp_path / "target.yaml"
        file.write_text(f"role: marketplace\nmarketplace:\n  base_url: {serving.url}/api\n", encoding="utf-8")
        said = call("check", "--target", file)

    assert said.code == 0, said.text
    assert emulator.market.issue_token(ordered.json()["subscriptionId"]), "its customer can still come back"


def test_it_waits_for_a_service_that_is_starting(tmp_path: Path) -> None:
    with serve(Emulator().app) as taken:
        port = taken.port
    file = tmp_path / "target.yaml"
    file.write_text(f"role: marketplace\nmarketplace:\n  base_url: http://127.0.0.1:{port}/api\n", encoding="utf-8")
    started: list[Serving] = []
    starting = Timer(0.3, lambda: started.append(serve(Emulator().app, port=port)))
    starting.start()
    try:
        said = call("check", "--target", file, "--wait", 60)
    finally:
        starting.join()
        started[0].stop()

    assert said.code == 0, said.text


def test_it_waits_no_longer_than_it_is_told(tmp_path: Path) -> None:
    file = tmp_path / "target.yaml"
    file.write_text("role: marketplace\nmarketplace:\n  base_url: http://127.0.0.1:9/api\n", encoding="utf-8")

    assert call("check", "--target", file, "--wait", "0.3").code == 6
