"""json_model.py - what an event's bytes must be, slowly: RFC 8259 and the rules for an event's own keys.

Written from DESIGN.md section 4 and the comments of event.h, json.h, text.h and reason.h.
"""
import re

OWN = ("id", "time", "user", "type", "item", "tile", "hunt", "data")
REQUIRED = ("id", "time", "user", "type")
LENGTHS = {"user": 64, "type": 32, "item": 64, "tile": 64, "hunt": 64}
TIME_MAX = 253402300799999
TIME_TEXT_MAX = 64
SPACE = b" \t\n\r"
ESCAPES = {0x22: b'"', 0x5C: b"\\", 0x2F: b"/", 0x62: b"\b", 0x66: b"\f", 0x6E: b"\n", 0x72: b"\r", 0x74: b"\t"}
DATE_TIME = re.compile(rb"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|([+-])(\d\d):(\d\d))\Z", re.ASCII)
LOW_SURROGATE = re.compile(rb"\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class Fault(Exception):
    """The reason for which bytes are no event, and the offset of the byte that decided."""

    def __init__(self, reason, offset):
        super().__init__(reason, offset)
        self.reason, self.offset = reason, offset


class Text:
    """Bytes and a place in them; past the end there is None, which no rule accepts."""

    def __init__(self, raw, depth_max):
        self.raw, self.at, self.depth_max = raw, 0, depth_max

    def peek(self):
        return self.raw[self.at] if self.at < len(self.raw) else None

    def fail(self, reason="syntax", at=None):
        raise Fault(reason, self.at if at is None else at)

    def take(self, allowed):
        c = self.peek()
        if c is None or c not in allowed:
            self.fail()
        self.at += 1
        return c

    def space(self):
        while self.peek() is not None and self.peek() in SPACE:
            self.at += 1

    def word(self, word):
        for c in word:
            self.take((c,))

    def digits(self):
        self.take(b"0123456789")
        while self.peek() is not None and self.peek() in b"0123456789":
            self.at += 1

    def number(self):
        start = self.at
        if self.peek() == ord("-"):
            self.at += 1
        if self.peek() == ord("0"):
            self.at += 1
        else:
            self.digits()
        if self.peek() == ord("."):
            self.at += 1
            self.digits()
        if self.peek() is not None and self.peek() in b"eE":
            self.at += 1
            if self.peek() is not None and self.peek() in b"+-":
                self.at += 1
            self.digits()
        return self.raw[start:self.at]

    def hex4(self):
        start = self.at
        for _ in range(4):
            self.take(b"0123456789abcdefABCDEF")
        return int(self.raw[start:self.at], 16)

    def escape(self):
        backslash = self.at
        self.at += 1
        if self.peek() in ESCAPES:
            self.at += 1
            return ESCAPES[self.raw[self.at - 1]]
        self.take(b"u")
        unit = self.hex4()
        if 0xDC00 <= unit <= 0xDFFF:
            self.fail("surrogate", backslash)
        if 0xD800 <= unit <= 0xDBFF:
            low = LOW_SURROGATE.match(self.raw, self.at)
            if not low:
                self.fail("surrogate", backslash)
            self.at = low.end()
            unit = 0x10000 + ((unit - 0xD800) << 10) + (int(low[1], 16) - 0xDC00)
        return chr(unit).encode()

    def utf8(self):
        for size in (2, 3, 4):
            piece = self.raw[self.at:self.at + size]
            try:
                piece.decode("utf-8")
            except UnicodeDecodeError:
                continue
            self.at += size
            return piece
        return self.fail("utf8")

    def string(self):
        """Returns the decoded bytes and whether there was an escape."""
        self.take(b'"')
        out, escaped = b"", False
        while True:
            c = self.peek()
            if c is None or c < 0x20:
                self.fail()
            elif c == ord('"'):
                self.at += 1
                return out, escaped
            elif c == ord("\\"):
                out, escaped = out + self.escape(), True
            elif c < 0x80:
                out += bytes([c])
                self.at += 1
            else:
                out += self.utf8()

    def value(self, depth):
        """Reads any value inside `depth` open brackets; returns its kind and what it holds."""
        c = self.peek()
        if c == ord('"'):
            return ("string", *self.string())
        if c == ord("{"):
            return "object", self.members(depth + 1)
        if c == ord("["):
            self.array(depth + 1)
            return ("array",)
        if c is not None and c in b"-0123456789":
            return "number", self.number()
        for word in (b"true", b"false", b"null"):
            if c == word[0]:
                self.word(word)
                return (word.decode(),)
        return self.fail()

    def open(self, depth):
        if depth > self.depth_max:
            self.fail("depth")
        self.at += 1
        self.space()

    def array(self, depth):
        self.open(depth)
        if self.peek() == ord("]"):
            self.at += 1
            return
        while True:
            self.value(depth)
            self.space()
            if self.take(b",]") == ord("]"):
                return
            self.space()

    def members(self, depth):
        """Returns (key, key's offset, value's offset, value, offset behind it) of each member, and the brace's offset."""
        self.open(depth)
        found = []
        if self.peek() == ord("}"):
            self.at += 1
            return found, self.at - 1
        while True:
            key_at = self.at
            key, _ = self.string()
            self.space()
            self.take(b":")
            self.space()
            value_at = self.at
            value = self.value(depth)
            found.append((key, key_at, value_at, value, self.at))
            self.space()
            if self.take(b",}") == ord("}"):
                return found, self.at - 1
            self.space()


def days(year, month, day):
    """Days since 1970-01-01, counting years from March."""
    year -= month <= 2
    month = (month + 9) % 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1 - 719468


def month_days(year, month):
    return days(year + month // 12, month % 12 + 1, 1) - days(year, month, 1)


def time_text(text):
    """Milliseconds since 1970 of an RFC 3339 date-time, or None when it is none."""
    match = DATE_TIME.match(text) if len(text) <= TIME_TEXT_MAX else None
    if not match:
        return None
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    if not (1 <= month <= 12 and 1 <= day <= month_days(year, month) and hour <= 23 and minute <= 59 and second <= 60):
        return None
    ahead = 0
    if match[9]:
        if int(match[10]) > 23 or int(match[11]) > 59:
            return None
        ahead = (int(match[10]) * 60 + int(match[11])) * (60 if match[9] == b"+" else -60)
    seconds = days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - ahead
    if second == 60:
        # The next second must be the first one of a month in UTC.
        firsts = {days(y, m, 1) for y in (year - 1, year, year + 1) for m in range(1, 13)}
        if seconds % 86400 or seconds // 86400 not in firsts:
            return None
    return seconds * 1000 + int((match[7] or b".0")[1:4].ljust(3, b"0"))


def check_id(at, value):
    if value[0] != "string":
        raise Fault("wrong_type", at)
    text, escaped = value[1], value[2]
    if escaped:
        raise Fault("id_invalid", at)
    for i in range(36):
        wanted = b"-" if i in (8, 13, 18, 23) else b"0123456789abcdefABCDEF"
        if i >= len(text) or text[i] not in wanted:
            raise Fault("id_invalid", at + 1 + min(i, len(text)))
    if len(text) > 36:
        raise Fault("id_invalid", at + 1 + 36)
    if not text.strip(b"0-"):
        raise Fault("id_invalid", at)
    return text.lower()


def check_time(at, value):
    if value[0] == "number":
        if not re.fullmatch(rb"-?\d+", value[1]):
            raise Fault("time_invalid", at)
        time_ms = int(value[1])
    elif value[0] == "string":
        time_ms = time_text(value[1])
        if time_ms is None:
            raise Fault("time_invalid", at)
    else:
        raise Fault("wrong_type", at)
    if not 0 <= time_ms <= TIME_MAX:
        raise Fault("time_range", at)
    return time_ms


def check_name(key, at, value):
    if value[0] != "string":
        raise Fault("wrong_type", at)
    if not 1 <= len(value[1]) <= LENGTHS[key]:
        raise Fault(key + "_length", at)
    return value[1]


def parse_event(raw, event_bytes, event_depth):
    """Returns the event's own keys as a dict, `other` telling of more, with places of data and the last brace; raises Fault."""
    if len(raw) > event_bytes:
        raise Fault("too_large", event_bytes)
    text = Text(raw, event_depth)
    text.space()
    if text.peek() is None:
        raise Fault("empty", len(raw))
    value_at = text.at
    value = text.value(0)
    text.space()
    if text.peek() is not None:
        text.fail("trailing")
    if value[0] != "object":
        raise Fault("not_object", value_at)
    members, brace_at = value[1]
    event = {"other": False, "brace_at": brace_at}
    for name, key_at, at, held, _ in members:
        key = name.decode()
        if key not in OWN:
            event["other"] = True
            continue
        if key in event:
            raise Fault("duplicate_key", key_at)
        if key == "id":
            event[key] = check_id(at, held)
        elif key == "time":
            event[key] = check_time(at, held)
        elif key == "data":
            event[key], event["data_at"] = held, at
        else:
            event[key] = check_name(key, at, held)
    for key in REQUIRED:
        if key not in event:
            raise Fault(key + "_missing", brace_at)
    return event
