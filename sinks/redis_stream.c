/* redis_stream.c - outcomes as entries of Redis streams, with ids that make a repeat harmless.
 *
 * A journal's stream is PREFIX:SHARD and an entry's id is EPOCH-ORDINAL of the outcome's record.
 * Epochs grow with every start and ordinals within one, and a pump reads epoch behind epoch, so ids
 * grow within a stream whatever the number of shards was, and Redis refuses what it has already.
 *
 * A batch is one script call, which stops at the first entry that is refused for another reason: of
 * plain pipelined XADDs the next one would be taken, and the one that failed could never follow, as
 * its id would be the smaller.  For the same reason a batch is sent when the one before is there:
 * meanwhile it is made.
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
#include "sinks/fault.h"
#include "sinks/redis.h"
#include "sinks/redis_batch.h"
#include "sinks/secret.h"

#define BATCHES 2u /* one on its way, one being made */

/* KEYS: the stream.  ARGV: how long it may grow (0: any), then entries of REDIS_ENTRY_ARGS. Returns
 * what was added, what was there, and why it stopped, if it did. */
static const char add_script[] =
    "local pcall, find, added, repeats = redis.pcall, string.find, 0, 0\n"
    "local call, id = {'XADD', KEYS[1], 'MAXLEN', '~', ARGV[1]}, 6\n"
    "if ARGV[1] == '0' then id = 3 end\n"
    "call[id + 1] = 'kind'\n"
    "for at = 2, #ARGV, 5 do\n"
    "  local last = id + 2\n"
    "  call[id] = ARGV[at]\n"
    "  call[last] = ARGV[at + 1]\n"
    "  if ARGV[at + 2] ~= '' then\n"
    "    call[last + 1] = 'hunt'\n"
    "    call[last + 2] = ARGV[at + 2]\n"
    "    last = last + 2\n"
    "  end\n"
    "  if ARGV[at + 3] ~= '' then\n"
    "    call[last + 1] = 'user'\n"
    "    call[last + 2] = ARGV[at + 3]\n"
    "    last = last + 2\n"
    "  end\n"
    "  call[last + 1] = 'outcome'\n"
    "  call[last + 2] = ARGV[at + 4]\n"
    "  local r = pcall(unpack(call, 1, last + 2))\n"
    "  if type(r) ~= 'table' or not r.err then\n"
    "    added = added + 1\n"
    "  elseif find(r.err, 'equal or smaller', 1, true) then\n"
    "    repeats = repeats + 1\n"
    "  else\n"
    "    return added .. ' ' .. repeats .. ' ' .. r.err\n"
    "  end\n"
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

struct sink_redis {
    const struct conf_sink *conf;
    struct conf_endpoint endpoint;
    char journal[LINE_JOURNAL_MAX + 1];
    const struct line_origin *origin;
    struct redis *link;
    _Atomic bool cancel;
    char sha[SCRIPT_COUNT][REDIS_SHA_MAX + 1];
    bool known[SINK_EPOCH_JOURNALS_MAX];
    struct sink_end end[SINK_EPOCH_JOURNALS_MAX];
    struct sink_fault fault;
    uint64_t repeats; /* outcomes that the stream had already */

