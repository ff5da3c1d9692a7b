/* peer_rocksdb.c - peer-rocksdb: what RocksDB takes as a journal of events, each batch synced, with
 * and without a look whether the id is there already.
 *
 *   peer-rocksdb DIR SECONDS BATCH KNOWN      one JSON object; KNOWN 1: look up each id first
 *
 * Key: 16 bytes of id; value: an event of 170 bytes.  One writer, so a group is its batch.  Set as
 * for writing: large memtables, a filter for look-ups, no compression of what is written once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rocksdb/c.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/histogram.h"

#define EVENT_BYTES     170
#define BATCH_MAX       100000
#define MEMTABLE_BYTES  (256ull << 20)
#define FILTER_BITS     10
#define DUPLICATE_EVERY 100 /* one id in so many comes twice */

struct bed {
    rocksdb_t *db;
    rocksdb_writeoptions_t *write;
    rocksdb_readoptions_t *read;
    rocksdb_writebatch_t *batch;
    uint64_t next, known;
    char event[EVENT_BYTES];
    struct histogram took; /* of batches, from their beginning until they are on the disk */
};

static void need(const char *fault)
{
    if (!fault)
        return;
    fprintf(stderr, "error: %s\n", fault);
    exit(1);
}

static void open_db(struct bed *bed, const char *dir)
{
    char *fault = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_filter_policy(table,
                                                  rocksdb_filterpolicy_create_bloom(FILTER_BITS));
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_write_buffer_size(options, MEMTABLE_BYTES);
    rocksdb_options_set_max_write_buffer_number(options, 4);
    rocksdb_options_set_compression(options, rocksdb_no_compression);
    bed->db = rocksdb_open(options, dir, &fault);
    need(fault);
    bed->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(bed->write, 1);
    bed->read = rocksdb_readoptions_create();
    bed->batch = rocksdb_writebatch_create();
    memset(bed->event, 'x', sizeof bed->event);
}

/* Ids look like any others: keys in order would be a gift. */
static void make_id(uint64_t n, uint64_t id[2])
{
    id[0] = n * 0x9e3779b97f4a7c15ull ^ n >> 29;
    id[1] = n;
}

static bool is_known(struct bed *bed, const uint64_t id[2])
{
    char *fault = NULL;
    rocksdb_pinnableslice_t *found =
        rocksdb_get_pinned(bed->db, bed->read, (const char *)id, 16, &fault);
    need(fault);
    rocksdb_pinnableslice_destroy(found);
    return found != NULL;
}

static void put_batch(struct bed *bed, unsigned count, bool look)
{
    char *fault = NULL;
    uint64_t start_ns = clock_monotonic_ns(), id[2];
    rocksdb_writebatch_clear(bed->batch);
    for (unsigned i = 0; i < count; i++) {
        uint64_t n = bed->next++;
        /* What is repeated was synced some batches ago. */
        uint64_t behind = 4ull * count;
        make_id(n % DUPLICATE_EVERY || n < behind ? n : n - behind, id);
        if (look && is_known(bed, id))
            bed->known++;
        else
            rocksdb_writebatch_put(bed->batch, (const char *)id, 16, bed->event, sizeof bed->event);
    }
    rocksdb_write(bed->db, bed->write, bed->batch, &fault);
    need(fault);
    histogram_record(&bed->took, clock_monotonic_ns() - start_ns);
}

static double us(const struct histogram *h, double percentile)
{
    return (double)histogram_percentile(h, percentile) / NS_PER_US;
}

int main(int argc, char **argv)
{
    static struct bed bed;
    unsigned long seconds = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
    unsigned long batch = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    if (!seconds || seconds > 3600 || !batch || batch > BATCH_MAX) {
        fputs("usage: peer-rocksdb DIR SECONDS BATCH KNOWN\n", stderr);
        return 2;
    }
    open_db(&bed, argv[1]);
    uint64_t start_ns = clock_monotonic_ns();
    while (clock_monotonic_ns() - start_ns < seconds * NS_PER_S)
        put_batch(&bed, (unsigned)batch, argv[4][0] == '1');
    double took_s = (double)(clock_monotonic_ns() - start_ns) / NS_PER_S;
    printf("{\"events\":%" PRIu64 ",\"known\":%" PRIu64
           ",\"events_per_s\":%.1f,\"us\":{\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f}}\n",
           bed.next, bed.known, (double)bed.next / took_s, us(&bed.took, 50), us(&bed.took, 99),
           us(&bed.took, 99.9));
    rocksdb_close(bed.db);
    return 0;
}
