"""The emulator: the marketplace core on the network, with identity provider, webhook delivery and control surface."""
