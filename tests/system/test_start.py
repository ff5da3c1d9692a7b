"""A start that cannot succeed ends in one clear line that says how to mend it."""
import ctypes
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

from conftest import BUILD, CONFIG, TOP, encode, udp

sys.path.insert(0, str(TOP / "scripts"))
import bench_cores  # noqa: E402

CASES = [
    ("device: net_tap0,iface=trove0", "device: net_af_packet0,iface=nosuch0", "no network interface nosuch0"),
    ("device: net_tap0,iface=trove0", "device: net_af_packet0", "needs iface="),
    ("device: net_tap0,iface=trove0", "device: net_teleport0", "neither a PCI address"),
    ("device: net_tap0,iface=trove0", "device: 0000:ff:1f.7", "no PCI device"),
    ("{dir}/data", "/proc/trove", "data_dir /proc/trove: cannot make it"),
    ("users: 10000", "users: 1_000_000_000", "MiB of memory needed"),
    ("limits:", "lcores: [{{core: 999, run: [rx, shard]}}]\nlimits:", "core 999 is not one that troved may use"),
    ("{dir}/out.ndjson", "/proc/no/out.ndjson", "sink 'file' cannot write"),
]


def refusal(trove):
    """The one line of error that a daemon which cannot start leaves."""
    trove.start(expect_ready=False)
    assert trove.process.wait(timeout=30) == 1
    trove.process = None
    lines = [line for line in trove.log.read_text().splitlines() if "error" in line]
    assert len(lines) == 1, trove.log.read_text()
    return lines[0]


@pytest.mark.parametrize("old, new, message", CASES, ids=[case[2] for case in CASES])
def test_says_what_and_how(make, old, new, message):
    assert message in refusal(make(config=CONFIG.replace(old, new)))


def test_without_huge_pages_says_how_many_and_how(make, tmp_path):
    """Whatever this machine has reserved, this daemon finds none free."""
    free, none = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", tmp_path / "none"
    none.write_text("0\n")
    subprocess.run(["mount", "--bind", none, free], check=True)
    try:
        line = refusal(make(config=CONFIG.replace("huge_pages: off", "huge_pages: on")))
    finally:
        subprocess.run(["umount", "-l", free], check=True)
    assert "huge pages needed, 0 free" in line and "Fix now: echo " in line


def test_two_daemons_do_not_share_a_data_directory(make, trove):
    second = make()
    second.log = second.dir / "second.log"
    second.start(expect_ready=False)
    assert second.process.wait(timeout=30) == 1
    second.process = None
    assert f"in use by troved, pid {trove.process.pid}" in second.log.read_text()
    assert trove.status()["state"] == "running"


def test_a_socket_somebody_answers_on_is_left_to_them(make, tmp_path):
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(tmp_path / "ctl.sock"))
    other.listen()
    trove = make().start(expect_ready=False)
    assert trove.process.wait(timeout=30) == 1
    trove.process = None
    assert "answers there already" in trove.log.read_text()


def test_a_thread_that_cannot_be_had_ends_the_start_in_order(make):
    """Threads are refused one after the other, from the first on, until the start needs no more of them. Recovery's need not be
    had: their work is done without them."""
    refused = 0
    for nth in range(1, 20):
        trove = make()
        run = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=clone3", "-e", f"inject=clone3:error=EAGAIN:when={nth}"]
        with open(trove.log, "w", encoding="utf-8") as log:
            process = subprocess.Popen([*run, BUILD / "dataplane/troved", "--config", trove.config], stderr=log, stdout=log)
        while process.poll() is None and " ready: " not in trove.log.read_text():
            time.sleep(0.02)
        if process.poll() is None:
            trove.ctl("stop")
        code = process.wait(timeout=30)
        said = trove.log.read_text()
        if " ready: " in said:
            assert code == 0, f"thread {nth}: exit {code}\n{said}"
            if refused:
                break
            continue
        assert code == 1, f"thread {nth}: exit {code}\n{said}"
        refused += "cannot start a thread" in said
    assert refused >= 3  # a journal's, a sink's, a core's


VHOST = CONFIG.replace("net_tap0,iface=trove0", "'net_vhost0,iface={dir}/vhost.sock'")


def test_a_killed_daemons_vhost_socket_does_not_hold_up_the_next(make):
    trove = make(config=VHOST)
    for _ in range(2):
        trove.start_only()
        while " ready: " not in trove.log.read_text() and trove.process.poll() is None:
            time.sleep(0.02)
        assert " ready: " in trove.log.read_text(), trove.log.read_text()
        assert (trove.dir / "vhost.sock").is_socket()
        trove.kill()


def test_whatever_else_stands_where_a_vhost_socket_goes_is_left_alone(make):
    trove = make(config=VHOST)
    path = trove.dir / "vhost.sock"
    path.write_text("mine")
    assert "is there and no socket" in refusal(trove)
    assert path.read_text() == "mine"
    path.unlink()
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(path))
    other.listen()
    assert "somebody listens at this socket already" in refusal(trove)
    other.close()
    path.unlink()


