/* test_profile.c - values and lists of a profile are read strictly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/blast_profile.h"
#include "bench/blast_target.h"
#include "bench/blast_value.h"

#define WHOLE (1ull << 32)

static void counts_take_powers_of_a_thousand(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t count;
    } right[] = {{"0", 0},           {"17", 17},      {"240k", 240000}, {"1.2M", 1200000},
                 {"2G", 2000000000}, {"1_000", 1000}, {"0.5k", 500}};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        uint64_t count = 1;
        assert_int_equal(blast_value_count(right[i].text, &count), 0);
        assert_int_equal(count, right[i].count);
    }
    static const char *const wrong[] = {"",      "k",    "-1",  "1x",  "1kk",     "1.",
                                        ".5",    "1e3",  " 1",  "1 ",  "_1",      "1_",
                                        "1.2.3", "0x10", "nan", "inf", "2000000G"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t count;
        if (blast_value_count(wrong[i], &count) == 0)
            fail_msg("'%s' was taken", wrong[i]);
    }
}

static void durations_need_their_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } right[] = {{"1ns", 1},           {"1.5us", 1500},        {"200ms", 200000000},
                 {"90s", 90000000000}, {"20m", 1200000000000}, {"1h", 3600000000000}};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        uint64_t ns;
        assert_int_equal(blast_value_duration(right[i].text, &ns), 0);
        assert_int_equal(ns, right[i].ns);
    }
    static const char *const wrong[] = {"", "1", "s", "1sec", "1d", "-1s", "1s ", "481h"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t ns;
        if (blast_value_duration(wrong[i], &ns) == 0)
            fail_msg("'%s' was taken", wrong[i]);
    }
}

static void shares_are_percentages(void **state)
{
    (void)state;
    uint64_t share;
    assert_int_equal(blast_value_share("100%", &share), 0);
    assert_int_equal(share, WHOLE);
    assert_int_equal(blast_value_share("0.5%", &share), 0);
    assert_in_range(share, WHOLE / 200 - 1, WHOLE / 200 + 1);
    assert_true(blast_value_share("0.5", &share) < 0);
    assert_true(blast_value_share("101%", &share) < 0);
    assert_true(blast_value_share("%", &share) < 0);
}

static void macs_are_six_bytes(void **state)
{
    (void)state;
    uint8_t mac[6];
    static const uint8_t want[6] = {0x02, 0xab, 0, 0xff, 0x10, 0x01};
    assert_int_equal(blast_value_mac("02:aB:00:ff:10:01", mac), 0);
    assert_memory_equal(mac, want, 6);
    assert_true(blast_value_mac("02:ab:00:ff:10", mac) < 0);
    assert_true(blast_value_mac("02:ab:00:ff:10:01:02", mac) < 0);
    assert_true(blast_value_mac("02:ab:00:ff:10:0g", mac) < 0);
    assert_true(blast_value_mac("", mac) < 0);
}

static void types_share_by_weight(void **state)
{
    (void)state;
    struct blast_profile profile;
    blast_profile_init(&profile);
    assert_int_equal(blast_profile_types(&profile, "view:90,purchase:10"), 0);
    assert_int_equal(profile.type_count, 2);
    assert_string_equal(profile.types[0].name, "view");
    assert_string_equal(profile.types[1].name, "purchase");
    assert_in_range(profile.types[0].below, WHOLE / 10 * 9, WHOLE / 10 * 9 + 9);
    assert_int_equal(profile.types[1].below, WHOLE);
    assert_int_equal(blast_profile_types(&profile, "a,b,c:2"), 0);
    assert_int_equal(profile.types[1].below, WHOLE / 2);
}

static void types_that_could_not_be_written_into_json_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        ":1",
                                        "a:",
                                        "a:0",
                                        "a:1,",
                                        "a\"b",
                                        "a b",
                                        "a\\",
                                        "a:1:2",
                                        "a\xc3:1",
                                        "123456789012345678901234567890123"};
    struct blast_profile profile;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        blast_profile_init(&profile);
        if (blast_profile_types(&profile, wrong[i]) == 0)
            fail_msg("'%s' was taken", wrong[i]);
    }
}

static void hunts_add_up_to_at_most_everything(void **state)
{
    (void)state;
    struct blast_profile profile;
    blast_profile_init(&profile);
    assert_int_equal(blast_profile_hunt(&profile, "spring-26:25%"), 0);
    assert_int_equal(blast_profile_hunt(&profile, "a:b:50%"), 0);
    assert_string_equal(profile.hunts[1].name, "a:b");
    assert_int_equal(profile.hunts[1].below, WHOLE / 4 * 3);
    assert_true(blast_profile_hunt(&profile, "c:26%") < 0);
    assert_int_equal(blast_profile_hunt(&profile, "rest"), 0);
    assert_int_equal(profile.hunts[2].below, WHOLE);
    assert_true(blast_profile_hunt(&profile, ":1%") < 0);
}

static void shifted_clocks_have_a_share_and_a_span(void **state)
{
    (void)state;
    uint64_t share, ns;
    assert_int_equal(blast_profile_shifted("50%:90s", &share, &ns), 0);
    assert_int_equal(share, WHOLE / 2);
    assert_int_equal(ns, 90000000000);
    assert_true(blast_profile_shifted("50%", &share, &ns) < 0);
    assert_true(blast_profile_shifted("50%:", &share, &ns) < 0);
    assert_true(blast_profile_shifted(":90s", &share, &ns) < 0);
    assert_true(blast_profile_shifted("000000000000000000000000000001%:90s", &share, &ns) < 0);
}

static void targets_are_numeric_addresses_with_a_port(void **state)
{
    (void)state;
    struct blast_target target;
    assert_int_equal(blast_target_parse(&target, "udp://[2001:db8::7]:7001"), 0);
    assert_int_equal(target.family, 6);
    assert_int_equal(target.addr[0], 0x20);
    assert_int_equal(target.addr[15], 7);
    assert_int_equal(blast_target_parse(&target, "dpdk://192.0.2.7:65535"), 0);
    assert_int_equal(target.kind, BLAST_TARGET_DPDK);
    assert_int_equal(target.family, 4);
    assert_int_equal(target.addr[3], 7);
    assert_int_equal(target.port, 65535);
    assert_int_equal(blast_target_parse(&target, "null:"), 0);
    static const char *const wrong[] = {
        "",
        "udp://",
        "udp://host:1",
        "udp://1.2.3.4",
        "udp://1.2.3.4:",
        "udp://1.2.3.4:0",
        "udp://1.2.3.4:65536",
        "udp://1.2.3.4:7001x",
        "udp://::1:7001",
        "udp://[::1]7001",
        "udp://[::1",
        "udp://[1.2.3.4]:1",
        "tcp://1.2.3.4:1",
        "1.2.3.4:1",
        "udp://1111111111111111111111111111111111111111111111111:1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (blast_target_parse(&target, wrong[i]) == 0)
            fail_msg("'%s' was taken", wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_take_powers_of_a_thousand),
        cmocka_unit_test(durations_need_their_unit),
        cmocka_unit_test(shares_are_percentages),
        cmocka_unit_test(macs_are_six_bytes),
        cmocka_unit_test(types_share_by_weight),
        cmocka_unit_test(types_that_could_not_be_written_into_json_are_refused),
        cmocka_unit_test(hunts_add_up_to_at_most_everything),
        cmocka_unit_test(shifted_clocks_have_a_share_and_a_span),
        cmocka_unit_test(targets_are_numeric_addresses_with_a_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
