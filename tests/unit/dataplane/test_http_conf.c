/* test_http_conf.c - whatever the table of keys lets through is in the ranges that TCP and HTTP
 * assert, for any number of rx parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/table.h"
#include "dataplane/http_conf.h"

#define HEAD                                                                                       \
    "version: 1\ndata_dir: /d\nports: [{ name: p, device: net_tap0, address: 192.0.2.7/24 }]\n"    \
    "events: { types: { view: {} } }\n"

static struct conf *load(const char *listen)
{
    struct diag_list diags = {0};
    char text[2048];
    snprintf(text, sizeof text, HEAD "listen: { http: { port: 80, %s } }\n", listen);
    struct conf *conf = conf_load("/etc/t.yaml", text, strlen(text), &diags);
    diag_print(&diags, stderr);
    diag_list_fini(&diags);
    assert_non_null(conf);
    return conf;
}

/* The ranges of tcp.h and http.h. */
static void check_limits(const struct conf *conf, uint32_t parts)
{
    struct tcp_limits tcp = http_conf_tcp_limits(conf, parts);
    struct http_limits http = http_conf_limits(conf, parts, 64);
    assert_in_range(tcp.connections, 1, TCP_CONNECTIONS_MAX);
    assert_in_range(tcp.time_waits, 1, TCP_CONNECTIONS_MAX);
    assert_in_range(tcp.chunks, 8, 1u << 22);
    assert_int_equal(http.connections, tcp.connections);
    assert_in_range(http.slots, 8, HTTP_SLOTS_MAX);
    assert_in_range(http.mediums, 1, 65536);
    assert_in_range(http.larges, 1, 4096);
    assert_in_range(http.batches, 1, 65536);
    assert_in_range(http.medium_bytes, HTTP_HEAD_BYTES_MAX, http.body_bytes);
    assert_in_range(http.body_bytes, HTTP_HEAD_BYTES_MAX, HTTP_BODY_BYTES_MAX);
}

static void check_tcp_settings(const struct tcp_settings *s)
{
    assert_true(s->per_prefix >= 1);
    assert_in_range(s->prefix4, 8, 32);
    assert_in_range(s->prefix6, 16, 128);
    assert_in_range(s->receive_bytes, 4096, 262144);
    assert_in_range(s->send_bytes, 4096, 1048576);
    assert_in_range(s->rto_min_ms, 10, 10000);
    assert_in_range(s->rto_max_ms, 1000, 120000);
    assert_in_range(s->retries, 1, 30);
    assert_in_range(s->zero_window_ms, 100, 3600000);
    assert_in_range(s->delayed_ack_ms, 1, 500);
    assert_true(!s->keepalive_ms || (s->keepalive_ms >= 1000 && s->keepalive_ms <= 86400000));
    assert_in_range(s->keepalive_every_ms, 100, 600000);
    assert_in_range(s->keepalive_probes, 1, 30);
    assert_in_range(s->linger_ms, 100, 600000);
    assert_in_range(s->linger_bytes, 0, 1u << 30);
    assert_in_range(s->time_wait_ms, 1000, 240000);
    assert_in_range(s->challenges, 1, 1000);
}

static void check_http_settings(const struct http_settings *s, uint32_t body_bytes)
{
    assert_in_range(s->line_bytes, 64, 16384);
    assert_in_range(s->head_bytes, 256, 16384);
    assert_in_range(s->header_count, 1, 1000);
    assert_in_range(s->body_bytes, 64, body_bytes);
    assert_in_range(s->batch_events, 1, HTTP_BATCH_EVENTS_MAX);
    assert_in_range(s->pipeline, 1, 1000);
    assert_in_range(s->head_ms, 100, 600000);
    assert_in_range(s->idle_ms, 100, 3600000);
    assert_in_range(s->body_ms, 100, 600000);
    assert_in_range(s->body_bytes_per_s, 1, 1u << 30);
    assert_in_range(s->answer_ms, 100, 600000);
    assert_in_range(s->retry_after_s, 1, 3600);
    assert_in_range(s->batch_room, 1, 1u << 31);
    assert_in_range(s->conn_events_per_s, 0, 1u << 30);
    assert_in_range(s->ack_weakest, HTTP_ACK_ACCEPTED, s->ack);
    assert_in_range(s->cors.max_age_s, 0, 86400);
}

