/* sim_operator.c - what operators do while events flow: reloads and corrections. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"
#include "tests/sim/sim_conf.h"
#include "tests/sim/sim_node.h"

static bool refused(void)
{
    struct diag_list diags = {0};
    const char *text = sim_conf_broken();
    struct conf *conf = conf_load("sim.yaml", text, strlen(text), &diags);
    sim_check(!conf && diags.count, "a broken configuration is taken: %s", text);
    diag_list_fini(&diags);
    return false;
}

/* As topo_apply: all of it, or nothing. */
static struct rules *build(struct conf *conf, struct diag_list *diags)
{
    if (store_catalogs(&sim_node.store, conf))
        return NULL;
    struct rules *rules = rules_build(conf, 0, &sim_node.key, sim_node.items, diags);
    int version = rules ? store_save(&sim_node.store, conf) : -1;
    if (version > 0) {
        rules->version = (uint32_t)version;
        return rules;
    }
    rules_free(rules);
    return NULL;
}

bool sim_node_reload(bool valid)
{
    struct diag_list diags = {0};
    if (!valid)
        return refused();
    sim_conf_change(1);
    struct conf *conf = sim_conf_load(&diags);
    struct rules *rules = conf ? build(conf, &diags) : NULL;
    diag_list_fini(&diags);
    if (!rules) {
        conf_free(conf);
        sim_conf_change(-1);
        return false;
    }
    sim_node_publish(conf, rules);
    sim_trace("reload: version %u", rules->version);
    return true;
}

void sim_node_correct(bool again)
{
    static struct correction c;
    if (!again || !c.id[0]) {
        memcpy(c.undo, c.id, sizeof c.undo);
        c.kind = (uint8_t)(c.id[0] ? (c.kind + 1) % CORRECTION_KIND_COUNT : CORRECTION_grant);
        c.id[0] = random_next(&sim_random) | 1;
        c.id[1] = random_next(&sim_random);
        if (c.kind == CORRECTION_grant)
            snprintf(c.user, sizeof c.user, "u-%u", random_below(&sim_random, 9));
        snprintf(c.hunt, sizeof c.hunt, "trail");
        snprintf(c.reason, sizeof c.reason, "reason");
        snprintf(c.ref, sizeof c.ref, "ref");
        snprintf(c.by, sizeof c.by, "uid 0");
    }
    c.receive_ns = sim_clock_real_ns();
    c.partition = event_partition(hash128(&sim_node.key, c.user, strlen(c.user)).hi,
                                  sim_node.shape.partitions);
    struct sim_shard *s = sim_node.shards[c.partition % sim_node.shard_count];
    const struct correction_ask ask = {
        .wish = CORRECTION_DO, .token = c.partition, .correction = c};
    if (correction_ask_ring_push_burst(&s->asks, &ask, 1))
        sim_trace("correction: %s of %s", correction_kind_name(c.kind), c.user);
}
