"""Limits at their least and at their most, and what is full: whole events are refused and counted, and a restart agrees."""
import json
import subprocess
import time
import uuid

from conftest import CONFIG, encode, udp


def test_limits_at_their_least(make):
    config = CONFIG.replace("limits: {{ users: 10000 }}",
                            "limits: {{ users: 1000, event_bytes: 64, event_depth: 1 }}\npartitions: 1\nring_slots: 64")
    trove = make(config=config.replace("capacity: 500_000", "capacity: 1000")).start()
    sock = udp()
    for _ in range(5):
        sock.send(encode())
    sock.send(encode(data={"a": 1}))
    sock.send(b"{}")
    now = trove.settled(7)
    assert now["account"]["rejected"] == 7 and now["rejected"]["too_large"] == 6
    assert trove.term() == 0


def test_limits_at_their_most(make):
    config = CONFIG.replace("limits: {{ users: 10000 }}",
                            "listen: {{ udp: {{ max_datagram: 9000 }} }}\n"
                            "limits: {{ users: 10000, event_bytes: 65535, event_depth: 64 }}\npartitions: 65536")
    trove = make(config=config.replace("capacity: 500_000", "capacity: 100_000")).start()
    subprocess.run(["ip", "link", "set", "trove0", "mtu", "9050"], check=True)
    sock = udp()
    sent = 0
    for size in (1400, 2000, 4000, 8900):
        one = encode(data="")
        sock.send(one[:-2] + b"x" * (size - len(one)) + b'"}')
        sent += 1
    now = trove.settled(0)
    deadline = time.monotonic() + 5
    while now["packets"]["received"] < sent and time.monotonic() < deadline:
        now = trove.status()
    a = now["account"]
    dropped = sum(now["packets"]["dropped"].values())
    assert a["accepted"] + a["lost"] + dropped >= sent, now
    assert a["accepted"] >= 1
    sock.send(b"\n".join([encode(user=f"u-{i}") for i in range(5)]))
    trove.settled(a["received"] + 5)
    assert trove.term() == 0


def test_state_that_is_full_loses_whole_events_and_recovers(make):
    config = CONFIG.replace("capacity: 500_000", "capacity: 1000, window: 2s").replace(
        "events:\n", "partitions: 1\nevents:\n  lateness: 2s\n")
    trove = make(config=config).start()
    sock, sent = udp(), 0
    for _ in range(3000):
        sock.send(encode())
        sent += 1
        if not sent % 100:
            time.sleep(0.005)
    deadline = time.monotonic() + 5
    now = trove.status()
    while now["account"]["received"] < sent and time.monotonic() < deadline:
        now = trove.status()
    a = now["account"]
    assert a["received"] == sent == a["accepted"] + a["lost"], a
    assert now["lost"]["state_full"] == a["lost"] > 0
    time.sleep(4.5)
    for _ in range(200):
        sock.send(encode())
    deadline = time.monotonic() + 5
    while now["account"]["received"] < sent + 200 and time.monotonic() < deadline:
        now = trove.status()
    assert now["account"]["accepted"] == a["accepted"] + 200, now["account"]
    total = now["account"]["accepted"]
    assert trove.term() == 0
    assert len([o for o in trove.outcomes() if o["outcome"] == "visit"]) == total
    trove.start()
    assert trove.status()["recovered"] == total
    assert "0 differences" in trove.log.read_text()


