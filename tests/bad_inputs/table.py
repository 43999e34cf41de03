"""Everything that a user can get wrong with a target, one row each.

`<name>` in a target stands for an address of `sandboxes`. Every row says the exit code, and what the message has to
name: the value, its place, the next step.
"""

from dataclasses import dataclass

IDENTITY = """\
  identity:
    token_endpoint: <sandbox>/8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10/oauth2/v2.0/token
    tenant_id: 8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10
    client_id: 5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20
    client_secret: ${RIGHT_SECRET}
"""
MARKETPLACE = "role: marketplace\nmarketplace:\n  base_url: <sandbox>/api\n"
PUBLISHER = """\
role: publisher
publisher:
  landing_page: <page>/signup
  webhook: <page>/webhook
  timeouts: {page: 1, webhook: 1, effect: 1}
marketplace:
  listen: 127.0.0.1:0
  identity:
    tenant_id: 8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10
    client_id: 5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20
    client_secret: ${RIGHT_SECRET}
"""


@dataclass(frozen=True)
class Bad:
    """A bad target: what is wrong with it, its text (None: there is no file), the exit code, what the message names."""

    what: str
    target: str | None
    code: int
    says: tuple[str, ...]


FILES = [
    Bad("no file", None, 4, ("target.yaml", "no such file")),
    Bad("empty file", "", 4, ("target.yaml", "is empty", "expected a mapping")),
    Bad("only a comment", "# nothing yet\n", 4, ("target.yaml", "is empty")),
    Bad("a list", "- role: marketplace\n", 4, ("target.yaml:1", "expected a mapping")),
    Bad("broken YAML", "role: marketplace\nmarketplace: {driver: [\n", 4, ("target.yaml:", "not valid YAML")),
    Bad("a tab", "role: marketplace\nmarketplace:\n\tdriver: embedded\n", 4, ("target.yaml:3", "tab", "spaces")),
    Bad("no role", "marketplace:\n  driver: embedded\n", 4, ("role", "missing", "marketplace or publisher")),
    Bad("a role that is none", "role: publishr\n", 4, ("target.yaml:1", "publishr", "did you mean 'publisher'?")),
    Bad(
        "a key with a typing error",
        MARKETPLACE.replace("base_url", "base_ulr"),
        4,
        ("target.yaml:3", "base_ulr", "did you mean 'base_url'?"),
    ),
    Bad("a key twice", MARKETPLACE + "  base_url: <sandbox>/api\n", 4, ("target.yaml:4", "base_url", "twice")),
    Bad(
        "two mistakes at once",
        MARKETPLACE + "  timout: 5\n  driver: contrl\n",
        4,
        ("target.yaml:4", "did you mean 'timeout'?", "target.yaml:5", "did you mean 'control'?"),
    ),
    Bad(
        "a variable that is not set",
        MARKETPLACE + IDENTITY.replace("RIGHT_SECRET", "RIGHT_SECRT"),
        4,
        ("target.yaml:8", "client_secret", "RIGHT_SECRT", "did you mean 'RIGHT_SECRET'?"),
    ),
    Bad(
        "a secret in the file",
        MARKETPLACE + IDENTITY.replace("${RIGHT_SECRET}", "canary-right-secret"),
        4,
        ("target.yaml:8", "client_secret", "write ${NAME}"),
    ),
    Bad("an address without scheme", MARKETPLACE.replace("<sandbox>", "localhost:8080"), 4, ("base_url", "http://")),
    Bad(
        "a file that is not there",
        MARKETPLACE + "  tls_ca: missing.pem\n",
        4,
        ("tls_ca", "missing.pem", "no such file"),
    ),
    Bad("a timeout of nothing", MARKETPLACE + "  timeout: 0\n", 4, ("target.yaml:4", "timeout", "0")),
    Bad(
        "a driver that is none",
        MARKETPLACE + "  driver: imbedded\n",
        4,
        ("imbedded", "embedded", "package.module:Class"),
    ),
    Bad("no landing page", PUBLISHER.replace("landing_page:", "landing_pag:"), 4, ("did you mean 'landing_page'?",)),
]
"""What is wrong with the file itself."""

SET_UP = [
    Bad("a driver's module that is none", MARKETPLACE + "  driver: no_such.module:Driver\n", 4, ("no_such.module",)),
    Bad("a driver's class that is none", MARKETPLACE + "  driver: json:Driver\n", 4, ("json", "Driver")),
    Bad(
        "a deviation that is none",
        "role: marketplace\nmarketplace:\n  driver: embedded\n  deviations: [no-such-deviation]\n",
        4,
        ("no-such-deviation", "nearest"),
    ),
    Bad(
        "a defect that is none",
        "role: publisher\npublisher:\n  embedded: true\n  defects: [no-such-defect]\n",
        4,
        ("no-such-defect",),
    ),
    Bad("a certificate that is none", MARKETPLACE + "  tls_ca: target.yaml\n", 4, ("tls_ca", "target.yaml", "PEM")),
    Bad("a port in use", PUBLISHER.replace("127.0.0.1:0", "<taken>"), 4, ("<taken>", "in use", "another port")),
    Bad(
        "an address of another machine",
        PUBLISHER.replace("127.0.0.1:0", "192.0.2.1:8080").replace("  identity", "  control_key: ${KEY}\n  identity"),
        4,
        ("192.0.2.1:8080", "address of this machine"),
    ),
]
"""What can be known only when a run is set up."""

