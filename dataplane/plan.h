/* plan.h - who does what: rx parts and shards placed on cores, from the configuration and the
 * machine, both as data.
 *
 * `auto` gives the control thread, the journals and the sinks the first core, and every other core
 * a shard; cores on the node of a port also run an rx part for one of its queues, as long as it has
 * queues. So a packet is taken, parsed and, as often as the hash allows, decided on one core, and
 * no rate has to be guessed to balance rx against shards.
 *
 * Memory:  plain values.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "conf/conf.h"
#include "dataplane/interrupts.h"

#define PLAN_CORES_MAX 256
#define PLAN_PARTS_MAX 64 /* rx parts, and shards */

struct machine {
    uint32_t core_count;
    struct {
        uint32_t core; /* the operating system's number */
        int32_t node;
    } cores[PLAN_CORES_MAX]; /* those the process may use, ascending */
    int32_t disk_core; /* the one that the disk under data_dir interrupts, or INTERRUPTS_SPREAD */
    uint32_t port_count;
    struct {
        int32_t node;        /* -1: none, as a virtual device */
        uint32_t queues_max; /* rx and tx queue pairs */
    } ports[CONF_PORTS_MAX];
};

struct plan_core {
    uint32_t core;
    int32_t node;
    int32_t shard; /* -1: none */
    uint32_t rx_count;
    uint32_t rx[CONF_PORTS_MAX]; /* indices of rx parts */
};

struct plan_rx {
    uint32_t port;
    uint32_t queue;
    uint32_t core; /* index in cores */
};

struct plan {
    uint32_t control_core;
    int32_t disk_core; /* as in machine */
    uint32_t core_count;
    struct plan_core cores[PLAN_PARTS_MAX];
    uint32_t rx_count;
    struct plan_rx rx[PLAN_PARTS_MAX];
    uint32_t shard_count;
    uint32_t queues[CONF_PORTS_MAX]; /* of each port */
};

/* plan_make places the parts. Returns 0, or -EINVAL with the fault and its fix in error: a core
 * that the process may not use, no rx part or no shard, more rx parts than a port has queues. */
int plan_make(const struct conf *conf, const struct machine *machine, struct plan *plan,
              char error[512]);

/* plan_control_core returns the core of all that does not poll: as it is configured, or else, of
 * those that are not to poll, the one that the disk interrupts, or the first. */
uint32_t plan_control_core(const struct conf *conf, const struct machine *machine);

/* plan_print writes one line a core, and a warning where one polls that the disk interrupts. */
void plan_print(const struct plan *plan, const struct conf *conf, FILE *out);

/* machine_probe fills in the cores that the process may use, and their nodes, from
 * sched_getaffinity and sysfs; no disk. */
void machine_probe(struct machine *machine);
