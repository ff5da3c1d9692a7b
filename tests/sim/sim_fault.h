/* sim_fault.h - what may go wrong in the simulator: each kind is on or off for a seed, has a rate
 * of its own, and is counted when it happens.
 *
 * Memory:  one static table.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/random.h"

#define SIM_FAULT_LIST(FAULT)                                                                      \
    FAULT(wire_loss, "a frame never arrives")                                                      \
    FAULT(wire_duplicate, "a frame arrives twice")                                                 \
    FAULT(wire_reorder, "a frame overtakes others")                                                \
    FAULT(wire_delay, "a frame comes much later")                                                  \
    FAULT(wire_corrupt, "a bit of a frame is turned")                                              \
    FAULT(wire_truncate, "a frame loses its end")                                                  \
    FAULT(power_loss, "the power goes between two steps")                                          \
    FAULT(power_loss_inside, "the power goes at an operation on the disk")                         \
    FAULT(process_kill, "the process is killed, the host stays")                                   \
    FAULT(kill_recovery, "the power goes during recovery")                                         \
    FAULT(kill_reload, "the power goes during a reload")                                           \
    FAULT(torn_sector, "of a write under way some sectors of 512 bytes reach the disk")            \
    FAULT(torn_page, "of a write under way some pages of 4 KiB reach the disk")                    \
    FAULT(unsynced_lost, "some of what was not synced is lost, some is not")                       \
    FAULT(unsynced_all_lost, "all of what was not synced is lost")                                 \
    FAULT(unsynced_reordered, "of two writes to one place the older one is left")                  \
    FAULT(name_lost, "a name that was not synced is lost")                                         \
    FAULT(write_lost, "a write is acknowledged and synced, and never there")                       \
    FAULT(write_misdirected, "a write goes to another place of the disk")                          \
    FAULT(bit_rot, "a bit of a synced page turns")                                                 \
    FAULT(write_error, "a write fails once")                                                       \
    FAULT(write_error_ever, "every write fails for a while")                                       \
    FAULT(write_short, "a write takes only its beginning")                                         \
    FAULT(read_error, "a read fails at recovery")                                                  \
    FAULT(sync_error, "a sync fails, and part of what it was for is gone for good")                \
    FAULT(sync_error_ever, "every sync fails for a while")                                         \
    FAULT(sync_dir_error, "the sync of a directory fails")                                         \
    FAULT(disk_full, "the disk is full, at any byte")                                              \
    FAULT(disk_slow, "an operation on the disk takes up to seconds")                               \
    FAULT(temporary_left, "files of a temporary name are left")                                    \
    FAULT(clock_forward, "the real time jumps ahead")                                              \
    FAULT(clock_back, "the real time jumps back")                                                  \
    FAULT(clock_freeze, "the real time stands still")                                              \
    FAULT(ring_stall, "a ring is not emptied for a while")                                         \
    FAULT(ring_full, "an event finds its ring full")                                               \
    FAULT(state_full, "an id, a user or a tile finds no room")                                     \
    FAULT(reload_valid, "a new configuration")                                                     \
    FAULT(reload_invalid, "a configuration that must be refused")                                  \
    FAULT(correction, "an operator's correction")                                                  \
    FAULT(correction_again, "a correction that comes twice")                                       \
    FAULT(shards_changed, "a start with another number of shards")                                 \
    FAULT(journal_stall, "a journal's thread gets no time")                                        \
    FAULT(sink_slow, "a sink's thread gets no time")                                               \
    FAULT(sink_dead, "a sink refuses to be opened")                                                \
    FAULT(sink_error, "a sink fails at a record or a commit")                                      \
    FAULT(sink_garbage, "a sink answers with errors that make no sense")                           \
    FAULT(sink_ack_lost, "a sink has taken a batch, and the answer is lost")                       \
    FAULT(sink_behind, "a sink comes back with less than it confirmed")

enum sim_fault {
#define SIM_FAULT_ENUM(name, help) FAULT_##name,
    SIM_FAULT_LIST(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        FAULT_COUNT
};

struct sim_faults {
    bool active; /* the safety phase */
    uint32_t per_mille[FAULT_COUNT];
    uint64_t fired[FAULT_COUNT];
    struct random random;
};

extern struct sim_faults sim_faults;

const char *sim_fault_name(unsigned fault);
const char *sim_fault_help(unsigned fault);

/* sim_faults_draw turns each kind on or off, with a rate, by the seed. */
void sim_faults_draw(uint64_t seed);

/* sim_fault draws whether a kind happens now, and counts it.  sim_fault_is_on says whether it may,
 * and sim_fault_fired counts one that was not drawn here. */
bool sim_fault(enum sim_fault fault);
bool sim_fault_is_on(enum sim_fault fault);
void sim_fault_fired(enum sim_fault fault);
