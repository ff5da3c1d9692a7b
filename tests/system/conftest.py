"""conftest.py - a real troved on a tap interface, in the network namespace that the test run has to itself."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import uuid

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TROVE_BUILD", TOP / "build"))
ADDRESS, PORT = "192.0.2.1", 7001

CONFIG = """\
version: 1
pop: test
host: h1
data_dir: {dir}/data
ports:
  - name: p0
    device: net_tap0,iface=trove0
    address: [192.0.2.1/24, "2001:db8::1/64"]
management: {{ socket: {dir}/ctl.sock }}
memory: {{ huge_pages: off }}
idle: sleep
limits: {{ users: 10000 }}
events:
  dedupe: {{ capacity: 500_000 }}
  types:
    view: {{ require: [item] }}
    claim: {{ require: [tile], forbid: [item] }}
    tight: {{ require: [item], strict: true }}
journal: {{ buffer: 32MiB, segment_size: 16MiB }}
sinks:
  - {{ name: file, type: file, path: {dir}/out.ndjson }}
{more}
"""

# On the kernel's other way to frames: needs the fixture veth.
PACKET = CONFIG.replace("net_tap0,iface=trove0", "'net_af_packet0,iface=server0'")
assert PACKET != CONFIG


class Trove:
    """One daemon: started, spoken to, stopped. `text` is its configuration, {dir} and all filled in."""

    def __init__(self, directory, more="", config=CONFIG):
        self.dir = pathlib.Path(directory)
        self.config = self.dir / "trove.yaml"
        self.config.write_text(config.format(dir=self.dir, more=more))
        self.process = None
        self.log = self.dir / "troved.log"

    def start_only(self, **how):
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([BUILD / "dataplane/troved", "--config", self.config], stderr=log, stdout=log, **how)

    def start(self, expect_ready=True, **how):
        self.start_only(**how)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            if " ready: " in self.log.read_text():
                break
            time.sleep(0.02)
        if expect_ready:
            assert self.process.poll() is None, self.log.read_text()
            # What waits for the neighbour's address would be overtaken by what comes when it is known.
            subprocess.run("ip addr add 192.0.2.2/24 dev trove0; ip -6 addr add 2001:db8::2/64 dev trove0 nodad;"
                           "ip link set trove0 up; ip neigh add 192.0.2.1 dev trove0 use;"
                           "for i in $(seq 200); do ip neigh show dev trove0 | grep -q lladdr && exit; sleep 0.01; done; exit 1",
                           shell=True, check=True)
        return self

    def ctl(self, *args, status=0):
        run = subprocess.run([BUILD / "dataplane/trovectl", *args], capture_output=True, text=True, timeout=30, check=False,
                             env={**os.environ, "TROVE_CTL": str(self.dir / "ctl.sock")})
        assert status is None or run.returncode == status, f"{args}: exit {run.returncode}\n{run.stdout}{run.stderr}"
        return run

    def status(self):
        return json.loads(self.ctl("status", "--json").stdout)

    def settled(self, received, seconds=15):
        """The status once that many events were received and all of them are decided and delivered."""
        deadline = time.monotonic() + seconds
        while True:
            now = self.status()
            a = now["account"]
            handled = a["accepted"] + a["duplicate"] + a["rejected"]
            if a["received"] >= received and not a["in_flight"] and now["sinks"][0]["events"] >= handled:
                return now
            assert time.monotonic() < deadline, f"not settled: {a}, sink {now['sinks'][0]}"
            time.sleep(0.02)

    def term(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        code = self.process.wait(timeout=60)
        self.process = None
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def outcomes(self):
        return [json.loads(line) for line in (self.dir / "out.ndjson").read_text().splitlines()]

    def nice_values(self):
        """Of every thread, proc(5)."""
        stats = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/stat")
        return sorted(int(stat.read_text().rpartition(")")[2].split()[16]) for stat in stats)

    def account_line(self):
        return next(line for line in self.log.read_text().splitlines() if line.startswith("account:"))


@pytest.fixture(scope="session", autouse=True)
def loopback():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@pytest.fixture
def make(tmp_path):
    """make(more="...") gives a Trove that is not started yet; whatever still runs at the end is killed."""
    made = []

    def build(more="", config=CONFIG):
        trove = Trove(tmp_path, more, config)
        made.append(trove)
        return trove

    yield build
    for trove in made:
        if trove.process:
            trove.kill()


@pytest.fixture
def trove(make):
    return make().start()


@pytest.fixture
def veth():
    """server0, of which a port takes hold, and trove0, the kernel's end of it."""
    subprocess.run("ip link add server0 type veth peer name trove0 && ip link set server0 up &&"
                   "ethtool -K trove0 tx off tso off gso off rx off >/dev/null", shell=True, check=True)
    yield
    subprocess.run(["ip", "link", "del", "server0"], check=True)


def udp(family=socket.AF_INET):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.connect((ADDRESS if family == socket.AF_INET else "2001:db8::1", PORT))
    return sock


def event(**keys):
    """A good event as a dict; keys given as None are left out."""
    full = {"id": str(uuid.uuid4()), "time": int(time.time() * 1000), "user": "u-1", "type": "view", "item": "A"}
    full.update(keys)
    return {key: value for key, value in full.items() if value is not None}


def encode(**keys):
    return json.dumps(event(**keys), separators=(",", ":")).encode()
