"""The NATS sink against a server that does everything wrong on the wire: each outcome is stored once all the same."""
import json
import threading
import time

import pytest

from conftest import encode, udp
from fake_nats import FakeNats
from test_redis import until
from test_sinks import apply

SINK = "  - {{ name: n, type: nats, address: '127.0.0.1:4222', timeout: {timeout}{keys} }}\n"


@pytest.fixture
def fake():
    fake = FakeNats()
    yield fake
    fake.close()


class Run:
    """A troved with that sink, and events for it."""

    def __init__(self, trove, fake, timeout="300ms", keys=""):
        self.trove, self.fake, self.sent = trove, fake, 0
        self.before = 0  # sent to a troved that is no more
        apply(trove, SINK.format(timeout=timeout, keys=keys))

    def send(self, count):
        sock = udp()
        for _ in range(count):
            sock.send(encode(user=f"u-{self.sent % 20}", item=f"I{self.sent}"))
            self.sent += 1
            if self.sent % 10 == 0:
                time.sleep(0.005)
        self.trove.settled(self.sent - self.before)
        return self

    def sink(self):
        return json.loads(self.trove.ctl("sink", "n", "--json").stdout)["sinks"][0]

    def expect(self, seconds=30, less=0):
        try:
            until(lambda: len(self.fake.ids()) >= self.sent - less, f"{self.sent} are stored", seconds)
        except AssertionError as late:
            raise AssertionError(f"{len(self.fake.ids())} of {self.sent}: {self.sink()}") from late
        until(lambda: self.sink()["state"] == "ok" and not self.sink()["lag_records"], "the sink is well", seconds)
        ids = self.fake.ids()
        assert len(ids) == len(set(ids)) == self.sent - less
        assert {i.split("-", 1)[1].replace("-", ":") for i in ids} <= {o["seq"] for o in self.trove.outcomes()}


def test_an_ack_that_is_lost_after_the_commit(trove, fake):
    fake.fault = lambda kind, reply, n: [] if kind == "ack" and n % 2 else [reply]
    run = Run(trove, fake)
    for _ in range(6):
        run.send(50)
        run.expect()
    assert run.sink()["errors"] >= 3


def test_a_reset_at_every_byte_of_a_reply(trove, fake):
    """One connection is reset behind byte k of an acknowledgement, the next one is served, and so for every k."""
    state = {"k": 0, "armed": False, "longest": 1}

    def fault(kind, reply, _):
        if kind != "ack" or not state["armed"]:
            return [reply]
        state["armed"] = False
        state["longest"] = len(reply)
        return [reply[:state["k"]], None]

    fake.fault = fault
    run = Run(trove, fake)
    while state["k"] <= state["longest"]:
        state["armed"] = True
        run.send(3)
        run.expect()
        assert not state["armed"]
        state["k"] += 1
    assert state["k"] > 60 and run.sink()["errors"] >= 60


@pytest.mark.parametrize("kind", ["info", "create", "get"])
def test_a_reset_within_what_is_said_at_the_start(trove, fake, kind):
    state = {"k": 0, "longest": 1}

    def fault(said, reply, _):
        if said != kind or state["k"] > state["longest"]:
            return [reply]
        state["longest"] = len(reply)
        state["k"] += 41
        fake.exists = fake.exists and said != "create"
        return [reply[:state["k"] - 41], None]

    fake.fault = fault
    run = Run(trove, fake).send(5)
    if kind == "get":
        run.expect()
        trove.ctl("sink", "n", "pause")
        apply(trove, "")
        apply(trove, SINK.format(timeout="300ms", keys=""))
        trove.ctl("sink", "n", "resume")
        run.send(5)
    run.expect(60)
    assert state["k"] > state["longest"]


def test_acks_that_come_twice_and_in_another_order(trove, fake):
    """Of a batch of 350 the sink asks for six acknowledgements: one each 64, and the last."""
    held, lock = [], threading.Lock()

    def fault(kind, reply, n):
        if kind != "ack":
            return [reply]
        with lock:
            held.append(reply)
            return held[::-1] + held[:3] if len(held) == 6 else []

    fake.fault = fault
    run = Run(trove, fake, "5s")
    trove.ctl("sink", "n", "pause")
    run.send(350)
    trove.ctl("sink", "n", "resume")
    until(lambda: len(fake.ids()) == 350, "all are stored")
    assert len(held) == 6
    fake.fault = lambda kind, reply, n: [reply, reply] if kind == "ack" else [reply]
    run.send(200)
    run.expect(60)
    assert run.sink()["errors"] == 0


def test_a_refusal_in_the_middle_of_a_batch(trove, fake):
    """What is behind it is not taken, and the answer to the last message says so, though nothing else was asked."""
    run = Run(trove, fake)
    run.send(1)
    run.expect()
    refused = []

    def refuse(own):
        if len(refused) == 2 or own != (refused[0] if refused else own) or len(fake.messages) != 30:
            return None
        refused.append(own)
        return 10077

    fake.refuse = refuse
    trove.ctl("sink", "n", "pause")
    run.send(100)
    trove.ctl("sink", "n", "resume")
    run.expect()
    assert len(refused) == 2 and refused[0] == refused[1]
    assert run.sink()["errors"] == 1 and run.sink()["repeats"] == 29


