"""Tiles: a map that anybody can compute, each tile claimed once, also after a crash."""
import json
import threading

from conftest import encode, udp

HUNT = """
hunts:
  - { name: tiles, kind: tiles, types: [claim], tiles: 100, period: 10m, live: 2, seed: test-seed }
"""


def claim(tile, **keys):
    return encode(type="claim", item=None, tile=tile, **keys)


def tiles_now(trove, limit=100):
    return json.loads(trove.ctl("hunt", "map", str(trove.config), "--limit", str(limit), "--json").stdout)["tiles"]


def claims(trove):
    return [(o["outcome"], o["user"], o.get("reason")) for o in trove.outcomes() if o["outcome"].startswith("claim_")]


def test_a_map_is_the_same_wherever_it_is_computed(make):
    trove = make(HUNT)
    args = ("hunt", "map", str(trove.config), "--at", "2026-11-20T12:00:00Z", "--limit", "3")
    first = trove.ctl(*args).stdout
    assert first == trove.ctl(*args).stdout
    assert len(set(first.split())) == 3
    trove.ctl("hunt", "map", str(trove.config), "--hunt", "nosuch", status=1)
    trove.ctl("hunt", "map", str(trove.config), "--at", "yesterday", status=2)


def test_a_tile_is_claimed_once_whoever_asks(make):
    trove = make(HUNT).start()
    tile = tiles_now(trove, 1)[0]

    def ask(number):
        sock = udp()
        for i in range(50):
            sock.send(claim(tile, user=f"u-{number}-{i}"))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status = trove.settled(200)
    assert status["outcomes"]["claim_granted"] == 1
    assert status["outcomes"]["claim_refused"] == status["refusals"]["taken"] == 199
    assert status["hunts"] == [{"name": "tiles", "kind": "tiles", "awards": 1}]
    assert status["usage"]["claims_used"] == 1
    granted = [o for o in trove.outcomes() if o["outcome"] == "claim_granted"]
    assert len(granted) == 1 and granted[0]["tile"] == tile and granted[0]["award"].startswith("aw-")
    assert not any("award" in o for o in trove.outcomes() if o["outcome"] == "claim_refused")


def test_refusals_say_why_and_claims_outlive_a_crash(make):
    trove = make(HUNT).start()
    tiles = tiles_now(trove)
    old = json.loads(trove.ctl("hunt", "map", str(trove.config), "--at", "2020-01-01T00:00:00Z", "--json").stdout)["tiles"]
    new = json.loads(trove.ctl("hunt", "map", str(trove.config), "--at", "2120-01-01T00:00:00Z", "--json").stdout)["tiles"]
    sock = udp()
    for user, tile in (("a", tiles[0]), ("b", tiles[0]), ("a", tiles[0]), ("b", old[0]), ("b", new[0]), ("b", "t")):
        sock.send(claim(tile, user=user))
        trove.settled(1)
    trove.settled(6)
    assert sorted(claims(trove), key=str) == sorted(
        [("claim_granted", "a", None), ("claim_refused", "b", "taken"), ("claim_refused", "a", "taken"),
         ("claim_refused", "b", "expired"), ("claim_refused", "b", "early"), ("claim_refused", "b", "unknown_tile")], key=str)
    trove.kill()
    trove.start()
    udp().send(claim(tiles[0], user="c"))
    udp().send(claim(tiles[1], user="c"))
    trove.settled(2)
    assert sorted(o["outcome"] for o in trove.outcomes() if o.get("user") == "c") == ["claim_granted", "claim_refused"]
