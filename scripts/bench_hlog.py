"""bench_hlog.py - reads HdrHistogram interval logs, as trove-blast and trovectl latency write them."""
import base64
import math
import struct
import zlib

COOKIES = (0x1C849313, 0x1C849314)  # of the V2 encoding, and of the deflated one
HEAD = struct.Struct(">iiiiqqd")
SUB_BUCKETS = 2048  # for three digits


class Interval:
    """One line: when it began and ended, in seconds since the start of the log, and {bucket: count}."""

    def __init__(self, start_s, length_s, counts):
        self.start_s, self.length_s, self.counts = start_s, length_s, counts
        self.total = sum(counts.values())

    def percentile(self, percentile):
        return percentiles(self.counts, [percentile])[0]


def highest(index):
    """The highest value of a bucket."""
    if index < SUB_BUCKETS:
        return index
    shift = index // (SUB_BUCKETS // 2) - 1
    return ((index - shift * (SUB_BUCKETS // 2) + 1) << shift) - 1


def percentiles(counts, wanted):
    """Values at percentiles, which ascend."""
    total, seen, found = sum(counts.values()), 0, []
    for index in sorted(counts):
        seen += counts[index]
        while len(found) < len(wanted) and seen >= max(1, math.ceil(math.nextafter(wanted[len(found)], 0) / 100 * total)):
            found.append(highest(index))
    return found + [0] * (len(wanted) - len(found))


def numbers(payload):
    """ZigZag LEB128, at most nine bytes each."""
    at = 0
    while at < len(payload):
        value, shift = 0, 0
        while True:
            byte, at = payload[at], at + 1
            value |= (byte if shift == 56 else byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift == 63:
                break
        yield (value >> 1) ^ -(value & 1)


def decode(text):
    """{bucket: count} of a line's last field."""
    packed = base64.b64decode(text, validate=True)
    cookie, length = struct.unpack_from(">Ii", packed)
    if cookie != COOKIES[1] or length != len(packed) - 8:
        raise ValueError("no deflated V2 histogram")
    raw = zlib.decompress(packed[8:])
    cookie, length, offset, digits, lowest, _, ratio = HEAD.unpack_from(raw)
    if (cookie, length, offset, digits, lowest, ratio) != (COOKIES[0], len(raw) - HEAD.size, 0, 3, 1, 1.0):
        raise ValueError("a histogram of another layout")
    counts, index = {}, 0
    for number in numbers(raw[HEAD.size:]):
        if number > 0:
            counts[index] = number
        index += max(1, -number)
    return counts


def read_hlog(path):
    """(start in seconds since 1970, intervals)."""
    start_s, intervals = 0.0, []
    with open(path, encoding="ascii") as file:
        for line in file:
            if line.startswith("#[StartTime: "):
                start_s = float(line.split()[1])
            elif line[0] not in '#"':
                at, length, _, histogram = line.rstrip("\n").split(",")
                intervals.append(Interval(float(at), float(length), decode(histogram)))
    return start_s, intervals


def merged(intervals):
    """{bucket: count} of all of them."""
    counts = {}
    for interval in intervals:
        for index, count in interval.counts.items():
            counts[index] = counts.get(index, 0) + count
    return counts
