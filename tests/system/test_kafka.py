"""The Kafka sink against librdkafka's mock cluster: transport, retries, refusals, takeovers; every outcome once by id."""
import json
import random
import time

import pytest

import cloudevents
from conftest import udp
from kafka_kit import ADD_OFFSETS, END, INIT, OFFSET_COMMIT, PRODUCE, Mock, read, same
from test_redis import send, until
from test_sinks import apply

NOT_COORDINATOR, COORDINATOR_LOADING, NOT_LEADER, BAD_EPOCH, FENCED, UNKNOWN_SERVER = 16, 14, 6, 47, 90, -1


@pytest.fixture
def cluster():
    mock = Mock().tell("topic", "trove", 4)
    yield mock
    mock.kill()


def kafka_sink(address, keys=""):
    return f"  - {{ name: k, type: kafka, address: '{address}', timeout: 2s{keys} }}\n"


def sink(trove):
    return json.loads(trove.ctl("sink", "k", "--json").stdout)["sinks"][0]


def caught_up(trove, seconds=30):
    try:
        until(lambda: sink(trove)["state"] == "ok" and not sink(trove)["lag_records"], "the sink has caught up", seconds)
    except AssertionError as late:
        raise AssertionError(f"{late}: {sink(trove)}") from late


def arrived(trove, count, seconds=60):
    """What was read has left the lag, and may still be under way: so many have been confirmed, or set aside."""
    def done():
        state = sink(trove)
        return state["delivered"] + state["set_aside"] >= count
    until(done, f"{count} are delivered", seconds)
    caught_up(trove)


def first_of_each(found):
    """What a consumer has that remembers ids: the mock has no transactions that could be aborted, so it keeps what was sent twice."""
    ids = set()
    return [m for m in found if not (m["headers"]["trove-id"] in ids or ids.add(m["headers"]["trove-id"]))]


def test_every_outcome_is_a_message(trove, cluster):
    apply(trove, kafka_sink(cluster.address))
    send(3000)
    udp().send(b"not json")
    trove.settled(3001)
    arrived(trove, 3001)
    found = read(cluster.address, "trove")
    same(trove, found)
    assert {m["headers"]["content-type"] for m in found} == {"application/json"}
    assert {m["partition"] for m in found} == {0, 1, 2, 3}
    state = sink(trove)
    assert state["type"] == "kafka" and state["errors"] == state["repeats"] == 0 and state["delivered"] == 3001
    assert trove.term() == 0


def test_cloud_events_say_what_they_are(trove, cluster):
    apply(trove, kafka_sink(cluster.address, ", format: cloudevents"))
    send(10)
    trove.settled(10)
    arrived(trove, 10)
    for message in read(cluster.address, "trove"):
        assert cloudevents.check(message["value"])["id"] == message["headers"]["trove-id"]
        assert message["headers"]["content-type"] == "application/cloudevents+json; charset=UTF-8"


def test_troved_killed_at_any_time_loses_nothing(trove, cluster):
    dice = random.Random(7)
    apply(trove, kafka_sink(cluster.address))
    sent = 0
    for _ in range(4):
        send(700, sent)
        sent += 700
        time.sleep(dice.random() / 3)
        trove.kill()
        trove.start()
    send(700, sent)
    trove.settled(700)
    arrived(trove, 700)
    same(trove, first_of_each(read(cluster.address, "trove")))
    assert trove.term() == 0


def test_brokers_that_go_and_come_back(trove, cluster):
    apply(trove, kafka_sink(cluster.address))
    sent = 0
    for round_ in range(6):
        cluster.tell("down", round_ % 3 + 1)
        send(200, sent)
        sent += 200
        time.sleep(0.5)
        cluster.tell("up", round_ % 3 + 1)
    trove.settled(sent)
    arrived(trove, sent, 90)
    same(trove, first_of_each(read(cluster.address, "trove")))


def test_a_cluster_that_is_away_costs_lag_only(trove, cluster):
    apply(trove, kafka_sink(cluster.address))
    for broker in (1, 2, 3):
        cluster.tell("down", broker)
    send(500)
    assert trove.settled(500)["account"]["lost"] == 0
    until(lambda: sink(trove)["state"] == "error" and sink(trove)["lag_records"] >= 500, f"it says so: {sink(trove)}")
    assert cluster.address.split(",", maxsplit=1)[0] in sink(trove)["error"]
    for broker in (1, 2, 3):
        cluster.tell("up", broker)
    arrived(trove, 500, 90)
    same(trove, first_of_each(read(cluster.address, "trove")))


def arrives_despite(trove, cluster, errors, times):
    """Each of these errors of the cluster, so many times in a row, and a hundred events behind it."""
    apply(trove, kafka_sink(cluster.address))
    for round_, (api, code) in enumerate(errors):
        cluster.tell("errors", api, code, times)
        send(100, round_ * 100)
        trove.settled(round_ * 100 + 100)
        arrived(trove, round_ * 100 + 100)
    same(trove, first_of_each(read(cluster.address, "trove")))


def test_errors_that_pass_cost_nothing(trove, cluster):
    arrives_despite(trove, cluster, ((PRODUCE, NOT_LEADER), (ADD_OFFSETS, COORDINATOR_LOADING), (OFFSET_COMMIT, NOT_COORDINATOR), (END, COORDINATOR_LOADING)), 2)


def test_errors_that_end_a_transaction_are_begun_again(trove, cluster):
    arrives_despite(trove, cluster, ((PRODUCE, UNKNOWN_SERVER), (END, FENCED), (OFFSET_COMMIT, BAD_EPOCH), (INIT, UNKNOWN_SERVER)), 1)


def test_pause_resume_drain_and_the_selection(trove, cluster):
    apply(trove, kafka_sink(cluster.address, ", outcomes: [rejected]"))
    trove.ctl("sink", "k", "pause")
    until(lambda: sink(trove)["state"] == "paused", "paused")
    send(100)
    udp().send(b"no")
    trove.settled(101)
    assert read(cluster.address, "trove") == []
    trove.ctl("sink", "k", "drain")
    until(lambda: sink(trove)["state"] == "paused" and not sink(trove)["lag_records"], "drained")
    found = read(cluster.address, "trove")
    assert [json.loads(m["value"])["outcome"] for m in found] == ["rejected"]
