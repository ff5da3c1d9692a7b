"""Configurations applied while events flow: taken up whole or refused, nothing lost, always answered."""
import json
import re
import time

from conftest import encode, udp
from test_stop import blast

HUNT = """
hunts:
  - name: {name}
    kind: basket
    types: [view]
    catalog: {dir}/c.tsv
    threshold: {threshold}
    items: 2
    ttl: 1h
"""


def with_hunt(trove, file, name="spring", threshold="0.5", extra=""):
    (trove.dir / "c.tsv").write_text("i-1\ti-2\t10\ni-2\ti-1\t10\ni-1\ti-3\t4\ni-3\ti-2\t4\n")
    path = trove.dir / file
    path.write_text(trove.config.read_text() + HUNT.format(name=name, threshold=threshold, dir=trove.dir) + extra)
    return path


def test_a_hunt_added_live_decides_the_next_event(trove):
    sock = udp()
    sock.send(encode(item="i-1"))
    trove.settled(1)
    trove.ctl("conf", "apply", str(with_hunt(trove, "new.yaml")))
    for item in ("i-1", "i-2"):
        sock.send(encode(item=item))
    now = trove.settled(3)
    assert now["config"]["version"] == 2
    assert now["hunts"] == [{"name": "spring", "kind": "basket", "awards": 1}]
    award = [o for o in trove.outcomes() if o["outcome"] == "award"]
    assert len(award) == 1 and sorted(award[0]["items"]) == ["i-1", "i-2"]


def test_a_bad_configuration_is_refused_whole_and_says_where(trove):
    bad = with_hunt(trove, "bad.yaml", threshold="lots")
    run = trove.ctl("conf", "apply", str(bad), status=1)
    assert re.search(r"bad\.yaml:\d+:\d+: error: .*threshold.*'lots'", run.stderr), run.stderr
    missing = with_hunt(trove, "missing.yaml")
    (trove.dir / "c.tsv").unlink()
    run = trove.ctl("conf", "apply", str(missing), status=1)
    assert "c.tsv" in run.stderr
    assert trove.status()["config"]["version"] == 1


def test_the_version_must_be_the_one_meant(trove):
    new = with_hunt(trove, "new.yaml")
    trove.ctl("conf", "apply", "--if-version", "7", str(new), status=4)
    trove.ctl("conf", "apply", "--if-version", "1", str(new))
    assert trove.status()["config"]["version"] == 2


def test_what_needs_a_restart_is_named(trove):
    path = trove.dir / "more.yaml"
    path.write_text(trove.config.read_text().replace("users: 10000", "users: 20000"))
    run = trove.ctl("conf", "diff", str(path))
    assert "limits.users" in run.stdout and "restart" in run.stdout
    assert "limits.users" in trove.ctl("conf", "apply", str(path)).stdout


def test_the_same_file_again_is_no_new_version(trove):
    trove.ctl("conf", "apply", str(trove.config))
    assert trove.status()["config"]["version"] == 1


def test_a_hundred_applies_under_load_lose_nothing(trove):
    files = [with_hunt(trove, "a.yaml", threshold="0.5"), with_hunt(trove, "b.yaml", threshold="900"),
             with_hunt(trove, "c.yaml", name="autumn")]
    load = blast("--rate", "20k", "--duration", "5s", "--types", "view:100", "--users", "500")
    applied, began = 0, time.monotonic()
    while load.poll() is None or applied < 100:
        result = json.loads(trove.ctl("conf", "apply", "--json", str(files[applied % 3])).stdout)
        assert not result["pending"]
        applied += 1
        if time.monotonic() - began > 30:
            break
    sent = json.loads(load.communicate()[0])
    now = trove.settled(sent["sent"])
    a = now["account"]
    assert a["received"] == sent["sent"] == a["accepted"]
    assert now["config"]["version"] == applied + 1
    assert applied >= 100
    assert trove.term() == 0
