/* checkpoint.c - the directory of checkpoints: names, which there are, which stay. */
#include "dataplane/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAD ".bad"

void checkpoint_name(struct checkpoint_id id, char name[CHECKPOINT_NAME_MAX])
{
    snprintf(name, CHECKPOINT_NAME_MAX, "%06u-%06u.ckp", id.epoch, id.number);
}

static bool name_parse(const char *name, struct checkpoint_id *id)
{
    char again[CHECKPOINT_NAME_MAX];
    if (sscanf(name, "%6u-%6u.ckp", &id->epoch, &id->number) != 2) /* NOLINT(cert-err34-c) */
        return false;
    checkpoint_name(*id, again);
    return !strcmp(name, again);
}

static bool is_unfinished(const char *name)
{
    size_t len = strlen(name);
    return name[0] == '.' && len > 8 && !strcmp(name + len - 8, ".ckp.new");
}

static bool is_set_aside(const char *name)
{
    return strstr(name, ".ckp" BAD) != NULL;
}

static int newest_first(const void *one, const void *other)
{
    const struct checkpoint_id *a = one, *b = other;
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? 1 : -1;
    return (a->number < b->number) - (a->number > b->number);
}

static DIR *open_list(int dir_fd)
{
    int fd = dup(dir_fd);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir)
        rewinddir(dir);
    else if (fd >= 0)
        close(fd);
    return dir;
}

int checkpoint_list(int dir_fd, struct checkpoint_id **ids, unsigned *unknown)
{
    DIR *dir = open_list(dir_fd);
    int count = 0, room = 0;
    *ids = NULL;
    *unknown = 0;
    if (!dir)
        return -errno;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        struct checkpoint_id id;
        if (!name_parse(entry->d_name, &id)) {
            *unknown += entry->d_name[0] != '.' && !is_set_aside(entry->d_name);
            continue;
        }
        if (count == room) {
            struct checkpoint_id *more =
                realloc(*ids, (size_t)(room = 2 * room + 8) * sizeof *more);
            if (!more) {
                count = -ENOMEM;
                break;
            }
            *ids = more;
        }
        (*ids)[count++] = id;
    }
    closedir(dir);
    if (count > 0)
        qsort(*ids, (size_t)count, sizeof **ids, newest_first);
    if (count <= 0) {
        free(*ids);
        *ids = NULL;
    }
    return count;
}

int checkpoint_set_aside(const struct file_ops *ops, int dir_fd, struct checkpoint_id id,
                         char name[CHECKPOINT_NAME_MAX])
{
    char from[CHECKPOINT_NAME_MAX];
    checkpoint_name(id, from);
    snprintf(name, CHECKPOINT_NAME_MAX, "%06u-%06u.ckp" BAD, id.epoch, id.number);
    int rc = ops->rename(ops->disk, dir_fd, from, name);
    return rc ? rc : ops->sync_dir(ops->disk, dir_fd);
}

int checkpoint_sweep(const struct file_ops *ops, int dir_fd)
{
    DIR *dir = open_list(dir_fd);
    int rc = 0;
    if (!dir)
        return -errno;
    for (struct dirent *entry = readdir(dir); entry && !rc; entry = readdir(dir))
        if (is_unfinished(entry->d_name))
            rc = ops->remove(ops->disk, dir_fd, entry->d_name);
    closedir(dir);
    return rc;
}

int checkpoint_prune(const struct file_ops *ops, int dir_fd, unsigned kept)
{
    struct checkpoint_id *ids;
    unsigned unknown;
    char name[CHECKPOINT_NAME_MAX];
    int count = checkpoint_list(dir_fd, &ids, &unknown);
    int rc = count < 0 ? count : 0;
    for (int i = (int)kept; ids && i < count && !rc; i++) {
        checkpoint_name(ids[i], name);
        rc = ops->remove(ops->disk, dir_fd, name);
    }
    free(ids);
    return rc || count <= (int)kept ? rc : ops->sync_dir(ops->disk, dir_fd);
}
