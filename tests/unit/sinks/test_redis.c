/* test_redis.c - a server that is slow, hostile, full or confused: always an answer, in bounded
 * time and memory. The server is a thread on a Unix socket that says what the test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "sinks/redis.h"
#include "sinks/redis_batch.h"
#include "sinks/sink.h"

#define SHA "0123456789012345678901234567890123456789"

/* Answers by command; EVALSHA takes the next of `evals`, and the last one again and again. */
struct server {
    char path[96];
    int fd;
    pthread_t thread;
    const char *any; /* to every command, byte by byte when `drip` */
    const char *owner;
    const char *evals[8];
    unsigned eval;
    unsigned drip_ms;
    _Atomic unsigned commands;
};

static bool read_command(FILE *in, char *name, size_t room)
{
    char line[64];
    static char arg[1 << 20];
    if (!fgets(line, sizeof line, in) || line[0] != '*')
        return false;
    for (int i = 0, n = atoi(line + 1); i < n; i++) {
        if (!fgets(line, sizeof line, in) || line[0] != '$')
            return false;
        size_t len = (size_t)atol(line + 1) + 2;
        if (len > sizeof arg || fread(arg, 1, len, in) != len)
            return false;
        if (i == 0)
            snprintf(name, room, "%.*s", (int)len - 2, arg);
    }
    return true;
}

static void answer(const struct server *server, int fd, const char *text)
{
    if (!server->drip_ms) {
        (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
        return;
    }
    for (; *text; text++) {
        if (send(fd, text, 1, MSG_NOSIGNAL) != 1)
            return;
        usleep(server->drip_ms * 1000);
    }
}

static void answer_command(struct server *server, int fd, const char *name)
{
    char text[128];
    if (server->any) {
        answer(server, fd, server->any);
    } else if (!strcmp(name, "GET")) {
        snprintf(text, sizeof text, "$%zu\r\n%s\r\n", strlen(server->owner), server->owner);
        answer(server, fd, text);
    } else if (!strcmp(name, "SCRIPT")) {
        answer(server, fd, "$40\r\n" SHA "\r\n");
    } else if (!strcmp(name, "EVALSHA")) {
        /* Whoever has the answer may change the script. */
        const char *text_now = server->evals[server->eval];
        server->eval += server->evals[server->eval + 1] != NULL;
        answer(server, fd, text_now);
    } else {
        answer(server, fd, "+OK\r\n");
    }
}

static void *serve(void *arg)
{
    struct server *server = arg;
    int fd;
    while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
        char name[32];
        FILE *in = fdopen(fd, "r");
        while (read_command(in, name, sizeof name)) {
            server->commands++;
            if (server->any && !*server->any)
                break; /* hangs up */
            answer_command(server, fd, name);
        }
        fclose(in);
    }
    return NULL;
}

static int set_up(void **state)
{
    struct server *server = calloc(1, sizeof *server);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(server->path, sizeof server->path, "/tmp/trove-redis-%d", getpid());
    memcpy(address.sun_path, server->path, strlen(server->path) + 1);
    (void)unlink(server->path);
    server->owner = "me";
    server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->fd, 4), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    *state = server;
    return 0;
}

static int tear_down(void **state)
{
    struct server *server = *state;
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    (void)unlink(server->path);
    free(server);
    return 0;
}

/* ---- the connection ---- */

static _Atomic bool cancel;

static int call_one(const struct server *server, uint64_t timeout_ns, struct redis_reply *reply)
{
    static const char *const ping[] = {"PING"};
    static const size_t len = 4;
    struct conf_endpoint endpoint = {0};
    struct redis *redis = NULL;
    snprintf(endpoint.host, sizeof endpoint.host, "%s", server->path);
    cancel = false;
    assert_int_equal(redis_open(&redis, &endpoint, timeout_ns, &cancel), 0);
    int rc = redis_call(redis, 1, ping, &len, reply);
    redis_close(redis);
    return rc;
}

