"""The NATS JetStream sink against real servers: every outcome once and in order, whatever dies, hangs or forgets."""
import json
import random
import shutil
import signal
import time

import pytest

import cloudevents
from conftest import Trove, encode, udp
from nats_kit import SERVER, Client, Server
from test_redis import send, until
from test_sinks import apply

pytestmark = pytest.mark.skipif(not SERVER, reason="nats-server is not installed")


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path).start().wait()
    yield server
    server.kill()


def nats_sink(address="127.0.0.1:4222", keys=""):
    return f"  - {{ name: n, type: nats, address: '{address}', timeout: 1s{keys} }}\n"


def sink(trove):
    return json.loads(trove.ctl("sink", "n", "--json").stdout)["sinks"][0]


def is_caught_up(trove):
    now = sink(trove)
    return now["state"] == "ok" and not now["lag_records"]


def caught_up(trove, seconds=30):
    until(lambda: is_caught_up(trove), lambda: f"it has caught up: {sink(trove)}", seconds)


def messages(port=4222, stream="trove"):
    client = Client(port)
    found = client.messages(stream)
    client.close()
    return found


def same(trove, found):
    """The messages are the file sink's lines, each once, every partition's in order, each under its own id."""
    key = lambda o: tuple(map(int, o["seq"].split(":")))
    said = [json.loads(data) for _, _, data in found]
    assert sorted(said, key=key) == sorted(trove.outcomes(), key=key)
    assert len({headers["Nats-Msg-Id"] for _, headers, _ in found}) == len(found)
    last = {}
    for outcome, (_, headers, _) in zip(said, found):
        partition, seq = key(outcome)
        assert seq > last.get(partition, 0), "out of order"
        last[partition] = seq
        assert headers["Nats-Msg-Id"].endswith("-" + outcome["seq"].replace(":", "-"))


def test_every_outcome_is_a_message(trove, server):
    apply(trove, nats_sink(keys=", subject: 'awards.{hunt}.{pop}.x-{outcome}'"))
    send(3000)
    udp().send(b"not json")
    trove.settled(3001)
    caught_up(trove)
    found = messages()
    same(trove, found)
    assert {subject for subject, _, _ in found} == {"awards.-.test.x-visit", "awards.-.test.x-rejected"}
    info = Client(server.port).info("trove")["config"]
    assert info["subjects"] == ["awards.*.test.*"] and info["storage"] == "file" and info["duplicate_window"] == 240 * 10**9
    state = sink(trove)
    assert state["type"] == "nats" and state["errors"] == state["repeats"] == 0 and state["delivered"] == 3001
    assert trove.term() == 0


def test_cloud_events_say_what_they_are(trove, server):
    apply(trove, nats_sink(keys=", format: cloudevents"))
    send(10)
    trove.settled(10)
    caught_up(trove)
    for _, headers, data in messages():
        assert cloudevents.check(data)["id"] == headers["Nats-Msg-Id"]
        assert headers["Content-Type"] == "application/cloudevents+json"


def test_troved_and_the_server_killed_at_any_time(trove, server):
    """The cursor lags by confirm_after, so what is sent again after each kill is what the stream has already."""
    dice = random.Random(7)
    apply(trove, nats_sink())
    sent = 0
    for round_ in range(8):
        send(700, sent)
        sent += 700
        time.sleep(dice.random() / 5)
        if round_ % 2:
            trove.kill()
            trove.start()
        else:
            server.kill()
            server.start()
    send(700, sent)
    trove.settled(700)
    caught_up(trove)
    same(trove, messages())
    assert trove.term() == 0


def test_a_stream_that_lost_its_end_gets_it_again(trove, server):
    apply(trove, nats_sink())
    send(500)
    trove.settled(500)
    caught_up(trove)
    server.kill(signal.SIGTERM)
    shutil.copytree(server.dir / "js", server.dir / "old")
    server.start().wait()
    send(500, 500)
    trove.settled(1000)
    caught_up(trove)
    server.kill(signal.SIGTERM)
    shutil.rmtree(server.dir / "js")
    (server.dir / "old").rename(server.dir / "js")
    server.start().wait()
    send(500, 1000)
    trove.settled(1500)
    caught_up(trove)
    same(trove, messages())
    assert sink(trove)["gaps"] == 1


def test_a_stream_that_was_deleted_is_filled_from_the_beginning(trove, server):
    apply(trove, nats_sink())
    send(500)
    trove.settled(500)
    caught_up(trove)
    assert Client(server.port).request("$JS.API.STREAM.DELETE.trove")["success"]
    send(10, 500)
    trove.settled(510)
    until(lambda: sink(trove)["gaps"] == 1, "the gap is found")
    caught_up(trove)
    same(trove, messages())


