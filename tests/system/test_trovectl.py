"""trovectl as an operator types it: layouts, exit codes, and errors that name the next command."""
import json
import pathlib
import subprocess
import time

from conftest import BUILD, encode, udp


HUNT = """
hunts:
  - { name: pairs, kind: basket, types: [view], catalog: CATALOG, threshold: 0.5, items: 2, ttl: 1h }
"""


def trovectl(*args, status=0):
    run = subprocess.run([BUILD / "dataplane/trovectl", *args], capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == status, f"{args}: exit {run.returncode}\n{run.stdout}{run.stderr}"
    return run


def test_status_shows_a_balanced_account(trove):
    udp().send(encode())
    trove.settled(1)
    text = trove.ctl("status").stdout
    assert "received 1 = accepted 1 + duplicate 0 + rejected 0 + refused 0 + lost 0" in text
    assert "balanced" in text


def test_latency_has_every_stage(trove):
    udp().send(encode())
    trove.settled(1)
    stages = {stage["stage"]: stage for stage in json.loads(trove.ctl("latency", "--json").stdout)["stages"]}
    assert set(stages) == {"decision", "durable", "ring_wait", "sync"}
    assert stages["decision"]["count"] == stages["durable"]["count"] == 1
    assert "p99" in trove.ctl("latency", "--stage", "durable").stdout
    trove.ctl("latency", "--stage", "nonsense", status=1)


def test_the_hgrm_file_counts_every_event(trove):
    sock = udp()
    for _ in range(100):
        sock.send(encode())
    trove.settled(100)
    trove.ctl("latency", "--stage", "decision", "--hgrm", str(trove.dir / "d.hgrm"))
    rows = [line.split() for line in (trove.dir / "d.hgrm").read_text().splitlines() if line.strip() and line.strip()[0].isdigit()]
    assert int(rows[-1][2]) == 100


def test_nobody_there_is_exit_3():
    run = trovectl("--socket", "/nonexistent/ctl.sock", "status", status=3)
    assert "troved" in run.stderr


def test_wrong_usage_is_exit_2():
    for args in ([], ["frobnicate"], ["conf"], ["conf", "apply"], ["latency", "--stage"]):
        trovectl(*args, status=2)


def test_conf_check_offline(make):
    trove = make()
    assert trovectl("conf", "check", str(trove.config)).stdout.startswith("ok")
    bad = trove.dir / "bad.yaml"
    bad.write_text(trove.config.read_text().replace("capacity: 500_000", "capactiy: 4x"))
    run = trovectl("conf", "check", str(bad), status=1)
    assert "did you mean 'capacity'" in run.stderr
    assert "^" in run.stderr
    run = subprocess.run([BUILD / "dataplane/troved", "--check", str(bad)], capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "did you mean" in run.stderr


def test_a_leaderboard_follows_the_journal_and_survives_a_restart(make):
    trove = make(HUNT)
    (trove.dir / "c.tsv").write_text("A\tB\t10\nB\tA\t10\n")
    trove.config.write_text(trove.config.read_text().replace("CATALOG", str(trove.dir / "c.tsv")))
    trove.start()
    sock = udp()
    for user in ("ann", "bob"):
        for item in ("A", "B"):
            sock.send(encode(user=user, item=item))
    trove.settled(4)
    for _ in range(2):
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            board = json.loads(trove.ctl("leaderboard", "pairs", "--json", "--user", "bob").stdout)
            if board["users"] == 2:
                break
        assert [(row["rank"], row["user"], row["awards"]) for row in board["top"]] == [(1, "ann", 1), (1, "bob", 1)]
        assert board["own"]["user"] == "bob" and board["lag_records"] == 0
        trove.kill()
        trove.start()
        time.sleep(0.2)
    assert "ann" in trove.ctl("leaderboard", "pairs", "--by", "score").stdout
    trove.ctl("leaderboard", "nobody", status=1)
    trove.ctl("leaderboard", "pairs", "--by", "luck", status=1)
    trove.ctl("leaderboard", "a/../b", status=1)
    trove.ctl("leaderboard", status=2)


def test_who_writes_journals_goes_before_who_makes_their_files_and_both_before_the_rest(trove):
    """Field 40 of stat, proc(5): a real-time priority, or 0."""
    stats = [path.read_text() for path in pathlib.Path(f"/proc/{trove.process.pid}/task").glob("*/stat")]
    priorities = sorted(int(stat.rpartition(")")[2].split()[37]) for stat in stats)
    assert priorities[-2:] == [1, 2] and set(priorities[:-2]) == {0}


def test_lcores_account_for_every_event(trove):
    sock = udp()
    for _ in range(100):
        sock.send(encode())
    trove.settled(100)
    answer = json.loads(trove.ctl("lcores", "--json").stdout)
    assert answer["idle"] == "sleep"
    cores = answer["lcores"]
    assert sum(core["received"] for core in cores) == sum(core["decided"] for core in cores) == 100
    for core in cores:
        assert all(core["cycles"][stage] > 0 for stage in ("receive", "parse", "decide")), core
        assert core["memory"]["pages_elsewhere"] == 0 and core["remote"] == []
        assert core["ring"] == {"used": 0, "slots": core["ring"]["slots"]}
    shown = trove.ctl("lcores", "--interval", "100ms").stdout
    assert "rx+shard" in shown and "p0/0" in shown and "none" in shown
    trove.ctl("lcores", "--interval", "soon", status=2)
