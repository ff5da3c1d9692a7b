"""Files for HdrHistogram's tools: what our programs write, as HdrHistogram's own library and as a decoder in Python read it."""
import json
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from conftest import BUILD, TOP, encode, udp

sys.path.insert(0, str(TOP / "scripts"))
from bench_hlog import merged, percentiles, read_hlog  # noqa: E402

WANTED = [50, 90, 99, 99.9, 100]


def other_opinion(path):
    """Each interval as HdrHistogram's library reads it."""
    run = subprocess.run([TOP / "scripts/hdr-histogram", path], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def rows(hgrm):
    """(value in us, percentile, count) of each line."""
    lines = [line.split() for line in pathlib.Path(hgrm).read_text().splitlines()]
    return [(float(line[0]), float(line[1]), int(line[2])) for line in lines if line and line[0][0].isdigit()]


def agree(path):
    """Both readers on every interval; returns how many values they found in all."""
    start_s, ours = read_hlog(path)
    theirs = other_opinion(path)
    assert len(ours) == len(theirs) > 0
    for mine, other in zip(ours, theirs):
        assert mine.total == other["count"]
        assert percentiles(mine.counts, WANTED) == [other["percentiles"][str(p)] for p in WANTED]
        assert abs(start_s * 1000 + mine.start_s * 1000 - other["start_ms"]) < 2
        assert abs(mine.length_s * 1000 - (other["end_ms"] - other["start_ms"])) < 2
    return sum(other["count"] for other in theirs)


@pytest.fixture(name="sent", scope="module")
def fixture_sent(tmp_path_factory):
    """A run of some seconds that sends to nobody: its report and its files."""
    directory = tmp_path_factory.mktemp("hlog")
    run = subprocess.run([BUILD / "bench/trove-blast", "--rate", "20k..60k/1s,60k/1500ms", "--hgrm", directory / "lag.hgrm", "--hlog",
                          directory / "lag.hlog", "null:"], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(run.stdout), directory


def test_every_datagram_is_in_the_interval_log(sent):
    report, directory = sent
    assert agree(directory / "lag.hlog") == report["datagrams"] == 130_000
    _, intervals = read_hlog(directory / "lag.hlog")
    assert len(intervals) >= 3
    for before, after in zip(intervals, intervals[1:]):
        assert abs(before.start_s + before.length_s - after.start_s) < 0.002


def test_report_percentiles_and_log_are_one_distribution(sent):
    report, directory = sent
    _, intervals = read_hlog(directory / "lag.hlog")
    p50, p99, p999 = (ns / 1000 for ns in percentiles(merged(intervals), [50, 99, 99.9]))
    for found, said in ((p50, "p50"), (p99, "p99"), (p999, "p999")):
        assert abs(found - report["lag_us"][said]) <= 0.051 + found * 0.001
    found = rows(directory / "lag.hgrm")
    assert found[-1][1:] == (1.0, report["datagrams"])
    assert next(us for us, level, _ in found if level >= 0.5) == pytest.approx(p50, abs=0.001)
    assert [us for us, _, _ in found] == sorted(us for us, _, _ in found)


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    for option in ("--hgrm", "--hlog"):
        run = subprocess.run([BUILD / "bench/trove-blast", "--rate", "1k", "--events", "10", option, tmp_path / "none/x", "null:"],
                             capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 1 and "cannot write" in run.stderr and json.loads(run.stdout)["sent"] == 10


def test_latency_since_the_start_is_one_interval(trove):
    sock = udp()
    for _ in range(200):
        sock.send(encode())
    trove.settled(200)
    trove.ctl("latency", "--stage", "decision", "--hlog", str(trove.dir / "d.hlog"), "--hgrm", str(trove.dir / "d.hgrm"))
    assert agree(trove.dir / "d.hlog") == 200
    _, (interval,) = read_hlog(trove.dir / "d.hlog")
    stage = json.loads(trove.ctl("latency", "--stage", "decision", "--json").stdout)["stages"][0]
    found = {p["percentile"]: p["us"] for p in stage["percentiles"]}
    assert interval.percentile(50) / 1000 == pytest.approx(found[50.0], abs=0.001)
    assert rows(trove.dir / "d.hgrm")[-1][2] == 200


def test_latency_interval_by_interval(trove):
    sock = udp()
    for _ in range(50):
        sock.send(encode())
    trove.settled(50)
    log = trove.dir / "i.hlog"
    logger = threading.Thread(target=trove.ctl, args=("latency", "--stage", "durable", "--hlog", str(log), "--for", "8s", "--interval",
                                                      "200ms"))
    logger.start()
    while not log.exists() or not log.stat().st_size:  # until then what is sent may be before it
        assert logger.is_alive()
        time.sleep(0.02)
    for count in range(5):
        for _ in range(20):
            sock.send(encode())
        trove.settled(70 + 20 * count)
        time.sleep(0.3)  # longer than an interval
    assert logger.is_alive()
    logger.join()
    assert agree(log) == 100
    assert len([interval for interval in read_hlog(log)[1] if interval.total]) > 1


def test_options_without_what_they_are_of_are_a_usage_error():
    for args in (["--for", "1s"], ["--stage", "sync", "--interval", "1s"], ["--hlog", "x"]):
        run = subprocess.run([BUILD / "dataplane/trovectl", "latency", *args], capture_output=True, text=True, timeout=30, check=False)
        assert run.returncode == 2, run.stderr


def test_a_time_that_is_none_is_refused(trove):
    for option in ("--for", "--interval"):
        trove.ctl("latency", "--stage", "sync", "--hlog", str(trove.dir / "x"), option, "soon", status=2)
        trove.ctl("latency", "--stage", "sync", "--hlog", str(trove.dir / "x"), option, "1ms", status=2)
