"""`python -m fulfillment_conformance`, the same as the command `fulfillment-conformance`."""

from fulfillment_conformance.cli import main

main()
