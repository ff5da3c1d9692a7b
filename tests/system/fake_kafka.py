"""fake_kafka.py - one Kafka broker with transactions as KIP-98 has them, that does what it is told to do wrong, to the byte.

librdkafka's own mock neither aborts nor keeps a transaction's offsets; this does, for one topic, in the oldest versions of the protocol
that carry transactions. What a consumer of committed messages would see is in `messages`."""
import socket
import struct
import threading

NAMES = {0: "produce", 2: "list", 3: "metadata", 9: "position", 10: "coordinator", 18: "versions", 22: "init", 24: "partitions", 25: "offsets",
         26: "end", 28: "commit"}
VERSIONS = {0: (3, 3), 1: (4, 4), 2: (1, 1), 3: (0, 4), 8: (1, 2), 9: (1, 1), 10: (0, 1), 11: (0, 0), 12: (0, 0), 13: (0, 0), 14: (0, 0),
            18: (0, 0), 22: (0, 0), 24: (0, 0), 25: (0, 0), 26: (0, 0), 28: (0, 0)}
UNSUPPORTED, UNKNOWN_TOPIC, OUT_OF_ORDER, OLD_EPOCH, TXN_STATE = 35, 3, 45, 47, 48


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        value = struct.unpack_from(">" + form, self.data, self.at)[0]
        self.at += struct.calcsize(">" + form)
        return value

    def bytes(self, length):
        self.at += max(length, 0)
        return None if length < 0 else self.data[self.at - length:self.at]

    def string(self):
        found = self.bytes(self.take("h"))
        return None if found is None else found.decode()

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take("B")
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value >> 1 ^ -(value & 1)

    def blob(self):
        return self.bytes(self.varint())

    def topics(self, each):
        return [(self.string(), [each() for _ in range(self.take("i"))]) for _ in range(self.take("i"))]


def string(text):
    return struct.pack(">h", -1) if text is None else struct.pack(">h", len(text.encode())) + text.encode()


def topics(found):
    """[(name, [bytes of a partition])]"""
    return struct.pack(">i", len(found)) + b"".join(string(name) + struct.pack(">i", len(parts)) + b"".join(parts) for name, parts in found)


def records(data):
    """The messages of a batch (format 2), with what its header says of who sent it."""
    r = Reader(data)
    r.at = 8 + 4 + 4 + 1 + 4 + 2 + 4
    stamp, _, pid, epoch, sequence, count = r.take("q"), r.take("q"), r.take("q"), r.take("h"), r.take("i"), r.take("i")
    found = []
    for _ in range(count):
        r.varint()
        r.take("b")
        time, _, key, value = stamp + r.varint(), r.varint(), r.blob(), r.blob()
        headers = {r.blob().decode(): r.blob().decode() for _ in range(r.varint())}
        found.append({"time": time, "key": key.decode(), "value": value.decode(), "headers": headers})
    return pid, epoch, sequence, found


