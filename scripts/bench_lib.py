"""bench_lib.py - what the benchmarks share: processes that end with them, huge pages, a troved, figures."""
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time
import typing

from bench_cores import CONTROL, WORKER

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent
BUILD = TOP / "build"
HUGE = pathlib.Path("/proc/sys/vm/nr_hugepages")
UNEVEN = 1.3  # a partition with more users than others has as many more ids, a hundred of each user in these loads
HUGE_PAGES = 1500
PATIENCE_S = 30
CONNECT_TRIES = 8

CONFIG = """\
version: 1
pop: bench
data_dir: {dir}/data
ports:
  - {port}
{more}
management: {{ socket: {dir}/ctl.sock }}
memory: {{ huge_pages: on }}
control_core: {control}
lcores: [{{ core: {worker}, run: [rx, shard] }}]
ring_slots: 16384
limits: {{ users: 400_000 }}
events:
  dedupe: {{ capacity: {ids} }}
  types:
    view: {{ require: [item] }}
    purchase: {{ require: [item] }}
hunts:
  - name: basket
    kind: basket
    types: [purchase]
    catalog: {dir}/catalog.tsv
    threshold: 2.0
    ttl: 1h
  - name: trail
    kind: trail
    types: [view]
    catalog: {dir}/catalog.tsv
    start: [{start}]
    treasure: [{treasure}]
    min_step: 0ms
sinks:
  - {{ name: file, type: file, path: {dir}/out.ndjson, outcomes: [award, refusal, rejected] }}
"""


PEER_SERVICES = ("nginx", "redis-server", "nats-server")  # of Debian packages that start one when they are installed


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A row of the table. run(directory, options) prints figures; options.seconds is of one run, options.runs how many."""
    run: typing.Callable
    about: str
    seconds: int = 0  # of a run by default
    packages: str = ""  # Debian's, of peers: what cannot be installed is left out
    huge: bool = False  # needs huge pages, and so root


figures = []  # that were printed
caveats = []  # what is not the same of peers: RESULTS.md has them
children = []  # every process that was started: none outlives the benchmark


def start(command, **options):
    children.append(subprocess.Popen(command, **options))
    return children[-1]


def end(child):
    if child.poll() is None:
        child.kill()
        child.wait()


def end_children():
    for child in children:
        end(child)


def fail(text):
    sys.exit(f"error: {text}")


def note(text):
    """What people should know, beside the figures."""
    print(f"# {text}", file=sys.stderr, flush=True)


def caveat(text):
    """What a peer does not do, or why there is no figure of it: beside the figures, and in RESULTS.md."""
    caveats.append(text)
    note(text)


def need_release():
    """Figures of a debug build or of one with sanitizers say nothing: refused."""
    run = subprocess.run(["meson", "introspect", "--buildoptions", BUILD], capture_output=True, text=True, check=False)
    if run.returncode:
        fail(f"{BUILD} is no build: {run.stderr.strip()}")
    found = {option["name"]: option["value"] for option in json.loads(run.stdout)}
    wanted = {"optimization": ("2", "3"), "debug": (False,), "b_sanitize": ("none",), "b_coverage": (False,), "b_lto": (True,)}
    for name, values in wanted.items():
        if found[name] not in values:
            fail(f"{BUILD} has {name}={found[name]}: only a release build is benchmarked, meson setup build --wipe --buildtype=release")


class HugePages:
    """Enough 2 MiB pages while the block runs, and as many as before when it ends."""

    def __enter__(self):
        self.before = HUGE.read_text()
        if int(self.before) < HUGE_PAGES:
            HUGE.write_text(str(HUGE_PAGES))
        if int(HUGE.read_text()) < HUGE_PAGES:
            self.__exit__()
            fail(f"cannot reserve {HUGE_PAGES} huge pages of 2 MiB: memory is fragmented or short")
        return self

    def __exit__(self, *_):
        HUGE.write_text(self.before)


def config_text(directory, port, ids, more=""):
    """troved's configuration: the first item of the catalog, made here as well, starts the trail, and the last one is its treasure."""
    items = make_catalog(directory)
    return CONFIG.format(dir=directory, control=CONTROL, worker=WORKER, port=port, more=more, ids=int(ids * UNEVEN), start=json.dumps(items[0]),
                         treasure=json.dumps(items[-1]))


