/* test_nats_reply.c - replies of a JetStream server: what is taken, and what is none. */
#include "tests/unit/journal_kit.h"

#include <errno.h>

#include "sinks/nats_reply.h"

#define PARSE(parse, text, ...) parse(text, strlen(text), __VA_ARGS__)

static void acknowledgements(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"stream\":\"other\",\"seq\":1}",
        "{\"stream\":\"s\"}",
        "{\"stream\":\"s\",\"seq\":0}",
        "{\"stream\":\"s\",\"seq\":-1}",
        "{\"stream\":\"s\",\"seq\":\"1\"}",
        "{\"stream\":\"s\",\"seq\":1.5}",
        "{\"stream\":\"s\",\"stream\":\"s\",\"seq\":1}",
        "{\"stream\":\"s\",\"seq\":1}x",
        "{\"stream\":\"s\",\"seq\":99999999999999999999}",
    };
    struct nats_ack ack;
    (void)state;
    assert_int_equal(PARSE(nats_ack_parse, "{\"stream\":\"s\",\"seq\":7}", "s", &ack), 0);
    assert_int_equal(ack.seq, 7);
    assert_false(ack.duplicate);
    assert_int_equal(ack.refusal.code, NATS_NO_ERROR);
    assert_int_equal(
        PARSE(nats_ack_parse, "{\"stream\":\"s\",\"seq\":7,\"duplicate\":true}", "s", &ack), 0);
    assert_true(ack.duplicate);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(PARSE(nats_ack_parse, bad[i], "s", &ack), -EPROTO);
}

static void refusals(void **state)
{
    struct nats_ack ack;
    (void)state;
    assert_int_equal(PARSE(nats_ack_parse,
                           "{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong "
                           "last sequence: 3\"},\"stream\":\"s\",\"seq\":0}",
                           "s", &ack),
                     0);
    assert_int_equal(ack.refusal.code, NATS_WRONG_SEQUENCE);
    assert_string_equal(ack.refusal.text, "wrong last sequence: 3");
    assert_int_equal(PARSE(nats_ack_parse, "{\"error\":{\"err_code\":-4}}", "s", &ack), 0);
    assert_int_equal(ack.refusal.code, UINT32_MAX);
    assert_string_equal(ack.refusal.text, "an error without a name");
    assert_int_equal(PARSE(nats_ack_parse, "{\"error\":7}", "s", &ack), -EPROTO);
}

static void what_a_stream_is(void **state)
{
    struct nats_info info;
    (void)state;
    assert_int_equal(
        PARSE(nats_info_parse,
              "{\"config\":{\"name\":\"s\",\"duplicate_window\":120000000000,\"no_ack\""
              ":true,\"sealed\":false,\"mirror\":{\"name\":\"x\"}},\"state\":{"
              "\"messages\":3,\"last_seq\":9}}",
              "s", &info),
        0);
    assert_int_equal(info.window_ns, 120000000000);
    assert_int_equal(info.messages, 3);
    assert_int_equal(info.last_seq, 9);
    assert_true(info.no_ack && !info.sealed && info.mirror);
    assert_int_equal(PARSE(nats_info_parse, "{\"config\":{\"name\":\"s\"}}", "s", &info), -EPROTO);
    assert_int_equal(
        PARSE(nats_info_parse,
              "{\"config\":{\"name\":\"t\"},\"state\":{\"messages\":3,\"last_seq\":9}}", "s",
              &info),
        -EPROTO);
    assert_int_equal(
        PARSE(nats_info_parse,
              "{\"config\":{\"name\":\"s\"},\"state\":{\"messages\":3,\"last_seq\":-1}}", "s",
              &info),
        -EPROTO);
}

