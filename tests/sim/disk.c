/* disk.c - operations recorded, and images made of them. */
#include "tests/sim/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

/* ---- recording ---- */

static struct disk_op *add(struct disk *disk, enum disk_op_kind kind, int file)
{
    assert(disk->op_count < DISK_OPS_MAX);
    struct disk_op *op = &disk->ops[disk->op_count++];
    *op = (struct disk_op){.kind = kind, .file = file};
    op->told = atomic_load(&disk->mark->ordinal);
    return op;
}

static bool fails(struct disk *disk)
{
    unsigned n = ++disk->asked;
    if (n == disk->fail_at)
        disk->failed_from = disk->op_count;
    return disk->fail_at && n >= disk->fail_at && n - disk->fail_at < disk->fail_count;
}

static void name(struct disk *disk, int file, const char *text)
{
    snprintf(disk->names[file], SEGMENT_NAME_MAX, "%s", text);
    snprintf(add(disk, DISK_NAME, file)->name, SEGMENT_NAME_MAX, "%s", text);
}

static int find(const struct disk *disk, const char *text)
{
    for (int i = 0; i < disk->file_count; i++)
        if (strcmp(disk->names[i], text) == 0)
            return i;
    return -1;
}

/* As journal_file.c does it. */
static int disk_make(void *arg, int dir_fd, const char *text, uint64_t bytes, uint32_t pauses)
{
    struct disk *disk = arg;
    (void)dir_fd, (void)pauses;
    if (fails(disk))
        return -disk->fail_with;
    assert(disk->file_count < DISK_FILES_MAX);
    int file = disk->file_count++;
    name(disk, file, text);
    add(disk, DISK_LENGTH, file)->bytes = bytes;
    add(disk, DISK_SYNC, file);
    return file;
}

/* What fails has been done, and is not durable. */
static int disk_adopt(void *arg, int dir_fd, const char *from, const char *to, bool replace)
{
    struct disk *disk = arg;
    bool failed = fails(disk);
    int file = find(disk, from), there = find(disk, to);
    (void)dir_fd, (void)replace;
    assert(file >= 0 && (there < 0 || replace));
    if (there >= 0)
        disk->names[there][0] = '\0';
    name(disk, file, to);
    if (failed)
        return -disk->fail_with;
    add(disk, DISK_SYNC_DIR, file);
    return 0;
}

/* One that fails has made nothing durable, and has not forgotten anything either: the worst of
 * both. */
static int disk_commit(void *arg, int file, struct iovec *parts, int count, uint64_t offset)
{
    struct disk *disk = arg;
    bool failed = fails(disk);
    uint64_t bytes = 0, at = 0;
    for (int i = 0; i < count; i++)
        bytes += parts[i].iov_len;
    assert(bytes % BLOCK_ALIGN == 0 && offset % BLOCK_ALIGN == 0);
    struct disk_op *op = add(disk, DISK_WRITE, file);
    op->offset = offset;
    op->bytes = bytes;
    op->data = malloc(bytes);
    assert(op->data);
    for (int i = 0; i < count; at += parts[i++].iov_len)
        memcpy(op->data + at, parts[i].iov_base, parts[i].iov_len);
    if (failed)
        return -disk->fail_with;
    add(disk, DISK_SYNC, file);
    return 0;
}

static int disk_close(void *arg, int file, uint64_t bytes)
{
    struct disk *disk = arg;
    if (fails(disk))
        return -disk->fail_with;
    if (bytes != JOURNAL_FILE_WHOLE)
        add(disk, DISK_LENGTH, file)->bytes = bytes;
    return 0;
}

static int disk_remove(void *arg, int dir_fd, const char *text)
{
    struct disk *disk = arg;
    int file = find(disk, text);
    (void)dir_fd;
    if (fails(disk))
        return -disk->fail_with;
    if (file < 0)
        return -ENOENT;
    disk->names[file][0] = '\0';
    add(disk, DISK_REMOVE, file);
    return 0;
}

/* ---- checkpoints ---- */

