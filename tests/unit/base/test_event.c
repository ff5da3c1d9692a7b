/* test_event.c - an event is accepted or rejected by the rules to the byte, and never read past its
 * end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "dataplane/base/event.h"
#include "dataplane/base/event_scan.h"
#include "dataplane/base/text.h"
#include "tests/unit/base/event_cases.h"
#include "tests/unit/base/reference_event.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define EXAMPLE                                                                                    \
    "{" ID "," TIME "," USER "," TYPE                                                              \
    ",\n \"item\":\"85123A\",\"hunt\":\"spring-26\",\"data\":{\"price\":2.55}}"

static const struct event_limits limits = {.event_bytes = 16384, .event_depth = 8};
static struct hash_key key;

static int make_key(void **state)
{
    (void)state;
    const uint8_t seed[HASH_SEED_BYTES] = {7};
    hash_key_init(&key, seed);
    return 0;
}

static enum reason parse(const char *text, struct event *event)
{
    return event_parse(&limits, &key, (const uint8_t *)text, (uint32_t)strlen(text), event);
}

static void assert_as_reference(const struct event_limits *l, const char *text, uint32_t len)
{
    const char *difference = reference_event_differs(l, &key, (const uint8_t *)text, len);
    if (difference)
        fail_msg("%s differs from the reference for: %.*s", difference, (int)len, text);
}

static void the_example_is_read_field_by_field(void **state)
{
    (void)state;
    struct event e;
    assert_int_equal(parse(EXAMPLE, &e), REASON_none);
    assert_int_equal(e.reason, REASON_none);
    assert_true(e.id[0] == 0x7f3c1e2a9b4d4c8e && e.id[1] == 0xa1f20d9e8c7b6a5f);
    assert_int_equal(e.time_ms, 1795209600123);
    struct hash128 user = hash128(&key, "u-1042", 6);
    assert_true(e.user_key.lo == user.lo && e.user_key.hi == user.hi);
    assert_true(e.type_key == hash64(&key, "view", 4));
    assert_true(e.item_key == hash64(&key, "85123A", 6));
    assert_true(e.hunt_key == hash64(&key, "spring-26", 9));
    assert_true(e.tile_key == 0);
    assert_int_equal(e.flags, EVENT_HAS_ITEM | EVENT_HAS_HUNT | EVENT_HAS_DATA);
    assert_int_equal(e.len, strlen(EXAMPLE));
    assert_int_equal(e.user.len, 6);
    assert_memory_equal(e.bytes + e.user.off, "u-1042", 6);
    assert_int_equal(e.item.len, 6);
    assert_memory_equal(e.bytes + e.item.off, "85123A", 6);
    assert_int_equal(e.data.len, 14);
    assert_memory_equal(e.bytes + e.data.off, "{\"price\":2.55}", 14);
}

static void a_rejection_names_its_reason_and_the_byte_that_decided(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(decided); i++) {
        char text[512];
        const char *mark = strchr(decided[i].text, '@');
        assert_non_null(mark);
        size_t offset = (size_t)(mark - decided[i].text);
        snprintf(text, sizeof text, "%.*s%s", (int)offset, decided[i].text, mark + 1);
        struct event e;
        enum reason reason = parse(text, &e);
        if (reason != decided[i].reason || e.reason_offset != offset)
            fail_msg("%s at %u, not %s at %zu: %s", reason_name(reason), (unsigned)e.reason_offset,
                     reason_name(decided[i].reason), offset, text);
        assert_int_equal(e.reason, reason);
        assert_as_reference(&limits, text, (uint32_t)strlen(text));
    }
}

static void any_value_of_any_key_is_judged_as_by_the_reference(void **state)
{
    (void)state;
    static const char *const frames[] = {
        "{\"%s\":%s}",
        "{" REQUIRED ",\"%s\":%s}",
        "{\"%s\":%s," ID "," TIME "," TYPE "}",
        " {\"%s\" : %s , " USER " , " TIME " ,\n" TYPE "\t,\r\n" ID " } ",
    };
    for (size_t f = 0; f < COUNT(frames); f++)
        for (size_t k = 0; k < COUNT(keys); k++)
            for (size_t v = 0; v < COUNT(values); v++) {
                char text[1024];
                int len = snprintf(text, sizeof text, frames[f], keys[k], values[v]);
                assert_in_range(len, 1, sizeof text - 1);
                assert_as_reference(&limits, text, (uint32_t)len);
            }
}

static void a_value_alone_is_judged_as_by_the_reference(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT(values); v++)
        assert_as_reference(&limits, values[v], (uint32_t)strlen(values[v]));
}

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* mutate changes, inserts, deletes or repeats a few bytes; the result may be longer by 16. */
static uint32_t mutate(char *text, uint32_t len, uint64_t *seed)
{
    static const char alphabet[] =
        "{}[]:,\"\\u0d8cDtfn19.-+eE \n\t\x01\x80\xc3\xa4\xe2\xed\xf0\xff";
    for (uint64_t n = 1 + random_next(seed) % 3; n > 0; n--) {
        uint32_t at = (uint32_t)(random_next(seed) % (len + 1));
        char c = alphabet[random_next(seed) % (sizeof alphabet - 1)];
        uint32_t part = (uint32_t)(random_next(seed) % 5);
        if (part > len - at)
            part = len - at;
        switch (random_next(seed) % 4) {
        case 0:
            if (at < len)
                text[at] = c;
            break;
        case 1:
            memmove(text + at + 1, text + at, len - at);
            text[at] = c;
            len++;
            break;
        case 2:
            memmove(text + at, text + at + part, len - at - part);
            len -= part;
            break;
        default:
            memmove(text + at + part, text + at, len - at);
            len += part;
        }
    }
    return len;
}

