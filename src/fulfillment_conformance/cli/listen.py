"""`fulfillment-conformance listen`: catch what the live service sends."""

import threading
from pathlib import Path
from typing import Any

import click

from fulfillment_conformance.cli import options
from fulfillment_conformance.cli.live import live_target


def _answer(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Return `{"": usual answer, action: answer}` from values such as `200`, `ChangePlan=400`, `Suspend=silence`."""
    from fulfillment_conformance.openapi_file import EVENTS
    from fulfillment_conformance.yamlfile import nearest

    found: dict[str, Any] = {}
    for value in values:
        action, _, answer = value.rpartition("=")
        if action and action not in EVENTS:
            hint = nearest(action, EVENTS) or ";"
            raise click.BadParameter(f"'{value}': there is no event '{action}'{hint} events: {', '.join(EVENTS)}")
        is_status = answer.isdecimal() and (200 <= int(answer) < 300 or 400 <= int(answer) < 600)
        if answer != "silence" and not is_status:
            raise click.BadParameter(f"'{value}': expected a status such as 200 or 400, or silence")
        found[action] = "silence" if answer == "silence" else int(answer)
    return found


@click.command()
@options.target
@options.output
@click.option(
    "--listen",
    "place",
    callback=options.field_value("Listen"),
    metavar="HOST:PORT",
    help="Where to listen. Default: webhook_listen of the target file.",
)
@click.option("--landing-page", default="/landing", show_default=True, metavar="PATH", help="Path of the landing page.")
@click.option("--webhook", default="/webhook", show_default=True, metavar="PATH", help="Path of the webhook.")
@click.option(
    "--answer",
    "answers",
    multiple=True,
    callback=_answer,
    metavar="[EVENT=]STATUS|silence",
    help="What notifications are answered with, all or those of one event. May be given several times. Default: 200.",
)
@click.option("--guide", is_flag=True, help="Lead me through the clicks in the Azure portal, one at a time.")
def listen(
    target: Path, output: Path, place: Any, landing_page: str, webhook: str, answers: dict[str, Any], guide: bool
) -> None:
    """Catch tokens and notifications of the live service.

    Point the offer's technical configuration at this landing page and webhook, through a tunnel or a host of your own.
    Whatever comes is checked, answered as asked, and kept in DIR, redacted.
    """
    from fulfillment_conformance.contract import Contract
    from fulfillment_conformance.evidence import Recorder
    from fulfillment_conformance.live.guide import Guide
    from fulfillment_conformance.live.listener import Answers, Caught, Listener, line
    from fulfillment_conformance.live.notification_tokens import NotificationTokens
    from fulfillment_conformance.live.opening import live_service
    from fulfillment_conformance.redaction import Redactor
    from fulfillment_conformance.run import check_output
    from fulfillment_conformance.serving import Serving, serve_until_signal

    read = live_target(target)
    check_output(output)
    redactor = Redactor(read.secrets)
    where = place or read.webhook_listen
    with (
        Recorder(_unused(output), redactor) as recorder,
        live_service(read, observer=recorder, redactor=redactor) as service,
        (output / "notifications.jsonl").open("a", encoding="utf-8") as notifications,
    ):
        application = service.tokens.application
        tokens = NotificationTokens(
            service.http, application.authority, tenant_id=application.tenant_id, client_id=application.client_id
        )
        guides: list[Guide] = []
        # Something may come before the first lines are out: the guide would miss it, or speak in between.
        speaking = threading.Lock()

        def caught(came: Caught) -> None:
            notifications.write(f"{redactor.text(line(came))}\n")
            notifications.flush()
            with speaking:
                click.echo(_told(came))
                for each in guides:
                    each.caught(came)

        listener = Listener(
            check=tokens.check,
            contract=Contract.load(profile=read.profile or "documented"),
            observer=recorder,
            learn=redactor.learn,
            caught=caught,
            answers=Answers(answers.get("", 200), {action: answer for action, answer in answers.items() if action}),
            landing_page=landing_page,
            webhook=webhook,
        )

        def announce(serving: Serving) -> None:
            with speaking:
                click.echo(f"landing page {serving.url}{landing_page}, webhook {serving.url}{webhook}; Ctrl-C ends it")
                if guide:
                    guides.append(Guide(click.echo))

        serve_until_signal(listener, host=where.host, port=where.port, announce=announce)
        if listener.passed_over:
            click.echo(f"{listener.passed_over} requests of strangers were not kept, because there were too many")


def _unused(output: Path) -> Path:
    """Return where exchanges are kept: what an earlier evening has caught stays."""
    names = ("exchanges.jsonl", *(f"exchanges-{number}.jsonl" for number in range(2, 10_000)))
    return next(output / name for name in names if not (output / name).exists())


def _told(came: Any) -> str:
    if came.kind == "visit":
        return f"{came.at:%H:%M:%S} a purchase token: the page in the browser shows it"
    faults = f"; not as described: {'; '.join(came.violations)}" if came.violations else ""
    answered = came.answered if came.answered is not None else "left without an answer"
    return (
        f"{came.at:%H:%M:%S} {came.action or 'a notification without action'} of subscription {came.subscription_id}, "
        f"token version {came.token_version}: {answered}{faults}"
    )
