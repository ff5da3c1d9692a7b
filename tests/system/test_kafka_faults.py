"""The Kafka sink against a broker with real transactions that does everything wrong: each outcome is committed once all the same."""
import random
import time

import pytest

from conftest import encode, udp
from fake_kafka import FakeKafka
from kafka_kit import same
from test_kafka import caught_up, kafka_sink, sink
from test_redis import until
from test_sinks import apply

KINDS = ("metadata", "coordinator", "position", "list", "init", "partitions", "produce", "offsets", "commit", "end")


@pytest.fixture
def fake():
    fake = FakeKafka()
    yield fake
    fake.close()


class Run:
    """A troved with that sink, and events for it."""

    def __init__(self, trove, keys=""):
        self.trove, self.sent, self.before = trove, 0, 0
        apply(trove, kafka_sink("127.0.0.1:9092", keys).replace("timeout: 2s", "timeout: 1s"))

    def send(self, count, wait=True):
        sock = udp()
        for _ in range(count):
            sock.send(encode(user=f"u-{self.sent % 20}", item=f"I{self.sent}"))
            self.sent += 1
            if self.sent % 10 == 0:
                time.sleep(0.005)
        if wait:
            self.trove.settled(self.sent - self.before)
        return self

    def restart(self):
        self.trove.kill()
        self.before = self.sent
        self.trove.start()

    def expect(self, fake, seconds=60):
        # What is read has left the lag; it may still be under way.
        until(lambda: len(fake.messages) >= len(self.trove.outcomes()), f"all are there: {sink(self.trove)}", seconds)
        caught_up(self.trove, seconds)
        with fake.lock:
            same(self.trove, fake.messages)


def test_a_reply_that_is_lost_after_the_commit(trove, fake):
    run = Run(trove)
    fake.fault = lambda kind, n: "after" if kind == "end" and n % 3 == 1 else None
    for _ in range(5):
        run.send(100).expect(fake)
    assert len(fake.messages) == 500 and fake.counts["end"] > 3


@pytest.mark.parametrize("how", ["before", "after"])
def test_connections_that_end_at_any_request(trove, fake, how):
    """Of each kind some request finds no answer; what was begun then is committed once, or aborted."""
    dice = random.Random(how)
    run = Run(trove)
    fake.fault = lambda kind, n: how if kind in KINDS and dice.random() < 0.04 else None
    for _ in range(4):
        run.send(200)
        time.sleep(1)
    fake.fault = lambda kind, n: None
    run.expect(fake)


def test_a_reply_cut_at_every_byte(trove, fake):
    run = Run(trove)
    run.send(20).expect(fake)
    begun = fake.counts["end"]
    fake.fault = lambda kind, n: (n - begun - 1,) if kind == "end" and 0 < n - begun <= 14 else None
    deadline = time.monotonic() + 90
    while fake.counts["end"] < begun + 15:
        assert time.monotonic() < deadline, fake.counts
        run.send(5)
        time.sleep(0.05)
    run.expect(fake)


def test_an_answer_that_never_comes(trove, fake):
    run = Run(trove)
    hung = {}
    def fault(kind, n):
        if kind in ("offsets", "commit", "end", "produce", "position", "init") and hung.setdefault(kind, n) == n and n > 0:
            return "hang"
        return None
    for _ in range(6):
        fake.fault = fault
        run.send(30)
        time.sleep(0.5)
    fake.fault = lambda kind, n: None
    run.expect(fake)


def test_troved_killed_at_any_time_commits_everything_once(trove, fake):
    dice = random.Random(5)
    run = Run(trove)
    for _ in range(8):
        run.send(300, wait=False)
        time.sleep(dice.random() / 3)
        run.restart()
    run.send(300)
    run.expect(fake)
    assert trove.term() == 0


def test_a_cursor_that_was_not_saved_after_the_commit(trove, fake):
    """An older cursor, as a crash between commit and save leaves it: the position in the cluster is what counts."""
    run = Run(trove)
    run.send(100).expect(fake)
    trove.kill()
    cursor = trove.dir / "data/sinks/k.cursor"
    old = cursor.read_bytes()
    trove.start()
    run.before = run.sent
    run.send(200).expect(fake)
    trove.kill()
    cursor.write_bytes(old)
    trove.start()
    run.before = run.sent
    run.send(50)
    run.expect(fake)
    assert len(fake.messages) == 350 and sink(trove)["repeats"] >= 200


