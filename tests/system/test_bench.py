"""scripts/bench without a load: what it calls a change, how it finds a rate, what it writes for people."""
import io
import json
import os
import subprocess
import sys

import pytest

from conftest import BUILD, TOP

sys.path.insert(0, str(TOP / "scripts"))
import bench_compare  # noqa: E402
import bench_journal  # noqa: E402
import bench_lib  # noqa: E402
import bench_parts  # noqa: E402
import bench_results  # noqa: E402
import bench_table  # noqa: E402
from bench_link import highest_rate, highest_rates  # noqa: E402


def one(name, values, unit="1/s", peer=None, at=None, **more):
    middle = sorted(values)[len(values) // 2]
    return {"bench": "udp", "figure": name, "value": middle, "unit": unit, "peer": peer, "at": at, "runs": len(values), "min": min(values),
            "max": max(values), **more, "values": values}


def compared(tmp_path, old, new):
    for name, figures in (("old", old), ("new", new)):
        (tmp_path / name).write_text("".join(json.dumps(figure) + "\n" for figure in figures))
    out = io.StringIO()
    return bench_compare.compare(tmp_path / "old", tmp_path / "new", out), out.getvalue()


def test_mann_whitney_as_its_tables_have_it(monkeypatch):
    assert bench_compare.mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252)
    assert bench_compare.mann_whitney([1, 2, 3, 4, 6], [5, 7, 8, 9, 10]) == pytest.approx(4 / 252)
    assert bench_compare.mann_whitney([1, 1, 1], [1, 1, 1]) == 1
    # The approximation for many, against every arrangement.
    for shift in range(8):
        old, new = list(range(7)), [value + shift + 0.5 for value in range(7)]
        monkeypatch.setattr(bench_compare, "EXACT_MAX", 14)
        exact = bench_compare.mann_whitney(old, new)
        monkeypatch.setattr(bench_compare, "EXACT_MAX", 0)
        assert bench_compare.mann_whitney(old, new) == pytest.approx(exact, abs=0.02)


def test_slower_beyond_the_noise_is_said_and_fails(tmp_path):
    slower, said = compared(tmp_path, [one("events_per_s", [100, 101, 102, 103, 104])], [one("events_per_s", [90, 91, 92, 93, 94])])
    assert slower and "slower" in said and "-9.8%" in said


def test_noise_is_not_called_slower(tmp_path):
    slower, said = compared(tmp_path, [one("events_per_s", [100, 80, 120, 95, 110])], [one("events_per_s", [90, 70, 115, 85, 105])])
    assert not slower and "slower" not in said


def test_lower_is_better_for_times_and_losses(tmp_path):
    old = [one("decision_us_p50", [5, 5, 5, 5, 5], "us"), one("lost", [0, 0, 0, 0, 0], "1"), one("ring", [1, 1, 1, 1, 1], "1")]
    new = [one("decision_us_p50", [4, 4, 4, 4, 4], "us"), one("lost", [7, 8, 9, 7, 8], "1"), one("ring", [2, 2, 2, 2, 2], "1")]
    slower, said = compared(tmp_path, old, new)
    lines = said.splitlines()
    assert slower and lines[0].startswith("faster") and lines[1].startswith("slower") and lines[2].startswith("changed")


def test_three_runs_are_doubtful_and_do_not_fail(tmp_path):
    slower, said = compared(tmp_path, [one("events_per_s", [100, 101, 102])], [one("events_per_s", [50, 51, 52])])
    assert not slower and "slower?" in said


def test_peers_that_became_slower_do_not_fail(tmp_path):
    slower, said = compared(tmp_path, [one("events_per_s", [100] * 5, peer="redis")], [one("events_per_s", [50] * 5, peer="redis")])
    assert not slower and "redis" in said


def test_a_share_of_the_found_rate_is_the_same_figure_at_another_rate(tmp_path):
    _, said = compared(tmp_path, [one("decision_us_p50", [5] * 5, "us", at=1000, load="50 %")],
                       [one("decision_us_p50", [9] * 5, "us", at=1200, load="50 %")])
    assert "slower" in said and "1 figures compared, 0 only" in said


def test_a_machine_that_became_slower_is_said_and_not_held_against_us(tmp_path):
    slower, said = compared(tmp_path, [one("core_work_us", [7] * 5, "us", peer="machine", least=6.9)],
                            [one("core_work_us", [9] * 5, "us", peer="machine", least=7.2)])
    assert not slower and "slower" in said and "machine core_work_us" in said
    machines = [figure for path in (bench_lib.TOP / "bench").glob("RESULTS*.jsonl") for figure in bench_results.load(path)
                if figure.get("figure", "").startswith(("idle_jitter", "core_work"))]
    assert machines and {figure["peer"] for figure in machines} == {"machine"}


