"""The command `fulfillment-conformance`: one module a command, put together in `application`.

Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

from fulfillment_conformance.cli.application import main

__all__ = ["main"]
