"""The worst operator and the worst network: whatever they do ends in a clear answer, and ingest goes on."""
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import BUILD, encode, udp
from test_packets import Wire, datagram, ipv4

HUNT = "\nhunts: [{{ name: h, kind: trail, catalog: {catalog}, start: [A], treasure: [C] }}]\n"


def raw(trove, data, wait=10.0, half_close=True):
    """What the control socket answers to these bytes, within the time that an operator waits."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(wait)
    sock.connect(str(trove.dir / "ctl.sock"))
    try:
        sock.sendall(data)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
    except BrokenPipeError:
        pass
    answer = b""
    try:
        while chunk := sock.recv(65536):
            answer += chunk
    except (ConnectionResetError, socket.timeout):
        pass
    sock.close()
    return answer


def request(method, path, body=b"", **headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: trove", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def code(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


def alive(trove, received):
    udp().send(encode())
    now = trove.settled(received)
    assert now["state"] == "running"
    return now


BODIES = [
    ("empty", b""),
    ("nothing but a comment", b"# x\n"),
    ("binary", bytes(range(256)) * 16),
    ("a NUL", b"version: 1\0\n"),
    ("deep", b"[" * 40000),
    ("deeper than a tree", b"a: " + b"{a: " * 3000 + b"1" + b"}" * 3000),
    ("wide", b"version: 1\n" + b"".join(b"k%d: 1\n" % i for i in range(20000))),
    ("an alias bomb", b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nversion: 1\n"),
    ("one line of 3 MiB", b"version: " + b"1" * (3 << 20)),
    ("a million lines", b"\n" * 1000000 + b"x"),
    ("two documents", b"version: 1\n---\nversion: 1\n"),
    ("a list", b"- version: 1\n"),
    ("long text of two-byte letters", b"version: 1\npop: '" + "é".encode() * 5000 + b"'\n"),
    ("unfinished", b"version: 1\nports: [{name: 'p0"),
]


def test_no_body_is_applied_by_mistake(trove):
    for name, body in BODIES:
        for method, path in (("PUT", "/v1/config"), ("POST", "/v1/config:check"), ("POST", "/v1/config:diff")):
            began = time.monotonic()
            answer = raw(trove, request(method, path, body))
            want = (200,) if path.endswith("check") else (422,)
            assert code(answer) in want, (name, path, answer[:300])
            told = json.loads(answer.split(b"\r\n\r\n", 1)[1])
            assert told["errors"] and all(error["text"] for error in told["errors"]), (name, path)
            assert time.monotonic() - began < 5, (name, path)
    assert alive(trove, 1)["config"]["version"] == 1


def test_a_body_that_is_too_large_is_refused(trove):
    assert code(raw(trove, request("PUT", "/v1/config", b"#" * (9 << 20)))) in (413, 0)
    head = b"PUT /v1/config HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999\r\n\r\n"
    assert code(raw(trove, head)) in (400, 413)
    assert alive(trove, 1)["config"]["version"] == 1


@pytest.mark.parametrize("tag", ['"v2"', '"v0"', '"v-1"', '"v01"', '"v4294967297"', '"v1', "v1", '""', '"v1" x', "W/\"v1\""])
def test_a_wrong_if_match_changes_nothing(trove, tag):
    body = trove.config.read_bytes().replace(b"pop: test", b"pop: other")
    assert code(raw(trove, request("PUT", "/v1/config", body, If_Match=tag))) == 412
    assert trove.status()["config"]["version"] == 1
    assert code(raw(trove, request("PUT", "/v1/config", body, If_Match='"v1"'))) == 200


def test_a_file_name_that_is_not_utf8_does_not_blind_the_status(trove):
    body = trove.config.read_bytes().replace(b"pop: test", b"pop: other")
    assert code(raw(trove, request("PUT", "/v1/config?file=%ff%fe%0a", body))) == 200
    now = trove.status()
    assert now["config"]["version"] == 2 and now["account"]["balanced"]
    answer = raw(trove, request("PUT", "/v1/config?file=%ff", b"versoin: 1\n"))
    assert code(answer) == 422 and json.loads(answer.split(b"\r\n\r\n", 1)[1])["errors"]


def test_half_requests_and_many_connections_leave_room_for_an_operator(trove):
    held = []
    for i in range(100):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(1)
        try:
            sock.connect(str(trove.dir / "ctl.sock"))
            sock.sendall(b"GET /v1/status HTTP/1.1\r\nX: "[:i % 28])
        except OSError:
            sock.close()
            break
        held.append(sock)
    began = time.monotonic()
    run = subprocess.run([BUILD / "dataplane/trovectl", "--socket", trove.dir / "ctl.sock", "status"],
                         capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode in (0, 3) and time.monotonic() - began < 10
    assert run.returncode == 0 or "error:" in run.stderr
    for sock in held:
        sock.close()
    alive(trove, 1)


def test_garbage_on_the_control_socket(trove):
    rng = random.Random(7)
    good = request("PUT", "/v1/config", b"version: 1\n")
    for _ in range(200):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(data))
            data[at:at + rng.randrange(3)] = os.urandom(rng.randrange(4))
        raw(trove, bytes(data), wait=0.05)
    raw(trove, os.urandom(100000), wait=1)
    raw(trove, b"GET " + b"/x" * 50000 + b" HTTP/1.1\r\n\r\n", wait=1)
    assert alive(trove, 1)["config"]["version"] == 1


def catalog_at(trove, kind):
    path = trove.dir / f"{kind}.tsv"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    elif kind == "binary":
        path.write_bytes(os.urandom(1 << 20))
    elif kind == "empty":
        path.touch()
    elif kind == "long line":
        path.write_bytes(b"A\tB\t" + b"1" * (8 << 20))
    elif kind == "huge":
        path.touch()
        os.truncate(path, 3 << 30)
    elif kind == "loop":
        path.symlink_to(path)
    return path


@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "zero", "socket", "binary", "empty", "long line", "huge", "loop"])
def test_a_catalog_that_is_none_is_refused_by_name(trove, kind):
    path = catalog_at(trove, kind)
    bad = trove.dir / "bad.yaml"
    bad.write_text(trove.config.read_text() + HUNT.format(catalog=f"'{path}'"))
    began = time.monotonic()
    for args in (["conf", "check", str(bad)], ["conf", "apply", str(bad)]):
        run = trove.ctl(*args, status=1)
        assert path.name in run.stderr, run.stderr
        assert len(run.stderr) < 20000
    assert time.monotonic() - began < 10
    assert alive(trove, 1)["config"]["version"] == 1
    assert not [name for name in os.listdir(trove.dir / "data/config") if name.startswith("000002")]


def test_a_catalog_that_changes_all_the_time_is_taken_as_it_was_once(trove):
    path, stop = trove.dir / "c.tsv", threading.Event()
    path.write_text("A\tB\t1\nB\tC\t1\n")

    def write():
        turn = 0
        while not stop.is_set():
            turn += 1
            path.write_text("".join(f"A\tB{i}\t1\n" for i in range(turn % 500)) + "A\tB\t1\nB\tC\t1\n")

    writer = threading.Thread(target=write)
    writer.start()
    new = trove.dir / "new.yaml"
    try:
        for i in range(20):
            new.write_text(trove.config.read_text() + HUNT.format(catalog=path) + f"# {i}\n")
            run = subprocess.run([BUILD / "dataplane/trovectl", "--socket", trove.dir / "ctl.sock", "conf", "apply", new],
                                 capture_output=True, text=True, timeout=30, check=False)
            assert run.returncode in (0, 1), run.stderr
    finally:
        stop.set()
        writer.join()
    version = alive(trove, 1)["config"]["version"]
    trove.kill()
    trove.config.write_text(new.read_text())
    trove.start()
    assert "0 differences" in trove.log.read_text()
    assert trove.status()["config"]["version"] >= version


def test_two_applies_at_once_each_get_an_answer(trove):
    answers = []

    def apply(i):
        body = trove.config.read_bytes().replace(b"pop: test", b"pop: p%d" % i)
        answers.append(code(raw(trove, request("PUT", "/v1/config", body))))

    threads = [threading.Thread(target=apply, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
        trove.process.send_signal(signal.SIGHUP)
    for thread in threads:
        thread.join()
    assert len(answers) == 8 and set(answers) <= {200, 409}
    # Each of them may have come while a SIGHUP's was under way; the next one that comes alone does not.
    deadline = time.monotonic() + 10
    while 200 not in answers:
        assert time.monotonic() < deadline, answers
        apply(9)
    alive(trove, 1)


def test_status_while_hup_applies(trove):
    """Snapshots were freed under the control thread's eyes."""
    text = trove.config.read_text()
    stop = time.monotonic() + 3
    i = 0
    while time.monotonic() < stop:
        i += 1
        trove.config.write_text(text.replace("pop: test", f"pop: p{i}"))
        trove.process.send_signal(signal.SIGHUP)
        assert code(raw(trove, request("GET", "/v1/config"))) == 200
        assert code(raw(trove, request("POST", "/v1/config:diff", text.encode()))) == 200
    assert alive(trove, 1)["config"]["version"] > 3


