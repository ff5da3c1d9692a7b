/* redis_stream.c - outcomes as entries of Redis streams, with ids that make a repeat harmless.
 *
 * A journal's stream is PREFIX:SHARD and an entry's id is EPOCH-ORDINAL of the outcome's record.
 * Epochs grow with every start and ordinals within one, and a pump reads epoch behind epoch, so ids
 * grow within a stream whatever the number of shards was, and Redis refuses what it has already.
 *
 * A batch is one script call, which stops at the first entry that is refused for another reason: of
 * plain pipelined XADDs the next one would be taken, and the one that failed could never follow, as
 * its id would be the smaller.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dataplane/base/correction.h"
#include "dataplane/base/counter.h"
#include "dataplane/base/text.h"
#include "sinks/body.h"
#include "sinks/fault.h"
#include "sinks/redis.h"
#include "sinks/secret.h"

#define BATCH_MAX   512u
#define BATCH_BYTES (256u << 10)
#define ENTRY_ARGS  10 /* how many follow; id; four fields and their values */
#define SHA_MAX     40u

/* KEYS: the stream.  ARGV: how long it may grow (0: any), then entries.  Returns what was added,
 * what was there, and why it stopped, if it did. */
static const char add_script[] =
    "local added, repeats, at = 0, 0, 2\n"
    "while at <= #ARGV do\n"
    "  local last = at + tonumber(ARGV[at])\n"
    "  local r\n"
    "  if ARGV[1] == '0' then\n"
    "    r = redis.pcall('XADD', KEYS[1], unpack(ARGV, at + 1, last))\n"
    "  else\n"
    "    r = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], unpack(ARGV, at + 1, last))\n"
    "  end\n"
    "  if type(r) == 'table' and r.err then\n"
    "    if not string.find(r.err, 'equal or smaller', 1, true) then\n"
    "      return added .. ' ' .. repeats .. ' ' .. r.err\n"
    "    end\n"
    "    repeats = repeats + 1\n"
    "  else\n"
    "    added = added + 1\n"
    "  end\n"
    "  at = last + 1\n"
    "end\n"
    "return added .. ' ' .. repeats .. ' '\n";

/* KEYS: the stream.  The id that the next one has to be greater than; trimming leaves it. */
static const char end_script[] =
    "if redis.call('EXISTS', KEYS[1]) == 0 then return '' end\n"
    "local r = redis.call('XINFO', 'STREAM', KEYS[1])\n"
    "for i = 1, #r, 2 do\n"
    "  if r[i] == 'last-generated-id' then return r[i + 1] end\n"
    "end\n"
    "return redis.error_reply('ERR XINFO STREAM names no last-generated-id')\n";

/* KEYS: the hunt's hash.  ARGV: user, epoch, ordinal, outcome.  An older award never takes the
 * place of a newer one: all of a user's lie in one journal an epoch. */
static const char win_script[] =
    "local old = redis.call('HGET', KEYS[1], ARGV[1])\n"
    "if old then\n"
    "  local e, o = string.match(old, '^(%d+)-(%d+) ')\n"
    "  e, o = tonumber(e), tonumber(o)\n"
    "  local epoch, ordinal = tonumber(ARGV[2]), tonumber(ARGV[3])\n"
    "  if e and (e > epoch or (e == epoch and o >= ordinal)) then return 0 end\n"
    "end\n"
    "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. '-' .. ARGV[3] .. ' ' .. ARGV[4])\n"
    "return 1\n";

enum script { ADD, END, WIN, SCRIPT_COUNT };
static const char *const scripts[] = {[ADD] = add_script, [END] = end_script, [WIN] = win_script};

struct text {
    const char *at;
    size_t len;
};

struct entry {
    struct sink_place place;
    struct text user, hunt, line; /* in the batch's buffer */
    const char *kind;
    char id[48];
    char args[4];
    bool is_new; /* the stream has it not */
    bool wins;
};

struct sink_redis {
    const struct conf_sink *conf;
    struct conf_endpoint endpoint;
    char journal[LINE_JOURNAL_MAX + 1];
    const struct line_origin *origin;
    struct redis *link;
    _Atomic bool cancel;
    char sha[SCRIPT_COUNT][SHA_MAX + 1];
    bool known[SINK_EPOCH_JOURNALS_MAX];
    struct sink_end end[SINK_EPOCH_JOURNALS_MAX];
    struct sink_fault fault;
    uint64_t repeats; /* outcomes that the stream had already */

