"""Conformance suite for the Azure Marketplace SaaS Fulfillment API v2 (api-version 2018-08-31)."""

__version__ = "0.1.0"