static void mutated_events_are_judged_as_by_the_reference(void **state)
{
    (void)state;
    static const char *const seeds[] = {
        EXAMPLE,
        "{\"\\u0069d\":\"7F3C1E2A-9B4D-4C8E-A1F2-0D9E8C7B6A5F\",\"time\":\"2026-11-20T12:00:01.5+"
        "01:00\",\"user\":\"J\\u00fcrgen \\ud83d\\ude00 \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\","
        "\"type\":\"scan\",\"tile\":\"C9\",\"x\":[1,-2.5e3,true,null,{\"a\":\"\\\\\"}]}",
        " { \"data\" : [ [ [ ] , { } ] ] , \"type\" : \"v\" , \"user\" : \"u\" , \"time\" : 0 , " ID
        " } ",
    };
    uint64_t seed = 0x9e3779b97f4a7c15;
    unsigned accepted = 0;
    for (unsigned i = 0; i < 150000; i++) {
        char text[512];
        struct event e;
        const char *from = seeds[i % COUNT(seeds)];
        memcpy(text, from, strlen(from));
        uint32_t len = mutate(text, (uint32_t)strlen(from), &seed);
        assert_as_reference(&limits, text, len);
        accepted += event_parse(&limits, &key, (uint8_t *)text, len, &e) == REASON_none;
    }
    assert_in_range(accepted, 10000, 140000); /* both sides were seen */
}

/* permute walks all orders of the members (Heap's algorithm) and checks each. */
static void permute(const char **members, unsigned count, const struct event *want)
{
    if (count > 1) {
        for (unsigned i = 0; i < count; i++) {
            permute(members, count - 1, want);
            unsigned other = count % 2 ? 0 : i;
            const char *swapped = members[other];
            members[other] = members[count - 1];
            members[count - 1] = swapped;
        }
        return;
    }
    char text[512];
    struct event e;
    snprintf(text, sizeof text, "{%s,%s,%s,%s,%s,%s,%s}", members[0], members[1], members[2],
             members[3], members[4], members[5], members[6]);
    assert_int_equal(parse(text, &e), REASON_none);
    assert_true(e.id[0] == want->id[0] && e.id[1] == want->id[1]);
    assert_true(e.time_ms == want->time_ms && e.user_key.lo == want->user_key.lo);
    assert_true(e.type_key == want->type_key && e.item_key == want->item_key);
    assert_true(e.hunt_key == want->hunt_key && e.data.len == want->data.len);
    assert_true(e.flags == want->flags);
}