def test_hup_with_a_broken_file_keeps_what_runs(trove):
    good = trove.config.read_text()
    for text in ("version: 1\nnonsense\n", "", "\0", good.replace("view:", "veiw: {x: y}\n    view:")):
        trove.config.write_text(text)
        before = trove.log.read_text().count("config refused")
        trove.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 5
        while trove.log.read_text().count("config refused") == before:
            assert time.monotonic() < deadline, text
            time.sleep(0.02)
    trove.config.unlink()
    trove.process.send_signal(signal.SIGHUP)
    trove.config.write_text(good)
    assert alive(trove, 1)["config"]["version"] == 1


def test_stop_twice_and_term_twice(trove):
    sock = udp()
    stop = threading.Event()

    def feed():
        while not stop.is_set():
            try:
                sock.send(encode())
            except OSError:
                return
            time.sleep(0.01)

    feeder = threading.Thread(target=feed)
    feeder.start()
    body = trove.config.read_bytes().replace(b"pop: test", b"pop: other")
    trove.ctl("stop", "--no-wait") if "--no-wait" in trove.ctl("help").stdout else raw(trove, request("POST", "/v1/stop"))
    assert code(raw(trove, request("POST", "/v1/stop"))) == 202
    answer = raw(trove, request("PUT", "/v1/config", body))
    assert code(answer) == 409 and b"draining" in answer
    trove.process.send_signal(signal.SIGTERM)
    trove.process.send_signal(signal.SIGTERM)
    trove.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    stop.set()
    feeder.join()
    assert trove.wait() == 0
    assert trove.account_line().endswith("balanced")


