/* sim_disk_name.c - reading, and files by their names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim_disk_impl.h"
#include "tests/sim/sim_fault.h"

/* ---- reading ---- */

void sim_disk_read_errors(bool on)
{
    disk.read_errors = on;
}

ssize_t sim_disk_pread(int fd, void *data, size_t len, uint64_t offset)
{
    const struct disk_inode *inode = disk_file_of(fd)->inode;
    uint8_t *out = data;
    size_t done = 0;
    if (disk.dead)
        return -EIO;
    sim_disk_stats.reads++;
    if (disk.read_errors && sim_fault(FAULT_read_error))
        return -EIO;
    if (inode->dir)
        return -EISDIR;
    if (offset >= inode->seen.bytes)
        return 0;
    if (len > inode->seen.bytes - offset)
        len = inode->seen.bytes - offset;
    while (done < len) {
        uint64_t at = offset + done, from = at % SIM_DISK_PAGE;
        size_t part = SIM_DISK_PAGE - from < len - done ? SIM_DISK_PAGE - from : len - done;
        memcpy(out + done, disk_get_page(&inode->seen, (uint32_t)(at / SIM_DISK_PAGE)) + from,
               part);
        done += part;
    }
    return (ssize_t)len;
}

ssize_t sim_disk_read(int fd, void *data, size_t len)
{
    ssize_t n = sim_disk_pread(fd, data, len, disk_file_of(fd)->at);
    if (n > 0)
        disk_file_of(fd)->at += (uint64_t)n;
    return n;
}

bool sim_disk_entry(int fd, unsigned *at, char name[SIM_DISK_PATH])
{
    const char *dir = disk_file_of(fd)->path;
    if (disk.dead)
        return false;
    while (*at < disk.name_count) {
        const struct disk_name *it = &disk.names[(*at)++];
        if (it->seen && disk_is_child(it->path, dir)) {
            snprintf(name, SIM_DISK_PATH, "%s", it->path + strlen(dir) + 1);
            return true;
        }
    }
    return false;
}

/* ---- names ---- */

static int add_file(struct disk_inode *inode, const char *path, int flags)
{
    for (int i = 0; i < DISK_FILES_MAX; i++)
        if (!disk.files[i].inode) {
            disk.files[i] = (struct disk_file){.inode = inode, .append = (flags & O_APPEND) != 0};
            snprintf(disk.files[i].path, SIM_DISK_PATH, "%s", path);
            return SIM_DISK_FD + i;
        }
    return -EMFILE;
}

int sim_disk_open(int dir_fd, const char *relative, int flags)
{
    char path[SIM_DISK_PATH], dir[SIM_DISK_PATH];
    disk_resolve(dir_fd, relative, path);
    if (disk.dead)
        return -EIO;
    struct disk_name *name = disk_find(path);
    struct disk_inode *inode = name ? name->seen : NULL;
    if (inode && flags & O_CREAT && flags & O_EXCL)
        return -EEXIST;
    if (!inode && !(flags & O_CREAT))
        return -ENOENT;
    if (!inode) {
        disk_dir_of(path, dir);
        struct disk_name *above = disk_find(dir);
        if (!above || !above->seen)
            return -ENOENT;
        if (!disk_change())
            return -EIO;
        inode = disk_new_inode(false);
        disk_set_name(NULL, path, inode);
        sim_disk_stats.names++;
    }
    if (flags & O_DIRECTORY && !inode->dir)
        return -ENOTDIR;
    int fd = add_file(inode, path, flags);
    if (fd >= 0 && flags & O_TRUNC && inode->seen.bytes) {
        int rc = sim_disk_truncate(fd, 0);
        if (rc)
            return rc;
    }
    return fd;
}

int sim_disk_close(int fd)
{
    disk_file_of(fd)->inode = NULL;
    return disk.dead ? -EIO : 0;
}

static int stat_inode(const struct disk_inode *inode, struct stat *st)
{
    memset(st, 0, sizeof *st);
    st->st_dev = 1;
    st->st_ino = inode->number;
    st->st_size = (off_t)inode->seen.bytes;
    st->st_blocks = (blkcnt_t)(inode->allocated / 512);
    st->st_mode = inode->dir ? S_IFDIR | 0750 : S_IFREG | 0640;
    st->st_nlink = 1;
    return 0;
}

int sim_disk_stat(int fd, struct stat *st)
{
    return disk.dead ? -EIO : stat_inode(disk_file_of(fd)->inode, st);
}

int sim_disk_stat_path(int dir_fd, const char *relative, struct stat *st)
{
    char path[SIM_DISK_PATH];
    disk_resolve(dir_fd, relative, path);
    const struct disk_name *name = disk_find(path);
    if (disk.dead)
        return -EIO;
    return name && name->seen ? stat_inode(name->seen, st) : -ENOENT;
}

int sim_disk_mkdir(int dir_fd, const char *relative)
{
    char path[SIM_DISK_PATH], dir[SIM_DISK_PATH];
    disk_resolve(dir_fd, relative, path);
    disk_dir_of(path, dir);
    struct disk_name *name = disk_find(path), *above = disk_find(dir);
    if (disk.dead)
        return -EIO;
    if (name && name->seen)
        return -EEXIST;
    if (!above || !above->seen)
        return -ENOENT;
    if (!disk_change())
        return -EIO;
    disk_set_name(NULL, path, disk_new_inode(true));
    return 0;
}

/* What no name leads to gives its room back. */
static void let_go(struct disk_inode *inode)
{
    if (!inode)
        return;
    for (unsigned i = 0; i < disk.name_count; i++)
        if (disk.names[i].seen == inode)
            return;
    if (disk.space != UINT64_MAX)
        disk.space += inode->allocated;
    inode->allocated = 0;
}

/* Before a name is given to another file, or taken away: whose it is, and whether the disk can. */
static int begin_change(const char *path, struct disk_inode **inode)
{
    const struct disk_name *name = disk_find(path);
    if (disk.dead)
        return -EIO;
    if (!name || !name->seen)
        return -ENOENT;
    if (!disk_change())
        return -EIO;
    sim_disk_stats.names++;
    *inode = name->seen;
    return 0;
}

int sim_disk_rename(int dir_fd, const char *from, const char *to)
{
    char old[SIM_DISK_PATH], new[SIM_DISK_PATH];
    disk_resolve(dir_fd, from, old);
    disk_resolve(dir_fd, to, new);
    struct disk_inode *inode;
    int rc = begin_change(old, &inode);
    if (rc)
        return rc;
    struct disk_name *there = disk_find(new);
    struct disk_inode *gone = there ? there->seen : NULL;
    disk_set_name(old, new, inode);
    if (gone != inode)
        let_go(gone);
    return 0;
}

int sim_disk_unlink(int dir_fd, const char *relative)
{
    char path[SIM_DISK_PATH];
    disk_resolve(dir_fd, relative, path);
    struct disk_inode *inode;
    int rc = begin_change(path, &inode);
    if (rc)
        return rc;
    disk_set_name(NULL, path, NULL);
    let_go(inode);
    return 0;
}
