/* sim_disk.c - inodes, pages, names, and what a loss of power leaves of them. */
#include "tests/sim/sim_disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "tests/sim/sim.h"
#include "tests/sim/sim_disk_impl.h"
#include "tests/sim/sim_fault.h"

struct sim_disk_stats sim_disk_stats;
struct disk_all disk;

/* ---- pages ---- */

static struct disk_page zero_page = {.used = 1};

struct disk_page *disk_page_keep(struct disk_page *page)
{
    page->used++;
    return page;
}

void disk_page_drop(struct disk_page *page)
{
    if (page && --page->used == 0)
        free(page);
}

static struct disk_page *page_of(const uint8_t bytes[SIM_DISK_PAGE])
{
    if (memcmp(bytes, zero_page.bytes, SIM_DISK_PAGE) == 0)
        return disk_page_keep(&zero_page);
    struct disk_page *page = malloc(sizeof *page);
    assert(page);
    page->used = 1;
    memcpy(page->bytes, bytes, SIM_DISK_PAGE);
    return page;
}

/* Takes over a reference. */
void disk_put_page(struct disk_image *image, uint32_t at, struct disk_page *page)
{
    if (at >= image->room) {
        uint32_t room = at + 64;
        image->pages = realloc(image->pages, room * sizeof(struct disk_page *));
        assert(image->pages);
        memset(image->pages + image->room, 0, (room - image->room) * sizeof(struct disk_page *));
        image->room = room;
    }
    disk_page_drop(image->pages[at]);
    image->pages[at] = page;
}

const uint8_t *disk_get_page(const struct disk_image *image, uint32_t at)
{
    return at < image->room && image->pages[at] ? image->pages[at]->bytes : zero_page.bytes;
}

void disk_set_bytes(struct disk_image *image, uint64_t bytes)
{
    uint32_t first = (uint32_t)((bytes + SIM_DISK_PAGE - 1) / SIM_DISK_PAGE);
    for (uint32_t i = first; i < image->room; i++)
        disk_page_drop(image->pages[i]), image->pages[i] = NULL;
    if (bytes % SIM_DISK_PAGE && bytes < image->bytes) {
        uint8_t page[SIM_DISK_PAGE] = {0};
        memcpy(page, disk_get_page(image, first - 1), bytes % SIM_DISK_PAGE);
        disk_put_page(image, first - 1, page_of(page));
    }
    image->bytes = bytes;
}

/* ---- inodes and names ---- */

struct disk_inode *disk_new_inode(bool dir)
{
    assert(disk.inode_count < DISK_INODES_MAX);
    struct disk_inode *inode = calloc(1, sizeof *inode);
    assert(inode);
    inode->dir = dir;
    inode->number = disk.inode_count + 1;
    disk.inodes[disk.inode_count++] = inode;
    return inode;
}

struct disk_name *disk_find(const char *path)
{
    for (unsigned i = 0; i < disk.name_count; i++)
        if (strcmp(disk.names[i].path, path) == 0)
            return &disk.names[i];
    return NULL;
}

static struct disk_name *name_for(const char *path)
{
    struct disk_name *name = disk_find(path);
    if (name)
        return name;
    assert(disk.name_count < DISK_NAMES_MAX);
    name = &disk.names[disk.name_count++];
    *name = (struct disk_name){0};
    memcpy(name->path, path, strnlen(path, SIM_DISK_PATH - 1));
    return name;
}

/* Gives the name `to` to an inode, or takes it away, and in the same step the name `from`. */
void disk_set_name(const char *from, const char *to, struct disk_inode *inode)
{
    if (disk.naming_count == DISK_NAMINGS_MAX)
        sim_fail("the simulated disk has no room for more names");
    struct disk_naming *naming = &disk.namings[disk.naming_count++];
    *naming = (struct disk_naming){.inode = inode};
    if (from) {
        snprintf(naming->from, SIM_DISK_PATH, "%s", from);
        name_for(from)->seen = NULL;
    }
    snprintf(naming->to, SIM_DISK_PATH, "%s", to);
    name_for(to)->seen = inode;
}

