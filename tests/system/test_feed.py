"""Leaderboards for browsers: what is published on a NATS subject, also over the server's own WebSocket listener, adds up to the board."""
import base64
import hashlib
import json
import os
import signal
import socket
import struct
import threading
import time

import pytest

from conftest import encode, udp
from nats_kit import SERVER, Server
from test_redis import until
from test_stop import CATALOG, TRAIL

pytestmark = pytest.mark.skipif(not SERVER, reason="nats-server is not installed")
WEBSOCKET = 'websocket { listen: "127.0.0.1:8443", no_tls: true }\n'


class Plain:
    """A connection of NATS' own."""

    def __init__(self, port=4222):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        return self.socket.recv(65536)


class WebSocket(Plain):
    """RFC 6455, as far as a browser's client of NATS needs it: binary messages, masked on the way out."""

    def __init__(self, port=8443):
        super().__init__(port)
        key = base64.b64encode(os.urandom(16))
        self.socket.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            b"Sec-WebSocket-Key: " + key + b"\r\n\r\n")
        self.raw = b""
        while b"\r\n\r\n" not in self.raw:
            self.raw += self.socket.recv(4096)
        head, self.raw = self.raw.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        assert b" 101 " in lines[0]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        assert b"Sec-WebSocket-Accept: " + accept in lines

    def send(self, data):
        mask = os.urandom(4)
        head = bytes([0x82, 0x80 | len(data)]) if len(data) < 126 else bytes([0x82, 0x80 | 126]) + struct.pack(">H", len(data))
        self.socket.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def frame(self):
        """The payload of the next frame, when all of it is there."""
        if len(self.raw) < 10 and (len(self.raw) < 2 or len(self.raw) < 2 + {126: 2, 127: 8}.get(self.raw[1] & 0x7f, 0)):
            return None
        size, at = self.raw[1] & 0x7f, 2
        if size >= 126:
            form = ">H" if size == 126 else ">Q"
            size, at = struct.unpack_from(form, self.raw, 2)[0], at + struct.calcsize(form)
        if len(self.raw) < at + size:
            return None
        data, self.raw = self.raw[at:at + size], self.raw[at + size:]
        return data

    def receive(self):
        while True:
            data = self.frame()
            if data:
                return data
            more = self.socket.recv(65536)
            if not more:
                return b""
            self.raw += more


class Browser:
    """Subscribes, and shows what it is told."""

    def __init__(self, link, subject="trove.board.>"):
        self.link, self.buffer, self.heard, self.shown, self.versions, self.gaps = link, b"", [], {}, {}, 0
        self.line()
        link.send(b'CONNECT {"verbose":false}\r\nSUB %s 1\r\nPING\r\n' % subject.encode())
        while self.line() != b"PONG":
            pass

    def fill(self):
        data = self.link.receive()
        assert data, "the server has hung up"
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def listen(self, seconds):
        """Takes what comes in that time."""
        deadline = time.monotonic() + seconds
        self.link.socket.settimeout(0.2)
        while time.monotonic() < deadline:
            try:
                words = self.line().split()
            except (TimeoutError, BlockingIOError):
                continue
            if words[0] == b"PING":
                self.link.send(b"PONG\r\n")
            elif words[0] == b"MSG":
                size = int(words[-1])
                self.link.socket.settimeout(10)
                while len(self.buffer) < size + 2:
                    self.fill()
                self.link.socket.settimeout(0.2)
                data, self.buffer = self.buffer[:size], self.buffer[size + 2:]
                self.take(words[1].decode(), json.loads(data))

    def take(self, subject, message):
        hunt = message["hunt"]
        self.heard.append((time.monotonic(), subject, message))
        rows = self.shown.setdefault(hunt, {})
        if message["full"]:
            rows.clear()
        elif self.versions.get(hunt) != message["version"] - 1:
            self.gaps += 1
        self.versions[hunt] = message["version"]
        for user in message["gone"]:
            rows.pop(user, None)
        for row in message["rows"]:
            rows[row["user"]] = row

    def close(self):
        self.link.socket.close()


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path, more=WEBSOCKET).start().wait()
    yield server
    server.kill()


@pytest.fixture
def trove(make):
    more = TRAIL.format(dir="{dir}") + "leaderboards: {{ address: '127.0.0.1:4222', every: 200ms, timeout: 1s }}\n".replace("{{", "{").replace("}}", "}")
    trove = make(more=more)
    trove.config.write_text(trove.config.read_text().replace("{dir}", str(trove.dir)))
    (trove.dir / "c.tsv").write_text(CATALOG)
    return trove.start()


