"""streams.py - events to hold the program against the model: from a seed, at the edges of the rules, or broken."""
import json
import random
import re
import uuid

from configs import MS, S, T0, item
from corrections_model import Correction
from tiles_model import Names
from trove_model import duration

# Values of members of data at the edges of what configs.TYPES declares, as they are written.
NUMBERS = ["0", "-0", "-0.0", "0e99", "1e6", "1000000.0000000000000000000000001", "999999.99999999999999999", "1E+6", "0.1e+7", "-1e-400", "1e400",
           "1e-99999999999999999999", "1e99999999999999999999", "0e99999999999999999999", "0.1", "0.10", "1e-1", "0.1000000000000000000001", "2.5",
           "250e-2", "1", "3", "3.0", "30e-1", "3.5", "40", "40.000", "41", "-3", "-3.0000000000000000000001", "-4"]
STRINGS = ['"red"', '"r\\u0065d"', '"Red"', '"blüe"', '"bl\\u00fce"', '"no. 1"', '"A1-x"', '"AB-"', '"B-"', '"A?-é"', '"G1-x"', '"F😀-9a"',
           '"A\\ud83d\\ude00--"', '"A--9"', '"A\\n-\\n"', '""', '"a"', '"ab"', '"123456789"', '"1234567890"', '"éééé"', '"éééée"', '"ééééé"',
           '"\\u00e9"', '"1"', '"0.1"']
OTHERS = ["true", "false", "null", "{}", "[]", '{"price":1,"price":"x"}', "[[],{}]"]
GOOD = {"price": NUMBERS[:8], "count": ["3", "40.000", "-3", "0"], "rate": ["0.10", "250e-2"], "colour": STRINGS[:2] + STRINGS[3:6], "code": STRINGS[6:8],
        "name": STRINGS[17:19], "ok": OTHERS[:2], "more": OTHERS[3:4], "list": OTHERS[4:5], "undeclared": OTHERS, "pri\\u0063e": ["1"]}

