"""nats_kit.py - NATS servers of a test's own, one or a cluster, and enough of a client to read what a stream holds."""
import base64
import json
import shutil
import signal
import socket
import subprocess
import time

SERVER = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/sbin")


class Client:
    """Requests and their replies over one connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")
        assert self.file.readline().startswith(b"INFO ")
        self.socket.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB _INBOX.t.* 1\r\nPING\r\n')
        while self.file.readline() != b"PONG\r\n":
            pass

    def requests(self, subject, bodies):
        """The replies to requests, by their order; None where nobody listens."""
        for first in range(0, len(bodies), 500):
            part = bodies[first:first + 500]
            self.socket.sendall(b"".join(b"PUB %s _INBOX.t.%d %d\r\n%s\r\n" % (subject.encode(), i, len(b), b) for i, b in enumerate(part)))
            replies = {}
            while len(replies) < len(part):
                words = self.file.readline().split()
                if not words:
                    raise ConnectionError("closed")
                if words[0] == b"PING":
                    self.socket.sendall(b"PONG\r\n")
                elif words[0] in (b"MSG", b"HMSG"):
                    data = self.file.read(int(words[-1]) + 2)[:-2]
                    replies[int(words[1].rsplit(b".", 1)[1])] = json.loads(data) if words[0] == b"MSG" else None
                elif words[0] == b"-ERR":
                    raise ConnectionError(words)
            yield from (replies[i] for i in range(len(part)))

    def request(self, subject, body=b""):
        return next(self.requests(subject, [body]))

    def info(self, stream):
        return self.request(f"$JS.API.STREAM.INFO.{stream}")

    def messages(self, stream):
        """(subject, headers, data) of every message that a stream holds."""
        state = self.info(stream)["state"]
        bodies = [b'{"seq":%d}' % n for n in range(state["first_seq"], state["last_seq"] + 1)]
        found = []
        for reply in self.requests(f"$JS.API.STREAM.MSG.GET.{stream}", bodies):
            message = reply.get("message")
            if not message:
                continue
            lines = base64.b64decode(message.get("hdrs", "")).decode().split("\r\n")[1:]
            headers = dict(line.split(": ", 1) if ": " in line else line.split(":", 1) for line in lines if line)
            found.append((message["subject"], headers, base64.b64decode(message["data"]).decode()))
        return found

    def close(self):
        self.socket.close()


class Server:
    """One nats-server with JetStream; of a cluster when it is given routes."""

    def __init__(self, directory, name="n0", port=4222, routes=(), more=""):
        self.dir = directory / f"nats-{name}"
        self.dir.mkdir()
        self.name, self.port, self.process = name, port, None
        cluster = ""
        if routes:
            cluster = (f"cluster {{ name: c, listen: 127.0.0.1:{port + 1000}, "
                       f"routes: [{', '.join(f'nats://127.0.0.1:{r + 1000}' for r in routes)}] }}\n")
        (self.dir / "conf").write_text(f"server_name: {name}\nlisten: 127.0.0.1:{port}\njetstream {{ store_dir: {self.dir}/js }}\n{cluster}{more}")

    def start(self):
        with open(self.dir / "log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([SERVER, "-c", self.dir / "conf"], stdout=log, stderr=log)
        return self

    def is_up(self):
        try:
            client = Client(self.port)
            answer = client.request("$JS.API.INFO")
            client.close()
            return bool(answer) and "error" not in answer
        except (OSError, AssertionError):
            return False

    def wait(self, seconds=30):
        deadline = time.monotonic() + seconds
        while not self.is_up():
            assert time.monotonic() < deadline, (self.dir / "log").read_text()[-2000:]
            time.sleep(0.1)
        return self

    def kill(self, how=signal.SIGKILL):
        if self.process:
            self.process.send_signal(how)
            self.process.wait()
        self.process = None