def test_a_window_is_shortened_when_it_is_full_and_every_id_that_leaves_is_counted(make):
    small = CONFIG.replace("capacity: 500_000", "capacity: 1000").replace("events:\n", "partitions: 1\nevents:\n")
    trove = make(config=small).start()
    sock, sent, ids = udp(), 0, [str(uuid.uuid4()) for _ in range(4000)]

    def send(some):
        nonlocal sent
        for ident in some:
            sock.send(encode(id=ident))
            sent += 1
            if not sent % 100:
                time.sleep(0.005)
        deadline = time.monotonic() + 10
        while trove.status()["account"]["received"] < sent and time.monotonic() < deadline:
            pass
        return trove.status()

    room = 1000 + 8 * 32
    now = send(ids[:2000])
    assert now["account"]["accepted"] == room and now["lost"]["state_full"] == 2000 - room
    assert now["usage"]["dedupe_left_early"] == 0
    trove.config.write_text(trove.config.read_text().replace("capacity: 1000", "capacity: 1000, policy: shorten"))
    assert "policy" in trove.ctl("conf", "diff", str(trove.config)).stdout
    trove.ctl("conf", "apply", str(trove.config))
    now = send(ids[2000:])
    assert now["account"]["accepted"] == room + 2000 and now["account"]["lost"] == 2000 - room
    used, left = now["usage"]["dedupe_used"], now["usage"]["dedupe_left_early"]
    assert used + left == room + 2000 and room - 40 <= used <= room
    now = send(ids[-500:] + ids[:10])
    assert now["account"]["duplicate"] == 500 and now["account"]["accepted"] == room + 2010
    used, left = now["usage"]["dedupe_used"], now["usage"]["dedupe_left_early"]
    assert used + left == room + 2010
    assert any(f"{left} ids left before events.dedupe.window was over" in warning for warning in now["warnings"])
    assert f"{left:,} left early" in trove.ctl("status").stdout
    trove.kill()
    trove.start()
    assert "0 differences" in trove.log.read_text()
    now = trove.status()
    assert now["usage"]["dedupe_used"] == used and now["usage"]["dedupe_left_early"] == 0
    sent = 0
    assert send(ids[-500:] + ids[:10])["account"]["duplicate"] == 510
    assert trove.term() == 0


def test_another_window_or_capacity_at_a_restart_changes_nothing_that_was_decided(make):
    first = CONFIG.replace("capacity: 500_000", "capacity: 1000, window: 1s, policy: shorten").replace(
        "events:\n", "partitions: 1\nevents:\n  lateness: 1s\n")
    trove = make(config=first).start()
    sock, ids = udp(), [str(uuid.uuid4()) for _ in range(3000)]
    written = trove.config.read_text()

    def send(some, accepted):
        before = trove.status()["account"]
        for n, ident in enumerate(some):
            sock.send(encode(id=ident))
            if not n % 50:
                time.sleep(0.005)
        now = trove.settled(before["received"] + len(some))["account"]
        assert now["accepted"] == before["accepted"] + accepted, now

    send(ids, 3000)
    time.sleep(1.2)
    send(ids[:5], 5)
    for window, capacity in (("15m", 500_000), ("15m", 500_000), ("15m", 1000), ("1s", 1000)):
        assert trove.term() == 0
        trove.config.write_text(written.replace("window: 1s", f"window: {window}").replace("capacity: 1000", f"capacity: {capacity}"))
        trove.start()
        assert "0 differences" in trove.log.read_text(), (window, capacity)
        send([str(uuid.uuid4())], 1)
    assert json.loads(trove.ctl("explain", "u-1", "--json").stdout)["matches"]
    assert trove.term() == 0


def test_less_room_for_users_at_a_restart_does_not_lose_count_of_sequences(make):
    more = "hunts: [{{ name: pair, kind: basket, catalog: {dir}/c.tsv, threshold: 1000 }}]"
    trove = make(more=more)
    (trove.dir / "c.tsv").write_text("A\tB\t1\n")
    trove.config.write_text(CONFIG.replace("events:\n", "partitions: 1\nevents:\n").format(dir=trove.dir, more=more.format(dir=trove.dir)))
    trove.start()
    sock, text = udp(), trove.config.read_text()
    for n in range(2000):
        sock.send(encode(user=f"u-{n}"))
        if not n % 50:
            time.sleep(0.005)
    assert trove.settled(2000)["account"]["accepted"] == 2000
    assert trove.term() == 0
    trove.config.write_text(text.replace("users: 10000", "users: 1000"))
    trove.start()
    assert f"{2 * (2000 - 1000 - 8 * 32)} differences" in trove.log.read_text()
    sock.send(encode(user="u-1"))
    assert trove.settled(1)["account"]["accepted"] == 1
    assert trove.term() == 0
    trove.config.write_text(text)
    trove.start()
    assert "recovered: 2001 events" in trove.log.read_text() and "0 differences" in trove.log.read_text()
    assert trove.term() == 0