@pytest.mark.parametrize("limit", [130_000, 250_000, 1_000_000, 1_599_999, 1_600_000, 2_000_000, 9_000_000])
def test_the_highest_rate_is_found_to_5_percent(limit):
    tried = []

    def attempt(rate):
        tried.append(rate)
        return rate <= limit and {"rate": rate}

    rate, best = highest_rate(attempt, 120_000, 1_600_000)
    assert best["rate"] == rate and limit / 1.06 <= rate <= limit
    assert len(set(tried)) < 12 and max(map(tried.count, tried)) == 2


def test_a_rate_counts_as_held_when_one_of_two_attempts_holds_it():
    tried = []

    def attempt(rate):
        tried.append(rate)
        return rate <= 1_000_000 and tried.count(rate) == 2 and {"rate": rate}

    rate, _ = highest_rate(attempt, 120_000, 1_600_000)
    assert 1_000_000 / 1.06 <= rate <= 1_000_000
    assert set(map(tried.count, tried)) == {2}


def searched(tried):
    """How many rates, of which some were tried twice, one try after the other."""
    return sum(before != rate for before, rate in zip([None, *tried], tried))


def test_rates_of_later_runs_are_found_around_the_one_before():
    tried = []

    def attempt(rate):
        tried.append(rate)
        return {"rate": rate} if rate <= 1_000_000 else None

    first, _ = highest_rates(attempt, 1, 120_000, 1_600_000)
    alone = searched(tried)
    rates, best = highest_rates(attempt, 5, 120_000, 1_600_000)
    assert rates[0] == first[0] and best["rate"] == rates[-1]
    assert all(1_000_000 / 1.06 <= rate <= 1_000_000 for rate in rates)
    assert searched(tried) <= 2 * alone + 4 * 4


def test_a_run_that_is_far_slower_than_the_one_before_is_searched_from_the_beginning():
    tried = []

    def attempt(rate):
        tried.append(rate)
        return {"rate": rate} if rate <= (1_000_000 if len(tried) < 12 else 300_000) else None

    rates, _ = highest_rates(attempt, 6, 120_000, 1_600_000)
    assert 300_000 / 1.06 <= rates[-1] <= 300_000
    assert highest_rates(lambda _: None, 2, 120_000, 1_600_000) == ([0, 0], None)


def test_a_rate_that_is_not_there_is_not_found():
    assert highest_rate(lambda _: None, 120_000, 1_600_000) == (None, None)


def test_two_on_one_core_have_gaps_and_work_done():
    jitter = [BUILD / "bench/trove-jitter", str(min(os.sched_getaffinity(0))), "1"]
    both = [json.loads(run.communicate()[0]) for run in [subprocess.Popen(jitter, stdout=subprocess.PIPE) for _ in range(2)]]
    assert all(0 < run["work_least_us"] <= run["work_us"] for run in both), both
    assert any(run["max_us"] > 500 for run in both), both  # one had to wait for the other


def test_what_was_asked_is_held_against_what_was_measured(tmp_path):
    figures = [one("events_per_s", [3_100_000, 3_200_000], per_datagram=1), one("events_per_s", [9_000_000], per_datagram=1, link="veth"),
               one("events_per_s", [2_900_000], per_datagram=1, data="tmpfs"), one("decision_us_p50", [9.0], "us", load="240k", since="port"),
               one("events_per_s", [310_000], peer="rsyslog")]
    ran = {"scenario": "udp", "command": "scripts/bench udp", "commit": "abc1234-dirty", "taken": "2026-11-21", "took_s": 12.0, "failed": "http: no port",
           "caveats": ["a note"]}
    bench_results.save(tmp_path / "R.jsonl", figures + [ran])
    assert bench_results.load(tmp_path / "R.jsonl") == figures + [ran]
    text = (tmp_path / "R.md").read_text()
    assert "| `scripts/bench udp` | abc1234-dirty | 2026-11-21 | 12 s |" in text
    assert "| udp, one event a datagram, the disk on as well | >= 3,000,000 | 3,200,000 | yes |" in text
    assert "| udp, one event a datagram, everything on except the disk | >= 3,000,000 | 2,900,000 | **no** |" in text
    assert "| 240,000/s, wire to decision, p50 | <= 8 | 9 | **no** |" in text
    assert "| udp | events_per_s | rsyslog | 10.32 | 10.00 to 10.32 |" in text
    assert "not measured" in text and "**Failed:** http: no port" in text and "- a note" in text


