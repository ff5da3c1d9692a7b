"""fake_nats.py - a JetStream server of one stream that does what it is told to do wrong, to the byte."""
import base64
import json
import socket
import struct
import threading


class FakeNats:
    """Keeps messages as the real one does. `fault(kind, reply, n)` may return what to send instead of the n-th reply of a kind
    ("info", "create", "get", "ack"): a list of byte strings, and None in it closes the connection with a reset."""

    def __init__(self, port=4222):
        self.messages = []  # (id, subject, headers, data)
        self.exists = False
        self.fault = lambda kind, reply, n: [reply]
        self.refuse = lambda message_id: None
        self.counts = {}
        self.hello = lambda: [b'INFO {"server_id":"x","server_name":"x","version":"2.9.10","proto":1,"headers":true,"max_payload":1048576,'
                              b'"jetstream":true}\r\n']
        self.connections = 0
        self.lock = threading.Lock()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.socket.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer = self.socket.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def ids(self):
        with self.lock:
            return [m[0] for m in self.messages]

    @staticmethod
    def send(peer, parts):
        for part in parts:
            if part is None:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise ConnectionError("as told")
            peer.sendall(part)

    def serve(self, peer):
        try:
            self.send(peer, self.hello())
            with peer.makefile("rb") as lines:
                while line := lines.readline():
                    self.take(peer, lines, line.split())
        except (OSError, ConnectionError):
            pass
        finally:
            peer.close()

    def take(self, peer, lines, words):
        if words[0] == b"PING":
            self.send(peer, [b"PONG\r\n"])
        elif words[0] in (b"PUB", b"HPUB"):
            total = int(words[-1])
            head = int(words[-2]) if words[0] == b"HPUB" else 0
            body = lines.read(total + 2)[:-2]
            with self.lock:
                kind, answer = self.answer(words[1].decode(), body[:head].decode(), body[head:])
                if len(words) < (5 if head else 4):
                    return  # it asks for no reply
                n = self.counts[kind] = self.counts.get(kind, 0) + 1
            payload = json.dumps(answer, separators=(",", ":")).encode()
            self.send(peer, self.fault(kind, b"MSG %s 1 %d\r\n%s\r\n" % (words[2], len(payload), payload), n))

    def info(self):
        return {"config": {"name": "trove", "duplicate_window": 240 * 10**9}, "state": {"messages": len(self.messages), "last_seq": len(self.messages)}}

    def answer(self, subject, head, body):
        if subject.startswith("$JS.API.STREAM.INFO."):
            return "info", self.info() if self.exists else {"error": {"code": 404, "err_code": 10059, "description": "stream not found"}}
        if subject.startswith("$JS.API.STREAM.CREATE."):
            self.exists = True
            return "create", self.info()
        if subject.startswith("$JS.API.STREAM.MSG.GET."):
            return "get", {"message": {"hdrs": base64.b64encode(self.messages[json.loads(body)["seq"] - 1][2].encode()).decode()}}
        return "ack", self.store(subject, head, body)

    def store(self, subject, head, body):
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        own = headers["Nats-Msg-Id"]
        for seq, message in enumerate(self.messages, 1):
            if message[0] == own:
                return {"stream": "trove", "seq": seq, "duplicate": True}
        refused = self.refuse(own)
        if refused:
            return {"error": {"code": 400, "err_code": refused, "description": f"refused as told, {refused}"}}
        if int(headers["Nats-Expected-Last-Sequence"]) != len(self.messages):
            return {"error": {"code": 400, "err_code": 10071, "description": f"wrong last sequence: {len(self.messages)}"}}
        self.messages.append((own, subject, head, body.decode()))
        return {"stream": "trove", "seq": len(self.messages)}