    /* The batch: outcomes of one shard. */
    uint32_t shard;
    uint32_t count;
    uint32_t new_count;
    size_t used;
    struct entry entries[BATCH_MAX];
    char buffer[BATCH_BYTES];
    const char *argv[5 + BATCH_MAX * ENTRY_ARGS];
    size_t lens[5 + BATCH_MAX * ENTRY_ARGS];
    int argc;
};

static uint64_t stream_repeats(const void *arg)
{
    return counter_read(&((const struct sink_redis *)arg)->repeats);
}

static void *stream_make(const struct sink_setup *setup)
{
    struct sink_redis *sink = calloc(1, sizeof *sink);
    if (!sink)
        return NULL;
    sink->conf = setup->conf;
    sink->origin = setup->origin;
    snprintf(sink->journal, sizeof sink->journal, "%s", setup->origin->journal);
    if (conf_server_parse(setup->conf->address, &sink->endpoint)) {
        free(sink);
        return NULL;
    }
    return sink;
}

static void stream_free(void *arg)
{
    struct sink_redis *sink = arg;
    redis_close(sink->link);
    free(sink);
}

/* ---- faults ---- */

static int fail_link(struct sink_redis *sink, int rc, const char *what)
{
    return fault_say(&sink->fault, rc, "%s: %s: %s", sink->conf->address, what,
                     rc == -EPROTO ? "the answer is not one of a Redis server's" : strerror(-rc));
}

/* Before Redis 7 an error inside a script has the script's place in front. */
static const char *error_text(const char *text)
{
    const char *behind = *text == '@' ? strstr(text, ": ") : NULL;
    behind = behind ? strstr(behind + 2, ": ") : NULL;
    text = behind ? behind + 2 : text;
    return *text == '-' ? text + 1 : text;
}

/* Everything but a plain ERR says what state the server is in (OOM, READONLY, LOADING, NOPERM,
 * WRONGTYPE, ...): another record would fare no better. */
static bool is_of_record(const char *text)
{
    return strncmp(text, "ERR ", 4) == 0 && strncasecmp(text, "ERR unknown", 11) != 0;
}

/* ---- connecting ---- */

static void put_arg(struct sink_redis *sink, const char *text, size_t len)
{
    assert(sink->argc < (int)(sizeof sink->argv / sizeof *sink->argv));
    sink->argv[sink->argc] = text;
    sink->lens[sink->argc++] = len;
}

static void put_word(struct sink_redis *sink, const char *text)
{
    put_arg(sink, text, strlen(text));
}

/* Sends words, up to a NULL, and takes the reply; an error reply is a failure. */
static int call(struct sink_redis *sink, const char *const *words, struct redis_reply *reply)
{
    sink->argc = 0;
    for (; *words; words++)
        put_word(sink, *words);
    const char *what = sink->argv[0];
    int rc = redis_call(sink->link, sink->argc, sink->argv, sink->lens, reply);
    if (rc)
        return fail_link(sink, rc, what);
    if (reply->kind == REDIS_ERROR)
        return fault_say(&sink->fault, -EREMOTEIO, "%s: %s: %s", sink->conf->address, what,
                         error_text(reply->text));
    return 0;
}

#define CALL(sink, reply, ...) call(sink, (const char *const[]){__VA_ARGS__, NULL}, reply)

static int authenticate(struct sink_redis *sink, struct redis_reply *reply)
{
    const struct conf_sink *conf = sink->conf;
    char password[SECRET_MAX + 2];
    if (!conf->password_file[0])
        return 0;
    int rc = secret_read(conf->password_file, password);
    if (rc < 0)
        return fault_say(&sink->fault, rc, "password_file %.150s: %s", conf->password_file,
                         rc == -EFBIG ? "longer than 512 bytes" : strerror(-rc));
    rc = conf->user[0] ? CALL(sink, reply, "AUTH", conf->user, password)
                       : CALL(sink, reply, "AUTH", password);
    secret_wipe(password);
    return rc;
}

