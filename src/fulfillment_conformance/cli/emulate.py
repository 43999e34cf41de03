"""`fulfillment-conformance emulate`: serve the emulator until it is asked to end."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from fulfillment_conformance.cli import options

_ADDRESS = options.field_value("Address")
_GUID = options.field_value("Guid")
_PORT = click.IntRange(0, 65535)

INTERCEPT_PORT = 3128
"""Where proxies customarily are."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=_PORT, default=8080, show_default=True, help="Port; 0 picks a free one.")
@click.option("--tls-port", type=_PORT, help="Serve https as well, on this port.")
@click.option(
    "--intercept",
    "intercept_port",
    type=_PORT,
    is_flag=False,
    flag_value=INTERCEPT_PORT,
    metavar="[PORT]",
    help=f"Serve a proxy as well that answers for Microsoft's own addresses. Its port: {INTERCEPT_PORT}, or this one.",
)
@click.option(
    "--intercept-allow",
    "allow",
    multiple=True,
    callback=options.each(options.field_value("HostPattern")),
    metavar="HOST",
    help="A host that may be reached through it, besides Microsoft's; may be given several times.",
)
@click.option(
    "--ca-folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where the certificate that clients have to trust is written. Default: here.",
)
@click.option(
    "--profile", type=options.PROFILE, default="documented", show_default=True, help="Whose behaviour to show."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Where ids and tokens come from."
)
@click.option(
    "--deviation", "deviations", multiple=True, metavar="NAME", help="A seeded fault; may be given several times."
)
@click.option("--webhook", callback=_ADDRESS, metavar="URL", help="Where notifications go.")
@click.option("--landing-page", callback=_ADDRESS, metavar="URL", help="Where buyers are sent.")
@click.option(
    "--webhook-token-version", type=click.IntRange(1, 2), default=2, show_default=True, help="Version of their tokens."
)
@click.option("--tenant-id", callback=_GUID, metavar="GUID", help="The publisher's tenant. Default: a made-up one.")
@click.option(
    "--client-id", callback=_GUID, metavar="GUID", help="The publisher's application. Default: a made-up one."
)
@click.option(
    "--client-secret-env",
    callback=options.from_variable,
    metavar="NAME",
    help="Environment variable that holds the application's secret. Default: a secret for development.",
)
@click.option(
    "--control-key-env",
    callback=options.from_variable,
    metavar="NAME",
    help="Environment variable that holds the key of the control surface. Needed where others can connect.",
)
def emulate(
    host: str,
    port: int,
    tls_port: int | None,
    intercept_port: int | None,
    allow: tuple[str, ...],
    ca_folder: Path,
    tenant_id: str | None,
    client_id: str | None,
    client_secret_env: str | None,
    control_key_env: str | None,
    webhook: str | None,
    landing_page: str | None,
    **settings: Any,
) -> None:
    """Serve the emulator, until it is asked to end.

    That is the Fulfillment API, an identity provider, a control surface and a web page. Ctrl-C or a termination signal
    is the regular end: exit code 0.
    """
    from fulfillment_conformance.emulation import Place, serve_emulator
    from fulfillment_conformance.emulator import IdentitySettings, Settings

    made_up = IdentitySettings()
    identity = replace(
        made_up,
        tenant_id=tenant_id or made_up.tenant_id,
        client_id=client_id or made_up.client_id,
        client_secret=os.environ[client_secret_env] if client_secret_env else made_up.client_secret,
    )
    serve_emulator(
        Settings(
            identity=identity,
            webhook_url=webhook,
            landing_page_url=landing_page,
            control_key=os.environ[control_key_env] if control_key_env is not None else None,
            **settings,
        ),
        Place(host=host, port=port, tls_port=tls_port, intercept_port=intercept_port, allow=allow, ca_folder=ca_folder),
        secret_from=client_secret_env,
        key_from=control_key_env,
        tell=click.echo,
    )
