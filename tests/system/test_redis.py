"""The Redis sink against a real server: every outcome once and in order, whatever dies, lags, forgets or refuses."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from conftest import encode, udp

SERVER = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(not SERVER, reason="redis-server is not installed")
PASSWORD = "open-sesame"


class Redis:
    """A server of the test's own, on a Unix socket in its directory."""

    def __init__(self, directory, *options):
        self.dir = directory / "redis"
        self.dir.mkdir()
        self.socket = self.dir / "s"
        self.options = options
        self.process = None

    def start(self):
        with open(self.dir / "log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [SERVER, "--port", "0", "--unixsocket", self.socket, "--dir", self.dir, "--save", "", "--appendonly", "yes",
                 "--appendfsync", "always", *self.options], stdout=log, stderr=log)
        until(lambda: self.try_cli("ping") == "PONG", "redis-server is up")
        return self

    def try_cli(self, *args):
        run = subprocess.run(["redis-cli", "-s", self.socket, "--no-auth-warning", *(["-a", PASSWORD] if "--requirepass" in self.options else []),
                              *args], capture_output=True, text=True, timeout=20, check=False)
        return run.stdout.strip()

    def cli(self, *args):
        answer = self.try_cli(*args)
        assert not answer.startswith(("ERR", "OOM", "NOAUTH")), answer
        return answer

    def kill(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process = None

    def entries(self, shard=0):
        """What the stream holds: (id, fields)."""
        text = subprocess.run(["redis-cli", "-s", self.socket, "--json", "xrange", f"trove:{shard}", "-", "+"], capture_output=True,
                              text=True, timeout=20, check=True).stdout
        return [(e[0], dict(zip(e[1][::2], e[1][1::2]))) for e in json.loads(text)]


@pytest.fixture
def redis(tmp_path):
    made = []

    def build(*options):
        made.append(Redis(tmp_path, *options))
        return made[-1]

    yield build
    for server in made:
        server.kill()


def until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} s: {what() if callable(what) else what}"
        time.sleep(0.05)


def sink_lines(redis, keys=""):
    return f"  - {{ name: r, type: redis, address: 'unix:{redis.socket}', timeout: 500ms, max_length: 0{keys} }}\ndrain: 1s"


def sink(trove):
    return json.loads(trove.ctl("sink", "r", "--json").stdout)["sinks"][0]


def send(count, first=0):
    sock = udp()
    for i in range(first, first + count):
        sock.send(encode(user=f"u-{i % 50}", item=f"I{i}"))
        if i % 100 == 99:
            time.sleep(0.002)


def caught_up(trove, received=0):
    """The sink once it has all; `received` is how many events there are, where they may still be on their way."""
    trove.settled(received)

    def now():
        s = sink(trove)
        return s["state"] == "ok" and not s["lag_records"]
    until(now, "the sink has caught up")
    return sink(trove)


def same_as_file(trove, redis):
    """The file sink's lines and the streams' entries are the same, each once, every partition's in order."""
    lines = trove.outcomes()
    entries = [e for shard in range(8) for e in redis.entries(shard)]
    ids = [tuple(map(int, i.split("-"))) for i, _ in redis.entries()]
    assert ids == sorted(set(ids))
    said = [json.loads(fields["outcome"]) for _, fields in entries]
    assert len(said) == len(lines)
    key = lambda o: tuple(map(int, o["seq"].split(":")))
    assert sorted(said, key=key) == sorted(lines, key=key)
    last = {}
    for outcome in said:
        partition, seq = key(outcome)
        assert seq > last.get(partition, 0), "out of order"
        last[partition] = seq
    for _, fields in entries:
        outcome = json.loads(fields["outcome"])
        assert fields["kind"] == outcome["outcome"] and fields.get("user") == outcome.get("user")
        assert fields.get("hunt") == outcome.get("hunt")


def test_every_outcome_is_an_entry(make, redis):
    server = redis().start()
    trove = make(more=sink_lines(server)).start()
    send(2000)
    udp().send(b"not json")
    trove.settled(2001)
    state = caught_up(trove)
    assert state["errors"] == 0 and state["delivered"] == 2001, state
    same_as_file(trove, server)
    assert trove.term() == 0


def test_troved_killed_at_any_time_repeats_nothing(make, redis):
    server = redis().start()
    trove = make(more=sink_lines(server)).start()
    for round_ in range(4):
        send(1500, round_ * 1500)
        time.sleep(0.05 * round_)
        trove.kill()
        trove.start()
    caught_up(trove)
    until(lambda: not trove.status()["sinks"][0]["lag_records"], "the file sink has caught up")
    same_as_file(trove, server)


