/* disk.h - a disk that remembers every operation on it, and what it may hold after a loss of power
 * at any of them.
 *
 * A write is durable once its file was synced after it, a file's name once its directory was.
 * Of what was not, a crash leaves any part: each page of each write by itself, each length, each
 * name, and of one page a multiple of 512 bytes.
 *
 * Memory:  owns copies of all that was written.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/file.h"
#include "dataplane/journal.h"

#define DISK_FILES_MAX   64
#define DISK_OPS_MAX     4096
#define DISK_ATOMS_MAX   4096
#define DISK_CHECKPOINTS "c/" /* in front of names that are not the journal's */

enum disk_op_kind {
    DISK_NAME, /* given to a file, and taken from who has it */
    DISK_REMOVE,
    DISK_LENGTH,
    DISK_WRITE,
    DISK_SYNC,
    DISK_SYNC_DIR,
};

struct disk_op {
    enum disk_op_kind kind;
    int file;
    uint64_t offset, bytes; /* of a write; of a length, its bytes */
    uint8_t *data;
    char name[SEGMENT_NAME_MAX];
    uint64_t told; /* ordinal up to which the journal had said it was durable, when this began */
};

struct disk {
    struct disk_op ops[DISK_OPS_MAX];
    unsigned op_count;
    char names[DISK_FILES_MAX][SEGMENT_NAME_MAX]; /* as they are now */
    int file_count;
    const struct segment_mark *mark;
    unsigned fail_at;     /* the n-th operation of the journal fails; 0: none */
    unsigned fail_count;  /* and so many in all */
    unsigned failed_from; /* operations recorded when the first failed */
    unsigned asked;
    int fail_with;
    int checkpoint_fd; /* where the images' checkpoints go */
    bool over;         /* disk_fini was called */
};

/* The journal's view of it. */
struct journal_file_ops disk_ops(struct disk *disk);
/* That of who makes checkpoints.  What it asks for does not fail. */
struct file_ops disk_file_ops(struct disk *disk);
/* disk_fini forgets what was recorded.  Checkpoints may still be given up. */
void disk_fini(struct disk *disk);

/* disk_told returns the ordinal that the journal had called durable when `at` operations were
 * done. */
uint64_t disk_told(const struct disk *disk, unsigned at);

/* What is not durable after the first `at` operations, in the order it was asked for. */
struct disk_atom {
    unsigned op;
    uint64_t page; /* of a write */
};
unsigned disk_atoms(const struct disk *disk, unsigned at, struct disk_atom atoms[DISK_ATOMS_MAX]);

/* One outcome of a crash after `at` operations: which atoms reached the disk, and of one of them
 * only the first `torn` bytes. */
struct disk_crash {
    unsigned at;
    bool kept[DISK_ATOMS_MAX];
    unsigned torn_atom; /* DISK_ATOMS_MAX: none */
    unsigned torn;      /* a multiple of 512, below 4096 */
};

/* disk_image writes the files of a crash to a directory, beside those that it has, and returns a
 * hash of them. dir_fd -1: the hash alone. */
uint64_t disk_image(const struct disk *disk, const struct disk_crash *crash,
                    const struct disk_atom *atoms, unsigned count, int dir_fd);
