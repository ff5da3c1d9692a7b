/* sim_wire.h - the network in front of the simulated ports: frames that are lost, doubled, late,
 * out of order, broken; and the ports' buffers, each of which must come back exactly once.
 *
 * Memory:  frames and packets allocated one by one.  Threads: one.
 */
#pragma once

#include "dataplane/rx.h"

#define SIM_WIRE_QUEUES 2

/* sim_wire_send puts UDP payload on its way to a port's queue. */
void sim_wire_send(uint32_t queue, const uint8_t *payload, uint32_t len);

/* sim_wire_port returns the port of a queue, for an rx part. */
struct rx_port sim_wire_port(uint32_t queue);
/* sim_wire_net returns what it answers to. */
struct net sim_wire_net(void);

/* sim_wire_held returns the buffers that the rx part of a queue has. */
uint32_t sim_wire_held(uint32_t queue);
/* sim_wire_under_way returns the frames that have not arrived. */
uint32_t sim_wire_under_way(void);
/* sim_wire_forget takes all buffers back: the process is gone.  sim_wire_free drops the frames too.
 */
void sim_wire_forget(void);
void sim_wire_free(void);
