"""test_model.py - state_apply against an independent model of the rules: on real data, on generated streams, at every edge."""
import json
import os
import pathlib
import random
import re
import subprocess
import sys
from collections import Counter

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/model"))

import configs  # noqa: E402
from corrections_model import Correction  # noqa: E402
from configs import MS, S, T0  # noqa: E402
from harness import APPLY, ROUNDS, Bench, corrected, hostile, outcomes, reloaded  # noqa: E402
from streams import Maker  # noqa: E402
from tiles_model import UNIT, Names  # noqa: E402

DATA = pathlib.Path(os.environ.get("TROVE_DATA", TOP.parent / "shared/data"))
RETAIL, OTTO = DATA / "online-retail.csv.zst", DATA / "otto-sample.jsonl"

pytestmark = pytest.mark.skipif(not APPLY.exists(), reason=f"{APPLY} is not built (meson option tests)")


def listed(header, macro):
    """The names in one of the program's lists, so that a new one asks for its test."""
    return re.findall(macro + r"\((\w+), \"", (TOP / "dataplane/base" / header).read_text())


REASONS = listed("reason.h", "REASON")
JUDGED = REASONS[REASONS.index("type_unknown"):]  # by the rules, the others by the parser
# Who has won is not refused but `done`; the others are of corrections alone.
REFUSALS = set(listed("outcome.h", "REFUSAL")) - {"none", "already_won", "cooldown", "not_won", "superseded", "unknown_correction", "conflict"}


def tally(answers):
    met = Counter()
    for answer in answers:
        met.update((answer["result"], answer["reason"]))
        for outcome in answer["outcomes"]:
            met.update((outcome["refusal"], outcome["kind"]))
            met["assigned" if outcome["assigned"] else "stays"] += outcome["variant"] is not None
    return met


def expect(met, words):
    """A rule that no stream met was not tested."""
    missing = [word for word in words if not met[word]]
    assert not missing, f"{missing} never happened: {met}"


# ---- the model agrees ----


def test_program_and_model_agree_at_the_edges_of_every_rule(tmp_path):
    met = Counter()
    for seed in range(10 * ROUNDS):
        bench, stream = hostile(tmp_path, seed, 1000)
        met += tally(bench.agree(stream))
    expect(met, {"duplicate", "late", "award", "visit", "window", "too_fast", "max_depth", "assigned", "stays", *JUDGED})


def test_program_and_model_agree_while_configurations_come_and_go(tmp_path):
    met = Counter()
    for seed in range(1000, 1000 + 30 * ROUNDS):
        bench, stream = reloaded(tmp_path, seed, 1000)
        met += tally(bench.agree(stream))
    expect(met, {"claim_granted", "claim_refused", "award", "late", "assigned", "stays", *REFUSALS, *JUDGED})


CORRECTED = {"granted", "revoked", "correction_refused", "already_won", "taken", "expired", "early", "unknown_tile", "not_won", "superseded",
             "unknown_correction", "conflict"}


def test_program_and_model_agree_on_corrections_among_events(tmp_path):
    met = Counter()
    for seed in range(2000, 2000 + 8 * ROUNDS):
        bench, stream = corrected(tmp_path, seed, 700)
        answers = bench.agree(stream)
        met += tally(answers[n] for n, line in enumerate(stream) if isinstance(line, Correction))
        assert bench.run(stream, 2) == bench.run(stream, 7) == bench.run(stream)
    expect(met, {"accepted", "duplicate", "rejected", "hunt_unknown", "tile_required", "tile_forbidden", "assigned", *CORRECTED})


def test_broken_events_have_the_reason_and_offset_that_the_contract_says(tmp_path):
    bench = Bench(tmp_path, configs.config([]), {})
    maker = Maker(1)
    stream = [maker.broken(maker.hostile(5, 5, 1, T0)) for _ in range(6000)] + [maker.broken(b"[1]") for _ in range(50)]
    stream += [maker.raw(**{key: value}) for key in ("id", "time", "user", "type", "item", "tile", "hunt")
               for value in ([], {}, True, "", 1, "x" * 65)]
    met = tally(bench.agree([(T0, raw) for raw in [b"", b" ", *stream]]))
    expect(met, set(REASONS) - set(JUDGED) - {"none"})


def test_data_is_judged_to_the_last_digit(tmp_path):
    bench, maker = Bench(tmp_path, configs.config([]), {}), Maker(3)
    stream = []
    for n in range(6000):
        raw = maker.raw(type=maker.rng.choice(["buy", "buy", "buy@2"]), data="@", extra=maker.rng.choice([None, {"data": 1}, "}"]))
        stream.append((T0, raw.replace(b'"@"', maker.data().encode()) if n % 50 else maker.raw(type="buy")))
    met = tally(bench.agree(stream))
    expect(met, {"accepted", *(reason for reason in JUDGED if reason.startswith("data_"))})
    assert met["accepted"] > 1500


