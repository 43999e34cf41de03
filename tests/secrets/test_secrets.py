"""Canary secrets go into both sides of a run, and must come out nowhere: no file, no terminal, no error text."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.commands import Ended, run
from tests.secrets.canaries import found, texts
from tests.secrets.hostile import PERSON, Heard, echoing, gossiping_publisher

from fulfillment_conformance import resources
from fulfillment_conformance.emulator import Emulator, IdentitySettings, Settings
from fulfillment_conformance.serving import serve

SECRET = 'canary~Se/c+r=e t&<"9f3a'
KEY = "canary~K/e+y=&<'7c1b"
COOKIE = "canary-session-4be81d07c2a94f55"
ENVIRON = {"CANARY_SECRET": SECRET, "CANARY_KEY": KEY}
SUITES = resources.folder("suites")

ONLY = {
    "marketplace": ("RES-018", "RES-019", "ACT-003", "ACT-017", "CHP-005", "GET-004"),
    "publisher": ("LND-003", "EVT-026", "WHK-018", "AUT-021"),
}
"""A few requirements of each role: some pass, some fail, some cannot be decided."""

WAYS = {
    "in lines": ("run", ()),
    "quietly": ("run", ("--progress", "quiet")),
    "as json": ("run", ("--progress", "json")),
    "with pytest's options": ("run", ("--", "-v", "--showlocals", "--tb=long")),
    "under pytest": ("pytest", ("-v", "--showlocals", "--tb=long", "-rA")),
    "under xdist": ("pytest", ("-v", "-n", "2", "--showlocals")),
}


@dataclass(frozen=True)
class Hostile:
    """A target that repeats every secret it hears: its file, and what it has heard."""

    file: Path
    heard: Heard


@pytest.fixture(scope="module")
def marketplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """An emulator that repeats every secret it hears."""
    heard = Heard(SECRET, KEY)
    settings = Settings(identity=IdentitySettings(client_secret=SECRET), control_key=KEY)
    with serve(echoing(Emulator(settings).app, heard)) as serving:
        file = tmp_path_factory.mktemp("marketplace") / "target.yaml"
        identity = settings.identity
        file.write_text(
            f"""\
role: marketplace
marketplace:
  base_url: {serving.url}/api
  control_key: ${{CANARY_KEY}}
  identity:
    token_endpoint: {serving.url}/{identity.tenant_id}/oauth2/v2.0/token
    tenant_id: {identity.tenant_id}
    client_id: {identity.client_id}
    client_secret: ${{CANARY_SECRET}}
""",
            encoding="utf-8",
        )
        yield Hostile(file, heard)


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """A publisher that repeats every secret it hears."""
    heard = Heard(SECRET)
    with serve(gossiping_publisher(heard, COOKIE)) as serving:
        file = tmp_path_factory.mktemp("publisher") / "target.yaml"
        file.write_text(
            f"""\
role: publisher
publisher:
  landing_page: {serving.url}/signup
  webhook: {serving.url}/webhook
  onboarding:
    - submit: form
      fields: {{contactEmail: {PERSON}}}
  state:
    get: /accounts/{{subscription_id}}
    status: /status
    plan: /planId
    seats: /quantity
  timeouts: {{webhook: 5, page: 5, effect: 0.1}}
marketplace:
  listen: 127.0.0.1:0
  identity:
    tenant_id: 8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10
    client_id: 5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20
    client_secret: ${{CANARY_SECRET}}
""",
            encoding="utf-8",
        )
        yield Hostile(file, heard)


def judged(way: str, target: Path, output: Path) -> Ended:
    how, options = WAYS[way]
    role = target.read_text(encoding="utf-8").splitlines()[0].removeprefix("role: ")
    if how == "run":
        only = [word for name in ONLY[role] for word in ("--only", name)]
        return run("run", "--target", target, "--output", output, *only, *options, environ=ENVIRON)
    own = ["--target", target, "--fc-output", output, *(f"--fc-only={name}" for name in ONLY[role])]
    own += [f"--junitxml={output}/own-junit.xml", f"--alluredir={output}/own-allure"]
    return run(SUITES / role, *own, *options, environ=ENVIRON, module="pytest")


def assert_hidden(said: Ended, output: Path, heard: Heard) -> None:
    seen = [("terminal", said.text), *texts(output)]
    secrets = [*heard.secrets, COOKIE, PERSON]
    leaks = {
        f"{place}: {spelling[:60]!r}" for secret in secrets for place, text in seen for spelling in found(secret, text)
    }
    assert not leaks, "\n".join(sorted(leaks)[:40])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("role", ["marketplace", "publisher"])
def test_no_secret_is_written_anywhere(role: str, way: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    hostile: Hostile = request.getfixturevalue(role)
    hostile.heard.begin()
    said = judged(way, hostile.file, tmp_path / "output")

    assert said.code in {1, 7}, said.text  # much is wrong with such a target, or stands in the way of looking
    assert (tmp_path / "output" / "results.json").is_file()
    assert len(hostile.heard.secrets) > 5
    assert_hidden(said, tmp_path / "output", hostile.heard)
