/* test_http.c - requests as they are written, and every one of them answered once, whatever the
 * link does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "bench/blast_builder.h"
#include "bench/blast_http.h"
#include "bench/blast_http_report.h"
#include "bench/blast_server.h"
#include "dataplane/base/clock.h"
#include "tests/unit/bench/wires.h"

#define STEP_NS   (100 * NS_PER_US)
#define TURNS_MAX 2000000

static const char head_start[] = "POST /v1/events HTTP/1.1\r\nHost: 192.0.2.1:8080\r\n";

struct fixture {
    struct blast_profile profile;
    struct blast_pacer pacer;
    struct blast_builder builder;
    struct wires wires;
    struct blast_http http;
    struct blast_server server;
    volatile sig_atomic_t stop;
    uint64_t now_ns;
    char fault[BLAST_HTTP_FAULT];
};

static struct fixture *make(const char *rate, uint64_t events, uint32_t conns, uint32_t pipeline,
                            uint32_t batch)
{
    struct fixture *f = calloc(1, sizeof *f);
    blast_profile_init(&f->profile);
    f->profile.items = 100;
    if (rate)
        assert_int_equal(blast_pacer_parse(&f->pacer, rate), 0);
    assert_int_equal(blast_pacer_limit(&f->pacer, events, 0), 0);
    assert_int_equal(
        blast_builder_init(&f->builder, &f->profile, &f->pacer, f->fault, sizeof f->fault), 0);
    f->builder.source.start_real_ns = 1795209600 * NS_PER_S;
    wires_init(&f->wires, 1);
    f->http = (struct blast_http){
        .settings = {.host = "192.0.2.1:8080",
                     .path = "/v1/events",
                     .connections = conns,
                     .pipeline = pipeline,
                     .batch = batch,
                     .event_bytes = 300,
                     .usual_bytes = 170},
        .source = &f->builder.source,
        .wire = &f->wires.client.wire,
        .stop = &f->stop,
        .end_ns = UINT64_MAX,
    };
    assert_int_equal(blast_http_init(&f->http, f->fault), 0);
    assert_int_equal(blast_server_init(&f->server, &f->wires.server.wire), 0);
    f->now_ns = NS_PER_S;
    return f;
}

static void done(struct fixture *f)
{
    blast_http_fini(&f->http);
    blast_server_fini(&f->server);
    blast_builder_fini(&f->builder);
    free(f);
}

/* One turn of both sides. */
static void turn(struct fixture *f, bool served)
{
    f->now_ns += STEP_NS;
    blast_http_turn(&f->http, f->now_ns);
    if (served)
        blast_server_turn(&f->server, f->now_ns);
}

static void open_all(struct fixture *f)
{
    blast_http_connect(&f->http, f->now_ns);
    for (int i = 0; f->http.tcp.open_count < f->http.settings.connections; i++) {
        assert_true(i < TURNS_MAX);
        turn(f, true);
    }
    blast_http_start(&f->http, f->now_ns);
}

static void run(struct fixture *f)
{
    open_all(f);
    for (int i = 0; !f->http.over || f->http.open_requests; i++) {
        assert_true(i < TURNS_MAX);
        turn(f, true);
    }
}