SURROUNDINGS = [
    Bad(
        "a host that is none",
        MARKETPLACE.replace("<sandbox>", "http://sandbox.invalid"),
        6,
        ("http://sandbox.invalid",),
    ),
    Bad("nobody listens", MARKETPLACE.replace("<sandbox>", "<refused>"), 6, ("<refused>", "refused", "running")),
    Bad(
        "nobody ever answers",
        PUBLISHER.replace("<page>", "<silent>"),
        6,
        ("publisher.landing_page", "<silent>/signup", "Timeout", "is it up?"),
    ),
    Bad(
        "not HTTP", MARKETPLACE.replace("<sandbox>", "<babbling>"), 6, ("<babbling>", "ProtocolError", "right address")
    ),
    Bad(
        "TLS where there is none",
        MARKETPLACE.replace("<sandbox>", "https://<taken>"),
        6,
        ("https://<taken>",),
    ),
    Bad("a certificate nobody trusts", MARKETPLACE.replace("<sandbox>", "<untrusted>"), 6, ("<untrusted>", "tls_ca")),
    Bad(
        "a certificate for another host",
        MARKETPLACE.replace("<sandbox>", "<misnamed>") + "  tls_ca: <ca>\n",
        6,
        ("<misnamed>", "127.0.0.1"),
    ),
    Bad("a login page", MARKETPLACE.replace("<sandbox>", "<login>"), 6, ("<login>/control", "control_url")),
    Bad(
        "another protocol", MARKETPLACE.replace("<sandbox>", "<outdated>"), 6, ("<outdated>/control", "2", "version 1")
    ),
    Bad("no control key", MARKETPLACE.replace("<sandbox>", "<locked>"), 6, ("<locked>/control", "401", "control key")),
    Bad(
        "a wrong control key",
        MARKETPLACE.replace("<sandbox>", "<locked>") + "  control_key: ${WRONG_KEY}\n",
        6,
        ("<locked>/control", "401", "control key"),
    ),
    Bad(
        "a wrong secret",
        MARKETPLACE + IDENTITY.replace("RIGHT_SECRET", "WRONG_SECRET"),
        6,
        ("no access token", "AADSTS7000215", "client_secret"),
    ),
    Bad(
        "a wrong secret, by msal",
        MARKETPLACE.replace("<sandbox>", "<encrypted>")
        + IDENTITY.replace("RIGHT_SECRET", "WRONG_SECRET").replace(
            "token_endpoint: <sandbox>/8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10/oauth2/v2.0/token", "authority: <encrypted>"
        )
        + "  tls_ca: <ca>\n",
        6,
        ("no access token", "AADSTS7000215", "client_secret"),
    ),
    Bad(
        "a wrong tenant",
        MARKETPLACE + IDENTITY.replace("8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10", "8d1f3a52-0000-4c4e-9b4e-0a5f7e2c1d10"),
        6,
        ("8d1f3a52-0000-4c4e-9b4e-0a5f7e2c1d10", "AADSTS90002", "tenant_id"),
    ),
    Bad(
        "a wrong application",
        MARKETPLACE + IDENTITY.replace("5f0c2a9e-", "5f0c2a9f-"),
        6,
        ("5f0c2a9f-3b7d-4f61-8a2c-6d9e1b4f7a20", "AADSTS700016", "client_id"),
    ),
    Bad("nobody gives tokens", MARKETPLACE + IDENTITY.replace("<sandbox>", "<refused>"), 6, ("<refused>", "identity")),
    Bad("clocks apart", MARKETPLACE.replace("<sandbox>", "<skewed>"), 6, ("<skewed>", "clock", "seconds", "NTP")),
    Bad("every token refused", MARKETPLACE.replace("<sandbox>", "<refusing>"), 6, ("<refusing>/api", "403", "secret")),
    Bad(
        "no publisher",
        PUBLISHER.replace("<page>", "<refused>"),
        6,
        ("publisher.landing_page", "<refused>/signup", "is it up?"),
    ),
    Bad(
        "no webhook",
        PUBLISHER.replace("<page>/webhook", "<refused>/webhook"),
        6,
        ("publisher.webhook", "<refused>/webhook", "is it up?"),
    ),
]
"""What is wrong around the target: never its fault, so exit code 6."""
