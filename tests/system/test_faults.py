"""Killed at random, killed or failed at the n-th write or sync: what had been durable is there, and nothing is twice.

TROVE_FAULTS=N makes it the long search of scripts/faults: N kills at random, and every n up to N / 5."""
import json
import os
import random
import subprocess
import threading
import time
import uuid

import pytest

from conftest import BUILD, encode, udp
from test_damage import SMALL
from test_disk import CATALOG, STRACE, TRAIL, needs_strace

LONG = int(os.environ.get("TROVE_FAULTS", "0"))
KILLS = LONG or 5
FAULTS = [("pwritev2", "signal=SIGKILL"), ("pwritev2", "error=EIO"), ("pwritev2", "error=ENOSPC"),
          ("fdatasync", "signal=SIGKILL"), ("fdatasync", "error=EIO")]
PLACES = [(*fault, n) for n in range(1, LONG // 5 + 1) for fault in FAULTS] if LONG else \
    [(*FAULTS[0], 7), (*FAULTS[2], 5), (*FAULTS[3], 8), (*FAULTS[4], 1)]


class Sender(threading.Thread):
    """Events one after the other, until it is told to end; `sent` holds the bytes of each by id."""

    def __init__(self, sent, pause):
        super().__init__()
        self.sent, self.pause, self.end = sent, pause, threading.Event()
        self.start()

    def run(self):
        ids = list(self.sent)
        try:
            sock = udp()
        except OSError:
            return
        while not self.end.is_set():
            name = str(uuid.uuid4())
            if ids and random.random() < 0.1:
                name = random.choice(ids)
            self.sent.setdefault(name, encode(id=name, user=f"u-{random.randrange(30)}", item=random.choice("ABC")))
            ids.append(name)
            try:
                sock.send(self.sent[name])
            except OSError:
                return
            time.sleep(self.pause)

    def stop(self):
        self.end.set()
        self.join()


@pytest.fixture(autouse=True)
def seed():
    """Printed, so that a failure can be looked for again: TROVE_SEED=N."""
    value = int(os.environ.get("TROVE_SEED", time.time_ns() % 2**32))
    print(f"seed {value}")
    random.seed(value)


def fresh(make, io="auto"):
    # Ids of the whole run are known: what comes again after the window is another event.
    config = SMALL.replace("journal: {{ ", f"journal: {{{{ io: {io}, ").replace("capacity: 500_000", "capacity: 500_000, window: 24h")
    assert config != SMALL and "window: 24h" in config
    trove = make(config=config + TRAIL.replace("{dir}", "{{dir}}").replace("{{dir}}", "{dir}"))
    (trove.dir / "c.tsv").write_text(CATALOG)
    return trove


def delivered(trove):
    """Outcomes that a sink has: they were durable. What a crash left of the last line is not one yet."""
    path = trove.dir / "out.ndjson"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def oracles(trove, sent, before):
    """The daemon runs again. before: what had been delivered when it ended."""
    trove.settled(0)
    trove.ctl("replay", "--verify", "--data-dir", trove.dir / "data")
    trove.ctl("segment", "verify", "--data-dir", trove.dir / "data")
    exported = trove.ctl("segment", "export", "--data-dir", trove.dir / "data").stdout.splitlines()
    records = {}
    for record in map(json.loads, exported):
        if "seq" in record:
            assert record["seq"] not in records, "a sequence number is given twice"
            records[record["seq"]] = record
            assert record["kind"] != "event" or record["text"].encode() == sent[json.loads(record["text"])["id"]], "not as sent"
    ids = [json.loads(record["text"])["id"] for record in records.values() if record["kind"] == "event"]
    assert len(ids) == len(set(ids)), "an event was accepted twice"
    for outcome in before:
        assert outcome["seq"] in records, "what was durable is gone"
        if "event_seq" in outcome:
            assert json.loads(records[outcome["event_seq"]]["text"])["id"] == outcome["id"], "another event has its number"
    wanted, deadline = {seq for seq, record in records.items() if record["kind"] != "event"}, time.monotonic() + 10
    while True:
        now = delivered(trove)
        seqs = [outcome["seq"] for outcome in now]
        assert len(seqs) == len(set(seqs)), "an outcome was delivered twice"
        assert set(seqs) <= wanted, "something was delivered that is not in the journal"
        if set(seqs) == wanted:
            break
        assert time.monotonic() < deadline, "the sink does not come to where the journal is"
        time.sleep(0.05)
    awards = [(outcome["user"], outcome["hunt"]) for outcome in now if outcome["outcome"] == "award"]
    assert len(awards) == len(set(awards)), "an award was given twice"
    return len(records)


def test_killed_at_random(make):
    trove, sent, before = fresh(make), {}, []
    for _ in range(KILLS):
        trove.start()
        oracles(trove, sent, before)
        sender = Sender(sent, random.choice([0, 0.0005, 0.003]))
        time.sleep(random.uniform(0.02, 0.5))
        trove.kill()
        sender.stop()
        before = delivered(trove)
    trove.start()
    assert oracles(trove, sent, before) > KILLS
    assert trove.term() == 0


def begin(trove, inject):
    """A start in which a system call fails or kills; it may end before it is ready."""
    with open(trove.log, "w", encoding="utf-8") as log:
        trove.process = subprocess.Popen([STRACE, "-D", "-f", "-qq", "-e", "trace=pwritev2,fdatasync", "-e", f"inject={inject}",
                                          "-o", trove.dir / "strace", BUILD / "dataplane/troved", "--config", trove.config],
                                         stderr=log, stdout=log)
    deadline = time.monotonic() + 60
    while " ready: " not in trove.log.read_text() and trove.process.poll() is None:
        assert time.monotonic() < deadline, trove.log.read_text()
        time.sleep(0.05)
    # Nobody to send to is no fault of the test: it may have ended by now.
    subprocess.run("ip addr add 192.0.2.2/24 dev trove0; ip link set trove0 up", shell=True, check=False, capture_output=True)


def stopped_journal(trove):
    run = subprocess.run([BUILD / "dataplane/trovectl", "status", "--json", "--socket", trove.dir / "ctl.sock"],
                         capture_output=True, check=False)
    return run.returncode != 3 and json.loads(run.stdout)["journal"][0]["error"]


@needs_strace
@pytest.mark.parametrize("call, how, n", PLACES)
def test_the_nth_call_fails(make, call, how, n):
    trove, sent = fresh(make, "sync"), {}  # what strace can reach
    kills = "SIGKILL" in how
    begin(trove, f"{call}:{how}:when={n}" + ("" if kills else "+"))
    sender = Sender(sent, 0.002)
    deadline = time.monotonic() + 30
    while trove.process.poll() is None and (kills or not stopped_journal(trove)):
        assert time.monotonic() < deadline, "it was never reached"
        time.sleep(0.05)
    sender.stop()
    if not kills and trove.process.poll() is None:
        trove.ctl("stop")
    assert kills or trove.wait() == 1 and "error: " in trove.log.read_text(), trove.log.read_text()
    trove.process = None
    before = delivered(trove)
    trove.start()
    oracles(trove, sent, before)
    assert trove.term() == 0
