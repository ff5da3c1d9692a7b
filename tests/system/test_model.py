"""test_model.py - state_apply against an independent model of the rules, and against itself under other compilers."""
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/model"))

import streams  # noqa: E402
from harness import APPLY, RESET, Bench  # noqa: E402
from streams import MS, S, T0, Maker  # noqa: E402
from trove_model import CLAMPED, DONE, LATE  # noqa: E402

DATA = pathlib.Path(os.environ.get("TROVE_DATA", TOP.parent / "shared/data"))
RETAIL, OTTO = DATA / "online-retail.csv.zst", DATA / "otto-sample.jsonl"

pytestmark = pytest.mark.skipif(not APPLY.exists(), reason=f"{APPLY} is not built (meson option tests)")


def outcomes(answers, kind):
    return [outcome for answer in answers for outcome in answer["outcomes"] if outcome["kind"] == kind]


def hostile(tmp_path, seed, count):
    """A bench of hunts from a seed, and a stream at the edges of their rules."""
    rng = random.Random(seed)
    items = rng.choice([4, 12, 40])
    text = streams.catalog(rng, items, items * rng.choice([1, 3, 9]))
    hunts = streams.hunts(rng, text, rng.choice([1, 4, 9]))
    bench = Bench(tmp_path, streams.config(hunts), {"c.tsv": text})
    return bench, Maker(seed).stream(count, rng.choice([1, 5, 30]), items, len(hunts))


# ---- the model agrees ----


def test_program_and_model_agree_at_the_edges_of_every_rule(tmp_path):
    met = Counter()
    for seed in range(16):
        bench, stream = hostile(tmp_path, seed, 1000)
        for answer in bench.agree(stream):
            met[answer["result"]] += 1
            met[answer["reason"]] += 1
            met.update(outcome["refusal"] for outcome in answer["outcomes"])
            met.update(outcome["kind"] for outcome in answer["outcomes"])
    # A rule that no stream met was not tested.
    for word in ("duplicate", "late", "award", "refusal", "window", "too_fast", "max_depth", "future", "type_unknown", "hunt_unknown",
                 "item_required", "item_forbidden", "tile_required", "tile_forbidden", "key_unknown"):
        assert met[word] > 0, f"{word} never happened: {met}"


def test_broken_events_have_the_reason_and_offset_that_the_contract_says(tmp_path):
    bench = Bench(tmp_path, streams.config([]), {})
    maker, met = Maker(1), Counter()
    stream = [maker.broken(maker.hostile(5, 5, 1, T0)) for _ in range(6000)] + [maker.broken(b"[1]") for _ in range(50)]
    stream += [maker.raw(**{key: value}) for key in ("id", "time", "user", "type", "item", "hunt") for value in ([], {}, True, "", 1, "x" * 65)]
    for answer in bench.agree([(T0, raw) for raw in stream]):
        met[answer["reason"]] += 1
    for word in ("too_large", "syntax", "utf8", "surrogate", "depth", "not_object", "trailing", "duplicate_key", "wrong_type", "id_missing",
                 "id_invalid", "time_missing", "time_invalid", "time_range", "user_missing", "type_missing", "item_length"):
        assert met[word] > 0, f"{word} never happened: {met}"


