"""bench_sinks.py - what sinks deliver, and what they cost ingest when the other side does not.

sinks   For file, Redis (appendonly, everysec; "always" beside it) and NATS (one server, on files), "sink" naming it: lag_ms_p99 at 50,000 events/s,
        each of which leads to an outcome at least (lag_seconds of `trovectl sink`, sampled); then the sink is paused while a backlog
        grows, and resumed while 50,000 events/s go on: outcomes_per_s is what it delivers from then until it has caught up, from disk.
        Generator, journals, pumps and servers share what the worker, which sleeps when it is idle, leaves of two cores.
        cpu_share says where the processor's time went meanwhile, in shares of one core, by "part": the sink's pump with its library's threads,
        the worker, the rest of troved (journal, leaderboards, the pump of the benchmark's own file sink), the server on the other side,
        the generator. cpu_ns_per_outcome is the pump's and the server's together: with N ns, one core gives no more than 1e9/N outcomes/s.
        Beside it what redis-benchmark gets out of the same server, with both cores for the two of them.
        Then ingest at 240,000 events/s with no sink of another host, and with one that is dead (nobody listens), hung (accepts, says
        nothing), slow (a record a second) or answers garbage, in turn ("other" naming it): decision_us_p999, since the port gave the
        packet, and its ratio to that without. The generator's own lateness, which sinks share a core with, would hide the difference.
"""
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import threading
import time

from bench_cores import WORKER
from bench_lib import BUILD, PATIENCE_S, Daemon, Scenario, end, fail, figure, note, start
from bench_link import JOURNAL, PORT, blast, stage_percentiles
from bench_redis import redis_peer, redis_rate, redis_server

LIVE, BACKLOG, STEADY = 50_000, 240_000, 240_000
NAP = "200us"  # of the live traffic: looking at its plan more often takes a third of the core that the sinks are on
NATS_PORT = 4322


# ---- the other side ----

class FileSink:
    name = "all"

    def __init__(self, directory):
        self.lines = f"  - {{ name: all, type: file, path: {directory}/all.ndjson"

    def close(self):
        pass


class RedisSink:
    name = "redis"

    def __init__(self, directory, fsync):
        self.server, sock = redis_server(directory / f"redis-{fsync}", "--appendonly", "yes", "--appendfsync", fsync)
        self.lines = f"  - {{ name: redis, type: redis, address: 'unix:{sock}', max_length: 0"

    def close(self):
        end(self.server)


class NatsSink:
    name = "nats"

    def __init__(self, directory):
        self.dir = directory / "nats"
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir()
        server = shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin")
        self.server = start([server, "-a", "127.0.0.1", "-p", str(NATS_PORT), "-js", "-sd", self.dir], stderr=subprocess.DEVNULL)
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", NATS_PORT)) == 0, "nats-server")
        self.lines = f"  - {{ name: nats, type: nats, address: '127.0.0.1:{NATS_PORT}'"

    def close(self):
        end(self.server)


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            fail(f"{what} did not start")
        time.sleep(0.05)


def others(directory):
    """(sink, how it is made); what cannot be installed is left out."""
    yield "file", lambda: FileSink(directory)
    if shutil.which("redis-server"):
        yield "redis", lambda: RedisSink(directory, "everysec")
        yield "redis-always", lambda: RedisSink(directory, "always")
    if shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin"):
        yield "nats", lambda: NatsSink(directory)


# ---- where the time goes ----

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(path):
    """The processor's time of a process or a thread by its stat file, in seconds; 0 when it has ended."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            words = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / TICKS


class Shares:
    """The time that each part has used since it was made, in seconds."""

    def __init__(self, daemon, name, other):
        self.troved, self.name, self.server = daemon.process.pid, f"pump-{name}", getattr(other, "server", None)
        self.at, self.before = time.monotonic(), self.read()

    def read(self):
        found = {"pump": 0.0, "worker": 0.0}
        for task in pathlib.Path(f"/proc/{self.troved}/task").iterdir():
            with contextlib.suppress(OSError):  # it has ended
                if (task / "comm").read_text().strip() == self.name:
                    found["pump"] += cpu_s(task / "stat")
                elif os.sched_getaffinity(int(task.name)) == {WORKER}:
                    found["worker"] += cpu_s(task / "stat")
        found["rest"] = cpu_s(f"/proc/{self.troved}/stat") - found["pump"] - found["worker"]
        if self.server:
            found["server"] = cpu_s(f"/proc/{self.server.pid}/stat")
        return found

    def used(self):
        """(seconds by part, how long that was)"""
        return {part: now - self.before[part] for part, now in self.read().items()}, time.monotonic() - self.at


def children_s():
    """The processor's time of processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


