"""scripts/capacity: what it reckons, by hand for cases that can be reckoned by hand."""
import json
import subprocess
import sys

import pytest

from conftest import TOP

sys.path.insert(0, str(TOP / "scripts"))
import bench_capacity  # noqa: E402

capacity = bench_capacity.load_model()
COSTS = capacity.Costs(event_ns=200, byte_ns=0.5, datagram_ns=100, journal_ns=40, journal_byte_ns=0.1, sink_ns=5, sink_byte_ns=0, remote_ns=80)


def run(*args):
    return subprocess.run([TOP / "scripts/capacity", *args], capture_output=True, text=True, timeout=30, check=False)


def test_workers_by_hand():
    host, load = capacity.Host(cores=5, headroom=0), capacity.Load(event_bytes=200, per_datagram=4)
    assert capacity.worker_ns(COSTS, load) == 200 + 100 + 25
    assert capacity.limits(COSTS, host, load)["workers"] == pytest.approx(4e9 / 325)
    assert capacity.limits(COSTS, capacity.Host(cores=1, headroom=0), load)["workers"] == pytest.approx(1e9 / (325 + 50 + 20))


def test_the_control_core_by_hand():
    found = capacity.limits(COSTS, capacity.Host(cores=64, sinks=3, headroom=0.5), capacity.Load(event_bytes=100))
    assert found["journals"] == pytest.approx(1e9 / 50 / 2)
    assert found["sinks"] == pytest.approx(1e9 / 65 / 2)


def test_a_slow_port_is_the_limit():
    host = capacity.Host(cores=64, sinks=0, nic_gbit=1, disk_bytes_per_s=1e12, memory_bytes=1e12)
    found = capacity.limits(COSTS, host, capacity.Load(event_bytes=183))
    assert min(found, key=found.get) == "nic"
    assert found["nic"] == pytest.approx(1e9 / (250 * 8))  # 183 and a newline, 42 of heads, 24 of the wire


def test_nodes_without_a_port_cost_more():
    load = capacity.Load()
    near = capacity.limits(COSTS, capacity.Host(cores=9, nodes=2, nics=2), load)["workers"]
    far = capacity.limits(COSTS, capacity.Host(cores=9, nodes=2, nics=1), load)["workers"]
    ns = capacity.worker_ns(COSTS, load)
    assert far / near == pytest.approx(ns / (ns + 40))


def test_memory_that_users_fill_takes_no_events():
    found = capacity.limits(COSTS, capacity.Host(memory_bytes=1e9), capacity.Load(users=1e8))
    assert found["memory"] == 0


def test_a_pop_takes_its_rate_with_a_host_down():
    assert capacity.hosts_needed(1e6, 1.5e6, 1e6) == 2
    # Two hosts would do if the hash were even.
    assert capacity.hosts_needed(2e6, 1e6, 1e6) == 4
    assert capacity.hosts_needed(1e6, 1e5, 1e6, heaviest=0.2) is None  # one user alone is more than a host takes
    assert capacity.fullest_share(1, 1000) == 1
    assert capacity.fullest_share(10, 100) > capacity.fullest_share(10, 1_000_000) > 0.1


def test_costs_are_found_again_from_the_rates_that_they_make():
    found = {(size, k): {"worker": 210 + 0.3 * size + 90 / k, "journal": 30 + 0.2 * size, "sink": 400 + 0.1 * size}
             for size, k in bench_capacity.LEARNT + bench_capacity.PREDICTED}
    assert bench_capacity.fit(found) == pytest.approx({"event_ns": 210, "byte_ns": 0.3, "datagram_ns": 90, "journal_ns": 30, "journal_byte_ns": 0.2,
                                                       "sink_ns": 400, "sink_byte_ns": 0.1})


def test_answers_for_people_and_for_programs():
    shown = run("--cores", "16", "--nic", "25", "--users", "10M", "--rate", "20M", "--hosts", "6")
    assert shown.returncode == 0 and "<- the limit" in shown.stdout and "POP of 6" in shown.stdout, shown.stderr
    answer = json.loads(run("--cores", "2", "--json").stdout)
    assert answer["limits"][answer["limit"]] == answer["events_per_s"] == min(answer["limits"].values())
    for args in (["--cores", "0"], ["--headroom", "1"], ["--event", "many"]):
        assert run(*args).returncode == 2
