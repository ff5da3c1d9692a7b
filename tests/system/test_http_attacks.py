"""What strangers and bad clients can do to a running troved, in numbers: floods of spoofed SYNs, blind segments into a connection, peers that
never read, send a byte at a time or never end their head. Who is honest is answered meanwhile, and nothing is left behind."""
import fcntl
import json
import pathlib
import select
import socket
import struct
import subprocess
import termios
import time

import pytest

from conftest import BUILD
from posts import HTTP, PORT, Stream, answer, at_rest, awaited, bodies, connect, journal, post, request, used
from test_http_many import many_files

SPACE = 1 << 32
STRIDE = 1 << 15  # less than any receive window: a sweep of all sequence numbers by it meets every window


def flood(*args):
    """trove-flood on the clients' side of the tap."""
    return subprocess.Popen([BUILD / "bench/trove-flood", "--vdev", "net_af_packet0,iface=trove0", "--source-ip", "192.0.2.3",
                             *map(str, args), f"192.0.2.1:{PORT}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def flooded(process):
    """What it sent, once it has."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    print(out)
    return json.loads(out)


def test_spoofed_syns_take_no_memory_and_shut_nobody_out(make):
    trove = make(HTTP).start()
    before, sent, connections = used(trove.status()), [], 1
    with connect() as kept:
        stream, syns = Stream(kept), flood("--count", 300_000, "--seconds", 60)
        while syns.poll() is None or len(sent) < 200:
            one, other = bodies(2)
            kept.sendall(request(one))
            assert answer(stream).status == 202
            assert post(other).status == 202
            sent += [one, other]
            connections += 1
    result, now = flooded(syns), at_rest(trove, before=before)
    assert sorted(bytes_ for _, bytes_ in journal(trove)) == sorted(sent)
    assert now["tcp"]["opened"] == connections and now["tcp"]["now"]["connections"] == 0
    assert 50_000 < now["tcp"]["syns"] <= result["sent"] + 10 * connections, result  # the others found no room in the tap's queue
    assert used(now) == before


def sweep(trove, sock, kind):
    """Segments of a kind that claim to be from a socket's own address, through all sequence numbers; what was counted meanwhile."""
    host, port = sock.getsockname()
    before = trove.status()["tcp"]
    sent = flooded(flood("--segment", kind, "--from", f"{host}:{port}", "--step", STRIDE, "--count", SPACE // STRIDE, "--rate", 60_000,
                         "--seconds", 60))["sent"]
    assert sent == SPACE // STRIDE
    now = trove.status()["tcp"]
    dropped = {reason: count - before["dropped"][reason] for reason, count in now["dropped"].items() if count > before["dropped"][reason]}
    return dropped, now["challenges"] - before["challenges"], now["challenges_held"] - before["challenges_held"]


# What nearly all of a sweep is dropped for, where the connection has no timestamps; the rest was in the window, and challenged.
REASONS = {"reset": {"reset"}, "syn": {"syn"}, "ack": {"sequence", "ack"}, "data": {"sequence", "ack"}}


@pytest.mark.parametrize("timestamps, kinds", [(0, list(REASONS)), (1, ["reset", "data"])])
def test_blind_resets_syns_and_data_do_nothing_to_a_connection(make, timestamps, kinds):
    pathlib.Path("/proc/sys/net/ipv4/tcp_timestamps").write_text(str(timestamps))
    trove, sent = make(HTTP).start(), bodies(1 + len(kinds))
    with connect() as sock:
        stream = Stream(sock)
        sock.sendall(request(sent[0]))
        assert answer(stream).status == 202
        for body, kind in zip(sent[1:], kinds):
            begun = time.monotonic()
            dropped, challenges, held = sweep(trove, sock, kind)
            for reason in ("stray", "stray_reset"):  # the kernel's, of connections to a daemon before this one
                assert dropped.pop(reason, 0) < 100
            assert set(dropped) <= (REASONS[kind] if not timestamps or kind == "reset" else {"timestamp"})
            assert sum(dropped.values()) > SPACE // STRIDE // 2  # the others found no room in the tap's queue
            assert challenges <= 10 * (time.monotonic() - begun + 2), "ten a second are allowed"
            assert kind != "syn" or challenges + held == dropped["syn"]
            sock.sendall(request(body))
            assert answer(stream).status == 202
        now = trove.status()["tcp"]
        assert now["now"]["connections"] == now["opened"] == 1 and now["challenges"] > 0
    assert sum(at_rest(trove)["tcp"]["ended"].values()) == 1
    assert sorted(bytes_ for _, bytes_ in journal(trove)) == sorted(sent)


HEAD = b"POST /v1/events HTTP/1.1\r\nHost: t\r\n"
CHUNKED = HEAD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"


@pytest.mark.parametrize("begin, line", [(HEAD, b"X-%d: " + b"y" * 100 + b"\r\n"), (HEAD + b"X: ", b"y%d"), (CHUNKED, b"X-%d: y\r\n"),
                                         (b"GET /", b"x%d")], ids=["headers", "one header", "trailers", "a target"])
def test_two_megabytes_of_headers_are_refused_early(make, begin, line):
    trove = make(HTTP).start()
    before, statuses, taken = used(trove.status()), [], []
    wire = begin + b"".join(line % i for i in range((2 << 20) // len(line % 10000)))
    for _ in range(20):
        with connect() as sock:
            for at in range(0, len(wire), 4096):
                sock.send(wire[at:at + 4096])
                if select.select([sock], [], [], 0)[0]:
                    taken.append(at)
                    break
            statuses.append(answer(Stream(sock)).status)
        assert post(bodies(1)[0]).status == 202
    assert set(statuses) == {414 if begin.startswith(b"GET") else 431}
    assert max(taken) < 1 << 20, "the answer came after half of it"
    now = at_rest(trove, before=before)
    assert used(now) == before and now["account"]["accepted"] == now["account"]["received"] == 20


def test_a_byte_in_each_segment_is_read_as_well_as_all_at_once(make):
    trove, clients = make(HTTP).start(), []
    before, sent = used(trove.status()), bodies(50)
    for body in sent:
        sock = connect()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        clients.append((sock, request(body)))
    for at in range(max(len(wire) for _, wire in clients)):
        for sock, wire in clients:
            sock.send(wire[at:at + 1])
        if at % 8 == 0:  # what is not acknowledged would be sent together
            awaited(lambda: not any(unacknowledged(sock) for sock, _ in clients))
    for sock, _ in clients:
        assert answer(Stream(sock)).status == 202
        sock.close()
    now = at_rest(trove, before=before)
    assert sorted(bytes_ for _, bytes_ in journal(trove)) == sorted(sent)
    assert now["tcp"]["segments_in"] > 0.9 * sum(len(wire) for _, wire in clients)
    assert used(now) == before


def unacknowledged(sock):
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]


def test_10_000_who_read_nothing_are_given_up_and_keep_nobody_out(make):
    many_files()
    trove = make(HTTP.replace(f"port: {PORT}", f"port: {PORT}, answer_timeout: 3s, connections_per_prefix: 20000, "
                                               "tcp: { zero_window: 3s }")).start()
    before, deaf, sent = used(trove.status()), [], bodies(100)
    wire = request(None, path="/nothing", method="GET") * 60
    for i in range(10_000):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # its window is shut after some answers, and for ever
        sock.connect(("192.0.2.1", PORT))
        sock.send(wire)
        deaf.append(sock)
        if i % 100 == 0:
            assert post(sent[i // 100]).status == 202
    now = awaited(lambda: (now := trove.status())["tcp"]["now"]["connections"] == 0 and now, 60)
    ended = now["tcp"]["ended"]
    assert ended["gave_way"] > 1000, "their buffers were never needed"
    assert ended["gave_way"] + ended["window"] + ended["aborted"] == 10_000 and ended["done"] == len(sent)
    assert sorted(bytes_ for _, bytes_ in journal(trove)) == sorted(sent)
    for sock in deaf:
        sock.close()
    assert used(at_rest(trove, before=before)) == before