void disk_dir_of(const char *path, char dir[SIM_DISK_PATH])
{
    const char *slash = strrchr(path, '/');
    snprintf(dir, SIM_DISK_PATH, "%.*s", slash ? (int)(slash - path) : 0, path);
}

bool disk_is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && path[len] == '/';
}

bool disk_is_child(const char *path, const char *dir)
{
    return disk_is_below(path, dir) && !strchr(path + strlen(dir) + 1, '/');
}

struct disk_file *disk_file_of(int fd)
{
    assert(fd >= SIM_DISK_FD && fd < SIM_DISK_FD + DISK_FILES_MAX);
    return &disk.files[fd - SIM_DISK_FD];
}

void disk_resolve(int dir_fd, const char *path, char out[SIM_DISK_PATH])
{
    if (path[0] == '/')
        snprintf(out, SIM_DISK_PATH, "%s", path);
    else if (strcmp(path, ".") == 0)
        snprintf(out, SIM_DISK_PATH, "%s", disk_file_of(dir_fd)->path);
    else
        snprintf(out, SIM_DISK_PATH, "%.90s/%.60s", disk_file_of(dir_fd)->path, path);
    size_t len = strlen(out);
    if (len > 3 && strcmp(out + len - 3, "/..") == 0) {
        out[len - 3] = '\0';
        *strrchr(out, '/') = '\0';
        len = strlen(out);
    }
    if (len > 1 && out[len - 1] == '/')
        out[len - 1] = '\0';
}

bool sim_disk_has(int dir_fd, const char *path)
{
    if (path[0] == '/')
        return strncmp(path, SIM_DISK_ROOT, sizeof SIM_DISK_ROOT - 1) == 0;
    return dir_fd >= SIM_DISK_FD;
}

void sim_disk_make(void)
{
    memset(&disk, 0, sizeof disk);
    disk.space = UINT64_MAX;
    struct disk_name *root = name_for(SIM_DISK_ROOT);
    root->seen = root->durable = disk_new_inode(true);
}

static void free_image(struct disk_image *image)
{
    for (uint32_t i = 0; i < image->room; i++)
        disk_page_drop(image->pages[i]);
    free(image->pages);
}

void sim_disk_free(void)
{
    for (unsigned i = 0; i < disk.inode_count; i++) {
        struct disk_inode *inode = disk.inodes[i];
        for (uint32_t w = 0; w < inode->write_count; w++)
            disk_page_drop(inode->writes[w].page);
        free(inode->writes);
        free_image(&inode->seen);
        free_image(&inode->durable);
        free_image(&inode->truth);
        free(inode);
    }
    disk.inode_count = 0;
}

/* ---- dying, and room ---- */

void sim_disk_room(uint64_t bytes)
{
    disk.space = bytes;
}

void sim_disk_die_at(uint64_t count)
{
    disk.die_at = count ? disk.changes + count : 0;
}

void sim_disk_die(void)
{
    disk.dead = true;
}

bool sim_disk_is_dead(void)
{
    return disk.dead;
}

/* change says that something on the disk is about to change.  Returns false when it does not. */
bool disk_change(void)
{
    if (disk.dead)
        return false;
    disk.changes++;
    if (disk.die_at && disk.changes >= disk.die_at) {
        disk.dead = true;
        return false;
    }
    if (sim_fault(FAULT_disk_slow)) {
        static const uint64_t slow[] = {1000000, 20000000, 300000000, 4000000000};
        sim_clock_pass(slow[random_below(&sim_faults.random, 4)]);
    }
    sim_clock_pass(1000);
    return true;
}

