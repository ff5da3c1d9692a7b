/* sim_fault.c - which faults a seed has, and whether one happens now. */
#include "tests/sim/sim_fault.h"

#include <string.h>

#include "tests/sim/sim.h"

struct sim_faults sim_faults;

static const char *const names[] = {
#define SIM_FAULT_NAME(name, help) #name,
    SIM_FAULT_LIST(SIM_FAULT_NAME)
#undef SIM_FAULT_NAME
};

static const char *const helps[] = {
#define SIM_FAULT_HELP(name, help) help,
    SIM_FAULT_LIST(SIM_FAULT_HELP)
#undef SIM_FAULT_HELP
};

const char *sim_fault_name(unsigned fault)
{
    return names[fault];
}

const char *sim_fault_help(unsigned fault)
{
    return helps[fault];
}

void sim_faults_draw(uint64_t seed)
{
    memset(&sim_faults, 0, sizeof sim_faults);
    sim_faults.random.state = seed * 0x9e3779b97f4a7c15 + 17;
    /* Few kinds or many: what hides behind another fault shows where that is off. */
    uint32_t on = random_between(&sim_faults.random, 50, 600);
    for (unsigned f = 0; f < FAULT_COUNT; f++) {
        static const uint32_t rates[] = {5, 20, 60, 150};
        uint32_t rate = rates[random_below(&sim_faults.random, 4)];
        if (random_chance(&sim_faults.random, on))
            sim_faults.per_mille[f] = rate;
    }
    sim_faults.active = true;
}

bool sim_fault_is_on(enum sim_fault fault)
{
    return sim_faults.active && sim_faults.per_mille[fault];
}

void sim_fault_fired(enum sim_fault fault)
{
    sim_faults.fired[fault]++;
    sim_trace("fault %s", names[fault]);
}

bool sim_fault(enum sim_fault fault)
{
    if (!sim_fault_is_on(fault) || !random_chance(&sim_faults.random, sim_faults.per_mille[fault]))
        return false;
    sim_fault_fired(fault);
    return true;
}
