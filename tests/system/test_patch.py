"""Corrections: given, taken back and undone, once each, in order with the events, and still so after a crash."""
import json
import os
import subprocess
import time
import uuid

import pytest

from conftest import BUILD, encode, udp

HUNTS = """
hunts:
  - { name: spring, kind: trail, types: [view], catalog: CATALOG, start: [A], treasure: [C], min_step: 1ms }
  - { name: tiles, kind: tiles, types: [claim], tiles: 100, period: 10m, live: 2, seed: test-seed }
"""
WHY = ("--reason", "double scan at booth 4", "--ref", "OPS-311")


@pytest.fixture
def hunt(make):
    trove = make(HUNTS)
    (trove.dir / "c.tsv").write_text("A\tB\t1\nB\tC\t1\n")
    trove.config.write_text(trove.config.read_text().replace("CATALOG", str(trove.dir / "c.tsv")))
    return trove.start()


def patch(trove, *args, status=0):
    return json.loads(trove.ctl("patch", *args, *WHY, "--json", status=status).stdout)


def grant(trove, user, *more, hunt="spring", status=0):
    return patch(trove, "grant", "--user", user, "--hunt", hunt, *more, status=status)


def revoke(trove, user, *more, hunt="spring", status=0):
    return patch(trove, "revoke", "--user", user, "--hunt", hunt, *more, status=status)


def send(trove, received, *lines):
    sock = udp()
    for line in lines:
        sock.send(line)
        time.sleep(0.05)
    return trove.settled(received)


def win(trove, user, received=3):
    send(trove, received, *(encode(user=user, item=item) for item in "ABC"))


def delivered(trove, count):
    """The sink's lines of corrections, once there are that many."""
    deadline = time.monotonic() + 5
    while True:
        lines = [o for o in trove.outcomes() if o["outcome"] in ("granted", "revoked", "correction_refused")]
        if len(lines) >= count:
            return lines
        assert time.monotonic() < deadline, lines
        time.sleep(0.02)


