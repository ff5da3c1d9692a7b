"""What trove-blast says over its own TCP, as the kernel's TCP and another HTTP parser understand it."""
import collections
import http.server
import json
import os
import socket
import subprocess
import threading
import time

import pytest
from conftest import BUILD

ADDRESS, PORT = "198.51.100.1", 8080


class Handler(http.server.BaseHTTPRequestHandler):
    """Takes what comes; answers every tenth request with 503, and closes after every hundredth if it is to."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, self.headers["Content-Type"], self.headers["Trove-Ack"], body))
        count = len(self.server.requests)
        self.send_response(503 if count % 10 == 0 else 202)
        self.send_header("Content-Length", "2")
        if self.server.closes and count % 100 == 0:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    http.server.ThreadingHTTPServer.request_queue_size = 64
    made = http.server.ThreadingHTTPServer(("0.0.0.0", PORT), Handler)
    made.requests = collections.deque()
    made.closes = False
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def started(*args, inside=()):
    """A run over a tap interface of its own, which is up as soon as it is there."""
    run = subprocess.Popen([*inside, BUILD / "bench/trove-blast", "--no-huge", "--vdev", "net_tap0,iface=blast0", "--source-ip", "198.51.100.2",
                            *args, f"http://{ADDRESS}:{PORT}/v1/events"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "blast0" not in [name for _, name in socket.if_nameindex()] and run.poll() is None:
        time.sleep(0.01)
    subprocess.run(f"ip addr add {ADDRESS}/24 dev blast0 && ip link set blast0 up", shell=True, check=run.poll() is None)
    return run


def blast(*args):
    run = started(*args)
    out, err = run.communicate(timeout=60)
    return run.returncode, out, err


def test_every_request_arrives_whole_and_every_answer_is_counted(server):
    code, out, err = blast("--events", "3000", "--connections", "8", "--pipeline", "4", "--ack", "accepted")
    assert code == 0, err
    report = json.loads(out)
    assert report["answered"] == report["requests"] == len(server.requests) == 3000
    assert report["status"] == {"202": 2700, "503": 300}
    assert report["closes"] == report["resets"] == report["nonsense"] == 0
    assert {tuple(head) for *head, _ in server.requests} == {("/v1/events", "application/json", "accepted")}
    assert len({json.loads(body)["id"] for *_, body in server.requests}) == 3000


def test_a_connection_that_is_closed_is_opened_again(server):
    server.closes = True
    code, out, err = blast("--events", "1050", "--connections", "4")
    assert code == 0, err
    report = json.loads(out)
    assert report["answered"] == report["requests"] == len(server.requests) == 1050
    assert report["closes"] == 10 and report["resets"] == 0


def test_batches_are_lines(server):
    code, out, err = blast("--events", "2050", "--connections", "3", "--batch", "100", "--rate", "20k")
    assert code == 0, err
    report = json.loads(out)
    assert report["answered"] == len(server.requests) == 21 and report["sent"] == 2050
    bodies = [[json.loads(line)["id"] for line in body.splitlines()] for *_, body in server.requests]
    assert sorted(map(len, bodies)) == [50] + [100] * 20
    assert len({one for body in bodies for one in body}) == 2050
    assert {content for _, content, _, _ in server.requests} == {"application/x-ndjson"}


def test_who_does_not_listen_is_named():
    code, out, err = blast("--events", "10")
    assert code == 1 and f"{ADDRESS}:{PORT} refuses connections" in err
    assert json.loads(out)["requests"] == 0


def test_dpdk_was_given_its_threads_before_the_sender_took_priority(server):
    """It waits for them in naps of a microsecond. Under SCHED_FIFO the core was not given away in these, and the start took up to 40 s."""
    run = started("--nap", "20us", "--core", "0", "--rate", "100", "--duration", "2s", "--connections", "4")
    while run.poll() is None and os.sched_getscheduler(run.pid) != os.SCHED_FIFO:
        time.sleep(0.01)
    try:
        others = [int(task) for task in os.listdir(f"/proc/{run.pid}/task") if int(task) != run.pid]
        assert others and {os.sched_getscheduler(task) for task in others} == {os.SCHED_OTHER}
        out, err = run.communicate(timeout=60)
    finally:
        run.kill()  # at its priority, nothing else on its core would end it
        run.wait()
    assert run.returncode == 0 and json.loads(out)["answered"], err


def test_the_priority_is_given_back_before_the_port_is_closed(server):
    """DPDK waits for its threads there as it does at the start."""
    calls = ["strace", "-qq", "-e", "trace=sched_setscheduler,clock_nanosleep", "-e", "signal=none"]
    run = started("--nap", "5ms", "--core", "0", "--rate", "100", "--duration", "1s", "--connections", "2", inside=calls)
    _, err = run.communicate(timeout=60)
    said = [line for line in err.splitlines() if line.startswith(("sched_", "clock_"))]
    policies = [at for at, line in enumerate(said) if line.startswith("sched_setscheduler(0")]
    assert run.returncode == 0 and len(policies) == 2, err
    assert "SCHED_FIFO" in said[policies[0]] and "SCHED_OTHER" in said[policies[1]]
    # Its own naps are of 5 ms, or of 1 when it was busy for long; DPDK's, of a microsecond, are all before, or behind.
    assert all("tv_nsec=5000000}" in line or "tv_nsec=1000000}" in line for line in said[policies[0] + 1:policies[1]])


@pytest.mark.parametrize("patience, least, most", [("1ms", 40, 120), ("1s", 200, 620)], ids=["at its end", "meanwhile"])
def test_who_finds_its_port_full_sleeps(tmp_path, patience, least, most):
    """The core that makes room may be the same one: a vhost port that nobody has opened stays full. It waits for its patience, and then 200 ms
    for what was sent to be taken."""
    run = subprocess.run(["strace", "-qq", "-e", "trace=clock_nanosleep", "-e", "signal=none", BUILD / "bench/trove-blast", "--no-huge",
                          "--vdev", f"net_vhost0,iface={tmp_path}/port", "--source-ip", "198.51.100.2", "--target-mac", "02:00:00:00:00:01",
                          "--core", "0", "--nap", "2ms", "--patience", patience, "--events", "3", f"dpdk://{ADDRESS}:9000"],
                         capture_output=True, text=True, timeout=60, check=False)
    report = json.loads(run.stdout)
    assert report["unsent"] == 3 and report["delays"] == 1
    naps = sum("tv_nsec=2000000}" in line for line in run.stderr.splitlines())
    assert least <= naps <= most, run.stderr
