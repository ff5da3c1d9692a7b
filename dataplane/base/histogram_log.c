/* histogram_log.c - the V2 encoding, deflate, base64. */
#include "dataplane/base/histogram_log.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#define COOKIE_V2            0x1c849313u
#define COOKIE_V2_COMPRESSED 0x1c849314u
#define DIGITS               3
#define HEAD_BYTES           40u /* of the encoding, behind which the counts stand */
#define NUMBER_BYTES_MAX     9u
#define NS_PER_MS            1e6

/* What is written while a line is made. */
struct log_line {
    uint8_t raw[HEAD_BYTES + HISTOGRAM_COUNT * NUMBER_BYTES_MAX];
    uint8_t packed[8 + HEAD_BYTES + HISTOGRAM_COUNT * NUMBER_BYTES_MAX + 1024];
};

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    value = htobe32(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static uint8_t *put64(uint8_t *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

/* Seven bits a byte, the lowest first; the ninth byte has eight. */
static uint8_t *put_number(uint8_t *at, int64_t number)
{
    uint64_t value = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    for (unsigned i = 0; i + 1 < NUMBER_BYTES_MAX; i++) {
        if (value < 0x80) {
            *at++ = (uint8_t)value;
            return at;
        }
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_counts(uint8_t *at, const struct histogram *h)
{
    uint32_t end = HISTOGRAM_COUNT;
    while (end > 0 && !h->count[end - 1])
        end--;
    for (uint32_t i = 0; i < end;) {
        uint32_t zeros = i;
        while (!h->count[zeros])
            zeros++;
        if (zeros > i)
            at = put_number(at, -(int64_t)(zeros - i));
        else
            at = put_number(at, (int64_t)h->count[i]);
        i = zeros > i ? zeros : i + 1;
    }
    return at;
}

/* Returns how many bytes of raw were used. */
static size_t encode(uint8_t *raw, const struct histogram *h)
{
    static const double ratio = 1.0;
    uint64_t ratio_bits;
    uint8_t *end = put_counts(raw + HEAD_BYTES, h);
    memcpy(&ratio_bits, &ratio, sizeof ratio_bits);
    uint8_t *at = put32(raw, COOKIE_V2);
    at = put32(at, (uint32_t)(end - raw) - HEAD_BYTES);
    at = put32(at, 0); /* nothing is shifted */
    at = put32(at, DIGITS);
    at = put64(at, 1);
    at = put64(at, (1ull << HISTOGRAM_MAX_BITS) - 1);
    put64(at, ratio_bits);
    return (size_t)(end - raw);
}

static void print_base64(FILE *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t some = len - i < 3 ? len - i : 3;
        uint32_t word = (uint32_t)bytes[i] << 16;
        word |= some > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        word |= some > 2 ? bytes[i + 2] : 0;
        for (size_t d = 0; d < 4; d++)
            putc(d <= some ? digits[word >> (18 - 6 * d) & 63] : '=', out);
    }
}

void histogram_log_begin(FILE *out, double start_s)
{
    char text[32];
    time_t seconds = (time_t)start_s;
    struct tm tm;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
    fprintf(out,
            "#[Histogram log format version 1.3]\n"
            "#[StartTime: %.3f (seconds since epoch), %s]\n"
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_"
            "Histogram\"\n",
            start_s, text);
}

int histogram_log_add(FILE *out, double at_s, double length_s, const struct histogram *h)
{
    struct log_line *line = malloc(sizeof *line);
    if (!line)
        return -ENOMEM;
    uLongf packed = sizeof line->packed - 8;
    size_t raw = encode(line->raw, h);
    int rc = compress2(line->packed + 8, &packed, line->raw, raw, 6);
    if (rc == Z_OK) {
        put32(put32(line->packed, COOKIE_V2_COMPRESSED), (uint32_t)packed);
        fprintf(out, "%.3f,%.3f,%.3f,", at_s, length_s, (double)h->max / NS_PER_MS);
        print_base64(out, line->packed, packed + 8);
        putc('\n', out);
    }
    free(line);
    return rc == Z_OK ? 0 : -ENOMEM;
}
