/* admin_lcore.c - what each worker core does: its share of work, cycles by stage, rings, memory. */
#include "dataplane/admin.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

const char *admin_lcore_roles(const struct core *core)
{
    return !core->shard ? "rx" : core->rx_count ? "rx+shard" : "shard";
}

static uint64_t decided_by(const struct shard_counters *c)
{
    uint64_t sum =
        counter_read(&c->accepted) + counter_read(&c->duplicate) + counter_read(&c->refused);
    for (unsigned i = 0; i < REASON_COUNT; i++)
        sum += counter_read(&c->rejected[i]);
    return sum;
}

/* Events that its rx parts took in, and those that its shard decided. */
static void count_events(const struct core *core, json_t *lcore)
{
    uint64_t received = 0, decided = 0, receive_cycles = 0;
    for (uint32_t i = 0; i < core->rx_count; i++) {
        received += counter_read(&core->rx[i]->counters.received);
        receive_cycles += counter_read(&core->rx[i]->counters.receive_cycles);
    }
    if (core->shard)
        decided = decided_by(&core->shard->counters);
    uint64_t rx_cycles = atomic_load(&core->rx_cycles);
    json_object_set_new(lcore, "received", number(received));
    json_object_set_new(lcore, "decided", number(decided));
    json_object_set_new(
        lcore, "cycles",
        json_pack("{s:I, s:I, s:I}", "receive", (json_int_t)receive_cycles, "parse",
                  (json_int_t)(rx_cycles > receive_cycles ? rx_cycles - receive_cycles : 0),
                  "decide", (json_int_t)atomic_load(&core->shard_cycles)));
}

/* How full the rings to its shard are now. */
static json_t *ring_depth(const struct topo *topo, const struct core *core)
{
    uint64_t used = 0, slots = 0;
    for (uint32_t s = 0; core->shard && s < core->shard->source_count; s++) {
        used += event_ring_count(core->shard->sources[s]);
        slots += topo->conf->ring_slots;
    }
    return json_pack("{s:I, s:I}", "used", (json_int_t)used, "slots", (json_int_t)slots);
}

static json_t *queues(const struct topo *topo, const struct core *core)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < core->rx_count; i++) {
        const struct plan_rx *rx = &topo->plan.rx[core->plan->rx[i]];
        json_array_append_new(
            list, json_sprintf("%.64s/%u", topo->conf->ports[rx->port].name, (unsigned)rx->queue));
    }
    return list;
}

static bool far(int32_t node, int32_t other)
{
    return node >= 0 && other >= 0 && node != other;
}

/* What of an event's way leads to another node, by the plan: packets of a port there, which stay in
 * memory of the port's node, and events that cores of other nodes push into its rings. */
static json_t *remote(const struct topo *topo, const struct core *core)
{
    json_t *list = json_array();
    int32_t node = core->plan->node;
    for (uint32_t i = 0; i < core->rx_count; i++) {
        const struct plan_rx *rx = &topo->plan.rx[core->plan->rx[i]];
        int32_t port_node = topo->ports[rx->port].node;
        if (far(node, port_node))
            json_array_append_new(list,
                                  json_sprintf("port %.64s is on node %d",
                                               topo->conf->ports[rx->port].name, (int)port_node));
    }
    for (uint32_t r = 0; core->shard && r < topo->plan.rx_count; r++) {
        const struct plan_core *from = &topo->plan.cores[topo->plan.rx[r].core];
        if (far(node, from->node))
            json_array_append_new(list, json_sprintf("events from core %u on node %d",
                                                     (unsigned)from->core, (int)from->node));
    }
    return list;
}

static json_t *lcore_json(const struct topo *topo, const struct core *core)
{
    json_t *lcore = json_pack("{s:i, s:i, s:s, s:I, s:I, s:I}", "core", (int)core->plan->core,
                              "node", (int)core->plan->node, "roles", admin_lcore_roles(core),
                              "busy_ns", (json_int_t)atomic_load(&core->busy_ns), "idle_ns",
                              (json_int_t)atomic_load(&core->idle_ns), "longest_ns",
                              (json_int_t)atomic_load(&core->longest_ns));
    count_events(core, lcore);
    json_object_set_new(lcore, "queues", queues(topo, core));
    json_object_set_new(lcore, "ring", ring_depth(topo, core));
    json_object_set_new(lcore, "memory",
                        json_pack("{s:I, s:I, s:I}", "bytes", (json_int_t)core->arena.bytes,
                                  "pages_looked_at", (json_int_t)core->pages, "pages_elsewhere",
                                  (json_int_t)core->pages_elsewhere));
    json_object_set_new(lcore, "remote", remote(topo, core));
    return lcore;
}

void admin_lcores(void *context, const struct control_request *request,
                  struct control_response *response)
{
    struct topo *topo = context;
    (void)request;
    static const char *const idle_names[] = {
        [CONF_IDLE_POLL] = "poll", [CONF_IDLE_PAUSE] = "pause", [CONF_IDLE_SLEEP] = "sleep"};
    json_t *lcores = json_array();
    for (uint32_t i = 0; i < topo->plan.core_count; i++)
        json_array_append_new(lcores, lcore_json(topo, &topo->cores[i]));
    const struct snapshot *snapshot = topo_read_lock(topo);
    response->body = json_pack("{s:f, s:i, s:s, s:o}", "uptime_s",
                               (double)(clock_monotonic_ns() - topo->start_ns) / NS_PER_S,
                               "control_core", (int)topo->plan.control_core, "idle",
                               idle_names[snapshot->conf->idle], "lcores", lcores);
    topo_read_unlock(topo);
}
