/* fuzz_http_chunk.c - the chunked decoder against one that is slow and obvious, and against itself
 * byte by byte.
 *
 * The first byte of an input is the room of the body in units of 16, the rest is the coded body.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dataplane/http_chunk.h"

#define TRAILERS_MAX      4
#define TRAILER_BYTES_MAX 200

static const struct http_head_limits limits = {
    .line_bytes = 100,
    .head_bytes = TRAILER_BYTES_MAX,
    .header_count = TRAILERS_MAX,
};

struct decoded {
    enum http_progress progress;
    uint32_t len;  /* of the data */
    uint32_t used; /* HTTP_DONE: of the coded body */
    uint8_t data[70000];
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* The obvious one: a text, a place in it, and what must stand there. */

struct text {
    const char *at, *end;
    bool short_of; /* it ended where more was needed */
};

static bool ends(struct text *t)
{
    if (t->at == t->end)
        t->short_of = true;
    return t->at == t->end;
}

static bool one_of(struct text *t, const char *set)
{
    if (ends(t) || !*t->at || !strchr(set, *t->at))
        return false;
    t->at++;
    return true;
}

static bool crlf(struct text *t)
{
    return one_of(t, "\r") && one_of(t, "\n");
}

static bool token(struct text *t)
{
    static const char set[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    bool any = false;
    while (one_of(t, set))
        any = true;
    return any;
}

static void spaces(struct text *t)
{
    while (one_of(t, " \t"))
        continue;
}

static bool quoted(struct text *t)
{
    if (!one_of(t, "\""))
        return false;
    while (!ends(t) && *t->at != '"') {
        if (*t->at == '\\')
            t->at++;
        if (ends(t) || ((uint8_t)*t->at < 0x20 && *t->at != '\t') || *t->at == 0x7f)
            return false;
        t->at++;
    }
    return one_of(t, "\"");
}

static bool extensions(struct text *t)
{
    for (;;) {
        const char *before = t->at;
        spaces(t);
        if (!ends(t) && *t->at == '\r')
            return t->at == before; /* no white space at the end */
        if (!one_of(t, ";"))
            return false;
        spaces(t);
        if (!token(t))
            return false;
        before = t->at;
        spaces(t);
        if (!one_of(t, "=")) {
            t->at = before;
            continue;
        }
        spaces(t);
        if (!quoted(t) && !token(t))
            return false;
    }
}

static bool may_trail(const char *name, size_t len)
{
    static const char *const never[] = {
        "host",
        "origin",
        "expect",
        "trove-ack",
        "connection",
        "content-type",
        "content-length",
        "content-encoding",
        "transfer-encoding",
        "access-control-request-method",
        "authorization",
        "cache-control",
        "content-range",
        "cookie",
        "keep-alive",
        "max-forwards",
        "te",
        "trailer",
        "upgrade",
    };
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (strlen(never[i]) == len && !strncasecmp(name, never[i], len))
            return false;
    return true;
}

static bool trailers(struct text *t)
{
    const char *begin = t->at;
    for (unsigned count = 0;; count++) {
        const char *name = t->at;
        if (!ends(t) && *t->at == '\r')
            return crlf(t) && t->at - begin <= TRAILER_BYTES_MAX;
        if (t->short_of || count == TRAILERS_MAX || !token(t) || ends(t) || *t->at != ':')
            return false;
        if (!may_trail(name, (size_t)(t->at - name)))
            return false;
        while (!ends(t) && *t->at != '\r' && ((uint8_t)*t->at >= 0x20 || *t->at == '\t') &&
               *t->at != 0x7f)
            t->at++;
        if (!crlf(t))
            return false;
    }
}

/* decode_slowly returns HTTP_BAD also for what is only too short: the caller knows by short_of. */
static bool decode_slowly(struct text *t, uint32_t room, struct decoded *out)
{
    size_t extension_bytes = 0;
    for (;;) {
        char digits[9] = "";
        size_t count = 0;
        while (count < 8 && one_of(t, "0123456789abcdefABCDEF"))
            digits[count++] = t->at[-1];
        const char *begin = t->at;
        if (!count || !extensions(t))
            return false;
        /* The CR that ends extensions is counted with them. */
        extension_bytes += t->at == begin ? 0 : (size_t)(t->at - begin);
        if (extension_bytes > HTTP_CHUNK_EXTENSION_MAX || !crlf(t))
            return false;
        unsigned long size = strtoul(digits, NULL, 16);
        if (size > room)
            return false;
        room -= (uint32_t)size;
        if (!size)
            return trailers(t);
        size_t there = (size_t)(t->end - t->at) < size ? (size_t)(t->end - t->at) : size;
        memcpy(out->data + out->len, t->at, there);
        out->len += (uint32_t)there;
        t->at += there;
        if (there < size)
            return !ends(t);
        if (!crlf(t))
            return false;
    }
}

static void decode(const uint8_t *bytes, uint32_t len, uint32_t room, uint32_t step,
                   struct decoded *out)
{
    struct http_chunk chunk;
    http_chunk_init(&chunk, room, &limits);
    out->progress = HTTP_MORE;
    out->len = 0;
    for (uint32_t done = 0; done < len && out->progress == HTTP_MORE;) {
        uint32_t end = len - done < step ? len : done + step, count;
        do {
            out->progress = http_chunk_next(&chunk, bytes, end, &done, &count);
            if (count)
                memcpy(out->data + out->len, bytes + done - count, count);
            out->len += count;
            require(out->len <= room);
        } while (out->progress == HTTP_MORE && done < end);
        out->used = done;
        require(chunk.offset == done);
    }
    require((out->progress == HTTP_BAD) == (chunk.problem != HTTP_PROBLEM_none));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct decoded whole, cut, slow;
    if (size < 1 || size > 65536)
        return 0;
    uint32_t room = data[0] * 16u, len = (uint32_t)size - 1;
    decode(data + 1, len, room, UINT32_MAX, &whole);
    decode(data + 1, len, room, 1, &cut);
    require(whole.progress == cut.progress && whole.len == cut.len && whole.used == cut.used);
    require(!memcmp(whole.data, cut.data, whole.len));

    struct text text = {.at = (const char *)data + 1, .end = (const char *)data + size};
    slow.len = 0;
    bool good = decode_slowly(&text, room, &slow);
    require(slow.len == whole.len && !memcmp(slow.data, whole.data, slow.len));
    if (whole.progress == HTTP_DONE)
        require(good && text.at == (const char *)data + 1 + whole.used);
    else
        require(!good || text.short_of);
    if (whole.progress == HTTP_MORE)
        require(text.short_of);
    return 0;
}