/* take_room returns how many of the bytes there is room for. */
static uint64_t take_room(struct disk_inode *inode, uint64_t end)
{
    uint64_t have = inode->allocated;
    if (end <= have)
        return end;
    uint64_t want = end - have;
    if (disk.space == UINT64_MAX) {
        inode->allocated = end;
        return end;
    }
    uint64_t got = want < disk.space ? want : disk.space;
    disk.space -= got;
    if (got < want)
        sim_fault_fired(FAULT_disk_full);
    inode->allocated = have + got;
    return have + got;
}

/* ---- writing ---- */

static void note_write(struct disk_inode *inode, struct disk_write write)
{
    if (inode->write_count == inode->write_room) {
        inode->write_room = inode->write_room ? 2 * inode->write_room : 64;
        inode->writes = realloc(inode->writes, inode->write_room * sizeof *inode->writes);
        assert(inode->writes);
    }
    inode->writes[inode->write_count++] = write;
}

static bool is_segment(const struct disk_inode *inode)
{
    for (unsigned i = 0; i < disk.name_count; i++)
        if (disk.names[i].seen == inode) {
            size_t len = strlen(disk.names[i].path);
            return len > 4 && strcmp(disk.names[i].path + len - 4, ".seg") == 0;
        }
    return false;
}

static void write_page(struct disk_inode *inode, uint32_t at, struct disk_page *page, bool strays)
{
    struct disk_write write = {.kind = DISK_WRITE_PAGE, .page = page, .at = at, .goes_to = at};
    if (strays && !disk.strayed && sim_fault(FAULT_write_lost)) {
        write.goes_to = DISK_NOWHERE;
    } else if (strays && !disk.strayed && sim_fault(FAULT_write_misdirected)) {
        uint32_t pages = (uint32_t)(inode->seen.bytes / SIM_DISK_PAGE);
        write.goes_to = pages ? random_below(&sim_faults.random, pages) : DISK_NOWHERE;
    }
    disk.strayed |= write.goes_to != at;
    disk_put_page(&inode->seen, at, disk_page_keep(page));
    note_write(inode, write);
}

static void write_bytes(struct disk_inode *inode, uint64_t bytes)
{
    disk_set_bytes(&inode->seen, bytes);
    note_write(inode, (struct disk_write){.kind = DISK_WRITE_LENGTH, .bytes = bytes});
}

static void put_bytes(struct disk_inode *inode, const uint8_t *data, uint64_t len, uint64_t offset)
{
    bool strays = !disk.strayed && is_segment(inode) && offset;
    if (len && offset + len > inode->seen.bytes)
        write_bytes(inode, offset + len);
    while (len) {
        uint32_t at = (uint32_t)(offset / SIM_DISK_PAGE), from = (uint32_t)(offset % SIM_DISK_PAGE);
        uint64_t part = SIM_DISK_PAGE - from < len ? SIM_DISK_PAGE - from : len;
        uint8_t page[SIM_DISK_PAGE];
        memcpy(page, disk_get_page(&inode->seen, at), SIM_DISK_PAGE);
        memcpy(page + from, data, part);
        write_page(inode, at, page_of(page), strays);
        data += part;
        offset += part;
        len -= part;
    }
}

/* fails draws whether an operation of one of two kinds fails. */
static bool fails(enum sim_fault once, enum sim_fault ever, uint64_t *until_ns)
{
    if (sim_faults.active && sim_clock.mono_ns < *until_ns) {
        sim_fault_fired(ever);
        return true;
    }
    if (sim_fault(ever)) {
        *until_ns = sim_clock.mono_ns + 1000000ull * random_between(&sim_faults.random, 1, 20000);
        return true;
    }
    return sim_fault(once);
}

