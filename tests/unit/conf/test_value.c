/* test_value.c - what numbers, sizes, times, decimals and addresses mean, and what is refused. */
#include <errno.h>

#include "tests/unit/conf/load.h"

#include "conf/value.h"

struct row {
    const char *text;
    int rc;
    uint64_t value;
};

static void check(const struct row *rows, size_t count,
                  int (*parse)(const char *text, size_t len, uint64_t *value))
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 0;
        int rc = parse(rows[i].text, strlen(rows[i].text), &value);
        if (rc != rows[i].rc || (rc == 0 && value != rows[i].value))
            print_error("'%s'\n", rows[i].text);
        assert_int_equal(rc, rows[i].rc);
        if (rc == 0)
            assert_int_equal(value, rows[i].value);
    }
}

#define CHECK(rows, parse) check(rows, sizeof rows / sizeof *rows, parse)

static void numbers_are_digits_with_single_underscores_between(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0", 0, 0},
        {"7", 0, 7},
        {"1_000_000", 0, 1000000},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", -ERANGE, 0},
        {"99999999999999999999999", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"4x", -EINVAL, 0},
        {"1__0", -EINVAL, 0},
        {"_1", -EINVAL, 0},
        {"1_", -EINVAL, 0},
        {"010", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1.0", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
    };
    CHECK(rows, value_number);
}

static void sizes_need_a_unit_and_whole_bytes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0B", 0, 0},
        {"256MiB", 0, 256u << 20},
        {"1.5GiB", 0, 3ull << 29},
        {"1_024KiB", 0, 1u << 20},
        {"2MB", 0, 2000000},
        {"1KB", 0, 1000},
        {"3GB", 0, 3000000000},
        {"0.0005KB", -EDOM, 0},
        {"1.5B", -EDOM, 0},
        {"256", -ENOENT, 0},
        {"256M", -ENOENT, 0},
        {"256mib", -ENOENT, 0},
        {"256 MiB", -ENOENT, 0},
        {"256MiBs", -ENOENT, 0},
        {"MiB", -EINVAL, 0},
        {"1.MiB", -EINVAL, 0},
        {"17179869184GiB", -ERANGE, 0},
    };
    CHECK(rows, value_size);
}

static void times_need_a_unit_and_whole_nanoseconds(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0s", 0, 0},
        {"200us", 0, 200000},
        {"0.5ms", 0, 500000},
        {"15m", 0, 900000000000},
        {"1.000000001s", 0, 1000000001},
        {"7d", 0, 604800000000000},
        {"24h", 0, 86400000000000},
        {"5ns", 0, 5},
        {"0.1ns", -EDOM, 0},
        {"15", -ENOENT, 0},
        {"15min", -ENOENT, 0},
        {"1.0000000001s", -EINVAL, 0},
        {"s", -EINVAL, 0},
        {"300000d", -ERANGE, 0},
    };
    CHECK(rows, value_time);
}

static void decimals_become_the_nearest_fixed_point(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"2.5", 0, 5u << 15},
        {"1", 0, 1u << 16},
        {"0.1", 0, 6554}, /* 6553.6 */
        {"0.00001", 0, 1},
        {"0.000007", 0, 0},
        {"0.999999999", 0, 1u << 16},
        {"4294967295", 0, 4294967295ull << 16},
        {"4294967296", -ERANGE, 0},
        {"0.9999999999", -EINVAL, 0},
        {".5", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
        {"2.5x", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"nan", -EINVAL, 0},
    };
    CHECK(rows, value_fixed);
}

static void every_fixed_point_value_prints_as_what_reads_back(void **state)
{
    (void)state;
    for (uint32_t value = 0; value < (3u << 16); value += 7) {
        char text[64] = "";
        uint64_t back;
        FILE *out = fmemopen(text, sizeof text - 1, "w");
        value_print_fixed(out, value);
        fclose(out);
        assert_int_equal(value_fixed(text, strlen(text), &back), 0);
        assert_int_equal(back, value);
        assert_true(strlen(text) <= 7);
    }
}

static void assert_prints(void (*print)(FILE *out, uint64_t value), uint64_t value,
                          const char *expected)
{
    char text[64] = "";
    FILE *out = fmemopen(text, sizeof text - 1, "w");
    print(out, value);
    fclose(out);
    assert_string_equal(text, expected);
}

