"""Sinks that come, change, pause and go while events flow: nothing lost, nothing twice, an apply always answered."""
import json
import os
import random
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

import cloudevents
from conftest import encode, udp
from test_redis import Redis, send, until

RELOADS = int(os.environ.get("TROVE_RELOADS", "40"))  # of the stress test; 1000 is what a release is tested with


class Hung:
    """Accepts every connection and never says a word."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(64)
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                self.open.append(self.socket.accept()[0])
            except OSError:
                return


def file_sink(trove, name, path=None, keys=""):
    return f"  - {{ name: {name}, type: file, path: {trove.dir}/{path or name}.ndjson{keys} }}\n"


def redis_sink(name, path, keys=""):
    return f"  - {{ name: {name}, type: redis, address: 'unix:{path}', stream: {name}, max_length: 0, timeout: 30s{keys} }}\n"


def apply(trove, sinks):
    """The configuration with these sinks behind the first one; the answer, and how long it took."""
    if not hasattr(trove, "plain"):
        trove.plain = trove.config.read_text()
    trove.config.write_text(trove.plain + sinks)
    began = time.monotonic()
    answer = json.loads(trove.ctl("conf", "apply", "--json", str(trove.config)).stdout)
    assert time.monotonic() - began < 5
    return answer


def sink(trove, name):
    return json.loads(trove.ctl("sink", name, "--json").stdout)["sinks"][0]


def caught_up(trove, name):
    until(lambda: sink(trove, name)["state"] == "ok" and not sink(trove, name)["lag_records"], f"{name} has caught up")


def lines(trove, *names):
    return [json.loads(line) for name in names if (trove.dir / f"{name}.ndjson").exists()
            for line in (trove.dir / f"{name}.ndjson").read_text().splitlines()]


def same(trove, *names):
    """Those files together have every line of the first sink's, once."""
    key = lambda o: tuple(map(int, o["seq"].split(":")))
    assert sorted(lines(trove, *names), key=key) == sorted(trove.outcomes(), key=key)


def test_a_sink_that_is_added_gets_everything_and_one_that_comes_back_goes_on(trove):
    send(500)
    trove.settled(500)
    apply(trove, file_sink(trove, "b"))
    caught_up(trove, "b")
    same(trove, "b")
    apply(trove, "")
    assert [s["name"] for s in trove.status()["sinks"]] == ["file"]
    assert "there is no sink" in trove.ctl("sink", "b", status=1).stderr
    before = len(lines(trove, "b"))
    send(500, 500)
    trove.settled(1000)
    assert len(lines(trove, "b")) == before
    apply(trove, file_sink(trove, "b"))
    caught_up(trove, "b")
    same(trove, "b")
    assert trove.term() == 0


def test_what_a_sink_has_counted_outlives_its_change(trove):
    """It is another one from then on, with another pop in its lines."""
    send(20)
    trove.settled(20)
    apply(trove, "")
    before = sink(trove, "file")
    assert before["events"] == 20 and before["delivered"] == before["outcomes"] > 0
    for pop in ("one", "two", "three"):
        trove.plain = re.sub("pop: [a-z]+", f"pop: {pop}", trove.plain)
        apply(trove, "")
        until(lambda: not sink(trove, "file")["lag_records"], "the new one has looked")
        assert sink(trove, "file") == before
    send(5, 20)
    trove.settled(25)
    assert [line["pop"] for line in lines(trove, "out")[-5:]] == ["three"] * 5
    after = sink(trove, "file")
    assert after["events"] == 25 and after["delivered"] - before["delivered"] == len(lines(trove, "out")) - before["delivered"] > 0


def test_another_path_is_gone_on_in_and_what_is_there_is_not_cut(trove):
    theirs = json.dumps({"seq": "0:0", "theirs": True}) + "\n"
    (trove.dir / "c.ndjson").write_text(theirs)
    apply(trove, file_sink(trove, "b"))
    send(300)
    trove.settled(300)
    caught_up(trove, "b")
    apply(trove, file_sink(trove, "b", "c"))
    send(300, 300)
    trove.settled(600)
    caught_up(trove, "b")
    assert (trove.dir / "c.ndjson").read_text().startswith(theirs)
    (trove.dir / "c.ndjson").write_text((trove.dir / "c.ndjson").read_text()[len(theirs):])
    same(trove, "b", "c")


def test_two_sinks_may_change_places(trove):
    apply(trove, file_sink(trove, "b") + file_sink(trove, "c"))
    send(300)
    trove.settled(300)
    apply(trove, file_sink(trove, "b", "c") + file_sink(trove, "c", "b"))
    send(300, 300)
    trove.settled(600)
    for name in ("b", "c"):
        caught_up(trove, name)
    assert len(lines(trove, "b")) == len(lines(trove, "c")) == 600
    assert len({line["seq"] for line in lines(trove, "b", "c")}) == 600


