"""Departments that answer over TLS 1.3 on 127.0.0.1, each behind a socket of its own, for benchmarks of whole rounds.

    frame := number of parts, size of each part (8 bytes each), the parts

The certificate is made for one run and thrown away. Coordinator and departments are threads of one process.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"

Piece = bytes | memoryview
"""Bytes to send, C-contiguous, any item size."""

Part = Piece | list[Piece]
"""One part of a frame, whole or in pieces; what arrives is one view of bytes."""

Answer = Callable[[list[memoryview]], Sequence[Part]]
"""What a department does with a request."""


@dataclass
class Pace:
    """How fast a line is: bytes a second in each direction, or None for as fast as the loopback."""

    bytes_per_second: float | None = None


PIECE = 1 << 18
"""Bytes sent at once on a line that is held back."""


class Line:
    """One TLS connection that carries frames."""

    def __init__(self, secured: ssl.SSLSocket, pace: Pace) -> None:
        self.pace = pace
        self._large: dict[int, memoryview] = {}
        # A frame's small head must not wait for the acknowledgement of the frame before it.
        secured.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.secured = secured

    def send(self, parts: Sequence[Part]) -> None:
        pieces = [part if isinstance(part, list) else [part] for part in parts]
        views = [[memoryview(piece).cast("B") for piece in part] for part in pieces]
        sizes = [sum(map(len, part)) for part in views]
        self.secured.sendall(struct.pack(f">{1 + len(sizes)}Q", len(sizes), *sizes))
        for part in views:
            for view in part:
                self._send(view)

    def _send(self, view: memoryview) -> None:
        rate = self.pace.bytes_per_second
        if rate is None:
            self.secured.sendall(view)
            return
        start = time.perf_counter()
        for at in range(0, len(view), PIECE):
            self.secured.sendall(view[at : at + PIECE])
            ahead = min(at + PIECE, len(view)) / rate - (time.perf_counter() - start)
            if ahead > 0:
                time.sleep(ahead)

    def receive(self) -> list[memoryview]:
        """The next frame's parts; EOFError where the other side has closed."""
        (count,) = struct.unpack(">Q", self._read(8))
        sizes = struct.unpack(f">{count}Q", self._read(8 * count))
        return [self._read(size) for size in sizes]

    def _read(self, size: int) -> memoryview:
        view, at = self._room(size), 0
        while at < size:
            got = self.secured.recv_into(view[at:])
            if got == 0:
                raise EOFError
            at += got
        return view

    def _room(self, size: int) -> memoryview:
        """Memory for a part; of a large one always the same, since fresh pages cost more than the copy."""
        if size < PIECE:
            return memoryview(bytearray(size))
        if size not in self._large:
            self._large[size] = memoryview(bytearray(size))
        return self._large[size]


class Network:
    """The coordinator's lines to all departments, open while the `with` lasts."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = dict(answers)
        self.lines: dict[str, Line] = {}
        self.seconds = dict.fromkeys(answers, 0.0)
        """By department: from the first byte of its requests to the last of its replies, in all."""
        self.pace = Pace()
        self._threads: list[Thread] = []

    def __enter__(self) -> Network:
        with tempfile.TemporaryDirectory() as folder:
            server, client = contexts(Path(folder))
        for name, answer in self.answers.items():
            with socket.create_server((HOST, 0)) as listening:
                thread = Thread(target=_serve, args=(listening.dup(), server, answer, self.pace), name=name)
                thread.start()
                self._threads.append(thread)
                plain = socket.create_connection(listening.getsockname())
                self.lines[name] = Line(client.wrap_socket(plain, server_hostname=HOST), self.pace)
        return self

    def __exit__(self, *_: object) -> None:
        for line in self.lines.values():
            line.secured.close()
        for thread in self._threads:
            thread.join()

    def ask(
        self, requests: Mapping[str, Sequence[Part]], at_once: int | None = None
    ) -> Iterator[tuple[str, list[memoryview]]]:
        """Replies as they come; at most `at_once` departments are asked at a time (None: all)."""
        with ThreadPoolExecutor(at_once or len(requests)) as pool:
            came: SimpleQueue[Future[tuple[str, list[memoryview]]]] = SimpleQueue()
            for name, parts in requests.items():
                pool.submit(self._ask, name, parts).add_done_callback(came.put)
            for _ in requests:
                yield came.get().result()

    def _ask(self, name: str, parts: Sequence[Part]) -> tuple[str, list[memoryview]]:
        start = time.perf_counter()
        self.lines[name].send(parts)
        found = self.lines[name].receive()
        self.seconds[name] += time.perf_counter() - start
        return name, found


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS 1.3 for the departments and for the coordinator, which trusts the one certificate made here."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    certificate = _certificate(key).public_bytes(serialization.Encoding.PEM)
    # `ssl` reads keys from files only; the folder is this process's and is removed when both are loaded.
    (folder / "certificate.pem").write_bytes(certificate)
    (folder / "key.pem").touch(0o600)
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *own))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    client = ssl.create_default_context(cadata=certificate.decode())
    server.minimum_version = client.minimum_version = ssl.TLSVersion.TLSv1_3
    return server, client


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    now = datetime.datetime.now(datetime.UTC)
    builder: Any = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    found: x509.Certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return found


def _serve(listening: socket.socket, context: ssl.SSLContext, answer: Answer, pace: Pace) -> None:
    """One department: answers the coordinator until it hangs up."""
    with listening:
        plain, _ = listening.accept()
    with context.wrap_socket(plain, server_side=True) as secured:
        line = Line(secured, pace)
        while True:
            try:
                request = line.receive()
            except EOFError:
                return
            line.send(answer(request))