def test_whoever_was_shut_out_keeps_out_of_anothers_work(trove, fake):
    run = Run(trove)
    run.send(50).expect(fake)
    (name, producer), = fake.producers.items()
    with fake.lock:  # one that is fenced, but nobody has written since
        producer["epoch"] += 1
    run.send(50).expect(fake)
    with fake.lock:  # and one whose place another has taken
        fake.producers[name]["epoch"] += 1
        number, text = fake.positions[name, 0]
        fake.positions[name, 0] = (number + 7, "f" * 16 + text[16:])
        inits = fake.counts["init"]
    run.send(50)
    until(lambda: "another troved has written" in sink(trove).get("error", ""), f"it stays out: {sink(trove)}")
    time.sleep(1)
    assert fake.counts["init"] == inits and len(fake.messages) == 100
    trove.kill()  # an operator's decision
    trove.start()
    run.before = run.sent
    run.send(10)
    run.expect(fake)


@pytest.mark.parametrize("text", ["hello", "f" * 16, "f" * 16 + " {} 1-x", "f" * 16 + " {} 1-", "f" * 16 + " 0000000000000000 1-5", "x" * 4080],
                         ids=["word", "run", "ordinal", "cut", "theirs", "long"])
def test_a_position_that_is_no_sinks_is_told(trove, fake, text):
    run = Run(trove)
    run.send(10).expect(fake)
    (place, (number, mine)), = fake.positions.items()
    trove.kill()
    fake.positions[place] = (number, text.format(mine.split()[1]))
    trove.start()
    until(lambda: "is not a sink's" in sink(trove).get("error", ""), f"it is refused: {sink(trove)}")
    fake.positions[place] = (number, mine)
    run.before = run.sent
    run.send(10)
    run.expect(fake)


def test_a_position_that_the_cluster_forgot_leaves_the_cursors(trove, fake):
    run = Run(trove)
    run.send(100).expect(fake)
    trove.term()
    fake.positions.clear()
    trove.start()
    run.before = run.sent
    run.send(100)
    run.expect(fake)
    assert len(fake.messages) == 200


def test_a_topic_that_was_made_anew_is_filled_from_the_beginning(trove, fake):
    run = Run(trove)
    run.send(100).expect(fake)
    trove.term()
    fake.forget()
    trove.start()
    run.before = run.sent
    run.send(20)
    until(lambda: sink(trove)["gaps"] == 1, "the gap is found")
    run.expect(fake)
    assert len(fake.messages) == 120


def test_a_topic_that_is_not_there(trove, fake):
    Run(trove, ", topic: elsewhere").send(10)
    until(lambda: "there is no topic elsewhere" in sink(trove).get("error", ""), f"it is told: {sink(trove)}")
    apply(trove, kafka_sink("127.0.0.1:9092"))
    until(lambda: len(fake.messages) == 10, "they are delivered")


def test_garbage(trove, fake):
    dice = random.Random(3)
    run = Run(trove)
    junk = [b"\xff" * 64, b"\0\0\0\0" * 8, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x7f\xff\xff\xff" + b"x" * 100]
    fake.fault = lambda kind, n: dice.choice(junk) if dice.random() < 0.1 else None
    run.send(100)
    time.sleep(4)
    fake.fault = lambda kind, n: None
    run.expect(fake)


def test_what_a_broker_refuses_is_set_aside(trove, fake):
    run = Run(trove, ", paused: true")
    run.send(30)
    fake.fault = lambda kind, n: 10 if kind == "produce" and n < 12 else None  # MESSAGE_TOO_LARGE, more than three times
    apply(trove, kafka_sink("127.0.0.1:9092"))
    until(lambda: len(fake.messages) + sink(trove)["set_aside"] >= 30, "all are there or set aside", 60)
    caught_up(trove)
    assert sink(trove)["set_aside"] >= 1
    assert len(fake.messages) + sink(trove)["set_aside"] == 30
    assert len({m["headers"]["trove-id"] for m in fake.messages}) == len(fake.messages)


def test_a_broker_that_hangs_does_not_hold_up_a_stop(trove, fake):
    apply(trove, kafka_sink("127.0.0.1:9092").replace("timeout: 2s", "timeout: 60s"))
    run = Run.__new__(Run)
    run.trove, run.sent, run.before = trove, 0, 0
    run.send(10).expect(fake)
    fake.fault = lambda kind, n: "hang"
    run.send(10)
    time.sleep(1)
    began = time.monotonic()
    assert trove.term() == 0
    assert time.monotonic() - began < 16  # `drain`, and what a wait needs to end
