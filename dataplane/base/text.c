/* text.c - JSON strings and UUIDs. */
#include <assert.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "dataplane/base/swar.h"
#include "dataplane/base/text.h"
#include "dataplane/base/utf8.h"

/* The two-character escapes.  The slash need not be escaped, but may be. */
static const struct {
    char letter;
    uint8_t code;
} escapes[] = {
    {'"', '"'},  {'\\', '\\'}, {'b', '\b'}, {'f', '\f'},
    {'n', '\n'}, {'r', '\r'},  {'t', '\t'}, {'/', '/'},
};

#define REPLACEMENT  0xfffd
#define ESCAPE_COUNT (sizeof escapes / sizeof *escapes)

/* hex4 returns the four digits behind a \u at raw, or -1. */
static int32_t hex4(const uint8_t *raw, size_t len)
{
    if (len < 6 || raw[0] != '\\' || raw[1] != 'u')
        return -1;
    int32_t code = 0;
    for (unsigned i = 2; i < 6; i++) {
        int digit = text_hex_digit(raw[i]);
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* unescape reads the escape at raw and writes the character that it stands for; *count is its
 * bytes.  Returns the escape's length, or 0 when it is broken. */
static size_t unescape(const uint8_t *raw, size_t len, uint8_t out[UTF8_BYTES_MAX], unsigned *count)
{
    for (unsigned i = 0; len >= 2 && i < ESCAPE_COUNT; i++) {
        if (raw[1] == (uint8_t)escapes[i].letter) {
            out[0] = escapes[i].code;
            *count = 1;
            return 2;
        }
    }
    int32_t code = hex4(raw, len);
    if (code < 0 || (code >= 0xdc00 && code <= 0xdfff))
        return 0;
    size_t used = 6;
    if (code >= 0xd800 && code <= 0xdbff) {
        int32_t low = hex4(raw + 6, len - 6);
        if (low < 0xdc00 || low > 0xdfff)
            return 0;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        used = 12;
    }
    *count = utf8_encode((uint32_t)code, out);
    return used;
}

int text_decode(const uint8_t *raw, size_t len, uint8_t *out, size_t room)
{
    size_t used = 0;
    while (len > 0) {
        const uint8_t *slash = memchr(raw, '\\', len);
        size_t plain = slash ? (size_t)(slash - raw) : len;
        if (plain > room - used)
            return -1;
        memcpy(out + used, raw, plain);
        used += plain;
        raw += plain;
        len -= plain;
        if (!slash)
            break;
        uint8_t character[UTF8_BYTES_MAX];
        unsigned count;
        size_t escape = unescape(raw, len, character, &count);
        if (!escape || count > room - used)
            return -1;
        memcpy(out + used, character, count);
        used += count;
        raw += escape;
        len -= escape;
    }
    return (int)used;
}

uint32_t text_next(const uint8_t *raw, size_t len, size_t *at)
{
    if (raw[*at] != '\\')
        return utf8_next(raw, at);
    uint8_t character[UTF8_BYTES_MAX];
    unsigned count;
    size_t begin = 0, escape = unescape(raw + *at, len - *at, character, &count);
    assert(escape);
    *at += escape;
    return utf8_next(character, &begin);
}

/* encode_control writes the escape of a character that may not stand for itself. */
static size_t encode_control(uint8_t c, char out[6])
{
    static const char hex[16] = "0123456789abcdef";
    for (unsigned i = 0; i < ESCAPE_COUNT; i++) {
        if (c == escapes[i].code) {
            out[0] = '\\';
            out[1] = escapes[i].letter;
            return 2;
        }
    }
    out[0] = '\\';
    out[1] = 'u';
    out[2] = '0';
    out[3] = '0';
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

/* encode_one writes what the character at bytes becomes, and sets *used to the bytes it took. */
static size_t encode_one(const uint8_t *bytes, size_t len, char out[6], size_t *used)
{
    uint8_t c = bytes[0];
    unsigned sequence = utf8_sequence(bytes, len);
    *used = sequence ? sequence : 1;
    if (!sequence)
        return utf8_encode(REPLACEMENT, (uint8_t *)out);
    if (c < 0x20 || c == '"' || c == '\\')
        return encode_control(c, out);
    memcpy(out, bytes, sequence);
    return sequence;
}

#define SWAR_HIGH SWAR_BYTES(0x80)

/* odd_bytes is not zero when a byte has to be escaped or looked at: a control character, a quote,
 * a backslash, one that is not ASCII.  Which one it is cannot be told. */
static inline uint64_t odd_bytes(uint64_t w)
{
    uint64_t quote = w ^ SWAR_BYTES('"'), slash = w ^ SWAR_BYTES('\\');
    return (w | (w - SWAR_BYTES(0x20)) | (quote - SWAR_BYTES(1)) | (slash - SWAR_BYTES(1))) &
           SWAR_HIGH;
}

/* Most names are plain.  The last word overlaps with the one before. */
static bool is_plain(const uint8_t *bytes, size_t len)
{
    if (len < 8) {
        uint64_t w = SWAR_BYTES('0');
        memcpy(&w, bytes, len);
        return !odd_bytes(w);
    }
    uint64_t odd = odd_bytes(swar_load(bytes + len - 8));
    for (size_t at = 0; at + 8 < len; at += 8)
        odd |= odd_bytes(swar_load(bytes + at));
    return !odd;
}

static int copy_plain(const uint8_t *bytes, size_t len, char *out)
{
    out[0] = '"';
    memcpy(out + 1, bytes, len);
    out[len + 1] = '"';
    return (int)len + 2;
}

int text_json_encode(const uint8_t *bytes, size_t len, char *out, size_t room)
{
    if (room < 2)
        return -1;
    if (len && len <= room - 2 && is_plain(bytes, len))
        return copy_plain(bytes, len, out);
    size_t at = 0;
    out[at++] = '"';
    while (len > 0) {
        char piece[6];
        size_t used;
        size_t count = encode_one(bytes, len, piece, &used);
        if (count + 1 > room - at) /* the closing quote, too */
            return -1;
        memcpy(out + at, piece, count);
        at += count;
        bytes += used;
        len -= used;
    }
    out[at++] = '"';
    return (int)at;
}

/* Two digits at a time, from the last; all of out is written, as that takes no call. */
size_t text_decimal_format(uint64_t value, char out[TEXT_DECIMAL_MAX])
{
    char digits[2 * TEXT_DECIMAL_MAX] = {0};
    unsigned at = TEXT_DECIMAL_MAX;
    for (; value >= 10; value /= 100) {
        digits[--at] = (char)('0' + value % 10);
        digits[--at] = (char)('0' + value / 10 % 10);
    }
    if (value || at == TEXT_DECIMAL_MAX)
        digits[--at] = (char)('0' + value);
    memcpy(out, digits + at, TEXT_DECIMAL_MAX);
    return TEXT_DECIMAL_MAX - at;
}

static bool is_dash_place(unsigned i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static int uuid_fault(const uint8_t *text)
{
    for (unsigned i = 0; i < TEXT_UUID_LEN; i++)
        if (is_dash_place(i) ? text[i] != '-' : text_hex_digit(text[i]) < 0)
            return (int)i;
    return -1;
}

#if defined(__AVX2__)
/* The digits in order, 32 characters; what stands between them must be dashes. */
static bool uuid_digits(const uint8_t *text, __m256i *digits)
{
    const __m128i front = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, -1, -1);
    const __m128i back = _mm_setr_epi8(-1, 0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m128i dash = _mm_set1_epi8('-');
    __m128i first = _mm_loadu_si128((const __m128i *)text);
    __m128i last = _mm_loadu_si128((const __m128i *)(text + 20));
    int dashes = _mm_movemask_epi8(_mm_cmpeq_epi8(first, dash));
    bool placed = dashes == (1 << 8 | 1 << 13) && text[18] == '-' && text[23] == '-';
    int between = text[16] | text[17] << 8;
    first = _mm_insert_epi16(_mm_shuffle_epi8(first, front), between, 7);
    last = _mm_insert_epi8(_mm_shuffle_epi8(last, back), text[19], 0);
    *digits = _mm256_set_m128i(last, first);
    return placed;
}

static bool uuid_read(const uint8_t *text, uint64_t id[2])
{
    const __m256i nine = _mm256_set1_epi8(9);
    const __m256i five = _mm256_set1_epi8(5);
    __m256i digits;
    bool placed = uuid_digits(text, &digits);
    __m256i lower = _mm256_or_si256(digits, _mm256_set1_epi8(0x20));
    __m256i decimal = _mm256_sub_epi8(digits, _mm256_set1_epi8('0'));
    __m256i letter = _mm256_sub_epi8(lower, _mm256_set1_epi8('a'));
    __m256i is_decimal = _mm256_cmpeq_epi8(_mm256_min_epu8(decimal, nine), decimal);
    __m256i is_letter = _mm256_cmpeq_epi8(_mm256_min_epu8(letter, five), letter);
    __m256i nibbles =
        _mm256_blendv_epi8(_mm256_add_epi8(letter, _mm256_set1_epi8(10)), decimal, is_decimal);
    /* Pairs of nibbles become bytes, in 16-bit lanes, then packed eight to each half. */
    __m256i pairs = _mm256_maddubs_epi16(nibbles, _mm256_set1_epi16(1 << 8 | 16));
    __m256i packed = _mm256_packus_epi16(pairs, pairs);
    id[0] = __builtin_bswap64((uint64_t)_mm256_extract_epi64(packed, 0));
    id[1] = __builtin_bswap64((uint64_t)_mm256_extract_epi64(packed, 2));
    return placed && _mm256_movemask_epi8(_mm256_or_si256(is_decimal, is_letter)) == -1;
}
#else
static bool uuid_read(const uint8_t *text, uint64_t id[2])
{
    uint64_t bad = 0;
    uint64_t second = swar_load32(text + 9) | (uint64_t)swar_load32(text + 14) << 32;
    uint64_t third = swar_load32(text + 19) | (uint64_t)swar_load32(text + 24) << 32;
    id[0] = (uint64_t)swar_hex(swar_load(text), &bad) << 32 | swar_hex(second, &bad);
    id[1] = (uint64_t)swar_hex(third, &bad) << 32 | swar_hex(swar_load(text + 28), &bad);
    return !bad && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-';
}
#endif

int text_uuid_parse(const uint8_t *text, uint64_t id[2])
{
    return uuid_read(text, id) ? -1 : uuid_fault(text);
}

void text_uuid_format(const uint64_t id[2], char out[TEXT_UUID_LEN + 1])
{
    static const char hex[16] = "0123456789abcdef";
    unsigned nibble = 0;
    for (unsigned i = 0; i < TEXT_UUID_LEN; i++) {
        if (is_dash_place(i)) {
            out[i] = '-';
            continue;
        }
        out[i] = hex[id[nibble / 16] >> (60 - nibble % 16 * 4) & 15];
        nibble++;
    }
    out[TEXT_UUID_LEN] = 0;
}

#if defined(__AVX2__)
/* What can be wrong with two bytes that follow each other, by their three first half bytes (Keiser
 * and Lemire, "Validating UTF-8 in less than one instruction per byte", 2021).  A pair is wrong
 * when all three agree on a fault. */
enum {
    TOO_SHORT = 1 << 0,  /* a lead, then no tail */
    TOO_LONG = 1 << 1,   /* ASCII, then a tail */
    OVERLONG_3 = 1 << 2, /* e0, then below a0 */
    TOO_LARGE = 1 << 3,  /* f4, then above 8f; f5 and more */
    SURROGATE = 1 << 4,  /* ed, then above 9f */
    OVERLONG_2 = 1 << 5, /* c0, c1 */
    BEYOND = 1 << 6,     /* f5 and more, then below 90; f0, then below 90 */
    TWO_TAILS = 1 << 7,  /* right only as the third or fourth byte */
    CARRY = TOO_SHORT | TOO_LONG | TWO_TAILS
};

static inline __m256i look_up(const uint8_t table[16], __m256i half_bytes)
{
    __m128i row = _mm_loadu_si128((const __m128i *)table);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(row), half_bytes);
}

/* utf8_faults is not zero where a sequence that ends, or should end, in v is wrong; before are the
 * 32 bytes in front. */
static inline __m256i utf8_faults(__m256i v, __m256i before)
{
    static const uint8_t first_high[16] = {TOO_LONG,
                                           TOO_LONG,
                                           TOO_LONG,
                                           TOO_LONG,
                                           TOO_LONG,
                                           TOO_LONG,
                                           TOO_LONG,
                                           TOO_LONG,
                                           TWO_TAILS,
                                           TWO_TAILS,
                                           TWO_TAILS,
                                           TWO_TAILS,
                                           TOO_SHORT | OVERLONG_2,
                                           TOO_SHORT,
                                           TOO_SHORT | OVERLONG_3 | SURROGATE,
                                           TOO_SHORT | TOO_LARGE | BEYOND};
    static const uint8_t first_low[16] = {CARRY | OVERLONG_3 | OVERLONG_2 | BEYOND,
                                          CARRY | OVERLONG_2,
                                          CARRY,
                                          CARRY,
                                          CARRY | TOO_LARGE,
                                          CARRY | TOO_LARGE | BEYOND,
                                          CARRY | TOO_LARGE | BEYOND,
                                          CARRY | TOO_LARGE | BEYOND,
                                          CARRY | TOO_LARGE | BEYOND,
                                          CARRY | TOO_LARGE | BEYOND,
                                          CARRY | TOO_LARGE | BEYOND,
                                          CARRY | TOO_LARGE | BEYOND,
                                          CARRY | TOO_LARGE | BEYOND,
                                          CARRY | TOO_LARGE | BEYOND | SURROGATE,
                                          CARRY | TOO_LARGE | BEYOND,
                                          CARRY | TOO_LARGE | BEYOND};
    static const uint8_t second_high[16] = {
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_LONG | OVERLONG_2 | TWO_TAILS | OVERLONG_3 | BEYOND,
        TOO_LONG | OVERLONG_2 | TWO_TAILS | OVERLONG_3 | TOO_LARGE,
        TOO_LONG | OVERLONG_2 | TWO_TAILS | SURROGATE | TOO_LARGE,
        TOO_LONG | OVERLONG_2 | TWO_TAILS | SURROGATE | TOO_LARGE,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT};
    const __m256i low_half = _mm256_set1_epi8(0x0f), top = _mm256_set1_epi8((char)0x80);
    __m256i across = _mm256_permute2x128_si256(before, v, 0x21);
    __m256i one = _mm256_alignr_epi8(v, across, 15);
    __m256i two = _mm256_alignr_epi8(v, across, 14), three = _mm256_alignr_epi8(v, across, 13);
    __m256i pair = _mm256_and_si256(
        _mm256_and_si256(look_up(first_high, _mm256_and_si256(_mm256_srli_epi16(one, 4), low_half)),
                         look_up(first_low, _mm256_and_si256(one, low_half))),
        look_up(second_high, _mm256_and_si256(_mm256_srli_epi16(v, 4), low_half)));
    /* Bytes that must be the third or fourth: there, and only there, two tails are right. */
    __m256i third = _mm256_subs_epu8(two, _mm256_set1_epi8((char)(0xe0 - 0x80)));
    __m256i fourth = _mm256_subs_epu8(three, _mm256_set1_epi8((char)(0xf0 - 0x80)));
    __m256i due = _mm256_and_si256(_mm256_or_si256(third, fourth), top);
    return _mm256_xor_si256(due, pair);
}

/* utf8_plain says whether len bytes, in [32, ...), are well-formed; false also for
 * those that do not end with ASCII. */
static bool utf8_plain(const uint8_t *bytes, size_t len)
{
    __m256i before = _mm256_setzero_si256(), faults = before;
    size_t at = 0;
    for (; len - at >= 32; at += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(bytes + at));
        faults = _mm256_or_si256(faults, utf8_faults(v, before));
        before = v;
    }
    uint8_t rest[32] = {0};
    memcpy(rest, bytes + at, len - at);
    __m256i v = _mm256_loadu_si256((const __m256i *)rest);
    faults = _mm256_or_si256(faults, utf8_faults(v, before));
    return _mm256_testz_si256(faults, faults) && bytes[len - 1] < 0x80;
}
#else
static bool utf8_plain(const uint8_t *bytes, size_t len)
{
    (void)bytes;
    (void)len;
    return false;
}
#endif

size_t text_utf8_valid(const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    if (len >= 32 && utf8_plain(bytes, len))
        return len;
    while (at < len) {
        if (len - at >= 8 && !(swar_load(bytes + at) & SWAR_BYTES(0x80))) {
            at += 8;
            continue;
        }
        unsigned sequence = utf8_sequence(bytes + at, len - at);
        if (!sequence)
            break;
        at += sequence;
    }
    return at;
}
