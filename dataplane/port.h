/* port.h - DPDK ports behind the rx part's four functions.
 *
 * Memory:  one mempool per queue, on the node of the core that polls it; struct packet lives in
 * each mbuf's private area. Threads: opened and closed by the main thread; each queue is one
 * core's.
 */
#pragma once

#include "conf/conf.h"
#include "dataplane/plan.h"
#include "dataplane/rx.h"

struct port_kernel;
struct port_queue;

struct port {
    uint16_t id; /* DPDK's */
    int32_t node;
    uint32_t queues_max;
    uint8_t mac[6];
    struct port_kernel *kernel;                 /* its part in the port, if any */
    uint64_t receive_checksums, send_checksums; /* that it checks and makes: port_checksum.h */
    uint32_t queue_count;
    struct port_queue *queues;
};

struct port_stats {
    uint64_t missed;       /* packets that the port had no room for */
    uint64_t buffers_used; /* of its queues' packet buffers, those that wait for frames included */
};

/* port_buffer_bytes returns what one packet buffer takes, and port_buffer_count how many a queue
 * needs. */
size_t port_buffer_bytes(const struct conf *conf);
uint32_t port_buffer_count(const struct conf *conf, const struct conf_port *port,
                           uint32_t shard_count);

/* port_find looks up the device that EAL probed. Returns 0, or -1 with one line in error. */
int port_find(const struct conf_port *conf, struct port *port, char error[512]);

/* port_open sets up its queues, one mempool each, and starts it. nodes[queue] is the NUMA node of
 * its core. */
int port_open(struct port *port, const struct conf *conf, const struct conf_port *port_conf,
              uint32_t queue_count, uint32_t shard_count, const int32_t *nodes, char error[512]);
/* port_checks_ipv4, port_checks_udp, port_checks_tcp and port_makes_tcp say which checksums are
 * left to the port. */
bool port_checks_ipv4(const struct port *port);
bool port_checks_udp(const struct port *port);
bool port_checks_tcp(const struct port *port);
bool port_makes_tcp(const struct port *port);

struct rx_port port_queue_ops(struct port *port, uint32_t queue);
void port_read_stats(const struct port *port, struct port_stats *stats);
void port_close(struct port *port);
