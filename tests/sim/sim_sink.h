/* sim_sink.h - two sinks of the simulated daemon: the real file sink on the simulated disk, and one
 * far away that knows what it has, fails in every way, and sometimes comes back with less.
 *
 * Memory:  what the far sink has taken.  Threads: one.
 */
#pragma once

#include "dataplane/base/record.h"
#include "dataplane/base/segment.h"

#define SIM_SINKS 2u

void sim_sink_reset(void);
void sim_sink_free(void);

/* sim_sink_open makes the pumps of a start; sim_sink_close ends them, with or without the process.
 */
void sim_sink_open(void);
void sim_sink_close(void);

/* sim_sink_poll lets the pump of one sink run.  Returns whether it has delivered all there is. */
bool sim_sink_poll(unsigned sink);

/* sim_sink_start_over: what the journals have lost to damage the sinks have had; an operator puts
 * their cursors away. */
void sim_sink_start_over(void);

/* sim_sink_check holds what the sinks have against the journal's outcomes: a visit of each of them
 * in order, then the end. */
void sim_sink_check_begin(void);
void sim_sink_check_record(const struct record *record);
void sim_sink_check_end(void);
