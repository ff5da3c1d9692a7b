/* http_batch.c - many events in one body.
 *
 * First it is looked through, some 32 KiB a turn: an array must be JSON as a whole, and how many
 * elements there are must be known before one is taken.  The comma behind each element of an array,
 * and the bracket behind the last one, become a byte that JSON text cannot have, so that they need
 * not be parsed again to be found.  Where the first elements stand is kept, so that a batch of
 * usual size is not looked through twice.
 *
 * Then it is fed: as many events at once as there was room for when it began, the rest turn by
 * turn, as long as half of that room stays for single events.
 */
#include <stddef.h>
#include <string.h>

#include "dataplane/base/counter.h"
#include "dataplane/base/json.h"
#include "dataplane/http_impl.h"

#define SCAN_BYTES  32768 /* a turn and batch */
#define FEED_EVENTS 128
#define TURN        4 /* batches a turn */
#define SEPARATOR   0xff
#define CUT_BYTES                                                                                  \
    12 /* an escaped pair of surrogates looks broken from its begin on when it is cut */

enum state { ARRAY_FIRST, ARRAY_VALUE, ARRAY_COMMA, ARRAY_TAIL, LINES, FEED, FED };

static void enlist(struct http *http, uint32_t number)
{
    struct http_batch *batch = http_batch_at(http, number);
    struct http_list *list = &http->feeding;
    batch->listed = true;
    batch->before = list->last;
    batch->after = HTTP_NONE;
    if (list->last == HTTP_NONE)
        list->first = number;
    else
        http_batch_at(http, list->last)->after = number;
    list->last = number;
}

static void delist(struct http *http, uint32_t number)
{
    struct http_batch *batch = http_batch_at(http, number);
    struct http_list *list = &http->feeding;
    if (!batch->listed)
        return;
    batch->listed = false;
    if (batch->before == HTTP_NONE)
        list->first = batch->after;
    else
        http_batch_at(http, batch->before)->after = batch->after;
    if (batch->after == HTTP_NONE)
        list->last = batch->before;
    else
        http_batch_at(http, batch->after)->before = batch->before;
}

void http_batch_give(struct http *http, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    delist(http, r->batch);
    http_pool_give(&http->batches, r->batch);
    r->batch = HTTP_NONE;
}

void http_batch_stop(struct http *http, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    delist(http, r->batch);
    http_batch_at(http, r->batch)->count = http_batch_at(http, r->batch)->fed;
}

static void refuse(struct http *http, struct http_batch *batch, enum http_problem problem)
{
    delist(http, http_request_at(http, batch->request)->batch);
    http_request_refuse(http, batch->request, problem);
}

/* restore makes the array what it was when it came. */
static void restore(const struct http_batch *batch, uint8_t *body)
{
    uint32_t at = 0;
    uint8_t *found;
    while ((found = memchr(body + at, SEPARATOR, batch->at - at))) {
        *found = ',';
        at = (uint32_t)(found - body) + 1;
    }
    if (batch->state == ARRAY_TAIL && at) /* the last one was the bracket */
        body[at - 1] = ']';
}

/* broken: the array is not JSON.  It is journaled as one dead letter if it is no longer than any
 * event, and nothing of it is taken. */
static void broken(struct http *http, struct http_batch *batch, uint8_t *body, enum reason reason,
                   uint32_t offset)
{
    uint32_t slot = batch->request;
    struct http_request *r = http_request_at(http, slot);
    restore(batch, body);
    r->problem = HTTP_PROBLEM_array;
    r->reason = (uint8_t)reason;
    r->offset = offset;
    r->flags |= HTTP_REQUEST_HAS_OFFSET;
    http_batch_give(http, slot);
    if (r->len <= EVENT_BYTES_MAX && http_request_submit(http, slot))
        r->state = HTTP_REQUEST_OPEN;
    else
        http_request_refuse(http, slot, HTTP_PROBLEM_array);
}

