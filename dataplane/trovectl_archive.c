/* trovectl_archive.c - an archive as a source of replay. */
#include "dataplane/trovectl_archive.h"

#include <stdio.h>

#include "dataplane/base/clock.h"
#include "sinks/line.h"

#define TIMEOUT_NS     (30 * NS_PER_S)
#define DEFAULT_REGION "us-east-1"

static int next(void *arg, const struct record **record, uint32_t *config_version, char error[512])
{
    struct archive_record found;
    int rc = archive_reader_next(arg, &found, error);
    if (rc <= 0)
        return rc ? -1 : 0;
    *record = found.record;
    *config_version = found.config_version;
    return 1;
}

bool trovectl_archive_open(const struct trovectl *ctl, const struct trovectl_files *files,
                           struct trovectl_archive *archive, char error[512])
{
    char journal[LINE_JOURNAL_MAX + 1];
    const struct s3_target target = {.region = ctl->region ? ctl->region : DEFAULT_REGION,
                                     .credentials = ctl->credentials ? ctl->credentials : "",
                                     .timeout_ns = TIMEOUT_NS};
    archive->opened = true;
    if (archive_store_open(&archive->store, ctl->archive, &target)) {
        snprintf(error, 512, "%s", archive_store_error(&archive->store));
        return false;
    }
    if (archive->store.s3 && !ctl->credentials) {
        snprintf(error, 512, "say who reads the bucket: --credentials FILE");
        return false;
    }
    line_journal_name(&files->key, journal);
    archive->source = (struct replay_source){.next = next};
    int rc = archive_reader_open(&archive->reader, &archive->store, journal, error);
    archive->source.arg = archive->reader;
    return rc == 0;
}

void trovectl_archive_close(struct trovectl_archive *archive)
{
    if (!archive->opened)
        return;
    archive_reader_close(archive->reader);
    archive_store_close(&archive->store);
}
