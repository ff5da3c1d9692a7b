"""fake_kafka_login.py - the fake broker behind TLS and SASL: PLAIN (RFC 4616) and SCRAM (RFC 5802, 7677) from the server's side."""
import base64
import hashlib
import hmac
import os
import ssl
import struct

from fake_kafka import FakeKafka, Reader, string

HANDSHAKE, AUTHENTICATE, VERSIONS = 17, 36, 18
UNKNOWN_MECHANISM, FAILED = 33, 58


class Plain:
    def __init__(self, user, password):
        self.wanted = b"\0" + user.encode() + b"\0" + password.encode()

    def step(self, message):
        """(what is answered, whether it is over); ValueError: not let in."""
        if message != self.wanted:
            raise ValueError("wrong user or password")
        return b"", True


class Scram:
    def __init__(self, user, password, digest):
        self.user, self.password, self.digest, self.first = user, password, digest, None

    def mac(self, key, text):
        return hmac.new(key, text, self.digest).digest()

    def step(self, message):
        if self.first is None:
            return self.begin(message), False
        return self.end(message), True

    def begin(self, message):
        bare = message.removeprefix(b"n,,")
        fields = dict(part.split(b"=", 1) for part in bare.split(b","))
        if fields[b"n"] != self.user.encode():
            raise ValueError("wrong user")
        self.salt, self.nonce = os.urandom(12), fields[b"r"] + b"server"
        self.first = b"r=%s,s=%s,i=4096" % (self.nonce, base64.b64encode(self.salt))
        self.bare = bare
        return self.first

    def end(self, message):
        without, proof = message.split(b",p=")
        said = b",".join((self.bare, self.first, without))
        salted = hashlib.pbkdf2_hmac(self.digest, self.password.encode(), self.salt, 4096)
        client = self.mac(salted, b"Client Key")
        stored = hashlib.new(self.digest, client).digest()
        wanted = bytes(a ^ b for a, b in zip(client, self.mac(stored, said)))
        # As brokers did until 2024: librdkafka before 2.6.1 says its own nonce once more in front.
        if not without.startswith(b"c=biws,r=") or not without.endswith(self.nonce) or base64.b64decode(proof) != wanted:
            raise ValueError("wrong password")
        return b"v=" + base64.b64encode(self.mac(self.mac(salted, b"Server Key"), said))


def plain_or_scram(mechanism, user, password):
    if mechanism == "PLAIN":
        return Plain(user, password)
    return Scram(user, password, {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}[mechanism])


class SecureKafka(FakeKafka):
    """context: of TLS, or None; mechanism, user and password: of SASL, or None. Who is not let in is answered so, and closed."""

    def __init__(self, context=None, mechanism=None, user="trove", password="", **more):
        self.context, self.mechanism, self.user, self.password = context, mechanism, user, password
        self.talks, self.let_in, self.turned_away, self.clients = {}, set(), 0, set()
        super().__init__(**more)

    def serve(self, connection):
        if self.context:
            try:
                connection.settimeout(5)
                connection = self.context.wrap_socket(connection, server_side=True)
                connection.settimeout(None)
                self.clients.add(str(dict(part[0] for part in (connection.getpeercert() or {}).get("subject", ())).get("commonName")))
            except (ssl.SSLError, OSError):
                connection.close()
                return
        super().serve(connection)
        self.let_in.discard(connection)

    def do_versions(self, request, version, error):
        found = super().do_versions(request, version, error)
        if not self.mechanism:
            return found
        count, = struct.unpack_from(">i", found, 2)
        return found[:2] + struct.pack(">i", count + 2) + found[6:] + struct.pack(">hhhhhh", HANDSHAKE, 0, 1, AUTHENTICATE, 0, 0)

    def answer(self, connection, request):
        api, = struct.unpack_from(">h", request.data)
        if api in (HANDSHAKE, AUTHENTICATE):
            return self.log_in(connection, request, api)
        if self.mechanism and api != VERSIONS and connection not in self.let_in:
            return False
        return super().answer(connection, request)

    def log_in(self, connection, request, api):
        request.take("h"), request.take("h")
        correlation = request.take("i")
        request.string()
        body = self.shake(connection, request) if api == HANDSHAKE else self.authenticate(connection, request)
        connection.sendall(struct.pack(">ii", len(body) + 4, correlation) + body)
        return struct.unpack_from(">h", body)[0] == 0

    def shake(self, connection, request: Reader):
        good = request.string() == self.mechanism
        self.talks[connection] = plain_or_scram(self.mechanism, self.user, self.password)
        return struct.pack(">hi", 0 if good else UNKNOWN_MECHANISM, 1) + string(self.mechanism)

    def authenticate(self, connection, request):
        try:
            answer, over = self.talks[connection].step(request.bytes(request.take("i")))
        except ValueError as why:
            self.turned_away += 1
            return struct.pack(">h", FAILED) + string(str(why)) + struct.pack(">i", 0)
        if over:
            self.let_in.add(connection)
        return struct.pack(">h", 0) + string(None) + struct.pack(">i", len(answer)) + answer
