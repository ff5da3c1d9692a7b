/* json.c - strings, numbers, literals and nesting of RFC 8259. */
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "dataplane/base/json.h"
#include "dataplane/base/swar.h"
#include "dataplane/base/text.h"
#include "dataplane/base/utf8.h"

#if defined(__AVX2__)
/* A byte is a quote or a backslash when it equals the entry for its low four bits.  As signed
 * bytes, what is below 0x20 is the control characters and all that is not ASCII. */
static inline uint32_t stops_32(const uint8_t *p)
{
    const __m256i marks = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 0, '"', 0, 0, 0, 0, 0, 0, 0, 0, 0, '\\', 0, 0, 0));
    __m256i v = _mm256_loadu_si256((const __m256i *)p);
    __m256i mark = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(marks, v), v);
    __m256i below = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), v);
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(mark, below));
}

static uint64_t stops_64(const uint8_t *p)
{
    return stops_32(p) | (uint64_t)stops_32(p + 32) << 32;
}
#else
/* The highest bit of each byte that is a stop; multiplying gathers those bits in the top byte. */
static uint64_t stops_8(const uint8_t *p)
{
    const uint64_t high = SWAR_BYTES(0x80);
    uint64_t w = swar_load(p);
    uint64_t seven = w & ~high;
    uint64_t quote = (seven ^ SWAR_BYTES('"')) + ~high;
    uint64_t slash = (seven ^ SWAR_BYTES('\\')) + ~high;
    uint64_t above = seven + SWAR_BYTES(0x80 - 0x20);
    uint64_t stops = (~(quote & slash & above) | w) & high;
    return ((stops >> 7) * UINT64_C(0x0102040810204080)) >> 56;
}

static uint64_t stops_64(const uint8_t *p)
{
    uint64_t stops = 0;
    for (unsigned i = 0; i < 64; i += 8)
        stops |= stops_8(p + i) << i;
    return stops;
}
#endif

size_t json_space(const struct json *j, size_t at)
{
    while (at < j->len && json_is_space(j->bytes[at]))
        at++;
    return at;
}

/* last_stops returns the stops of the block that stop_end is in, or before. */
__attribute__((noinline)) static uint64_t last_stops(const struct json *j, size_t block)
{
    if (block >= j->stop_end)
        return UINT64_MAX;
    size_t room = j->stop_end - block;
    if (block > 0)
        return stops_64(j->bytes + j->stop_end - 64) >> (64 - room) | UINT64_MAX << room;
    uint8_t padded[64] = {0};
    memcpy(padded, j->bytes, room);
    return stops_64(padded) | UINT64_MAX << room;
}

void json_load_stops(struct json *j)
{
    size_t block = j->block_end;
    j->block_end = block + 64;
    if (__builtin_expect(block + 64 <= j->stop_end, 1))
        j->stops = stops_64(j->bytes + block);
    else
        j->stops = last_stops(j, block);
}

/* hex4 returns the value of the four digits behind \u, or JSON_FAULT. */
static size_t hex4(struct json *j, size_t at)
{
    size_t code = 0;
    for (size_t i = at; i < at + 4; i++) {
        int digit = text_hex_digit(json_peek(j, i));
        if (digit < 0)
            return json_fault(j, REASON_syntax, i);
        code = code << 4 | (size_t)digit;
    }
    return code;
}

size_t json_escape(struct json *j, size_t at)
{
    j->escaped = true;
    switch (json_peek(j, at + 1)) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 2;
    case 'u':
        break;
    default:
        return json_fault(j, REASON_syntax, at + 1);
    }
    size_t code = hex4(j, at + 2);
    if (code == JSON_FAULT)
        return JSON_FAULT;
    if (code < 0xd800 || code > 0xdfff)
        return at + 6;
    bool paired = code < 0xdc00 && json_peek(j, at + 6) == '\\' && json_peek(j, at + 7) == 'u';
    size_t low = paired ? hex4(j, at + 8) : 0;
    if (low < 0xdc00 || low > 0xdfff)
        return json_fault(j, REASON_surrogate, at);
    return at + 12;
}

