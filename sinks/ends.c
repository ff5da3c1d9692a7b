/* ends.c - the line of ends, written and read. */
#include "sinks/ends.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/text.h"

#define ENDS_NAME_MAX 16u

static_assert(ENDS_NAME_MAX < ENDS_JOURNAL_MAX && 11 + TEXT_DECIMAL_MAX + 1 <= 34, "room");

static char *put_end(char *at, const struct sink_end *end)
{
    at += text_decimal_format(end->epoch, at);
    *at++ = '-';
    return at + text_decimal_format(end->ordinal, at);
}

void ends_encode(const char *journal, const struct sink_end end[SINK_EPOCH_JOURNALS_MAX],
                 char out[ENDS_TEXT_MAX])
{
    unsigned last = 0;
    for (unsigned i = 0; i < SINK_EPOCH_JOURNALS_MAX; i++)
        if (end[i].epoch)
            last = i + 1;
    size_t name = strnlen(journal, ENDS_NAME_MAX);
    memcpy(out, journal, name);
    char *at = out + name;
    *at++ = ' ';
    for (unsigned i = 0; i < last; i++) {
        if (i)
            *at++ = ',';
        if (end[i].epoch)
            at = put_end(at, &end[i]);
    }
    *at = '\0';
}

static bool read_number(const char **text, uint64_t max, uint64_t *value)
{
    char *rest;
    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *value = strtoull(*text, &rest, 10);
    *text = rest;
    return !errno && *value <= max;
}

bool ends_parse(const char *text, char journal[ENDS_JOURNAL_MAX],
                struct sink_end end[SINK_EPOCH_JOURNALS_MAX])
{
    size_t name = strcspn(text, " ");
    if (!name || name >= ENDS_JOURNAL_MAX || text[name] != ' ')
        return false;
    memcpy(journal, text, name);
    journal[name] = '\0';
    memset(end, 0, SINK_EPOCH_JOURNALS_MAX * sizeof *end);
    text += name + 1;
    for (unsigned i = 0; i < SINK_EPOCH_JOURNALS_MAX && *text; i++) {
        uint64_t epoch = 0, ordinal = 0;
        if (*text != ',' && (!read_number(&text, UINT32_MAX, &epoch) || *text++ != '-' ||
                             !read_number(&text, UINT64_MAX, &ordinal)))
            return false;
        end[i] = (struct sink_end){.epoch = (uint32_t)epoch, .ordinal = ordinal};
        if (*text && *text++ != ',')
            return false;
    }
    return *text == '\0';
}
