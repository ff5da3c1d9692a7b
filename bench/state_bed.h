/* state_bed.h - what benchmarks of the state alone stand on: a configuration of one hunt, its rules
 * and a state, events made for it, and bursts applied as a shard does.
 *
 * Memory:  the state's in an arena of its own.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "dataplane/base/histogram.h"
#include "graph/state.h"

#define STATE_BED_BURST STATE_BURST_MAX
#define STATE_BED_T0    (1795209600ull * 1000000000ull) /* of its first event, ns since 1970 */
#define STATE_BED_NODES 20000u                          /* of a large catalog */
#define STATE_BED_EDGES 64u                             /* of each of them */

/* A configuration of one hunt, its rules and a state. */
struct state_bed {
    struct conf conf;
    struct hash_key key;
    struct items *items;
    struct rules *rules;
    struct arena arena;
    struct state *state;
    struct event events[STATE_BED_BURST];
    char names[STATE_BED_BURST][TILES_NAME_LEN + 1];
    uint64_t next_id;
    struct histogram apply; /* of bursts, or of single events */
};

/* state_bed_need ends the program with what was wrong, unless ok. */
void state_bed_need(bool ok, const char *what);

/* state_bed_pin keeps the thread on a core, in [0, CPU_SETSIZE), or ends the program. */
void state_bed_pin(unsigned long core);

/* state_bed_catalog makes a catalog in which every node leads to so many others, the first to the
 * second and so on, in a file of /tmp that the caller removes. */
void state_bed_catalog(char path[CONF_PATH_MAX], uint32_t nodes, uint32_t edges);

/* state_bed_conf begins a bed of one hunt and returns that, to be filled in; state_bed_walker fills
 * in a basket whose walks are typical and never win. state_bed_open builds rules and state of it.
 */
struct conf_hunt *state_bed_conf(struct state_bed *bed, enum conf_hunt_kind kind);
void state_bed_walker(struct conf_hunt *hunt, const char *catalog);
void state_bed_open(struct state_bed *bed, struct state_limits limits);
void state_bed_close(struct state_bed *bed);

/* state_bed_event makes the event at a place of the burst, with an id of its own; state_bed_item
 * and state_bed_tile say what it is about. */
struct event *state_bed_event(struct state_bed *bed, uint32_t at, uint64_t user, uint64_t now_ns);
void state_bed_item(const struct state_bed *bed, struct event *event, uint32_t node);
void state_bed_tile(struct state_bed *bed, struct event *event, uint32_t at, struct tile tile);

/* state_bed_apply returns the ns that a burst takes, and ends the program when an event's first
 * outcome is not the expected one (OUTCOME_KIND_COUNT: any); *edges grows by what its walks visit.
 */
uint64_t state_bed_apply(struct state_bed *bed, enum outcome_kind expected, uint64_t *edges);
