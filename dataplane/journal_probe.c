/* journal_probe.c - a group by each way, in turn, so that what else the disk does is the same for
 * both. */
#include "dataplane/journal_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/block.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/segment.h"

#define GROUP_BYTES (16u << 10)
#define FILE_BYTES  (2u << 20)

static_assert(JOURNAL_PROBE_GROUPS * GROUP_BYTES <= FILE_BYTES, "each group has a place");

static int commit(const struct journal_file_ops *ops, int handle, uint8_t *group, uint32_t n,
                  uint64_t *took_ns)
{
    struct iovec part = {.iov_base = group, .iov_len = GROUP_BYTES};
    uint64_t began_ns = clock_monotonic_ns();
    int rc = ops->commit(ops->disk, handle, &part, 1, (uint64_t)n * GROUP_BYTES);
    *took_ns = clock_monotonic_ns() - began_ns;
    return rc;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int measure(const struct journal_file_ops ways[2], int handle, uint8_t *group,
                   uint64_t most_ns, uint64_t took_ns[2])
{
    uint64_t took[2][JOURNAL_PROBE_GROUPS], until_ns = clock_monotonic_ns() + most_ns;
    uint32_t n = 0;
    for (; n < JOURNAL_PROBE_GROUPS && (!n || clock_monotonic_ns() < until_ns); n++)
        for (int way = 0; way < 2; way++) {
            int rc = commit(&ways[way], handle, group, n, &took[way][n]);
            if (rc)
                return rc;
        }
    for (int way = 0; way < 2; way++) {
        qsort(took[way], n, sizeof took[way][0], compare);
        took_ns[way] = took[way][n * 9 / 10];
    }
    return 0;
}

int journal_probe(const struct journal_file_ops ways[2], int dir_fd, uint64_t most_ns,
                  uint64_t took_ns[2])
{
    char name[SEGMENT_NAME_MAX];
    uint8_t *group = aligned_alloc(BLOCK_ALIGN, GROUP_BYTES);
    if (!group)
        return -ENOMEM;
    memset(group, 'x', GROUP_BYTES);
    segment_spare_name(0, 0, name);
    int handle = ways[0].make(ways[0].disk, dir_fd, name, FILE_BYTES, false);
    int rc = handle < 0 ? handle : measure(ways, handle, group, most_ns, took_ns);
    if (handle >= 0) {
        (void)ways[0].close(ways[0].disk, handle, JOURNAL_FILE_WHOLE);
        (void)ways[0].remove(ways[0].disk, dir_fd, name);
    }
    free(group);
    return rc;
}
