/* dead.c - appends to the dead file. */
#include "sinks/dead.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/text.h"
#include "dataplane/base/write_all.h"

#define ERROR_MAX 256u
#define DEAD_LINE (LINE_BYTES_MAX + 6 * ERROR_MAX + 256)

static size_t encode(const struct sink_item *item, const struct line_origin *origin,
                     const char *error, char out[DEAD_LINE])
{
    size_t len = strnlen(error, ERROR_MAX);
    int head =
        snprintf(out, DEAD_LINE, "{\"place\":\"%u-%llu\",\"shard\":%u,\"error\":", item->epoch,
                 (unsigned long long)item->ordinal, item->shard);
    size_t at = (size_t)head;
    int text = text_json_encode((const uint8_t *)error, len, out + at, 6 * ERROR_MAX + 8);
    at += (size_t)(text > 0 ? text : snprintf(out + at, 3, "\"\""));
    at += (size_t)snprintf(out + at, 16, ",\"outcome\":");
    at += line_encode(item, origin, out + at);
    out[at - 1] = '}'; /* where the line ended */
    out[at] = '\n';
    return at + 1;
}

int dead_append(const char *path, const struct sink_item *item, const struct line_origin *origin,
                const char *error)
{
    char line[DEAD_LINE];
    struct stat st = {.st_size = -1};
    size_t len = encode(item, origin, error, line);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &st) ? -errno : 0;
    if (!rc && (uint64_t)st.st_size + len > DEAD_BYTES_MAX)
        rc = -EFBIG;
    if (!rc)
        rc = write_all(fd, line, len, NULL);
    if (!rc && fsync(fd))
        rc = -errno;
    if (rc && rc != -EFBIG && st.st_size >= 0)
        (void)!ftruncate(fd, st.st_size); /* no half lines */
    close(fd);
    return rc;
}
