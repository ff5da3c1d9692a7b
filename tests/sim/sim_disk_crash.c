/* sim_disk_crash.c - what a loss of power leaves on the simulated disk, and damage by age. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "tests/sim/sim.h"
#include "tests/sim/sim_disk_impl.h"
#include "tests/sim/sim_fault.h"

static bool is_zero(const uint8_t *bytes)
{
    for (unsigned i = 0; i < SIM_DISK_PAGE; i++)
        if (bytes[i])
            return false;
    return true;
}

/* A page of which only some sectors came: from the front, or any. */
static void tear(struct disk_inode *inode, struct disk_write *write)
{
    struct disk_page *torn = malloc(sizeof *torn);
    assert(torn);
    torn->used = 1;
    memcpy(torn->bytes, disk_get_page(&inode->durable, write->at), SIM_DISK_PAGE);
    uint32_t front = random_below(&sim_faults.random, 8);
    bool any = random_chance(&sim_faults.random, 500);
    for (uint32_t s = 0; s < 8; s++)
        if (any ? random_chance(&sim_faults.random, 500) : s < front)
            memcpy(torn->bytes + s * 512, write->page->bytes + s * 512, 512);
    disk_page_drop(write->page);
    write->page = torn;
}

/* Writes that were not synced, in the order in which the disk may have done them. */
static void land_some(struct disk_inode *inode, uint32_t per_mille)
{
    bool page_torn = false;
    for (uint32_t i = 0; i < inode->write_count; i++) {
        struct disk_write *write = &inode->writes[i];
        bool kept = random_chance(&sim_faults.random, per_mille);
        bool data = write->kind == DISK_WRITE_PAGE && !is_zero(write->page->bytes);
        if (data && sim_fault(FAULT_torn_sector)) {
            tear(inode, write);
            kept = true;
        }
        if (kept)
            disk_land(inode, write);
        page_torn |= data && i && kept != random_chance(&sim_faults.random, 500);
    }
    if (inode->write_count > 1 && page_torn && sim_fault_is_on(FAULT_torn_page))
        sim_fault_fired(FAULT_torn_page);
}

static void swap_some(struct disk_inode *inode)
{
    if (inode->write_count < 2 || !sim_fault(FAULT_unsynced_reordered))
        return;
    for (uint32_t i = inode->write_count - 1; i; i--) {
        uint32_t j = random_below(&sim_faults.random, i + 1);
        struct disk_write held = inode->writes[i];
        inode->writes[i] = inode->writes[j];
        inode->writes[j] = held;
    }
}

static void lose_writes(struct disk_inode *inode)
{
    static const uint32_t odds[] = {0, 100, 500, 900, 1000};
    uint32_t per_mille = odds[random_below(&sim_faults.random, 5)];
    if (!sim_faults.active)
        per_mille = 0;
    else if (inode->write_count) {
        if (!sim_fault_is_on(FAULT_unsynced_lost) && per_mille && per_mille < 1000)
            per_mille = 1000;
        if (!sim_fault_is_on(FAULT_unsynced_all_lost) && !per_mille)
            per_mille = 1000;
        if (per_mille < 1000)
            sim_fault_fired(per_mille ? FAULT_unsynced_lost : FAULT_unsynced_all_lost);
    }
    swap_some(inode);
    land_some(inode, per_mille);
    for (uint32_t i = 0; i < inode->write_count; i++)
        disk_page_drop(inode->writes[i].page);
    inode->write_count = 0;
}