/* trim takes white space off an element. */
static struct http_batch_span trim(const uint8_t *body, uint32_t at, uint32_t len)
{
    while (len && json_is_space(body[at])) {
        at++;
        len--;
    }
    while (len && json_is_space(body[at + len - 1]))
        len--;
    return (struct http_batch_span){at, len};
}

/* count counts an element, and keeps the places of the first ones.  Returns whether there may be so
 * many. */
static bool count(struct http *http, struct http_batch *batch, const uint8_t *body, uint32_t len)
{
    if (batch->count == http->settings.batch_events) {
        refuse(http, batch, HTTP_PROBLEM_batch_events);
        return false;
    }
    if (batch->count < HTTP_BATCH_KEPT)
        batch->spans[batch->count] = trim(body, batch->at, len);
    batch->count++;
    return true;
}

/* behind moves on behind an element and what separates it from the next. */
static void behind(struct http_batch *batch, uint32_t len)
{
    batch->at += len;
    if (batch->count <= HTTP_BATCH_KEPT)
        batch->kept = batch->at;
}

/* value reads the element at batch->at.  Returns whether it goes on. */
static bool value(struct http *http, struct http_batch *batch, uint8_t *body, uint32_t len)
{
    uint32_t rest = len - batch->at;
    uint32_t most = rest < EVENT_BYTES_MAX + 1 ? rest : EVENT_BYTES_MAX + 1;
    struct json json;
    json_init(&json, body + batch->at, most, JSON_DEPTH_MAX);
    size_t end = json_value(&json, 0, 0);
    size_t stop = end == JSON_FAULT ? json.reason_offset : end;
    if (rest > most && stop + CUT_BYTES >= most) {
        refuse(http, batch, HTTP_PROBLEM_array_event_bytes);
        return false;
    }
    if (end == JSON_FAULT) {
        broken(http, batch, body, json.reason, batch->at + (uint32_t)stop);
        return false;
    }
    if (!count(http, batch, body, (uint32_t)end))
        return false;
    batch->at += (uint32_t)end;
    batch->state = ARRAY_COMMA;
    return true;
}

/* array_step reads the byte at batch->at, which is no white space, or the value that begins with
 * it. */
static bool array_step(struct http *http, struct http_batch *batch, uint8_t *body, uint32_t len)
{
    uint8_t *c = body + batch->at;
    bool ends = *c == ']' && batch->state != ARRAY_VALUE;
    if (batch->state == ARRAY_TAIL) {
        broken(http, batch, body, REASON_trailing, batch->at);
        return false;
    }
    if (ends || (batch->state == ARRAY_COMMA && *c == ',')) {
        batch->state = ends ? ARRAY_TAIL : ARRAY_VALUE;
        *c = SEPARATOR;
        behind(batch, 1);
        return true;
    }
    if (batch->state != ARRAY_COMMA)
        return value(http, batch, body, len);
    broken(http, batch, body, REASON_syntax, batch->at);
    return false;
}

enum scan { SCAN_MORE, SCAN_DONE, SCAN_OVER };

static enum scan scan_array(struct http *http, struct http_batch *batch, uint8_t *body,
                            uint32_t len)
{
    uint32_t begin = batch->at;
    while (batch->at < len) {
        if (batch->at - begin >= SCAN_BYTES)
            return SCAN_MORE;
        if (json_is_space(body[batch->at]))
            batch->at++;
        else if (!array_step(http, batch, body, len))
            return SCAN_OVER;
    }
    if (batch->state == ARRAY_TAIL)
        return SCAN_DONE;
    broken(http, batch, body, REASON_syntax, len);
    return SCAN_OVER;
}

/* blank returns whether a line is white space alone; none that is longer than any event is. */
static bool blank(const uint8_t *line, uint32_t len)
{
    if (len > EVENT_BYTES_MAX)
        return false;
    while (len && json_is_space(*line)) {
        line++;
        len--;
    }
    return len == 0;
}

uint32_t http_batch_element(const struct http_batch *batch, const uint8_t *body, uint32_t len,
                            uint32_t at)
{
    const uint8_t *end = memchr(body + at, batch->array ? SEPARATOR : '\n', len - at);
    return end ? (uint32_t)(end - body) - at : len - at;
}

