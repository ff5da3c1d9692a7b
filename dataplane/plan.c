/* plan.c - placing parts on cores. */
#include "dataplane/plan.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

static int fault(char error[512], const char *text)
{
    snprintf(error, 512, "%s", text);
    return -EINVAL;
}

static int find_core(const struct machine *machine, uint32_t core)
{
    for (uint32_t i = 0; i < machine->core_count; i++)
        if (machine->cores[i].core == core)
            return (int)i;
    return -1;
}

static struct plan_core *add_core(struct plan *plan, uint32_t core, int32_t node)
{
    struct plan_core *added = &plan->cores[plan->core_count++];
    *added = (struct plan_core){.core = core, .node = node, .shard = -1};
    return added;
}

static bool add_rx(struct plan *plan, const struct machine *machine, struct plan_core *core,
                   uint32_t port)
{
    if (plan->rx_count == PLAN_PARTS_MAX || plan->queues[port] >= machine->ports[port].queues_max)
        return false;
    core->rx[core->rx_count++] = plan->rx_count;
    plan->rx[plan->rx_count++] = (struct plan_rx){
        .port = port,
        .queue = plan->queues[port]++,
        .core = (uint32_t)(core - plan->cores),
    };
    return true;
}

/* A configured number of queues is a limit of its own. */
static struct machine limited(const struct conf *conf, const struct machine *machine)
{
    struct machine copy = *machine;
    for (uint32_t p = 0; p < copy.port_count; p++) {
        uint32_t wanted = conf->ports[p].rx_queues;
        if (wanted && wanted < copy.ports[p].queues_max)
            copy.ports[p].queues_max = wanted;
    }
    return copy;
}

static void plan_auto(const struct machine *machine, struct plan *plan)
{
    for (uint32_t i = 0; i < machine->core_count && plan->core_count < PLAN_PARTS_MAX; i++) {
        if (machine->core_count > 1 && machine->cores[i].core == plan->control_core)
            continue;
        struct plan_core *core = add_core(plan, machine->cores[i].core, machine->cores[i].node);
        core->shard = (int32_t)plan->shard_count++;
        for (uint32_t p = 0; p < machine->port_count; p++)
            if (machine->ports[p].node < 0 || machine->ports[p].node == core->node)
                add_rx(plan, machine, core, p);
    }
    /* A port on a node without a worker core is served from the first one: far, but served. */
    for (uint32_t p = 0; p < machine->port_count; p++)
        if (!plan->queues[p] && plan->core_count)
            add_rx(plan, machine, &plan->cores[0], p);
}

static int plan_listed(const struct conf *conf, const struct machine *machine, struct plan *plan,
                       char error[512])
{
    for (uint32_t i = 0; i < conf->lcore_count; i++) {
        const struct conf_lcore *lcore = &conf->lcores[i];
        int at = find_core(machine, lcore->core);
        if (at < 0) {
            snprintf(error, 512,
                     "%s:%u:%u: error: core %u is not one that troved may use (%u are; see "
                     "/proc/self/status, Cpus_allowed_list)",
                     conf->file, lcore->place.line, lcore->place.column, lcore->core,
                     machine->core_count);
            return -EINVAL;
        }
        if (plan->core_count == PLAN_PARTS_MAX)
            return fault(error, "lcores: at most 64 worker cores");
        struct plan_core *core = add_core(plan, lcore->core, machine->cores[at].node);
        if (lcore->shard)
            core->shard = (int32_t)plan->shard_count++;
        bool served = !lcore->rx;
        for (uint32_t p = 0; lcore->rx && p < machine->port_count; p++)
            served |= add_rx(plan, machine, core, p);
        if (!served) {
            snprintf(error, 512,
                     "%s:%u:%u: error: no port has a queue left for an rx part on core %u; raise "
                     "rx_queues, or take rx from its `run` list",
                     conf->file, lcore->place.line, lcore->place.column, lcore->core);
            return -EINVAL;
        }
    }
    return 0;
}

