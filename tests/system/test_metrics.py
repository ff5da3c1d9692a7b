"""What the management port answers: Prometheus' own checker reads it, and it says what the status says."""
import json
import re
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import CONFIG, TOP, encode, udp

HTTP = "127.0.0.1:9470"
OPEN = CONFIG.replace("ctl.sock }}", "ctl.sock, http: " + HTTP + " }}")


@pytest.fixture
def trove(make):
    return make(config=OPEN, more="hunts:\n  - { name: 'spring', kind: tiles, types: [claim], tiles: 9, period: 1h }\n").start()


def get(path, method="GET"):
    """Status, content type and body."""
    request = urllib.request.Request(f"http://{HTTP}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers["Content-Type"], answer.read().decode()


def samples(text):
    """{name{labels}: value} of an exposition."""
    return {m[1]: float(m[2]) for m in re.finditer(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.M)}


def promtool(*args, **options):
    return subprocess.run([TOP / "scripts/promtool", *args], capture_output=True, text=True, timeout=120, check=False, **options)


def test_promtool_finds_no_fault(trove):
    udp().send(encode())
    trove.settled(1)
    status, content, body = get("/metrics")
    assert (status, content) == (200, "text/plain; version=0.0.4; charset=utf-8")
    checked = promtool("check", "metrics", input=body)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_the_alerts_fire_when_they_should():
    checked = promtool("test", "rules", TOP / "tests/system/trove.rules.test.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_metric_of_an_alert_is_there(trove):
    names = set(re.findall(r"\btrove_[a-z_]+", (TOP / "conf/prometheus/trove.rules.yml").read_text()))
    body = get("/metrics")[2]
    missing = {name for name in names if not re.search(rf"^{name}[ {{]", body, re.M)}
    # A sink's and a core's series come with the sink and the core: there is one of each here.
    assert not missing


def test_it_says_what_the_status_says(trove):
    good, sock = encode(), udp()
    for datagram in (good, good, b"{", encode(type="nosuch")):
        sock.send(datagram)
    status = trove.settled(4)
    found = samples(get("/metrics")[2])
    account = status["account"]
    assert (account["accepted"], account["duplicate"], account["rejected"]) == (1, 1, 2)
    for name in ("received", "accepted", "duplicate", "refused"):
        assert found[f"trove_events_{name}_total"] == account[name]
    for reason, count in status["rejected"].items():
        assert found[f'trove_events_rejected_total{{reason="{reason}"}}'] == count
    assert sum(v for k, v in found.items() if k.startswith("trove_events_lost_total")) == account["lost"]
    assert found['trove_sink_records_total{sink="file"}'] == status["sinks"][0]["delivered"]
    assert found['trove_awards_total{hunt="spring"}'] == 0
    assert found["trove_ready"] == 1


def test_histograms_add_up(trove):
    for _ in range(50):
        udp().send(encode())
    trove.settled(50)
    body = get("/metrics")[2]
    name = "trove_ingest_latency_seconds"
    for stage in ("ring_wait", "decision", "durable"):
        counts = [int(n) for n in re.findall(rf'^{name}_bucket{{stage="{stage}",le="[^"]+"}} (\d+)$', body, re.M)]
        assert len(counts) == 23 and counts == sorted(counts) and counts[-1] == 50
        assert f'{name}_count{{stage="{stage}"}} 50' in body
        total = float(re.search(rf'^{name}_sum{{stage="{stage}"}} (\S+)$', body, re.M)[1])
        assert (0 if stage == "ring_wait" else 1e-9) <= total < 50 * 10


def test_what_is_not_open_stays_on_the_socket(trove):
    for path, method in (("/v1/config", "GET"), ("/v1/stop", "POST"), ("/v1/users/ann/explain", "GET"), ("/v1/corrections", "POST")):
        status, content, body = get(path, method)
        assert (status, content, json.loads(body)["code"]) == (403, "application/problem+json", "socket_only"), path
    assert get("/v1/status")[0] == 200
    assert get("/nothing")[0] == 404
    assert trove.status()["state"] == "running"


def test_ready_until_it_drains(trove):
    assert get("/healthz")[0] == 200
    assert json.loads(get("/readyz")[2]) == {"state": "ready"}
    udp().send(encode())
    trove.ctl("stop", "--no-wait")
    status, _, body = get("/readyz")
    assert (status, json.loads(body)["code"]) == (503, "draining")
    assert samples(get("/metrics")[2])["trove_ready"] == 0
    assert trove.process.wait(timeout=30) == 0
    trove.process = None


def test_an_address_that_is_taken_ends_the_start(make):
    other = socket.create_server(("127.0.0.1", 9470))
    trove = make(config=OPEN).start(expect_ready=False)
    assert trove.process.wait(timeout=30) == 1
    trove.process = None
    assert f"management.http {HTTP}: another program listens there" in trove.log.read_text()
    other.close()


@pytest.mark.parametrize("value", ["9470", "localhost:9470", "127.0.0.1", "127.0.0.1:0", "unix:/run/x"])
def test_what_is_no_address_is_told(make, value):
    trove = make(config=CONFIG.replace("ctl.sock }}", f"ctl.sock, http: '{value}' }}}}")).start(expect_ready=False)
    assert trove.process.wait(timeout=30) == 1
    trove.process = None
    assert "http must be an IPv4 address and a port such as 127.0.0.1:9470" in trove.log.read_text()