def test_redis_killed_and_away_costs_lag_only(make, redis):
    server = redis().start()
    trove = make(more=sink_lines(server)).start()
    send(1000)
    caught_up(trove, 1000)
    server.kill()
    send(1000, 1000)
    status = trove.settled(2000)
    assert status["account"]["lost"] == 0
    until(lambda: sink(trove)["state"] == "error" and sink(trove)["lag_records"] >= 2000, "the sink says so, and how far it is behind")
    until(lambda: sink(trove)["lag_bytes"] > 100_000, "in bytes, too, which are measured now and then")
    state = sink(trove)
    assert state["lag_seconds"] > 0
    assert str(server.socket) in state["error"]
    assert "trove" in trove.ctl("status").stdout and "degraded" in trove.ctl("status").stdout
    server.start()
    state = caught_up(trove)
    assert state["lag_bytes"] == 0 and state["last_error"]
    same_as_file(trove, server)


def test_redis_may_be_away_at_start_and_at_stop(make, redis):
    server = redis()
    trove = make(more=sink_lines(server)).start()
    send(500)
    trove.settled(500)
    began = time.monotonic()
    assert trove.term() == 0
    assert time.monotonic() - began < 5
    server.start()
    trove.start()
    caught_up(trove)
    same_as_file(trove, server)


