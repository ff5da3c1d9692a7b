/* test_http.c - requests in, answers out: every rule of HTTP/1.1 as bytes and a status, whichever
 * way the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/dataplane/http_kit.h"
#include "tests/unit/dataplane/http_requests.h"

#define E1     EVENT
#define E1_LEN EVENT_LEN
#define EDUP   EVENT_DUP
#define H      HOST
#define ND     NDJSON
#define OK     POST_ONE

struct line {
    const char *name;
    const char *bytes;
    const char *expect;
    uint32_t len; /* where there is a NUL in it */
};

#define WITH_NUL(text, expect) text, expect, sizeof text - 1

static const struct line lines[] = {
    {"one event", OK, "202"},
    {"pipelined", OK OK GET OK, "202 202 200 202"},
    {"health", GET, "200"},
    {"health, query", "GET /healthz?x=%20/? HTTP/1.1\r\n" H "\r\n", "200"},
    {"health, head", "HEAD /healthz HTTP/1.1\r\n" H "\r\n", "200"},
    {"health, body", "GET /healthz HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc" GET, "200 200"},
    {"http/1.0", "GET /healthz HTTP/1.0\r\n\r\n" GET, "200 close"},
    {"http/1.0 stays", "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET, "200 200"},
    {"http/1.0 close", "GET /healthz HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n" GET,
     "200 close"},
    {"http/1.2", "GET /healthz HTTP/1.2\r\n" H "\r\n", "200"},
    {"close", "GET /healthz HTTP/1.1\r\n" H "connection: foo,  Close\r\n\r\n" GET, "200 close"},
    {"empty line in front", "\r\n" GET, "200"},
    {"two empty lines in front", "\r\n\r\n" GET, "400 close"},
    {"empty line between", GET "\r\n" GET, "200 200"},
    {"absolute", "GET http://a.example:80/healthz HTTP/1.1\r\n" H "\r\n", "200"},
    {"absolute https", "GET HTTPS://[::1]/healthz HTTP/1.1\r\n" H "\r\n", "200"},
    {"absolute without a path", "GET http://a HTTP/1.1\r\n" H "\r\n", "404"},
    {"absolute with a query", "GET http://a?b HTTP/1.1\r\n" H "\r\n", "404"},
    {"absolute without a host", "GET http:///healthz HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"absolute with a user", "GET http://u@a/healthz HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"another scheme", "GET ftp://a/healthz HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"options *", "OPTIONS * HTTP/1.1\r\n" H "\r\n", "204"},
    {"options, absolute", "OPTIONS http://a HTTP/1.1\r\n" H "\r\n", "204"},
    {"options", "OPTIONS /v1/events HTTP/1.1\r\n" H "\r\n", "204"},
    {"options of health", "OPTIONS /healthz HTTP/1.1\r\n" H "\r\n", "204"},
    {"options with an origin", "OPTIONS /healthz HTTP/1.1\r\n" H "Origin: https://a\r\n\r\n",
     "204"},
    {"get *", "GET * HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"connect", "CONNECT a:1 HTTP/1.1\r\n" H "\r\n" GET, "405 close"},
    {"connect to a path", "CONNECT /healthz HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"not found", "GET /v1/event HTTP/1.1\r\n" H "\r\n" GET, "404 200"},
    {"not found: a slash", "POST /v1/events/ HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc" GET,
     "404 200"},
    {"not found: escaped", "GET /%68ealthz HTTP/1.1\r\n" H "\r\n", "404"},
    {"method", "PUT /v1/events HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc" GET, "405 200"},
    {"method of health", "POST /healthz HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc" GET,
     "405 200"},
    {"head of events", "HEAD /v1/events HTTP/1.1\r\n" H "\r\n" GET, "405 200"},
    {"trace", "TRACE /healthz HTTP/1.1\r\n" H "\r\n", "405"},
    {"unknown method", "BREW /healthz HTTP/1.1\r\n" H "\r\n" GET, "501 200"},
    {"method in small letters", "get /healthz HTTP/1.1\r\n" H "\r\n", "501"},
    {"version 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 close"},
    {"version 0.9", "GET /healthz HTTP/0.9\r\n\r\n", "505 close"},
    {"no version", "GET /healthz\r\n\r\n", "400 close"},
    {"version in small letters", "GET /healthz http/1.1\r\n" H "\r\n", "400 close"},
    {"version with a letter", "GET /healthz HTTP/1.x\r\n" H "\r\n", "400 close"},
    {"version cut", "GET /healthz HTTP/1\r\n" H "\r\n", "400 close"},
    {"version with two digits", "GET /healthz HTTP/1.10\r\n" H "\r\n", "400 close"},
    {"space in front", " GET /healthz HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"two spaces", "GET  /healthz HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"two spaces behind", "GET /healthz  HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"a space at the end", "GET /healthz HTTP/1.1 \r\n" H "\r\n", "400 close"},
    {"a tab", "GET\t/healthz HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"a space in the target", "GET /health z HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"a fragment", "GET /healthz#a HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"a broken escape", "GET /healthz?%2 HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"a broken escape", "GET /healthz?%2g HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"not ascii", "GET /healthz?\xc3\xa4 HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"no method", "/healthz HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"an odd method", "G(T /healthz HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"empty target", "GET  HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"one word", "GET\r\n\r\n", "400 close"},
    {"tls", WITH_NUL("\x16\x03\x01\x02\x00\x01\x00", "400 close")},
    {"nul in the line", WITH_NUL("GET /heal\0thz HTTP/1.1\r\n" H "\r\n", "400 close")},
    {"nul in a value", WITH_NUL("GET /healthz HTTP/1.1\r\n" H "A: b\0c\r\n\r\n", "400 close")},
    {"nul in a name", WITH_NUL("GET /healthz HTTP/1.1\r\n" H "A\0: b\r\n\r\n", "400 close")},
    {"del", "GET /healthz HTTP/1.1\r\n" H "A: b\x7f\r\n\r\n", "400 close"},
    {"bare lf", "GET /healthz HTTP/1.1\n" H "\r\n", "400 close"},
    {"bare lf in a header", "GET /healthz HTTP/1.1\r\nHost: t\n\r\n", "400 close"},
    {"bare lf at the end", "GET /healthz HTTP/1.1\r\n" H "\n" GET, "400 close"},
    {"bare cr", "GET /healthz HTTP/1.1\rHost: t\r\n\r\n", "400 close"},
    {"bare cr in a value", "GET /healthz HTTP/1.1\r\n" H "A: b\rc\r\n\r\n", "400 close"},
    {"cr cr lf", "GET /healthz HTTP/1.1\r\r\n" H "\r\n", "400 close"},
    {"a tab in a value", "GET /healthz HTTP/1.1\r\n" H "A:\tb\tc\t\r\n\r\n", "200"},
    {"obs-text in a value", "GET /healthz HTTP/1.1\r\n" H "A: \xe4\xff\r\n\r\n", "200"},
    {"obs-fold", "GET /healthz HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", "400 close"},
    {"fold in the first header", "GET /healthz HTTP/1.1\r\n Host: t\r\n\r\n", "400 close"},
    {"space before the colon", "GET /healthz HTTP/1.1\r\nHost : t\r\n\r\n", "400 close"},
    {"no colon", "GET /healthz HTTP/1.1\r\n" H "A\r\n\r\n", "400 close"},
    {"no name", "GET /healthz HTTP/1.1\r\n" H ": b\r\n\r\n", "400 close"},
    {"an odd name", "GET /healthz HTTP/1.1\r\n" H "A\xe4: b\r\n\r\n", "400 close"},
    {"names as long as those that are read",
     "GET /healthz HTTP/1.1\r\n" H
     "Pragma: a\r\nX-Trove-A: b\r\nKeep-Alive: c\r\nX-Forwarded: d\r\nX-Powered-By-X: e\r\n"
     "Accept-Encodings: f\r\nX-Forwarded-Proto: g\r\nX-Access-Control-Request-Name: h\r\n"
     "Vary: i\r\n\r\n",
     "200"},
    {"a path as long as one", "GET /healthy HTTP/1.1\r\n" H "\r\n", "404"},
    {"a path as long as the other", "GET /v1/eventz HTTP/1.1\r\n" H "\r\n", "404"},
    {"a broken escape", "GET /%zz HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"a short scheme", "GET http:/ HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"a short scheme", "GET https:/ HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"a long scheme", "GET httpsss:// HTTP/1.1\r\n" H "\r\n", "400 close"},
    {"a version of another", "GET /healthz HTCP/1.1\r\n" H "\r\n", "400 close"},
    {"a version without a number", "GET /healthz HTTP/x.1\r\n" H "\r\n", "400 close"},
    {"a version without a point", "GET /healthz HTTP/1,1\r\n" H "\r\n", "400 close"},
    {"an empty value", "GET /healthz HTTP/1.1\r\n" H "A:\r\n\r\n", "200"},
    {"no host", "GET /healthz HTTP/1.1\r\n\r\n", "400 close"},
    {"two hosts", "GET /healthz HTTP/1.1\r\n" H H "\r\n", "400 close"},
    {"empty host", "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", "400 close"},
    {"host list", "GET /healthz HTTP/1.1\r\nHost: a,b\r\n\r\n", "400 close"},
    {"host with a path", "GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 close"},
    {"host with a user", "GET /healthz HTTP/1.1\r\nHost: u@a\r\n\r\n", "400 close"},
    {"host with a port", "GET /healthz HTTP/1.1\r\nHost: a:65535\r\n\r\n", "200"},
    {"host with an empty port", "GET /healthz HTTP/1.1\r\nHost: a:\r\n\r\n", "200"},
    {"host with a bad port", "GET /healthz HTTP/1.1\r\nHost: a:65536\r\n\r\n", "400 close"},
    {"host with a long port", "GET /healthz HTTP/1.1\r\nHost: a:000001\r\n\r\n", "400 close"},
    {"host with a port that is none", "GET /healthz HTTP/1.1\r\nHost: a:x\r\n\r\n", "400 close"},
    {"host v6", "GET /healthz HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "200"},
    {"host v6 open", "GET /healthz HTTP/1.1\r\nHost: [2001:db8::1\r\n\r\n", "400 close"},
    {"host v6 empty", "GET /healthz HTTP/1.1\r\nHost: []\r\n\r\n", "400 close"},
    {"host v6 odd", "GET /healthz HTTP/1.1\r\nHost: [::g]\r\n\r\n", "400 close"},
    {"host escaped", "GET /healthz HTTP/1.1\r\nHost: a%2eb\r\n\r\n", "200"},
    {"host, broken escape", "GET /healthz HTTP/1.1\r\nHost: a%2\r\n\r\n", "400 close"},
    /* Framing. */
    {"length and coding",
     POST JSON "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 close"},
    {"coding and length",
     POST JSON "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400 close"},
    {"length twice", POST JSON "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400 close"},
    {"length as a list", POST JSON "Content-Length: 3, 3\r\n\r\nabc", "400 close"},
    {"length with a plus", POST JSON "Content-Length: +3\r\n\r\nabc", "400 close"},
    {"length with a minus", POST JSON "Content-Length: -3\r\n\r\nabc", "400 close"},
    {"length in hex", POST JSON "Content-Length: 0x3\r\n\r\nabc", "400 close"},
    {"length with a zero in front", POST JSON "Content-Length: 03\r\n\r\nabc", "400 close"},
    {"length with a space", POST JSON "Content-Length: 1 0\r\n\r\nabc", "400 close"},
    {"empty length", POST JSON "Content-Length:\r\n\r\nabc", "400 close"},
    {"length over 64 bits", POST JSON "Content-Length: 18446744073709551617\r\n\r\n", "413 close"},
    {"length over the limit", POST JSON "Content-Length: 65537\r\n\r\n", "413 close"},
    {"length of a get over the limit",
     "GET /healthz HTTP/1.1\r\n" H "Content-Length: 65537\r\n\r\n", "413 close"},
    {"no length", POST JSON "\r\n" E1, "411 close"},
    {"no length, 1.0", "POST /v1/events HTTP/1.0\r\n" JSON "\r\n" E1, "411 close"},
    {"length 0", POST JSON "Content-Length: 0\r\n\r\n" GET, "400 200"},
    {"white space around a length", POST JSON "Content-Length: \t " E1_LEN " \t\r\n\r\n" E1 GET,
     "202 200"},
    {"chunked",
     POST JSON "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n67\r\n\"id\":\"7f3c1e2a-9b4d-4c8e-a1f2-"
               "0d9e8c7b6a5f\",\"time\":1795209600123,\"user\":\"u-1\",\"type\":\"view\",\"item\":"
               "\"A\"}\r\n0\r\n\r\n" GET,
     "202 200"},
    {"chunked, capital", POST JSON "Transfer-Encoding: Chunked\r\n\r\n68\r\n" E1 "\r\n00\r\n\r\n",
     "202"},
    {"chunked, digits in both cases",
     POST JSON "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
     "400"},
    {"chunked, extensions",
     POST JSON "Transfer-Encoding: chunked\r\n\r\n68;a;b=c ; d = \"e;\\\"\\\\f\"\r\n" E1
               "\r\n0;z\r\n\r\n",
     "202"},
    {"chunked, trailers",
     POST JSON "Transfer-Encoding: chunked\r\n\r\n68\r\n" E1 "\r\n0\r\nX-Sum: 1\r\nB:\r\n\r\n" GET,
     "202 200"},
    {"chunked get",
     "GET /healthz HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" GET,
     "200 200"},
    {"chunked 1.0", "POST /v1/events HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400 close"},
    {"coding twice",
     POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 close"},
    {"chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400 close"},
    {"chunked not last", POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "400 close"},
    {"not chunked", POST "Transfer-Encoding: gzip\r\n\r\n", "400 close"},
    {"identity", POST "Transfer-Encoding: identity\r\n\r\n", "400 close"},
    {"nearly chunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400 close"},
    {"chunked with a parameter", POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
     "400 close"},
    {"empty coding", POST "Transfer-Encoding:\r\n\r\n", "400 close"},
    {"another coding before chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
     "501 close"},
    /* Chunks. */
    {"chunk size 0x", POST JSON "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
     "400 close"},
    {"chunk size +", POST JSON "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
     "400 close"},
    {"chunk size _", POST JSON "Transfer-Encoding: chunked\r\n\r\n1_0\r\nabc\r\n0\r\n\r\n",
     "400 close"},
    {"chunk size space", POST JSON "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
     "400 close"},
    {"space in front of a size",
     POST JSON "Transfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n", "400 close"},
    {"no chunk size", POST JSON "Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n",
     "400 close"},
    {"chunk size over 8 digits",
     POST JSON "Transfer-Encoding: chunked\r\n\r\n000000003\r\nabc\r\n0\r\n\r\n", "400 close"},
    {"chunk size over 32 bits", POST JSON "Transfer-Encoding: chunked\r\n\r\n100000003\r\nabc",
     "400 close"},
    {"chunk over the limit", POST JSON "Transfer-Encoding: chunked\r\n\r\n10001\r\nabc",
     "413 close"},
    {"chunks over the limit", POST JSON "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nffff\r\nabc",
     "413 close"},
    {"chunk line with lf alone", POST JSON "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
     "400 close"},
    {"chunk line with cr alone", POST JSON "Transfer-Encoding: chunked\r\n\r\n3\rabc\r\n0\r\n\r\n",
     "400 close"},
    {"chunk without an end", POST JSON "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
     "400 close"},
    {"chunk with lf alone", POST JSON "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n",
     "400 close"},
    {"chunk with cr x", POST JSON "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\rx0\r\n\r\n",
     "400 close"},
    {"extension without a name", POST JSON "Transfer-Encoding: chunked\r\n\r\n3;\r\nabc\r\n",
     "400 close"},
    {"extension without a value", POST JSON "Transfer-Encoding: chunked\r\n\r\n3;a=\r\nabc\r\n",
     "400 close"},
    {"extension, many spaces",
     POST JSON CHUNKED "\r\n3 \t;  a \t =  b  ;  c  ;d=\"\t\" ;e  ;f\r\nabc\r\n0\r\n\r\n", "400"},
    {"extension, del in a quote", POST JSON CHUNKED "\r\n3;a=\"\x7f\"\r\n", "400 close"},
    {"extension, behind a quote", POST JSON CHUNKED "\r\n3;a=\"b\"c\r\n", "400 close"},
    {"extension, a tab in a trailer", POST JSON CHUNKED "\r\n0\r\nA: \tb\xff\r\n\r\n", "400"},
    {"trailer with a del", POST JSON CHUNKED "\r\n0\r\nA: \x7f\r\n\r\n", "400 close"},
    {"trailer with a control", POST JSON CHUNKED "\r\n0\r\nA: \x01\r\n\r\n", "400 close"},
    {"extension with a lf", POST JSON "Transfer-Encoding: chunked\r\n\r\n3;a\nabc\r\n",
     "400 close"},
    {"extension, space at the end", POST JSON "Transfer-Encoding: chunked\r\n\r\n3;a \r\nabc\r\n",
     "400 close"},
    {"extension, open quote", POST JSON "Transfer-Encoding: chunked\r\n\r\n3;a=\"b\r\nabc\r\n",
     "400 close"},
    {"extension, control in a quote",
     POST JSON "Transfer-Encoding: chunked\r\n\r\n3;a=\"\x01\"\r\n", "400 close"},
    {"extension, value behind a value", POST JSON "Transfer-Encoding: chunked\r\n\r\n3;a=b=c\r\n",
     "400 close"},
    {"extension, two words", POST JSON "Transfer-Encoding: chunked\r\n\r\n3;a b\r\n", "400 close"},
    {"trailer smuggles a length",
     POST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n", "400 close"},
    {"trailer smuggles a coding",
     POST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\ntransfer-encoding: chunked\r\n\r\n",
     "400 close"},
    {"trailer smuggles a host", POST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n",
     "400 close"},
    {"trailer smuggles authorization",
     POST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: b\r\n\r\n", "400 close"},
    {"trailer folds", POST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n",
     "400 close"},
    {"trailer without a colon", POST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\nA\r\n\r\n",
     "400 close"},
    {"trailer without a name", POST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\n: b\r\n\r\n",
     "400 close"},
    {"trailer with lf alone", POST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n",
     "400 close"},
    {"trailer with cr alone", POST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\rc\r\n\r\n",
     "400 close"},
    {"end with cr x", POST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\n\rx", "400 close"},
    {"end with lf alone", POST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\n\n", "400 close"},
    {"a bad chunk of a refused body",
     "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nx\r\n", "400 close"},
    {"smuggled behind a length", POST JSON "Content-Length: 0\r\n\r\nGET /x HTTP/1.1\r\n" H "\r\n",
     "400 404"},
    /* Content. */
    {"no type", POST "Content-Length: " E1_LEN "\r\n\r\n" E1 GET, "415 200"},
    {"another type", POST "Content-Type: text/plain\r\nContent-Length: " E1_LEN "\r\n\r\n" E1 GET,
     "415 200"},
    {"type twice", POST JSON JSON "Content-Length: " E1_LEN "\r\n\r\n" E1, "400 close"},
    {"type in capitals",
     POST "Content-Type: Application/JSON;Charset=UTF-8\r\nContent-Length: " E1_LEN "\r\n\r\n" E1,
     "202"},
    {"type with a quoted charset",
     POST "Content-Type: application/json ; charset=\"utf-8\" ; x=\"a\\\"b\"; "
          "\r\nContent-Length: " E1_LEN "\r\n\r\n" E1,
     "202"},
    {"a CloudEvent",
     POST "Content-Type: application/cloudevents+json; charset=UTF-8\r\nContent-Length: " E1_LEN
          "\r\n\r\n" E1,
     "202"},
    {"CloudEvents",
     POST "Content-Type: application/cloudevents-batch+json\r\nContent-Length: 4\r\n\r\n[{}]",
     "200"},
    {"CloudEvents of another format",
     POST "Content-Type: application/cloudevents+avro\r\nContent-Length: 4\r\n\r\n[{}]", "415"},
    {"another charset",
     POST "Content-Type: application/json; charset=latin1\r\nContent-Length: " E1_LEN "\r\n\r\n" E1,
     "415"},
    {"a malformed parameter",
     POST "Content-Type: application/json; charset\r\nContent-Length: " E1_LEN "\r\n\r\n" E1,
     "415"},
    {"a malformed parameter",
     POST "Content-Type: application/json; a=\"\r\nContent-Length: " E1_LEN "\r\n\r\n" E1, "415"},
    {"a malformed parameter",
     POST "Content-Type: application/json; a=\"\\\"\r\nContent-Length: " E1_LEN "\r\n\r\n" E1,
     "415"},
    {"a malformed parameter",
     POST "Content-Type: application/json; a=\"b\"c\"\r\nContent-Length: " E1_LEN "\r\n\r\n" E1,
     "415"},
    {"a malformed parameter",
     POST "Content-Type: application/json; a=\r\nContent-Length: " E1_LEN "\r\n\r\n" E1, "415"},
    {"a malformed parameter",
     POST "Content-Type: application/json; a=\"b\r\nContent-Length: " E1_LEN "\r\n\r\n" E1, "415"},
    {"a malformed parameter",
     POST "Content-Type: application/json; a=bc\"\r\nContent-Length: " E1_LEN "\r\n\r\n" E1, "415"},
    {"a malformed parameter",
     POST "Content-Type: application/json; =b\r\nContent-Length: " E1_LEN "\r\n\r\n" E1, "415"},
    {"a malformed parameter",
     POST "Content-Type: application/json; a b\r\nContent-Length: " E1_LEN "\r\n\r\n" E1, "415"},
    {"what curl says",
     POST "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " E1_LEN
          "\r\n\r\n" E1,
     "202"},
    {"what a form says",
     POST "Content-Type: application/x-www-form-urlencoded\r\nOrigin: https://a\r\n"
          "Content-Length: " E1_LEN "\r\n\r\n" E1,
     "415"},
    {"gzip", POST JSON "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "415"},
    {"identity coding",
     POST JSON "Content-Encoding: identity\r\nContent-Length: " E1_LEN "\r\n\r\n" E1, "202"},
    {"a refused body that was to be asked for",
     POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" GET, "415 close"},
    {"another expectation", POST JSON "Expect: x\r\nContent-Length: 3\r\n\r\nabc", "417 close"},
    {"another expectation of 1.0",
     "POST /v1/events HTTP/1.0\r\n" JSON "Expect: x\r\nContent-Length: 3\r\n\r\nabc", "400 close"},
    {"ack", POST JSON "Trove-Ack: accepted\r\nContent-Length: " E1_LEN "\r\n\r\n" E1, "202"},
    {"ack durable", POST JSON "Trove-Ack: durable\r\nContent-Length: " E1_LEN "\r\n\r\n" E1, "202"},
    {"an unknown ack", POST JSON "Trove-Ack: replicated\r\nContent-Length: 3\r\n\r\nabc",
     "400 close"},
    {"ack twice", POST JSON "Trove-Ack: durable\r\nTrove-Ack: durable\r\n\r\n", "400 close"},
    {"duplicate", POST JSON "Content-Length: " E1_LEN "\r\n\r\n" EDUP, "200"},
    {"not json", POST JSON "Content-Length: 3\r\n\r\nabc" GET, "400 200"},
    {"white space", POST JSON "Content-Length: 3\r\n\r\n \n " GET, "400 200"},
    {"no object", POST JSON "Content-Length: 1\r\n\r\n1" GET, "422 200"},
    {"no event", POST JSON "Content-Length: 2\r\n\r\n{}" GET, "422 200"},
    /* Batches. */
    {"array of two",
     POST JSON "Transfer-Encoding: chunked\r\n\r\nd3\r\n[" E1 "," E1 "]\r\n0\r\n\r\n", "200"},
    {"array, empty", POST JSON "Content-Length: 2\r\n\r\n[]" GET, "200 200"},
    {"array, white space", POST JSON "Content-Length: 11\r\n\r\n \n[ 1 , 2\t]" GET, "200 200"},
    {"array, cut", POST JSON "Content-Length: 2\r\n\r\n[1" GET, "400 200"},
    {"array, comma", POST JSON "Content-Length: 4\r\n\r\n[1,]" GET, "400 200"},
    {"array, comma in front", POST JSON "Content-Length: 4\r\n\r\n[,1]" GET, "400 200"},
    {"array, no comma", POST JSON "Content-Length: 5\r\n\r\n[1 2]" GET, "400 200"},
    {"array, trailing", POST JSON "Content-Length: 4\r\n\r\n[1]1" GET, "400 200"},
    {"array, not utf-8", POST JSON "Content-Length: 5\r\n\r\n[\"\xff\"]" GET, "400 200"},
    {"array, open", POST JSON "Content-Length: 1\r\n\r\n[" GET, "400 200"},
    {"lines", POST ND "Transfer-Encoding: chunked\r\n\r\nd3\r\n" E1 "\n\n" E1 "\n\r\n0\r\n\r\n" GET,
     "200 200"},
    {"lines, none", POST ND "Content-Length: 0\r\n\r\n" GET, "200 200"},
    {"lines, blank", POST ND "Content-Length: 4\r\n\r\n\n \r\n" GET, "200 200"},
    {"lines, bad", POST ND "Content-Length: 5\r\n\r\na\nb\r\n" GET, "200 200"},
    {"too many lines", POST ND "Content-Length: 12\r\n\r\n1\n1\n1\n1\n1\n1\n" GET, "413 200"},
    {"too many elements", POST JSON "Content-Length: 13\r\n\r\n[1,1,1,1,1,1]" GET, "413 200"},
};

static struct http_settings settings(void)
{
    struct http_settings s;
    http_settings_init(&s);
    s.body_bytes = 65536;
    s.batch_events = 5;
    s.head_bytes = 2048;
    s.line_bytes = 256;
    s.header_count = 16;
    return s;
}

struct got {
    char *output;
    char *log;
    char statuses[256];
};

/* run gives a connection the bytes in pieces: step bytes each, or in two, cut at `at`. */
static struct got run(const char *bytes, size_t len, size_t step, size_t at)
{
    struct http_settings s = settings();
    kit_begin(&s);
    uint32_t conn = kit_open();
    for (size_t i = 0; i < len;) {
        size_t end = step ? i + step : i < at ? at : len;
        end = end < len ? end : len;
        kit_give(conn, bytes + i, (uint32_t)(end - i));
        kit_settle();
        i = end;
    }
    kit_settle();
    struct got result = {.output = strdup(kit_output(conn)), .log = strdup(kit.log ? kit.log : "")};
    snprintf(result.statuses, sizeof result.statuses, "%s", kit_statuses(conn));
    kit_end_all();
    return result;
}

static void release(struct got *result)
{
    free(result->output);
    free(result->log);
}

static void test_lines(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const struct line *l = &lines[i];
        size_t len = l->len ? l->len : strlen(l->bytes);
        struct got whole = run(l->bytes, len, len, 0);
        if (l->expect && strcmp(whole.statuses, l->expect)) {
            print_error("%s: %s, not %s\n%s\n", l->name, whole.statuses, l->expect, whole.output);
            wrong++;
        }
        release(&whole);
    }
    assert_int_equal(wrong, 0);
}

static void require_same(const struct line *l, const struct got *whole, struct got *cut, size_t at)
{
    if (strcmp(whole->output, cut->output) || strcmp(whole->log, cut->log) ||
        strcmp(whole->statuses, cut->statuses))
        fail_msg("%s: cut at %zu: %s, not %s\n%s\nnot\n%s", l->name, at, cut->statuses,
                 whole->statuses, cut->output, whole->output);
    release(cut);
}

static void test_cuts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const struct line *l = &lines[i];
        size_t len = l->len ? l->len : strlen(l->bytes);
        struct got whole = run(l->bytes, len, len, 0), cut;
        for (size_t at = 1; at < len; at++) {
            cut = run(l->bytes, len, 0, at);
            require_same(l, &whole, &cut, at);
        }
        cut = run(l->bytes, len, 1, 0);
        require_same(l, &whole, &cut, 1);
        release(&whole);
    }
}

/* One instance for all: what one run leaves behind, the next one finds. */
static int setup(void **state)
{
    (void)state;
    struct http_limits limits = kit_limits();
    struct http_settings s = settings();
    kit_start(&limits, &s);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_cuts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