static void place(char full[SEGMENT_NAME_MAX], const char *text)
{
    snprintf(full, SEGMENT_NAME_MAX, DISK_CHECKPOINTS "%s", text);
}

static int file_create(void *arg, int dir_fd, const char *text)
{
    struct disk *disk = arg;
    char full[SEGMENT_NAME_MAX];
    (void)dir_fd;
    assert(disk->file_count < DISK_FILES_MAX);
    int file = disk->file_count++;
    place(full, text);
    name(disk, file, full);
    return file;
}

static int file_write(void *arg, int file, const void *data, size_t bytes, uint64_t offset)
{
    struct disk_op *op = add(arg, DISK_WRITE, file);
    assert(bytes % BLOCK_ALIGN == 0 && offset % BLOCK_ALIGN == 0);
    op->offset = offset;
    op->bytes = bytes;
    op->data = malloc(bytes);
    assert(op->data);
    memcpy(op->data, data, bytes);
    return 0;
}

static int file_sync(void *arg, int file)
{
    add(arg, DISK_SYNC, file);
    return 0;
}

static int file_close(void *arg, int file)
{
    (void)arg, (void)file;
    return 0;
}

static int file_rename(void *arg, int dir_fd, const char *from, const char *to)
{
    struct disk *disk = arg;
    char full_from[SEGMENT_NAME_MAX], full_to[SEGMENT_NAME_MAX];
    (void)dir_fd;
    place(full_from, from);
    place(full_to, to);
    int file = find(disk, full_from);
    assert(file >= 0 && find(disk, full_to) < 0);
    name(disk, file, full_to);
    return 0;
}

/* A checkpoint is only given up at the end of a run whose journal stopped while it was made. */
static int file_remove(void *arg, int dir_fd, const char *text)
{
    const struct disk *disk = arg;
    (void)dir_fd, (void)text;
    assert(disk->over);
    return 0;
}

static int file_sync_dir(void *arg, int dir_fd)
{
    struct disk_op *op = add(arg, DISK_SYNC_DIR, 0);
    (void)dir_fd;
    place(op->name, "");
    return 0;
}

struct file_ops disk_file_ops(struct disk *disk)
{
    return (struct file_ops){file_create, file_write,  file_sync,     file_close,
                             file_rename, file_remove, file_sync_dir, disk};
}

struct journal_file_ops disk_ops(struct disk *disk)
{
    return (struct journal_file_ops){disk_make,  disk_adopt,  disk_commit,
                                     disk_close, disk_remove, disk};
}

void disk_fini(struct disk *disk)
{
    for (unsigned i = 0; i < disk->op_count; i++)
        free(disk->ops[i].data);
    disk->op_count = 0;
    disk->over = true;
}

uint64_t disk_told(const struct disk *disk, unsigned at)
{
    return at < disk->op_count ? disk->ops[at].told : atomic_load(&disk->mark->ordinal);
}

/* ---- crashes ---- */

static bool of_checkpoints(const char *text)
{
    return strncmp(text, DISK_CHECKPOINTS, strlen(DISK_CHECKPOINTS)) == 0;
}

static bool durable(const struct disk *disk, unsigned op, unsigned at)
{
    const struct disk_op *it = &disk->ops[op];
    bool named = it->kind == DISK_NAME || it->kind == DISK_REMOVE;
    for (unsigned i = op + 1; i < at; i++) {
        const struct disk_op *later = &disk->ops[i];
        if (named ? later->kind == DISK_SYNC_DIR &&
                        of_checkpoints(later->name) == of_checkpoints(it->name)
                  : later->kind == DISK_SYNC && later->file == it->file)
            return true;
    }
    return false;
}

unsigned disk_atoms(const struct disk *disk, unsigned at, struct disk_atom atoms[DISK_ATOMS_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < at; i++) {
        const struct disk_op *op = &disk->ops[i];
        if (op->kind == DISK_SYNC || op->kind == DISK_SYNC_DIR || durable(disk, i, at))
            continue;
        uint64_t pages = op->kind == DISK_WRITE ? op->bytes / BLOCK_ALIGN : 1;
        for (uint64_t page = 0; page < pages; page++) {
            assert(count < DISK_ATOMS_MAX);
            atoms[count++] = (struct disk_atom){.op = i, .page = page};
        }
    }
    return count;
}

