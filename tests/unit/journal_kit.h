/* journal_kit.h - what tests of journals share: a directory of their own, and records by the
 * dozen. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "dataplane/base/block.h"
#include "dataplane/base/segment.h"

struct kit_dir {
    char path[64];
    int fd;
};

static inline void kit_dir_make_in(struct kit_dir *dir, const char *parent)
{
    snprintf(dir->path, sizeof dir->path, "%s/trove-test-XXXXXX", parent);
    assert_non_null(mkdtemp(dir->path));
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir->fd >= 0);
}

/* In memory where it can be: these tests sync by the thousand. */
static inline void kit_dir_make(struct kit_dir *dir)
{
    kit_dir_make_in(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static inline void kit_dir_remove(struct kit_dir *dir)
{
    char command[128];
    close(dir->fd);
    snprintf(command, sizeof command, "rm -r %s", dir->path);
    assert_int_equal(system(command), 0);
}

static inline void kit_write_file(int dir_fd, const char *name, const void *data, size_t len)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

static inline void kit_patch_file(int dir_fd, const char *name, const void *data, size_t len,
                                  uint64_t offset)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, (off_t)offset), len);
    close(fd);
}

static inline struct record kit_record(enum record_kind kind, uint64_t seq, uint32_t body_len)
{
    return (struct record){
        .body_len = body_len,
        .kind = (uint8_t)kind,
        .partition = 17,
        .seq = seq,
        .receive_ns = 1795209600123000000ull + seq,
    };
}

static inline void kit_append(struct block *block, enum record_kind kind, uint64_t seq,
                              const void *body, uint32_t len)
{
    struct record *record = block_append(block, len);
    *record = kit_record(kind, seq, len);
    if (len)
        memcpy(record + 1, body, len);
}

/* A block of its own memory. */
struct kit_block {
    struct block block;
    struct arena arena;
    void *memory;
};

static inline void kit_block_make(struct kit_block *kit)
{
    kit->memory = malloc(block_footprint());
    assert_non_null(kit->memory);
    arena_init(&kit->arena, kit->memory, block_footprint());
    block_init(&kit->block, &kit->arena);
}

static inline void kit_block_free(struct kit_block *kit)
{
    free(kit->memory);
}