def test_a_purged_stream_is_gone_on_with(trove, server):
    """Nothing tells any more what it had: the cursor does, and the ids that the server remembers."""
    apply(trove, nats_sink())
    send(200)
    trove.settled(200)
    caught_up(trove)
    assert Client(server.port).request("$JS.API.STREAM.PURGE.trove")["success"]
    trove.kill()
    trove.start()
    send(200, 200)
    trove.settled(200)
    caught_up(trove)
    seqs = [json.loads(data)["seq"] for _, _, data in messages()]
    assert len(seqs) == 200 and set(seqs) == {o["seq"] for o in trove.outcomes()[200:]}


def test_what_is_not_ours_is_left_alone(trove, server):
    client = Client(server.port)
    client.request("$JS.API.STREAM.CREATE.trove", json.dumps(
        {"name": "trove", "subjects": ["trove.>"], "retention": "limits", "storage": "file", "num_replicas": 1, "max_consumers": -1,
         "max_msgs": -1, "max_bytes": -1, "max_msg_size": -1, "discard": "old", "duplicate_window": 10**9}).encode())
    apply(trove, nats_sink())
    until(lambda: "remembers ids for 1.0 s" in sink(trove).get("error", ""), "the window is too short")
    client.request("trove.x", b"theirs")
    apply(trove, nats_sink(keys=", confirm_after: 0s"))
    until(lambda: "messages of somebody else" in sink(trove).get("error", ""), "it is somebody else's")
    send(10)
    trove.settled(10)
    assert len(messages()) == 1
    assert trove.term() == 0


def test_a_record_too_long_for_the_server_is_set_aside(trove, server):
    server.kill(signal.SIGTERM)
    with open(server.dir / "conf", "a", encoding="utf-8") as conf:
        conf.write("max_payload: 4096\n")
    server.start().wait()
    apply(trove, nats_sink())
    send(20)
    udp().send(b"[" + b"\x01" * 1000)  # a dead letter's line escapes each byte to six
    send(20, 20)
    trove.settled(41)
    caught_up(trove)
    assert sink(trove)["set_aside"] == 1
    dead = [json.loads(line) for line in (trove.dir / "data/sinks/n.dead").read_text().splitlines()]
    assert [d["outcome"]["outcome"] for d in dead] == ["rejected"] and "max_payload" in dead[0]["error"]
    assert len(messages()) == 40


def test_a_password_is_read_at_each_connect(trove, tmp_path):
    server = Server(tmp_path, more="authorization { user: trove, password: secret }\n").start()
    (trove.dir / "pw").write_text("wrong\n")
    try:
        apply(trove, nats_sink(keys=f", user: trove, password_file: {trove.dir}/pw"))
        until(lambda: "uthorization" in sink(trove).get("error", ""), "it is refused")
        (trove.dir / "pw").write_text("secret\n")
        send(10)
        trove.settled(10)
        caught_up(trove)
    finally:
        server.kill()


def lost_itself(nodes):
    """Whether a node has given its replica up and begun it anew, over and over, since a kill."""
    return any((node.dir / "log").read_text().count("last sequence mismatch") > 20 for node in nodes)


def kill_one_at_a_time(trove, directory, keys):
    """Returns whether the nodes kept their stream, and then it had each outcome once."""
    ports = [4222, 4223, 4224]
    nodes = [Server(directory, f"n{i}", port, ports).start() for i, port in enumerate(ports)]
    dice = random.Random(11)
    try:
        for node in nodes:
            node.wait()
        apply(trove, nats_sink(", ".join(f"127.0.0.1:{p}" for p in ports), ", replicas: 3" + keys))
        sent = 0
        for round_ in range(6):
            send(500, sent)
            sent += 500
            node = nodes[round_ % 3]
            node.kill()
            send(500, sent)
            sent += 500
            time.sleep(dice.random())
            node.start().wait()
        trove.settled(sent, 60)
        until(lambda: lost_itself(nodes) or is_caught_up(trove), lambda: f"it has caught up: {sink(trove)}", 90)
        if not is_caught_up(trove):
            return False
        same(trove, messages(nodes[0].port))
        assert trove.term() == 0
        return True
    finally:
        for node in nodes:
            node.kill()


@pytest.mark.parametrize("keys", ["", ", confirm_after: 1s"])
def test_three_nodes_with_one_killed_at_a_time(tmp_path, keys):
    """nats-server 2.9 can lose itself when one node dies while another catches up: a replica says "last sequence mismatch" and is reset, for
    ever, and the stream stands (github.com/nats-io/nats-server, issues 3516 and 6455). No client can mend that: then all begin anew."""
    for attempt in range(3):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        trove = Trove(directory)
        try:
            if kill_one_at_a_time(trove.start(), directory, keys):
                return
        finally:
            if trove.process:
                trove.kill()
    pytest.fail("the nodes lost their stream three times")