# ---- delivery ----

def apply(daemon, lines):
    """The benchmark's configuration with one sink more."""
    plain = (daemon.dir / "bench.yaml").read_text()
    (daemon.dir / "sinks.yaml").write_text(plain + lines + "\n")
    daemon.ctl("conf", "apply", str(daemon.dir / "sinks.yaml"))


class Watch:
    """The counters of one sink, asked over the control socket as trovectl does, without starting a process each time."""

    def __init__(self, daemon, name):
        self.path, self.name = str(daemon.dir / "ctl.sock"), name

    def read(self):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE_S)
            sock.connect(self.path)
            sock.sendall(b"GET /v1/sinks HTTP/1.1\r\nHost: trove\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        sinks = json.loads(answer.split(b"\r\n\r\n", 1)[1])["sinks"]
        return next(sink for sink in sinks if sink["name"] == self.name)


def live_lag(daemon, watch, seconds):
    """Samples of the lag, in milliseconds, while live traffic goes on; the first second is not counted."""
    load = threading.Thread(target=blast, args=(daemon.dir, str(LIVE), seconds + 1), kwargs={"nap": NAP})
    load.start()
    time.sleep(1)
    lags = []
    while load.is_alive():
        lags.append(watch.read()["lag_seconds"] * 1000)
        time.sleep(0.01)
    load.join()
    return lags


def caught_up(watch, behind):
    deadline = time.monotonic() + 10 * PATIENCE_S
    while True:
        state = watch.read()
        if state["lag_records"] <= behind or time.monotonic() > deadline:
            return state
        time.sleep(0.05)


def catch_up(daemon, watch, other, seconds):
    """Outcomes a second from the resumption until the backlog is gone, with live traffic all the while; shares of a core by part, and
    nanoseconds an outcome of pump and server."""
    daemon.ctl("sink", watch.name, "pause")
    time.sleep(0.5)
    blast(daemon.dir, str(BACKLOG), seconds, stamp=False)
    before = watch.read()["delivered"]
    load = threading.Thread(target=blast, args=(daemon.dir, str(LIVE), 3 * seconds), kwargs={"stamp": False, "nap": NAP})
    began, generator = time.monotonic(), children_s()
    load.start()
    time.sleep(0.5)
    shares = Shares(daemon, watch.name, other)
    daemon.ctl("sink", watch.name, "resume")
    after = caught_up(watch, LIVE // 10)
    used, took = shares.used()
    delivered = after["delivered"] - before
    held = load.is_alive()
    load.join()
    parts = {part: cpu / took for part, cpu in used.items()}
    parts["generator"] = (children_s() - generator) / (time.monotonic() - began)
    if not held:
        note(f"{watch.name}: the live traffic had ended before the sink had caught up")
    if after["errors"]:
        note(f"{watch.name}: {after['errors']} errors, the last: {after.get('last_error')}")
    return delivered / took, parts, (used["pump"] + used.get("server", 0)) * 1e9 / delivered


def bench_delivery(directory, options):
    for name, make in others(directory):
        caught, lags = [], []
        for _ in range(options.runs):
            other = make()
            events = (BACKLOG + 4 * LIVE) * options.seconds
            daemon = Daemon(directory, PORT % directory, ids=int(events * 1.2), more=JOURNAL + "\nidle: sleep")
            apply(daemon, other.lines + " }")
            watch = Watch(daemon, other.name)
            found = live_lag(daemon, watch, options.seconds)
            lags.append(statistics.quantiles(found, n=100)[98])
            caught_up(watch, 0)
            caught.append(catch_up(daemon, watch, other, options.seconds))
            daemon.stop()
            other.close()
        figure("sinks", "lag_ms_p99", lags, "ms", LIVE, sink=name)
        rates, shares, costs = zip(*caught)
        figure("sinks", "outcomes_per_s", list(rates), "1/s", LIVE, sink=name, since="resumed with a backlog")
        for part in shares[0]:
            figure("sinks", "cpu_share", [one[part] for one in shares], "1", LIVE, sink=name, part=part)
        figure("sinks", "cpu_ns_per_outcome", list(costs), "ns", LIVE, sink=name)


def redis_limit(directory, runs):
    """What the server gives a client that only sends and counts, with the machine to themselves: entries of an outcome's size."""
    entry = ["XADD", "outcomes", "*", "kind", "visit", "hunt", "bench", "seq", "0:1", "body", "x" * 220]
    for fsync in ("everysec", "always"):
        with redis_peer(directory, "--appendonly", "yes", "--appendfsync", fsync) as sock:
            if sock:
                figure("sinks", "outcomes_per_s", [redis_rate(sock, 500_000, 512, 10**6, *entry) for _ in range(runs)], "1/s", peer="redis-benchmark",
                       fsync=fsync, pipeline=512)


# ---- what they cost ingest ----

class Silent:
    """Accepts every connection; says nothing, or what it is given, for ever."""

    def __init__(self, path, says=b""):
        self.socket, self.open, self.says = socket.socket(socket.AF_UNIX), [], says
        path.unlink(missing_ok=True)
        self.socket.bind(str(path))
        self.socket.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection = self.socket.accept()[0]
                if self.says:
                    connection.sendall(self.says)
                self.open.append(connection)
            except OSError:
                return

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.open:
            connection.close()


class Slow(http.server.ThreadingHTTPServer):
    """Takes a second for each batch, which is one record."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(1)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        ending = threading.Thread(target=self.shutdown, daemon=True)
        ending.start()
        ending.join(5)  # a request that is being slept on does not hold up the rest
        self.server_close()


def troubles(directory):
    """(what is wrong, the sink's lines, what to close)."""
    redis = "  - {{ name: x, type: redis, address: 'unix:{}/x.sock', timeout: 1s }}"
    (directory / "secret").write_text("secret\n")
    yield "none", lambda: ("", None)
    yield "dead", lambda: (redis.format(directory / "nobody"), None)
    yield "hung", lambda: (redis.format(directory), Silent(directory / "x.sock"))
    yield "garbage", lambda: (redis.format(directory), Silent(directory / "x.sock", os.urandom(4096)))

    def slow():
        server = Slow()
        return (f"  - {{ name: x, type: webhook, url: 'http://127.0.0.1:{server.server_port}/', secret_file: {directory}/secret, batch: 1 }}", server)
    yield "slow", slow


def ingest(directory, make, seconds):
    lines, other = make()
    daemon = Daemon(directory, PORT % directory, ids=int(STEADY * seconds * 1.1), more=JOURNAL)
    if lines:
        apply(daemon, lines)
    sent = blast(directory, str(STEADY), seconds, stamp=False)
    account = daemon.account()
    found = stage_percentiles(daemon, "decision")[99.9]
    daemon.stop()
    if other:
        other.close()
    if account["received"] != sent["sent"] or account["lost"]:
        note(f"sent {sent['sent']}, received {account['received']}, lost {account['lost']}")
    return found


def bench_ingest(directory, options):
    found = {}
    for _ in range(options.runs):  # in turn, so that what the machine does meanwhile meets all
        for name, make in troubles(directory):
            found.setdefault(name, []).append(ingest(directory, make, options.seconds))
    for name, values in found.items():
        figure("sinks", "decision_us_p999", values, "us", STEADY, other=name, since="port")
    plain = statistics.median(found.pop("none"))
    for name, values in found.items():
        figure("sinks", "decision_p999_ratio", [value / plain for value in values], "1", STEADY, other=name)


def bench_sinks(directory, options):
    if not BUILD.exists():
        fail("there is no build")
    bench_delivery(directory, options)
    redis_limit(directory, options.runs)
    bench_ingest(directory, options)


SCENARIOS = {
    "sinks": Scenario(bench_sinks, "delivery per sink, catch-up from disk, and ingest beside sinks that fail", seconds=10,
                      packages="redis-server redis-tools nats-server", huge=True),
}