class Maker:
    """Makes events; each gets an id of its own."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.names, self.named = {}, []  # of tiles: by seed and period; given out

    def event(self, **keys):
        full = {"id": str(uuid.UUID(int=self.rng.getrandbits(128) | 1)), "time": T0 // MS, "user": "u1", "type": "view", "item": "i1"}
        full.update(keys)
        return {key: value for key, value in full.items() if value is not None}

    def raw(self, **keys):
        return json.dumps(self.event(**keys), separators=(",", ":")).encode()

    def data(self):
        """The text of a data: often good but for one member, sometimes with one twice, sometimes no object."""
        rng = self.rng
        if rng.random() < 0.04:
            return rng.choice(NUMBERS + STRINGS + OTHERS)
        names = rng.sample(sorted(GOOD), rng.randrange(5))
        names += ["price"] if rng.random() < 0.9 else []
        names += [rng.choice(names)] if names and rng.random() < 0.1 else []
        wrong = rng.randrange(len(names)) if names and rng.random() < 0.6 else None
        space = rng.choice(["", "", " ", "\t\r\n "])
        held = [f'"{name}"{space}:{space}' + rng.choice(GOOD[name] if at != wrong else NUMBERS + STRINGS + OTHERS) for at, name in enumerate(names)]
        return "{" + space + f"{space},{space}".join(held) + "}"

    def tile(self, hunts, now):
        """A tile's name: live or not, known before or not, right or nearly."""
        rng, hunt = self.rng, self.rng.choice(hunts)
        seed, period = hunt.get("seed", hunt["name"]), duration(hunt.get("period", "1s"))
        if self.named and rng.random() < 0.4:
            return rng.choice(self.named[-40:])
        if (seed, period) not in self.names:
            self.names[seed, period] = Names(seed, period)
        back = rng.choice([0, 0, 0, 0, 0, 1, 1, 2, 5, -1, 3599 * S // period, 3600 * S // period, now // period])
        name = self.names[seed, period].name(max(0, now // period - back), rng.choice([0, rng.randrange(hunt["tiles"]), hunt["tiles"]]))
        if rng.random() < 0.12:
            at = rng.randrange(len(name))
            name = rng.choice([name[:at], name + "a", name.upper(), name[:at] + rng.choice("a2z189A-é") + name[at + 1:], "t"])
        self.named.append(name)
        return name

    def clocked(self, now):
        """A client time at some edge of what is done with it."""
        ahead_ms = self.rng.choice([0, 0, 0, 0, 0, 0, 4999, 5000, 5001, 59999, 60000, 60001, -29999, -30000, -30001, -90000, 90000])
        return now // MS + ahead_ms

    def hostile(self, users, items, hunt_count, now, tiles=()):
        """One event at some edge of some rule, received at now; tiles are the hunts that give them away."""
        rng = self.rng
        keys = {"user": f"u{rng.randrange(users)}", "item": item(rng.randrange(items + 2)), "time": self.clocked(now)}
        dice, data = rng.random(), None
        if dice < 0.10:
            keys["hunt"] = f"h{rng.randrange(hunt_count + 1)}"
        elif dice < 0.14:
            keys["type"] = rng.choice(["note", "claim", "bare", "tight", "nothing", "View", "buy@2", "buy@3"])
        elif dice < 0.17:
            keys.update(type=rng.choice(["note", "claim", "bare", "tight"]), item=None, tile=rng.choice([None, "t1"]))
        elif dice < 0.19:
            keys.update(type=rng.choice(["tight", "view"]), extra={"deep": [1, {"a": None}]}, data={"id": 1, "id2": [[]]})
        elif dice < 0.21:
            keys["time"] = rng.choice(["2026-11-20T12:00:07Z", "2026-11-20T13:00:07.25+01:00", "2026-11-20t12:00:07.999999z", "1969-12-31T23:59:59Z"])
        elif dice < 0.36:
            keys["type"], data = rng.choice(["buy", "buy", "buy", "buy@2"]), self.data() if rng.random() < 0.97 else None
        elif dice < 0.66 and tiles:
            keys.update(type="claim" if rng.random() < 0.95 else "note", item=None, tile=self.tile(tiles, now))
        keys["data"] = "@" if data else keys.get("data")
        text = json.dumps(self.event(**keys), separators=(",", ":"), ensure_ascii=rng.random() < 0.5)
        return (text.replace('"data":"@"', '"data":' + data) if data else text).encode()

    def stream(self, count, users, items, hunt_count, broken=0.03, repeat=0.15, versions=()):
        """Events in order of receipt: some repeated, some broken, some received before the one in front of them; where there
        are versions of the configuration, their numbers where they are taken up."""
        rng, now, sent, out, tiles = self.rng, T0, [], [], tiles_of(versions[:1])
        for _ in range(count):
            now += rng.choice([0, 1, 999_999, rng.randrange(S), rng.randrange(4 * S), 500 * MS, 3 * S])
            if rng.random() < 0.004:
                now += rng.choice([31, 60, 61, 63, 64, 65, 66, 67, 420, 3600, 7200, 100_000]) * S + rng.choice([-1, 0, 1])
            if versions and rng.random() < 0.02:
                out.append(rng.randrange(len(versions)))
                tiles = tiles_of([versions[out[-1]]])
            raw = self.hostile(users, items, hunt_count, now, tiles)
            dice = rng.random()
            if dice < broken:
                raw = self.broken(raw)
            elif dice < broken + repeat and sent:
                raw = sent[-rng.randrange(1, min(len(sent), 60) + 1)]
            sent.append(raw)
            out.append((now - (rng.randrange(5 * S) if rng.random() < 0.02 else 0), raw))
        return out

    def correction(self, kind, user, hunt, **more):
        return {"id": str(uuid.UUID(int=self.rng.getrandbits(128) | 1)), "correction": kind, "user": user, "hunt": hunt, **more,
                "reason": self.rng.choice(["a test", 'a "later"\\n look', "zu spät"]), "ref": "T-1", "by": "uid 0"}

    def decided(self, users, hunts, tiles, made, now):
        """What an operator says next; made is what was said before."""
        rng = self.rng
        dice, old = rng.random(), dict(rng.choice(made[-12:])) if made else None
        if dice < 0.35 and old:
            said = self.correction("undo", old["user"], old["hunt"], undo=old["id"], **({"tile": old["tile"]} if "tile" in old else {}))
            if rng.random() < 0.05:
                said["undo"] = said["id"]
            return said
        if dice < 0.42 and old:
            return {**old, "by": "uid 1000"}
        if dice < 0.46 and old:
            return {**old, rng.choice(["reason", "ref", "user"]): "u0 too"}
        hunt = rng.choice(hunts)
        said = self.correction(rng.choice(["grant", "revoke"]), f"u{rng.randrange(users)}", hunt["name"] if rng.random() < 0.98 else "h99")
        if (hunt["kind"] == "tiles") != (rng.random() < 0.03):
            named = tiles and rng.random() < 0.6
            of = [hunt] if hunt["kind"] == "tiles" else []
            said["tile"] = rng.choice(tiles[-12:]) if named or not of else self.tile(of, now) or "t"
        return said

    def corrected(self, stream, users, version):
        """A stream with corrections among its events."""
        hunts, out, made, tiles = joined([version]), [], [], ["t1"]
        for now, raw in stream:
            out.append((now, raw))
            named = re.search(rb'"tile":"([a-z2-7]{20})"', raw)
            tiles += [named[1].decode()] if named else []
            while self.rng.random() < 0.3:
                said = self.decided(users, hunts, tiles, made, now)
                out.append(Correction(now, said))
                made.append(said)
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


def joined(versions):
    """The hunts in versions of a configuration, templates joined in."""
    return [{**version.get("templates", {}).get(hunt.get("template"), {}), **hunt} for version in versions for hunt in version["hunts"]]


def tiles_of(versions):
    """Those of tiles."""
    return [hunt for hunt in joined(versions) if hunt["kind"] == "tiles"]