    unsigned turn;  /* the batch being made */
    bool is_waited; /* the other one is on its way */
    struct redis_batch batches[BATCHES];
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

#define WORDS_MAX 6

/* Sends words, up to a NULL, and takes the reply; an error reply is a failure. */
static int call(struct sink_redis *sink, const char *const *words, struct redis_reply *reply)
{
    size_t lens[WORDS_MAX];
    const char *what = words[0];
    int count = 0;
    for (; words[count]; count++) {
        assert(count < WORDS_MAX);
        lens[count] = strlen(words[count]);
    }
    int rc = redis_call(sink->link, count, words, lens, reply);
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
        if (!rc && reply->len != REDIS_SHA_MAX)
            rc = fail_link(sink, -EPROTO, "SCRIPT LOAD");
        if (!rc)
            memcpy(sink->sha[i], reply->text, REDIS_SHA_MAX + 1);
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
    sink->is_waited = false;
    for (unsigned i = 0; i < BATCHES; i++)
        redis_batch_clear(&sink->batches[i]);
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

static int send_batch(struct sink_redis *sink, const struct redis_batch *batch)
{
    char key[CONF_NAME_MAX + 16], head[REDIS_HEAD_MAX];
    int rc = 0;
    name_stream(sink, batch->shard, key);
    if (batch->new_count)
        rc = redis_append_bytes(
            sink->link, head,
            redis_batch_head(batch, sink->sha[ADD], key, sink->conf->max_length, head));
    if (!rc)
        rc = redis_append_bytes(sink->link, batch->args, batch->used);
    if (!rc)
        rc = redis_append_bytes(sink->link, batch->wins, batch->win_used);
    if (!rc)
        rc = redis_flush(sink->link);
    return rc ? fail_link(sink, rc, "XADD") : 0;
}

static int take_added(struct sink_redis *sink, const struct redis_batch *batch,
                      const struct redis_reply *reply)
{
    struct redis_added found;
    if (reply->kind == REDIS_ERROR)
        return fault_say(&sink->fault, -EREMOTEIO, "%s: XADD: %s", sink->conf->address,
                         error_text(reply->text));
    if (!redis_batch_answer(batch, reply->text, &found))
        return fail_link(sink, -EPROTO, "XADD");
    counter_add(&sink->repeats, found.repeats);
    if (!*found.why)
        return 0;
    const struct sink_place *place = redis_batch_place(batch, found.added + found.repeats);
    const char *why = error_text(found.why);
    sink->fault.at = *place;
    sink->fault.of_record = is_of_record(why);
    return fault_say(&sink->fault, -EREMOTEIO, "%s: XADD %u-%" PRIu64 ": %s", sink->conf->address,
                     place->epoch, place->ordinal, why);
}

static int take_answers(struct sink_redis *sink, const struct redis_batch *batch)
{
    struct redis_reply reply;
    int rc = 0;
    if (batch->new_count) {
        rc = redis_read(sink->link, &reply);
        if (!rc && (rc = take_added(sink, batch, &reply)))
            return rc;
    }
    for (uint32_t i = 0; !rc && i < batch->win_count; i++) {
        rc = redis_read(sink->link, &reply);
        if (!rc && reply.kind == REDIS_ERROR)
            return fault_say(&sink->fault, -EREMOTEIO, "%s: winners: %s", sink->conf->address,
                             error_text(reply.text));
    }
    return rc ? fail_link(sink, rc, "XADD") : 0;
}

/* Waits until what is on its way is there. */
static int finish(struct sink_redis *sink)
{
    struct redis_batch *batch = &sink->batches[(sink->turn + 1) % BATCHES];
    int rc = sink->is_waited ? take_answers(sink, batch) : 0;
    if (rc || !sink->is_waited)
        return rc;
    const struct sink_place *last = &batch->entries[batch->count - 1].place;
    if (batch->new_count)
        sink->end[batch->shard] = (struct sink_end){.epoch = last->epoch, .ordinal = last->ordinal};
    redis_batch_clear(batch);
    sink->is_waited = false;
    return 0;
}

/* Sends what was made, behind what is on its way. */
static int flush(struct sink_redis *sink)
{
    const struct redis_batch *batch = &sink->batches[sink->turn];
    int rc = finish(sink);
    if (rc || !batch->count)
        return rc;
    rc = send_batch(sink, batch);
    sink->is_waited = !rc;
    sink->turn = (sink->turn + 1) % BATCHES;
    return rc;
}

/* ---- items ---- */

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
    const struct redis_batch *batch = &sink->batches[sink->turn];
    bool full = redis_batch_is_full(batch) || (batch->count && batch->shard != item->shard);
    int rc = full ? flush(sink) : 0;
    /* Nothing else is asked while an answer is to come. */
    if (!rc && !sink->known[item->shard])
        rc = finish(sink);
    if (!rc)
        rc = find_end(sink, item->shard);
    if (rc)
        return rc;
    const struct sink_end place = {.epoch = item->epoch, .ordinal = item->ordinal};
    bool is_new = sink_end_is_before(&sink->end[item->shard], &place);
    bool wins = sink->conf->winners[0] && is_word_on_award(item);
    const struct redis_winners winners = {.name = sink->conf->winners, .sha = sink->sha[WIN]};
    counter_add(&sink->repeats, !is_new);
    if (is_new || wins)
        redis_batch_add(&sink->batches[sink->turn], item, sink->conf->format, sink->origin, is_new,
                        wins ? &winners : NULL);
    return 0;
}

static int stream_commit(void *arg, uint64_t *resume)
{
    *resume = 0;
    int rc = flush(arg);
    return rc ? rc : finish(arg);
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
    .late = true,
    .close = stream_close,
    .end = stream_end,
    .fault = stream_fault,
    .cancel = stream_cancel,
    .remote = true,
};
