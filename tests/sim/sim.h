/* sim.h - what the parts of the simulator share: its random numbers, its clocks, how it traces and
 * how it fails.
 *
 * Nothing here but the seed is random: sim_random for what is done, sim_faults.random for what goes
 * wrong.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/random.h"

#define SIM_START_NS 1795209600000000000ull /* 2026-11-20T12:00:00Z */

struct sim_clock {
    uint64_t mono_ns;
    int64_t real_offset_ns; /* of the real time to the monotonic one */
    uint64_t frozen_ns;     /* the real time until it goes on, 0: it runs */
};

extern struct sim_clock sim_clock;
extern struct random sim_random;
extern bool sim_tracing;

/* sim_clock_pass lets time pass for all that is simulated. */
void sim_clock_pass(uint64_t ns);
uint64_t sim_clock_real_ns(void);

/* sim_trace prints a line with --trace, with the simulated time. */
void sim_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* sim_fail says which oracle does not hold, and ends the seed.  sim_check does so unless it holds.
 */
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define sim_check(holds, ...) ((holds) ? (void)0 : sim_fail(__VA_ARGS__))