/* A file as it is being put together. */
struct image {
    uint8_t *data;
    uint64_t bytes, room;
    char name[SEGMENT_NAME_MAX]; /* "": it has none */
};

static struct image images[DISK_FILES_MAX]; /* room kept from call to call */

static void rename_image(struct image *image, const char *text)
{
    for (unsigned i = 0; i < DISK_FILES_MAX; i++)
        if (strcmp(images[i].name, text) == 0)
            images[i].name[0] = '\0';
    snprintf(image->name, SEGMENT_NAME_MAX, "%s", text);
}

static void set_length(struct image *image, uint64_t bytes)
{
    if (bytes > image->room) {
        image->data = realloc(image->data, bytes);
        assert(image->data);
        image->room = bytes;
    }
    if (bytes > image->bytes)
        memset(image->data + image->bytes, 0, bytes - image->bytes);
    image->bytes = bytes;
}

static void put(struct image *image, uint64_t offset, const uint8_t *data, uint64_t bytes)
{
    if (offset + bytes > image->bytes)
        set_length(image, offset + bytes);
    memcpy(image->data + offset, data, bytes);
}

static void apply(struct image *image, const struct disk_op *op, uint64_t page, uint64_t pages,
                  uint64_t cut)
{
    uint64_t from = page * BLOCK_ALIGN, bytes = pages * BLOCK_ALIGN;
    if (op->kind == DISK_NAME)
        rename_image(image, op->name);
    else if (op->kind == DISK_REMOVE && segment_is_temporary(image->name))
        image->name[0] = '\0';
    else if (op->kind == DISK_LENGTH)
        set_length(image, op->bytes);
    else if (op->kind == DISK_WRITE)
        put(image, op->offset + from, op->data + from, cut < bytes ? cut : bytes);
}

static void save(int dir_fd, const char *text, const struct image *image)
{
    int fd = openat(dir_fd, text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(fd >= 0);
    /* Without what is zero at its end: most of a new segment. */
    uint64_t end = image->bytes & ~(uint64_t)7;
    while (end && !*(const uint64_t *)(const void *)(image->data + end - 8))
        end -= 8;
    if (end == (image->bytes & ~(uint64_t)7))
        end = image->bytes;
    ssize_t written = end ? pwrite(fd, image->data, end, 0) : 0;
    int rc = ftruncate(fd, (off_t)image->bytes);
    assert(written == (ssize_t)end && !rc);
    (void)written, (void)rc;
    close(fd);
}

uint64_t disk_image(const struct disk *disk, const struct disk_crash *crash,
                    const struct disk_atom *atoms, unsigned count, int dir_fd)
{
    for (unsigned i = 0; i < DISK_FILES_MAX; i++)
        images[i].bytes = 0, images[i].name[0] = '\0';
    for (unsigned i = 0, next = 0; i < crash->at; i++) {
        const struct disk_op *op = &disk->ops[i];
        struct image *image = &images[op->file];
        if (next == count || atoms[next].op != i) {
            apply(image, op, 0, op->bytes / BLOCK_ALIGN, UINT64_MAX);
            continue;
        }
        for (; next < count && atoms[next].op == i; next++)
            if (crash->kept[next])
                apply(image, op, atoms[next].page, 1,
                      next == crash->torn_atom ? crash->torn : UINT64_MAX);
    }
    uint64_t hash = 0;
    for (int i = 0; i < disk->file_count; i++) {
        if (!images[i].name[0])
            continue;
        hash = XXH3_64bits_withSeed(images[i].data, images[i].bytes, hash + (uint64_t)i + 1);
        hash = XXH3_64bits_withSeed(images[i].name, strlen(images[i].name), hash);
        if (dir_fd >= 0)
            of_checkpoints(images[i].name)
                ? save(disk->checkpoint_fd, images[i].name + strlen(DISK_CHECKPOINTS), &images[i])
                : save(dir_fd, images[i].name, &images[i]);
    }
    return hash;
}
