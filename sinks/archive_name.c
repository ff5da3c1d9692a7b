/* archive_name.c - names of objects, and back. */
#include "sinks/archive_name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dataplane/base/clock.h"

#define ORDINAL_END 1000000000000000u /* 10^15: 130 years of 240,000 a second */

void archive_name_format(const struct archive_name *name, char out[ARCHIVE_NAME_MAX])
{
    struct tm tm;
    time_t at = (time_t)name->hour * 3600;
    gmtime_r(&at, &tm);
    size_t len = strftime(out, ARCHIVE_NAME_MAX, "%Y/%m/%d/%H/", &tm);
    int more = snprintf(out + len, ARCHIVE_NAME_MAX - len, "%.16s-%06u-%03u-%015" PRIu64,
                        name->journal, name->epoch, name->shard, name->first);
    len += (size_t)more;
    if (name->last)
        snprintf(out + len, ARCHIVE_NAME_MAX - len, "-%015" PRIu64 ".manifest.json", name->last);
    else
        snprintf(out + len, ARCHIVE_NAME_MAX - len, ".ndjson.zst");
}

/* Digits of a fixed width, or more of them where that is not enough. */
static const char *take_digits(const char *at, unsigned width, uint64_t max, uint64_t *value)
{
    unsigned count = 0;
    *value = 0;
    for (; at && *at >= '0' && *at <= '9' && count < 16; at++, count++)
        *value = *value * 10 + (unsigned)(*at - '0');
    return count >= width && *value <= max ? at : NULL;
}

static const char *take(const char *at, const char *text)
{
    size_t len = strlen(text);
    return at && strncmp(at, text, len) == 0 ? at + len : NULL;
}

static const char *take_hour(const char *at, uint32_t *hour)
{
    struct tm tm = {0};
    uint64_t part[4];
    for (unsigned i = 0; i < 4; i++)
        at = take(take_digits(at, i ? 2 : 4, i ? 31 : 9999, &part[i]), "/");
    if (!at)
        return NULL;
    tm.tm_year = (int)part[0] - 1900;
    tm.tm_mon = (int)part[1] - 1;
    tm.tm_mday = (int)part[2];
    tm.tm_hour = (int)part[3];
    *hour = (uint32_t)(timegm(&tm) / 3600);
    return at;
}

static const char *take_journal(const char *at, struct archive_name *name)
{
    size_t len = at ? strspn(at, "0123456789abcdef") : 0;
    if (len != LINE_JOURNAL_MAX)
        return NULL;
    memcpy(name->journal, at, len);
    return take(at + len, "-");
}

int archive_name_parse(const char *text, struct archive_name *name)
{
    char again[ARCHIVE_NAME_MAX];
    uint64_t epoch = 0, shard = 0;
    *name = (struct archive_name){0};
    const char *at = take_journal(take_hour(text, &name->hour), name);
    at = take(take_digits(at, 6, UINT32_MAX, &epoch), "-");
    at = take(take_digits(at, 3, UINT32_MAX, &shard), "-");
    at = take_digits(at, 15, ORDINAL_END - 1, &name->first);
    if (at && *at == '-')
        at = take_digits(at + 1, 15, ORDINAL_END - 1, &name->last);
    name->epoch = (uint32_t)epoch;
    name->shard = (uint32_t)shard;
    if (!at)
        return -EINVAL;
    archive_name_format(name, again);
    return strcmp(again, text) ? -EINVAL : 0;
}

int archive_name_order(const struct archive_name *a, const struct archive_name *b)
{
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? -1 : 1;
    if (a->shard != b->shard)
        return a->shard < b->shard ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}
