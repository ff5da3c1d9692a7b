/* test_decimal.c - numbers compare as what they mean, not as what a double makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/decimal.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct decimal read(const char *text)
{
    return decimal_read((const uint8_t *)text, strlen(text));
}

/* From the least to the greatest; those of one row are equal. */
static const char *const ladder[][4] = {
    {"-1e99999999999999999999", "-2e99999999999999999999"},
    {"-1e400", "-10e399"},
    {"-9007199254740993"},
    {"-9007199254740992"},
    {"-1.5", "-1.50", "-0.15e1", "-15E-1"},
    {"-1.4999999999999999999999999999999999999"},
    {"-0.001"},
    {"-1e-99999999999999999999"},
    {"0", "-0", "0.000", "-0e99999999999999999999"},
    {"1e-400"},
    {"0.1", "1e-1", "0.10"},
    {"0.10000000000000000555111512312578270211815834045410156"},
    {"0.3"},
    {"0.30000000000000004"},
    {"1", "1.0", "10e-1", "0.1e1"},
    {"9.99"},
    {"10", "1e1", "1E+1"},
    {"10.01"},
    {"100.5"},
    {"101"},
    {"9007199254740992"},
    {"9007199254740993"},
    {"123456789012345678901234567890"},
    {"123456789012345678901234567891"},
    {"1e400", "0.1e401"},
};

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void numbers_stand_in_their_order(void **state)
{
    (void)state;
    /* The first row's exponents are cut: greater than any other, and not to be told apart. */
    for (size_t i = 0; i < COUNT(ladder); i++)
        for (size_t j = 0; j < COUNT(ladder); j++)
            for (size_t a = 0; a < 4 && ladder[i][a]; a++)
                for (size_t b = 0; b < 4 && ladder[j][b]; b++) {
                    struct decimal x = read(ladder[i][a]), y = read(ladder[j][b]);
                    if (i == 0 && j == 0)
                        continue;
                    assert_int_equal(sign(decimal_compare(&x, &y)), i < j ? -1 : i > j);
                }
}

static void whole_numbers_are_whole_however_written(void **state)
{
    (void)state;
    static const char *const whole[] = {"0", "-0.0", "1", "1.0", "-12.50e1", "3e2", "120", "0.5e1"};
    static const char *const other[] = {"0.5", "1.05", "-12.55e1", "1e-1", "12e-1", "1e-99999"};
    for (size_t i = 0; i < COUNT(whole); i++) {
        struct decimal d = read(whole[i]);
        assert_true(decimal_is_whole(&d));
    }
    for (size_t i = 0; i < COUNT(other); i++) {
        struct decimal d = read(other[i]);
        assert_false(decimal_is_whole(&d));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_stand_in_their_order),
        cmocka_unit_test(whole_numbers_are_whole_however_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