def test_a_full_state_refuses_and_changes_nothing(tmp_path):
    hunts = [{"name": name, "kind": "basket", "catalog": "c.tsv", "threshold": 1000} for name in ("a", "b")]
    config = streams.config(hunts, dedupe={"capacity": 1000, "window": "64s"})
    bench = Bench(tmp_path, config, {"c.tsv": "i1\ti2\t1\n"})
    maker = Maker(2)
    filling = [(T0, maker.raw(user=f"u{n % 40}")) for n in range(3000)]
    met = Counter(answer["result"] for answer in bench.agree(filling + [filling[0]]))
    assert met["refused"] > 1000 and met["duplicate"] == 1
    later = T0 + 70 * S
    assert bench.agree(filling + [(later, maker.raw(time=later // MS))])[-1]["result"] == "accepted"
    # No room for one of the two hunts: neither moves.
    config["limits"]["users"], config["events"]["dedupe"]["capacity"] = 1000, 60000
    bench = Bench(tmp_path, config, {"c.tsv": "i1\ti2\t1\n"})
    stream = [(T0 + n * S // 100, maker.raw(user=f"n{n}")) for n in range(2000)]
    stream += [(T0 + 90 * S, maker.raw(user="late comer", time=T0 // MS + 90_000))]
    met = bench.agree(stream)
    assert sum(answer["result"] == "refused" for answer in met) > 500 and met[-1]["result"] == "accepted"


@pytest.mark.parametrize("seconds, users", [(0.001, 40), (0.02, 40), (3, 40), (0.02, 5000)])
def test_a_shortened_window_forgets_the_oldest_and_counts_them(tmp_path, seconds, users):
    config = streams.config([{"name": "a", "kind": "basket", "catalog": "c.tsv", "threshold": 1000}],
                            dedupe={"capacity": 1000, "window": "64s", "policy": "shorten"})
    config["limits"]["users"] = 1000
    bench = Bench(tmp_path, config, {"c.tsv": "i1\ti2\t1\n"})
    maker, sent = Maker(3), []
    for n in range(8000):
        now = T0 + 7 * MS + int(n * seconds * S)
        # One in four comes again, sooner or later.
        raw = maker.raw(user=f"u{n % users}", time=now // MS) if n % 4 or not sent else sent[-maker.rng.randrange(1, min(len(sent), 4000) + 1)][1]
        sent.append((now, raw))
    answers = bench.agree(sent)
    met, left = Counter(answer["result"] for answer in answers), sum(answer["left_early"] for answer in answers)
    assert met["duplicate"] > 20 and (met["refused"] > 0) == (users > 1000)
    # Nobody leaves early where there is room.
    assert left == 0 if seconds == 3 else left > 1000
    assert bench.run(sent, 3)[1] == bench.run(sent)[1]


def stamped(path):
    """A dataset's stream as (receive_ns, bytes), as trove-blast would send it from T0 on."""
    for line in path.read_bytes().splitlines():
        offset, raw = line.split(b"\t", 1)
        now = T0 + int(offset) * MS
        shift = re.search(rb"@@@@([+-]\d{8})", raw)
        if shift:
            raw = raw.replace(shift[0], b"%d" % (now // MS + int(shift[1])), 1)
        yield now, raw.replace(b"@" * 13, b"%d" % (now // MS), 1)


def dataset(tmp_path, *args):
    run = subprocess.run([TOP / "scripts/dataset", *map(str, args)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    text = (tmp_path / "c.tsv").read_text(encoding="utf-8")
    return json.loads(run.stdout), text, list(stamped(tmp_path / "events.stream"))


def shop(text, types, **trail):
    """Both kinds of hunt over a catalog: an award for what belongs together, and a trail between popular items."""
    seen = Counter(line.split("\t")[0] for line in text.splitlines() if line and line[0] != "#")
    names = [name for name, _ in seen.most_common(40)]
    hunts = [{"name": "together", "kind": "basket", "catalog": "c.tsv", "threshold": 2.5, "cooldown": "10m"},
             {"name": "often", "kind": "basket", "catalog": "c.tsv", "threshold": 1.2, "recent": 16, "ttl": "2m", "max_depth": 3, "budget": 60},
             {"name": "path", "kind": "trail", "catalog": "c.tsv", "start": names[:20], "treasure": names[20:], "min_step": "20ms", **trail}]
    return {"partitions": 16, "hunts": hunts, "events": {"types": {name: {"require": ["item"]} for name in types}}}


def real(tmp_path, found, types):
    """Asserts agreement on a data file's events; returns what came out."""
    _, text, stream = found
    answers = Bench(tmp_path, shop(text, types), {"c.tsv": text}).agree(stream)
    assert {outcome["hunt"] for outcome in outcomes(answers, "award")} >= {"often", "path"}
    return answers


@pytest.mark.skipif(not RETAIL.exists(), reason=f"{RETAIL} is not there")
def test_model_and_program_agree_on_real_orders(tmp_path):
    found = dataset(tmp_path, "retail", RETAIL, "--catalog", tmp_path / "c.tsv", "--events", tmp_path / "events.stream",
                    "--limit", 30000, "--compress", "1h")
    answers = real(tmp_path, found, ["purchase", "cancel"])
    assert len(answers) == 30000 and sum(answer["result"] == "duplicate" for answer in answers) > 100


@pytest.mark.skipif(not OTTO.exists(), reason=f"{OTTO} is not there")
def test_model_and_program_agree_on_real_sessions(tmp_path):
    found = dataset(tmp_path, "otto", OTTO, "--catalog", tmp_path / "c.tsv", "--events", tmp_path / "events.stream", "--min-weight", 1)
    assert len(real(tmp_path, found, ["click", "cart", "purchase"])) == 862


def test_model_and_program_agree_on_a_generated_shop(tmp_path):
    found = dataset(tmp_path, "sample", "--catalog", tmp_path / "c.tsv", "--events-out", tmp_path / "events.stream", "--events", 6000)
    answers = real(tmp_path, found, ["view", "purchase"])
    met = Counter(answer["result"] for answer in answers)
    assert met["duplicate"] == found[0]["duplicates"] and met["rejected"] >= found[0]["malformed"]


# ---- what order, repetition and delay may change ----


def property_bench(tmp_path, kind):
    """Small hunts in which users win now and then."""
    text = streams.catalog(random.Random(11), 8, 24, ("1", "2", "5"))
    names = streams.named_items(text)
    if kind == "trail":
        hunts = [{"name": "t", "kind": "trail", "catalog": "c.tsv", "start": names[:2], "treasure": names[-2:], "min_step": "0s"}]
    else:
        # Room for every item, a ttl beyond every delay, decay below 1 and two hops: a walk from more items never scores less.
        hunts = [{"name": f"b{n}", "kind": "basket", "catalog": "c.tsv", "recent": 16, "ttl": "1h", "threshold": n, "items": 3, "max_fanout": 24,
                  "budget": 300} for n in (1, 2, 3)]
    config = streams.config(hunts, lateness="10m", skew_reject="24h", dedupe={"capacity": 1000, "window": "15m"})
    config["limits"] = {"users": 1000, "claims": 1000}
    return Bench(tmp_path, config, {"c.tsv": text})


def case(rng, maker):
    """A handful of users' events in order, their client times those of their making."""
    return [(T0 + n * 200 * MS, f"u{user}", maker.raw(user=f"u{user}", item=streams.item(rng.randrange(8)), time=(T0 + n * 200 * MS) // MS))
            for n, user in enumerate(rng.choices(range(3), k=rng.randrange(4, 16)))]


def in_users_order(rng, events):
    """Another interleaving of the users, each one's own events in their order."""
    queues = defaultdict(list)
    for event in events:
        queues[event[1]].append(event)
    out = []
    while queues:
        user = rng.choice(sorted(queues))
        out.append(queues[user].pop(0))
        if not queues[user]:
            del queues[user]
    return out


def repeated(rng, events):
    """Some of the events again, at any place behind their first."""
    out = list(events)
    for event in rng.sample(events, len(events) // 2):
        out.insert(rng.randrange(out.index(event) + 1, len(out) + 1), event)
    return out


def received(rng, events):
    """Received in this order, each later than made, by less than lateness."""
    now, out = max(event[0] for event in events), []
    for _, _, raw in events:
        now += rng.randrange(20 * S)
        out.append((now, raw))
    return out


def played(bench, cases):
    """The awards of each case as a set, from one run of the program."""
    stream = [line for lines in cases for line in [*lines, RESET]]
    answers = iter(bench.run(stream)[0])
    return [[(answer, outcome) for _, answer in zip(lines, answers) for outcome in answer["outcomes"] if outcome["kind"] == "award"]
            for lines in cases]


def whole(awards):
    return {(outcome["award"], outcome["hunt"], *outcome["items"]) for _, outcome in awards}


@pytest.mark.parametrize("kind", ["trail", "basket"])
def test_repeats_delays_and_the_order_of_users_change_no_award(tmp_path, kind):
    rng, maker, bench = random.Random(5), Maker(5), property_bench(tmp_path, kind)
    cases = [case(rng, maker) for _ in range(1000)]
    straight = played(bench, [[event[::2] for event in events] for events in cases])
    bent = played(bench, [received(rng, repeated(rng, in_users_order(rng, events))) for events in cases])
    assert sum(map(len, straight)) > 100
    for before, after in zip(straight, bent):
        assert whole(before) == whole(after)


def test_the_order_of_a_users_items_does_not_change_who_wins_a_basket(tmp_path):
    rng, maker, bench = random.Random(6), Maker(6), property_bench(tmp_path, "basket")
    cases = [case(rng, maker) for _ in range(1000)]
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
    assert moved > 100


def test_the_order_of_a_users_steps_changes_a_trail_only_as_its_edges_say(tmp_path):
    rng, maker, bench = random.Random(7), Maker(7), property_bench(tmp_path, "trail")
    hunt = bench.model.hunts[0]
    edges = {(bench.model.names[a].decode(), bench.model.names[b].decode()) for a, out in hunt.catalog.edges.items() for _, b in out[:32]}
    won = 0
    for _ in range(300):
        lines = received(rng, repeated(rng, rng.sample(events := case(rng, maker), len(events))))
        seen, gone = defaultdict(list), set()
        for (_, raw), answer in zip(lines, bench.agree(lines)):
            event = json.loads(raw)
            if answer["result"] != "duplicate":
                seen[event["user"]].append(event["item"])
            for award in [outcome for outcome in answer["outcomes"] if outcome["kind"] == "award"]:
                path, items, at = award["items"], seen[event["user"]], -1
                assert all(pair in edges for pair in zip(path, path[1:]))
                for step in path:  # the path's items came in its order
                    at = items.index(step, at + 1)
                assert path[-1] == event["item"] and event["user"] not in gone
                gone.add(event["user"])
                won += 1
    assert won > 50


def test_phones_ahead_of_time_win_once_and_lose_nothing_afterwards(tmp_path):
    """What production saw: clocks 90 s ahead, a basket awarded, then the same events again with earlier times."""
    bench = property_bench(tmp_path, "basket")
    rng = random.Random(8)
    made = [(T0 + n * S, f"u{rng.randrange(20)}", streams.item(rng.randrange(8))) for n in range(400)]
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


# ---- the same whatever compiles it and however it is spread ----

COMPILERS = [(compiler, level) for compiler in ("gcc", "clang") for level in ("-O0", "-O2")]


def sources():
    """What the helper is made of: the layers below the shard part, by their folders; but for the control socket."""
    found = sorted([*(TOP / "dataplane/base").glob("*.c"), *(TOP / "conf").glob("*.c"), *(TOP / "graph").glob("*.c"),
                   TOP / "tests/model/host.c", TOP / "tests/model/apply.c"])
    return [path for path in found if not path.name.startswith("control")]


def build_directory():
    """Where builds of these sources are kept from one run to the next."""
    headers = sorted(path for folder in ("dataplane/base", "conf", "graph", "tests/model") for path in (TOP / folder).glob("*.h"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources() + headers)).hexdigest()[:16]
    directory = pathlib.Path(tempfile.gettempdir()) / f"trove-model-{os.getuid()}-{digest}"
    directory.mkdir(mode=0o700, exist_ok=True)
    assert directory.stat().st_uid == os.getuid() and not directory.is_symlink()
    return directory


def compiled(directory):
    """The helper by every compiler and level, from the sources, two at a time."""
    libs = subprocess.run(["pkg-config", "--cflags", "--libs", "libfyaml", "libxxhash"], capture_output=True, text=True, check=True)
    arch = ["-march=x86-64-v3"] if os.uname().machine == "x86_64" else []

    def build(compiler, level):
        program = directory / f"apply-{compiler}{level}"
        if not program.exists():
            command = [compiler, level, *arch, "-std=gnu17", "-D_GNU_SOURCE", '-DTROVE_VERSION="test"', f"-I{TOP}", "-w",
                       *map(str, sources()), *libs.stdout.split(), "-pthread", "-lm", "-o", f"{program}.new"]
            subprocess.run(command, check=True)
            os.replace(f"{program}.new", program)
        return program

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(build, *zip(*COMPILERS)))


def test_compilers_and_shard_counts_give_the_same_outcomes_and_hashes(tmp_path):
    missing = {compiler for compiler, _ in COMPILERS if subprocess.run(["which", compiler], capture_output=True, check=False).returncode}
    if missing:
        pytest.skip(f"{', '.join(sorted(missing))} is not installed")
    programs = [APPLY, *compiled(build_directory())]
    for seed in range(40, 46):
        bench, stream = hostile(tmp_path, seed, 1500)
        first = bench.run(stream)
        assert len(first[1]) == 4 and len({line["hash"] for line in first[1]}) == 4
        for program in programs:
            for shards in (1, 2, 7):
                assert bench.run(stream, shards, program) == first, f"seed {seed}, {program}, {shards} shards"


# ---- the most that one event can cost ----


ROUNDS = 30


def heaviest(rng):
    """A catalog of hubs with 1024 edges each to items that lead on, all of them within reach of one walk."""
    lines = [f"hub{hub}\tx{rng.randrange(6000)}\t{1000 - edge % 100}" for hub in range(17) for edge in range(1024)]
    lines += [f"hub{hub}\thub{hub + 1}\t2000" for hub in range(16)] + ["hub16\tx0\t1"]
    lines += [f"x{item}\tx{rng.randrange(6000)}\t{weight}" for item in range(6000) for weight in range(1, 9)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind, hunts, budget", [("basket", 1, 1024), ("basket", 32, 32), ("trail", 2, 4096), ("trail", 64, 128)])
def test_the_dearest_event_visits_its_hunts_budgets_and_no_edge_more(tmp_path, kind, hunts, budget):
    """Every budget is as high as the configuration may have it, and its least time within the bound on every event."""
    keys = {"basket": {"recent": 16, "items": 16, "threshold": 1024, "decay": 1, "max_depth": 4, "ttl": "1h", "max_fanout": 64},
            "trail": {"start": ["hub0"], "treasure": ["x1"], "max_depth": 16, "min_step": "0s", "max_fanout": 1024}}[kind]
    config = {"events": {"types": {"view": {}}}, "partitions": 1,
              "hunts": [{"name": f"h{n}", "kind": kind, "catalog": "c.tsv", "budget": budget, **keys} for n in range(hunts)]}
    text = heaviest(random.Random(3))
    bench = Bench(tmp_path, config, {"c.tsv": text})
    items = [f"hub{n}" for n in range(17)] + [text.rsplit("\n", 2)[1].split("\t")[1]]
    run = subprocess.run([APPLY.parent / "worst", bench.config, str(ROUNDS)], input="\n".join(items) + "\n", capture_output=True, text=True, check=True)
    report = json.loads(run.stdout)
    print(f"{hunts} {kind} hunts: {report}")
    assert report["events"] == ROUNDS * len(items) and report["edges"] == hunts * budget
    assert report["best_ns"] <= 50_000
