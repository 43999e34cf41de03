"""Programs in several languages reach the emulator at Microsoft's addresses: HTTPS_PROXY, one CA setting, no more."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.intercept.conftest import TENANT, Intercepted

from fulfillment_conformance.intercept import PRELOAD_FOR_NODE

HERE = Path(__file__).parent
ENTRA = "https://login.microsoftonline.com"
SEEN = f"{ENTRA}/{TENANT}/v2.0 {ENTRA}/{TENANT}/discovery/v2.0/keys 200 true"
"""Issuer, address of the keys, status of a list with a token of this emulator, whether a refusal told its reason."""

PYTHON = f"""
import {{library}} as library
entra = "https://login.microsoftonline.com/{TENANT}"
form = {{{{"grant_type": "client_credentials", "client_id": "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20",
         "client_secret": "local-development-secret", "scope": "20e940b3-4c77-4b0b-9a53-9e16a1b010a7/.default"}}}}
metadata = library.get(entra + "/v2.0/.well-known/openid-configuration").json()
token = library.post(metadata["token_endpoint"], data=form).json()["access_token"]
listed = library.get("https://marketplaceapi.microsoft.com/api/saas/subscriptions?api-version=2018-08-31",
                     headers={{{{"authorization": "Bearer " + token}}}})
try:
    library.get("https://elsewhere.example/")
except Exception as error:
    refused = "intercept.allow" in str(error)
print(metadata["issuer"], metadata["jwks_uri"], listed.status_code, str(refused).lower())
"""

MSAL = f"""
import msal
application = msal.ConfidentialClientApplication("5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20",
    client_credential="local-development-secret", authority="https://login.microsoftonline.com/{TENANT}")
answer = application.acquire_token_for_client(["20e940b3-4c77-4b0b-9a53-9e16a1b010a7/.default"])
print(answer["token_type"])
"""


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed on this machine")
    return found


def output(command: list[str], proxy: str, **environ: str) -> str:
    """Run a program that knows nothing of the suite but these variables, and return what it prints."""
    kept: Mapping[str, str] = {
        name: value
        for name, value in os.environ.items()
        if not any(word in name.upper() for word in ("PROXY", "CA_BUNDLE", "CERT", "NODE_", "JAVA_", "PYTEST_"))
    }
    ended = subprocess.run(
        command,
        env={**kept, "HTTPS_PROXY": proxy, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.mark.parametrize(("library", "variable"), [("requests", "REQUESTS_CA_BUNDLE"), ("httpx2", "SSL_CERT_FILE")])
def test_python(intercepted: Intercepted, library: str, variable: str) -> None:
    script = PYTHON.format(library=library)
    said = output([sys.executable, "-c", script], intercepted.proxy, **{variable: str(intercepted.ca_file)})

    assert said == SEEN


def test_msal_with_all_that_it_asks_by_default(intercepted: Intercepted) -> None:
    """It is told nothing but Microsoft's authority, so it looks for itself whether that is one."""
    ca_file = str(intercepted.ca_file)

    assert output([sys.executable, "-c", MSAL], intercepted.proxy, REQUESTS_CA_BUNDLE=ca_file) == "Bearer"


def test_curl(intercepted: Intercepted) -> None:
    url = f"{ENTRA}/{TENANT}/v2.0/.well-known/openid-configuration"
    command = [program("curl"), "--silent", "--show-error", "--fail", url]

    said = output(command, intercepted.proxy, CURL_CA_BUNDLE=str(intercepted.ca_file))
    assert f'"issuer":"{ENTRA}/{TENANT}/v2.0"' in said


def test_node(intercepted: Intercepted) -> None:
    """Node 20 by itself knows HTTPS_PROXY neither in `fetch` nor in `https`; a preloaded script teaches it."""
    said = output(
        [program("node"), str(HERE / "probe.cjs")],
        intercepted.proxy,
        NODE_EXTRA_CA_CERTS=str(intercepted.ca_file),
        NODE_OPTIONS=f"--require={PRELOAD_FOR_NODE}",
    )

    assert said.splitlines() == [SEEN, SEEN]


def test_java(intercepted: Intercepted, tmp_path: Path) -> None:
    """The JDK reads its proxy and its authorities from properties, which an environment variable can set."""
    java, keytool, store = program("java"), program("keytool"), tmp_path / "trust.p12"
    if shutil.which("javac") is None:
        pytest.skip("a Java runtime is installed, and no JDK")
    importing = ["-importcert", "-noprompt", "-alias", "suite", "-file", str(intercepted.ca_file)]
    output([keytool, *importing, "-keystore", str(store), "-storepass", "changeit"], intercepted.proxy)
    port = str(intercepted.serving.port)
    properties = {
        "https.proxyHost": "127.0.0.1",
        "https.proxyPort": port,
        "javax.net.ssl.trustStore": str(store),
        "javax.net.ssl.trustStorePassword": "changeit",
    }
    options = " ".join(f"-D{name}={value}" for name, value in properties.items())

    said = output([java, "-XX:TieredStopAtLevel=1", str(HERE / "Probe.java")], "", JAVA_TOOL_OPTIONS=options)
    assert said == SEEN