def changed(text, old, new):
    """A configuration with a word of it replaced; without that word the benchmark would be of something else."""
    if text.count(old) != 1:
        fail(f"the configuration has '{old}' {text.count(old)} times, not once")
    return text.replace(old, new)


def make_catalog(directory):
    """Writes catalog.tsv, which daemon and generator read; returns its items."""
    catalog = directory / "catalog.tsv"
    subprocess.run([TOP / "scripts/dataset", "sample", "--events", "10", "--catalog", catalog,
                    "--events-out", directory / "unused.stream"], check=True, stdout=subprocess.DEVNULL)
    return [line.split("\t")[0] for line in catalog.read_text().splitlines() if not line.startswith("#")]


class Daemon:
    """One troved with a fresh data directory: its port and more of its configuration, how many ids it can know, what its command
    begins with, to run in a namespace, where its data goes, when not beside the rest, and what is to be done to the text of its
    configuration."""

    def __init__(self, directory, port, ids, more="", inside=(), data=None, rewrite=str):
        self.dir = directory
        data = pathlib.Path(data or directory / "data")
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        file = directory / "bench.yaml"
        text = config_text(directory, port, ids, more)
        self.file = file
        file.write_text(rewrite(changed(text, f"data_dir: {directory}/data", f"data_dir: {data}")))
        self.log = open(directory / "troved.log", "w", encoding="utf-8")
        self.process = start([*inside, BUILD / "dataplane/troved", "--config", file], stderr=self.log, start_new_session=True)  # as a service
        deadline = time.monotonic() + PATIENCE_S
        while " ready: " not in (directory / "troved.log").read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                fail("troved did not start:\n" + (directory / "troved.log").read_text())
            time.sleep(0.05)

    def ctl(self, *args):
        env = {**os.environ, "TROVE_CTL": str(self.dir / "ctl.sock")}
        return json.loads(subprocess.run([BUILD / "dataplane/trovectl", *args, "--json"], env=env, check=True,
                                         capture_output=True).stdout)

    def settled(self):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            status = self.ctl("status")
            if not status["account"]["in_flight"] or time.monotonic() > deadline:
                return status
            time.sleep(0.05)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.log.close()
        if code:
            fail(f"troved ended with {code}:\n" + (self.dir / "troved.log").read_text())

    def account(self):
        """The account once nothing is in flight. That it does not balance ends the benchmark."""
        account = self.settled()["account"]
        if account["received"] != sum(account[k] for k in ("accepted", "duplicate", "rejected", "refused", "lost")):
            fail(f"the account does not balance: {account}")
        return account


def run_blast(args, inside=()):
    """trove-blast's report; `inside` is what its command begins with. One handshake of virtio-user with a fresh vhost port in some fifteen fails inside DPDK, before anything
    is sent."""
    for attempt in range(CONNECT_TRIES):
        run = subprocess.run([*inside, BUILD / "bench/trove-blast", *args], capture_output=True, text=True, check=False)
        if not run.returncode:
            report = json.loads(run.stdout)
            return report if report.get("release", True) else fail("trove-blast is no release build: it would be the limit")
        if "no port came" not in run.stderr:
            break
        print(f"# connecting failed, try {attempt + 1}", file=sys.stderr)
        time.sleep(0.5)
    return fail("trove-blast: " + run.stderr.strip())


def figure(bench, name, values, unit, at=None, peer=None, **more):
    """Prints one figure: the median of its runs' values, and all of them."""
    values = [round(value, 3) for value in (values if isinstance(values, list) else [values])]
    one = {"bench": bench, "figure": name, "value": round(statistics.median(values), 3), "unit": unit, "peer": peer, "at": at,
           "runs": len(values), "min": min(values), "max": max(values), **more, "values": values}
    figures.append(one)
    print(json.dumps(one), flush=True)