static void check_all(const struct conf *conf)
{
    static const uint32_t parts[] = {1, 2, 3, 64};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct tcp_settings tcp;
        struct http_settings http;
        check_limits(conf, parts[i]);
        http_conf_settings(conf, conf, parts[i], &tcp, &http);
        check_tcp_settings(&tcp);
        check_http_settings(&http, conf->http.body_bytes);
    }
}

static void the_defaults_are_in_range(void **state)
{
    (void)state;
    struct conf *conf = load("");
    check_all(conf);
    struct tcp_limits tcp = http_conf_tcp_limits(conf, 1);
    assert_int_equal(tcp.connections, 65536);
    assert_int_equal(http_conf_tcp_limits(conf, 4).connections, 16384 + 2048);
    conf_free(conf);
}

/* Each key of listen.http and listen.http.tcp at the ends of its range, all others as they are. */
static void check_ends(const struct key_set *set)
{
    for (const struct key *key = set->keys; key->name; key++) {
        if (key->type == KEY_SECTION)
            check_ends(key->set);
        if (key->type != KEY_NUMBER && key->type != KEY_SIZE && key->type != KEY_TIME)
            continue;
        struct conf *conf = load("");
        uint64_t ends[] = {key->min, key->max};
        for (int i = 0; i < 2; i++) {
            if (strcmp(key->name, "port") == 0 || (strcmp(key->name, "keepalive") == 0 && !i))
                continue;
            memcpy((char *)conf + key->offset, &ends[i], key->width); /* little-endian */
            check_all(conf);
        }
        conf_free(conf);
    }
}

static void every_key_at_the_ends_of_its_range_is_in_range(void **state)
{
    (void)state;
    check_ends(&table_http);
}

static void what_memory_was_made_for_stays_until_the_next_start(void **state)
{
    (void)state;
    struct conf *started = load("max_body: 1MiB"), *now = load("max_body: 16MiB, bodies: 64MiB");
    struct tcp_settings tcp;
    struct http_settings http;
    http_conf_settings(started, now, 1, &tcp, &http);
    assert_int_equal(http.body_bytes, 1 << 20);
    conf_free(started);
    conf_free(now);
}

static void a_batch_of_a_hundred_is_a_usual_body_of_which_there_are_many(void **state)
{
    (void)state;
    struct conf *conf = load("max_body: 1MiB");
    struct http_limits limits = http_conf_limits(conf, 1, 1);
    assert_true(limits.medium_bytes >= 100 * (170 + 1));
    assert_true(limits.mediums >= 1000);
    conf_free(conf);
    conf = load("max_body: 20KiB, usual_body: 1MiB");
    assert_int_equal(http_conf_limits(conf, 1, 1).medium_bytes, 20 << 10);
    conf_free(conf);
}

static void origins_come_through(void **state)
{
    (void)state;
    struct conf *conf = load("cors: { origins: ['https://a.example', 'http://b:81'] }");
    struct tcp_settings tcp;
    struct http_settings http;
    http_conf_settings(conf, conf, 1, &tcp, &http);
    assert_false(http.cors.any);
    assert_int_equal(http.cors.origin_count, 2);
    assert_string_equal(http.cors.origins[1], "http://b:81");
    assert_int_equal(http.cors.max_age_s, 3600);
    conf_free(conf);
    conf = load("cors: { origins: '*' }");
    http_conf_settings(conf, conf, 1, &tcp, &http);
    assert_true(http.cors.any);
    assert_int_equal(http.cors.origin_count, 0);
    conf_free(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_in_range),
        cmocka_unit_test(every_key_at_the_ends_of_its_range_is_in_range),
        cmocka_unit_test(what_memory_was_made_for_stays_until_the_next_start),
        cmocka_unit_test(a_batch_of_a_hundred_is_a_usual_body_of_which_there_are_many),
        cmocka_unit_test(origins_come_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