def test_names_of_tiles_are_those_that_were_handed_out(tmp_path):
    """As tests/unit/graph/test_tiles.c has them; and a name of another map is no name."""
    names = Names("spring", S)
    assert names.name(T0 // S, 0) == "um67bfk55wrall5mkpup" and names.name(T0 // S, 999999) == "cau7sdff5rs43dzkl3kf"
    seeds = ["s", "ab", "abc", "abcd", "eight-by", "nine-byte", "sixteen-bytes-16", "seventeen-bytes-1", "x" * 32, "y" * 33, "z" * 64]
    hunts = [{"name": f"h{n}", "kind": "tiles", "tiles": 10, "live": 2, "seed": seed, "period": "7s"} for n, seed in enumerate(seeds)]
    stream, maker = [], Maker(5)
    for seed in seeds:
        stream += [(T0, maker.raw(type="claim", item=None, tile=Names(seed, 7 * S).name(T0 // (7 * S), index))) for index in (0, 9, 10)]
    answers = Bench(tmp_path, configs.config(hunts), {}).agree(stream)
    assert len(outcomes(answers, "claim_granted")) == 2 * len(seeds)


def test_users_fall_in_variants_by_weight_and_stay_in_them(tmp_path):
    def weighed(**weights):
        return configs.config([{"name": "h", "kind": "basket", "catalog": "c.tsv", "threshold": 900, "variants": weights}])

    bench = Bench(tmp_path, [weighed(plain=70, double=30, none=0), weighed(none=5, double=5, plain=0)], {"c.tsv": "i1\ti2\t1\n"})
    maker, count = Maker(4), 4000

    def of(first, last, at):
        return [(at, maker.raw(user=f"v{n}", time=at // MS)) for n in range(first, last)]

    answers = bench.agree([*of(0, count, T0), 1, *of(0, 2 * count, T0 + S)])
    told = [answer["outcomes"][0]["variant"] for answer in answers]
    first, again, new = Counter(told[:count]), told[count:2 * count], Counter(told[2 * count:])
    assert again == told[:count] and set(first) == {"plain", "double"} and set(new) == {"none", "double"}
    # Five standard deviations: 145 and 158.
    assert abs(first["double"] - 0.3 * count) < 145 and abs(new["double"] - 0.5 * count) < 158


def test_a_full_state_refuses_and_changes_nothing(tmp_path):
    hunts = [{"name": name, "kind": "basket", "catalog": "c.tsv", "threshold": 1000} for name in ("a", "b")]
    config = configs.config(hunts, dedupe={"capacity": 1000, "window": "64s"})
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
    config = configs.config([{"name": "a", "kind": "basket", "catalog": "c.tsv", "threshold": 1000}],
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


def test_full_claims_refuse_grants_until_their_maps_are_over(tmp_path):
    """Room for 1000 claims is room for 378 in each of 4 partitions; what is refused changes nothing."""
    hunts = [{"name": name, "kind": "tiles", "tiles": 100_000, "period": "1m", "live": 60, "map_ttl": "1h", "seed": "s"} for name in ("a", "b")]
    bench, maker, names = Bench(tmp_path, configs.config(hunts), {}), Maker(6), Names("s", 60 * S)

    def claims(first, last, now):
        return [(now, maker.raw(type="claim", item=None, user=f"u{n}", tile=names.name(T0 // (60 * S), n), time=now // MS)) for n in range(first, last)]

    over = ((T0 + 3600 * S) // UNIT + 1) * UNIT
    fill, taken = claims(0, 900, T0), claims(0, 100, T0)
    later = [(at, maker.raw(type="claim", item=None, tile=names.name(over // (60 * S), 5), time=at // MS)) for at in (over - 1, over)]
    answers = bench.agree([*fill, *taken, *later])
    met = Counter(answer["result"] for answer in answers[:900])
    assert met["accepted"] == 4 * 378 // 2 and met["refused"] == 900 - met["accepted"]
    assert {answer["result"] for answer in answers[900:1000]} == {"accepted"}
    assert [answer["result"] for answer in answers[-2:]] == ["refused", "accepted"]


def test_corrections_without_room_are_refused_and_change_nothing(tmp_path):
    """Room for 1000 is room for 378 in each of 4 partitions, those that could not be done included; what is known needs none."""
    config = configs.config([{"name": "a", "kind": "basket", "catalog": "c.tsv", "threshold": 1000}])
    config["limits"]["corrections"] = 1000
    bench, maker = Bench(tmp_path, config, {"c.tsv": "i1\ti2\t1\n"}), Maker(7)
    stream = [Correction(T0, maker.correction("grant", "u1", "a")) for _ in range(380)]
    stream += [stream[0], (T0, maker.raw()), Correction(T0, maker.correction("revoke", "u1", "a"))]
    met = [answer["result"] for answer in bench.agree(stream)]
    assert met == ["accepted"] * 378 + ["refused"] * 2 + ["duplicate", "accepted", "refused"]


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
    hunts = [{"name": "together", "kind": "basket", "catalog": "c.tsv", "threshold": 2.5, "cooldown": "10m", "variants": {"plain": 9, "double": 1}},
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
