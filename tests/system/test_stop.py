"""Stopping and starting again: what was received is accounted for to the last event, and known after a crash."""
import json
import pathlib
import subprocess
import time

from conftest import ADDRESS, BUILD, PORT, encode, udp

CATALOG = "A\tB\t10\nB\tC\t10\nC\tD\t5\n"
TRAIL = """
hunts:
  - name: trail
    kind: trail
    catalog: {dir}/c.tsv
    start: [A]
    treasure: [C]
    min_step: 0ms
"""


def blast(*args):
    return subprocess.Popen([BUILD / "bench/trove-blast", *args, f"udp://{ADDRESS}:{PORT}"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)


def test_term_under_load_loses_nothing(trove):
    load = blast("--rate", "20k", "--duration", "3s", "--duplicates", "2%", "--malformed", "1%", "--types", "view:100")
    time.sleep(1.5)
    trove.process.terminate()
    sent = json.loads(load.communicate(timeout=30)[0])
    assert trove.wait() == 0
    line = trove.account_line()
    assert line.endswith("balanced")
    numbers = [int(word) for word in line.split() if word.isdigit()]
    received, accepted, duplicate, rejected, refused, lost = numbers
    assert received == sent["sent"] == accepted + duplicate + rejected
    assert refused == lost == 0
    assert (duplicate, rejected) == (sent["duplicates"], sent["malformed"])
    events = {o.get("event_seq", o["seq"]) for o in trove.outcomes()}
    assert len(events) == received


def test_an_idle_daemon_stops_at_once(trove):
    began = time.monotonic()
    trove.ctl("stop")
    assert trove.wait() == 0
    assert time.monotonic() - began < 5
    trove.ctl("status", status=3)


def test_after_kill_9_nothing_durable_is_forgotten(make):
    trove = make()
    (trove.dir / "c.tsv").write_text(CATALOG)
    with open(trove.config, "a", encoding="utf-8") as config:
        config.write(TRAIL.format(dir=trove.dir))
    trove.start()
    sock = udp()
    sent = [encode(user="u-9", item=item) for item in "ABC"]
    for one in sent:
        sock.send(one)
    trove.settled(3)
    won = [o for o in trove.outcomes() if o["outcome"] == "award"]
    assert [o["items"] for o in won] == [["A", "B", "C"]]
    left = pathlib.Path(f"/var/run/dpdk/trove-{trove.process.pid}")
    trove.kill()
    assert not left.exists()

    trove.start()
    assert trove.status()["recovered"] == 3
    sock = udp()
    for one in sent:
        sock.send(one)
    sock.send(encode(user="u-9", item="A"))
    now = trove.settled(4)
    assert (now["account"]["duplicate"], now["account"]["accepted"]) == (3, 1)
    assert trove.term() == 0
    lines = trove.outcomes()
    assert [o["award"] for o in lines if o["outcome"] == "award"] == [won[0]["award"]]
    assert len({o["seq"] for o in lines}) == len(lines), "a line twice"
    assert [o for o in lines if o["outcome"] == "visit"][-1].get("done") is True


def test_kill_9_under_load_again_and_again(make):
    trove = make()
    total = 0
    for _ in range(3):
        trove.start()
        load = blast("--rate", "20k", "--duration", "1s", "--types", "view:100", "--run-id", str(total))
        deadline = time.monotonic() + 20
        while trove.status()["latency"]["durable"]["count"] < 4000:
            assert time.monotonic() < deadline, "the load does not come"
            time.sleep(0.02)
        trove.kill()
        load.communicate(timeout=30)
        total += 1
    trove.start()
    recovered = trove.status()["recovered"]
    assert recovered > 10_000
    assert "0 differences" in trove.log.read_text()
    trove.settled(0)
    assert trove.term() == 0
    events = [o["event_seq"] for o in trove.outcomes() if o["outcome"] == "visit"]
    assert len(events) == len(set(events)) == recovered
