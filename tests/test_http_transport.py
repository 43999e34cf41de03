import socket
import threading
import time
from collections.abc import Iterator

import httpcore2
import httpx2
import pytest

from fulfillment_conformance.http_client import trust
from fulfillment_conformance.http_transport import DeadlineTransport


@pytest.fixture
def transport() -> Iterator[DeadlineTransport]:
    transport = DeadlineTransport(trust())
    yield transport
    transport.close()


def request(url: str, seconds: float) -> httpx2.Request:
    return httpx2.Request("GET", url, extensions={"timeout": {"read": seconds, "pool": seconds}})


def test_a_limit_that_is_over_before_it_starts_connects_nowhere(transport: DeadlineTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        with pytest.raises(httpcore2.ConnectTimeout, match="the time for the whole exchange is over"):
            transport.handle_request(request(f"http://127.0.0.1:{listener.getsockname()[1]}/", -1.0))
        with pytest.raises(TimeoutError):
            listener.accept()


def test_every_piece_that_arrives_leaves_less_time(transport: DeadlineTransport) -> None:
    given_up = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while not given_up.wait(0.05):
                connection.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        started = time.monotonic()
        with pytest.raises((httpcore2.ReadTimeout, httpcore2.RemoteProtocolError)):
            transport.handle_request(request(f"http://127.0.0.1:{listener.getsockname()[1]}/", 0.5))
        given_up.set()
        thread.join()

    assert time.monotonic() - started < 3.0


def test_connections_are_used_again(transport: DeadlineTransport) -> None:
    connections = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connections.append(connection)
        with connection:
            for _ in range(2):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        for _ in range(2):
            response = transport.handle_request(request(f"http://127.0.0.1:{listener.getsockname()[1]}/", 10.0))
            assert b"".join(response.iter_raw()) == b"x"
            response.close()
        thread.join()

    assert len(connections) == 1