def test_each_machine_has_a_file_of_its_own(tmp_path):
    assert bench_results.place(tmp_path, "AMD EPYC (virtual)") == tmp_path / "RESULTS.jsonl"
    bench_results.save(tmp_path / "RESULTS.jsonl", [{"scenario": "udp", "command": "scripts/bench udp", "processor": "Intel Xeon", "commit": "a", "taken": "",
                                                     "took_s": 1, "failed": None, "caveats": []}])
    assert bench_results.place(tmp_path, "Intel Xeon") == tmp_path / "RESULTS.jsonl"
    assert bench_results.place(tmp_path, "AMD EPYC (virtual)") == tmp_path / "RESULTS-amd-epyc-virtual.jsonl"


def test_the_commit_is_dirty_by_what_is_measured_not_by_what_is_written(tmp_path):
    def git(*args):
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=t", "-c", "user.email=t@example.org", *args], check=True, capture_output=True)

    assert bench_results.commit(tmp_path) == "?"
    git("init")
    (tmp_path / "bench").mkdir()
    for name in ("code", "bench/RESULTS.md", "bench/RESULTS.jsonl", "bench/RESULTS-other.md"):
        (tmp_path / name).write_text("before")
    git("add", ".")
    git("commit", "-m", "all")
    clean = bench_results.commit(tmp_path)
    assert len(clean) >= 7 and "dirty" not in clean
    (tmp_path / "bench/RESULTS.md").write_text("after")
    (tmp_path / "bench/RESULTS.jsonl").write_text("after")
    (tmp_path / "bench/RESULTS-other.md").write_text("after")
    assert bench_results.commit(tmp_path) == clean
    (tmp_path / "code").write_text("after")
    assert bench_results.commit(tmp_path) == clean + "-dirty"


def test_ratios_are_to_what_had_the_same_link():
    figures = [one("requests_per_s", [900_000], link="virtio-user"), one("requests_per_s", [30_000], link="veth"),
               one("requests_per_s", [120_000], peer="nginx", link="veth"), one("requests_per_s", [5_000], peer="other", link="tap")]
    assert [row[:5] for row in bench_results.ratio_rows(figures)] == [("udp", "requests_per_s", "nginx", "0.25", "0.25 to 0.25")]


@pytest.mark.parametrize("made", [(2, 3), (2, 0)])
def test_what_checkpoints_cost_is_not_said_of_runs_that_made_none(monkeypatch, made):
    monkeypatch.setattr(bench_lib, "figures", [])
    monkeypatch.setattr(bench_lib, "caveats", [])
    runs = [{"p50": 1, "p99": 2, "p999": 3 * (1 + count), "lost": 0, "checkpoints": count} for count in (0, 0, *made)]
    bench_journal.checkpoint_figures(runs[:2], runs[2:])
    ratios = [one["values"] for one in bench_lib.figures if one["figure"] == "checkpoint_p999_ratio"]
    if all(made):
        assert ratios == [[3, 4]] and not bench_lib.caveats
    else:
        assert not bench_lib.figures and "1 of 2 runs" in bench_lib.caveats[0]


def test_numbers_as_people_read_them():
    assert [bench_table.number(value) for value in (3012345.678, 12.3456, 0.00123, 5, "2k..1.2M")] == ["3,012,346", "12.35", "0.00123", "5", "2k..1.2M"]


def test_every_scenario_is_in_the_list():
    run = subprocess.run([TOP / "scripts/bench", "list"], capture_output=True, text=True, timeout=60, check=True)
    names = [line.split()[0] for line in run.stdout.splitlines()]
    assert {"udp", "ramp", "http", "state", "parse"} <= set(names) and len(names) == len(set(names))


def test_configurations_have_what_the_benchmarks_change_in_them(tmp_path):
    """A recovery of ten million users had the room of all others, once that was another number than it looked for."""
    text = bench_journal.Past(tmp_path, 10_000_000, 1000).config.read_text()
    assert "users: 10000000 " in text and "huge_pages: off" in text
    assert "claims: 2_000_000 " in bench_parts.tiles_only(tmp_path)(bench_lib.config_text(tmp_path, "", 1000))
    with pytest.raises(SystemExit, match="'users: 1' 0 times, not once"):
        bench_lib.changed("limits: { users: 2 }", "users: 1", "users: 3")


RELEASE = {"optimization": "3", "debug": False, "b_sanitize": "none", "b_coverage": False, "b_lto": True}


@pytest.mark.parametrize("wrong", [{"optimization": "0"}, {"debug": True}, {"b_sanitize": "address"}, {"b_coverage": True}, {"b_lto": False}], ids=str)
def test_a_build_that_is_no_release_is_refused(monkeypatch, wrong):
    bench_lib.need_release()
    options = [{"name": name, "value": value} for name, value in {**RELEASE, **wrong}.items()]
    monkeypatch.setattr(bench_lib.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, json.dumps(options), ""))
    with pytest.raises(SystemExit, match="only a release build is benchmarked"):
        bench_lib.need_release()
