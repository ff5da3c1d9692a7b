"""Cold segments are compressed, and nobody who reads the journal sees a difference."""
import json
import shutil
import subprocess
import time

from conftest import CONFIG, encode, udp
from test_damage import flip, refuses
from test_disk import no_seq_twice, wait_for
from test_stop import CATALOG, TRAIL

COLD = CONFIG.replace("journal: {{ buffer: 32MiB, segment_size: 16MiB }}",
                      "journal: {{ buffer: 8MiB, segment_size: 1MiB, compress_after: 1s }}")
assert COLD != CONFIG


def send(trove, count, user="u"):
    before = trove.status()["account"]["received"]
    sock = udp()
    for i in range(count):
        sock.send(encode(user=f"{user}-{i % 50}", item="ABC"[i // 50 % 3], note="x" * 700))
        if i % 50 == 49:
            trove.settled(before + i + 1)
    trove.settled(before + count)


def packed(trove):
    return sorted((trove.dir / "data/journal").glob("*.seg.zst"))


def data_dir(trove, *args, status=0):
    return trove.ctl(*args, "--data-dir", trove.dir / "data", status=status).stdout


def filled(make):
    trove = make(config=COLD + TRAIL.replace("{dir}", "{{dir}}").replace("{{dir}}", "{dir}"))
    (trove.dir / "c.tsv").write_text(CATALOG)
    trove.start()
    send(trove, 4000)
    # All but the one that is being written.
    wait_for(trove, lambda now: now["compressed"]["segments"] == now["journal"][0]["segment"] - 1 >= 3)
    return trove


def leave_enough(trove):
    """Sends until the last segment holds what is worth compressing, 64 KiB, whatever it held. Returns how many."""
    first, sent = trove.status()["journal"][0]["segment"], 0
    while trove.status()["journal"][0]["segment"] == first:
        send(trove, 50, user="later")
        sent += 50
    send(trove, 100, user="later")
    return sent + 100


def test_everybody_reads_on(make):
    trove = filled(make)
    now = trove.status()
    assert len(packed(trove)) == now["compressed"]["segments"] and not now["compressed"]["error"]
    assert now["compressed"]["packed_bytes"] < now["compressed"]["bytes"] / 2
    assert "compressed" in trove.ctl("status").stdout
    later = leave_enough(trove)
    told = json.loads(trove.ctl("explain", "u-7", "--json").stdout)
    before = data_dir(trove, "segment", "export")
    trove.ctl("stop")
    assert trove.wait() == 0
    no_seq_twice(trove)
    delivered = trove.outcomes()

    listed = json.loads(data_dir(trove, "segment", "list", "--json"))
    assert sum(one["compressed"] for one in listed) == len(packed(trove))
    assert all(one["disk_bytes"] < one["bytes"] for one in listed if one["compressed"])
    assert "0 not as they were written" in data_dir(trove, "segment", "verify")
    assert "1 segments, 0 not" in data_dir(trove, "segment", "verify", packed(trove)[0].name)
    data_dir(trove, "replay", "--verify")
    assert data_dir(trove, "segment", "export") == before

    # A new sink and the leaderboards begin at the beginning.
    (trove.dir / "data/sinks/file.cursor").unlink()
    (trove.dir / "out.ndjson").unlink()
    trove.start()
    assert "0 differences" in trove.log.read_text() and trove.status()["recovered"] == 4000 + later
    wait_for(trove, lambda now: not now["sinks"][0]["lag_records"])
    assert {o["seq"] for o in trove.outcomes()} == {o["seq"] for o in delivered}
    assert json.loads(trove.ctl("explain", "u-7", "--json").stdout) == told
    # What the last start left is cold by now, too; what this one leaves is too little to be worth it.
    wait_for(trove, lambda now: not list((trove.dir / "data/journal").glob("000001-*.seg")))
    assert trove.term() == 0
    assert [path.stat().st_size < 64 << 10 for path in (trove.dir / "data/journal").glob("000002-*.seg")] == [True]
    trove.start()
    assert "0 differences" in trove.log.read_text() and trove.status()["recovered"] == 4000 + later
    assert trove.term() == 0


def test_it_can_be_unpacked_again(make):
    trove = filled(make)
    assert trove.term() == 0
    export = data_dir(trove, "segment", "export")
    for path in packed(trove):
        subprocess.run([shutil.which("zstd"), "-dq", "--rm", path], check=True)
    assert data_dir(trove, "segment", "export") == export
    trove.start()
    assert "0 differences" in trove.log.read_text()
    assert trove.term() == 0


def test_a_kill_at_any_moment_leaves_one_whole_segment(make):
    trove = filled(make)
    for turn in range(5):
        send(trove, 1500, user=f"turn-{turn}")
        time.sleep(0.3 * turn)
        trove.kill()
        trove.start()
        assert "0 differences" in trove.log.read_text()
        assert trove.status()["recovered"] == 4000 + 1500 * (turn + 1)
    assert not list((trove.dir / "data/journal").glob("pack-*")) or trove.status()["state"] == "running"
    data_dir(trove, "segment", "verify")
    assert trove.term() == 0
    no_seq_twice(trove)


def test_a_flipped_bit_is_told(make):
    trove = filled(make)
    assert trove.term() == 0
    path = packed(trove)[1]
    for offset in (3, path.stat().st_size // 2, path.stat().st_size - 40):
        flip(path, offset)
        run = data_dir(trove, "segment", "verify", status=1)
        assert path.name.removesuffix(".zst") in run and "damaged" in run
        refuses(trove, path.name.removesuffix(".zst"))
        flip(path, offset)
    trove.start()
    assert trove.term() == 0