static enum scan scan_lines(struct http *http, struct http_batch *batch, const uint8_t *body,
                            uint32_t len)
{
    uint32_t begin = batch->at;
    while (batch->at < len) {
        if (batch->at - begin >= SCAN_BYTES)
            return SCAN_MORE;
        uint32_t line = http_batch_element(batch, body, len, batch->at);
        if (!blank(body + batch->at, line) && !count(http, batch, body, line))
            return SCAN_OVER;
        behind(batch, line + 1);
    }
    return SCAN_DONE;
}

/* done: all events that were fed are answered. */
static void done(struct http *http, struct http_batch *batch)
{
    uint32_t slot = batch->request;
    struct http_request *r = http_request_at(http, slot);
    uint32_t shard = http->shard_count;
    if (r->flags & HTTP_REQUEST_DURABLE && r->conn != HTTP_NONE)
        shard = http_batch_wait_shard(http, batch, 0);
    if (shard < http->shard_count)
        http_wait_push(http, slot, shard, batch->ordinals[shard]);
    else
        http_request_ready(http, slot);
}

/* start decides whether a batch that has been looked through is taken. */
static bool start(struct http *http, struct http_batch *batch)
{
    uint32_t room = http->intake.room(http->intake.rx);
    const struct http_request *r = http_request_at(http, batch->request);
    batch->at_once =
        batch->count < http->settings.batch_room ? batch->count : http->settings.batch_room;
    if (room < batch->at_once)
        refuse(http, batch, HTTP_PROBLEM_no_room);
    else if (!http_request_pay(http, r, batch->count))
        refuse(http, batch, HTTP_PROBLEM_rate);
    else {
        batch->state = FEED;
        batch->at = batch->kept;
        counter_add(&http->counters.batches, 1);
        return true;
    }
    return false;
}

static bool scan(struct http *http, struct http_batch *batch)
{
    struct http_request *r = http_request_at(http, batch->request);
    uint8_t *body = http_buffer_bytes(http, r);
    enum scan scanned = batch->array ? scan_array(http, batch, body, r->len)
                                     : scan_lines(http, batch, body, r->len);
    return scanned == SCAN_DONE && start(http, batch);
}

/* next finds the next element to be fed; there is one. */
static struct http_batch_span next(struct http_batch *batch, const uint8_t *body, uint32_t len)
{
    if (batch->fed < HTTP_BATCH_KEPT)
        return batch->spans[batch->fed];
    for (;;) {
        uint32_t at = batch->at, size = http_batch_element(batch, body, len, at);
        batch->at += size + 1;
        if (!blank(body + at, size))
            return trim(body, at, size);
    }
}

static void feed(struct http *http, struct http_batch *batch)
{
    struct http_request *r = http_request_at(http, batch->request);
    const struct http_intake *intake = &http->intake;
    const uint8_t *body = http_buffer_bytes(http, r);
    uint32_t room = intake->room(intake->rx), keep = http->settings.batch_room / 2;
    uint32_t fed = batch->fed, rest = batch->count - fed;
    uint32_t end = fed + (rest < FEED_EVENTS ? rest : FEED_EVENTS);
    while (batch->fed < end && (batch->fed < batch->at_once || room > keep)) {
        uint32_t before = batch->at;
        struct http_batch_span span = next(batch, body, r->len);
        uint64_t token = http_token(batch->request, batch->fed, span.at);
        if (!intake->submit(intake->rx, token, body + span.at, span.len, r->wire_ns, r->id)) {
            batch->at = before;
            break;
        }
        batch->fed++;
        room -= room > 0;
    }
    http_request_opened(http, r, batch->fed - fed);
}

static void skip_bracket(struct http_batch *batch, const uint8_t *body)
{
    while (batch->array && json_is_space(body[batch->at]))
        batch->at++;
    batch->at += batch->array;
}

