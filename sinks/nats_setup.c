/* nats_setup.c - connects to a JetStream server, makes or checks the stream, learns its end. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "sinks/fault.h"
#include "sinks/nats_stream.h"
#include "sinks/secret.h"

#define WINDOW_MIN_NS (120 * NS_PER_S)

int nats_sink_fail_link(struct nats_sink *sink, int rc, const char *what)
{
    const char *why = rc == -EPROTO ? "the answer is not one of a JetStream server's"
                      : rc == -ECONNRESET && sink->link ? nats_error(sink->link)
                                                        : strerror(-rc);
    return fault_say(&sink->fault, rc, "%.100s: %s: %.120s", sink->conf->address, what, why);
}

/* ---- requests ---- */

/* Sends a request of the JetStream API and waits for its answer; others' are old. */
static int request(struct nats_sink *sink, const char *verb, const char *body)
{
    char subject[CONF_NAME_MAX + 64];
    uint64_t tag = sink->tag++;
    snprintf(subject, sizeof subject, "$JS.API.STREAM.%s.%s", verb, sink->conf->stream);
    int rc = nats_publish(sink->link, subject, tag, NULL, 0, body, strlen(body));
    do {
        if (!rc)
            rc = nats_receive(sink->link, &sink->reply);
    } while (!rc && sink->reply.tag != tag);
    if (!rc && sink->reply.no_responders)
        return fault_say(&sink->fault, -EREMOTEIO, "%.120s: %s: JetStream does not answer",
                         sink->conf->address, verb);
    return rc ? nats_sink_fail_link(sink, rc, verb) : 0;
}

static int fail_refused(struct nats_sink *sink, const char *verb,
                        const struct nats_refusal *refusal)
{
    return fault_say(&sink->fault, -EREMOTEIO, "%.80s: %s: %s", sink->conf->address, verb,
                     refusal->text);
}

static int ask_info(struct nats_sink *sink, const char *verb, const char *body,
                    struct nats_info *info)
{
    int rc = request(sink, verb, body);
    if (!rc && nats_info_parse(sink->reply.bytes, sink->reply.len, sink->conf->stream, info))
        rc = nats_sink_fail_link(sink, -EPROTO, verb);
    return rc;
}

/* ---- the stream ---- */