WRONG = [b"", b"x", b"[]", b"{}", b"1", b'{"stream":"other","seq":1}', b'{"stream":"trove"}', b'{"stream":"trove","seq":"1"}',
         b'{"stream":"trove","seq":0}', b'{"stream":"trove","seq":-1}', b'{"stream":"trove","seq":1e3}', b'{"stream":"trove","seq":999999999}',
         b'{"stream":"trove","seq":99999999999999999999999}', b'{"stream":["trove"],"seq":1}', b'{"stream":"trove","stream":"trove","seq":1}',
         b'{"error":{}}', b'{"error":{"err_code":"x","description":7}}', b'{"error":7}', b"\xff\xfe", b"[" * 4000, b"x" * 70000]


@pytest.mark.parametrize("kind", ["ack", "info"])
def test_replies_of_another_kind(trove, fake, kind):
    state = {"next": 0, "armed": kind == "info"}

    def fault(said, reply, _):
        if said != kind or not state["armed"] or state["next"] >= len(WRONG):
            return [reply]
        wrong = WRONG[state["next"]]
        state["next"] += 1
        state["armed"] = kind == "info" and state["next"] % 3 != 0
        return [b"MSG %s 1 %d\r\n%s\r\n" % (reply.split()[1], len(wrong), wrong)]

    fake.fault = fault
    run = Run(trove, fake)
    while state["next"] < len(WRONG):
        if kind == "ack":
            state["armed"] = True
        run.send(2)
        if kind == "info" and state["next"]:
            state["armed"] = True
            trove.ctl("sink", "n", "pause")
            apply(trove, "")
            apply(trove, SINK.format(timeout="300ms", keys=""))
            trove.ctl("sink", "n", "resume")
        run.expect(60)


@pytest.mark.parametrize("said", [b"-ERR 'no'\r\n", b"\x00\x01\x02\r\n", b"MSG\r\n", b"MSG a b c d e\r\n", b"MSG x 1 99999999999\r\n",
                                  b"HMSG x 1 5 3\r\n12345678\r\n", b"x" * 100000, b"MSG x 1 4000000\r\n" + b"y" * 4000000], ids=range(8))
def test_what_is_no_protocol(trove, fake, said):
    armed = [True]

    def fault(kind, reply, _):
        if kind == "ack" and armed[0]:
            armed[0] = False
            return [said]
        return [reply]

    fake.fault = fault
    Run(trove, fake).send(5).expect()
    assert not armed[0]


@pytest.mark.parametrize("hello", [[], [b"INFO "], [b"INFO {}\r\n", None], [b"+OK\r\n"], [b"INFO " + b"x" * 100000], [None]], ids=range(6))
def test_a_server_that_greets_wrong_or_not_at_all(trove, fake, hello):
    good = fake.hello
    fake.hello = lambda: hello
    run = Run(trove, fake).send(5)
    until(lambda: run.sink()["errors"] >= 1, "it fails")
    fake.hello = good
    run.expect()


def test_records_refused_for_their_own_sake_are_set_aside_and_no_others(trove, fake):
    came = []  # ids in the order in which they came first

    def refuse(own):
        if own not in came:
            came.append(own)
        return 10054 if came.index(own) in (7, 31, 32) else None

    fake.refuse = refuse
    run = Run(trove, fake).send(60)
    until(lambda: len(fake.ids()) + run.sink()["set_aside"] == 60 and run.sink()["state"] == "ok", "it has caught up", 60)
    seq = lambda own: own.split("-", 1)[1].replace("-", ":")
    dead = [json.loads(line)["outcome"]["seq"] for line in (trove.dir / "data/sinks/n.dead").read_text().splitlines()]
    assert dead == [seq(came[i]) for i in (7, 31, 32)] and run.sink()["set_aside"] == 3
    stored = [seq(own) for own in fake.ids()]
    assert len(stored) + len(dead) == 60 and sorted(stored + dead) == sorted(o["seq"] for o in trove.outcomes())


def test_a_server_that_is_out_of_room_is_waited_for(trove, fake):
    fake.refuse = lambda own: 10047
    run = Run(trove, fake).send(60)
    until(lambda: run.sink()["errors"] >= 4, "it is tried again")
    assert not run.sink()["set_aside"] and "refused as told, 10047" in run.sink()["error"]
    fake.refuse = lambda own: None
    run.expect()


def test_a_server_that_drips_or_hangs_is_late(trove, fake):
    def fault(kind, reply, n):
        if kind == "ack" and n == 2:
            return (time.sleep(0.02) or reply[i:i + 1] for i in range(len(reply)))
        return [] if kind == "ack" and n == 4 else [reply]

    fake.fault = fault
    run = Run(trove, fake)
    for _ in range(5):
        run.send(6).expect()
    assert fake.connections >= 2


def test_ids_that_the_server_knows_are_passed(trove, fake):
    """The stream's last message tells nothing any more, and the cursor is behind: only the ids are left."""
    run = Run(trove, fake).send(40)
    run.expect()
    trove.kill()
    fake.answer_get = fake.answer
    fake.answer = lambda subject, head, body: ("get", {"error": {"code": 404, "err_code": 10037, "description": "no message found"}}) \
        if ".MSG.GET." in subject else fake.answer_get(subject, head, body)
    trove.start()
    run.before = run.sent
    run.send(10)
    run.expect(60)