@pytest.mark.parametrize("verb", ["pause", "drain"])
def test_a_pause_outlives_the_daemon_and_the_sink(trove, verb):
    apply(trove, file_sink(trove, "b"))
    trove.ctl("sink", "b", verb)
    until(lambda: sink(trove, "b")["state"] == "paused", "it is paused")
    if verb == "drain":
        until(lambda: (trove.dir / "data/sinks/b.mode").read_text() == "paused\n", "and will be")
    send(300)
    trove.settled(300)
    assert trove.term() == 0
    trove.start()
    assert sink(trove, "b")["state"] == "paused"
    assert "sink b is paused" in trove.ctl("status").stdout
    apply(trove, "")
    apply(trove, file_sink(trove, "b"))
    assert sink(trove, "b")["state"] == "paused" and not lines(trove, "b")
    trove.ctl("sink", "b", "resume")
    caught_up(trove, "b")
    same(trove, "b")
    trove.term()
    assert sink(trove.start(), "b")["state"] == "ok"


def test_the_configuration_pauses_and_only_it_resumes(trove):
    apply(trove, file_sink(trove, "b", keys=", paused: true"))
    send(300)
    trove.settled(300)
    assert sink(trove, "b")["state"] == "paused"
    assert "remove `paused` there" in trove.ctl("sink", "b", "resume", status=1).stderr
    apply(trove, file_sink(trove, "b"))
    caught_up(trove, "b")
    same(trove, "b")
    delivered = sink(trove, "b")["delivered"]
    apply(trove, file_sink(trove, "b", keys=", paused: true"))
    assert sink(trove, "b")["delivered"] == delivered, "it was not begun anew"


def test_a_hung_sink_holds_up_no_apply_and_no_stop(trove):
    hung = Hung(trove.dir / "hung")
    send(100)
    trove.settled(100)
    apply(trove, redis_sink("r", hung.path))
    until(lambda: hung.open, "it has connected")
    for _ in range(3):
        apply(trove, file_sink(trove, "b"))
        apply(trove, redis_sink("r", hung.path, ", hunts: [a]"))
        apply(trove, redis_sink("r", hung.path))
    apply(trove, file_sink(trove, "b"))
    caught_up(trove, "b")
    same(trove, "b")
    until(lambda: not [w for w in trove.status()["warnings"] if "has not ended" in w], "all have ended")
    apply(trove, redis_sink("r", hung.path))
    began = time.monotonic()
    assert trove.term() == 0
    assert time.monotonic() - began < 20


def test_a_sink_that_cannot_write_says_so_and_goes_on_when_it_can(trove):
    (trove.dir / "b.ndjson").mkdir()
    apply(trove, file_sink(trove, "b"))
    until(lambda: sink(trove, "b")["state"] == "error", "it fails")
    assert "directory" in sink(trove, "b")["error"]
    send(100)
    trove.settled(100)
    (trove.dir / "b.ndjson").rmdir()
    caught_up(trove, "b")
    same(trove, "b")


def test_a_sink_with_a_damaged_cursor_is_told_and_others_go_on(trove):
    (trove.dir / "data/sinks/b.cursor").write_bytes(b"\1" * 8192)
    apply(trove, file_sink(trove, "b") + file_sink(trove, "c"))
    until(lambda: sink(trove, "b")["state"] == "error", "it fails")
    assert "cursor is damaged" in sink(trove, "b")["error"]
    send(100)
    trove.settled(100)
    caught_up(trove, "c")
    (trove.dir / "data/sinks/b.cursor").unlink()
    caught_up(trove, "b")
    same(trove, "b")


