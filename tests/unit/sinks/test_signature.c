/* test_signature.c - against HMACs that others have computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sinks/signature.h"

/* printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key, and the like. */
static void the_time_and_the_body_are_signed(void **state)
{
    char out[SIGNATURE_MAX];
    (void)state;
    assert_int_equal(signature_make("key", 3, 1700000000, "{\"a\":1}", 7, out), 0);
    assert_string_equal(out, "t=1700000000,v1="
                             "a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03");
    assert_int_equal(signature_make("k", 1, 0, "", 0, out), 0);
    assert_string_equal(out, "t=0,v1="
                             "6b4a4b8b3c40f1e8f53a3d36682e5f99f7ad2ac1df1c93dfe336f329167641e7");
    assert_int_equal(signature_make("k", 1, UINT64_MAX, "", 0, out), 0);
    assert_in_range(strlen(out), 1, SIGNATURE_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_time_and_the_body_are_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