static char *creation(const struct nats_sink *sink)
{
    const struct conf_sink *conf = sink->conf;
    char subject[SUBJECT_MAX];
    subject_expand(conf->subject,
                   &(struct subject_names){.pop = sink->origin->pop, .host = sink->origin->host},
                   subject);
    uint64_t window = 2 * conf->confirm_after_ns;
    window = window > WINDOW_MIN_NS ? window : WINDOW_MIN_NS;
    json_t *json = json_pack(
        "{s:s, s:[s], s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:o}", "name", conf->stream,
        "subjects", subject, "retention", "limits", "storage", "file", "discard", "old",
        "num_replicas", (int)conf->replicas, "max_consumers", -1, "max_msgs", -1, "max_bytes", -1,
        "max_age", 0, "max_msg_size", -1, "duplicate_window", (json_int_t)window, "description",
        json_sprintf("outcomes of Trove, journal %s", sink->origin->journal));
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static int create_stream(struct nats_sink *sink, struct nats_info *info)
{
    char *text = creation(sink);
    int rc = text ? ask_info(sink, "CREATE", text, info)
                  : fault_say(&sink->fault, -ENOMEM, "%s", strerror(ENOMEM));
    free(text);
    if (!rc && info->refusal.code)
        rc = fail_refused(sink, "the stream cannot be created", &info->refusal);
    return rc;
}

static int check_stream(struct nats_sink *sink, const struct nats_info *info)
{
    const struct conf_sink *conf = sink->conf;
    if (info->no_ack || info->sealed || info->mirror)
        return fault_say(&sink->fault, -EINVAL, "stream %s %s: give this sink another stream",
                         conf->stream,
                         info->no_ack   ? "acknowledges nothing"
                         : info->sealed ? "is sealed"
                                        : "is a mirror");
    if (info->window_ns < conf->confirm_after_ns)
        return fault_say(&sink->fault, -EINVAL,
                         "stream %s remembers ids for %.1f s, and confirm_after is %.1f s: "
                         "raise its duplicate window, or lower confirm_after",
                         conf->stream, (double)info->window_ns / NS_PER_S,
                         (double)conf->confirm_after_ns / NS_PER_S);
    return 0;
}

/* ---- its end ---- */

static void take_ends(struct nats_sink *sink, const struct sink_end *end)
{
    for (unsigned i = 0; i < SINK_EPOCH_JOURNALS_MAX; i++) {
        sink->end[i] = end[i];
        if (sink_end_is_before(&sink->end[i], &sink->floor[i]))
            sink->end[i] = sink->floor[i];
    }
    sink->is_known = true;
}

static int fail_owner(struct nats_sink *sink, const char *whose)
{
    return fault_say(&sink->fault, -EEXIST,
                     "stream %s holds messages of %.40s: give this sink its own stream",
                     sink->conf->stream, whose);
}

static int read_last(struct nats_sink *sink)
{
    struct nats_stored stored;
    char body[48];
    snprintf(body, sizeof body, "{\"seq\":%" PRIu64 "}", sink->last);
    int rc = request(sink, "MSG.GET", body);
    if (!rc && nats_stored_parse(sink->reply.bytes, sink->reply.len, &stored))
        rc = nats_sink_fail_link(sink, -EPROTO, "MSG.GET");
    if (rc)
        return rc;
    if (stored.refusal.code == NATS_NO_MESSAGE)
        return 0; /* it was deleted, or has become too old: not known */
    if (stored.refusal.code)
        return fail_refused(sink, "MSG.GET", &stored.refusal);
    if (!stored.ours)
        return fail_owner(sink, "somebody else");
    if (strcmp(stored.journal, sink->origin->journal) != 0)
        return fail_owner(sink, "another data directory");
    take_ends(sink, stored.end);
    return 0;
}

/* A stream that ends before what was confirmed has lost it, with its last message or without. */
static int find_end(struct nats_sink *sink, const struct nats_info *info, uint64_t resume)
{
    static const struct sink_end none[SINK_EPOCH_JOURNALS_MAX];
    sink->last = info->last_seq;
    sink->is_known = false;
    if (!info->last_seq) {
        memset(sink->floor, 0, sizeof sink->floor);
        take_ends(sink, none);
        return 0;
    }
    int rc = read_last(sink);
    if (!rc && !sink->is_known && resume != SINK_RESUME_NONE && info->last_seq < resume)
        take_ends(sink, none);
    return rc;
}

int nats_sink_find_end(struct nats_sink *sink)
{
    struct nats_info info;
    int rc = ask_info(sink, "INFO", "", &info);
    if (!rc && info.refusal.code)
        return fail_refused(sink, "INFO", &info.refusal);
    return rc ? rc : find_end(sink, &info, sink->last);
}

/* The first line of whichever file the sink logs in by; "" without one. */
static int read_login(struct nats_sink *sink, char secret[SECRET_MAX + 2])
{
    const struct conf_sink *conf = sink->conf;
    const char *path = conf->password_file[0] ? conf->password_file : conf->token_file;
    int rc = path[0] ? secret_read(path, secret) : 0;
    if (rc >= 0)
        return 0;
    return fault_say(&sink->fault, rc, "%s %.150s: %s",
                     conf->password_file[0] ? "password_file" : "token_file", path,
                     rc == -EFBIG ? "longer than 512 bytes" : strerror(-rc));
}

static int open_link(struct nats_sink *sink)
{
    const struct conf_sink *conf = sink->conf;
    char secret[SECRET_MAX + 2] = "", error[160];
    int rc = read_login(sink, secret);
    if (rc)
        return rc;
    const struct nats_settings settings = {
        .servers = conf->address,
        .user = conf->user[0] ? conf->user : NULL,
        .password = conf->user[0] ? secret : NULL,
        .token = conf->token_file[0] ? secret : NULL,
        .credentials = conf->credentials[0] ? conf->credentials : NULL,
        .tls = &conf->tls,
        .timeout_ns = conf->timeout_ns,
        .cancel = &sink->cancel,
    };
    rc = nats_open(&sink->link, &settings, error);
    secret_wipe(secret);
    return rc ? fault_say(&sink->fault, rc, "%.80s: connect: %s", conf->address, error) : 0;
}

int nats_sink_connect(struct nats_sink *sink, uint64_t resume)
{
    struct nats_info info;
    int rc = open_link(sink);
    if (!rc)
        rc = ask_info(sink, "INFO", "", &info);
    if (!rc && info.refusal.code == NATS_NO_STREAM)
        rc = create_stream(sink, &info);
    else if (!rc && info.refusal.code)
        rc = fail_refused(sink, "INFO", &info.refusal);
    if (!rc)
        rc = check_stream(sink, &info);
    return rc ? rc : find_end(sink, &info, resume);
}
