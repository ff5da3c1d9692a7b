/* record.c - walks the records of a block. */
#include "dataplane/base/record.h"

#include <stddef.h>

const struct record *record_next(const uint8_t *payload, uint32_t end, uint32_t *at)
{
    uint32_t room = end - *at;
    if (*at >= end || room < sizeof(struct record))
        return NULL;
    const struct record *record = (const struct record *)(const void *)(payload + *at);
    /* In this order: record_bytes of a hostile length would wrap. */
    if (record->body_len > room - sizeof(struct record) || record_bytes(record->body_len) > room)
        return NULL;
    if (record->kind < RECORD_EVENT || record->kind > RECORD_CORRECTION)
        return NULL;
    *at += record_bytes(record->body_len);
    return record;
}