class Load(threading.Thread):
    """Events until told to stop; counts them."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sent, self.wanted = 0, True
        self.start()

    def run(self):
        sock = udp()
        while self.wanted:
            for _ in range(20):
                sock.send(encode(user=f"u-{self.sent % 50}", item=f"I{self.sent}"))
                self.sent += 1
            time.sleep(0.01)

    def stop(self):
        self.wanted = False
        self.join()
        return self.sent


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
def test_many_reloads_with_sinks_up_down_and_hung(trove, tmp_path):
    seed = int(os.environ.get("TROVE_SEED", "1"))
    dice = random.Random(seed)
    server, hung = Redis(tmp_path, "--maxclients", "100").start(), Hung(tmp_path / "hung")
    load = Load()
    full = {"b": lambda n: file_sink(trove, "b", dice.choice(["b1", "b2"])),
            "c": lambda n: file_sink(trove, "c", keys=dice.choice(["", ", paused: true"])),
            "r": lambda n: redis_sink("r", server.socket, dice.choice(["", ", paused: true", ", database: 0"])),
            "down": lambda n: redis_sink("down", tmp_path / "nobody", dice.choice(["", ", winners: w"])),
            "hung": lambda n: redis_sink("hung", hung.path, dice.choice(["", ", winners: w"]))}
    try:
        for n in range(RELOADS):
            names = [name for name in full if dice.random() < 0.6]
            dice.shuffle(names)
            apply(trove, "".join(full[name](n) for name in names))
            told = [s["name"] for s in trove.status()["sinks"]]
            assert told == ["file", *names], f"seed {seed}, reload {n}"
            time.sleep(dice.choice([0, 0, 0.05, 0.2]))
        apply(trove, file_sink(trove, "b", "b1") + file_sink(trove, "c") + redis_sink("r", server.socket))
        trove.settled(load.stop(), 60)
        for name in ("b", "c", "r"):
            caught_up(trove, name)
        same(trove, "b1", "b2")
        same(trove, "c")
        text = server.cli("--json", "xrange", "r:0", "-", "+")
        said = [json.loads(dict(zip(e[1][::2], e[1][1::2]))["outcome"])["seq"] for e in json.loads(text)]
        assert sorted(said) == sorted(o["seq"] for o in trove.outcomes()), f"seed {seed}"
        assert trove.term() == 0
    finally:
        load.stop()
        server.kill()


def test_cloud_events_are_what_their_specification_says(trove):
    trail = "\nhunts:\n  - { name: h, kind: trail, catalog: " + str(trove.dir / "c.tsv") + ", start: [A], treasure: [B], min_step: 0ms }\n"
    (trove.dir / "c.tsv").write_text("A\tB\t10\n")
    apply(trove, file_sink(trove, "b", keys=", format: cloudevents") +
          file_sink(trove, "c", keys=", format: cloudevents, outcomes: [award], hunts: [h]") + trail)
    sock = udp()
    for user in ("u-1", "\u00e9\"\\", "\x07bell", "\U0001fffe"):
        sock.send(encode(user=user, item="A"))
        sock.send(encode(user=user, item="B"))
    sock.send(b"not json")
    sock.send(encode(time=1))
    trove.settled(10)
    caught_up(trove, "b")
    caught_up(trove, "c")
    events = [cloudevents.check(line) for line in (trove.dir / "b.ndjson").read_text().splitlines()]
    plain = {o["seq"]: o for o in trove.outcomes()}
    assert len({(e["source"], e["id"]) for e in events}) == len(events) == len(plain)
    for e in events:
        data = e["data"]
        assert data == plain[data["seq"]]
        assert e["source"] == "/test/h1" and e["type"] == "trove." + data["outcome"] and e["time"] == data["time"]
        assert e["id"].endswith("-" + data["seq"].replace(":", "-"))
        named = data.get("user") not in (None, "\x07bell", "\U0001fffe")
        assert e.get("subject") == (data["user"] if named else None)
    awards = [cloudevents.check(line) for line in (trove.dir / "c.ndjson").read_text().splitlines()]
    assert len(awards) == 4 and {e["type"] for e in awards} == {"trove.award"} and {e["data"]["hunt"] for e in awards} == {"h"}


def rotated(directory):
    """The lines of all files by the hour, and the names of the files; each line has to be of its file's hour."""
    found, names = [], []
    for path in sorted(directory.rglob("*.ndjson*")):
        names.append(path.name)
        text = subprocess.run(["zstd", "-dc"], stdin=path.open("rb"), capture_output=True, text=True, check=True).stdout if ".zst" in path.name \
            else path.read_text()
        assert text == "" or text.endswith("\n")
        for line in text.splitlines():
            said = json.loads(line)
            assert said["time"][:13] == "-".join(path.parts[-5:-2]) + "T" + path.parts[-2]
            found.append(said)
    return found, names


@pytest.mark.parametrize("compress", ["none", "zstd"])
def test_files_by_the_hour_whatever_is_killed(trove, compress):
    key = lambda o: tuple(map(int, o["seq"].split(":")))
    out = trove.dir / "out"
    sinks = f"  - {{ name: b, type: file, directory: {out}, rotate_size: 64KiB, rotate_after: 3s, compress: {compress} }}\n"
    apply(trove, sinks)
    for round_ in range(6):
        send(1000, round_ * 1000)
        time.sleep(0.05 * round_)
        trove.kill()
        trove.start()
    send(1000, 6000)
    trove.settled(1000)
    caught_up(trove, "b")
    until(lambda: not list(out.rglob("*.open")), "all are closed")
    found, names = rotated(out)
    assert sorted(found, key=key) == sorted(trove.outcomes(), key=key)
    assert all(n.startswith("b-") and n.endswith(".ndjson" if compress == "none" else ".ndjson.zst") for n in names)
    assert len(names) > 2
    before = {path: path.read_bytes() for path in out.rglob("b-*")}
    apply(trove, sinks.replace("out,", "elsewhere,"))
    send(500, 7000)
    trove.settled(1500)
    caught_up(trove, "b")
    assert {path: path.read_bytes() for path in out.rglob("b-*")} == before
    until(lambda: not list((trove.dir / "elsewhere").rglob("*.open")), "all are closed")
    assert sorted(found + rotated(trove.dir / "elsewhere")[0], key=key) == sorted(trove.outcomes(), key=key)
    assert trove.term() == 0