static void a_request_is_a_head_and_its_event(void **state)
{
    (void)state;
    struct fixture *f = make(NULL, 100, 1, 1, 1);
    struct blast_request request;
    assert_int_equal(blast_request_init(&request, f->http.source, "192.0.2.1:8080", "/v1/events",
                                        "durable", 1, 300),
                     0);
    for (int i = 0; i < 100; i++) {
        struct blast_request_bytes made = blast_request_build(&request, 0);
        char text[1024];
        snprintf(text, sizeof text, "%.*s", (int)made.len, (const char *)made.bytes);
        assert_int_equal(made.events, 1);
        assert_memory_equal(text, head_start, sizeof head_start - 1);
        assert_non_null(strstr(text, "\r\nContent-Type: application/json\r\n"));
        assert_non_null(strstr(text, "\r\nTrove-Ack: durable\r\n"));
        char *body = strstr(text, "\r\nContent-Length: 170\r\n\r\n{");
        assert_non_null(body);
        assert_int_equal(strlen(strchr(body, '{')), 170);
        json_t *event = json_loads(strchr(body, '{'), JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(event);
        json_decref(event);
    }
    assert_int_equal(f->builder.source.tally.unique, 100);
    blast_request_fini(&request);
    done(f);
}

static void a_batch_is_lines_and_the_last_one_may_be_short(void **state)
{
    (void)state;
    struct fixture *f = make(NULL, 250, 1, 1, 100);
    static char text[32768];
    for (uint32_t left = 250; left;) {
        struct blast_request_bytes made = blast_request_build(&f->http.request, 0);
        unsigned length;
        uint32_t lines = 0;
        assert_true(made.len <= blast_request_max(100, 300));
        snprintf(text, sizeof text, "%.*s", (int)made.len, (const char *)made.bytes);
        assert_non_null(strstr(text, "application/x-ndjson\r\nContent-Length: "));
        assert_null(strstr(text, "Trove-Ack"));
        assert_int_equal(sscanf(strstr(text, "Length: "), "Length: %u", &length), 1);
        char *body = strstr(text, "\r\n\r\n") + 4;
        assert_int_equal(strlen(body), length);
        for (char *line = body; *line; line = strchr(line, '\n') + 1)
            lines++;
        assert_int_equal(lines, left < 100 ? left : 100);
        assert_int_equal(made.events, lines);
        left -= lines;
    }
    done(f);
}

static void assert_all_answered(const struct fixture *f, uint64_t requests, uint64_t events)
{
    const struct blast_http_counts *counts = &f->http.counts;
    assert_int_equal(counts->requests, requests);
    assert_int_equal(counts->answered, requests);
    assert_int_equal(counts->events, events);
    assert_int_equal(counts->status[202], requests);
    assert_int_equal(counts->unanswered, 0);
    assert_int_equal(f->server.requests, requests);
    assert_int_equal(f->server.strange, 0);
    assert_int_equal(f->http.answer.total, requests);
    assert_true(blast_http_report_held(&f->http));
}

static void every_request_is_answered_once(void **state)
{
    (void)state;
    static const struct {
        uint32_t conns, pipeline, batch;
    } cases[] = {{1, 1, 1},  {1, 16, 1},  {7, 3, 1},   {64, 1, 1},
                 {64, 8, 1}, {3, 2, 100}, {2, 1, 1000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture *f = make(NULL, 3000, cases[i].conns, cases[i].pipeline, cases[i].batch);
        run(f);
        assert_all_answered(f, (3000 + cases[i].batch - 1) / cases[i].batch, 3000);
        assert_int_equal(f->http.tcp.retransmitted, 0);
        done(f);
    }
}

static void every_request_is_answered_once_over_a_bad_link(void **state)
{
    (void)state;
    uint64_t again = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint32_t batch = seed % 3 ? 1 : 50;
        struct fixture *f =
            make(NULL, 600, (uint32_t)(1 + seed % 5), (uint32_t)(1 + seed % 7), batch);
        f->wires.random = seed;
        f->wires.lose_percent = (uint32_t)(seed % 4) * 10;
        f->wires.repeat_percent = (uint32_t)(seed % 2) * 10;
        f->wires.swap_percent = (uint32_t)(seed % 5) * 5;
        f->wires.spoil_percent = (uint32_t)(seed % 3) * 5;
        run(f);
        const struct blast_http_counts *counts = &f->http.counts;
        assert_int_equal(counts->answered + counts->unanswered, counts->requests);
        assert_int_equal(counts->requests, 600 / batch);
        /* Given up only when the same thing was lost ten times in a row. */
        assert_true(counts->unanswered == 0 || counts->timeouts > 0);
        assert_int_equal(counts->status[202], counts->answered);
        assert_int_equal(f->server.strange, 0);
        again += f->http.tcp.retransmitted;
        done(f);
    }
    assert_true(again > 1000);
}

static void late_answers_count_from_the_plan(void **state)
{
    (void)state;
    struct fixture *f = make("10k", 200, 2, 1, 1); /* one each 100 us; two may be open */
    open_all(f);
    for (int i = 0; i < 1000; i++) /* nobody answers for 100 ms */
        turn(f, false);
    assert_int_equal(f->http.counts.requests, 2);
    for (int i = 0; !f->http.over || f->http.open_requests; i++) {
        assert_true(i < TURNS_MAX);
        turn(f, true);
    }
    assert_int_equal(f->http.counts.answered, 200);
    /* The whole plan was due in 20 ms: none can be answered before 80 ms after that. */
    assert_true(histogram_percentile(&f->http.answer, 1) >= 79 * NS_PER_MS);
    assert_true(f->http.answer.max >= 99 * NS_PER_MS);
    assert_false(blast_http_report_held(&f->http));
    done(f);
}

static void a_plan_is_not_sent_before_it_is_due(void **state)
{
    (void)state;
    struct fixture *f = make("1k", 50, 4, 2, 1);
    open_all(f);
    for (int i = 0; i < 20; i++)
        turn(f, true);
    assert_in_range(f->http.counts.requests, 2, 3); /* of 2 ms */
    for (int i = 0; !f->http.over || f->http.open_requests; i++)
        turn(f, true);
    assert_true(f->http.answer.max <= 2 * STEP_NS);
    assert_all_answered(f, 50, 50);
    done(f);
}

/* The server of the next tests: what it says to each request is given. */
struct script {
    struct blast_tcp_conn *conn;
    uint32_t rcv_nxt, snd_nxt;
};

static void answer(struct fixture *f, struct script *script, uint8_t flags, const char *text)
{
    struct wires_side *server = &f->wires.server;
    struct blast_segment_head head;
    blast_segment_init(&head, &f->wires.client.wire.target, &f->wires.client.wire.source);
    struct blast_segment segment = {.source_port = 8080,
                                    .target_port = f->http.tcp.conns[0].port,
                                    .seq = script->snd_nxt,
                                    .ack = f->http.tcp.conns[0].max,
                                    .flags = flags | BLAST_ACK,
                                    .mss = BLAST_SEGMENT_MSS,
                                    .window = 65535,
                                    .len = (uint32_t)strlen(text)};
    memcpy(server->next.bytes + BLAST_SEGMENT_HEAD, text, segment.len);
    wires_send(&server->wire, blast_segment_finish(&head, server->next.bytes, &segment));
    script->snd_nxt += segment.len + !!(flags & (BLAST_SYN | BLAST_FIN));
    turn(f, false);
    server->count = 0;
}

static struct script accept_one(struct fixture *f)
{
    struct script script = {.snd_nxt = 1000};
    turn(f, false);
    answer(f, &script, BLAST_SYN, "");
    assert_int_equal(f->http.tcp.open_count, 1);
    return script;
}

static struct fixture *make_scripted(struct script *script)
{
    struct fixture *f = make(NULL, 100, 1, 1, 1);
    blast_http_connect(&f->http, f->now_ns);
    *script = accept_one(f);
    blast_http_start(&f->http, f->now_ns);
    turn(f, false);
    assert_int_equal(f->http.open_requests, 1);
    return f;
}

static void other_answers_are_counted_by_status(void **state)
{
    (void)state;
    struct script script;
    struct fixture *f = make_scripted(&script);
    answer(f, &script, 0, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}");
    answer(f, &script, 0, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    answer(f, &script, 0, "HTTP/1.1 422 Unprocessable\r\nContent-");
    answer(f, &script, 0, "Length: 2\r\n\r\n{");
    assert_int_equal(f->http.counts.answered, 2);
    answer(f, &script, 0, "}");
    assert_int_equal(f->http.counts.answered, 3);
    assert_int_equal(f->http.counts.status[503], 1);
    assert_int_equal(f->http.counts.status[422], 1);
    assert_int_equal(blast_http_report_good(&f->http), 1);
    done(f);
}

static void nonsense_and_unasked_answers_end_the_connection(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 202 A\r\nContent-Length: 0\r\n\r\nHTTP/1.1 202 A\r\nContent-Length: 0\r\n\r\n",
    };
    for (size_t i = 0; i < 2; i++) {
        struct script script;
        struct fixture *f = make_scripted(&script);
        answer(f, &script, 0, texts[i]);
        assert_int_equal(f->http.counts.answered, i);
        assert_int_equal(f->http.counts.nonsense, 1);
        assert_int_equal(f->http.counts.resets, 1);
        assert_int_equal(f->http.counts.unanswered, 1 - i);
        assert_int_equal(f->http.tcp.open_count, 0);
        script = accept_one(f); /* and another is opened */
        turn(f, false);
        assert_int_equal(f->http.open_requests, 1);
        done(f);
    }
}

static void a_connection_that_ends_leaves_its_requests_unanswered(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        struct script script;
        struct fixture *f = make_scripted(&script);
        answer(f, &script, reset ? BLAST_RST : BLAST_FIN, "");
        if (!reset) /* our FIN is acknowledged */
            answer(f, &script, 0, "");
        assert_int_equal(f->http.counts.unanswered, 1);
        assert_int_equal(f->http.counts.resets, reset);
        assert_int_equal(f->http.counts.closes, !reset);
        accept_one(f);
        turn(f, false);
        assert_int_equal(f->http.counts.requests, 2);
        done(f);
    }
}

