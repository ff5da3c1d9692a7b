/* fixture.h - a configuration made in code, its rules, and events to feed to state_apply.
 *
 * Memory:  a fixture owns all it made; fixture_close frees it.  Threads: one.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "dataplane/base/clock.h"
#include "graph/rules.h"
#include "graph/state.h"

#define T0_S 1795209600ull /* 2026-11-20T12:00:00Z */
#define T0   (T0_S * NS_PER_S)

struct fixture {
    struct conf conf;
    struct hash_key key;
    struct items *items;
    struct rules *rules;
    struct diag_list diags;
    int file_count;
    char files[4][64];
    char names[8][CONF_NODES_MAX][CONF_NAME_MAX + 1];
};

/* fixture_open sets up the types `view` (an item required, a tile forbidden), `note` (nothing
 * asked) and `strict` (no other keys), and no hunts. */
struct fixture *fixture_open(void);
void fixture_close(struct fixture *f);

/* fixture_catalog writes text to a file that lives as long as the fixture, and returns its name. */
const char *fixture_catalog(struct fixture *f, const char *text);

/* fixture_trail and fixture_basket add a hunt that listens to `view`; start and treasure are lists
 * with spaces between names.  The caller may change what they return before fixture_build. */
struct conf_hunt *fixture_trail(struct fixture *f, const char *name, const char *catalog,
                                const char *start, const char *treasure);
struct conf_hunt *fixture_basket(struct fixture *f, const char *name, const char *catalog);

/* fixture_build compiles the rules, which must not fail. */
const struct rules *fixture_build(struct fixture *f);

uint32_t fixture_item(const struct fixture *f, const char *name);

/* A state for one shard, and where its memory is. */
struct host {
    struct arena arena;
    void *memory;
    struct state *state;
    struct state_limits limits;
};

extern const struct state_limits small_limits; /* 16 partitions, one shard */

struct host host_open(struct state_limits limits);
void host_close(struct host *host);
/* host_hash adds up the hashes of the partitions that the shard owns. */
uint64_t host_hash(const struct host *host);

/* view returns an event of type view, its id made of `id`, its client time that of receipt. */
struct event view(const struct fixture *f, uint64_t id, const char *user, const char *item,
                  uint64_t receive_ns);

/* apply applies an event in the partition that owns its user. */
struct verdict apply(struct host *host, const struct fixture *f, struct event event,
                     struct outcome out[STATE_OUTCOMES_MAX]);