/* Another journal's ids would be refused as repeats, and its outcomes be lost without a word. */
static int check_owner(struct sink_redis *sink, struct redis_reply *reply)
{
    char key[CONF_NAME_MAX + 16];
    snprintf(key, sizeof key, "%s:journal", sink->conf->stream);
    int rc = CALL(sink, reply, "SET", key, sink->journal, "NX");
    if (!rc)
        rc = CALL(sink, reply, "GET", key);
    if (!rc && strcmp(reply->text, sink->journal) != 0)
        rc = fault_say(
            &sink->fault, -EEXIST,
            "the streams %s:* belong to another data directory (%s holds '%.32s', not '%s'): "
            "give this sink its own stream",
            sink->conf->stream, key, reply->text, sink->journal);
    return rc;
}

static int load_scripts(struct sink_redis *sink, struct redis_reply *reply)
{
    int rc = 0;
    for (unsigned i = 0; !rc && i < SCRIPT_COUNT; i++) {
        rc = CALL(sink, reply, "SCRIPT", "LOAD", scripts[i]);
        if (!rc && reply->len != SHA_MAX)
            rc = fail_link(sink, -EPROTO, "SCRIPT LOAD");
        if (!rc)
            memcpy(sink->sha[i], reply->text, SHA_MAX + 1);
    }
    return rc;
}

static int greet(struct sink_redis *sink)
{
    struct redis_reply reply;
    char database[16];
    snprintf(database, sizeof database, "%u", sink->conf->database);
    int rc = authenticate(sink, &reply);
    if (!rc && sink->conf->database)
        rc = CALL(sink, &reply, "SELECT", database);
    if (!rc)
        rc = check_owner(sink, &reply);
    return rc ? rc : load_scripts(sink, &reply);
}

static void stream_close(void *arg)
{
    struct sink_redis *sink = arg;
    redis_close(sink->link);
    sink->link = NULL;
}

static int stream_open(void *arg, uint64_t resume)
{
    struct sink_redis *sink = arg;
    (void)resume;
    assert(!sink->link);
    sink->fault = (struct sink_fault){0};
    sink->count = sink->new_count = 0;
    sink->used = 0;
    memset(sink->known, 0, sizeof sink->known);
    int rc = redis_open(&sink->link, &sink->endpoint, sink->conf->timeout_ns, &sink->cancel);
    if (rc) {
        sink->link = NULL;
        return fail_link(sink, rc, "connect");
    }
    rc = greet(sink);
    if (rc)
        stream_close(sink);
    return rc;
}

static int name_stream(const struct sink_redis *sink, uint32_t shard, char key[CONF_NAME_MAX + 16])
{
    return snprintf(key, CONF_NAME_MAX + 16, "%s:%u", sink->conf->stream, shard);
}

static int parse_id(const char *text, struct sink_end *end)
{
    char *rest;
    errno = 0;
    uint64_t epoch = strtoull(text, &rest, 10);
    if (rest == text || *rest != '-' || epoch > UINT32_MAX)
        return -EPROTO;
    text = rest + 1;
    end->ordinal = strtoull(text, &rest, 10);
    end->epoch = (uint32_t)epoch;
    return rest == text || *rest || errno ? -EPROTO : 0;
}

static int find_end(struct sink_redis *sink, uint32_t shard)
{
    struct redis_reply reply;
    char key[CONF_NAME_MAX + 16];
    assert(shard < SINK_EPOCH_JOURNALS_MAX);
    if (sink->known[shard])
        return 0;
    name_stream(sink, shard, key);
    sink->end[shard] = (struct sink_end){0};
    int rc = CALL(sink, &reply, "EVALSHA", sink->sha[END], "1", key);
    if (!rc && reply.len && parse_id(reply.text, &sink->end[shard]))
        rc = fault_say(&sink->fault, -EPROTO, "stream %s ends with '%.40s', which is no id of ours",
                       key, reply.text);
    sink->known[shard] = !rc;
    return rc;
}

static int stream_end(void *arg, uint32_t shard, struct sink_end *end)
{
    struct sink_redis *sink = arg;
    int rc = find_end(sink, shard);
    if (!rc)
        *end = sink->end[shard];
    return rc;
}

/* ---- batches ---- */