/* turn does one turn's work on a batch.  Returns whether there was any. */
static bool turn(struct http *http, uint32_t number)
{
    struct http_batch *batch = http_batch_at(http, number);
    uint32_t slot = batch->request, fed = batch->fed;
    struct http_request *r = http_request_at(http, slot);
    if (batch->state < FEED && !scan(http, batch))
        return true;
    feed(http, batch);
    if (batch->fed < batch->count)
        return batch->fed > fed;
    batch->state = FED;
    delist(http, number);
    r->state = HTTP_REQUEST_OPEN;
    if (batch->answered == batch->fed)
        done(http, batch);
    return true;
}

void http_batch_begin(struct http *http, uint32_t slot, bool array)
{
    struct http_request *r = http_request_at(http, slot);
    uint32_t number = http_pool_take(&http->batches);
    if (number == HTTP_NONE) {
        http_request_refuse(http, slot, HTTP_PROBLEM_no_batch);
        return;
    }
    r->batch = number;
    r->state = HTTP_REQUEST_BATCH;
    r->wire_ns = http->intake.wire(http->intake.rx);
    struct http_batch *batch = http_batch_at(http, number);
    memset(batch, 0, offsetof(struct http_batch, errors));
    batch->request = slot;
    batch->array = array;
    batch->state = array ? ARRAY_FIRST : LINES;
    enlist(http, number);
    skip_bracket(batch, http_buffer_bytes(http, r));
    turn(http, number);
}

unsigned http_batch_poll(struct http *http)
{
    unsigned work = 0;
    for (unsigned i = 0; i < TURN && http->feeding.first != HTTP_NONE; i++) {
        uint32_t number = http->feeding.first;
        bool only = http->feeding.last == number;
        delist(http, number);
        enlist(http, number);
        work += turn(http, number);
        if (only)
            break;
    }
    return work;
}

/* note keeps a fault in the order of the indexes. */
static void note(struct http_batch *batch, const struct http_batch_error *error)
{
    if (batch->error_count == HTTP_BATCH_ERRORS)
        return;
    uint32_t at = batch->error_count++;
    for (; at > 0 && batch->errors[at - 1].index > error->index; at--)
        batch->errors[at] = batch->errors[at - 1];
    batch->errors[at] = *error;
}

/* note_claim keeps what became of a claim in the order of the indexes. */
static void note_claim(struct http_batch *batch, uint32_t index, uint8_t claim)
{
    batch->claims++;
    if (batch->claim_count == HTTP_BATCH_CLAIMS)
        return;
    uint32_t at = batch->claim_count++;
    for (; at > 0 && batch->told[at - 1].index > index; at--)
        batch->told[at] = batch->told[at - 1];
    batch->told[at] = (struct http_batch_claim){(uint16_t)index, claim};
}

void http_batch_answered(struct http *http, uint32_t slot, uint32_t shard, uint32_t index,
                         uint32_t at, const struct answer *answer)
{
    struct http_batch *batch = http_batch_at(http, http_request_at(http, slot)->batch);
    batch->answered++;
    batch->results[answer->result]++;
    if (answer->ordinal > batch->ordinals[shard])
        batch->ordinals[shard] = answer->ordinal;
    if (answer->claim != ANSWER_CLAIM_NONE)
        note_claim(batch, index, answer->claim);
    if (answer->result == RESULT_REJECTED || answer->result == RESULT_REFUSED) {
        struct http_batch_error error = {
            .index = index,
            .at = at,
            .offset = answer->reason_offset,
            .result = answer->result,
            .reason = answer->reason,
        };
        note(batch, &error);
    }
    if (batch->fed == batch->count && batch->answered == batch->fed && !batch->listed)
        done(http, batch);
}

uint32_t http_batch_wait_shard(const struct http *http, const struct http_batch *batch,
                               uint32_t from)
{
    for (; from < http->shard_count; from++)
        if (batch->ordinals[from] &&
            batch->ordinals[from] > http->intake.durable(http->intake.rx, from))
            return from;
    return http->shard_count;
}