static void keys_may_come_in_any_order(void **state)
{
    (void)state;
    const char *members[] = {ID,
                             TIME,
                             USER,
                             TYPE,
                             "\"item\":\"85123A\"",
                             "\"hunt\":\"spring-26\"",
                             "\"data\":{\"price\":2.55}"};
    struct event want;
    assert_int_equal(parse(EXAMPLE, &want), REASON_none);
    permute(members, COUNT(members), &want);
}

/* Memory that ends where nothing may be read: the last byte before a page without access. */
struct fence {
    uint8_t *base;
    size_t bytes;
};

static void fence_open(struct fence *f, size_t pages)
{
    f->bytes = pages * 4096;
    f->base =
        mmap(NULL, f->bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(f->base != MAP_FAILED);
    assert_int_equal(mprotect(f->base + f->bytes, 4096, PROT_NONE), 0);
}

static void fence_close(struct fence *f)
{
    munmap(f->base, f->bytes + 4096);
}

static void read_up_to_a_fence(void)
{
    struct fence f;
    fence_open(&f, 1);
    for (size_t v = 0; v < COUNT(values); v++) {
        char text[512];
        uint32_t whole = (uint32_t)snprintf(
            text, sizeof text, "{" REQUIRED ",\"item\":\"\\u0061\",\"data\":%s}", values[v]);
        for (uint32_t len = 0; len <= whole; len++) {
            struct event e;
            uint8_t *at = f.base + f.bytes - len;
            memcpy(at, text, len);
            enum reason reason = event_parse(&limits, &key, at, len, &e);
            assert_true(reason == e.reason);
            assert_true(e.reason_offset <= len);
        }
    }
    fence_close(&f);
}

static void nothing_behind_the_last_byte_is_read(void **state)
{
    (void)state;
    for (const struct event_scan *scan = event_scans; scan->name; scan++)
        if (scan->runs()) {
            event_scan_use(scan);
            read_up_to_a_fence();
        }
}

static const char *const plain_events[] = {
    "{" REQUIRED "}",
    "{" REQUIRED ",\"item\":\"85123A\",\"hunt\":\"spring-26\",\"data\":{\"price\":2.55}}",
    "{" TYPE ",\"data\":{\"a\":\"b\",\"c\":{\"d\":[1,\"e\"]},\"f\":null}," USER "," ID "," TIME "}",
    "{\"x\":[1,2,{\"y\":\"z\"}]," REQUIRED ",\"tile\":\"\xc3\xa4\xe2\x82\xac\",\"n\":-1.5e3}",
    "{\"type\": \"view\", \"id\": \"7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a5f\", \"data\": {\"a\": "
    "\"b\", "
    "\"c\": true}, \"user\": \"u\", \"time\": 1795209600123}",
};

/* What the scan is for must not go to the walk unseen: that would be right, and slow. */
static void plain_events_are_not_given_up(void **state)
{
    (void)state;
    for (const struct event_scan *scan = event_scans; scan->name; scan++)
        for (size_t i = 0; scan->runs() && i < COUNT(plain_events); i++) {
            struct event_members members;
            if (!scan->scan((const uint8_t *)plain_events[i], (uint32_t)strlen(plain_events[i]), 8,
                            &members))
                fail_msg("%s gives up %s", scan->name, plain_events[i]);
            assert_as_reference(&limits, plain_events[i], (uint32_t)strlen(plain_events[i]));
        }
}

/* Blocks of 64 bytes begin everywhere in an event once. */
static void an_event_is_read_wherever_blocks_begin(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(plain_events); i++)
        for (int pad = 0; pad <= 200; pad++) {
            char text[1024];
            int len =
                snprintf(text, sizeof text, "{\"pad\":\"%0*d\",%s", pad, 0, plain_events[i] + 1);
            assert_as_reference(&limits, text, (uint32_t)len);
            for (uint32_t cut = (uint32_t)len - 40; cut < (uint32_t)len; cut++)
                assert_as_reference(&limits, text, cut);
        }
}

