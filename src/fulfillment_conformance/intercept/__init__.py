"""Microsoft's own addresses, answered from the emulator: for services that have them built in.

A service is pointed at the proxy by `HTTPS_PROXY`, or whatever its platform calls it, and told to trust one certificate
authority. Its code stays as it is: it connects to Microsoft's hosts, and sees Microsoft's issuers and key addresses.
"""

from pathlib import Path

from fulfillment_conformance.intercept.hosts import MICROSOFT, MicrosoftHosts
from fulfillment_conformance.intercept.proxy import intercepting

__all__ = ["MICROSOFT", "PRELOAD_FOR_NODE", "MicrosoftHosts", "intercepting"]

PRELOAD_FOR_NODE = Path(__file__).with_name("proxy-for-node.cjs")
"""What Node.js has to load first, up to version 20, to use `HTTPS_PROXY` at all."""
