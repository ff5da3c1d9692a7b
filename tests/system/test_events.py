"""Events over UDP, good and bad: each ends in its own counter, with its reason, in the journal and at the sink."""
import json
import os
import random
import socket

import pytest

from conftest import encode, event, udp

# What is sent, and the reason under which it must be counted.
BAD = [
    (b"{", "syntax"),
    (b"[]", "not_object"),
    (b"[" * 1300, "depth"),
    (b'{"a":1}x', "trailing"),
    (encode(id="7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a5g"), "id_invalid"),
    (encode(id="00000000-0000-0000-0000-000000000000"), "id_invalid"),
    (encode(id=None), "id_missing"),
    (encode(time=2**63), "time_range"),
    (encode(time="yesterday"), "time_invalid"),
    (encode(time=None), "time_missing"),
    (encode(user="x" * 65), "user_length"),
    (encode(user=""), "user_length"),
    (encode(user=None), "user_missing"),
    (encode(user=7), "wrong_type"),
    (encode(type="x" * 33), "type_length"),
    (encode(type=None), "type_missing"),
    (encode(type="unheard-of"), "type_unknown"),
    (encode(item="x" * 65), "item_length"),
    (encode(item=None), "item_required"),
    (encode(type="claim", item=None), "tile_required"),
    (encode(type="claim", tile="t"), "item_forbidden"),
    (encode(type="tight", colour="red"), "key_unknown"),
    (encode(hunt="no-such"), "hunt_unknown"),
    (encode(time=event()["time"] + 25 * 3600 * 1000), "future"),
    (encode().replace(b'"u-1"', b'"\xff"'), "utf8"),
    (encode().replace(b'"u-1"', b'"\\ud800"'), "surrogate"),
    (encode().replace(b'"user"', b'"item":"B","user"'), "duplicate_key"),
    (b"", "empty"),
]


def test_every_fault_has_its_own_counter_and_reaches_the_dead_letters(trove):
    sock = udp()
    want = {}
    for payload, reason in BAD:
        sock.send(payload)
        want[reason] = want.get(reason, 0) + 1
    sock.send(encode())
    now = trove.settled(len(BAD) + 1)
    assert {reason: n for reason, n in now["rejected"].items() if n} == want
    assert now["account"]["accepted"] == 1
    assert now["account"]["rejected"] == len(BAD)
    dead = [o for o in trove.outcomes() if o["outcome"] == "rejected"]
    assert sorted(o["reason"] for o in dead) == sorted(reason for _, reason in BAD)
    assert all("offset" in o for o in dead)


def test_a_datagram_may_hold_several_events(trove):
    udp().send(b"\n".join([encode(), encode(), b"", b"{", encode()]) + b"\r\n")
    now = trove.settled(4)
    assert now["account"]["received"] == 4
    assert now["account"]["accepted"] == 3
    assert now["rejected"]["syntax"] == 1


def test_the_same_event_again_is_a_duplicate_of_the_first(trove):
    sock, one = udp(), encode()
    for _ in range(3):
        sock.send(one)
    sock.send(encode(**{**json.loads(one), "user": "u-2"}))  # the same id of another user is another event
    now = trove.settled(4)
    assert (now["account"]["accepted"], now["account"]["duplicate"]) == (2, 2)
    lines = trove.outcomes()
    first = next(o for o in lines if o["outcome"] == "visit" and o["user"] == "u-1")
    assert {o["first_seq"] for o in lines if o["outcome"] == "duplicate"} == {first["event_seq"]}


def test_clocks_ahead_are_clamped_and_old_events_are_late(trove):
    sock, now_ms = udp(), event()["time"]
    sock.send(encode(time=now_ms + 90_000))
    sock.send(encode(time=now_ms - 20 * 60_000))
    trove.settled(2)
    kinds = {o["outcome"]: o for o in trove.outcomes()}
    assert kinds["visit"].get("clamped") is True
    assert "late" in kinds


def test_events_over_ipv6(trove):
    udp(socket.AF_INET6).send(encode())
    assert trove.settled(1)["account"]["accepted"] == 1


@pytest.mark.parametrize("seed", range(3))
def test_fuzzed_datagrams_are_all_accounted_for(trove, seed):
    rng = random.Random(seed)
    sock, good, sent = udp(), encode(data={"price": 2.55, "tags": ["a", "\u00e9"]}), 0
    for _ in range(2000):
        payload = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(payload))
            kind = rng.randrange(3)
            if kind == 0:
                payload[at] = rng.randrange(256)
            elif kind == 1:
                del payload[at:at + rng.randrange(1, 20)]
            else:
                payload[at:at] = os.urandom(rng.randrange(1, 8))
        payload = bytes(payload).replace(b"\n", b" ")
        sock.send(payload)
        sent += 1
    now = trove.settled(sent)
    a = now["account"]
    assert a["received"] == sent == a["accepted"] + a["duplicate"] + a["rejected"] + a["refused"] + a["lost"]
    assert a["lost"] == 0
    assert trove.term() == 0
    assert trove.account_line().endswith("balanced")