static void lose_names(void)
{
    uint32_t kept = random_chance(&sim_faults.random, 500) ? 500 : 0;
    for (unsigned i = 0; i < disk.naming_count; i++) {
        bool lost = sim_fault_is_on(FAULT_name_lost) && !random_chance(&sim_faults.random, kept);
        if (!sim_faults.active)
            continue;
        if (lost)
            sim_fault_fired(FAULT_name_lost);
        else
            disk_land_naming(&disk.namings[i]);
    }
    disk.naming_count = 0;
    for (unsigned i = 0; i < disk.name_count; i++)
        disk.names[i].seen = disk.names[i].durable;
    /* What lies in a directory that has no name is gone with it. */
    for (bool more = true; more;) {
        more = false;
        for (unsigned i = 1; i < disk.name_count; i++) {
            char dir[SIM_DISK_PATH];
            snprintf(dir, sizeof dir, "%s", disk.names[i].path);
            *strrchr(dir, '/') = '\0';
            const struct disk_name *above = disk_find(dir);
            if (disk.names[i].seen && (!above || !above->seen)) {
                disk.names[i].seen = disk.names[i].durable = NULL;
                more = true;
            }
        }
    }
}

void disk_copy_image(struct disk_image *to, const struct disk_image *from)
{
    disk_set_bytes(to, 0);
    for (uint32_t i = 0; i < from->room; i++)
        if (from->pages[i])
            disk_put_page(to, i, disk_page_keep(from->pages[i]));
    to->bytes = from->bytes;
}

/* What is behind the end of a file is nothing. */
static void trim(struct disk_image *image)
{
    disk_set_bytes(image, image->bytes);
}

static void lose_power(void)
{
    for (unsigned i = 0; i < disk.inode_count; i++) {
        struct disk_inode *inode = disk.inodes[i];
        if (inode->dir)
            continue;
        lose_writes(inode);
        trim(&inode->durable);
        trim(&inode->truth);
    }
    lose_names();
    uint64_t freed = 0;
    for (unsigned i = 0; i < disk.inode_count; i++) {
        struct disk_inode *inode = disk.inodes[i];
        uint64_t before = inode->allocated;
        disk_copy_image(&inode->seen, &inode->durable);
        if (inode->allocated > inode->seen.bytes)
            inode->allocated = inode->seen.bytes;
        freed += before - inode->allocated;
    }
    if (disk.space != UINT64_MAX)
        disk.space += freed;
}

/* ---- damage ---- */

bool sim_disk_rot(const char *dir)
{
    unsigned first = random_below(&sim_faults.random, disk.name_count);
    for (unsigned n = 0; n < disk.name_count; n++) {
        const struct disk_name *name = &disk.names[(first + n) % disk.name_count];
        struct disk_inode *inode = name->durable;
        if (!inode || inode->dir || inode != name->seen || !disk_is_below(name->path, dir) ||
            !inode->durable.bytes || inode->write_count)
            continue;
        uint32_t pages = (uint32_t)((inode->durable.bytes + SIM_DISK_PAGE - 1) / SIM_DISK_PAGE);
        uint32_t from = random_below(&sim_faults.random, pages);
        for (uint32_t i = 0; i < pages; i++) {
            uint32_t at = (from + i) % pages;
            const uint8_t *bytes = disk_get_page(&inode->durable, at);
            if (is_zero(bytes))
                continue;
            struct disk_page *page = malloc(sizeof *page);
            assert(page);
            page->used = 1;
            memcpy(page->bytes, bytes, SIM_DISK_PAGE);
            page->bytes[random_below(&sim_faults.random, SIM_DISK_PAGE)] ^=
                (uint8_t)(1u << random_below(&sim_faults.random, 8));
            disk_put_page(&inode->durable, at, page);
            disk_put_page(&inode->seen, at, disk_page_keep(page));
            sim_trace("rot: %s, page %u", name->path, at);
            return true;
        }
    }
    return false;
}

/* A page that is read as it is, and is not what was synced. */
static bool page_is_damaged(const struct disk_inode *inode, uint32_t at)
{
    const uint8_t *durable = disk_get_page(&inode->durable, at);
    return memcmp(durable, disk_get_page(&inode->truth, at), SIM_DISK_PAGE) != 0 &&
           memcmp(durable, disk_get_page(&inode->seen, at), SIM_DISK_PAGE) == 0;
}

