"""What answers at some places, seen from where this runs: ``[[protocol, host, port], …]`` → ``[[ok, detail], …]``.

Protocols: ``tcp`` (a connection opens), ``postgresql`` (an answer to an SSL request), ``s3`` (HTTP that speaks S3).
"""

from __future__ import annotations

import json
import socket
import struct
import sys

TIMEOUT_S = 4.0
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


def tcp(connection: socket.socket, host: str) -> tuple[bool, str]:
    return True, "connected"


def postgresql(connection: socket.socket, host: str) -> tuple[bool, str]:
    connection.sendall(SSL_REQUEST)
    said = connection.recv(1)
    return said in (b"S", b"N", b"E"), f"answers an SSL request with {said!r}"


def s3(connection: socket.socket, host: str) -> tuple[bool, str]:
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: conformance\r\nConnection: close\r\n\r\n"
    connection.sendall(request.encode())
    said = b""
    while len(said) < 65536:
        piece = connection.recv(8192)
        if not piece:
            break
        said += piece
    status = said.split(b"\r\n", 1)[0].decode("latin-1")
    speaks = status.startswith("HTTP/") and any(
        word in said for word in (b"<Error", b"<ListAllMyBuckets", b"<?xml", b"x-amz-", b"X-Amz-")
    )
    return speaks, status[:100]


def ask(protocol: str, host: str, port: int) -> tuple[bool, str]:
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S) as connection:
            connection.settimeout(TIMEOUT_S)
            return {"tcp": tcp, "postgresql": postgresql, "s3": s3}[protocol](connection, host)
    except OSError as error:
        return False, f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    answers = [ask(protocol, host, port) for protocol, host, port in json.loads(sys.argv[1])]
    sys.stdout.write(f"\nconformance: {json.dumps(answers)}\n")
