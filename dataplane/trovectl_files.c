/* trovectl_files.c - opening a data directory to read it. */
#include "dataplane/trovectl_files.h"

bool trovectl_files_open(const struct trovectl *ctl, struct trovectl_files *files, char error[512])
{
    if (store_view(&files->store, ctl->data_dir, error))
        return false;
    hash_key_init(&files->key, files->store.seed);
    return true;
}

void trovectl_files_close(struct trovectl_files *files)
{
    store_close(&files->store);
}

int trovectl_files_told(struct trovectl *ctl, enum story_result result, const char *next,
                        const char *error)
{
    if (result == STORY_TOLD)
        return TROVECTL_OK;
    if (result == STORY_UNKNOWN)
        return trovectl_fail(ctl, TROVECTL_FAILED, "not_found", next, "%s", error);
    return trovectl_fail(ctl, TROVECTL_FAILED, "journal_unreadable",
                         "trovectl segment verify --data-dir DIR", "%s", error);
}
