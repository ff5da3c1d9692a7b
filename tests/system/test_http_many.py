"""Very many connections: held open, opened and closed, held up on purpose. Nothing is left behind, and who is honest is served."""
import resource
import selectors
import socket
import subprocess
import time

import pytest

from posts import HTTP, PORT, Stream, answer, at_rest, awaited, bodies, connect, journal, post, request, used

SOURCES = [f"198.18.{i}.2" for i in range(64)]  # prefixes of their own, as clients on the internet have


def many_files():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    assert most > 11_000, "the hard limit of open files is too low for 10,000 connections"


@pytest.fixture
def server(make):
    """A troved with default settings, and clients in many networks."""
    many_files()
    trove = make(HTTP).start()
    commands = "".join(f"addr replace {source}/32 dev lo\n" for source in SOURCES)
    subprocess.run(["ip", "-b", "-"], input=commands, text=True, check=True)
    return trove


class Client:
    """One connection that sends what it is given, in one piece or a byte at a time, and reads one answer for each request."""

    def __init__(self, number):
        self.number, self.sock, self.got, self.sent = number, socket.socket(), b"", False
        self.sock.setblocking(False)
        self.sock.bind((SOURCES[number % len(SOURCES)], 0))
        self.sock.connect_ex(("192.0.2.1", PORT))

    def fileno(self):
        return self.sock.fileno()


def complete(data):
    """Whether an answer with Content-Length has come whole."""
    head, gap, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    return bool(gap) and len(body) >= int(lengths[0])


def drive(count, at_once, wire_of, finished):
    """Runs count clients, at most at_once of them at a time: each sends wire_of(number), and finished(client) gets its whole answer."""
    poll, begun, done = selectors.DefaultSelector(), 0, 0
    deadline = time.monotonic() + 100
    while done < count:
        while begun < count and begun - done < at_once:
            poll.register(Client(begun), selectors.EVENT_WRITE)
            begun += 1
        for key, _ in poll.select(1):
            client = key.fileobj
            if not client.sent:
                client.sock.send(wire_of(client.number))
                client.sent = True
                poll.modify(client, selectors.EVENT_READ)
                continue
            data = client.sock.recv(65536)
            assert data, "closed without an answer"
            client.got += data
            if complete(client.got):
                poll.unregister(client)
                finished(client)
                done += 1
        assert time.monotonic() < deadline, f"{done} of {count} were answered"
    poll.close()


def status_of(client):
    return int(client.got[9:12])


def test_10_000_connections_are_open_at_once_and_each_is_answered_again_and_again(server):
    before, open_clients, sent = used(server.status()), [], bodies(10_000)
    drive(10_000, 500, lambda n: request(sent[n]), open_clients.append)
    assert {status_of(client) for client in open_clients} == {202}
    now = server.status()
    assert now["tcp"]["now"]["connections"] == now["http"]["now"]["connections"] == 10_000
    assert now["tcp"]["now"]["chunks"] == 0 and now["http"]["now"]["requests"] == 0, "who is idle has buffers"
    for client in open_clients:
        client.sock.setblocking(True)
    for begin in range(0, 10_000, 500):
        for client in open_clients[begin:begin + 500]:
            client.sock.sendall(request(sent[client.number]))
        for client in open_clients[begin:begin + 500]:
            assert answer(Stream(client.sock)).json["result"] == "duplicate"
    for client in open_clients:
        client.sock.close()
    now = at_rest(server, before=before)
    assert used(now) == before
    assert (now["account"]["accepted"], now["account"]["duplicate"]) == (10_000, 10_000)
    assert len({bytes_ for _, bytes_ in journal(server)}) == len(journal(server)) == 10_000


def test_100_000_connections_come_and_go_and_leave_nothing(server):
    before, statuses = used(server.status()), {}
    wire = b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n"

    def finished(client):
        status = status_of(client)
        statuses[status] = statuses.get(status, 0) + 1
        if client.number % 4 == 0:  # a reset; the others close in order
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sock.close()

    drive(100_000, 1000, lambda _: wire, finished)
    assert statuses == {200: 100_000}
    now = at_rest(server, before=before)
    assert used(now) == before
    assert now["tcp"]["opened"] == now["http"]["connections"] == 100_000
    assert sum(now["tcp"]["ended"].values()) == 100_000
    assert post(bodies(1)[0]).status == 202


def test_10_000_who_never_end_their_heads_do_not_keep_a_client_out(make):
    many_files()
    trove = make(HTTP.replace(f"port: {PORT}", f"port: {PORT}, head_timeout: 3s, connections_per_prefix: 20000")).start()
    before, slow = used(trove.status()), []
    for _ in range(10_000):
        sock = connect()
        sock.send(b"POST /v1/events HTTP/1.1\r\nHost: t\r\n")
        slow.append(sock)
    sent = bodies(200)
    for i, body in enumerate(sent):
        assert post(body).status == 202
        for sock in slow[i * 50:i * 50 + 50]:  # and they keep at it, one byte at a time
            try:
                sock.send(b"X")
            except OSError:
                pass
    assert sorted(bytes_ for _, bytes_ in journal(trove)) == sorted(sent)
    now = awaited(lambda: (now := trove.status())["http"]["now"]["connections"] == 0 and now, 20)
    assert now["http"]["answers"]["408"] + now["http"]["problems"]["gave_way"] == 10_000
    for sock in slow:
        sock.close()
    assert used(at_rest(trove, before=before)) == before


def test_who_does_not_read_answers_is_given_up(make):
    trove = make(HTTP.replace(f"port: {PORT}", f"port: {PORT}, answer_timeout: 2s, tcp: {{ zero_window: 2s }}")).start()
    before = used(trove.status())
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.connect(("192.0.2.1", PORT))
    sock.setblocking(False)
    wire = b"GET /nothing HTTP/1.1\r\nHost: t\r\n\r\n" * 100
    asked = 0
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        try:
            asked += sock.send(wire)
        except BlockingIOError:
            time.sleep(0.05)
    assert post(bodies(1)[0]).status == 202
    now = awaited(lambda: (now := trove.status())["tcp"]["now"]["connections"] == 0 and now, 20)
    assert now["http"]["stalled"] + now["tcp"]["ended"]["window"] + now["tcp"]["ended"]["timeout"] == 1
    sock.close()
    assert used(at_rest(trove, before=before)) == before


def test_a_flood_from_one_prefix_leaves_room_for_others(make):
    many_files()
    trove = make(HTTP.replace(f"port: {PORT}", f"port: {PORT}, connections_per_prefix: 100")).start()
    subprocess.run(["ip", "addr", "replace", f"{SOURCES[0]}/32", "dev", "lo"], check=True)
    flood = []
    for _ in range(300):
        try:  # who is over the limit is reset at once, which connect may see or not
            flood.append(connect())
        except ConnectionResetError:
            pass
    now = awaited(lambda: (now := trove.status())["tcp"]["dropped"]["prefix"] >= 200 and now)
    assert now["tcp"]["now"]["connections"] == 100
    with connect(source=SOURCES[0]) as sock:
        sock.sendall(request(bodies(1)[0]))
        assert answer(Stream(sock)).status == 202
    for sock in flood:
        sock.close()
