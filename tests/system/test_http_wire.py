"""The live daemon behind a wire that loses up to 30 %, duplicates, reorders, delays, corrupts, splits and merges (tests/sim/bridge): a request
that got an answer is journaled exactly once, byte for byte, and none twice. TROVE_WIRE_SECONDS and TROVE_WIRE_SEED make it longer and another."""
import collections
import itertools
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import BUILD, CONFIG, encode
from posts import HTTP, PORT, Stream, answer, at_rest, awaited, journal, request, used


SECONDS = int(os.environ.get("TROVE_WIRE_SECONDS", "15"))
SEED = int(os.environ.get("TROVE_WIRE_SEED", "1"))
CLIENTS = 24
PATIENCE_S = 20


@pytest.fixture
def bridge():
    """bridge() puts the wire before a daemon that runs: its tap has no address of its own any more, the clients' is on the bridge's."""
    wires = []

    def build():
        wires.append(put_bridge())
        return wires[0]

    yield build
    for wire in wires:
        wire.kill()
        wire.wait()


def put_bridge():
    pathlib.Path("/proc/sys/net/ipv6/conf/trove0/disable_ipv6").write_text("1")
    subprocess.run(["ip", "link", "set", "trove0", "arp", "off", "up"], check=True)
    wire = subprocess.Popen([BUILD / "tests/sim/bridge", "--seed", str(SEED), "--redraw", "1", "client0", "trove0"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    awaited(lambda: "client0" in [name for _, name in socket.if_nameindex()] or wire.poll() is not None)
    assert wire.poll() is None, wire.stderr.read()
    subprocess.run("ip addr add 192.0.2.2/24 dev client0 && ip link set client0 up", shell=True, check=True)
    return wire


class Client(threading.Thread):
    """Connection after connection, each with a few requests at once; one that is slow or dies is left, and the next one begun."""

    def __init__(self, number, until):
        super().__init__(daemon=True)
        self.random, self.until = random.Random(SEED * 1000 + number), until
        self.sent, self.answered, self.broken, self.fault = [], [], 0, None

    def run(self):
        while time.monotonic() < self.until:
            try:
                with socket.create_connection(("192.0.2.1", PORT), timeout=PATIENCE_S) as sock:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each piece is a segment, or more
                    self.use(sock)
            except OSError:
                self.broken += 1
            except Exception as fault:  # the test shows it: a thread cannot fail
                self.fault = repr(fault)
                break

    def use(self, sock):
        stream = Stream(sock)
        while time.monotonic() < self.until and self.random.random() < 0.95:
            requests = [self.batch() for _ in range(self.random.choice((1, 1, 2, 5)))]
            wire = b"".join(request(b"\n".join(events), kind="application/x-ndjson") if len(events) > 1 else request(events[0])
                            for events in requests)
            self.sent += [event for events in requests for event in events]
            for begin, end in itertools.pairwise([0, *sorted(self.random.choices(range(len(wire)), k=self.random.choice((0, 1, 4)))), len(wire)]):
                sock.sendall(wire[begin:end])
            for events in requests:
                self.read(stream, events)

    def batch(self):
        pad = self.random.choice((0, 50, 500, 1100))
        count = self.random.choice((1, 1, 1, 3, 40))
        return [encode(user=f"u-{self.random.randrange(1000)}", data={"pad": "x" * self.random.randrange(pad + 1)}) for _ in range(count)]

    def read(self, stream, events):
        try:
            got = answer(stream)
        except ConnectionError:
            raise
        except Exception as fault:  # http.client's, for an answer that ends early
            raise OSError(str(fault)) from fault
        if got.status in (408, 503):  # too slow, over such a wire: the connection ends, and what was left is not known
            raise OSError(got.json["code"])
        if len(events) > 1:
            assert got.status == 200 and got.json["accepted"] == len(events), got
        else:
            assert got.status == 202 and got.json["id"] == json.loads(events[0])["id"], got
        self.answered += events


def test_what_was_answered_over_a_hostile_wire_is_journaled_once(make, bridge):
    trove = make(HTTP, config=CONFIG.replace("500_000", str(500_000 + 20_000 * SECONDS)))  # every id is a new one
    trove.start(expect_ready=False)
    wire = bridge()
    before, until = used(trove.status()), time.monotonic() + SECONDS
    clients = [Client(number, until) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(timeout=SECONDS + 4 * PATIENCE_S)
        assert not client.is_alive() and not client.fault, client.fault
    now = at_rest(trove, seconds=90, before=before)  # the kernel, or ours, gives up what the wire has cut off
    wire.send_signal(signal.SIGTERM)
    faults = json.loads(wire.communicate(timeout=10)[0])
    sent = collections.Counter(event for client in clients for event in client.sent)
    answered = collections.Counter(event for client in clients for event in client.answered)
    journaled = collections.Counter(bytes_ for _, bytes_ in journal(trove))
    print(json.dumps({"sent": sent.total(), "answered": answered.total(), "journaled": journaled.total(),
                      "broken": sum(client.broken for client in clients), **faults}))
    assert set(journaled.values()) == {1} and journaled <= sent
    assert answered <= journaled and answered.total() > 10 * SECONDS
    assert min(faults[kind] for kind in ("lost", "duplicated", "corrupted", "split", "merged")) > 0
    assert now["tcp"]["dropped"]["checksum"] > 0 and now["tcp"]["out_of_order"] > 0 and now["tcp"]["retransmits"] > 0
    assert now["account"]["accepted"] == journaled.total()
    assert used(now) == before
