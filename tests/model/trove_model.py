"""trove_model.py - the rules of Trove, slowly: what each event leads to, in lists, dicts and whole numbers.

Written from DESIGN.md sections 4 to 6, trove.yaml(5) and the comments of the headers; it shares nothing with the program.
What a keyed hash decides (the partition, an award's id) is the program's to choose: the caller passes the partition in.
"""
import heapq
from decimal import Decimal
from math import isqrt

from json_model import Fault, parse_event, time_text

MS, S = 10**6, 10**9
UNITS = {"ns": 1, "us": 1000, "ms": MS, "s": S, "m": 60 * S, "h": 3600 * S, "d": 86400 * S}
ONE = 65536  # 1.0 as 16.16 fixed point
FULL = 65535  # the strength of a node's strongest edge
FLOOR = ONE // 256
STEP, STOPPED, ITEM_UNKNOWN, DONE = 1, 2, 4, 8
LATE, CLAMPED = 1, 2
FOREVER = None


def duration(text):
    digits = text.rstrip("nusmhd")
    return int(digits) * UNITS[text[len(digits):]]


def fixed(number):
    """The 16.16 fixed point nearest to a decimal."""
    return int((Decimal(str(number)) * ONE).quantize(Decimal(1), "ROUND_HALF_UP"))


