"""fake_s3.py - an S3 server in memory: signatures checked, objects made once, uploads in parts, and faults to the byte."""
import hashlib
import http.server
import socket
import struct
import sys
import threading
import urllib.parse
from xml.sax.saxutils import escape

import sigv4

USER, SECRET, REGION, BUCKET = "AKIDTEST", "se/cret+key", "eu-test-1", "archive"
MIN_PART = 5 << 20


class Fault:
    """What happens to a request instead: stage says when, and what is then answered.

    "body": the connection is reset in the middle of what is sent; "before": nothing is done; "never": nor is it, but the
    answer begins as if it were; "after": it is done. Then status, headers and code make the answer, or cut leaves so many bytes of the true one, or raw is all of it."""

    def __init__(self, stage="before", status=None, code="", headers=(), cut=None, raw=None, reset=False, wait=0):
        self.stage, self.status, self.code, self.headers = stage, status, code, dict(headers)
        self.cut, self.raw, self.reset, self.wait = cut, raw, reset, wait


class Stored:
    def __init__(self, body, meta, tag):
        self.body, self.meta, self.tag = body, meta, tag


class Answer(Exception):
    def __init__(self, status, body=b"", headers=()):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers)


def error(status, code, text=""):
    return Answer(status, f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>{escape(text)}</Message></Error>'.encode())


def etag(data):
    return '"' + hashlib.md5(data).hexdigest() + '"'


class FakeS3:
    def __init__(self):
        self.objects, self.uploads = {}, {}
        self.log = []  # (method, path and query, status)
        self.refused = []  # what was wrong with signatures
        self.fault = lambda operation, key: None
        self.conditional, self.page, self.clock = True, 1000, None
        self.secrets = {USER: SECRET}
        self.lock = threading.Lock()
        self.count = 0
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def handle_one(self):
                server.handle(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                if not isinstance(sys.exc_info()[1], OSError):  # else the client has gone
                    server.broken.append(repr(sys.exc_info()[1]))

        self.broken = []
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    # ---- requests ----

    def handle(self, request):
        path, _, query = request.path.partition("?")
        key = urllib.parse.unquote(path).removeprefix(f"/{BUCKET}").removeprefix("/")
        words = dict(part.partition("=")[::2] for part in query.split("&") if part)
        words = {name: urllib.parse.unquote(value) for name, value in words.items()}
        operation = self.operation(request.command, key, words)
        fault = self.fault(operation, key)
        length = int(request.headers.get("Content-Length") or 0)
        if fault and fault.stage == "body":
            request.rfile.read(length // 2)
            return self.reset(request)
        body = request.rfile.read(length)
        try:
            if fault and fault.stage == "before":
                raise Answer(fault.status or 500)
            if fault and fault.stage == "never":
                raise Answer(200, headers={"ETag": etag(body)})
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.check(request, path, query, headers, body)
            with self.lock:
                answer = getattr(self, operation)(key, words, headers, body)
        except Answer as made:
            answer = made
        if fault and fault.status:
            answer = error(fault.status, fault.code or "Told")
            answer.headers = fault.headers
        self.log.append((request.command, request.path, answer.status))
        return self.send(request, answer, fault)

    @staticmethod
    def operation(method, key, words):
        if method == "GET":
            return "uploads_list" if "uploads" in words else "get" if key else "list"
        if method == "POST":
            return "create" if "uploads" in words else "complete"
        if method == "PUT":
            return "part" if "partNumber" in words else "put"
        return {"HEAD": "head", "DELETE": "abort"}[method]

    def check(self, request, path, query, headers, body):
        if not path.startswith(f"/{BUCKET}") or path[len(BUCKET) + 1:][:1] not in ("", "/"):
            raise error(404, "NoSuchBucket")
        try:
            sigv4.verify(request.command, path, query, headers, body, self.secrets, REGION, self.clock)
        except sigv4.Refused as why:
            self.refused.append(str(why))
            raise error(403, why.code, str(why)) from None

    @staticmethod
    def reset(request):
        request.close_connection = True
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.connection.close()

    def send(self, request, answer, fault):
        reason = http.server.BaseHTTPRequestHandler.responses.get(answer.status, ("",))[0]
        headers = {"Date": request.date_time_string(self.clock and self.clock.timestamp()), "Content-Length": str(len(answer.body)), **answer.headers}
        text = f"HTTP/1.1 {answer.status} {reason}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items()) + "\r\n"
        data = text.encode() + (b"" if request.command == "HEAD" else answer.body)
        if fault and fault.wait:
            threading.Event().wait(fault.wait)
        if fault and fault.raw is not None:
            data = fault.raw
        if fault and fault.cut is not None:
            data = data[:min(fault.cut, len(data) - 1)]
        try:
            request.wfile.write(data)
            request.wfile.flush()
        except OSError:
            request.close_connection = True
            return
        if fault and fault.reset:
            self.reset(request)
        elif fault and (fault.cut is not None or fault.raw is not None):
            request.close_connection = True

    # ---- what they do ----

    def refuse_second(self, key, headers):
        if self.conditional and headers.get("if-none-match") == "*" and key in self.objects:
            raise error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")

    @staticmethod
    def meta_of(headers):
        return {name: value for name, value in headers.items() if name.startswith("x-amz-meta-")}

    def put(self, key, _, headers, body):
        self.refuse_second(key, headers)
        assert headers.get("if-none-match") == "*", "an object that could overwrite another"
        self.objects[key] = Stored(body, self.meta_of(headers), etag(body))
        return Answer(200, headers={"ETag": etag(body)})

    def head(self, key, *_):
        if key not in self.objects:
            raise Answer(404)
        stored = self.objects[key]
        return Answer(200, headers={"ETag": stored.tag, **stored.meta})

    def get(self, key, _, headers, __):
        if key not in self.objects:
            raise error(404, "NoSuchKey")
        body = self.objects[key].body
        first, last = (int(word) for word in headers["range"].removeprefix("bytes=").split("-"))
        if first >= len(body):
            raise error(416, "InvalidRange")
        return Answer(206, body[first:last + 1])

    def list(self, _, words, *__):
        names = sorted(name for name in self.objects if name.startswith(words.get("prefix", "")))
        begin = int(words.get("continuation-token", "+0/=")[1:-2])
        page, more = names[begin:begin + self.page], begin + self.page < len(names)
        rows = "".join(f"<Contents><Key>{escape(name)}</Key><Size>{len(self.objects[name].body)}</Size></Contents>" for name in page)
        token = f"<NextContinuationToken>+{begin + self.page}/=</NextContinuationToken>" if more else ""
        return Answer(200, (f'<?xml version="1.0"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>{str(more).lower()}'
                            f"</IsTruncated>{token}{rows}</ListBucketResult>").encode())

    def create(self, key, _, headers, __):
        self.count += 1
        name = f"up/load+{self.count}=="
        self.uploads[name] = (key, self.meta_of(headers), {})
        return Answer(200, f"<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key><UploadId>{name}</UploadId></InitiateMultipartUploadResult>".encode())

    def upload_of(self, key, words):
        found = self.uploads.get(words.get("uploadId"))
        if not found or found[0] != key:
            raise error(404, "NoSuchUpload")
        return found

    def part(self, key, words, _, body):
        parts = self.upload_of(key, words)[2]
        parts[int(words["partNumber"])] = body
        return Answer(200, headers={"ETag": etag(body)})

    def complete(self, key, words, headers, body):
        _, meta, parts = self.upload_of(key, words)
        self.refuse_second(key, headers)
        assert headers.get("if-none-match") == "*", "an object that could overwrite another"
        asked = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag(parts[n])}</ETag></Part>" for n in sorted(parts))
        if body.decode() != f"<CompleteMultipartUpload>{asked}</CompleteMultipartUpload>":
            raise error(400, "InvalidPart", body.decode())
        if any(len(parts[n]) < MIN_PART for n in sorted(parts)[:-1]):
            raise error(400, "EntityTooSmall")
        whole = b"".join(parts[n] for n in sorted(parts))
        self.objects[key] = Stored(whole, meta, etag(whole)[:-1] + f'-{len(parts)}"')
        del self.uploads[words["uploadId"]]
        return Answer(200, f"<CompleteMultipartUploadResult><Key>{escape(key)}</Key><ETag>{escape(self.objects[key].tag, {chr(34): '&quot;'})}</ETag></CompleteMultipartUploadResult>".encode())

    def abort(self, key, words, *_):
        self.upload_of(key, words)
        del self.uploads[words["uploadId"]]
        return Answer(204)

    def uploads_list(self, _, words, *__):
        rows = "".join(f"<Upload><Key>{escape(key)}</Key><UploadId>{name}</UploadId></Upload>"
                       for name, (key, *_) in self.uploads.items() if key.startswith(words.get("prefix", "")))
        return Answer(200, f"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{rows}</ListMultipartUploadsResult>".encode())
