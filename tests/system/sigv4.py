"""sigv4.py - AWS Signature Version 4 as its specification has it, for a server that checks what clients have signed."""
import datetime
import hashlib
import hmac
import re
import urllib.parse

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = datetime.timedelta(minutes=15)


class Refused(Exception):
    """Why a request is not taken: S3's error code, and what it means."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def uri_encode(text, slash=False):
    return urllib.parse.quote(text, safe="-._~/" if slash else "-._~")


def canonical_query(query):
    pairs = [part.partition("=") for part in query.split("&") if part]
    decoded = [(urllib.parse.unquote(name), urllib.parse.unquote(value)) for name, _, value in pairs]
    return "&".join(f"{uri_encode(name)}={uri_encode(value)}" for name, value in sorted(decoded))


def canonical_request(method, path, query, headers, signed, payload_hash):
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in signed)
    path = uri_encode(urllib.parse.unquote(path), slash=True)
    return "\n".join([method, path, canonical_query(query), lines, ";".join(signed), payload_hash])


def sign(secret, when, region, service, canonical):
    key = ("AWS4" + secret).encode()
    for part in (when[:8], region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join([ALGORITHM, when, f"{when[:8]}/{region}/{service}/aws4_request", digest])
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def check_signed(headers, signed):
    """Host, the type of a body and all x-amz- headers have to be signed."""
    must = {name for name in headers if name in ("host", "content-type") or name.startswith("x-amz-")}
    if signed != sorted(signed) or not must <= set(signed) or not set(signed) <= set(headers):
        raise Refused("AccessDenied", f"signed are {signed}, and have to be {sorted(must)}")


def verify(method, path, query, headers, body, secrets, region, now=None):
    """Raises Refused unless the request is signed as it has to be; headers by lower-case name."""
    match = re.fullmatch(ALGORITHM + r" Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})",
                         headers.get("authorization", ""))
    if not match:
        raise Refused("AccessDenied", f"no signature: {headers.get('authorization')}")
    user, day, for_region, names, signature = match.groups()
    if user not in secrets:
        raise Refused("InvalidAccessKeyId", f"nobody is {user}")
    when = headers.get("x-amz-date", "")
    sent = datetime.datetime.strptime(when, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    if abs(sent - (now or datetime.datetime.now(datetime.timezone.utc))) > SKEW:
        raise Refused("RequestTimeTooSkewed", "the clocks are too far apart")
    if day != when[:8] or for_region != region:
        raise Refused("AuthorizationHeaderMalformed", f"signed for {day} in {for_region}")
    payload_hash = hashlib.sha256(body).hexdigest()
    if headers.get("x-amz-content-sha256") != payload_hash:
        raise Refused("XAmzContentSHA256Mismatch", "the body is not what was signed")
    signed = names.split(";")
    check_signed(headers, signed)
    canonical = canonical_request(method, path, query, headers, signed, payload_hash)
    if not hmac.compare_digest(sign(secrets[user], when, region, "s3", canonical), signature):
        raise Refused("SignatureDoesNotMatch", f"not the signature of:\n{canonical}")
