"""A disk that is full, read-only or broken: an honest state, a clean exit, and a start that goes on once there is room."""
import json
import os
import random
import re
import shutil
import subprocess
import time

import pytest

from conftest import BUILD, CONFIG, encode, udp
from test_stop import CATALOG, TRAIL, blast

STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(not STRACE, reason="strace is not installed")
SMALL = CONFIG.replace("journal: {{ buffer: 32MiB, segment_size: 16MiB }}", "journal: {{ buffer: 2MiB, segment_size: 1MiB }}\ndrain: 1s")
assert SMALL != CONFIG
# What strace can reach.
SYNC = SMALL.replace("journal: {{ ", "journal: {{ io: sync, ")


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(name, size) mounts a file system of that size; all of them go with the test."""
    mounted = []

    def mount(name, size):
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        run = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", path], check=False,
                             capture_output=True, text=True)
        if run.returncode:
            pytest.skip(f"no file system can be mounted here: {run.stderr.strip()}")
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", path], check=False)


def wait_for(trove, wanted, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        now = json.loads(subprocess.run([BUILD / "dataplane/trovectl", "--socket", trove.dir / "ctl.sock", "status", "--json"],
                                        capture_output=True, text=True, timeout=30, check=False).stdout)
        if wanted(now):
            return now
        assert time.monotonic() < deadline, now
        time.sleep(0.05)


def failed(now):
    return now["state"] == "journal_failed"


def flood(rate, seconds, run):
    return blast("--rate", rate, "--duration", seconds, "--types", "view:100", "--run-id", str(run))


def no_seq_twice(trove):
    seqs = [o["seq"] for o in trove.outcomes()]
    assert len(seqs) == len(set(seqs)), "a line twice"
    awards = [o["award"] for o in trove.outcomes() if o["outcome"] == "award"]
    assert len(awards) == len(set(awards)), "an award twice"


def journal(now):
    return now["journal"][0]


def test_a_full_data_disk_refuses_in_time_and_goes_on_by_itself(make, small_disk):
    disk = small_disk("data", "6m")
    trove = make(config=SMALL).start()
    load = flood("5k", "8s", 1)
    now = wait_for(trove, lambda now: journal(now)["refusing"])
    assert now["state"] == journal(now)["state"] == "disk_full"
    assert "No space left" in journal(now)["error"] and journal(now)["since"]
    assert any("make room" in warning for warning in now["warnings"])
    load.kill()
    load.wait()
    # What still comes fills the rings; what finds them full is lost for that reason.
    sock = udp()
    wait_for(trove, lambda now: now["lost"].get("journal") or [sock.send(encode(user="refused")) for _ in range(500)].clear())
    sock.close()
    # What was taken is durable, though there is no room: that is what the reserve is for.
    now = wait_for(trove, lambda now: journal(now)["durable_ordinal"] == journal(now)["records"])
    assert now["account"]["balanced"] and journal(now)["given_up"] == journal(now)["errors"] == 0
    assert "DISK FULL, refusing" in trove.ctl("status", status=1).stdout
    log = trove.log.read_text()
    assert "warning: journal of shard 0: No space left on device" in log and "stopped" not in log
    accepted = now["account"]["accepted"]

    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    wait_for(trove, lambda now: now["state"] == "running" and not journal(now)["refusing"])
    now = wait_for(trove, lambda now: now["account"]["in_flight"] == 0)
    sock = udp()
    for _ in range(20):
        sock.send(encode(user="later"))
    trove.settled(now["account"]["received"] + 20)
    wait_for(trove, lambda now: "all is well again" in trove.log.read_text())
    assert trove.term() == 0
    assert trove.account_line().endswith("balanced")
    no_seq_twice(trove)
    visits = len([o for o in trove.outcomes() if o["outcome"] == "visit"])
    assert visits >= accepted + 20
    trove.start()
    assert "0 differences" in trove.log.read_text() and trove.status()["recovered"] == visits


def test_a_stop_while_the_disk_is_full_loses_nothing_that_was_taken(make, small_disk):
    disk = small_disk("data", "6m")
    trove = make(config=SMALL).start()
    load = flood("5k", "8s", 1)
    durable = journal(wait_for(trove, lambda now: journal(now)["refusing"]))["durable_ordinal"]
    load.kill()
    load.wait()
    code = trove.term()
    log = trove.log.read_text()
    # The reserve holds what was in the buffers; what waited in the rings may find no room.
    assert code == 0 or "not durable" in log, log
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    trove.start()
    recovered = trove.status()["recovered"]
    # An event has two records: its own and its visit's.
    assert "0 differences" in trove.log.read_text() and 2 * recovered >= durable > 0
    trove.settled(0)
    assert trove.term() == 0
    assert len([o for o in trove.outcomes() if o["outcome"] == "visit"]) == recovered
    no_seq_twice(trove)


def test_a_disk_without_room_for_the_reserve_takes_nothing_until_there_is(make, small_disk):
    disk = small_disk("data", "1500k")
    trove = make(config=SMALL).start()
    load = flood("5k", "8s", 1)
    now = wait_for(trove, lambda now: journal(now)["refusing"] and now["account"]["in_flight"])
    load.kill()
    load.wait()
    assert now["state"] == "disk_full" and "No space left" in journal(now)["error"]
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    now = wait_for(trove, lambda now: now["state"] == "running" and not now["account"]["in_flight"])
    wait_for(trove, lambda now: journal(now)["durable_ordinal"] == journal(now)["records"])
    assert trove.term() == 0
    no_seq_twice(trove)
    trove.start()
    assert "0 differences" in trove.log.read_text()


def test_a_sink_on_a_full_disk_holds_nobody_up(make, small_disk):
    disk = small_disk("out", "1m")
    trove = make(config=CONFIG.replace("{dir}/out.ndjson", "{dir}/out/out.ndjson")).start()
    load = flood("5k", "3s", 1)
    sent = json.loads(load.communicate()[0])["sent"]
    now = wait_for(trove, lambda now: now["account"]["accepted"] == sent)
    now = wait_for(trove, lambda now: now["sinks"][0]["state"] == "error")
    assert "No space left" in now["sinks"][0]["error"] and now["sinks"][0]["lag_records"] > 0
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    wait_for(trove, lambda now: now["sinks"][0]["state"] == "ok" and not now["sinks"][0]["lag_records"])
    assert trove.term() == 0
    lines = [json.loads(line) for line in (disk / "out.ndjson").read_text().splitlines()]
    assert len(lines) == len({o["seq"] for o in lines}) == sent


def test_a_sink_file_that_is_moved_or_removed_is_made_anew(make):
    trove = make().start()
    sock, out, old = udp(), trove.dir / "out.ndjson", trove.dir / "out.1"
    for i in range(10):
        sock.send(encode())
    trove.settled(10)
    out.rename(old)
    for i in range(10):
        sock.send(encode())
    trove.settled(20)
    wait_for(trove, lambda now: not now["sinks"][0]["lag_records"] and now["sinks"][0]["state"] == "ok")
    lines = [json.loads(line)["seq"] for path in (old, out) for line in path.read_text().splitlines()]
    assert len(lines) == len(set(lines)) == 20
    out.unlink()
    sock.send(encode())
    trove.settled(21)
    wait_for(trove, lambda now: out.exists() and len(out.read_text().splitlines()) == 1)
    out.unlink()
    out.mkdir()
    sock.send(encode())
    wait_for(trove, lambda now: "directory" in now["sinks"][0].get("error", ""))
    out.rmdir()
    wait_for(trove, lambda now: now["sinks"][0]["state"] == "ok")
    assert trove.term() == 0
    assert len(out.read_text().splitlines()) == 1


def test_a_read_only_data_directory_is_one_clear_line(make, small_disk):
    disk = small_disk("data", "6m")
    trove = make(config=SMALL).start()
    assert trove.term() == 0
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    trove.start(expect_ready=False)
    assert trove.process.poll() == 1
    trove.process = None
    lines = [line for line in trove.log.read_text().splitlines() if "error" in line]
    assert len(lines) == 1 and "Read-only" in lines[0], lines


def strace_troved(trove, inject):
    with open(trove.log, "w", encoding="utf-8") as log:
        trove.process = subprocess.Popen([STRACE, "-D", "-f", "-qq", "-e", "trace=pwritev2,fdatasync,io_uring_setup", "-e", f"inject={inject}", "-o", trove.dir / "strace",
                                          BUILD / "dataplane/troved", "--config", trove.config], stderr=log, stdout=log)
    deadline = time.monotonic() + 60
    while " ready: " not in trove.log.read_text():
        assert trove.process.poll() is None and time.monotonic() < deadline, trove.log.read_text()
        time.sleep(0.05)
    subprocess.run("ip addr add 192.0.2.2/24 dev trove0; ip link set trove0 up", shell=True, check=True)


@needs_strace
@pytest.mark.parametrize("inject, message", [("pwritev2:error=ENOSPC:when=4+", "No space left"),
                                             ("fdatasync:error=EIO:when=9+", "Input/output")])
def test_a_disk_that_fails_for_good_stops_the_journal(make, inject, message):
    trove = make(config=SYNC)
    strace_troved(trove, inject)
    sock = udp()
    now = wait_for(trove, lambda now: sock.send(encode()) and failed(now))  # each a group of its own
    assert message in now["journal"][0]["error"]
    trove.ctl("status", status=1)
    trove.ctl("stop")
    assert trove.wait() == 1
    log = trove.log.read_text()
    assert "journal of shard 0 stopped" in log and message in log and "Sanitizer" not in log
    trove.start()
    assert "0 differences" in trove.log.read_text()
    udp().send(encode(user="later"))
    trove.settled(1)
    assert trove.term() == 0
    no_seq_twice(trove)


@needs_strace
@pytest.mark.parametrize("inject, given_up", [("pwritev2:error=EIO:when=3", 1), ("fdatasync:error=EIO:when=5", 1),
                                              ("fdatasync:error=EIO:when=5..9", 1), ("pwritev2:error=ENOSPC:when=4+3", 2)])
def test_what_a_failed_write_or_sync_left_is_written_again_elsewhere(make, inject, given_up):
    trove = make(config=SYNC)
    strace_troved(trove, inject)
    sock, sent = udp(), 0
    while sent < 100 or journal(wait_for(trove, bool))["given_up"] < given_up:
        for _ in range(10):
            sock.send(encode(user=f"u-{sent}"))
            sent += 1
            time.sleep(0.01)
        assert sent < 3000, "it was never reached"
    now = wait_for(trove, lambda now: now["state"] == "running" and now["account"]["accepted"] == sent and
                   journal(now)["durable_ordinal"] == journal(now)["records"])
    assert journal(now)["given_up"] >= given_up and journal(now)["errors"] >= given_up
    trove.settled(sent)
    assert "segment was given up" in trove.log.read_text()
    trove.ctl("stop")
    assert trove.wait() == 0, trove.log.read_text()
    seqs = [o["event_seq"] for o in trove.outcomes() if o["outcome"] == "visit"]
    assert len(seqs) == len(set(seqs)) == sent
    trove.ctl("segment", "verify", "--data-dir", trove.dir / "data")
    trove.ctl("replay", "--verify", "--data-dir", trove.dir / "data")
    trove.start()
    assert trove.status()["recovered"] == sent and "0 differences" in trove.log.read_text()
    assert trove.term() == 0
    no_seq_twice(trove)


@needs_strace
@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_where_io_uring_is_forbidden_the_other_way_is_taken(make, error):
    trove = make(config=SMALL)
    strace_troved(trove, f"io_uring_setup:error={error}")
    assert trove.log.read_text().count("journal: no io_uring here") == 1
    assert journal(trove.status())["io"] == "sync"
    udp().send(encode())
    trove.settled(1)
    trove.ctl("stop")
    assert trove.wait() == 0
    trove.config.write_text(trove.config.read_text().replace("journal: { ", "journal: { io: io_uring, "))
    with pytest.raises(AssertionError, match="journal.io is io_uring, and the kernel does not allow it"):
        strace_troved(trove, f"io_uring_setup:error={error}")
    assert trove.wait() == 1


def test_a_start_takes_the_way_that_its_trial_found_better(make):
    trove = make(config=SMALL).start()
    said = re.search(r"journal: a group takes (\d+) us by io_uring, (\d+) us by pwritev2: (\w+) is used", trove.log.read_text())
    uring, sync, used = int(said[1]), int(said[2]), said[3]
    # Said in whole microseconds: between the two that are a twentieth apart, either.
    assert used == "io_uring" if (uring + 1) * 1.05 < sync else used == "pwritev2" or uring * 1.05 < sync + 1
    assert journal(trove.status())["io"] == {"io_uring": "io_uring", "pwritev2": "sync"}[used]


@pytest.mark.parametrize("io", ["io_uring", "sync"])
def test_both_ways_write_the_same_journal(make, io):
    trove = make(config=SMALL.replace("journal: {{ ", f"journal: {{{{ io: {io}, ")).start()
    load = flood("5k", "2s", 1)
    sent = json.loads(load.communicate()[0])["sent"]
    now = wait_for(trove, lambda now: now["account"]["accepted"] == sent and journal(now)["durable_ordinal"] == journal(now)["records"])
    assert journal(now)["io"] == io and journal(now)["state"] == "ok" and journal(now)["errors"] == 0
    assert journal(now)["segment"] > 2
    assert trove.term() == 0
    trove.ctl("segment", "verify", "--data-dir", trove.dir / "data")
    trove.start()
    assert trove.status()["recovered"] == sent and "0 differences" in trove.log.read_text()


@pytest.mark.parametrize("seed", range(2))
def test_kill_9_while_segments_roll_again_and_again(make, seed):
    rng = random.Random(seed)
    trove = make(config=SMALL + TRAIL.replace("{dir}", "{{dir}}").replace("{{dir}}", "{dir}"))
    (trove.dir / "c.tsv").write_text(CATALOG)
    total = 0
    for turn in range(6):
        trove.start()
        assert "0 differences" in trove.log.read_text() or not turn
        recovered = trove.status()["recovered"]
        assert recovered >= total, "durable events were forgotten"
        load = flood("12k", "2s", f"{seed}{turn}")
        time.sleep(rng.uniform(0.2, 0.9))
        sock = udp()
        for item in "ABC":
            sock.send(encode(user=f"winner-{turn}", item=item))
        total = recovered
        time.sleep(rng.uniform(0.0, 0.1))
        trove.kill()
        load.kill()
        load.wait()
    trove.start()
    assert "0 differences" in trove.log.read_text()
    recovered = trove.status()["recovered"]
    assert recovered >= total and recovered > 1000
    trove.settled(0)
    assert trove.term() == 0
    no_seq_twice(trove)
    events = [o["event_seq"] for o in trove.outcomes() if o["outcome"] == "visit" and "hunt" not in o]
    assert len(set(os.listdir(trove.dir / "data/journal"))) > 7, "segments did not roll"
    assert len(events) <= recovered
