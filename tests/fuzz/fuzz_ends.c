/* fuzz_ends.c - any text as a position that a cluster kept for a sink: what is taken is written
 * back as something that reads the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sinks/ends.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sink_end end[SINK_EPOCH_JOURNALS_MAX], again[SINK_EPOCH_JOURNALS_MAX];
    char journal[ENDS_JOURNAL_MAX], name[ENDS_JOURNAL_MAX], line[ENDS_TEXT_MAX];
    char *text = strndup((const char *)data, size);
    assert(text);
    if (ends_parse(text, journal, end)) {
        assert(memchr(journal, '\0', sizeof journal) && journal[0]);
        for (unsigned i = 0; i < SINK_EPOCH_JOURNALS_MAX; i++)
            if (!end[i].epoch) /* epochs begin at 1: with 0 there is nothing */
                end[i].ordinal = 0;
        ends_encode(journal, end, line);
        assert(memchr(line, '\0', sizeof line));
        assert(ends_parse(line, name, again));
        assert(memcmp(end, again, sizeof end) == 0);
        assert(strncmp(name, journal, 16) == 0);
    }
    free(text);
    return 0;
}
