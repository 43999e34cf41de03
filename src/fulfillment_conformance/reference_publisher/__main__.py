"""Run the reference publisher by itself, set up by environment variables: see `Settings.from_environment`.

`PUBLISHER_LISTEN` is host and port (127.0.0.1:5000 unless given), `PUBLISHER_DEFECTS` a list of defects with commas.
"""

import os
import sys

from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.settings import Settings
from fulfillment_conformance.serving import AddressNotUsable, PortInUse, Serving, serve_until_signal


def main() -> int:
    """Serve until a signal; return the exit code."""
    host, _, port = os.environ.get("PUBLISHER_LISTEN", "127.0.0.1:5000").rpartition(":")
    defects = [name.strip() for name in os.environ.get("PUBLISHER_DEFECTS", "").split(",") if name.strip()]
    try:
        if not port.isdecimal():
            raise ValueError("PUBLISHER_LISTEN must be host:port, for example 127.0.0.1:5000")
        publisher = ReferencePublisher(Settings.from_environment(os.environ), defects=defects)
        serve_until_signal(publisher.app, host=host.strip("[]"), port=int(port), announce=_announce)
    except (ValueError, PortInUse, AddressNotUsable) as error:
        sys.stderr.write(f"error: {error}\n")
        return 4
    return 0


def _announce(serving: Serving) -> None:
    sys.stdout.write(f"landing page {serving.url}/signup\nwebhook      {serving.url}/webhook\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