static void a_flood_of_brackets_ends_at_the_depth_limit(void **state)
{
    (void)state;
    struct fence f;
    struct event e;
    const struct event_limits wide = {.event_bytes = EVENT_BYTES_MAX, .event_depth = 64};
    fence_open(&f, 1);
    uint8_t *at = f.base + f.bytes - 128;
    memset(at, '[', 128);
    /* As long as they come, none behind the limit is looked at. */
    assert_int_equal(event_parse(&wide, &key, at, EVENT_BYTES_MAX, &e), REASON_depth);
    assert_int_equal(e.reason_offset, 64);
    fence_close(&f);
}

static void the_depth_limit_counts_the_event_itself(void **state)
{
    (void)state;
    for (uint32_t depth = 1; depth <= 64; depth++)
        for (uint32_t nested = 0; nested <= 66; nested++) {
            char text[512] = "{" REQUIRED ",\"data\":";
            size_t len = strlen(text);
            memset(text + len, '[', nested);
            text[len + nested] = '0';
            memset(text + len + nested + 1, ']', nested);
            text[len + 2 * nested + 1] = '}';
            text[len + 2 * nested + 2] = 0;
            struct event e;
            const struct event_limits l = {.event_bytes = 1024, .event_depth = depth};
            enum reason reason = event_parse(&l, &key, (uint8_t *)text, (uint32_t)strlen(text), &e);
            assert_int_equal(reason, nested + 1 > depth ? REASON_depth : REASON_none);
            if (reason == REASON_depth)
                assert_int_equal(e.reason_offset, len + depth - 1);
        }
}

static void an_event_over_the_size_limit_is_not_looked_at(void **state)
{
    (void)state;
    struct event e;
    const struct event_limits l = {.event_bytes = (uint32_t)strlen(EXAMPLE), .event_depth = 8};
    assert_int_equal(event_parse(&l, &key, (uint8_t *)EXAMPLE " ", l.event_bytes, &e), REASON_none);
    assert_int_equal(event_parse(&l, &key, (uint8_t *)EXAMPLE " ", l.event_bytes + 1, &e),
                     REASON_too_large);
    assert_int_equal(e.reason_offset, l.event_bytes);
    assert_int_equal(event_parse(&l, &key, (uint8_t *)EXAMPLE, 1u << 30, &e), REASON_too_large);
}

static void an_event_of_65535_bytes_is_read_to_its_end(void **state)
{
    (void)state;
    struct fence f;
    struct event e;
    const struct event_limits wide = {.event_bytes = EVENT_BYTES_MAX, .event_depth = 8};
    fence_open(&f, 16);
    uint8_t *at = f.base + f.bytes - EVENT_BYTES_MAX;
    static const char front[] = "{" REQUIRED ",\"data\":\"";
    static const char back[] = "\",\"item\":\"x\"}";
    memset(at, 'a', EVENT_BYTES_MAX);
    memcpy(at, front, strlen(front));
    memcpy(at + EVENT_BYTES_MAX - strlen(back), back, strlen(back));
    assert_int_equal(event_parse(&wide, &key, at, EVENT_BYTES_MAX, &e), REASON_none);
    assert_int_equal(e.len, EVENT_BYTES_MAX);
    assert_int_equal(e.data.off + e.data.len, EVENT_BYTES_MAX - strlen(back) + 1);
    assert_int_equal(e.item.off, EVENT_BYTES_MAX - 3);
    at[EVENT_BYTES_MAX - 1] = ' ';
    assert_int_equal(event_parse(&wide, &key, at, EVENT_BYTES_MAX, &e), REASON_syntax);
    assert_int_equal(e.reason_offset, EVENT_BYTES_MAX);
    fence_close(&f);
}

