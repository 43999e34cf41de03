import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.emulator import Emulator
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.fieldtypes import HostAndPort
from fulfillment_conformance.intercept import intercepting
from fulfillment_conformance.serving import Serving

TENANT = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"


@dataclass
class Intercepted:
    """A proxy in front of an emulator, and everything that was told of it.

    An exchange is told when its answer has gone out already: whoever looks at them ends the proxy first.
    """

    serving: Serving
    authority: CertificateAuthority
    ca_file: Path
    at_emulator: list[Exchange] = field(default_factory=list)
    at_proxy: list[Exchange] = field(default_factory=list)

    @property
    def reached(self) -> list[Exchange]:
        self.serving.stop()
        return self.at_emulator

    @property
    def told(self) -> list[Exchange]:
        self.serving.stop()
        return self.at_proxy

    @property
    def proxy(self) -> str:
        return self.serving.url

    def client(self, tls: ssl.SSLContext | None = None) -> httpx2.Client:
        return httpx2.Client(proxy=self.proxy, verify=tls or self.authority.client_context(), trust_env=False)


Intercept = Callable[..., AbstractContextManager[Intercepted]]


@pytest.fixture(scope="session")
def intercept(tmp_path_factory: pytest.TempPathFactory) -> Intercept:
    folder = tmp_path_factory.mktemp("authority")
    authority = CertificateAuthority()
    ca_file = authority.write(folder)

    @contextmanager
    def intercepted(*allow: str) -> Iterator[Intercepted]:
        reached: list[Exchange] = []
        told: list[Exchange] = []
        emulator = Emulator(observer=reached.append)
        with intercepting(
            emulator.app,
            authority=authority,
            listen=HostAndPort("127.0.0.1", 0),
            allow=allow,
            setting="marketplace.intercept.allow",
            observer=told.append,
            clock=emulator.now,
        ) as serving:
            yield Intercepted(serving, authority, ca_file, reached, told)

    return intercepted


@pytest.fixture
def intercepted(intercept: Intercept) -> Iterator[Intercepted]:
    with intercept() as served:
        yield served