static uint32_t pages_of(const struct disk_inode *inode)
{
    uint32_t durable = inode->durable.room, truth = inode->truth.room;
    return durable > truth ? durable : truth;
}

/* Segments are written past the page cache: who opens them anew reads what the disk has. */
static void show_strays(void)
{
    for (unsigned i = 0; i < disk.inode_count; i++) {
        struct disk_inode *inode = disk.inodes[i];
        for (uint32_t at = 0; at < pages_of(inode); at++) {
            const uint8_t *truth = disk_get_page(&inode->truth, at);
            if (memcmp(disk_get_page(&inode->durable, at), truth, SIM_DISK_PAGE) == 0 ||
                memcmp(disk_get_page(&inode->seen, at), truth, SIM_DISK_PAGE) != 0)
                continue;
            struct disk_page *page = at < inode->durable.room ? inode->durable.pages[at] : NULL;
            disk_put_page(&inode->seen, at, page ? disk_page_keep(page) : NULL);
        }
    }
}

void sim_disk_start_again(bool power_lost)
{
    memset(disk.files, 0, sizeof disk.files);
    if (power_lost)
        lose_power();
    else
        show_strays();
    disk.dead = false;
    disk.die_at = 0;
    disk.strayed &= !power_lost;
}

static bool is_damaged(const struct disk_inode *inode)
{
    for (uint32_t i = 0; i < pages_of(inode); i++)
        if (page_is_damaged(inode, i))
            return true;
    return false;
}

unsigned sim_disk_damaged(const char *dir, char path[SIM_DISK_PATH])
{
    unsigned count = 0;
    for (unsigned i = 0; i < disk.name_count; i++) {
        const struct disk_name *name = &disk.names[i];
        if (!name->seen || name->seen->dir || !disk_is_below(name->path, dir) ||
            !is_damaged(name->seen))
            continue;
        if (count++ == 0)
            snprintf(path, SIM_DISK_PATH, "%s", name->path);
    }
    return count;
}

void sim_disk_restore(const char *dir)
{
    for (unsigned i = 0; i < disk.name_count; i++) {
        const struct disk_name *name = &disk.names[i];
        if (!name->seen || name->seen->dir || !disk_is_below(name->path, dir))
            continue;
        disk_copy_image(&name->seen->durable, &name->seen->truth);
        disk_copy_image(&name->seen->seen, &name->seen->truth);
    }
}

void sim_disk_accept(const char *dir)
{
    for (unsigned i = 0; i < disk.name_count; i++) {
        const struct disk_name *name = &disk.names[i];
        struct disk_inode *inode = name->seen;
        if (!inode || inode->dir || !disk_is_below(name->path, dir))
            continue;
        for (uint32_t at = 0; at < pages_of(inode); at++)
            if (page_is_damaged(inode, at) && at < inode->durable.room)
                disk_put_page(&inode->truth, at,
                              inode->durable.pages[at] ? disk_page_keep(inode->durable.pages[at])
                                                       : NULL);
    }
}

uint64_t sim_disk_hash(const char *dir)
{
    uint64_t hash = 0;
    for (unsigned i = 0; i < disk.name_count; i++) {
        const struct disk_name *name = &disk.names[i];
        if (!name->seen || name->seen->dir || !disk_is_below(name->path, dir))
            continue;
        uint64_t one = XXH3_64bits(name->path, strlen(name->path));
        for (uint64_t at = 0; at < name->seen->seen.bytes; at += SIM_DISK_PAGE) {
            const uint8_t *page = disk_get_page(&name->seen->seen, (uint32_t)(at / SIM_DISK_PAGE));
            one = XXH3_64bits_withSeed(page, SIM_DISK_PAGE, one);
        }
        hash += XXH3_64bits(&name->seen->seen.bytes, 8) ^ one;
    }
    return hash;
}