static void an_escaped_name_is_the_same_name(void **state)
{
    (void)state;
    struct event plain;
    struct event escaped;
    assert_int_equal(
        parse("{" ID "," TIME ",\"user\":\"J\xc3\xbcrgen\"," TYPE ",\"tile\":\"a/b\"}", &plain),
        REASON_none);
    assert_int_equal(parse("{" ID "," TIME ",\"us\\u0065r\":\"J\\u00FCrg\\u0065n\"," TYPE
                           ",\"tile\":\"a\\/b\"}",
                           &escaped),
                     REASON_none);
    assert_true(plain.user_key.lo == escaped.user_key.lo &&
                plain.user_key.hi == escaped.user_key.hi);
    assert_true(plain.tile_key == escaped.tile_key);
    assert_int_equal(plain.flags & EVENT_ESCAPED, 0);
    assert_int_equal(escaped.flags & EVENT_ESCAPED, EVENT_ESCAPED);

    uint8_t user[EVENT_USER_MAX];
    int len = text_decode(escaped.bytes + escaped.user.off, escaped.user.len, user, sizeof user);
    assert_int_equal(len, 7);
    assert_memory_equal(user, "J\xc3\xbcrgen", 7);
}

static void ids_are_the_same_in_either_case(void **state)
{
    (void)state;
    struct event lower;
    struct event upper;
    assert_int_equal(parse("{" REQUIRED "}", &lower), REASON_none);
    assert_int_equal(parse("{\"id\":\"7F3C1E2A-9B4D-4C8E-A1F2-0D9E8C7B6A5F\"," TIME "," USER
                           "," TYPE "}",
                           &upper),
                     REASON_none);
    assert_memory_equal(lower.id, upper.id, sizeof lower.id);
}

static void the_dedupe_key_depends_on_user_and_id(void **state)
{
    (void)state;
    struct event e;
    assert_int_equal(parse(EXAMPLE, &e), REASON_none);
    uint64_t identity[4] = {e.user_key.lo, e.user_key.hi, e.id[0], e.id[1]};
    struct hash128 want = hash128(&key, identity, sizeof identity);
    struct hash128 got = event_dedupe_key(&key, &e);
    assert_true(got.lo == want.lo && got.hi == want.hi);

    uint64_t *words[] = {&e.user_key.lo, &e.user_key.hi, &e.id[0], &e.id[1]};
    for (size_t i = 0; i < COUNT(words); i++) {
        *words[i] ^= 1;
        struct hash128 other = event_dedupe_key(&key, &e);
        assert_true(other.lo != want.lo && other.hi != want.hi);
        *words[i] ^= 1;
    }
    e.time_ms++;
    e.item_key++;
    got = event_dedupe_key(&key, &e);
    assert_true(got.lo == want.lo && got.hi == want.hi);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_read_field_by_field),
        cmocka_unit_test(a_rejection_names_its_reason_and_the_byte_that_decided),
        cmocka_unit_test(any_value_of_any_key_is_judged_as_by_the_reference),
        cmocka_unit_test(a_value_alone_is_judged_as_by_the_reference),
        cmocka_unit_test(mutated_events_are_judged_as_by_the_reference),
        cmocka_unit_test(keys_may_come_in_any_order),
        cmocka_unit_test(nothing_behind_the_last_byte_is_read),
        cmocka_unit_test(plain_events_are_not_given_up),
        cmocka_unit_test(an_event_is_read_wherever_blocks_begin),
        cmocka_unit_test(a_flood_of_brackets_ends_at_the_depth_limit),
        cmocka_unit_test(the_depth_limit_counts_the_event_itself),
        cmocka_unit_test(an_event_over_the_size_limit_is_not_looked_at),
        cmocka_unit_test(an_event_of_65535_bytes_is_read_to_its_end),
        cmocka_unit_test(an_escaped_name_is_the_same_name),
        cmocka_unit_test(ids_are_the_same_in_either_case),
        cmocka_unit_test(the_dedupe_key_depends_on_user_and_id),
    };
    return cmocka_run_group_tests(tests, make_key, NULL);
}
