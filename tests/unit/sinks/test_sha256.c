/* test_sha256.c - against FIPS 180-4's examples and RFC 4231's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sinks/sha256.h"

static void a_hash_is_that_of_all_pieces(void **state)
{
    char hex[SHA256_HEX];
    struct sha256 *sha = sha256_new();
    (void)state;
    sha256_update(sha, "a", 1);
    sha256_update(sha, "bc", 2);
    assert_int_equal(sha256_final(sha, hex), 0);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_reset(sha);
    assert_int_equal(sha256_final(sha, hex), 0);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_free(sha);
}

static void an_hmac_is_that_of_rfc_4231(void **state)
{
    char hex[SHA256_HEX];
    struct sha256 *sha = sha256_new_hmac("Jefe", 4);
    (void)state;
    sha256_update(sha, "what do ya want ", 16);
    sha256_update(sha, "for nothing?", 12);
    assert_int_equal(sha256_final(sha, hex), 0);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    sha256_free(sha);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_is_that_of_all_pieces),
        cmocka_unit_test(an_hmac_is_that_of_rfc_4231),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