static bool is_listed(const struct conf *conf, uint32_t core)
{
    for (uint32_t i = 0; !conf->lcores_auto && i < conf->lcore_count; i++)
        if (conf->lcores[i].core == core)
            return true;
    return false;
}

uint32_t plan_control_core(const struct conf *conf, const struct machine *machine)
{
    uint32_t disk = (uint32_t)machine->disk_core;
    if (conf->control_core >= 0)
        return (uint32_t)conf->control_core;
    if (machine->disk_core >= 0 && find_core(machine, disk) >= 0 && !is_listed(conf, disk))
        return disk;
    for (uint32_t i = 0; i < machine->core_count; i++)
        if (!is_listed(conf, machine->cores[i].core))
            return machine->cores[i].core;
    return machine->cores[0].core;
}

int plan_make(const struct conf *conf, const struct machine *available, struct plan *plan,
              char error[512])
{
    struct machine machine = limited(conf, available);
    memset(plan, 0, sizeof *plan);
    if (!machine.core_count)
        return fault(error, "no core to run on");
    plan->disk_core = machine.disk_core;
    plan->control_core = plan_control_core(conf, &machine);
    if (find_core(&machine, plan->control_core) < 0)
        return fault(error, "control_core is not a core that troved may use (see "
                            "/proc/self/status, Cpus_allowed_list)");
    if (conf->lcores_auto)
        plan_auto(&machine, plan);
    else if (plan_listed(conf, &machine, plan, error))
        return -EINVAL;
    if (!plan->shard_count)
        return fault(error, "no core runs a shard: give one of `lcores` run: [shard]");
    for (uint32_t p = 0; p < machine.port_count; p++) {
        if (plan->queues[p])
            continue;
        snprintf(error, 512, "no core runs an rx part for port %s: give one of `lcores` run: [rx]",
                 conf->ports[p].name);
        return -EINVAL;
    }
    return 0;
}

void plan_print(const struct plan *plan, const struct conf *conf, FILE *out)
{
    bool apart = plan->disk_core < 0 || plan->control_core != (uint32_t)plan->disk_core;
    fprintf(out, "plan: core %u: control, journals, sinks%s\n", plan->control_core,
            apart ? "" : ", and the interrupts of the disk");
    for (uint32_t i = 0; i < plan->core_count; i++) {
        const struct plan_core *core = &plan->cores[i];
        fprintf(out, "plan: core %u node %d:", core->core, core->node);
        for (uint32_t r = 0; r < core->rx_count; r++) {
            const struct plan_rx *rx = &plan->rx[core->rx[r]];
            fprintf(out, " rx %s/%u", conf->ports[rx->port].name, rx->queue);
        }
        if (core->shard >= 0)
            fprintf(out, " shard %d", core->shard);
        fputc('\n', out);
        if (apart && plan->disk_core >= 0 && core->core == (uint32_t)plan->disk_core)
            fprintf(
                out,
                "warning: core %u polls, and the disk under data_dir interrupts it, for up to a "
                "fifth of its time: `control_core: auto` with another core for its parts, or "
                "move the interrupts (/proc/irq)\n",
                core->core);
    }
}

static int32_t node_of(uint32_t core)
{
    char path[96];
    for (int32_t node = 0; node < 64; node++) {
        snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpu%u", node, core);
        if (access(path, F_OK) == 0)
            return node;
    }
    return 0;
}

void machine_probe(struct machine *machine)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    machine->core_count = 0;
    machine->disk_core = INTERRUPTS_SPREAD;
    if (sched_getaffinity(0, sizeof set, &set))
        return;
    for (uint32_t core = 0; core < CPU_SETSIZE && machine->core_count < PLAN_CORES_MAX; core++) {
        if (!CPU_ISSET(core, &set))
            continue;
        machine->cores[machine->core_count].core = core;
        machine->cores[machine->core_count++].node = node_of(core);
    }
}
