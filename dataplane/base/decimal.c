/* decimal.c - see decimal.h. */
#include "dataplane/base/decimal.h"

#define EXPONENT_MAX (INT64_C(1) << 40)

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* exponent reads what follows an 'e'. */
static int64_t exponent(const uint8_t *at, const uint8_t *end)
{
    int64_t value = 0;
    bool minus = at < end && *at == '-';
    if (at < end && !is_digit(*at))
        at++;
    for (; at < end && value < EXPONENT_MAX; at++)
        value = value * 10 + (*at - '0');
    value = value < EXPONENT_MAX ? value : EXPONENT_MAX;
    return minus ? -value : value;
}

struct decimal decimal_read(const uint8_t *text, size_t len)
{
    const uint8_t *at = text, *end = text + len, *last = NULL;
    struct decimal d = {0};
    bool fraction = false;
    uint32_t count = 0;
    d.negative = at < end && *at == '-';
    at += d.negative;
    for (; at < end && (is_digit(*at) || *at == '.'); at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        if (!d.digits && *at == '0') {
            d.magnitude -= fraction; /* 0.00123 is 0.123 with magnitude -2 */
            continue;
        }
        if (!d.digits)
            d.digits = at;
        d.magnitude += !fraction;
        count++;
        if (*at == '0')
            continue;
        last = at;
        d.count = count;
    }
    if (!d.digits)
        return (struct decimal){0}; /* -0 is 0 */
    d.len = (uint32_t)(last + 1 - d.digits);
    if (at < end)
        d.magnitude += exponent(at + 1, end);
    return d;
}

static int compare_digits(const struct decimal *a, const struct decimal *b)
{
    const uint8_t *x = a->digits, *y = b->digits;
    const uint8_t *x_end = x + a->len, *y_end = y + b->len;
    for (;;) {
        x += x < x_end && *x == '.';
        y += y < y_end && *y == '.';
        /* The last digit of either is not 0: who goes on is greater. */
        if (x == x_end || y == y_end)
            return (x < x_end) - (y < y_end);
        if (*x != *y)
            return *x < *y ? -1 : 1;
        x++;
        y++;
    }
}

int decimal_compare(const struct decimal *a, const struct decimal *b)
{
    int a_sign = a->len == 0 ? 0 : a->negative ? -1 : 1;
    int b_sign = b->len == 0 ? 0 : b->negative ? -1 : 1;
    if (a_sign != b_sign || a_sign == 0)
        return a_sign - b_sign;
    if (a->magnitude != b->magnitude)
        return a->magnitude < b->magnitude ? -a_sign : a_sign;
    return compare_digits(a, b) * a_sign;
}