class Catalog:
    """What a catalog file says: for each item its edges, strongest first, as (strength, to)."""

    def __init__(self, text, dictionary):
        weights = {}
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            start, end, weight = line.split("\t")
            for name in (start, end):
                dictionary.setdefault(name.encode(), len(dictionary))
            pair = dictionary[start.encode()], dictionary[end.encode()]
            weights[pair] = weights.get(pair, 0) + int(Decimal(weight) * 10**9)
        self.items = {item for pair in weights for item in pair}
        strongest = {}
        for (start, _), weight in weights.items():
            strongest[start] = max(strongest.get(start, 0), weight)
        self.edges = {item: [] for item in self.items}
        for (start, end), weight in weights.items():
            self.edges[start].append((weight, max(1, (2 * weight * FULL + strongest[start]) // (2 * strongest[start])), end))
        for edges in self.edges.values():
            edges.sort(key=lambda edge: (-edge[0], edge[2]))
            edges[:] = [edge[1:] for edge in edges]


class Hunt:
    def __init__(self, keys, types, catalogs, dictionary):
        self.name, self.kind = keys["name"], keys["kind"]
        self.types = set(keys.get("types", types))
        self.catalog = catalogs[keys["catalog"]]
        self.starts = time_text(keys["starts"].encode()) if "starts" in keys else None
        self.ends = time_text(keys["ends"].encode()) if "ends" in keys else None
        self.cooldown = duration(keys["cooldown"]) if "cooldown" in keys else FOREVER
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
        return self.catalog.edges[item][:self.max_fanout]


class Progress:
    """How far a user is in a hunt."""

    def __init__(self, hunt):
        self.nodes, self.parents = [], []  # trail
        self.recent = []  # basket: (item, time), newest first
        self.won_ns = None
        self.last_ns = 0
        self.dead_s = FOREVER
        self.kind = hunt.kind


def blank(kind, hunt=None, **more):
    return {"kind": kind, "refusal": "none", "flags": 0, "hunt": hunt, "depth": 0, "score": 0, "edges": 0, "first_seq": 0,
            "items": [], **more}


def walk(hunt, sources):
    """Spreading activation: (edges, stopped, the best items, their scores together)."""
    queue = [(-ONE, item, 0) for item in sources]
    heapq.heapify(queue)
    queued = {item: ONE for item in sources}
    done, score, edges, stopped = set(), {}, 0, False
    while queue and not stopped:
        negative, item, hop = heapq.heappop(queue)
        if item in done:
            continue
        done.add(item)
        for strength, target in hunt.strongest(item):
            if edges == hunt.budget:
                stopped = True
                break
            edges += 1
            passed = (-negative * hunt.decay // ONE) * strength // FULL
            score[target] = score.get(target, 0) + passed
            if target not in done and hop + 1 < hunt.max_depth and passed >= FLOOR and passed >= queued.get(target, 0):
                queued[target] = passed
                heapq.heappush(queue, (-passed, target, hop + 1))
    best = sorted((-total, item) for item, total in score.items() if total > 0)[:hunt.items]
    return edges, stopped, [item for _, item in best], -sum(total for total, _ in best)


class Partition:
    def __init__(self):
        self.seq, self.last_ns = 0, 0
        self.ids = {}  # (user, id): when it came, and its sequence
        self.runs = []  # where the window is shortened: ids in the order in which they came, as (time bucket, [(user, id)])
        self.progress = {}  # (user, hunt's name)


class Model:
    def __init__(self, config, catalogs):
        """config is the YAML as a dict, catalogs the text of each catalog file by the name that hunts use."""
        events, limits = config["events"], config.get("limits", {})
        self.window = duration(events.get("dedupe", {}).get("window", "15m"))
        self.bucket = -(-self.window // 32)
        self.skew_tolerance = duration(events.get("skew_tolerance", "5s"))
        self.skew_reject = duration(events.get("skew_reject", "24h"))
        self.lateness = duration(events.get("lateness", "15m"))
        self.types = events["types"]
        self.event_bytes, self.event_depth = limits.get("event_bytes", 1400), limits.get("event_depth", 32)
        self.user_ttl = duration(limits.get("user_ttl", "6h"))
        self.partition_count = config.get("partitions", 256)
        self.id_limit = self.share(events.get("dedupe", {}).get("capacity", 4_000_000))
        self.shorten = events.get("dedupe", {}).get("policy") == "shorten"
        self.left_early = 0  # ids that the last event took the place of
        self.user_limit = self.share(limits.get("users", 1_000_000))
        self.dictionary, built = {}, {}
        for hunt in config.get("hunts", []):
            if hunt["catalog"] not in built:
                built[hunt["catalog"]] = Catalog(catalogs[hunt["catalog"]], self.dictionary)
        self.names = list(self.dictionary)
        self.hunts = [Hunt(hunt, self.types, built, self.dictionary) for hunt in config.get("hunts", [])]
        self.partitions = {}

    def reset(self):
        self.partitions = {}

    def share(self, total):
        """What one partition has room for: its share and eight standard deviations, each rounded up."""
        share = -(-total // self.partition_count)
        root = isqrt(share)
        return share + 8 * (root + (root * root < share))

    def apply(self, raw, receive_ns, partition, hint=None):
        """What an event leads to.  An id may stay in the dedupe window up to 1/32 longer than the window: between the
        two, hint (a result) decides."""
        part = self.partitions.setdefault(partition, Partition())
        self.left_early = 0
        now = max(part.last_ns, receive_ns)
        try:
            event = parse_event(raw, self.event_bytes, self.event_depth)
        except Fault as fault:
            return self.reject(part, now, fault.reason, fault.offset)
        reason = self.judge(event, now)
        if reason:
            return self.reject(part, now, reason, 0)
        time_ms, flags = self.clock(event["time"], now)
        first_seq = self.find_id(part, event, now, hint)
        if first_seq is not None:
            part.last_ns, part.seq = now, part.seq + 1
            return {"result": "duplicate", "reason": "none", "offset": 0, "flags": 0, "seq": part.seq, "receive_ns": now,
                    "outcomes": [blank("duplicate", first_seq=first_seq)]}
        judged = [] if flags & LATE else self.hunts_of(event)
        if not self.has_room(part, event, judged, time_ms, now):
            return {"result": "refused", "reason": "none", "offset": 0, "flags": flags, "seq": 0, "receive_ns": now, "outcomes": []}
        part.last_ns, part.seq = now, part.seq + 1
        seq = part.seq
        if self.shorten:
            self.make_room(part, (event["user"], event["id"]), now)
        part.ids[event["user"], event["id"]] = now, seq
        if flags & LATE:
            outcomes = [blank("late")]
        else:
            outcomes = [self.hunt(part, hunt, event, time_ms, now) for hunt in judged] or [blank("visit")]
        part.seq += len(outcomes)
        return {"result": "accepted", "reason": "none", "offset": 0, "flags": flags, "seq": seq, "receive_ns": now, "outcomes": outcomes}

    # ---- is it an event that is configured, and what time is it ----

    @staticmethod
    def reject(part, now, reason, offset):
        part.last_ns, part.seq = now, part.seq + 1
        return {"result": "rejected", "reason": reason, "offset": offset, "flags": 0, "seq": part.seq, "receive_ns": now, "outcomes": []}

    def judge(self, event, now):
        """The first reason of reason.h's list that holds."""
        kind = self.types.get(event["type"].decode("utf-8"))
        if event["type"].decode() not in self.types:
            return "type_unknown"
        kind = kind or {}
        if "hunt" in event and event["hunt"].decode() not in (hunt.name for hunt in self.hunts):
            return "hunt_unknown"
        for key in ("item", "tile"):
            if key in kind.get("require", []) and key not in event:
                return key + "_required"
            if key in kind.get("forbid", []) and key in event:
                return key + "_forbidden"
        if kind.get("strict") and event["other"]:
            return "key_unknown"
        return "future" if event["time"] * MS - now > self.skew_reject else None

    def clock(self, time_ms, now):
        """The time that counts, and the flags."""
        if time_ms * MS - now > self.skew_tolerance:
            return now // MS, CLAMPED
        return time_ms, LATE if now - time_ms * MS > self.lateness else 0

    # ---- duplicates and room ----

    def find_id(self, part, event, now, hint):
        when, seq = part.ids.get((event["user"], event["id"]), (None, None))
        if when is None or now - when > self.window + self.bucket:
            return None
        if now - when > self.window and hint is not None and hint != "duplicate":
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
        progress = part.progress.get((event["user"], hunt.name))
        if progress and progress.dead_s is not FOREVER and now // S >= progress.dead_s:
            return None
        return progress

    def has_room(self, part, event, judged, time_ms, now):
        part.ids = {key: held for key, held in part.ids.items() if now - held[0] <= self.window + self.bucket} \
            if len(part.ids) >= self.id_limit else part.ids
        if len(part.ids) >= self.id_limit and not self.shorten:
            return False
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
        if "tile" in event:
            return []
        return [hunt for hunt in self.hunts
                if event["type"].decode() in hunt.types and event.get("hunt", hunt.name.encode()).decode() == hunt.name]

    @staticmethod
    def out_of_window(hunt, time_ms):
        return (hunt.starts is not None and time_ms < hunt.starts) or (hunt.ends is not None and time_ms >= hunt.ends)

    def hunt(self, part, hunt, event, time_ms, now):
        key = event["user"], hunt.name
        progress = self.alive(part, event, hunt, now)
        won = progress is not None and progress.won_ns is not None
        if won and hunt.cooldown is not FOREVER and now - progress.won_ns >= hunt.cooldown:
            won, progress = False, None
        out = blank("visit", hunt.name, depth=len(progress.nodes) if progress else 0)
        if self.out_of_window(hunt, time_ms):
            return {**out, "kind": "refusal", "refusal": "window"}
        if won:
            out["flags"] |= DONE
        item = self.dictionary.get(event.get("item"))
        if item not in hunt.catalog.items:
            out["flags"] |= ITEM_UNKNOWN if "item" in event else 0
            return out
        if won:
            return out
        fresh = progress or Progress(hunt)
        outcome = self.trail(hunt, fresh, item, now) if hunt.kind == "trail" else self.basket(hunt, fresh, item, now)
        if fresh.nodes or fresh.recent or fresh.won_ns is not None:
            part.progress[key] = fresh
            if fresh.last_ns == now:
                self.touch(hunt, fresh, now)
        else:
            part.progress.pop(key, None)
        return outcome

    def touch(self, hunt, progress, now):
        """An entry lives for user_ttl; a win is remembered for as long as it must keep another from happening."""
        ttl = self.user_ttl
        if progress.won_ns is not None:
            if hunt.cooldown is FOREVER:
                progress.dead_s = FOREVER
                return
            ttl = max(ttl, hunt.cooldown)
        progress.dead_s = (now + ttl) // S + 1

    def trail(self, hunt, progress, item, now):
        nodes = progress.nodes
        if not nodes:
            if item not in hunt.start:
                return blank("visit", hunt.name)
            nodes.append(item)
            progress.parents.append(0)
            progress.last_ns = now
            return blank("visit", hunt.name, flags=STEP, depth=1)
        out = blank("visit", hunt.name, depth=len(nodes))
        if item in nodes:
            return out
        parent = self.parent(hunt, nodes, item, out)
        if parent is None:
            return out
        if now - progress.last_ns < hunt.min_step:
            return {**out, "kind": "refusal", "refusal": "too_fast"}
        if len(nodes) - 1 >= hunt.max_depth:
            return {**out, "kind": "refusal", "refusal": "max_depth"}
        nodes.append(item)
        progress.parents.append(parent)
        progress.last_ns = now
        out.update(flags=STEP, depth=len(nodes))
        if item in hunt.treasure:
            progress.won_ns = now
            out.update(kind="award", flags=0, items=self.path(progress))
        return out

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
        unit = hunt.unit_s * S
        kept = [(old, when) for old, when in progress.recent
                if old != item and (now // unit - when // unit) * hunt.unit_s <= hunt.ttl_s]
        progress.recent = ([(item, now)] + kept)[:hunt.recent]
        progress.last_ns = now
        sources = tuple(sorted(recent for recent, _ in progress.recent))
        if sources not in hunt.walks:
            hunt.walks[sources] = walk(hunt, sources)
        edges, stopped, best, total = hunt.walks[sources]
        out = blank("visit", hunt.name, flags=STOPPED if stopped else 0, depth=len(sources), score=total, edges=edges)
        if total >= hunt.threshold and len(sources) >= 2:
            progress.won_ns, progress.recent = now, []
            out.update(kind="award", items=[self.names[i].decode() for i in best])
        return out
