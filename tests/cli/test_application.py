import re
import subprocess
import sys

import click
import pytest
from tests.commands import call, run

from fulfillment_conformance import __version__
from fulfillment_conformance.cli import application
from fulfillment_conformance.errors import EnvironmentUnavailable, SuiteFault

COMMANDS = sorted(application.app.commands)


def test_help_names_every_command_in_a_line_each() -> None:
    said = call("--help")

    assert said.code == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\w.*\w\.$", said.out, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_explained(command: str) -> None:
    options = [one for one in application.app.commands[command].params if isinstance(one, click.Option)]
    said = call(command, "-h")

    assert said.code == 0
    assert all(option.help and option.opts[0] in said.out for option in options)


def test_the_version_is_told() -> None:
    assert call("--version").out.strip() == f"fulfillment-conformance, version {__version__}"


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from fulfillment_conformance.cli import main\n"
        "try: main(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "print('HEAVY', sorted({'pytest', 'pydantic', 'httpx2', 'starlette', 'rich', 'yaml', 'jinja2', 'asyncio',\n"
        "    'schemathesis', 'hypothesis', 'cryptography', 'msal'} & sys.modules.keys()))\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.splitlines()[-1] == "HEAVY []"


def test_a_command_that_does_not_exist_names_the_nearest() -> None:
    said = call("rnu")

    assert said.code == 4
    assert "there is no command 'rnu'; did you mean 'run'?" in said.err


def test_a_command_unlike_any_names_them_all() -> None:
    said = call("nonsense")

    assert said.code == 4
    assert "there is no command 'nonsense'; commands: certify, check, compare, " in said.err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (SuiteFault("broken"), 3, "broken"),
        (EnvironmentUnavailable("nobody there"), 6, "nobody there"),
        (KeyboardInterrupt(), 2, "interrupted"),
    ],
)
def test_errors_become_a_message_and_their_exit_code(
    error: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application.app.commands["list"], "callback", _raising(error))
    said = call("list")

    assert said.code == code
    assert said.err.strip() == f"fulfillment-conformance: {message}"


def test_what_nobody_foresaw_is_our_fault_and_shows_where_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("https://user:hunter2-hunter2@host/?token=Abc123Abc123 of buyer@contoso.example")
    monkeypatch.setattr(application.app.commands["list"], "callback", _raising(error))
    said = call("list")

    assert said.code == 3
    assert "the suite's own fault" in said.err
    assert "test_application.py" in said.err  # the traceback, for the report to us
    assert not re.search("hunter2|Abc123|buyer@", said.err)


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    command = f'"{sys.executable}" -m fulfillment_conformance.cli list | head -n 1'
    told = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)

    assert told.stdout.count("\n") == 1
    assert "Traceback" not in told.stderr
    assert "BrokenPipe" not in told.stderr


def test_a_console_with_few_characters_is_enough() -> None:
    said = run("list", "--theme", "webhook", environ={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})

    assert said.code == 0
    assert said.err.count("\n") == 1


def _raising(error: BaseException) -> object:
    def callback(**_options: object) -> None:
        raise error

    return callback