static void after_connection_close_nothing_is_sent_on_it(void **state)
{
    (void)state;
    struct script script;
    struct fixture *f = make_scripted(&script);
    answer(f, &script, 0, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    for (int i = 0; i < 10; i++)
        turn(f, false);
    assert_int_equal(f->http.counts.requests, 1);
    answer(f, &script, BLAST_FIN, "");
    answer(f, &script, 0, "");
    assert_int_equal(f->http.counts.closes, 1);
    assert_int_equal(f->http.counts.unanswered, 0);
    accept_one(f);
    turn(f, false);
    assert_int_equal(f->http.counts.requests, 2);
    done(f);
}

static void the_end_closes_every_connection(void **state)
{
    (void)state;
    struct fixture *f = make(NULL, 500, 20, 2, 1);
    run(f);
    assert_int_equal(f->http.tcp.open_count, 20);
    blast_http_finish(&f->http);
    for (int i = 0; f->http.tcp.open_count && i < 1000; i++)
        turn(f, true);
    assert_int_equal(f->http.tcp.open_count, 0);
    assert_all_answered(f, 500, 500);
    assert_int_equal(f->http.counts.closes, 0);
    done(f);
}

static void the_report_is_json_that_adds_up(void **state)
{
    (void)state;
    struct fixture *f = make("100k", 300, 4, 2, 10);
    run(f);
    char *text = NULL;
    size_t len;
    FILE *file = open_memstream(&text, &len);
    blast_http_report_json(file, &f->http);
    fclose(file);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    json_int_t sent, requests, answered, good, status;
    double rate, asked, p99;
    int held;
    assert_int_equal(json_unpack(object, "{sI sI sI sI s{sI} sf sf s{sf} sb}", "sent", &sent,
                                 "requests", &requests, "answered", &answered, "answered_2xx",
                                 &good, "status", "202", &status, "events_per_s", &rate,
                                 "asked_per_s", &asked, "answer_us", "p99", &p99, "held_rate",
                                 &held),
                     0);
    assert_int_equal(sent, 300);
    assert_int_equal(requests, 30);
    assert_true(answered == 30 && good == 30 && status == 30);
    assert_true(asked > 99000 && asked < 101000);
    assert_true(p99 > 0);
    json_decref(object);
    free(text);
    done(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_a_head_and_its_event),
        cmocka_unit_test(a_batch_is_lines_and_the_last_one_may_be_short),
        cmocka_unit_test(every_request_is_answered_once),
        cmocka_unit_test(every_request_is_answered_once_over_a_bad_link),
        cmocka_unit_test(late_answers_count_from_the_plan),
        cmocka_unit_test(a_plan_is_not_sent_before_it_is_due),
        cmocka_unit_test(other_answers_are_counted_by_status),
        cmocka_unit_test(nonsense_and_unasked_answers_end_the_connection),
        cmocka_unit_test(a_connection_that_ends_leaves_its_requests_unanswered),
        cmocka_unit_test(after_connection_close_nothing_is_sent_on_it),
        cmocka_unit_test(the_end_closes_every_connection),
        cmocka_unit_test(the_report_is_json_that_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
