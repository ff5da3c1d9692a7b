"""test_order.py - what the order, the repetition and the delay of events may change, and what not: thousands of small histories."""
import json
import pathlib
import random
import sys
from collections import Counter, defaultdict

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/model"))

import configs  # noqa: E402
from configs import MS, S, T0  # noqa: E402
from harness import APPLY, RESET, ROUNDS, Bench, outcomes  # noqa: E402
from streams import Maker  # noqa: E402
from tiles_model import Names  # noqa: E402
from trove_model import CLAMPED, DONE, LATE  # noqa: E402

pytestmark = pytest.mark.skipif(not APPLY.exists(), reason=f"{APPLY} is not built (meson option tests)")

CASES = 2000 * ROUNDS
PERIOD, LIVE = 10 * S, 60
NAMES = Names("s", PERIOD)



def property_bench(tmp_path, kind):
    """Small hunts in which users win now and then."""
    text = configs.catalog(random.Random(11), 8, 24, ("1", "2", "5"))
    names = configs.named_items(text)
    if kind == "tiles":
        hunts = [{"name": name, "kind": "tiles", "tiles": 3, "period": "10s", "live": LIVE, "seed": "s"} for name in ("gold", "silver")]
    elif kind == "trail":
        hunts = [{"name": "t", "kind": "trail", "catalog": "c.tsv", "start": names[:2], "treasure": names[-2:], "min_step": "0s"}]
    else:
        # Room for every item, a ttl beyond every delay, decay below 1 and two hops: a walk from more items never scores less.
        hunts = [{"name": f"b{n}", "kind": "basket", "catalog": "c.tsv", "recent": 16, "ttl": "1h", "threshold": n, "items": 3, "max_fanout": 24,
                  "budget": 298} for n in (1, 2, 3)]
    config = configs.config(hunts, lateness="10m", skew_reject="24h", dedupe={"capacity": 1000, "window": "15m"})
    config["limits"] = {"users": 1000, "claims": 1000, "corrections": 1000}
    return Bench(tmp_path, config, {"c.tsv": text})


