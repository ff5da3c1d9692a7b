/* checkpoint.h - files that hold the state of all partitions, so that a start need not read the
 * journal from its first record.
 *
 * checkpoint/EEEEEE-NNNNNN.ckp: the epoch it was made in, and its number in that.  A run of blocks,
 * each of whole image chunks (graph/image.h) of one partition; then the index, one entry for each
 * partition; then one page that says what all of it is.  Every block carries a CRC-32C and is bound
 * to its file and offset.  A file is written under another name and has its own only when all of it
 * is on the disk.
 *
 * Partitions are copied one after the other while events flow, so each has a position of its own:
 * of its records, those up to the entry's sequence are in it.  Who recovers reads the journals of
 * the epoch on from the segments that the last page names, and every later epoch.
 *
 * Memory:  a writer and a reader own a block and an index each.  Threads: a writer is one thread's;
 * an open checkpoint may be loaded from by many, a partition by one.
 */
#pragma once

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/file.h"

struct state;

#define CHECKPOINT_MAGIC       0x424b4354u /* "TCKB" */
#define CHECKPOINT_FORMAT      1u
#define CHECKPOINT_ALIGN       4096u
#define CHECKPOINT_BLOCK_BYTES (256u << 10)
#define CHECKPOINT_SHARDS_MAX  64u
#define CHECKPOINT_NAME_MAX    48
#define CHECKPOINT_KEPT        2u

struct checkpoint_id {
    uint32_t epoch;
    uint32_t number;
};

enum checkpoint_kind { CHECKPOINT_STATE = 1, CHECKPOINT_INDEX, CHECKPOINT_END };

/* On disk, followed by `bytes` and zeros up to CHECKPOINT_ALIGN. */
struct checkpoint_block {
    uint32_t magic;
    uint32_t crc; /* CRC-32C of the header from file_id on, and of the bytes behind it */
    uint64_t file_id;
    uint64_t offset;
    uint32_t bytes;
    uint16_t kind; /* enum checkpoint_kind */
    uint16_t reserved;
    uint32_t partition; /* of CHECKPOINT_STATE; of CHECKPOINT_INDEX its first one */
    uint32_t reserved_too;
};

/* One partition in the index. */
struct checkpoint_entry {
    uint64_t offset;  /* of its first block */
    uint64_t seq;     /* records up to this one are in it */
    uint64_t ordinal; /* of the journal's last record when it was copied */
    uint64_t receive_ns;
    uint64_t hash;     /* state_hash */
    uint64_t ids_hash; /* the part of it that the ids are */
    uint32_t blocks;
    uint32_t version; /* of the configuration then */
};

/* The last page. */
struct checkpoint_head {
    uint32_t format, image_format;
    uint32_t epoch, number;
    uint32_t partition_count, shard_count;
    uint32_t config_version; /* the highest of any partition's */
    uint32_t item_count;     /* of the dictionary then: entries name items by their place in it */
    uint64_t item_hash;
    uint64_t key_fingerprint;
    uint64_t created_ns;
    uint64_t state_hash; /* of the partitions' hashes, in their order */
    uint64_t index_offset;
    struct {
        uint32_t number;   /* of the segment to read on from */
        uint32_t reserved; /* 0 */
        uint64_t ordinal;  /* the journal is durable at least up to here */
    } shard[CHECKPOINT_SHARDS_MAX];
};

static_assert(sizeof(struct checkpoint_block) == 40 && sizeof(struct checkpoint_entry) == 56 &&
                  sizeof(struct checkpoint_block) + sizeof(struct checkpoint_head) <=
                      CHECKPOINT_ALIGN,
              "on disk");

void checkpoint_name(struct checkpoint_id id, char name[CHECKPOINT_NAME_MAX]);

/* checkpoint_list reads a directory into an array, the newest first, that the caller frees.
 * Returns the count or a negative errno.  Files of other names are left alone, but for *unknown,
 * which counts those that Trove does not make. */
int checkpoint_list(int dir_fd, struct checkpoint_id **ids, unsigned *unknown);

/* checkpoint_set_aside gives one that does not verify another name, which it then keeps.
 * checkpoint_prune removes all but the newest `kept`, checkpoint_sweep what was never finished. The
 * first two sync the directory.  0 or a negative errno. */
int checkpoint_set_aside(const struct file_ops *ops, int dir_fd, struct checkpoint_id id,
                         char name[CHECKPOINT_NAME_MAX]);
int checkpoint_prune(const struct file_ops *ops, int dir_fd, unsigned kept);
int checkpoint_sweep(const struct file_ops *ops, int dir_fd);

/* ---- writing ---- */

struct checkpoint_writer {
    const struct file_ops *ops;
    int dir_fd;
    int handle; /* -1: none */
    struct checkpoint_head head;
    uint64_t file_id;
    uint64_t offset; /* bytes written */
    uint8_t *block;  /* CHECKPOINT_BLOCK_BYTES, aligned */
    uint32_t used;
    struct checkpoint_entry *index;
    uint32_t count; /* of partitions written */
};

/* checkpoint_create begins a file.  head says what it will be; what is counted in writing is filled
 * in later.  0 or a negative errno; checkpoint_fini in either case. */
int checkpoint_create(struct checkpoint_writer *writer, const struct file_ops *ops, int dir_fd,
                      const struct checkpoint_head *head);

/* checkpoint_add writes the next partition, in order from 0: state is one that owns it, and does
 * not change meanwhile. */
int checkpoint_add(struct checkpoint_writer *writer, const struct state *state, uint64_t ordinal,
                   uint32_t version);

/* checkpoint_finish writes what comes last, syncs, and gives the file its name.  The journals must
 * be durable up to every ordinal that checkpoint_add was given. */
int checkpoint_finish(struct checkpoint_writer *writer);

/* checkpoint_fini takes away what was not finished, and gives back memory. */
void checkpoint_fini(struct checkpoint_writer *writer);

/* ---- reading ---- */

struct checkpoint {
    int fd; /* -1: none */
    struct checkpoint_id id;
    uint64_t bytes;
    uint64_t file_id;
    struct checkpoint_head head;
    struct checkpoint_entry *index;
    pthread_mutex_t *corrections; /* held while those are loaded; NULL: one thread loads */
};

/* checkpoint_open reads the last page and the index.  0; -EBADMSG they are not whole, or contradict
 * each other; -EPROTONOSUPPORT of a later format; another negative errno.  checkpoint_close in
 * either case. */
int checkpoint_open(struct checkpoint *checkpoint, int dir_fd, struct checkpoint_id id);
void checkpoint_close(struct checkpoint *checkpoint);

/* checkpoint_load reads a partition into a state that owns it, from which it was cleared; without
 * ids all but those.  block has room for CHECKPOINT_BLOCK_BYTES.  0, or a negative errno: -EBADMSG
 * damaged, or the state that it makes has not the hash that it had; -ESTALE its ids belong to a
 * table of another size; -ENOSPC no room in the state. */
int checkpoint_load(const struct checkpoint *checkpoint, uint32_t partition, bool ids,
                    struct state *state, uint8_t *block);