@pytest.mark.parametrize("device, message", [
    ("net_vhost0", "needs iface=PATH"),
    ("'net_vhost0,iface={dir}/none/vhost.sock'", "cannot make this socket: No such file or directory"),
    ("'net_vhost0,iface=/tmp/" + "x" * 110 + "'", "a socket's path has at most 107 characters"),
])
def test_a_vhost_port_says_what_is_wrong_with_its_socket(make, device, message):
    assert message in refusal(make(config=CONFIG.replace("net_tap0,iface=trove0", device)))


def test_control_has_the_core_that_the_disk_interrupts(trove):
    """As another reader of /proc and /sys finds it; on a disk with a queue for each core, the first."""
    core, may = bench_cores.disk_core(trove.dir), os.sched_getaffinity(0)
    plan = next(line for line in trove.log.read_text().splitlines() if ": control, journals, sinks" in line)
    assert plan.startswith(f"plan: core {core if core in may else min(may)}: control"), plan


@pytest.mark.parametrize("leads", [True, False])
def test_its_session_goes_before_others_when_it_leads_it(make, leads):
    """Where the kernel weighs sessions, threads' nice values alone count for nothing among them. It leaves others' as they are."""
    def session(of="self"):
        return int(pathlib.Path(f"/proc/{of}/autogroup").read_text().split()[-1]) if grouped else 0

    def waited(nice, warns):
        deadline = time.monotonic() + 10
        while (session(trove.process.pid), any("half of it -> start troved by a service" in one for one in trove.status()["warnings"])) != (nice, warns):
            assert time.monotonic() < deadline, (session(trove.process.pid), trove.status()["warnings"])
            time.sleep(0.01)

    switch = pathlib.Path("/proc/sys/kernel/sched_autogroup_enabled")
    grouped = switch.exists() and switch.read_text().strip() == "1"
    own = grouped and len(os.sched_getaffinity(0)) > 1  # else no worker has a core to itself
    before = 0 if leads else session()
    trove = make(config=CONFIG.replace("idle: sleep", "idle: pause")).start(start_new_session=leads)
    waited(-20 if leads and own else before, own and not leads)
    trove.config.write_text(trove.config.read_text().replace("idle: pause", "idle: sleep"))
    trove.ctl("conf", "apply", str(trove.config))
    waited(before, False)
    assert trove.term() == 0


def test_who_may_not_go_before_others_says_so(make):
    """Root without CAP_SYS_NICE (23), which PR_CAPBSET_DROP (24) takes from what it runs."""
    trove = make(config=CONFIG.replace("idle: sleep", "idle: pause"))
    trove.start(preexec_fn=lambda: ctypes.CDLL(None).prctl(24, 23, 0, 0, 0))
    wanted = len(os.sched_getaffinity(0)) > 1  # else no worker has a core to itself
    deadline = time.monotonic() + 10
    while any("half of it -> start troved as root or with CAP_SYS_NICE" in one for one in trove.status()["warnings"]) != wanted:
        assert time.monotonic() < deadline, trove.status()["warnings"]
        time.sleep(0.01)
    assert trove.nice_values() == [os.nice(0)] * len(trove.nice_values())
    assert trove.term() == 0


def test_a_worker_goes_before_others_on_a_core_of_its_own(make):
    """While it polls; a core that it gives back when there is nothing to do, and the control core, are shared."""
    def waited(count):
        wanted = sorted([os.nice(0)] * (len(trove.nice_values()) - count) + [-20] * count)  # the tests' own is inherited
        deadline = time.monotonic() + 10
        while trove.nice_values() != wanted:
            assert time.monotonic() < deadline, (trove.nice_values(), wanted)
            time.sleep(0.01)

    trove = make(config=CONFIG.replace("idle: sleep", "idle: pause")).start()
    lcores = json.loads(trove.ctl("lcores", "--json").stdout)
    own = [lcore for lcore in lcores["lcores"] if lcore["core"] != lcores["control_core"]]
    assert own or len(os.sched_getaffinity(0)) == 1
    waited(len(own))
    trove.config.write_text(trove.config.read_text().replace("idle: pause", "idle: sleep"))
    trove.ctl("conf", "apply", str(trove.config))
    waited(0)
    assert trove.term() == 0
    core = lcores["control_core"]
    shared = f"idle: poll\ncontrol_core: {core}\nlcores: [{{{{ core: {core}, run: [rx, shard] }}}}]"
    trove = make(config=CONFIG.replace("idle: sleep", shared)).start()
    udp().send(encode())
    trove.settled(1)  # it polls, and so has taken up its configuration
    waited(0)
    assert trove.term() == 0