static void put_entry(struct sink_redis *sink, struct entry *entry)
{
    unsigned fields = 2 + (entry->hunt.len > 0) + (entry->user.len > 0);
    snprintf(entry->args, sizeof entry->args, "%u", 1 + 2 * fields);
    put_word(sink, entry->args);
    put_word(sink, entry->id);
    put_word(sink, "kind");
    put_word(sink, entry->kind);
    if (entry->hunt.len) {
        put_word(sink, "hunt");
        put_arg(sink, entry->hunt.at, entry->hunt.len);
    }
    if (entry->user.len) {
        put_word(sink, "user");
        put_arg(sink, entry->user.at, entry->user.len);
    }
    put_word(sink, "outcome");
    put_arg(sink, entry->line.at, entry->line.len);
}

static int send_entries(struct sink_redis *sink, const char *key)
{
    char max[24];
    if (!sink->new_count)
        return 0;
    snprintf(max, sizeof max, "%" PRIu64, sink->conf->max_length);
    sink->argc = 0;
    put_word(sink, "EVALSHA");
    put_word(sink, sink->sha[ADD]);
    put_word(sink, "1");
    put_word(sink, key);
    put_word(sink, max);
    for (uint32_t i = 0; i < sink->count; i++)
        if (sink->entries[i].is_new)
            put_entry(sink, &sink->entries[i]);
    return redis_append(sink->link, sink->argc, sink->argv, sink->lens);
}

static int send_winners(struct sink_redis *sink, unsigned *sent)
{
    int rc = 0;
    for (uint32_t i = 0; !rc && i < sink->count; i++) {
        const struct entry *entry = &sink->entries[i];
        char key[2 * CONF_NAME_MAX + 8], epoch[16], ordinal[24];
        if (!entry->wins)
            continue;
        snprintf(key, sizeof key, "%s:%.*s", sink->conf->winners, (int)entry->hunt.len,
                 entry->hunt.at);
        snprintf(epoch, sizeof epoch, "%u", entry->place.epoch);
        snprintf(ordinal, sizeof ordinal, "%" PRIu64, entry->place.ordinal);
        sink->argc = 0;
        put_word(sink, "EVALSHA");
        put_word(sink, sink->sha[WIN]);
        put_word(sink, "1");
        put_word(sink, key);
        put_arg(sink, entry->user.at, entry->user.len);
        put_word(sink, epoch);
        put_word(sink, ordinal);
        put_arg(sink, entry->line.at, entry->line.len);
        rc = redis_append(sink->link, sink->argc, sink->argv, sink->lens);
        ++*sent;
    }
    return rc;
}

/* The n-th of the entries that were sent. */
static const struct entry *new_entry(const struct sink_redis *sink, uint64_t n)
{
    const struct entry *entry = sink->entries;
    while (!entry->is_new || n--)
        entry++;
    return entry;
}

static int take_answer(struct sink_redis *sink, const struct redis_reply *reply)
{
    char *rest, *text = NULL;
    if (reply->kind == REDIS_ERROR)
        return fault_say(&sink->fault, -EREMOTEIO, "%s: XADD: %s", sink->conf->address,
                         error_text(reply->text));
    uint64_t added = strtoull(reply->text, &rest, 10);
    uint64_t repeats = *rest == ' ' ? strtoull(rest, &text, 10) : UINT64_MAX;
    if (added > sink->new_count || repeats > sink->new_count - added || !text || *text != ' ')
        return fail_link(sink, -EPROTO, "XADD");
    text++;
    if (!*text == (added + repeats < sink->new_count))
        return fail_link(sink, -EPROTO, "XADD");
    counter_add(&sink->repeats, repeats);
    if (!*text)
        return 0;
    const struct entry *entry = new_entry(sink, added + repeats);
    const char *why = error_text(text);
    sink->fault.at = entry->place;
    sink->fault.of_record = is_of_record(why);
    return fault_say(&sink->fault, -EREMOTEIO, "%s: XADD %s: %s", sink->conf->address, entry->id,
                     why);
}

static int take_answers(struct sink_redis *sink, unsigned winners)
{
    struct redis_reply reply;
    int rc = redis_flush(sink->link);
    if (!rc && sink->new_count) {
        rc = redis_read(sink->link, &reply);
        if (!rc && (rc = take_answer(sink, &reply)))
            return rc;
    }
    for (; !rc && winners; winners--) {
        rc = redis_read(sink->link, &reply);
        if (!rc && reply.kind == REDIS_ERROR)
            return fault_say(&sink->fault, -EREMOTEIO, "%s: winners: %s", sink->conf->address,
                             error_text(reply.text));
    }
    return rc ? fail_link(sink, rc, "XADD") : 0;
}