ssize_t sim_disk_pwrite(int fd, const void *data, size_t len, uint64_t offset)
{
    struct disk_inode *inode = disk_file_of(fd)->inode;
    if (!disk_change())
        return -EIO;
    sim_disk_stats.writes++;
    if (fails(FAULT_write_error, FAULT_write_error_ever, &disk.writes_fail_ns)) {
        /* Some of it may have been written all the same. */
        if (random_chance(&sim_faults.random, 500)) {
            uint64_t part = random_below(&sim_faults.random, (uint32_t)len + 1);
            put_bytes(inode, data, take_room(inode, offset + part) >= offset + part ? part : 0,
                      offset);
        }
        return -EIO;
    }
    if (len > 1 && sim_fault(FAULT_write_short))
        len = 1 + random_below(&sim_faults.random, (uint32_t)len - 1);
    uint64_t end = take_room(inode, offset + len);
    if (len && end <= offset)
        return -ENOSPC;
    len = end - offset < len ? end - offset : len;
    put_bytes(inode, data, len, offset);
    return (ssize_t)len;
}

ssize_t sim_disk_write(int fd, const void *data, size_t len)
{
    struct disk_file *file = disk_file_of(fd);
    if (file->append)
        file->at = file->inode->seen.bytes;
    ssize_t n = sim_disk_pwrite(fd, data, len, file->at);
    if (n > 0)
        file->at += (uint64_t)n;
    return n;
}

int sim_disk_truncate(int fd, uint64_t bytes)
{
    struct disk_inode *inode = disk_file_of(fd)->inode;
    if (!disk_change())
        return -EIO;
    write_bytes(inode, bytes);
    if (bytes < inode->allocated) {
        if (disk.space != UINT64_MAX)
            disk.space += inode->allocated - bytes;
        inode->allocated = bytes;
    }
    return 0;
}

int sim_disk_allocate(int fd, uint64_t bytes)
{
    struct disk_inode *inode = disk_file_of(fd)->inode;
    if (!disk_change())
        return -EIO;
    if (take_room(inode, bytes) < bytes)
        return -ENOSPC;
    if (bytes > inode->seen.bytes)
        write_bytes(inode, bytes);
    return 0;
}

/* ---- syncing ---- */

void disk_land(struct disk_inode *inode, struct disk_write *write)
{
    if (write->kind == DISK_WRITE_LENGTH) {
        disk_set_bytes(&inode->durable, write->bytes);
        disk_set_bytes(&inode->truth, write->bytes);
        return;
    }
    disk_put_page(&inode->truth, write->at, disk_page_keep(write->page));
    if (write->goes_to != DISK_NOWHERE)
        disk_put_page(&inode->durable, write->goes_to, disk_page_keep(write->page));
}

static void sync_inode(struct disk_inode *inode, uint32_t per_mille)
{
    for (uint32_t i = 0; i < inode->write_count; i++) {
        struct disk_write *write = &inode->writes[i];
        if (per_mille == 1000 || random_chance(&sim_faults.random, per_mille))
            disk_land(inode, write);
        disk_page_drop(write->page);
    }
    inode->write_count = 0;
}

void disk_land_naming(const struct disk_naming *naming)
{
    if (naming->from[0])
        name_for(naming->from)->durable = NULL;
    name_for(naming->to)->durable = naming->inode;
}

static void sync_names(const char *dir)
{
    unsigned left = 0;
    for (unsigned i = 0; i < disk.naming_count; i++)
        if (disk_is_child(disk.namings[i].to, dir))
            disk_land_naming(&disk.namings[i]);
        else
            disk.namings[left++] = disk.namings[i];
    disk.naming_count = left;
}

int sim_disk_sync(int fd)
{
    struct disk_file *file = disk_file_of(fd);
    if (!disk_change())
        return -EIO;
    sim_disk_stats.syncs++;
    if (file->inode->dir) {
        if (sim_fault(FAULT_sync_dir_error))
            return -EIO;
        sync_names(file->path);
        return 0;
    }
    if (fails(FAULT_sync_error, FAULT_sync_error_ever, &disk.syncs_fail_ns)) {
        /* The next one would succeed: what this one did not write is forgotten, and not read again.
         */
        sync_inode(file->inode, random_below(&sim_faults.random, 1000));
        disk_copy_image(&file->inode->seen, &file->inode->truth);
        return -EIO;
    }
    sync_inode(file->inode, 1000);
    return 0;
}