def win(first, count):
    sock = udp()
    for user in range(first, first + count):
        for item in "ABC":
            sock.send(encode(user=f"u-{user}", item=item))
        time.sleep(0.002)


def board(trove, count=50):
    told = json.loads(trove.ctl("leaderboard", "trail", "--top", str(count), "--json").stdout)
    return {row["user"]: row for row in told["top"]}


def feed(trove):
    return trove.status()["leaderboard_feed"]


@pytest.mark.parametrize("link", [Plain, WebSocket])
def test_what_a_browser_hears_adds_up_to_the_board(trove, server, link):
    win(0, 20)
    browser = Browser(link())
    win(20, 20)
    trove.settled(120)
    browser.listen(6)  # who comes when all has been told waits for the next full one
    trove.ctl("patch", "revoke", "--user", "u-3", "--hunt", "trail", "--reason", "a test", "--ref", "T-1")
    browser.listen(1.5)
    assert browser.shown["trail"] == board(trove), (feed(trove), browser.gaps)
    assert len(browser.shown["trail"]) == 39 and "u-3" not in browser.shown["trail"], trove.status()["outcomes"]
    assert {subject for _, subject, _ in browser.heard} == {"trove.board.trail"}
    browser.close()
    late = Browser(link())  # hears changes it cannot place, then everything
    win(40, 5)
    trove.settled(135)
    late.listen(6.5)
    assert late.shown["trail"] == board(trove)
    late.close()


def test_no_more_than_one_message_in_every(trove, server):
    browser = Browser(Plain())
    winners = threading.Thread(target=lambda: [win(first, 10) for first in range(0, 1000, 10)])
    began = time.monotonic()
    winners.start()
    while winners.is_alive():
        browser.listen(0.5)
    browser.listen(6)
    assert 2 <= len(browser.heard) <= (time.monotonic() - began) / 0.2 + 2
    assert browser.gaps <= 1  # when it came, perhaps
    assert len(browser.shown["trail"]) == 50  # `top`
    browser.close()


def test_a_server_that_dies_hangs_and_comes_back(trove, server):
    browser = Browser(Plain())
    win(0, 5)
    browser.listen(1)
    browser.close()
    server.kill()
    win(5, 5)
    until(lambda: feed(trove)["error"], "it says so")
    assert "127.0.0.1:4222" in feed(trove)["error"]
    server.start().wait()
    browser = Browser(Plain())
    browser.listen(6)
    assert browser.shown["trail"] == board(trove) and len(browser.shown["trail"]) == 10
    until(lambda: not feed(trove)["error"], "all is well")
    server.process.send_signal(signal.SIGSTOP)
    win(10, 5)
    until(lambda: feed(trove)["error"], "it is noticed")
    began = time.monotonic()
    assert trove.term() == 0
    assert time.monotonic() - began < 8
    server.process.send_signal(signal.SIGCONT)
    browser.close()


def test_a_reload_changes_and_ends_it(trove, server):
    win(0, 3)
    browser = Browser(Plain(), "boards.>")
    text = trove.config.read_text()
    trove.config.write_text(text.replace("every: 200ms", "every: 200ms, subject: 'boards.{pop}.{hunt}', top: 2, by: score"))
    trove.ctl("conf", "apply", str(trove.config))
    browser.listen(1.5)
    _, subject, message = browser.heard[0]
    assert subject == "boards.test.trail" and message["full"] and message["by"] == "score" and len(message["rows"]) == 2 and message["users"] == 3
    trove.config.write_text(text.split("leaderboards:", maxsplit=1)[0])
    trove.ctl("conf", "apply", str(trove.config))
    browser.listen(0.5)
    before = len(browser.heard)
    win(3, 3)
    browser.listen(6)
    assert len(browser.heard) == before
    browser.close()


def test_faults_are_told(trove):
    text = trove.config.read_text()
    for old, new, fault in (("'127.0.0.1:4222'", "'unix:/x'", "one to eight of HOST:PORT"), ("every: 200ms", "every: 1ms", "every must be"),
                            ("every: 200ms", "subject: 'a.{outcome}'", "subject must be words"), ("every: 200ms", "user: u", "user needs password_file")):
        trove.config.write_text(text.replace(old, new))
        run = trove.ctl("conf", "check", str(trove.config), status=1)
        assert fault in run.stdout + run.stderr