static void quantities_print_in_their_largest_whole_unit(void **state)
{
    (void)state;
    assert_prints(value_print_size, 0, "0B");
    assert_prints(value_print_size, 256u << 20, "256MiB");
    assert_prints(value_print_size, 1000000, "1MB");
    assert_prints(value_print_size, 1001, "1001B");
    assert_prints(value_print_time, 0, "0s");
    assert_prints(value_print_time, 200000, "200us");
    assert_prints(value_print_time, 90000000000, "90s");
    assert_prints(value_print_time, 86400000000000, "1d");
    assert_prints(value_print_time, 1, "1ns");
}

static void addresses_are_unicast_with_a_prefix_length(void **state)
{
    (void)state;
    struct conf_addr addr;
    assert_int_equal(value_address("192.0.2.7/24", &addr), 0);
    assert_int_equal(addr.family, 4);
    assert_int_equal(addr.prefix_len, 24);
    assert_memory_equal(addr.bytes, "\xc0\x00\x02\x07\0\0", 6);
    assert_int_equal(value_address("2001:db8::1/64", &addr), 0);
    assert_int_equal(addr.family, 6);
    assert_int_equal(addr.prefix_len, 64);
    assert_int_equal(addr.bytes[15], 1);
    static const char *const bad[] = {
        "192.0.2.7",       "192.0.2.7/",
        "192.0.2.7/0",     "192.0.2.7/33",
        "192.0.2/24",      "224.0.0.1/24",
        "0.0.0.0/24",      "0.1.2.3/8",
        "127.0.0.1/8",     "255.255.255.255/32",
        "ff02::1/64",      "::/64",
        "2001:db8::1/129", "/24",
        "2001:db8::1/64x", "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/64",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(value_address(bad[i], &addr), -EINVAL);
}

static void mac_addresses_are_six_bytes_of_one_station(void **state)
{
    (void)state;
    uint8_t mac[6];
    assert_int_equal(value_mac("02:00:5E:00:aB:01", 17, mac), 0);
    assert_memory_equal(mac, "\x02\x00\x5e\x00\xab\x01", 6);
    static const char *const bad[] = {"01:00:5e:00:00:01", "00:00:00:00:00:00",
                                      "02-00-5e-00-00-01", "02:00:5e:00:00:0g",
                                      "02:00:5e:00:00",    "02:00:5e:00:00:01:"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(value_mac(bad[i], strlen(bad[i]), mac), -EINVAL);
}

static void devices_are_pci_addresses_or_dpdk_names(void **state)
{
    (void)state;
    static const char *const good[] = {"0000:8a:00.0", "8a:00.7", "net_tap0,iface=trove0",
                                       "net_af_packet0", "net_virtio_user0,path=/tmp/s,queues=1"};
    static const char *const bad[] = {"eth0", "0000:8a:00.8",  "000:8a:00.0",
                                      "net_", "net_tap0 x",    "net_tap0;x",
                                      "",     "net_tap0,\x1b", "0000:8a:00.0x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(value_device_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(value_device_valid(bad[i], strlen(bad[i])));
}

static void names_are_short_and_of_safe_characters(void **state)
{
    (void)state;
    assert_true(value_name_valid("spring-26_a.B", 13, 64));
    assert_false(value_name_valid("", 0, 64));
    assert_false(value_name_valid("a b", 3, 64));
    assert_false(value_name_valid("\xc3\xa9", 2, 64));
    assert_false(value_name_valid("abc", 3, 2));
}

static void text_prints_with_quotes_where_yaml_needs_them(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"A4", "A4"},     {"a b", "\"a b\""},   {"a\"b\\", "\"a\\\"b\\\\\""},
        {"", "\"\""},     {"/var/x", "/var/x"}, {"#x", "\"#x\""},
        {"a:", "\"a:\""}, {"a:b", "a:b"},       {"net_tap0,iface=t", "\"net_tap0,iface=t\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[64] = "";
        FILE *out = fmemopen(text, sizeof text - 1, "w");
        value_print_text(out, rows[i][0]);
        fclose(out);
        assert_string_equal(text, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_digits_with_single_underscores_between),
        cmocka_unit_test(sizes_need_a_unit_and_whole_bytes),
        cmocka_unit_test(times_need_a_unit_and_whole_nanoseconds),
        cmocka_unit_test(decimals_become_the_nearest_fixed_point),
        cmocka_unit_test(every_fixed_point_value_prints_as_what_reads_back),
        cmocka_unit_test(quantities_print_in_their_largest_whole_unit),
        cmocka_unit_test(addresses_are_unicast_with_a_prefix_length),
        cmocka_unit_test(mac_addresses_are_six_bytes_of_one_station),
        cmocka_unit_test(devices_are_pci_addresses_or_dpdk_names),
        cmocka_unit_test(names_are_short_and_of_safe_characters),
        cmocka_unit_test(text_prints_with_quotes_where_yaml_needs_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
