"""streams.py - events to hold the program against the model: from a seed, at the edges of the rules, or broken."""
import json
import random
import uuid

MS, S = 10**6, 10**9
T0 = 1795209600 * S  # 2026-11-20T12:00:00Z

TYPES = {"view": {"require": ["item"]}, "note": {}, "claim": {"require": ["tile"], "forbid": ["item"]},
         "bare": {"forbid": ["tile"]}, "tight": {"require": ["item"], "strict": True}}


def item(number):
    return f"i{number}"


def catalog(rng, items, edges, weights=("1", "2", "0.333", "7.5", "100", "0.000000001", "1000000000")):
    """A catalog's text, with comments, repeated edges and loops."""
    lines = ["# made from a seed", ""]
    for _ in range(edges):
        lines.append(f"{item(rng.randrange(items))}\t{item(rng.randrange(items))}\t{rng.choice(weights)}")
    return "\n".join(lines) + "\n"


def named_items(text):
    return sorted({name for line in text.splitlines() if line and line[0] != "#" for name in line.split("\t")[:2]})


def hunts(rng, text, count):
    """Hunts with every parameter somewhere between its edges."""
    names, made = named_items(text), []
    for number in range(count):
        hunt = {"name": f"h{number}", "catalog": "c.tsv", "kind": rng.choice(["trail", "basket"]),
                "max_fanout": rng.choice([1, 2, 5, 1024]), "budget": rng.choice([1, 7, 40, 1024 // count])}
        if hunt["kind"] == "basket":
            hunt["budget"] = max(hunt["budget"], 32)
        elif hunt["budget"] > 40:
            hunt["budget"] = min(8 * hunt["budget"], 4096)
        if rng.random() < 0.5:
            hunt["types"] = ["view", "note", "claim"][rng.randrange(2):][:rng.randrange(1, 4)] + ["bare", "tight"][:rng.randrange(3)]
        if rng.random() < 0.4:
            hunt["cooldown"] = rng.choice(["1s", "20s", "7m"])
        if rng.random() < 0.3:
            hunt["starts"] = "2026-11-20T12:00:30Z"
        if rng.random() < 0.3:
            hunt["ends"] = "2026-11-20T12:20:00Z"
        if hunt["kind"] == "trail":
            ends = rng.sample(names, min(len(names), 7))
            hunt.update(start=ends[::2], treasure=ends[1::2],
                        min_step=rng.choice(["0s", "500ms", "3s"]), max_depth=rng.choice([1, 3, 16]))
        else:
            hunt.update(recent=rng.choice([1, 2, 5, 16]), ttl=rng.choice(["1s", "10s", "1500ms", "5m"]), items=rng.choice([1, 3, 16]),
                        threshold=rng.choice([0.01, 0.5, 1.7, 4, 900]), decay=rng.choice([1, 0.5, 0.3, 0.99, 0.004]),
                        max_depth=rng.choice([1, 2, 3, 4]))
        made.append(hunt)
    return made


def config(hunt_list, **events):
    return {"partitions": 4, "hunts": hunt_list, "limits": {"users": 20000, "user_ttl": "60s", "claims": 1000},
            "events": {"types": TYPES, "skew_tolerance": "5s", "skew_reject": "60s", "lateness": "30s",
                       "dedupe": {"capacity": 60000, "window": "64s"}, **events}}


class Maker:
    """Makes events; each gets an id of its own."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def event(self, **keys):
        full = {"id": str(uuid.UUID(int=self.rng.getrandbits(128) | 1)), "time": T0 // MS, "user": "u1", "type": "view", "item": "i1"}
        full.update(keys)
        return {key: value for key, value in full.items() if value is not None}

    def raw(self, **keys):
        return json.dumps(self.event(**keys), separators=(",", ":")).encode()

    def hostile(self, users, items, hunt_count, now):
        """One event at some edge of some rule, received at now."""
        rng = self.rng
        ahead_ms = rng.choice([0, 0, 0, 0, 0, 0, 4999, 5000, 5001, 59999, 60000, 60001, -29999, -30000, -30001, -90000, 90000])
        keys = {"user": f"u{rng.randrange(users)}", "item": item(rng.randrange(items + 2)), "time": now // MS + ahead_ms}
        dice = rng.random()
        if dice < 0.10:
            keys["hunt"] = f"h{rng.randrange(hunt_count + 1)}"
        elif dice < 0.14:
            keys["type"] = rng.choice(["note", "claim", "bare", "tight", "nothing", "View"])
        elif dice < 0.17:
            keys.update(type=rng.choice(["note", "claim", "bare", "tight"]), item=None, tile=rng.choice([None, "t1"]))
        elif dice < 0.19:
            keys.update(type=rng.choice(["tight", "view"]), extra={"deep": [1, {"a": None}]}, data={"id": 1, "id2": [[]]})
        elif dice < 0.21:
            keys["time"] = rng.choice(["2026-11-20T12:00:07Z", "2026-11-20T13:00:07.25+01:00", "2026-11-20t12:00:07.999999z", "1969-12-31T23:59:59Z"])
        return json.dumps(self.event(**keys), separators=(",", ":"), ensure_ascii=rng.random() < 0.5).encode()

    def stream(self, count, users, items, hunt_count, broken=0.03, repeat=0.15):
        """Events in order of receipt: some repeated, some broken, some received before the one in front of them."""
        rng, now, sent, out = self.rng, T0, [], []
        for _ in range(count):
            now += rng.choice([0, 1, 999_999, rng.randrange(S), rng.randrange(4 * S), 500 * MS, 3 * S])
            if rng.random() < 0.004:
                now += rng.choice([31, 60, 61, 63, 64, 65, 66, 67, 420, 100_000]) * S + rng.choice([-1, 0, 1])
            raw = self.hostile(users, items, hunt_count, now)
            dice = rng.random()
            if dice < broken:
                raw = self.broken(raw)
            elif dice < broken + repeat and sent:
                raw = sent[-rng.randrange(1, min(len(sent), 60) + 1)]
            sent.append(raw)
            out.append((now - (rng.randrange(5 * S) if rng.random() < 0.02 else 0), raw))
        return out

    def broken(self, raw):
        """The same with one or a few bytes changed, added or lost."""
        rng, out = self.rng, bytearray(raw)
        alphabet = b'{}[]:,"\\/0123456789.eE+-truefalsnl \t\n\r\x00\x1f\x7f\x80\xbf\xc2\xe2\x82\xac\xed\xa0\xf0\x9f\x98\x80\xf5\xff'
        pieces = [b"\\u0041", b"\\ud83d\\ude00", b"\\ud83d", b"\\ude00", b"\\u00", b'"id":1,', b'"data":0,', b'"\\u0069d":"",', b"null", b"-0", b"1e5",
                  b"01", b"1.", b"[" * 40, b'{"a":' * 40, b"\xef\xbb\xbf", "é€😀".encode(), b" " * 1400, b"x" * 60, b"1" * 30, b'"user":"",', b'"tile":"",']
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            at = rng.randrange(len(out) + 1)
            kind = rng.randrange(5)
            if kind == 0 and at < len(out):
                out[at] = rng.choice(alphabet)
            elif kind == 1:
                out[at:at] = bytes([rng.choice(alphabet)])
            elif kind == 2:
                del out[at:at + rng.choice([1, 1, 2, 9])]
            elif kind == 3:
                out[at:at] = rng.choice(pieces)
            elif rng.random() < 0.2:
                del out[at:]
        return bytes(out)