class FakeKafka:
    """`fault(kind, n)` may say what to do with the n-th request of a kind: None, an error's number, "before" (the connection ends, nothing is
    done), "after" (it is done, and not answered), "hang" (it is done, no answer, no end), or an int in a tuple: (bytes of the answer,)."""

    def __init__(self, port=9092, topic="trove", partitions=3):
        self.topic, self.partitions, self.port = topic, partitions, port
        self.forget()
        self.fault = lambda kind, n: None
        self.counts = {}
        self.lock = threading.Lock()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.socket.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def forget(self):
        """As if the topic had been deleted, and made again."""
        self.messages, self.high = [], {p: 0 for p in range(self.partitions)}
        self.positions, self.producers, self.aborted = {}, {}, 0

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)  # or accept() would keep the port
        self.socket.close()

    def accept(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        stream = connection.makefile("rb")
        try:
            while True:
                size = stream.read(4)
                if len(size) < 4:
                    return
                if not self.answer(connection, Reader(stream.read(struct.unpack(">i", size)[0]))):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
        except (OSError, struct.error):
            return
        finally:
            stream.close()
            connection.close()

    def answer(self, connection, request):
        api, version, correlation = request.take("h"), request.take("h"), request.take("i")
        if api not in NAMES:  # not Kafka's: a greeting of TLS, say
            return False
        request.string()
        kind = NAMES[api]
        with self.lock:
            n = self.counts[kind] = self.counts.get(kind, -1) + 1
            fault = self.fault(kind, n)
            if fault == "before":
                return False
            error = fault if isinstance(fault, int) else 0
            body = getattr(self, "do_" + kind)(request, version, error)
        reply = struct.pack(">ii", len(body) + 4, correlation) + body
        if fault == "hang":
            return True
        if isinstance(fault, bytes):
            reply = fault
        if isinstance(fault, tuple):
            reply = reply[:fault[0]]
        if fault != "after":
            connection.sendall(reply)
        return fault != "after" and not isinstance(fault, tuple)

    # ---- requests: each takes what it is asked, and an error that it is to answer instead ----

    def do_versions(self, _request, version, error):
        return struct.pack(">hi", UNSUPPORTED if version else error, len(VERSIONS)) + b"".join(
            struct.pack(">hhh", key, *range_) for key, range_ in VERSIONS.items())

    def do_metadata(self, request, version, error):
        count = request.take("i")
        names = [request.string() for _ in range(count)] if count > 0 else [self.topic]
        out = struct.pack(">i", 0) if version >= 3 else b""
        out += struct.pack(">ii", 1, 1) + string("127.0.0.1") + struct.pack(">i", self.port)
        out += string(None) if version >= 1 else b""
        out += string("fake") if version >= 2 else b""
        out += struct.pack(">i", 1) if version >= 1 else b""
        out += struct.pack(">i", len(names))
        for name in names:
            there = name == self.topic and not error
            out += struct.pack(">h", 0 if there else error or UNKNOWN_TOPIC) + string(name) + (b"\0" if version >= 1 else b"")
            out += struct.pack(">i", self.partitions if there else 0)
            for p in range(self.partitions if there else 0):
                out += struct.pack(">hiiiiii", 0, p, 1, 1, 1, 1, 1)
        return out

    def do_coordinator(self, _request, version, error):
        return (struct.pack(">ih", 0, error) + string(None) if version else struct.pack(">h", error)) + struct.pack(">i", 1) + string(
            "127.0.0.1") + struct.pack(">i", self.port)

    def do_list(self, request, _version, error):
        request.take("i")
        asked = request.topics(lambda: (request.take("i"), request.take("q")))
        return topics([(name, [struct.pack(">ihqq", p, error, -1, 0 if time == -2 else self.high[p]) for p, time in parts])
                       for name, parts in asked])

    def do_position(self, request, _version, error):
        group = request.string()
        asked = request.topics(lambda: request.take("i"))
        none = (-1, "")
        return topics([(name, [struct.pack(">iq", p, self.positions.get((group, p), none)[0]) + string(self.positions.get((group, p), none)[1]) +
                               struct.pack(">h", error) for p in parts]) for name, parts in asked])

    def do_init(self, request, _version, error):
        name = request.string()
        old = self.producers.get(name)
        if error:
            return struct.pack(">ihqh", 0, error, -1, -1)
        if old and (old["messages"] or old["positions"] or old["open"]):
            self.finish(old, False)
        epoch = old["epoch"] + 1 if old else 0
        self.producers[name] = {"pid": 1000 + len(name), "epoch": epoch, "open": False, "messages": [], "positions": {}, "sequence": {}}
        return struct.pack(">ihqh", 0, 0, self.producers[name]["pid"], epoch)

    def find(self, name, pid, epoch):
        producer = self.producers.get(name)
        if not producer or producer["pid"] != pid or producer["epoch"] != epoch:
            return None, OLD_EPOCH
        return producer, 0

    def do_partitions(self, request, _version, error):
        producer, wrong = self.find(request.string(), request.take("q"), request.take("h"))
        error = error or wrong
        if not error:
            producer["open"] = True
        return struct.pack(">i", 0) + topics([(name, [struct.pack(">ih", p, error) for p in parts])
                                              for name, parts in request.topics(lambda: request.take("i"))])

    def do_offsets(self, request, _version, error):
        producer, wrong = self.find(request.string(), request.take("q"), request.take("h"))
        if not (error or wrong):
            producer["open"] = True
        return struct.pack(">ih", 0, error or wrong)

    def do_commit(self, request, _version, error):
        name, group = request.string(), request.string()
        producer, wrong = self.find(name, request.take("q"), request.take("h"))
        error = error or wrong
        asked = request.topics(lambda: (request.take("i"), request.take("q"), request.string()))
        for _, parts in asked:
            for p, offset, text in parts:
                if not error:
                    producer["positions"][group, p] = (offset, text)
        return struct.pack(">i", 0) + topics([(name, [struct.pack(">ih", p, error) for p, _, _ in parts]) for name, parts in asked])

    def do_produce(self, request, _version, error):
        name = request.string()
        request.take("h"), request.take("i")
        out = []
        for topic, parts in request.topics(lambda: (request.take("i"), request.bytes(request.take("i")))):
            out.append((topic, [struct.pack(">ihqq", p, error or self.append(name, p, data), self.high[p], -1) for p, data in parts]))
        return topics(out) + struct.pack(">i", 0)

    def append(self, name, partition, data):
        pid, epoch, sequence, found = records(data)
        producer, wrong = self.find(name, pid, epoch)
        if wrong or not producer["open"]:
            return wrong or TXN_STATE
        expected = producer["sequence"].get(partition, 0)
        if sequence < expected:
            return 0  # a repeat
        if sequence > expected:
            return OUT_OF_ORDER
        producer["sequence"][partition] = sequence + len(found)
        producer["messages"] += [{**message, "partition": partition} for message in found]
        self.high[partition] += len(found)
        return 0

    def do_end(self, request, _version, error):
        producer, wrong = self.find(request.string(), request.take("q"), request.take("h"))
        good = request.take("b")
        if not (error or wrong):
            self.finish(producer, good)
        return struct.pack(">ih", 0, error or wrong)

    def finish(self, producer, good):
        if good:
            self.messages += producer["messages"]
            self.positions.update(producer["positions"])
        else:
            self.aborted += len(producer["messages"])
        for partition in {m["partition"] for m in producer["messages"]}:
            self.high[partition] += 1  # the marker
        producer["messages"], producer["positions"], producer["open"] = [], {}, False
