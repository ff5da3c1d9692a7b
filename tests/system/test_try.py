"""scripts/try as a stranger runs it: again and again, on the sample and on real data, with the same winners every time."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import TOP

DATA = TOP.parent / "shared/data"


def attempt(directory, *args):
    """Everything it printed, by its first word; it must have ended well and left nothing."""
    env = {**os.environ, "TMPDIR": str(directory)}
    run = subprocess.run([TOP / "scripts/try", *args], capture_output=True, text=True, env=env, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not (pathlib.Path(directory) / "trove-try").exists()
    lines = re.findall(r"^ok  (\S+ ?\S*)  +(.*)$", run.stdout, re.MULTILINE)
    return {name.strip(): text for name, text in lines}


def digest(said):
    return re.search(r"digest (\w+)", said["winners"]).group(1)


def present(name):
    if not (DATA / name).exists():
        pytest.skip(f"no {name} in {DATA}")
    return str(DATA / name)


def test_the_sample_twice_has_the_same_winners(tmp_path):
    one, two = attempt(tmp_path), attempt(tmp_path)
    assert digest(one) == digest(two)
    assert "agree on 20,000 events" in one["balanced"]
    for said in one, two:
        assert '"result":"accepted"' in said["http"]
        assert "received 20001 =" in said["stopped"] and said["stopped"].endswith("balanced")


def test_real_orders_are_accounted_for_to_the_last_line(tmp_path):
    said = attempt(tmp_path, "--data", present("online-retail.csv.zst"))
    assert "agree on 541,909 events" in said["balanced"]
    assert "536,641 accepted, 5,268 duplicate, 0 rejected, 0 refused, 0 lost" in said["sample"]
    assert digest(said) == "d3acbc7b680d2f70", "the same orders have other winners than before"


def test_real_sessions_twice_have_the_same_winners(tmp_path):
    data = present("otto-sample.jsonl")
    one, two = attempt(tmp_path, "--data", data), attempt(tmp_path, "--data", data)
    assert digest(one) == digest(two)
    assert "agree on 862 events" in one["balanced"]


def test_after_an_interrupt_it_works_again(tmp_path):
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    first = subprocess.Popen([TOP / "scripts/try", "--pace", "2000"], stdout=subprocess.PIPE, text=True, env=env)
    for line in first.stdout:
        if line.startswith("ok  hunts"):
            break
    first.send_signal(signal.SIGKILL)
    first.wait()
    pid = int((tmp_path / "trove-try/pid").read_text())
    assert pathlib.Path(f"/proc/{pid}").exists(), "nothing was left to clean up"
    attempt(tmp_path)
    time.sleep(0.1)
    assert not pathlib.Path(f"/proc/{pid}").exists()


@pytest.mark.skipif(not shutil.which("redis-server") or not shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin"),
                    reason="redis-server or nats-server is not installed")
def test_other_systems_have_the_awards_and_are_gone_afterwards(tmp_path):
    said = attempt(tmp_path, "--sinks", "redis,nats")
    awards = re.search(r"([\d,]+) awards, each once", said["redis"]).group(1)
    assert f"{awards} awards, each once" in said["nats"] and said["winners"].startswith(f"{awards},")
    for command in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert str(tmp_path).encode() not in command.read_bytes(), command
        except OSError:
            pass  # it has just ended
    run = subprocess.run([TOP / "scripts/try", "--sinks", "postgres"], capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "not postgres" in run.stderr