static size_t encode_base64(const char *bytes, char *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(bytes), at = 0;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t word = (uint32_t)(uint8_t)bytes[i] << 16;
        if (i + 1 < len)
            word |= (uint32_t)(uint8_t)bytes[i + 1] << 8;
        if (i + 2 < len)
            word |= (uint8_t)bytes[i + 2];
        out[at++] = letters[word >> 18];
        out[at++] = letters[word >> 12 & 63];
        out[at++] = i + 1 < len ? letters[word >> 6 & 63] : '=';
        out[at++] = i + 2 < len ? letters[word & 63] : '=';
    }
    out[at] = '\0';
    return at;
}

static int parse_stored(const char *at, struct nats_stored *stored)
{
    char headers[8192], hdrs[12000], reply[16000];
    snprintf(headers, sizeof headers, "NATS/1.0\r\nNats-Msg-Id: x\r\nTrove-At: %s\r\n\r\n", at);
    encode_base64(headers, hdrs);
    snprintf(reply, sizeof reply, "{\"message\":{\"hdrs\":\"%s\"}}", hdrs);
    return PARSE(nats_stored_parse, reply, stored);
}

static void the_ends_come_back_as_they_were_sent(void **state)
{
    struct sink_end end[SINK_EPOCH_JOURNALS_MAX] = {
        [1] = {.epoch = 3, .ordinal = 77},
        [4] = {.epoch = UINT32_MAX, .ordinal = UINT64_MAX},
    };
    struct nats_stored stored;
    char text[ENDS_TEXT_MAX];
    (void)state;
    ends_encode("0123456789abcdef", end, text);
    assert_string_equal(text, "0123456789abcdef ,3-77,,,4294967295-18446744073709551615");
    assert_int_equal(parse_stored(text, &stored), 0);
    assert_true(stored.ours);
    assert_string_equal(stored.journal, "0123456789abcdef");
    for (unsigned i = 0; i < SINK_EPOCH_JOURNALS_MAX; i++) {
        assert_int_equal(stored.end[i].epoch, end[i].epoch);
        assert_int_equal(stored.end[i].ordinal, end[i].ordinal);
        end[i] = (struct sink_end){.epoch = UINT32_MAX, .ordinal = UINT64_MAX};
    }
    ends_encode("0123456789abcdef", end, text);
    assert_int_equal(parse_stored(text, &stored), 0);
    assert_true(stored.ours);
    assert_int_equal(stored.end[63].ordinal, UINT64_MAX);
}

static void headers_of_others_are_not_ours(void **state)
{
    static const char *const others[] = {"",
                                         " ",
                                         "j",
                                         "j x",
                                         "j 1",
                                         "j 1-",
                                         "j 1-x",
                                         "j 1-2x",
                                         "j 1-2,,-3",
                                         "j -1-2",
                                         "j 4294967296-1",
                                         "j 1-18446744073709551616",
                                         "a-name-that-is-much-too-long 1-2",
                                         "j 1-2;3-4"};
    struct nats_stored stored;
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(parse_stored(others[i], &stored), 0);
        assert_false(stored.ours);
    }
    static const char *const hdrs[] = {"", "====", "A", "AAA*", "TkFUUw==", "=AAA"};
    for (size_t i = 0; i < sizeof hdrs / sizeof *hdrs; i++) {
        char reply[64];
        snprintf(reply, sizeof reply, "{\"message\":{\"hdrs\":\"%s\"}}", hdrs[i]);
        assert_int_equal(PARSE(nats_stored_parse, reply, &stored), 0);
        assert_false(stored.ours);
    }
    assert_int_equal(PARSE(nats_stored_parse, "{\"message\":{}}", &stored), 0);
    assert_false(stored.ours);
    assert_int_equal(PARSE(nats_stored_parse, "{}", &stored), -EPROTO);
    assert_int_equal(PARSE(nats_stored_parse, "{\"error\":{\"err_code\":10037}}", &stored), 0);
    assert_int_equal(stored.refusal.code, NATS_NO_MESSAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledgements),
        cmocka_unit_test(refusals),
        cmocka_unit_test(what_a_stream_is),
        cmocka_unit_test(the_ends_come_back_as_they_were_sent),
        cmocka_unit_test(headers_of_others_are_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