class Impostor:
    """Something else on the control socket."""

    def __init__(self, path, answer):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(str(path))
        self.sock.listen(8)
        self.answer = answer
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        kept = []
        while True:
            try:
                peer = self.sock.accept()[0]
            except OSError:
                return
            kept.append(peer)
            if self.answer is None:
                continue
            try:
                peer.recv(65536)
                peer.sendall(self.answer)
                peer.close()
            except OSError:
                pass


JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
IMPOSTORS = {
    "hangs": None,
    "hangs up": b"",
    "noise": bytes(range(256)) * 40,
    "not JSON": JSON % (5, b"hello"),
    "no body": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "an empty object": JSON % (2, b"{}"),
    "a list": JSON % (2, b"[]"),
    "another program's object": JSON % (13, b'{"ready":true}'),
    "deep": JSON % (200000, b"[" * 200000),
    "a short body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{",
    "another's problem": b"HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
}


@pytest.mark.parametrize("kind", IMPOSTORS)
def test_what_answers_is_not_troved(tmp_path, kind):
    impostor = Impostor(tmp_path / "ctl.sock", IMPOSTORS[kind])
    (tmp_path / "c.yaml").write_text("version: 1\n")
    verbs = [["status"], ["status", "--json"], ["latency"], ["stop", "--no-wait"], ["conf", "show"], ["conf", "apply", str(tmp_path / "c.yaml")]]
    for verb in verbs[:1] if kind == "hangs" else verbs:
        began = time.monotonic()
        run = subprocess.run([BUILD / "dataplane/trovectl", "--socket", tmp_path / "ctl.sock", *verb],
                             capture_output=True, text=True, timeout=30, check=False)
        assert run.returncode in (1, 3), (verb, run.returncode, run.stdout, run.stderr)
        assert "error:" in run.stderr, (verb, run.stdout, run.stderr)
        assert time.monotonic() - began < 10
    impostor.sock.close()


