/* http_wait.c - answers that wait for the disk, in a list per shard.
 *
 * Ordinals grow within a list but for those of batches, which are pushed when the last shard has
 * answered: they wait for what stands in front of them, which is a matter of the next sync. */
#include "dataplane/http_impl.h"

#define BURST 256 /* a turn and shard */

void http_wait_push(struct http *http, uint32_t slot, uint32_t shard, uint64_t ordinal)
{
    struct http_request *r = http_request_at(http, slot);
    struct http_list *list = &http->waits[shard];
    r->state = HTTP_REQUEST_WAIT;
    r->ordinal = ordinal;
    r->wait_next = HTTP_NONE;
    if (list->last == HTTP_NONE)
        list->first = slot;
    else
        http_request_at(http, list->last)->wait_next = slot;
    list->last = slot;
    http->waiting++;
}

/* release goes on with a request that this shard's disk has; a batch may wait for another's. */
static void release(struct http *http, uint32_t slot, uint32_t shard, bool failed)
{
    struct http_request *r = http_request_at(http, slot);
    uint32_t other = http->shard_count;
    if (failed)
        r->problem = HTTP_PROBLEM_not_durable;
    else if (r->batch != HTTP_NONE && r->conn != HTTP_NONE)
        other = http_batch_wait_shard(http, http_batch_at(http, r->batch), shard + 1);
    if (other < http->shard_count)
        http_wait_push(http, slot, other, http_batch_at(http, r->batch)->ordinals[other]);
    else if (failed)
        http_request_refuse(http, slot, HTTP_PROBLEM_not_durable);
    else
        http_request_ready(http, slot);
}

unsigned http_wait_poll(struct http *http)
{
    unsigned work = 0;
    bool failed = http->health == HTTP_HEALTH_journal_failed;
    for (uint32_t shard = 0; http->waiting && shard < http->shard_count; shard++) {
        struct http_list *list = &http->waits[shard];
        if (list->first == HTTP_NONE)
            continue;
        uint64_t durable = http->intake.durable(http->intake.rx, shard);
        for (unsigned i = 0; i < BURST && list->first != HTTP_NONE; i++, work++) {
            uint32_t slot = list->first;
            struct http_request *r = http_request_at(http, slot);
            if (!failed && r->ordinal > durable)
                break;
            list->first = r->wait_next;
            if (list->first == HTTP_NONE)
                list->last = HTTP_NONE;
            http->waiting--;
            release(http, slot, shard, failed && r->ordinal > durable);
        }
    }
    return work;
}