def http(trove, method, path, body=None, headers=(), user=None):
    """An answer of the control socket as (status, headers, JSON)."""
    command = ["curl", "-s", "-i", "--unix-socket", str(trove.dir / "ctl.sock"), "-X", method, f"http://trove{path}"]
    if body is not None:
        command += ["--data-binary", body if isinstance(body, str) else json.dumps(body)]
    for header in headers:
        command += ["-H", header]
    if user:
        command = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", *command]
    text = subprocess.run(command, capture_output=True, timeout=20, check=True).stdout.decode()
    head, _, rest = text.partition("\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    return int(head.split()[1]), {name.lower(): value for name, value in fields.items()}, json.loads(rest or "{}")


def test_an_award_is_given_taken_back_and_each_undone(hunt):
    given = grant(hunt, "ann")
    assert given["result"] == "granted" and given["award"].startswith("aw-") and not given["repeat"]
    assert (given["user"], given["hunt"], given["reason"], given["ref"]) == ("ann", "spring", WHY[1], WHY[3])
    assert given["by"] == f"uid {os.getuid()}"
    assert grant(hunt, "ann", status=1)["code"] == "already_won"
    taken = revoke(hunt, "ann")
    assert (taken["result"], taken["award"]) == ("revoked", given["award"])
    assert revoke(hunt, "ann", status=1)["code"] == "not_won"
    assert patch(hunt, "undo", given["id"], status=1)["code"] == "superseded"
    back = patch(hunt, "undo", taken["id"])
    assert (back["result"], back["award"], back["undo"]) == ("granted", given["award"], taken["id"])
    gone = patch(hunt, "undo", given["id"])
    assert (gone["result"], gone["award"], gone["user"]) == ("revoked", given["award"], "ann")
    lines = delivered(hunt, 7)
    assert [line["outcome"] for line in lines] == [
        "granted", "correction_refused", "revoked", "correction_refused", "correction_refused", "granted", "revoked"]
    first = lines[0]
    assert (first["user"], first["hunt"], first["award"], first["id"]) == ("ann", "spring", given["award"], given["id"])
    assert first["correction"] == {"id": given["id"], "correction": "grant", "user": "ann", "hunt": "spring",
                                   "reason": WHY[1], "ref": WHY[3], "by": f"uid {os.getuid()}"}
    assert lines[1]["reason"] == "already_won" and "award" not in lines[1]
    assert lines[5]["correction"]["undo"] == taken["id"]
    status = hunt.status()
    assert status["corrections"] == {"granted": 2, "revoked": 2, "refused": 3}
    assert status["account"]["received"] == 0 and status["account"]["balanced"]
    assert status["usage"]["corrections_used"] == 7
    assert "patched   granted 2  revoked 2  refused 3" in hunt.ctl("status").stdout


def test_who_has_won_by_an_event_is_revoked_and_stays_out(hunt):
    win(hunt, "ann")
    award = next(o["award"] for o in hunt.outcomes() if o["outcome"] == "award")
    assert revoke(hunt, "ann")["award"] == award
    send(hunt, 4, encode(user="ann", item="A"))
    assert hunt.outcomes()[-1]["done"]
    given = grant(hunt, "ann")
    assert given["award"] != award
    send(hunt, 5, encode(user="ann", item="A"))
    assert hunt.outcomes()[-1]["done"]


def test_a_grant_that_is_undone_leaves_the_trail_where_it_was(hunt):
    send(hunt, 2, encode(user="ann", item="A"), encode(user="ann", item="B"))
    given = grant(hunt, "ann")
    patch(hunt, "undo", given["id"])
    send(hunt, 3, encode(user="ann", item="C"))
    assert hunt.outcomes()[-1]["outcome"] == "award" and hunt.outcomes()[-1]["items"] == ["A", "B", "C"]


def test_the_same_id_happens_once_and_is_a_conflict_when_it_says_something_else(hunt):
    key = str(uuid.uuid4())
    first = grant(hunt, "ann", "--id", key)
    again = grant(hunt, "ann", "--id", key)
    assert again["repeat"] and (again["seq"], again["award"]) == (first["seq"], first["award"])
    assert grant(hunt, "bob", "--id", key, status=1)["code"] == "key_conflict"
    assert revoke(hunt, "ann", "--id", key, status=1)["code"] == "key_conflict"
    for other in range(8):  # wherever their partitions lie
        assert grant(hunt, f"u-{other}", "--id", key, status=1)["code"] == "key_conflict"
    assert "done before" in hunt.ctl("patch", "grant", "--user", "ann", "--hunt", "spring", *WHY, "--id", key).stdout
    assert len(delivered(hunt, 1)) == 1 and hunt.status()["usage"]["corrections_used"] == 1


def test_a_dry_run_changes_nothing(hunt):
    would = grant(hunt, "ann", "--dry-run")
    assert would["result"] == "granted" and would["dry_run"] and "seq" not in would
    assert revoke(hunt, "ann", "--dry-run", status=1)["code"] == "not_won"
    text = hunt.ctl("patch", "grant", "--user", "ann", "--hunt", "spring", *WHY, "--dry-run").stdout
    assert text.startswith("would be granted") and "nothing was changed" in text
    assert hunt.status()["usage"]["corrections_used"] == 0
    given = grant(hunt, "ann")
    assert given["award"] != would["award"]  # of another key
    assert not delivered(hunt, 1)[1:]


def test_after_a_kill_everything_is_known_as_before(hunt):
    win(hunt, "ann")
    key = str(uuid.uuid4())
    taken = revoke(hunt, "ann", "--id", key)
    given = grant(hunt, "bob")
    hunt.kill()
    hunt.start()
    assert " 0 differences" in hunt.log.read_text()
    assert revoke(hunt, "ann", "--id", key)["repeat"]
    assert revoke(hunt, "ann", status=1)["code"] == "not_won"
    assert grant(hunt, "bob", status=1)["code"] == "already_won"
    assert patch(hunt, "undo", taken["id"])["award"] == taken["award"]
    assert patch(hunt, "undo", given["id"])["award"] == given["award"]
    send(hunt, 1, encode(user="ann", item="A"))
    assert hunt.outcomes()[-1]["done"]
    hunt.kill()
    hunt.start()
    assert " 0 differences" in hunt.log.read_text()
    assert hunt.status()["usage"]["corrections_used"] == 6
    assert json.loads(hunt.ctl("explain", "ann", "--json").stdout)["matches"]
    assert hunt.term() == 0
    data = ("--data-dir", str(hunt.dir / "data"))
    told = json.loads(hunt.ctl("replay", "--verify", "--json", *data).stdout)
    assert (told["events"], told["corrections"], told["in_range"], told["same"], told["different"]) == (4, 6, 10, 10, 0)
    lines = [json.loads(line) for line in hunt.ctl("segment", "export", *data).stdout.splitlines()]
    assert [line["kind"] for line in lines].count("correction") == 6


def test_another_configuration_is_tried_on_corrections_too(hunt):
    grant(hunt, "ann")
    time.sleep(1.1)
    grant(hunt, "ann", status=1)
    other = hunt.dir / "other.yaml"
    other.write_text(hunt.config.read_text().replace("name: spring,", "name: spring, once: false, cooldown: 1s,"))
    data = ("--data-dir", str(hunt.dir / "data"))
    told = json.loads(hunt.ctl("replay", "--config", str(other), "--json", *data, status=0).stdout)
    assert told["different"] == 1 and told["differences"][0]["user"] == "ann"
    assert told["differences"][0]["recorded"]["refusal"] == "already_won"
    assert told["differences"][0]["recomputed"]["outcome"] == "granted"


def test_a_tile_is_given_and_freed(hunt):
    tiles = json.loads(hunt.ctl("hunt", "map", str(hunt.config), "--limit", "2", "--json").stdout)["tiles"]

    def claim(received, user, tile):
        send(hunt, received, encode(type="claim", item=None, user=user, tile=tile))
        return next((o["outcome"], o.get("reason")) for o in reversed(hunt.outcomes()) if o.get("user") == user)

    given = grant(hunt, "ann", "--tile", tiles[0], hunt="tiles")
    assert given["tile"] == tiles[0]
    assert claim(1, "bob", tiles[0]) == ("claim_refused", "taken")
    assert grant(hunt, "bob", "--tile", tiles[0], hunt="tiles", status=1)["code"] == "taken"
    taken = revoke(hunt, "ann", "--tile", tiles[0], hunt="tiles")
    assert claim(2, "carl", tiles[0]) == ("claim_granted", None)
    assert patch(hunt, "undo", taken["id"], status=1)["code"] == "superseded"
    assert grant(hunt, "ann", "--tile", "nonsense", hunt="tiles", status=1)["code"] == "unknown_tile"
    assert grant(hunt, "ann", hunt="tiles", status=1)["code"] == "tile_required"
    assert grant(hunt, "ann", "--tile", tiles[1], status=1)["code"] == "tile_forbidden"
    assert delivered(hunt, 4)[0]["tile"] == tiles[0]


def test_the_list_has_the_newest_first_with_what_became_of_them(hunt):
    first, second = grant(hunt, "ann"), grant(hunt, "bob")
    undo = patch(hunt, "undo", first["id"])
    for where in ([], ["--data-dir", str(hunt.dir / "data")]):
        told = json.loads(hunt.ctl("patch", "list", "--json", *where).stdout)
        assert [c["id"] for c in told["corrections"]] == [undo["id"], second["id"], first["id"]]
        assert told["corrections"][2]["undone_by"] == undo["id"]
        told = json.loads(hunt.ctl("patch", "list", "--user", "bob", "--json", *where).stdout)
        assert [c["id"] for c in told["corrections"]] == [second["id"]]
        assert len(json.loads(hunt.ctl("patch", "list", "--limit", "1", "--json", *where).stdout)["corrections"]) == 1
    text = hunt.ctl("patch", "list").stdout
    assert first["id"] in text and "OPS-311: double scan at booth 4" in text and f"(undone by {undo['id']})" in text


def test_wrong_use_says_how_to_go_on(hunt):
    for args in (["grant"], ["grant", "--user", "u"], ["grant", "--user", "u", "--hunt", "h", "--reason", "r"],
                 ["undo", str(uuid.uuid4())], ["undo", "x", *WHY], ["undo"], ["list", "--limit", "0"],
                 ["grant", "--user", "u", "--hunt", "spring", *WHY, "--id", "x"], ["undo", "x", "--user", "u"], []):
        assert "See: trovectl" in hunt.ctl("patch", *args, status=2).stderr
    run = hunt.ctl("patch", "grant", "--user", "u", "--hunt", "nosuch", *WHY, status=1)
    assert run.stderr == "error: hunt 'nosuch' is not in the running configuration.  See: trovectl status\n"
    run = hunt.ctl("patch", "revoke", "--user", "u", "--hunt", "spring", *WHY, status=1)
    assert "there is no award" in run.stderr and "See: trovectl explain 'u' --hunt 'spring'" in run.stderr
    run = hunt.ctl("patch", "undo", str(uuid.uuid4()), *WHY, status=1)
    assert "See: trovectl patch list" in run.stderr
    assert hunt.ctl("patch", "grant", "--user", "u" * 65, "--hunt", "spring", *WHY, status=1).stderr.count("1 to 64 bytes")
    key = str(uuid.uuid4())
    run = subprocess.run([BUILD / "dataplane/trovectl", "--socket", "/nonexistent", "patch", "grant", "--user", "u",
                          "--hunt", "h", *WHY, "--id", key], capture_output=True, text=True, timeout=10, check=False)
    assert run.returncode == 3 and f"--id {key}" in run.stderr


def test_the_answers_of_the_api(hunt):
    good = {"correction": "grant", "user": "ann", "hunt": "spring", "reason": "r", "ref": "f"}
    key = f"Idempotency-Key: {uuid.uuid4()}"
    status, headers, body = http(hunt, "POST", "/v1/corrections", good, [key])
    assert status == 201 and headers["location"] == f"/v1/corrections/{body['id']}"
    status, headers, again = http(hunt, "POST", "/v1/corrections", good, [key])
    assert status == 200 and again["repeat"] and "location" not in headers
    status, _, found = http(hunt, "GET", f"/v1/corrections/{body['id']}")
    assert status == 200 and found["award"] == body["award"]
    assert http(hunt, "GET", f"/v1/corrections/{uuid.uuid4()}")[0] == 404
    assert http(hunt, "GET", "/v1/corrections/x")[0] == 400
    assert http(hunt, "GET", "/v1/corrections?limit=0")[0] == 400

    def ask(change=None, body=None, query="", headers=None):
        wanted = {name: value for name, value in {**good, **(change or {})}.items() if value is not None}
        text = body if body is not None else wanted
        return http(hunt, "POST", f"/v1/corrections{query}", text,
                    [f"Idempotency-Key: \"{uuid.uuid4()}\""] if headers is None else headers)

    assert ask(headers=[])[0] == ask(headers=["Idempotency-Key: x"])[0] == 400
    assert ask(headers=["Idempotency-Key: 00000000-0000-0000-0000-000000000000"])[0] == 400
    assert ask(body="{")[0] == ask(body="[]")[0] == ask(body='{"user":"a","user":"b"}')[0] == 400
    assert ask(query="?dry_run=perhaps")[0] == 400
    assert ask({"hunt": "nosuch"})[0] == 404
    assert ask({"user": None, "hunt": None, "correction": "undo", "undo": str(uuid.uuid4())})[0] == 404
    assert http(hunt, "POST", "/v1/corrections", {**good, "ref": "g"}, [key])[0] == 409
    for change, pointer in (({"correction": "delete"}, "/correction"), ({"user": ""}, "/user"), ({"user": 7}, "/user"),
                            ({"user": None}, "/user"), ({"hunt": "h" * 65}, "/hunt"), ({"reason": "r" * 257}, "/reason"),
                            ({"reason": "a\nb"}, "/reason"), ({"ref": "f" * 65}, "/ref"), ({"more": 1}, "/more"),
                            ({"undo": str(uuid.uuid4())}, "/undo"), ({"correction": "undo"}, "/undo"),
                            ({"correction": "undo", "undo": str(uuid.uuid4())}, "/user"), ({"tile": ""}, "/tile")):
        status, _, problem = ask(change)
        assert (status, problem["code"], problem["pointer"]) == (422, "correction_invalid", pointer), change
    assert ask()[0] == 422  # already won
    assert http(hunt, "PUT", "/v1/corrections", good, [key])[0] == 405
    assert hunt.status()["usage"]["corrections_used"] == 2


def test_only_an_admin_may(hunt):
    good = {"correction": "grant", "user": "ann", "hunt": "spring", "reason": "r", "ref": "f"}
    os.chmod(hunt.dir / "ctl.sock", 0o666)
    for parent in [hunt.dir, *hunt.dir.parents][:4]:
        os.chmod(parent, 0o755)
    for query in ("", "?dry_run=true"):
        status, _, problem = http(hunt, "POST", f"/v1/corrections{query}", good, [f"Idempotency-Key: {uuid.uuid4()}"], user=12345)
        assert status == 403 and problem["code"] == "forbidden"
    assert http(hunt, "GET", "/v1/corrections", user=12345)[0] == 200
    assert hunt.status()["usage"]["corrections_used"] == 0


@pytest.mark.skipif(os.cpu_count() < 2, reason="two shards need two cores")
def test_every_shard_is_asked_and_another_number_of_them_knows_the_same(make):
    trove = make(HUNTS)
    (trove.dir / "c.tsv").write_text("A\tB\t1\nB\tC\t1\n")
    text = trove.config.read_text().replace("CATALOG", str(trove.dir / "c.tsv"))
    trove.config.write_text(text.replace("limits:", "lcores: [{core: 0, run: [rx, shard]}, {core: 1, run: [shard]}]\nlimits:"))
    trove.start()
    given = [grant(trove, f"u-{i}") for i in range(12)]
    assert {int(c["seq"].split(":")[0]) % 2 for c in given} == {0, 1}
    assert all(grant(trove, "somebody", "--id", c["id"], status=1)["code"] == "key_conflict" for c in given)
    assert all(patch(trove, "undo", c["id"])["award"] == c["award"] for c in given[:6])
    trove.kill()
    trove.config.write_text(text)
    trove.start()
    assert " 0 differences" in trove.log.read_text()
    assert all(patch(trove, "undo", c["id"])["award"] == c["award"] for c in given[6:])
    assert all(patch(trove, "undo", c["id"], status=1)["code"] == "superseded" for c in given)
    assert trove.status()["usage"]["corrections_used"] == 36


def test_a_limit_below_what_was_corrected_stops_the_start(hunt):
    for _ in range(25):
        revoke(hunt, "ann", status=1)
    assert hunt.term() == 0
    text = hunt.config.read_text()
    hunt.config.write_text(text.replace("users: 10000", "users: 10000, corrections: 1000"))
    hunt.start(expect_ready=False)
    assert hunt.wait() == 1 and "limits.corrections" in hunt.log.read_text()
    hunt.config.write_text(text)
    hunt.start()
    assert hunt.status()["usage"]["corrections_used"] == 25


def test_no_room_is_told_and_changes_nothing(make):
    config = make(HUNTS)
    (config.dir / "c.tsv").write_text("A\tB\t1\nB\tC\t1\n")
    text = config.config.read_text().replace("CATALOG", str(config.dir / "c.tsv"))
    config.config.write_text(text.replace("users: 10000", "users: 10000, corrections: 1000"))
    trove = config.start()
    for count in range(100):
        run = trove.ctl("patch", "revoke", "--user", "ann", "--hunt", "spring", *WHY, "--json", status=1)
        code = json.loads(run.stdout)["code"]
        if code != "not_won":
            break
    assert code == "state_full" and count == 4 + 8 * 2
    assert "limits.corrections" in run.stderr
    assert grant(trove, "someone-elsewhere")["result"] == "granted"


def leads(trove, hunt, order, wanted):
    """Waits until these users, and no others, are in a leaderboard."""
    deadline = time.monotonic() + 5
    while True:
        board = json.loads(trove.ctl("leaderboard", hunt, "--by", order, "--json").stdout)
        found = sorted(row["user"] for row in board["top"])
        if found == sorted(wanted):
            return
        assert time.monotonic() < deadline, f"{found} lead by {order}, not {wanted}"
        time.sleep(0.02)


def test_the_leaderboard_follows(hunt):
    win(hunt, "ann")
    grant(hunt, "bob")
    leads(hunt, "spring", "awards", ["ann", "bob"])
    taken = revoke(hunt, "ann")
    leads(hunt, "spring", "awards", ["bob"])
    patch(hunt, "undo", taken["id"])
    leads(hunt, "spring", "awards", ["ann", "bob"])
    taken = revoke(hunt, "bob")
    hunt.kill()
    hunt.start()
    leads(hunt, "spring", "awards", ["ann"])