static int flush(struct sink_redis *sink)
{
    char key[CONF_NAME_MAX + 16];
    unsigned winners = 0;
    if (!sink->count)
        return 0;
    name_stream(sink, sink->shard, key);
    int rc = send_entries(sink, key);
    if (!rc)
        rc = send_winners(sink, &winners);
    rc = rc ? fail_link(sink, rc, "XADD") : take_answers(sink, winners);
    if (rc)
        return rc;
    const struct sink_place *last = &sink->entries[sink->count - 1].place;
    if (sink->new_count)
        sink->end[sink->shard] = (struct sink_end){.epoch = last->epoch, .ordinal = last->ordinal};
    sink->count = sink->new_count = 0;
    sink->used = 0;
    return 0;
}

/* ---- items ---- */

static struct text keep(struct sink_redis *sink, const void *bytes, size_t len)
{
    char *at = sink->buffer + sink->used;
    assert(len <= sizeof sink->buffer - sink->used);
    if (len)
        memcpy(at, bytes, len);
    sink->used += len;
    return (struct text){at, len};
}

static void add(struct sink_redis *sink, const struct sink_item *item, bool is_new, bool wins)
{
    struct entry *entry = &sink->entries[sink->count++];
    *entry = (struct entry){
        .place = {.epoch = item->epoch,
                  .shard = item->shard,
                  .ordinal = item->ordinal,
                  .partition = item->outcome->partition,
                  .seq = item->outcome->seq},
        .kind = outcome_kind_name(item->view.outcome.kind),
        .is_new = is_new,
        .wins = wins,
    };
    snprintf(entry->id, sizeof entry->id, "%u-%" PRIu64, item->epoch, item->ordinal);
    uint8_t user[EVENT_NAME_MAX];
    entry->user = keep(sink, user, line_user(item, user));
    entry->hunt = keep(sink, item->view.hunt.text, item->view.hunt.len);
    entry->line.at = sink->buffer + sink->used;
    entry->line.len =
        body_encode(sink->conf->format, item, sink->origin, sink->buffer + sink->used) - 1;
    sink->used += entry->line.len;
    sink->shard = item->shard;
    sink->new_count += is_new;
}

/* Says whether an outcome is the newest word on what the user has won. A tile is given or taken
 * back where the tile is, and has no place in a user's order. */
static bool is_word_on_award(const struct sink_item *item)
{
    struct correction correction;
    unsigned kind = item->view.outcome.kind;
    if (kind != OUTCOME_granted && kind != OUTCOME_revoked)
        return kind == OUTCOME_award;
    return correction_decode(record_body(item->event), item->event->body_len, &correction) == 0 &&
           !correction.tile[0];
}

static int stream_deliver(void *arg, const struct sink_item *item)
{
    struct sink_redis *sink = arg;
    bool full = sink->count == BATCH_MAX ||
                sizeof sink->buffer - sink->used < BODY_BYTES_MAX + 2 * EVENT_NAME_MAX;
    int rc = full || (sink->count && sink->shard != item->shard) ? flush(sink) : 0;
    if (!rc)
        rc = find_end(sink, item->shard);
    if (rc)
        return rc;
    const struct sink_end place = {.epoch = item->epoch, .ordinal = item->ordinal};
    bool is_new = sink_end_is_before(&sink->end[item->shard], &place);
    bool wins = sink->conf->winners[0] && is_word_on_award(item);
    counter_add(&sink->repeats, !is_new);
    if (is_new || wins)
        add(sink, item, is_new, wins);
    return 0;
}

static int stream_commit(void *arg, uint64_t *resume)
{
    *resume = 0;
    return flush(arg);
}

static const struct sink_fault *stream_fault(void *arg)
{
    return &((struct sink_redis *)arg)->fault;
}

static void stream_cancel(void *arg)
{
    atomic_store(&((struct sink_redis *)arg)->cancel, true);
}

const struct sink_ops sink_redis_ops = {
    .type = "redis",
    .make = stream_make,
    .free = stream_free,
    .repeats = stream_repeats,
    .open = stream_open,
    .deliver = stream_deliver,
    .commit = stream_commit,
    .close = stream_close,
    .end = stream_end,
    .fault = stream_fault,
    .cancel = stream_cancel,
    .remote = true,
};
