"""trove_model.py - the rules of Trove, slowly: what each event leads to, in lists, dicts and whole numbers.

Written from DESIGN.md sections 4 to 6, trove.yaml(5) and the comments of the headers; it shares nothing with the program.
What a keyed hash decides (the partition, an award's id) is the program's to choose: the caller passes the partition in.
"""
from decimal import Decimal
from math import isqrt

from catalog_model import ONE, Catalog, walk
from corrections_model import correct
from json_model import Fault, parse_event, time_text
from schema_model import Schema
from tiles_model import Claims, TilesHunt

MS, S = 10**6, 10**9
UNITS = {"ns": 1, "us": 1000, "ms": MS, "s": S, "m": 60 * S, "h": 3600 * S, "d": 86400 * S}
STEP, STOPPED, ITEM_UNKNOWN, DONE = 1, 2, 4, 8
LATE, CLAMPED = 1, 2
FOREVER = None


def duration(text):
    digits = text.rstrip("nusmhd")
    return int(digits) * UNITS[text[len(digits):]]


def fixed(number):
    """The 16.16 fixed point nearest to a decimal."""
    return int((Decimal(str(number)) * ONE).quantize(Decimal(1), "ROUND_HALF_UP"))


class Hunt:
    def __init__(self, keys, types, catalogs, dictionary):
        self.name, self.kind = keys["name"], keys["kind"]
        self.types = set(keys.get("types", types))
        self.starts = time_text(keys["starts"].encode()) if "starts" in keys else None
        self.ends = time_text(keys["ends"].encode()) if "ends" in keys else None
        self.cooldown = duration(keys["cooldown"]) if "cooldown" in keys else FOREVER
        self.variants = keys.get("variants", {})
        if self.kind == "tiles":
            self.tiles = TilesHunt(self.name, keys, duration)
        else:
            self.walking(keys, catalogs[keys["catalog"]], dictionary)

    def walking(self, keys, catalog, dictionary):
        """What trails and baskets have."""
        self.catalog = catalog
        trail = self.kind == "trail"
        self.max_depth = keys.get("max_depth", 8 if trail else 2)
        self.max_fanout = keys.get("max_fanout", 32 if trail else 8)
        self.budget = keys.get("budget", 640 if trail else 256)
        if trail:
            self.start = {dictionary[name.encode()] for name in keys["start"]}
            self.treasure = {dictionary[name.encode()] for name in keys["treasure"]}
            self.min_step = duration(keys.get("min_step", "1s"))
        else:
            self.recent = keys.get("recent", 8)
            self.ttl_s = -(-duration(keys.get("ttl", "30m")) // S)
            self.items = keys.get("items", 3)
            self.threshold = fixed(keys.get("threshold", 2.5))
            self.decay = fixed(keys.get("decay", 0.5))
            # An age is kept in 16 bits of 2, 4, ... seconds when the ttl is too long for one second each.
            self.unit_s = 1
            while self.ttl_s // self.unit_s > 65535:
                self.unit_s *= 2
        self.walks = {}  # what a walk found depends on its sources alone

    def strongest(self, item):
        """Of an item that an earlier catalog had and this one has not: nothing."""
        return self.catalog.edges.get(item, [])[:self.max_fanout]


class Progress:
    """How far a user is in a hunt."""

    def __init__(self):
        self.nodes, self.parents = [], []  # trail
        self.recent = []  # basket: (item, second in units of that time), newest first
        self.won_ns = None
        self.last_ns = 0
        self.dead_s = FOREVER
        self.variant = None
        self.award, self.score, self.revoked = None, 0, False  # of who has won


def blank(kind, hunt=None, **more):
    return {"kind": kind, "refusal": "none", "flags": 0, "hunt": hunt, "depth": 0, "score": 0, "edges": 0, "first_seq": 0,
            "variant": None, "assigned": False, "items": [], **more}


class Partition:
    def __init__(self):
        self.seq, self.last_ns = 0, 0
        self.ids = {}  # (user, id): when it came, and its sequence
        self.runs = []  # where the window is shortened: ids in the order in which they came, as (time bucket, [(user, id)])
        self.progress = {}  # (user, hunt's name, its kind)
        self.claims = Claims()
        self.corrections, self.undone = {}, set()  # by id


class Model:
    def __init__(self, config, catalogs):
        """config is the YAML as a dict, catalogs the text of each catalog file by the name that hunts use."""
        self.catalogs = catalogs
        self.dictionary, self.built = {}, {}
        self.fates = {}  # (user, hunt, its variants): the one that the keyed hash gave
        self.partitions = {}
        limits, dedupe = config.get("limits", {}), config["events"].get("dedupe", {})
        self.window = duration(dedupe.get("window", "15m"))
        self.bucket = -(-self.window // 32)
        self.partition_count = config.get("partitions", 256)
        self.id_limit = self.share(dedupe.get("capacity", 4_000_000))
        self.shorten = dedupe.get("policy") == "shorten"
        self.left_early = 0  # ids that the last event took the place of
        self.user_limit = self.share(limits.get("users", 1_000_000))
        self.claim_limit = self.share(limits.get("claims", 1_000_000))
        self.correction_limit = self.share(limits.get("corrections", 65_536))
        self.load(config)

    def load(self, config):
        """Another configuration: rules change, what users have reached stays."""
        events, limits = config["events"], config.get("limits", {})
        self.skew_tolerance = duration(events.get("skew_tolerance", "5s"))
        self.skew_reject = duration(events.get("skew_reject", "24h"))
        self.lateness = duration(events.get("lateness", "15m"))
        self.types = {name: keys or {} for name, keys in events["types"].items()}
        self.schemas = {name: Schema(keys) for name, keys in self.types.items()}
        self.event_bytes, self.event_depth = limits.get("event_bytes", 1400), limits.get("event_depth", 32)
        self.user_ttl = duration(limits.get("user_ttl", "6h"))
        whole = [{**config.get("templates", {}).get(hunt.get("template"), {}), **hunt} for hunt in config.get("hunts", [])]
        for hunt in whole:
            if "catalog" in hunt and hunt["catalog"] not in self.built:
                self.built[hunt["catalog"]] = Catalog(self.catalogs[hunt["catalog"]], self.dictionary)
        self.names = list(self.dictionary)
        self.hunts = [Hunt(hunt, self.types, self.built, self.dictionary) for hunt in whole]

    def reset(self):
        self.partitions = {}

    def share(self, total):
        """What one partition has room for: its share and eight standard deviations, each rounded up."""
        share = -(-total // self.partition_count)
        root = isqrt(share)
        return share + 8 * (root + (root * root < share))

    def part(self, partition):
        return self.partitions.setdefault(partition, Partition())

    def correct(self, correction, partition, told):
        """What an operator's correction leads to."""
        return correct(self, blank, correction, partition, told)

    @staticmethod
    def fresh():
        return Progress()

    def apply(self, raw, receive_ns, partition, told=None):
        """What an event leads to.  Two things are the program's to choose, and told is its answer: whether an id is still
        known that is older than the dedupe window by less than 1/32, and which variant a keyed hash gives a user."""
        part = self.part(partition)
        self.left_early = 0
        now = max(part.last_ns, receive_ns)
        try:
            event = parse_event(raw, self.event_bytes, self.event_depth)
        except Fault as fault:
            return self.reject(part, now, fault.reason, fault.offset)
        fault = self.judge(event, now)
        if fault:
            return self.reject(part, now, *fault)
        time_ms, flags = self.clock(event["time"], now)
        first_seq = self.find_id(part, event, now, told and told["result"])
        if first_seq is not None:
            part.last_ns, part.seq = now, part.seq + 1
            return {"result": "duplicate", "reason": "none", "offset": 0, "flags": 0, "seq": part.seq, "receive_ns": now,
                    "outcomes": [blank("duplicate", first_seq=first_seq)]}
        judged = [] if flags & LATE else self.hunts_of(event)
        if not self.has_room(part, event, judged, time_ms, now):
            return {"result": "refused", "reason": "none", "offset": 0, "flags": 0, "seq": 0, "receive_ns": now, "outcomes": []}
        part.last_ns, part.seq = now, part.seq + 1
        seq = part.seq
        if self.shorten:
            self.make_room(part, (event["user"], event["id"]), now)
        part.ids[event["user"], event["id"]] = now, seq
        if flags & LATE:
            outcomes = [blank("late")]
        else:
            outcomes = [self.hunt(part, hunt, event, time_ms, now, told) for hunt in judged] or [blank("visit")]
        part.seq += len(outcomes)
        return {"result": "accepted", "reason": "none", "offset": 0, "flags": flags, "seq": seq, "receive_ns": now, "outcomes": outcomes}

    # ---- is it an event that is configured, and what time is it ----

    @staticmethod
    def reject(part, now, reason, offset):
        part.last_ns, part.seq = now, part.seq + 1
        return {"result": "rejected", "reason": reason, "offset": offset, "flags": 0, "seq": part.seq, "receive_ns": now, "outcomes": []}

    def judge(self, event, now):
        """The first reason of reason.h's list that holds, with the offset that it tells; `future` is the last of all."""
        name = event["type"].decode()
        if name not in self.types:
            return "type_unknown", 0
        if "hunt" in event and event["hunt"].decode() not in (hunt.name for hunt in self.hunts):
            return "hunt_unknown", 0
        for key in ("item", "tile"):
            if key in self.types[name].get("require", []) and key not in event:
                return key + "_required", 0
            if key in self.types[name].get("forbid", []) and key in event:
                return key + "_forbidden", 0
        if self.types[name].get("strict") and event["other"]:
            return "key_unknown", 0
        fault = self.schemas[name].fault(event)
        return fault or (("future", 0) if event["time"] * MS - now > self.skew_reject else None)

    def clock(self, time_ms, now):
        """The time that counts, and the flags."""
        if time_ms * MS - now > self.skew_tolerance:
            return now // MS, CLAMPED
        return time_ms, LATE if now - time_ms * MS > self.lateness else 0

    # ---- duplicates and room ----

    def find_id(self, part, event, now, result):
        when, seq = part.ids.get((event["user"], event["id"]), (None, None))
        if when is None or now - when > self.window + self.bucket:
            return None
        if now - when > self.window and result is not None and result != "duplicate":
            return None
        return seq

    def make_room(self, part, key, now):
        """The oldest run of ids, each of one time bucket and of at most 1/32 of the limit, leaves before the window's end when there is no room."""
        tick = now // self.bucket
        part.runs = [run for run in part.runs if tick - run[0] <= 32]
        if sum(len(keys) for _, keys in part.runs) == self.id_limit:
            for left in part.runs.pop(0)[1]:
                del part.ids[left]
                self.left_early += 1
        if not part.runs or part.runs[-1][0] != tick or len(part.runs[-1][1]) == -(-self.id_limit // 32):
            part.runs.append((tick, []))
        part.runs[-1][1].append(key)

    def alive(self, part, event, hunt, now):
        progress = part.progress.get((event["user"], hunt.name, hunt.kind))
        if progress and progress.dead_s is not FOREVER and now // S >= progress.dead_s:
            return None
        return progress

    def has_room(self, part, event, judged, time_ms, now):
        part.ids = {key: held for key, held in part.ids.items() if now - held[0] <= self.window + self.bucket} \
            if len(part.ids) >= self.id_limit else part.ids
        if len(part.ids) >= self.id_limit and not self.shorten:
            return False
        if "tile" in event:
            grants = sum(self.judge_claim(part, hunt, event, time_ms, now)[0] == "none" for hunt in judged)
            return not grants or part.claims.living(now) + grants <= self.claim_limit
        needed = sum(self.begins(part, event, hunt, time_ms, now) for hunt in judged)
        if not needed or len(part.progress) + needed <= self.user_limit:
            return True
        living = sum(p.dead_s is FOREVER or now // S < p.dead_s for p in part.progress.values())
        return living + needed <= self.user_limit

    def begins(self, part, event, hunt, time_ms, now):
        """Whether the event would make progress where there is none."""
        item = self.dictionary.get(event.get("item"))
        if self.alive(part, event, hunt, now) or self.out_of_window(hunt, time_ms) or item not in hunt.catalog.items:
            return False
        return hunt.kind == "basket" or item in hunt.start

    # ---- hunts ----

    def hunts_of(self, event):
        """A tile's partition knows nothing of how far users are: an event with a tile is for hunts of tiles alone."""
        kind, named = event["type"].decode(), event.get("hunt", b"").decode()
        return [hunt for hunt in self.hunts
                if ("tile" in event) == (hunt.kind == "tiles") and kind in hunt.types and named in ("", hunt.name)]

    @staticmethod
    def out_of_window(hunt, time_ms):
        return (hunt.starts is not None and time_ms < hunt.starts) or (hunt.ends is not None and time_ms >= hunt.ends)

    def judge_claim(self, part, hunt, event, time_ms, now):
        if self.out_of_window(hunt, time_ms):
            return "window", None, 0
        return hunt.tiles.judge(part.claims, event["tile"].decode(), now)

    def claim(self, part, hunt, event, time_ms, now):
        """Receive time alone says which maps live; client time only whether the hunt does."""
        refusal, tile, end = self.judge_claim(part, hunt, event, time_ms, now)
        if refusal == "none":
            part.claims.give(tile, end, (event["user"], event["id"], hunt.name))
        return blank("claim_granted" if refusal == "none" else "claim_refused", hunt.name, refusal=refusal)

    def hunt(self, part, hunt, event, time_ms, now, told):
        if hunt.kind == "tiles":
            return self.claim(part, hunt, event, time_ms, now)
        progress = self.alive(part, event, hunt, now)
        won = progress is not None and progress.won_ns is not None
        fresh, again = progress or Progress(), False
        if won and hunt.cooldown is not FOREVER and now - progress.won_ns >= hunt.cooldown:
            won, again = False, True
            fresh = Progress()
            fresh.variant = progress.variant  # who plays again plays as before
        out = blank("visit", hunt.name, depth=len(progress.nodes) if progress and not again else 0)
        if self.out_of_window(hunt, time_ms):
            return {**blank("refusal", hunt.name), "refusal": "window"}
        if won:
            out["flags"] |= DONE
        item = self.dictionary.get(event.get("item"))
        if item not in hunt.catalog.items:
            out["flags"] |= ITEM_UNKNOWN if "item" in event else 0
            return out
        if won:
            return out
        move = self.trail if hunt.kind == "trail" else self.basket
        moved, outcome = move(hunt, fresh, item, now)
        if moved:
            if outcome["kind"] == "award":
                fresh.award, fresh.score = (event["user"], event["id"], hunt.name), outcome["score"]
            part.progress[event["user"], hunt.name, hunt.kind] = fresh
            self.assign(hunt, fresh, event, outcome, told)
            self.touch(hunt, fresh, outcome, now)
        return outcome

    def assign(self, hunt, progress, event, outcome, told):
        """A user stays in a variant while the hunt has it; else a hash of user and hunt gives one, by the weights."""
        if not hunt.variants:
            return
        if progress.variant not in hunt.variants:
            fate = event["user"], hunt.name, tuple(hunt.variants.items())
            chosen = next((o["variant"] for o in told["outcomes"] if o["hunt"] == hunt.name), None) if told else None
            chosen = self.fates.setdefault(fate, chosen)
            # The program may choose, but not anything.
            progress.variant = chosen if hunt.variants.get(chosen) else "one of those with a weight"
            outcome["assigned"] = True
        outcome["variant"] = progress.variant

    def touch(self, hunt, progress, outcome, now):
        """An entry lives for user_ttl; a win is remembered for as long as it must keep another from happening."""
        ttl = self.user_ttl
        if outcome["kind"] == "award":
            if hunt.cooldown is FOREVER:
                progress.dead_s = FOREVER
                return
            ttl = max(ttl, hunt.cooldown)
        progress.dead_s = (now + ttl) // S + 1

    def trail(self, hunt, progress, item, now):
        """Whether progress moved, and the outcome."""
        nodes = progress.nodes
        if not nodes:
            if item not in hunt.start:
                return False, blank("visit", hunt.name)
            nodes.append(item)
            progress.parents.append(0)
            progress.last_ns = now
            return True, blank("visit", hunt.name, flags=STEP, depth=1)
        out = blank("visit", hunt.name, depth=len(nodes))
        if item in nodes:
            return False, out
        parent = self.parent(hunt, nodes, item, out)
        if parent is None:
            return False, out
        if now - progress.last_ns < hunt.min_step:
            return False, {**out, "kind": "refusal", "refusal": "too_fast"}
        if len(nodes) - 1 >= hunt.max_depth:
            return False, {**out, "kind": "refusal", "refusal": "max_depth"}
        nodes.append(item)
        progress.parents.append(parent)
        progress.last_ns = now
        out.update(flags=STEP, depth=len(nodes))
        if item in hunt.treasure:
            progress.won_ns = now
            out.update(kind="award", flags=0, items=self.path(progress))
        return True, out

    @staticmethod
    def parent(hunt, nodes, item, out):
        """The first node that has an edge to the item among its strongest; out learns what looking for it took."""
        for index, node in enumerate(nodes):
            for _, target in hunt.strongest(node):
                if out["edges"] == hunt.budget:
                    out["flags"] |= STOPPED
                    return None
                out["edges"] += 1
                if target == item:
                    return index
        return None

    def path(self, progress):
        at, path = len(progress.nodes) - 1, []
        while at:
            path.append(progress.nodes[at])
            at = progress.parents[at]
        path.append(progress.nodes[0])
        return [self.names[item].decode() for item in reversed(path)]

    def basket(self, hunt, progress, item, now):
        unit, second = hunt.unit_s, now // S
        kept = [(old, when // unit * unit) for old, when in progress.recent
                if old != item and (second // unit - when // unit) * unit <= hunt.ttl_s]
        progress.recent = ([(item, second // unit * unit)] + kept)[:hunt.recent]
        progress.last_ns = now
        sources = tuple(sorted(recent for recent, _ in progress.recent))
        if sources not in hunt.walks:
            hunt.walks[sources] = walk(hunt, sources)
        edges, stopped, best, total = hunt.walks[sources]
        out = blank("visit", hunt.name, flags=STOPPED if stopped else 0, depth=len(sources), score=total, edges=edges)
        if total >= hunt.threshold and len(sources) >= 2:
            progress.won_ns = now
            out.update(kind="award", items=[self.names[i].decode() for i in best])
        return True, out
