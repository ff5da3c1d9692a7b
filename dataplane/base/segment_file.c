/* segment_file.c - a segment's bytes, from whichever of its two files there is. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/segment_packed.h"

int segment_file_open(struct segment_file *file, int dir_fd, struct segment_id id)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(id, name);
    *file = (struct segment_file){.fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (file->fd >= 0)
        return 0;
    if (errno != ENOENT)
        return -errno;
    segment_packed_name(id, name);
    file->fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file->fd < 0)
        return -errno;
    int rc = segment_packed_open(file->fd, &file->packed);
    if (rc)
        close(file->fd);
    return rc;
}

void segment_file_close(struct segment_file file)
{
    segment_packed_close(file.packed);
    close(file.fd);
}

void segment_file_direct(struct segment_file file)
{
    int flags = file.packed ? -1 : fcntl(file.fd, F_GETFL);
    if (flags >= 0)
        (void)fcntl(file.fd, F_SETFL, flags | O_DIRECT);
}

ssize_t segment_file_pread(struct segment_file file, uint8_t *data, size_t len, uint64_t offset)
{
    return file.packed ? segment_packed_pread(file.packed, data, len, offset)
                       : segment_pread(file.fd, data, len, offset);
}

int segment_file_bytes(struct segment_file file, uint64_t *bytes)
{
    struct stat st;
    *bytes = 0;
    if (!file.packed && fstat(file.fd, &st))
        return -errno;
    *bytes = file.packed ? segment_packed_bytes(file.packed) : (uint64_t)st.st_size;
    return 0;
}

int segment_bytes(int dir_fd, struct segment_id id, uint64_t *bytes)
{
    struct segment_file file;
    *bytes = 0;
    int rc = segment_file_open(&file, dir_fd, id);
    if (rc)
        return rc;
    rc = segment_file_bytes(file, bytes);
    segment_file_close(file);
    return rc;
}

/* Adds what a file takes; one that is not there takes nothing. */
static int add_disk_bytes(int dir_fd, const char *name, uint64_t *bytes)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : -errno;
    *bytes += (uint64_t)st.st_blocks * 512;
    return 0;
}

int segment_disk_bytes(int dir_fd, struct segment_id id, uint64_t *bytes)
{
    char name[SEGMENT_NAME_MAX], packed[SEGMENT_NAME_MAX];
    segment_name(id, name);
    segment_packed_name(id, packed);
    *bytes = 0;
    int rc = add_disk_bytes(dir_fd, name, bytes);
    return rc ? rc : add_disk_bytes(dir_fd, packed, bytes);
}

bool segment_is_packed(int dir_fd, struct segment_id id)
{
    char name[SEGMENT_NAME_MAX], packed[SEGMENT_NAME_MAX];
    segment_name(id, name);
    segment_packed_name(id, packed);
    return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
           faccessat(dir_fd, packed, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int remove_name(int dir_fd, const char *name)
{
    return unlinkat(dir_fd, name, 0) ? -errno : 0;
}

/* The segment may be compressed just now: the packed file comes before its own goes. */
int segment_remove(int dir_fd, struct segment_id id)
{
    char name[SEGMENT_NAME_MAX], packed[SEGMENT_NAME_MAX];
    segment_name(id, name);
    segment_packed_name(id, packed);
    int first = remove_name(dir_fd, packed);
    if (first && first != -ENOENT)
        return first;
    int rc = remove_name(dir_fd, name);
    if (rc != -ENOENT)
        return rc;
    rc = remove_name(dir_fd, packed);
    return rc == -ENOENT && !first ? 0 : rc;
}
