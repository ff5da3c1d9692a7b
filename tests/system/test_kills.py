"""kill -9 of the daemon and of the server on the other side, at random during delivery: every outcome of the journal is there once."""
import collections
import json
import os
import random
import threading
import time

import pytest

import nats_kit
import test_redis
from conftest import encode, udp
from test_sinks import apply

KILLS = int(os.environ.get("TROVE_KILLS", "3"))  # of each sink; scripts/kills --count 100 is what a release is tested with
SEED = int(os.environ.get("TROVE_KILLS_SEED", "1"))


class Sender:
    """Events without a pause, whoever is dead."""

    def __init__(self):
        self.sent, self.ended = 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            try:
                sock = udp()
                for _ in range(20):
                    sock.send(encode(user=f"u-{self.sent % 300}", item=f"I{self.sent}"))
                    self.sent += 1
                sock.close()
            except OSError:
                pass  # its interface is gone with the daemon
            self.ended.wait(0.02)

    def end(self):
        self.ended.set()
        self.thread.join()


class File:
    """The file sink: troved alone can be killed."""

    name = "file"
    lines = ""

    def __init__(self, trove):
        self.trove = trove

    def kill(self, _dice):
        return False

    def seqs(self):
        return [o["seq"] for o in self.trove.outcomes()]

    def close(self):
        pass


class Redis:
    name = "r"

    def __init__(self, trove):
        self.server = test_redis.Redis(trove.dir).start()
        self.lines = f"  - {{ name: r, type: redis, address: 'unix:{self.server.socket}', timeout: 1s, max_length: 0 }}\n"

    def kill(self, dice):
        self.server.kill()
        time.sleep(dice.random() / 2)
        self.server.start()
        return True

    def seqs(self):
        return [json.loads(fields["outcome"])["seq"] for _, fields in self.server.entries()]

    def close(self):
        self.server.kill()


class Nats:
    """Three nodes, of which one or two are killed at once: with two there is nobody to agree with."""

    name = "n"
    ports = [4222, 4223, 4224]

    def __init__(self, trove):
        self.nodes = [nats_kit.Server(trove.dir, f"n{i}", port, self.ports).start() for i, port in enumerate(self.ports)]
        for node in self.nodes:
            node.wait(60)
        addresses = ", ".join(f"127.0.0.1:{port}" for port in self.ports)
        self.lines = f"  - {{ name: n, type: nats, address: '{addresses}', timeout: 2s, replicas: 3 }}\n"

    def kill(self, dice):
        victims = dice.sample(self.nodes, dice.choice((1, 2)))
        for node in victims:
            node.kill()
        time.sleep(dice.random() / 2)
        for node in victims:
            node.start()
        for node in victims:
            node.wait(60)
        return True

    def seqs(self):
        client = nats_kit.Client(self.nodes[0].port)
        found = [json.loads(data)["seq"] for _, _, data in client.messages("trove")]
        client.close()
        return found

    def close(self):
        for node in self.nodes:
            node.kill()


def in_journal(trove):
    """The seq of every outcome, and of every dead letter, as the journal itself tells it."""
    lines = trove.ctl("segment", "export", "--data-dir", trove.dir / "data").stdout.splitlines()
    return [r["seq"] for r in map(json.loads, lines) if r["kind"] in ("outcome", "dead")]


def caught_up(trove, name, seconds):
    deadline = time.monotonic() + seconds
    calm = 0
    while calm < 5:  # what was read has left the lag, and may still be under way
        state = json.loads(trove.ctl("sink", name, "--json").stdout)["sinks"][0]
        calm = calm + 1 if state["state"] == "ok" and not state["lag_records"] else 0
        assert time.monotonic() < deadline, f"it has not caught up: {state}"
        time.sleep(0.1)


@pytest.mark.parametrize("kind", [File, Redis, Nats], ids=["file", "redis", "nats"])
def test_every_outcome_is_there_once_whoever_is_killed(trove, kind):
    dice = random.Random(f"{kind.name} {SEED}")
    other = kind(trove)
    kills = collections.Counter()
    try:
        if other.lines:
            apply(trove, other.lines)
        sender = Sender()
        while sum(kills.values()) < KILLS:
            time.sleep(dice.random())
            if dice.random() < 0.5 and other.kill(dice):
                kills["server"] += 1
                continue
            trove.kill()
            kills["troved"] += 1
            trove.start()
        time.sleep(0.5)
        sender.end()
        caught_up(trove, other.name, 120)
        assert trove.term() == 0
        journal, there = in_journal(trove), other.seqs()
        twice = [seq for seq, count in collections.Counter(there).items() if count > 1]
        missing = sorted(set(journal) - set(there))
        assert not twice and not missing and len(there) == len(journal), (len(journal), len(there), twice[:5], missing[:5])
        assert len(journal) > 20 * KILLS, "hardly anything was delivered"
        print(f"{kind.__name__}: {dict(kills)}, {sender.sent} events sent, {len(journal)} outcomes, each there once")
    finally:
        other.close()
