/* sim_conf.h - the configurations of the simulated daemon: one for a seed, and variations of it.
 *
 * Threads: one.
 */
#pragma once

#include "conf/conf.h"
#include "dataplane/base/hash.h"

/* sim_conf_draw makes the configuration of a seed and its catalog. */
void sim_conf_draw(uint32_t partitions);
/* sim_conf_load returns the running configuration. */
struct conf *sim_conf_load(struct diag_list *diags);
/* sim_conf_describe writes the body of its CONFIG record. */
void sim_conf_describe(const struct conf *conf, uint32_t version, const struct hash_key *key,
                       char json[256]);
/* sim_conf_change goes on to another variation, or back to the last one. sim_conf_broken returns
 * what conf_load must refuse. */
void sim_conf_change(int by);
const char *sim_conf_broken(void);

/* What the judge needs to know of it. */
uint64_t sim_conf_window_ns(void);
uint64_t sim_conf_cooldown_ns(void);
bool sim_conf_shortens(void);