static void takes_every_scalar(void **state)
{
    struct server *server = *state;
    struct redis_reply reply;
    static const struct {
        const char *text;
        enum redis_kind kind;
        int64_t number;
        const char *says;
    } cases[] = {
        {"+PONG\r\n", REDIS_TEXT, 0, "PONG"}, {"$3\r\na\rb\r\n", REDIS_TEXT, 0, "a\rb"},
        {"$0\r\n\r\n", REDIS_TEXT, 0, ""},    {":-7\r\n", REDIS_NUMBER, -7, ""},
        {"$-1\r\n", REDIS_NIL, 0, ""},        {"-ERR no\r\n", REDIS_ERROR, 0, "ERR no"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        server->any = cases[i].text;
        assert_int_equal(call_one(server, NS_PER_S, &reply), 0);
        assert_int_equal(reply.kind, cases[i].kind);
        assert_int_equal(reply.number, cases[i].number);
        assert_string_equal(reply.text, cases[i].says);
    }
}

static void refuses_what_is_no_reply_of_ours(void **state)
{
    struct server *server = *state;
    struct redis_reply reply;
    static char longer[40000];
    snprintf(longer, sizeof longer, "$39000\r\n%038000d", 7);
    const char *const bad[] = {
        "*1000000000\r\n",
        "*2147483647\r\n:1\r\n",
        "*1\r\n*1\r\n*1\r\n:1\r\n",
        "HTTP/1.1 400 Bad\r\n\r\n",
        "$999999999999999\r\n",
        "\r\n",
        longer,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        server->any = bad[i];
        int rc = call_one(server, 300 * NS_PER_MS, &reply);
        assert_true(rc == -EPROTO || (rc == -ETIMEDOUT && bad[i][0] == '$'));
    }
    server->any = longer;
    assert_int_equal(call_one(server, NS_PER_S, &reply), -EPROTO);
}

static void a_deadline_is_for_the_whole_reply(void **state)
{
    struct server *server = *state;
    struct redis_reply reply;
    server->any = "+a long answer, a byte at a time\r\n";
    server->drip_ms = 30;
    uint64_t began = clock_monotonic_ns();
    assert_int_equal(call_one(server, 150 * NS_PER_MS, &reply), -ETIMEDOUT);
    assert_in_range(clock_monotonic_ns() - began, 150 * NS_PER_MS, 900 * NS_PER_MS);
}

static void a_server_that_hangs_up_is_told(void **state)
{
    struct server *server = *state;
    struct redis_reply reply;
    server->any = "";
    assert_int_equal(call_one(server, NS_PER_S, &reply), -ECONNRESET);
}

static void *cancel_soon(void *arg)
{
    (void)arg;
    usleep(100000);
    cancel = true;
    return NULL;
}

static void cancel_ends_a_wait(void **state)
{
    struct server *server = *state;
    struct redis_reply reply;
    pthread_t thread;
    server->any = "+never whole";
    pthread_create(&thread, NULL, cancel_soon, NULL);
    assert_int_equal(call_one(server, 60 * NS_PER_S, &reply), -ECANCELED);
    pthread_join(thread, NULL);
}

static void nobody_there_is_told(void **state)
{
    struct conf_endpoint endpoint = {.host = "/tmp/trove-redis-nobody"};
    struct redis *redis = NULL;
    (void)state;
    cancel = false;
    assert_int_equal(redis_open(&redis, &endpoint, NS_PER_S, &cancel), -ENOENT);
    endpoint = (struct conf_endpoint){.host = "127.0.0.1", .port = 1};
    assert_int_equal(redis_open(&redis, &endpoint, NS_PER_S, &cancel), -ECONNREFUSED);
}

/* ---- the sink ---- */

static void *open_sink(const struct server *server, int expect)
{
    static struct conf_sink conf;
    conf = (struct conf_sink){.name = "r", .stream = "trove", .timeout_ns = 300 * NS_PER_MS};
    snprintf(conf.address, sizeof conf.address, "unix:%s", server->path);
    static struct line_origin origin;
    assert_int_equal(line_origin_init(&origin, "p", "h", "me"), 0);
    void *sink = sink_redis_ops.make(&(struct sink_setup){.conf = &conf, .origin = &origin});
    assert_non_null(sink);
    assert_int_equal(sink_redis_ops.open(sink, SINK_RESUME_NONE), expect);
    return sink;
}

static int deliver(void *sink, uint64_t ordinal)
{
    static const struct record record = {.kind = RECORD_OUTCOME, .partition = 3, .seq = 9};
    const struct sink_item item = {
        .outcome = &record,
        .view = {.outcome = {.kind = OUTCOME_duplicate, .first_seq = 1},
                 .user = {(const uint8_t *)"u", 1}},
        .epoch = 2,
        .shard = 1,
        .ordinal = ordinal,
    };
    return sink_redis_ops.deliver(sink, &item);
}

/* Three outcomes, and what the server makes of them. */
static int deliver_three(struct server *server, const char *end, const char *added,
                         struct sink_fault *fault, uint64_t *repeats)
{
    uint64_t resume;
    server->evals[0] = end;
    server->evals[1] = added;
    server->evals[2] = NULL;
    server->eval = 0;
    void *sink = open_sink(server, 0);
    int rc = 0;
    for (uint64_t ordinal = 5; !rc && ordinal < 8; ordinal++)
        rc = deliver(sink, ordinal);
    if (!rc)
        rc = sink_redis_ops.commit(sink, &resume);
    *fault = *sink_redis_ops.fault(sink);
    *repeats = sink_redis_ops.repeats(sink);
    sink_redis_ops.close(sink);
    sink_redis_ops.free(sink);
    return rc;
}

#define NOTHING "$0\r\n\r\n"

static void what_the_stream_has_is_not_sent_again(void **state)
{
    struct server *server = *state;
    struct sink_fault fault;
    uint64_t repeats;
    assert_int_equal(deliver_three(server, NOTHING, "$4\r\n3 0 \r\n", &fault, &repeats), 0);
    assert_int_equal(repeats, 0);
    assert_int_equal(deliver_three(server, "$3\r\n2-6\r\n", "$4\r\n1 0 \r\n", &fault, &repeats), 0);
    assert_int_equal(repeats, 2);
    /* Somebody was faster: the server's word counts. */
    assert_int_equal(deliver_three(server, "$3\r\n2-5\r\n", "$4\r\n1 1 \r\n", &fault, &repeats), 0);
    assert_int_equal(repeats, 2);
    assert_int_equal(deliver_three(server, "$3\r\n3-1\r\n", "", &fault, &repeats), 0);
    assert_int_equal(repeats, 3);
}

static void a_refused_record_is_named(void **state)
{
    struct server *server = *state;
    struct sink_fault fault;
    uint64_t repeats;
    assert_int_equal(
        deliver_three(server, NOTHING, "$17\r\n1 0 ERR too large\r\n", &fault, &repeats),
        -EREMOTEIO);
    assert_true(fault.of_record);
    assert_int_equal(fault.at.epoch, 2);
    assert_int_equal(fault.at.shard, 1);
    assert_int_equal(fault.at.ordinal, 6);
    assert_int_equal(fault.at.partition, 3);
    assert_int_equal(fault.at.seq, 9);
    assert_non_null(strstr(fault.text, "ERR too large"));
}

static void a_full_or_wrong_server_is_not_the_records_fault(void **state)
{
    struct server *server = *state;
    struct sink_fault fault;
    uint64_t repeats;
    static const char *const answers[] = {
        "$13\r\n0 0 OOM no \x1b[2\r\n",       "$37\r\n0 0 @user_script: 7: -OOM command not\r\n",
        "$23\r\n0 0 ERR unknown command\r\n", "-NOSCRIPT No matching script\r\n",
        "-BUSY running a script\r\n",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        assert_int_equal(deliver_three(server, NOTHING, answers[i], &fault, &repeats), -EREMOTEIO);
        assert_false(fault.of_record);
        assert_null(strchr(fault.text, 0x1b));
    }
}

static void counts_that_cannot_be_are_refused(void **state)
{
    struct server *server = *state;
    struct sink_fault fault;
    uint64_t repeats;
    static const char *const answers[] = {
        "$4\r\n4 0 \r\n", "$4\r\n2 0 \r\n", "$4\r\n2 2 \r\n",       "$5\r\n3 0 x\r\n",
        "$3\r\n3 0\r\n",  "$0\r\n\r\n",     "$6\r\n-1 4  \r\n",     ":3\r\n",
        "$-1\r\n",        "+OK\r\n",        "$9\r\n3 -1 huh\t\r\n", "*0\r\n",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        assert_int_equal(deliver_three(server, NOTHING, answers[i], &fault, &repeats), -EPROTO);
    static const char *const ends[] = {"$1\r\nx\r\n", "$3\r\n1-x\r\n", "+9999999999-1\r\n",
                                       "$2\r\n5-\r\n"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        assert_int_equal(deliver_three(server, ends[i], NOTHING, &fault, &repeats), -EPROTO);
}

/* Of a batch that is not answered nobody knows whether it stopped in the middle. */
static void the_next_batch_waits_for_the_answer(void **state)
{
    struct server *server = *state;
    server->evals[0] = NOTHING;
    server->evals[1] = "";
    server->evals[2] = NULL;
    server->eval = 0;
    void *sink = open_sink(server, 0);
    unsigned before = server->commands;
    uint64_t ordinal = 1;
    int rc = 0;
    while (!rc && ordinal <= 3 * REDIS_BATCH_MAX)
        rc = deliver(sink, ordinal++);
    assert_int_equal(rc, -ETIMEDOUT);
    assert_int_equal(ordinal, 2 * REDIS_BATCH_MAX + 2);
    assert_int_equal(server->commands - before, 2); /* where the stream ends, and one batch */
    sink_redis_ops.close(sink);
    sink_redis_ops.free(sink);
}

static void a_batch_is_the_bytes_of_its_commands(void **state)
{
    static struct redis_batch batch;
    static const struct record record = {.kind = RECORD_OUTCOME, .partition = 3, .seq = 9};
    static const struct redis_winners winners = {.name = "w", .sha = "SHA"};
    struct sink_item item = {.outcome = &record,
                             .view = {.outcome = {.kind = OUTCOME_duplicate, .first_seq = 1},
                                      .user = {(const uint8_t *)"u\r\n", 3},
                                      .hunt = {(const uint8_t *)"h", 1}},
                             .epoch = 2,
                             .shard = 1,
                             .ordinal = 10};
    struct line_origin origin;
    char head[REDIS_HEAD_MAX], line[LINE_BYTES_MAX], want[4096];
    (void)state;
    assert_int_equal(line_origin_init(&origin, "p", "h", "me"), 0);
    redis_batch_clear(&batch);
    redis_batch_add(&batch, &item, CONF_FORMAT_JSON, &origin, true, &winners);
    int len = (int)line_encode(&item, &origin, line) - 1;
    snprintf(want, sizeof want,
             "$4\r\n2-10\r\n$9\r\nduplicate\r\n$1\r\nh\r\n$3\r\nu\r\n\r\n$%d\r\n%.*s\r\n", len, len,
             line);
    assert_int_equal(batch.used, strlen(want));
    assert_memory_equal(batch.args, want, batch.used);
    snprintf(want, sizeof want,
             "*8\r\n$7\r\nEVALSHA\r\n$3\r\nSHA\r\n$1\r\n1\r\n$3\r\nw:h\r\n$3\r\nu\r\n\r\n"
             "$1\r\n2\r\n$2\r\n10\r\n$%d\r\n%.*s\r\n",
             len, len, line);
    assert_int_equal(batch.win_used, strlen(want));
    assert_memory_equal(batch.wins, want, batch.win_used);
    item.view.user.len = item.view.hunt.len = 0;
    item.ordinal = 11;
    size_t used = batch.used;
    redis_batch_add(&batch, &item, CONF_FORMAT_JSON, &origin, true, NULL);
    assert_non_null(strstr(batch.args + used, "duplicate\r\n$0\r\n\r\n$0\r\n\r\n$"));
    size_t head_len = redis_batch_head(&batch, "SHA", "s:1", 100, head);
    static const char begins[] =
        "*15\r\n$7\r\nEVALSHA\r\n$3\r\nSHA\r\n$1\r\n1\r\n$3\r\ns:1\r\n$3\r\n100\r\n";
    assert_int_equal(head_len, sizeof begins - 1);
    assert_memory_equal(head, begins, head_len);
    assert_int_equal(redis_batch_place(&batch, 1)->ordinal, 11);
}

static void another_journals_streams_are_left_alone(void **state)
{
    struct server *server = *state;
    server->owner = "you";
    void *sink = open_sink(server, -EEXIST);
    assert_non_null(strstr(sink_redis_ops.fault(sink)->text, "another data directory"));
    sink_redis_ops.free(sink);
}

static void endpoints_are_checked(void **state)
{
    (void)state;
    struct conf_endpoint e;
    assert_int_equal(conf_endpoint_parse("unix:/run/redis.sock", &e), 0);
    assert_string_equal(e.host, "/run/redis.sock");
    assert_int_equal(e.port, 0);
    assert_int_equal(conf_endpoint_parse("127.0.0.1:6379", &e), 0);
    assert_int_equal(e.port, 6379);
    assert_int_equal(conf_endpoint_parse("[::1]:1", &e), 0);
    assert_string_equal(e.host, "::1");
    static const char *const bad[] = {
        "",           "unix:",         "unix:relative",   "localhost:1",      "127.0.0.1",
        "127.0.0.1:", "127.0.0.1:0",   "127.0.0.1:65536", "127.0.0.1:+1",     "::1:5",
        "[::1]5",     "[127.0.0.1]:1", "1.2.3:4",         "127.0.0.1:999999", "[::1:5",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(conf_endpoint_parse(bad[i], &e), -EINVAL);
}

#define ON_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SERVER(takes_every_scalar),
        ON_SERVER(refuses_what_is_no_reply_of_ours),
        ON_SERVER(a_deadline_is_for_the_whole_reply),
        ON_SERVER(a_server_that_hangs_up_is_told),
        ON_SERVER(cancel_ends_a_wait),
        cmocka_unit_test(nobody_there_is_told),
        ON_SERVER(what_the_stream_has_is_not_sent_again),
        ON_SERVER(a_refused_record_is_named),
        ON_SERVER(a_full_or_wrong_server_is_not_the_records_fault),
        ON_SERVER(counts_that_cannot_be_are_refused),
        ON_SERVER(the_next_batch_waits_for_the_answer),
        cmocka_unit_test(a_batch_is_the_bytes_of_its_commands),
        ON_SERVER(another_journals_streams_are_left_alone),
        cmocka_unit_test(endpoints_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
