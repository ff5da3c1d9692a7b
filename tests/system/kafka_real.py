"""What no mock can prove, against a real cluster: scripts/kafka ADDRESS TOPIC runs this. Nothing here weakens what is asked: read_committed
consumers have each outcome once and in order, whatever was killed."""
import os
import random
import time

from conftest import udp
from kafka_kit import read, same
from test_kafka import arrived, kafka_sink
from test_redis import send
from test_sinks import apply

ADDRESS, TOPIC = os.environ["TROVE_KAFKA"], os.environ["TROVE_KAFKA_TOPIC"]
KILLS = int(os.environ.get("TROVE_KILLS", "10"))


def new_in(before):
    """What has come since, of this data directory: ids begin with its name."""
    ids = {m["headers"]["trove-id"] for m in before}
    return [m for m in read(ADDRESS, TOPIC) if m["headers"]["trove-id"] not in ids]


def test_every_outcome_is_a_message(trove):
    before = read(ADDRESS, TOPIC)
    apply(trove, kafka_sink(ADDRESS, f", topic: {TOPIC}").replace("timeout: 2s", "timeout: 10s"))
    send(5000)
    udp().send(b"not json")
    trove.settled(5001)
    arrived(trove, 5001, 120)
    same(trove, new_in(before))
    assert trove.term() == 0


def test_troved_killed_at_any_time_commits_everything_once(trove):
    dice = random.Random(5)
    before = read(ADDRESS, TOPIC)
    apply(trove, kafka_sink(ADDRESS, f", topic: {TOPIC}").replace("timeout: 2s", "timeout: 10s"))
    sent = 0
    for _ in range(KILLS):
        send(1000, sent)
        sent += 1000
        time.sleep(dice.random())
        trove.kill()
        trove.start()
    send(1000, sent)
    trove.settled(1000)
    arrived(trove, 1000, 120)
    assert trove.term() == 0
    same(trove, new_in(before))
