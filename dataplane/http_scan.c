/* http_scan.c - see http_scan.h. */
#include "dataplane/http_scan.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define T HTTP_TOKEN
#define U HTTP_URI
#define H HTTP_HOST
#define A HTTP_ADDR6
#define D HTTP_DIGIT

const uint8_t http_classes[256] = {
    ['0' ... '9'] = T | U | H | A | D,
    ['a' ... 'f'] = T | U | H | A,
    ['g' ... 'z'] = T | U | H,
    ['A' ... 'F'] = T | U | H | A,
    ['G' ... 'Z'] = T | U | H,
    ['-'] = T | U | H,
    ['.'] = T | U | H | A,
    ['_'] = T | U | H,
    ['~'] = T | U | H,
    ['!'] = T | U,
    ['$'] = T | U,
    ['&'] = T | U,
    ['\''] = T | U,
    ['*'] = T | U,
    ['+'] = T | U,
    ['#'] = T,
    ['%'] = T,
    ['^'] = T,
    ['`'] = T,
    ['|'] = T,
    ['('] = U,
    [')'] = U,
    [','] = U,
    [';'] = U,
    ['='] = U,
    ['@'] = U,
    ['/'] = U,
    ['?'] = U,
    [':'] = U | A,
};

static bool is_control(uint8_t c)
{
    return c < 0x20 || c == 0x7f;
}

#if defined(__AVX2__)
#define STRIDE 32

/* As signed bytes, what is below 0x20 is the control characters and all that is not ASCII. */
static uint32_t stops(const uint8_t *p)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)p);
    __m256i below = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), v);
    __m256i ascii = _mm256_cmpgt_epi8(v, _mm256_set1_epi8(-1));
    __m256i del = _mm256_cmpeq_epi8(v, _mm256_set1_epi8(0x7f));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(_mm256_and_si256(below, ascii), del));
}

static uint32_t first_stop(uint32_t found)
{
    return (uint32_t)__builtin_ctz(found);
}
#else
#define STRIDE 8

/* The highest bit of each byte that is a control character. */
static uint64_t stops(const uint8_t *p)
{
    const uint64_t high = SWAR_BYTES(0x80);
    uint64_t w = swar_load(p);
    uint64_t seven = w & ~high;
    uint64_t above = seven + SWAR_BYTES(0x80 - 0x20);
    uint64_t other = (seven ^ SWAR_BYTES(0x7f)) + ~high;
    return ~(above & other) & ~w & high;
}

static uint32_t first_stop(uint64_t found)
{
    return (uint32_t)__builtin_ctzll(found) / 8;
}
#endif

uint32_t http_scan(const uint8_t *bytes, uint32_t at, uint32_t end)
{
    for (; end - at >= STRIDE; at += STRIDE) {
        __typeof__(stops(bytes)) found = stops(bytes + at);
        if (found)
            return at + first_stop(found);
    }
    while (at < end && !is_control(bytes[at]))
        at++;
    return at;
}
