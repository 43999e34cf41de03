"""Loads the plugin for the suites in this checkout; an installed package registers it by its entry point."""

pytest_plugins = ["fulfillment_conformance.plugin"]
