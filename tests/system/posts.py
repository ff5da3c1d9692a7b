"""posts.py - HTTP to troved, as tests speak it: raw bytes on a socket, and what the journal says afterwards."""
import collections
import http.client
import io
import json
import socket
import time

from conftest import encode

PORT = 8080
URL = f"http://192.0.2.1:{PORT}"
HTTP = f"listen: {{ http: {{ port: {PORT} }} }}\n"


def connect(address="192.0.2.1", source=None, timeout=30):
    return socket.create_connection((address, PORT), timeout=timeout, source_address=source and (source, 0))


def request(body, *headers, path="/v1/events", method="POST", kind="application/json"):
    """A request with the headers that every client sends; body None: without one."""
    lines = [f"{method} {path} HTTP/1.1", "Host: trove", *headers]
    if body is not None:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


Answer = collections.namedtuple("Answer", "status headers body json")


class Stream(io.BufferedReader):
    """What http.client reads an answer from; it must not close our socket."""

    def __init__(self, sock):
        super().__init__(socket.SocketIO(sock, "r"), 1 << 16)

    def makefile(self, *_):
        return self

    def close(self):
        pass


def answer(stream, method="POST"):
    """The next answer of a stream; 100 Continue is passed over."""
    response = http.client.HTTPResponse(stream, method=method)
    response.begin()
    body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, body, json.loads(body) if body.startswith(b"{") else None)


def ask(data, address="192.0.2.1", method="POST"):
    """The answer to one request, on a connection of its own."""
    with connect(address) as sock:
        sock.sendall(data)
        return answer(Stream(sock), method)


def exchange(data, count=1):
    """Sends bytes on a connection of their own, and returns that many answers and whether the server then closed it."""
    with connect() as sock:
        sock.sendall(data)
        stream = Stream(sock)
        answers = [answer(stream) for _ in range(count)]
        sock.settimeout(0.3)
        try:
            closed = stream.read1(1) == b""
        except TimeoutError:
            closed = False
        except ConnectionResetError:
            closed = True
        return answers, closed


def post(body, *headers, kind="application/json", address="192.0.2.1"):
    return ask(request(body, *headers, kind=kind), address)


def get(path, method="GET"):
    return ask(request(None, path=path, method=method), method=method)


def journal(trove):
    """Every EVENT and DEAD record of the data directory, in order: (seq, bytes)."""
    lines = trove.ctl("segment", "export", "--data-dir", trove.dir / "data").stdout.splitlines()
    records = [json.loads(line) for line in lines]
    return [(one["seq"], one["text"].encode() if "text" in one else bytes.fromhex(one["hex"]))
            for one in records if one["kind"] in ("event", "rejected")]


def bodies(count, **keys):
    return [encode(**{"user": f"u-{i}", **keys}) for i in range(count)]


def awaited(wanted, seconds=15):
    """What wanted() returns once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := wanted()):
        assert time.monotonic() < deadline, wanted
        time.sleep(0.02)
    return found


def counted(trove):
    return trove.status()["http"], trove.status()["tcp"]


def used(now):
    """What connections take."""
    return {"buffers": now["packets"]["buffers_used"], "chunks": now["tcp"]["now"]["chunks"], **now["http"]["now"],
            "connections": now["tcp"]["now"]["connections"], "frames": now["tcp"]["now"]["frames_waiting"]}


def at_rest(trove, seconds=15, before=None):
    """The status once no connection and no request is open any more, and nothing more is in use than before."""
    def idle():
        now = trove.status()
        return not any(now["http"]["now"].values()) and not now["tcp"]["now"]["connections"] and before in (None, used(now)) and now
    return awaited(idle, seconds)
