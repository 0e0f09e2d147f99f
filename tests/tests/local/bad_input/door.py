"""A connection that sends whatever it is given, and what is to be said of the answers."""

import socket
import ssl

HOST = "127.0.0.1"
PATIENCE = 120  # seconds; the longest that an answer may take, on a busy machine too


class Door:
    """A port of the service, with TLS from the first byte or none."""

    def __init__(self, port, authority=None):
        self.port = port
        self.trust = ssl.create_default_context(cafile=authority) if authority else None

    def open(self):
        plain = socket.create_connection((HOST, self.port), timeout=PATIENCE)
        return Line(self.trust.wrap_socket(plain, server_hostname="localhost") if self.trust else plain)


class Line:
    """Reads lines; an end of the connection is an empty one."""

    def __init__(self, stream):
        self.stream = stream
        self.read = stream.makefile("rb")

    def send(self, data):
        """Whether it went out: a server may have closed, which `line` then tells."""
        try:
            self.stream.sendall(data)
            return True
        except OSError:
            return False

    def line(self):
        try:
            return self.read.readline()
        except TimeoutError:
            return b"nothing, for too long"
        except (ConnectionError, ssl.SSLError):
            return b""

    def close(self):
        for part in (self.read, self.stream):
            try:
                part.close()
            except OSError:
                pass


class Tally:
    """How many were tried, and what came of it that should not."""

    def __init__(self, what):
        self.what = what
        self.tried = 0
        self.wrong = []

    def expect(self, good, tried, answered):
        self.tried += 1
        if not good:
            self.wrong.append(f"{self.what}: {shown(tried)} was answered {shown(answered)}")

    def tell(self):
        print(f"{self.tried} {self.what}", flush=True)
        return self.wrong


def shown(data):
    text = data if isinstance(data, str) else repr(data)
    return text if len(text) < 160 else f"{text[:120]}… ({len(text)} characters)"