def test_a_server_that_hangs_does_not_hold_up_a_stop(make, redis):
    server = redis().start()
    trove = make(more=sink_lines(server).replace("500ms", "60s")).start()
    send(100)
    caught_up(trove, 100)
    os.kill(server.process.pid, signal.SIGSTOP)
    send(100, 100)
    trove.settled(200)
    began = time.monotonic()
    assert trove.term() == 0
    assert time.monotonic() - began < 6
    os.kill(server.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("restart", [False, True])
def test_a_replica_that_is_behind_gets_what_it_lacks(make, redis, restart):
    server = redis().start()
    trove = make(more=sink_lines(server)).start()
    send(1000)
    caught_up(trove, 1000)
    if restart:
        trove.kill()
        trove.start()
        caught_up(trove)
    send(1000, 1000)
    caught_up(trove, 1000 if restart else 2000)
    keep = [i for i, _ in server.entries()][700]
    # The same server with an older stream: what a failover to a replica that lags looks like.
    server.cli("eval", "local e = redis.call('XRANGE', KEYS[1], '-', ARGV[1]); redis.call('DEL', KEYS[1]);"
               "for _, x in ipairs(e) do redis.call('XADD', KEYS[1], x[1], unpack(x[2])) end", "1", "trove:0", keep)
    server.cli("client", "kill", "type", "normal")
    send(10, 2000)
    trove.settled(1010 if restart else 2010)
    until(lambda: sink(trove)["gaps"] == 1, "the gap is found")
    caught_up(trove)
    same_as_file(trove, server)
    server.cli("flushall")
    server.cli("client", "kill", "type", "normal")
    send(10, 2010)
    trove.settled(1020 if restart else 2020)
    until(lambda: sink(trove)["gaps"] == 2, "the gap is found")
    caught_up(trove)
    same_as_file(trove, server)


def test_a_trimmed_stream_is_no_gap(make, redis):
    server = redis().start()
    trove = make(more=sink_lines(server).replace("max_length: 0", "max_length: 100")).start()
    send(3000)
    caught_up(trove, 3000)
    assert 100 <= len(server.entries()) < 400
    server.cli("xtrim", "trove:0", "maxlen", "0")
    server.cli("client", "kill", "type", "normal")
    send(5, 3000)
    trove.settled(3005)
    state = caught_up(trove)
    assert state["gaps"] == 0 and state["delivered"] == 3005
    assert len(server.entries()) == 5


def test_a_wrong_password_is_said_and_can_be_mended(make, redis, tmp_path):
    server = redis("--requirepass", PASSWORD).start()
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    trove = make(more=sink_lines(server, f", password_file: {secret}")).start()
    send(100)
    until(lambda: "WRONGPASS" in sink(trove).get("error", ""), "the password is refused")
    assert "wrong\n" not in trove.ctl("status").stdout
    secret.write_text(PASSWORD + "\n")
    caught_up(trove, 100)
    assert server.cli("xlen", "trove:0") == "100"


def test_a_full_server_is_waited_for(make, redis):
    server = redis("--maxmemory-policy", "noeviction").start()
    trove = make(more=sink_lines(server)).start()
    send(500)
    caught_up(trove, 500)
    server.cli("config", "set", "maxmemory", "1")
    send(500, 500)
    until(lambda: "OOM" in sink(trove).get("error", ""), "the server is full")
    time.sleep(2)
    assert sink(trove)["set_aside"] == 0
    server.cli("config", "set", "maxmemory", "0")
    caught_up(trove, 1000)
    same_as_file(trove, server)


def test_pause_resume_drain(make, redis):
    server = redis().start()
    trove = make(more=sink_lines(server)).start()
    trove.ctl("sink", "r", "pause")
    until(lambda: sink(trove)["state"] == "paused", "paused")
    time.sleep(0.1)
    unread = sink(trove)["lag_records"]  # the configuration, when the pause was faster
    send(500)
    trove.settled(500)
    assert unread <= 1 and server.cli("xlen", "trove:0") == "0" and sink(trove)["lag_records"] == unread + 1000
    assert "paused" in trove.ctl("status").stdout
    trove.ctl("sink", "r", "drain")
    until(lambda: sink(trove)["state"] == "paused", "drained")
    assert server.cli("xlen", "trove:0") == "500" and sink(trove)["lag_records"] == 0
    send(100, 500)
    trove.settled(600)
    time.sleep(0.2)
    assert server.cli("xlen", "trove:0") == "500"
    trove.ctl("sink", "r", "resume")
    caught_up(trove)
    same_as_file(trove, server)
    trove.ctl("sink", "r", "dance", status=2)
    trove.ctl("sink", "x", "pause", status=1)
    assert "not stuck" in trove.ctl("sink", "r", "skip", status=1).stderr


def test_a_key_of_another_type_is_waited_for(make, redis):
    server = redis().start()
    trove = make(more=sink_lines(server)).start()
    send(10)
    caught_up(trove, 10)
    server.cli("rename", "trove:0", "aside")
    server.cli("set", "trove:0", "not a stream")
    server.cli("client", "kill", "type", "normal")
    send(5, 10)
    until(lambda: "WRONGTYPE" in sink(trove).get("error", ""), "stuck")
    server.cli("del", "trove:0")
    server.cli("rename", "aside", "trove:0")
    caught_up(trove, 15)
    same_as_file(trove, server)


def test_skip_passes_one_record_and_keeps_it(make, redis):
    server = redis("--maxmemory-policy", "noeviction").start()
    trove = make(more=sink_lines(server)).start()
    send(10)
    trove.settled(10)
    caught_up(trove)
    server.cli("config", "set", "maxmemory", "1")
    send(5, 10)
    trove.settled(15)
    until(lambda: "stuck" in sink(trove), "stuck at a record")
    seq = sink(trove)["stuck"]["seq"]
    assert f"seq {seq} " in trove.ctl("sink", "r", "skip").stdout
    server.cli("config", "set", "maxmemory", "0")
    state = caught_up(trove)
    assert state["skipped"] == 1 and server.cli("xlen", "trove:0") == "14"
    kept = [json.loads(line) for line in (trove.dir / "data/sinks/r.dead").read_text().splitlines()]
    assert [k["outcome"]["seq"] for k in kept] == [seq] and "OOM" in kept[0]["error"]


def test_streams_of_another_data_directory_are_left_alone(make, redis):
    server = redis().start()
    server.cli("set", "trove:journal", "somebody else")
    trove = make(more=sink_lines(server)).start()
    send(10)
    until(lambda: "another data directory" in sink(trove).get("error", ""), "refused")
    assert server.cli("xlen", "trove:0") == "0"
    server.cli("del", "trove:journal")
    caught_up(trove, 10)
    same_as_file(trove, server)


def test_winners_and_the_selection_of_outcomes(make, redis):
    from test_stop import CATALOG, TRAIL
    server = redis().start()
    trove = make(more=sink_lines(server, ", winners: w, outcomes: [award, visit, revoked], hunts: [trail]") + TRAIL.format(dir="{dir}"))
    trove.config.write_text(trove.config.read_text().replace("{dir}", str(trove.dir)))
    (trove.dir / "c.tsv").write_text(CATALOG)
    trove.start()
    sock = udp()
    for user in ("u-1", "u-2"):
        for item in "ABC":
            sock.send(encode(user=user, item=item))
    sock.send(encode(user="u-3", item="A", hunt="other"))
    trove.settled(7)
    caught_up(trove)
    kinds = [fields["kind"] for _, fields in server.entries()]
    assert kinds.count("award") == 2 and set(kinds) == {"award", "visit"}
    assert all(fields["hunt"] == "trail" for _, fields in server.entries())
    awards = {f["user"]: (i, f["outcome"]) for i, f in server.entries() if f["kind"] == "award"}
    for user, (place, outcome) in awards.items():
        assert server.cli("hget", "w:trail", user) == f"{place} {outcome}"
    # What an operator takes back is the newest word on it; `outcomes` has to let it through.
    trove.ctl("patch", "revoke", "--user", "u-1", "--hunt", "trail", "--reason", "a test", "--ref", "T-1")
    until(lambda: '"outcome":"revoked"' in server.cli("hget", "w:trail", "u-1"), "the revocation is known")
    # An older award does not take a newer one's place, and comes back where there is none.
    server.cli("hset", "w:trail", "u-1", "999999-1 {}")
    server.cli("hdel", "w:trail", "u-2")
    server.cli("del", "trove:0")
    server.cli("client", "kill", "type", "normal")
    sock.send(encode(user="u-4", item="A"))
    trove.settled(8)
    until(lambda: sink(trove)["gaps"] == 1, "the gap is found")
    caught_up(trove)
    assert server.cli("hget", "w:trail", "u-1") == "999999-1 {}"
    assert server.cli("hget", "w:trail", "u-2") == "{} {}".format(*awards["u-2"])