def case(rng, maker, kind="steps"):
    """A handful of users' events in order, their client times those of their making, each with whose turn it is: what order means
    something to, a user's steps or the claims of a tile."""
    events = []
    for n, user in enumerate(rng.choices(range(3), k=rng.randrange(4, 16))):
        now, place = T0 + n * 200 * MS, rng.randrange(8)
        if kind == "tiles":
            tile = NAMES.name(now // PERIOD, place % 3)
            events.append((now, tile, maker.raw(user=f"u{user}", type="claim", item=None, tile=tile, time=now // MS)))
        else:
            events.append((now, f"u{user}", maker.raw(user=f"u{user}", item=configs.item(place), time=now // MS)))
    return events


def interleaved(rng, events):
    """Another order, but each one's own events in theirs."""
    queues = defaultdict(list)
    for event in events:
        queues[event[1]].append(event)
    out = []
    while queues:
        owner = rng.choice(sorted(queues))
        out.append(queues[owner].pop(0))
        if not queues[owner]:
            del queues[owner]
    return out


def repeated(rng, events):
    """Some of the events again, at any place behind their first."""
    out = list(events)
    for event in rng.sample(events, len(events) // 2):
        out.insert(rng.randrange(out.index(event) + 1, len(out) + 1), event)
    return out


def received(rng, events, apart=20 * S):
    """Received in this order, each later than made; unless they are far apart by less than lateness, and while their maps live."""
    now, out = max(event[0] for event in events), []
    for _, _, raw in events:
        now += rng.randrange(apart)
        out.append((now, raw))
    return out


def played(bench, cases):
    """The awards of each case as a set, from one run of the program."""
    stream = [line for lines in cases for line in [*lines, RESET]]
    answers = iter(bench.run(stream)[0])
    return [[(answer, outcome) for _, answer in zip(lines, answers) for outcome in answer["outcomes"] if outcome["kind"] in ("award", "claim_granted")]
            for lines in cases]


def whole(awards):
    return {(outcome["award"], outcome["hunt"], *outcome["items"]) for _, outcome in awards}


@pytest.mark.parametrize("kind", ["trail", "basket", "tiles"])
def test_repeats_delays_and_the_order_of_others_change_no_award(tmp_path, kind):
    rng, maker, bench = random.Random(5), Maker(5), property_bench(tmp_path, kind)
    cases = [case(rng, maker, kind) for _ in range(CASES)]
    straight = played(bench, [[event[::2] for event in events] for events in cases])
    bent = played(bench, [received(rng, repeated(rng, interleaved(rng, events))) for events in cases])
    assert sum(map(len, straight)) > CASES // 10
    for before, after in zip(straight, bent):
        assert whole(before) == whole(after)


def claimed(raw):
    event = json.loads(raw)
    return event["id"], event["user"], event["tile"], event["time"]


def test_a_tile_goes_to_whoever_is_received_first_and_to_nobody_else(tmp_path):
    rng, maker, bench = random.Random(9), Maker(9), property_bench(tmp_path, "tiles")
    cases = [case(rng, maker, "tiles") for _ in range(CASES)]
    lines = [received(rng, repeated(rng, rng.sample(events, len(events)))) for events in cases]
    straight = played(bench, [[event[::2] for event in events] for events in cases])
    moved = 0
    answers = iter(bench.run([line for one in lines for line in [*one, RESET]])[0])
    for before, one in zip(straight, lines):
        winner, got, awards = {}, {}, set()
        for (_, raw), answer in zip(one, answers):
            ident, _, tile, _ = claimed(raw)
            winner.setdefault(tile, ident)
            for outcome in outcomes([answer], "claim_granted"):
                assert got.setdefault((tile, outcome["hunt"]), ident) == ident
                awards.add((outcome["award"], outcome["hunt"]))
        # Every tile that somebody asked for is given once by each hunt, to the claim that came first.
        assert got == {(tile, hunt): ident for tile, ident in winner.items() for hunt in ("gold", "silver")}
        assert len(awards) == len(got) == len(before)
        moved += awards != whole(before)
    assert moved > CASES // 3


def test_a_claim_that_comes_too_late_gets_nothing_and_says_why(tmp_path):
    """Delays beyond the maps' life and beyond lateness: what becomes of each claim is what the rules say of its time alone."""
    rng, maker, bench = random.Random(10), Maker(10), property_bench(tmp_path, "tiles")
    cases = [received(rng, repeated(rng, interleaved(rng, case(rng, maker, "tiles"))), 120 * S) for _ in range(CASES)]
    answers, met = iter(bench.run([line for lines in cases for line in [*lines, RESET]])[0]), Counter()
    for lines in cases:
        first, seen = {}, {}
        for (now, raw), answer in zip(lines, answers):
            ident, _, tile, time_ms = claimed(raw)
            # An id is known for the window and at most 1/32 longer.
            window = 900 * S * (33 if answer["result"] == "duplicate" else 32) // 32
            if ident in seen and now - seen[ident] <= window:
                want = "duplicate"
            elif now - time_ms * MS > 600 * S:
                want = "late"
            elif tile in first:
                want = "taken"
            else:
                want = "none" if now < T0 // PERIOD * PERIOD + LIVE * PERIOD else "expired"
            seen.setdefault(ident, now)
            if want == "none":
                first[tile] = ident
            got = answer["outcomes"]
            assert len(got) == (1 if want in ("duplicate", "late") else 2)
            assert all(want == (outcome["kind"] if want in ("duplicate", "late") else outcome["refusal"]) for outcome in got), (want, got)
            met[want] += 1
    assert min(met[word] for word in ("duplicate", "late", "taken", "none")) > CASES // 10


def test_the_order_of_a_users_items_does_not_change_who_wins_a_basket(tmp_path):
    rng, maker, bench = random.Random(6), Maker(6), property_bench(tmp_path, "basket")
    cases = [case(rng, maker) for _ in range(CASES)]
    shuffled = [received(rng, repeated(rng, rng.sample(events, len(events)))) for events in cases]

    def winners(awards):
        # A partition and a hunt say who won what, but for users that share the partition: so they are counted.
        return Counter((answer["partition"], outcome["hunt"]) for answer, outcome in awards)

    straight = played(bench, [[event[::2] for event in events] for events in cases])
    other = played(bench, shuffled)
    moved = 0
    for before, after in zip(straight, other):
        assert winners(before) == winners(after)
        moved += whole(before) != whole(after)
    # Which event completes the basket, and so what is in it, is a matter of order: that is the difference.
    assert moved > CASES // 10


def test_the_order_of_a_users_steps_changes_a_trail_only_as_its_edges_say(tmp_path):
    rng, maker, bench = random.Random(7), Maker(7), property_bench(tmp_path, "trail")
    hunt = bench.model.hunts[0]
    edges = {(bench.model.names[a].decode(), bench.model.names[b].decode()) for a, out in hunt.catalog.edges.items() for _, b in out[:32]}
    won, cases = 0, []
    for _ in range(CASES // 4):
        events = case(rng, maker)
        cases.append(received(rng, repeated(rng, rng.sample(events, len(events)))))
    answers = iter(bench.agree([line for lines in cases for line in [*lines, RESET]]))
    for lines in cases:
        seen, gone = defaultdict(list), set()
        for (_, raw), answer in zip(lines, answers):
            event = json.loads(raw)
            if answer["result"] != "duplicate":
                seen[event["user"]].append(event["item"])
            for award in outcomes([answer], "award"):
                path, items, at = award["items"], seen[event["user"]], -1
                assert all(pair in edges for pair in zip(path, path[1:]))
                for step in path:  # the path's items came in its order
                    at = items.index(step, at + 1)
                assert path[-1] == event["item"] and event["user"] not in gone
                gone.add(event["user"])
                won += 1
    assert won > CASES // 20


def test_phones_ahead_of_time_win_once_and_lose_nothing_afterwards(tmp_path):
    """What production saw: clocks 90 s ahead, a basket awarded, then the same events again with earlier times."""
    bench = property_bench(tmp_path, "basket")
    rng = random.Random(8)
    made = [(T0 + n * S, f"u{rng.randrange(20)}", configs.item(rng.randrange(8))) for n in range(400)]
    ids = [Maker(n).event()["id"] for n in range(len(made))]

    def sent(ahead_ms, delay):
        maker = Maker(0)
        return [(now + delay, maker.raw(id=ident, user=user, item=item, time=(now + delay) // MS + ahead_ms))
                for ident, (now, user, item) in zip(ids, made)]

    answers = bench.agree(sent(90_000, 0) + sent(-30_000, 410 * S))
    first, again = answers[:len(made)], answers[len(made):]
    assert all(answer["flags"] == CLAMPED for answer in first)
    assert all(answer["result"] == "duplicate" and [o["kind"] for o in answer["outcomes"]] == ["duplicate"] for answer in again)
    assert len(outcomes(first, "award")) > 20 and not outcomes(first, "refusal")
    # Clamped to the time of receipt, they won what right clocks would have won; no later event changed it.
    right = bench.agree(sent(0, 0))
    assert [(o["award"], o["items"]) for o in outcomes(first, "award")] == [(o["award"], o["items"]) for o in outcomes(right, "award")]
    per_user = Counter((json.loads(raw)["user"], o["hunt"]) for (_, raw), answer in zip(sent(90_000, 0), answers)
                       for o in answer["outcomes"] if o["kind"] == "award")
    assert max(per_user.values()) == 1
    done = [o for o in outcomes(answers, "visit") if o["flags"] & DONE]
    assert done and not any(answer["flags"] & LATE for answer in answers)
