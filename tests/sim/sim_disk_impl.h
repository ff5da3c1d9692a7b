/* sim_disk_impl.h - the simulated disk from inside: sim_disk.c does the calls, sim_disk_crash.c the
 * losses of power and the damage, sim_disk_name.c what goes by name.
 *
 * Memory:  as sim_disk.h.  Threads: one. */
#pragma once

#include "tests/sim/sim_disk.h"

#define DISK_INODES_MAX  8192
#define DISK_NAMES_MAX   8192
#define DISK_NAMINGS_MAX 4096
#define DISK_FILES_MAX   512
#define DISK_NOWHERE     UINT32_MAX

struct disk_page {
    uint32_t used;
    uint8_t bytes[SIM_DISK_PAGE];
};

struct disk_image {
    struct disk_page **pages; /* NULL: zeros */
    uint32_t room;
    uint64_t bytes;
};

/* What was written since the last sync, in order. */
struct disk_write {
    enum { DISK_WRITE_PAGE, DISK_WRITE_LENGTH } kind;
    uint32_t at, goes_to; /* pages; DISK_NOWHERE: it is lost */
    struct disk_page *page;
    uint64_t bytes; /* of a length */
};

struct disk_inode {
    bool dir;
    unsigned number;
    struct disk_image seen, durable, truth;
    struct disk_write *writes;
    uint32_t write_count, write_room;
    uint64_t allocated;
};

struct disk_name {
    char path[SIM_DISK_PATH];
    struct disk_inode *seen, *durable; /* NULL: nothing has the name */
};

/* A name given, moved or taken away since the last sync of its directory. */
struct disk_naming {
    char from[SIM_DISK_PATH], to[SIM_DISK_PATH];
    struct disk_inode *inode;
};

struct disk_file {
    struct disk_inode *inode; /* NULL: closed */
    char path[SIM_DISK_PATH];
    uint64_t at;
    bool append;
};

struct disk_all {
    struct disk_inode *inodes[DISK_INODES_MAX];
    unsigned inode_count;
    struct disk_name names[DISK_NAMES_MAX];
    unsigned name_count;
    struct disk_naming namings[DISK_NAMINGS_MAX];
    unsigned naming_count;
    struct disk_file files[DISK_FILES_MAX];
    uint64_t space, changes, die_at;
    uint64_t writes_fail_ns, syncs_fail_ns;
    bool dead, read_errors;
    bool strayed; /* one write has, since power was there: two could hide each other */
};

extern struct disk_all disk;

struct disk_page *disk_page_keep(struct disk_page *page);
void disk_page_drop(struct disk_page *page);
void disk_put_page(struct disk_image *image, uint32_t at, struct disk_page *page);
const uint8_t *disk_get_page(const struct disk_image *image, uint32_t at);
void disk_set_bytes(struct disk_image *image, uint64_t bytes);
void disk_copy_image(struct disk_image *to, const struct disk_image *from);
void disk_land(struct disk_inode *inode, struct disk_write *write);
void disk_land_naming(const struct disk_naming *naming);
struct disk_name *disk_find(const char *path);
bool disk_is_below(const char *path, const char *dir);

/* disk_change says that something is about to change.  Returns false when it does not. */
bool disk_change(void);
struct disk_inode *disk_new_inode(bool dir);
struct disk_file *disk_file_of(int fd);
void disk_resolve(int dir_fd, const char *path, char out[SIM_DISK_PATH]);
void disk_dir_of(const char *path, char dir[SIM_DISK_PATH]);
bool disk_is_child(const char *path, const char *dir);
/* disk_set_name gives the name `to` to an inode, or takes it away, and in the same step the name
 * `from`, unless that is NULL. */
void disk_set_name(const char *from, const char *to, struct disk_inode *inode);
