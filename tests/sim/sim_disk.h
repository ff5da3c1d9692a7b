/* sim_disk.h - a file system in memory that takes the place of the real one for every path below
 * SIM_DISK_ROOT: the code under test opens, writes, syncs and renames by the usual calls, which the
 * linker has led here (sim_call.c).
 *
 * A write is durable once its file was synced after it, a name once its directory was.  What is not
 * is lost with the power, in any part.  Of each page three things are known: what is read, what is
 * durable, and what would be durable if the disk had done as it said.
 *
 * Memory:  pages are shared and counted; all freed by sim_disk_free.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define SIM_DISK_ROOT "/sim"
#define SIM_DISK_FD   (1 << 20) /* the first of its file descriptors */
#define SIM_DISK_PATH 160
#define SIM_DISK_PAGE 4096u

struct sim_disk_stats {
    uint64_t writes, syncs, names, reads;
};

extern struct sim_disk_stats sim_disk_stats;

/* sim_disk_make begins with an empty root directory. */
void sim_disk_make(void);
void sim_disk_free(void);

/* sim_disk_room: from now on so many bytes are left; UINT64_MAX: as many as one likes. */
void sim_disk_room(uint64_t bytes);

/* sim_disk_die: from the count-th change on (1: the next), inclusive, nothing more happens on the
 * disk, and every call fails: the process is as good as dead.  0: not. */
void sim_disk_die_at(uint64_t count);
void sim_disk_die(void);
bool sim_disk_is_dead(void);

/* sim_disk_start_again closes every file descriptor and makes the disk answer again; after a loss
 * of power it has what was durable and some part of what was not. */
void sim_disk_start_again(bool power_lost);

/* Damage: sim_disk_rot turns a bit of a durable page of a file below dir, if there is one.
 * sim_disk_damaged returns how many files below dir have a page that is not what was synced, and
 * the path of the first; sim_disk_restore puts them right, as from a copy. */
bool sim_disk_rot(const char *dir);
unsigned sim_disk_damaged(const char *dir, char path[SIM_DISK_PATH]);
void sim_disk_restore(const char *dir);
/* sim_disk_accept takes what is there for what there is. */
void sim_disk_accept(const char *dir);

/* sim_disk_read_errors makes reads fail at times, as faults.read_error says. */
void sim_disk_read_errors(bool on);

/* sim_disk_hash returns a hash of all names and bytes below dir, as they are read. */
uint64_t sim_disk_hash(const char *dir);

/* The calls: as the system's, with the result or a negative errno. */
bool sim_disk_has(int dir_fd, const char *path);
int sim_disk_open(int dir_fd, const char *path, int flags);
int sim_disk_close(int fd);
ssize_t sim_disk_pread(int fd, void *data, size_t len, uint64_t offset);
ssize_t sim_disk_read(int fd, void *data, size_t len);
ssize_t sim_disk_pwrite(int fd, const void *data, size_t len, uint64_t offset);
ssize_t sim_disk_write(int fd, const void *data, size_t len);
int sim_disk_sync(int fd);
int sim_disk_truncate(int fd, uint64_t bytes);
int sim_disk_allocate(int fd, uint64_t bytes);
int sim_disk_stat(int fd, struct stat *st);
int sim_disk_stat_path(int dir_fd, const char *path, struct stat *st);
int sim_disk_mkdir(int dir_fd, const char *path);
int sim_disk_rename(int dir_fd, const char *from, const char *to);
int sim_disk_unlink(int dir_fd, const char *path);
/* sim_disk_entry copies the name of the next entry of an open directory, *at being 0 at first;
 * false at the end. */
bool sim_disk_entry(int fd, unsigned *at, char name[SIM_DISK_PATH]);