size_t json_string_rest(struct json *j, size_t at)
{
    for (;;) {
        uint8_t c = json_peek(j, at);
        if (c == '"')
            return at + 1;
        if (c < 0x20)
            return json_fault(j, REASON_syntax, at);
        if (c == '\\') {
            at = json_escape(j, at);
            if (at == JSON_FAULT)
                return JSON_FAULT;
        } else {
            unsigned sequence = utf8_sequence(j->bytes + at, j->len - at);
            if (!sequence)
                return json_fault(j, REASON_utf8, at);
            at += sequence;
        }
        at = json_stop(j, at);
    }
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* digits reads at least one. */
static size_t digits(struct json *j, size_t at)
{
    if (!is_digit(json_peek(j, at)))
        return json_fault(j, REASON_syntax, at);
    while (j->len - at >= 8) {
        unsigned count = swar_digit_count(swar_load(j->bytes + at));
        at += count;
        if (count < 8)
            return at;
    }
    while (is_digit(json_peek(j, at)))
        at++;
    return at;
}

size_t json_number(struct json *j, size_t at)
{
    if (json_peek(j, at) == '-')
        at++;
    at = json_peek(j, at) == '0' ? at + 1 : digits(j, at);
    if (at != JSON_FAULT && json_peek(j, at) == '.')
        at = digits(j, at + 1);
    if (at != JSON_FAULT && (json_peek(j, at) | 0x20) == 'e') {
        at++;
        if (json_peek(j, at) == '+' || json_peek(j, at) == '-')
            at++;
        at = digits(j, at);
    }
    return at;
}

static size_t literal(struct json *j, size_t at, const char *text)
{
    for (; *text; text++, at++)
        if (json_peek(j, at) != (uint8_t)*text)
            return json_fault(j, REASON_syntax, at);
    return at;
}

static size_t scalar(struct json *j, size_t at)
{
    switch (json_peek(j, at)) {
    case '"':
        return json_string(j, at + 1);
    case '-':
    case '0' ... '9':
        return json_number(j, at);
    case 't':
        return literal(j, at, "true");
    case 'f':
        return literal(j, at, "false");
    case 'n':
        return literal(j, at, "null");
    default:
        return json_fault(j, REASON_syntax, at);
    }
}

/* key reads a member's name and colon. */
static size_t key(struct json *j, size_t at)
{
    if (json_next(j, &at) != '"')
        return json_fault(j, REASON_syntax, at);
    at = json_string(j, at + 1);
    if (at == JSON_FAULT)
        return JSON_FAULT;
    if (json_next(j, &at) != ':')
        return json_fault(j, REASON_syntax, at);
    return at + 1;
}

/* What brackets are open: one bit for each, set for an object. */
struct nest {
    uint64_t objects;
    uint32_t depth;
    uint32_t outer; /* depth at which the value is complete */
};

/* close reads what may follow a value: closing brackets, then the end of the outermost value or a
 * comma and, in an object, the next member's name. */
static size_t close(struct json *j, size_t at, struct nest *nest)
{
    while (nest->depth > nest->outer) {
        bool object = nest->objects & 1;
        uint8_t c = json_next(j, &at);
        if (c == ',')
            return object ? key(j, at + 1) : at + 1;
        if (c != (object ? '}' : ']'))
            return json_fault(j, REASON_syntax, at);
        at++;
        nest->depth--;
        nest->objects >>= 1;
    }
    return at;
}

size_t json_value(struct json *j, size_t at, uint32_t depth)
{
    struct nest nest = {.depth = depth, .outer = depth};
    do {
        uint8_t c = json_next(j, &at);
        if (c == '{' || c == '[') {
            if (nest.depth >= j->depth_max)
                return json_fault(j, REASON_depth, at);
            nest.depth++;
            nest.objects = nest.objects << 1 | (c == '{');
            at++;
            uint8_t closing = c == '{' ? '}' : ']';
            if (json_next(j, &at) != closing) {
                if (c == '{')
                    at = key(j, at);
                continue;
            }
        } else {
            at = scalar(j, at);
        }
        if (at != JSON_FAULT)
            at = close(j, at, &nest);
    } while (at != JSON_FAULT && nest.depth > nest.outer);
    return at;
}