ARGUMENTS = [["--check", "/"], ["--check", "/dev/null"], ["--check", "/nonexistent"], ["--check", ""], ["--check", "x" * 5000],
             ["--config", "/etc/passwd"], ["--check", "/proc/self/mem"]]


@pytest.mark.parametrize("args", ARGUMENTS, ids=[" ".join(a)[:40] for a in ARGUMENTS])
def test_a_file_that_is_no_configuration(args):
    run = subprocess.run([BUILD / "dataplane/troved", *args], capture_output=True, text=True, timeout=10, check=False,
                         errors="replace")
    assert run.returncode == 1 and "error" in run.stderr


def test_times_of_every_kind(trove):
    now_ms = int(time.time() * 1000)
    times = [0, 1, -1, now_ms - 10**9, now_ms + 10**4, 2**31, 2**53, 2**63 - 1, -2**63, 10**30, 1.5, "2026-13-01T00:00:00Z",
             "1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "2026-02-30T00:00:00Z", "2026-01-01T00:00:60Z",
             "2026-01-01T00:00:00+23:59", "2026-01-01t00:00:00z", "0000-00-00T00:00:00Z", "", True, [], {}]
    sock = udp()
    for value in times:
        sock.send(encode(time=value))
    a = trove.settled(len(times))["account"]
    assert a["received"] == len(times) == a["accepted"] + a["rejected"]
    for line in trove.outcomes():
        assert "outcome" in line
    assert trove.term() == 0
    trove.start()
    assert "0 differences" in trove.log.read_text()


def test_the_interface_goes_down_and_comes_back(trove):
    sock = udp()
    sock.send(encode())
    trove.settled(1)
    for _ in range(3):
        subprocess.run(["ip", "link", "set", "trove0", "down"], check=True)
        assert trove.status()["state"] == "running"
        subprocess.run(["ip", "link", "set", "trove0", "up"], check=True)
    deadline = time.monotonic() + 10
    while trove.status()["account"]["received"] < 2:
        assert time.monotonic() < deadline
        try:
            sock.send(encode())
        except OSError:
            pass
        time.sleep(0.1)


EXTENSIONS = [b"\x00", b"\x2b", b"\x2c", b"\x3c", b"\x33", b"\x32", b"\x87", b"\x8b", b"\x8c", b"\xfd", b"\x3b", b"\x11", b"\x3a"]


def ipv6(next_header, payload):
    return (b"\x60\0\0\0" + len(payload).to_bytes(2, "big") + next_header + b"\x40"
            + socket.inet_pton(socket.AF_INET6, "2001:db8::2") + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + payload)


def test_a_zoo_of_extension_headers_and_arp_while_good_events_flow(trove):
    wire, rng, sock = Wire(), random.Random(11), udp()
    good = 0
    for turn in range(1500):
        chain = b""
        names = [rng.choice(EXTENSIONS) for _ in range(rng.randrange(1, 9))]
        for following in names[1:] + [rng.choice(EXTENSIONS)]:
            length = rng.choice([0, 0, 0, 1, 5, 255])
            chain += following + bytes([length]) + os.urandom(rng.choice([6, 6, 6, 14, 3]))
        wire.send(ipv6(names[0], chain + os.urandom(rng.randrange(60)))[:rng.choice([40, 41, 60, 9999])], 0x86dd)
        arp = b"\0\1\x08\0\6\4" + bytes([0, rng.randrange(4)]) + os.urandom(6) + socket.inet_aton("192.0.2.2") + bytes(6)
        wire.send((arp + socket.inet_aton("192.0.2.1"))[:rng.choice([8, 20, 28, 28, 28])], 0x0806)
        wire.send(ipv4(datagram(os.urandom(rng.randrange(200)), length=rng.randrange(300))))
        if not turn % 10:
            sock.send(encode())
            good += 1
    deadline = time.monotonic() + 15
    now = trove.status()
    while now["account"]["accepted"] < good and time.monotonic() < deadline:
        now = trove.status()
    assert now["account"]["accepted"] == good and now["account"]["balanced"]
    packets = now["packets"]
    assert packets["received"] == packets["delivered"] + packets["replied"] + sum(packets["dropped"].values()), packets
    assert trove.term() == 0
