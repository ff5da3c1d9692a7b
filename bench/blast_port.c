/* blast_port.c - EAL and one port. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "bench/blast_link.h"
#include "bench/blast_options.h"
#include "bench/blast_port.h"
#include "dataplane/base/clock.h"

#define POOL_MBUFS       8191
#define QUEUE_MBUFS      1024
#define DATA_ROOM        (RTE_PKTMBUF_HEADROOM + BLAST_PORT_ROOM)
#define ASK_NS           (100 * NS_PER_MS) /* between ARP requests */
#define RESOLVE_NS       (5 * NS_PER_S)
#define HUGE_PAGES_LEAST 32

uint32_t blast_port_push(struct blast_port *port, struct rte_mbuf **mbufs, uint32_t count)
{
    uint32_t sent = rte_eth_tx_burst(port->id, 0, mbufs, (uint16_t)count);
    if (sent == count)
        return sent;
    uint64_t give_up_ns = clock_monotonic_ns() + port->patience_ns;
    port->delays++;
    while (sent < count && clock_monotonic_ns() < give_up_ns) {
        blast_nap_idle(&port->nap);
        sent += rte_eth_tx_burst(port->id, 0, mbufs + sent, (uint16_t)(count - sent));
    }
    return sent;
}

static void send_arp(struct blast_port *port, const uint8_t *frame)
{
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(port->pool);
    char *room = mbuf ? rte_pktmbuf_append(mbuf, BLAST_FRAME_ARP_BYTES) : NULL;
    if (room)
        memcpy(room, frame, BLAST_FRAME_ARP_BYTES);
    if (mbuf && rte_eth_tx_burst(port->id, 0, &mbuf, 1) == 0)
        rte_pktmbuf_free(mbuf);
}

/* Whether a frame was the port's own business: what the peer asked is answered. */
static bool take_arp(struct blast_port *port, const struct rte_mbuf *mbuf)
{
    uint8_t reply[BLAST_FRAME_ARP_BYTES];
    switch (blast_frame_input(rte_pktmbuf_mtod(mbuf, const uint8_t *), mbuf->data_len,
                              &port->source, &port->target, reply)) {
    case BLAST_FRAME_ANSWER:
        port->answered = true;
        return true;
    case BLAST_FRAME_ASKED:
        send_arp(port, reply);
        return true;
    case BLAST_FRAME_OTHER:
        break;
    }
    return false;
}

uint32_t blast_port_receive(struct blast_port *port, struct rte_mbuf **mbufs)
{
    uint32_t kept = 0;
    uint16_t count = rte_eth_rx_burst(port->id, 0, mbufs, BLAST_PORT_BURST);
    for (uint16_t i = 0; i < count; i++) {
        if (take_arp(port, mbufs[i]))
            rte_pktmbuf_free(mbufs[i]);
        else
            mbufs[kept++] = mbufs[i];
    }
    return kept;
}

int blast_port_ask(struct blast_port *port, uint64_t span_ns, bool stoppable)
{
    struct rte_mbuf *mbufs[BLAST_PORT_BURST];
    uint8_t request[BLAST_FRAME_ARP_BYTES];
    uint64_t start_ns = clock_monotonic_ns();
    uint64_t next_ns = start_ns;
    blast_frame_ask(request, &port->source, &port->target);
    port->answered = false;
    for (uint64_t now_ns = start_ns; now_ns < start_ns + span_ns; now_ns = clock_monotonic_ns()) {
        if (now_ns >= next_ns) {
            send_arp(port, request);
            next_ns += ASK_NS;
        }
        rte_pktmbuf_free_bulk(mbufs, blast_port_receive(port, mbufs));
        if (port->answered)
            return 0;
        if (stoppable && *port->stop)
            return -EINTR;
        blast_nap_idle(&port->nap); /* who must work before it can answer may need our core */
    }
    return -ETIMEDOUT;
}

static uint64_t free_huge_pages(void)
{
    char text[24] = "";
    FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
    if (!file)
        return 0;
    if (!fgets(text, sizeof text, file))
        text[0] = '\0';
    fclose(file);
    return strtoull(text, NULL, 10);
}

/* The core asked for, else the last one we may use. */
static uint32_t main_core(const struct blast_options *options)
{
    cpu_set_t set;
    if (options->core != BLAST_CORE_ANY)
        return (uint32_t)options->core;
    uint32_t core = 0;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        for (uint32_t i = 0; i < CPU_SETSIZE; i++)
            core = CPU_ISSET(i, &set) ? i : core;
    }
    return core;
}

/* EAL prints its usage to stdout, which belongs to the report. */
static int init_quietly(int argc, char **argv)
{
    fflush(stdout);
    int out = dup(STDOUT_FILENO);
    if (out >= 0)
        dup2(STDERR_FILENO, STDOUT_FILENO);
    int rc = rte_eal_init(argc, argv);
    (void)rmdir(rte_eal_get_runtime_dir()); /* EAL makes one for each process, and nothing in it */
    fflush(stdout);
    if (out >= 0) {
        dup2(out, STDOUT_FILENO);
        close(out);
    }
    return rc;
}

static int start_eal(const struct blast_options *options, char *fault)
{
    /* Both leave no file behind and share memory with a vhost peer. */
    static const char *const huge_args[] = {"--in-memory", "--single-file-segments"};
    static const char *const plain_args[] = {"--no-huge", "--no-shconf"};
    char core[16], prefix[64];
    bool huge = options->huge || (!options->no_huge && free_huge_pages() >= HUGE_PAGES_LEAST);
    const char *const *pages = huge ? huge_args : plain_args;
    snprintf(core, sizeof core, "%u", main_core(options));
    snprintf(prefix, sizeof prefix, "trove-blast-%d", (int)getpid());
    const char *args[] = {
        "trove-blast",
        "-l",
        core,
        "--no-pci",
        "--no-telemetry",
        "--log-level=error",
        "--file-prefix",
        options->file_prefix ? options->file_prefix : prefix,
        "--vdev",
        options->vdev,
        pages[0],
        pages[1],
        "-m",
        "64",
        "--iova-mode=va", /* a ring of 16,384 needs more memory in a row than two pages often are */
    };
    int argc = sizeof args / sizeof args[0];
    char *argv[sizeof args / sizeof args[0] + 1] = {NULL};
    for (int i = 0; i < argc; i++)
        argv[i] = (char *)args[i];
    if (init_quietly(argc, argv) < 0) {
        snprintf(fault, BLAST_FAULT_MAX,
                 "DPDK did not start on core %s: %s. Are we root, are %d huge pages of 2 MiB free "
                 "(else --no-huge), is --vdev %s well-formed?",
                 core, rte_strerror(rte_errno), HUGE_PAGES_LEAST, options->vdev);
        return -ENODEV;
    }
    return 0;
}

void blast_port_close(struct blast_port *port)
{
    if (port->id < RTE_MAX_ETHPORTS) {
        rte_eth_dev_stop(port->id);
        rte_eth_dev_close(port->id);
    }
    rte_eal_cleanup();
}

static int start_port(struct blast_port *port)
{
    static const struct rte_eth_conf conf;
    uint16_t rx = QUEUE_MBUFS;
    uint16_t tx = QUEUE_MBUFS;
    struct rte_ether_addr mac;
    int node = rte_eth_dev_socket_id(port->id);
    port->pool = rte_pktmbuf_pool_create("blast", POOL_MBUFS, 256, 0, DATA_ROOM, node);
    if (!port->pool)
        return -rte_errno;
    int rc = rte_eth_dev_configure(port->id, 1, 1, &conf);
    if (rc == 0)
        rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);
    if (rc == 0)
        rc = rte_eth_rx_queue_setup(port->id, 0, rx, (unsigned)node, NULL, port->pool);
    if (rc == 0)
        rc = rte_eth_tx_queue_setup(port->id, 0, tx, (unsigned)node, NULL);
    if (rc == 0)
        rc = rte_eth_dev_start(port->id);
    if (rc == 0)
        rc = rte_eth_macaddr_get(port->id, &mac);
    if (rc == 0)
        memcpy(port->source.mac, mac.addr_bytes, sizeof port->source.mac);
    return rc;
}

static int resolve(struct blast_port *port, char *fault)
{
    int rc = port->blind ? 0 : blast_port_ask(port, RESOLVE_NS, true);
    if (rc == -ETIMEDOUT)
        snprintf(fault, BLAST_FAULT_MAX,
                 "%d.%d.%d.%d did not answer ARP within 5 s: is it the receiver's address, in the "
                 "network of --source-ip? (--target-mac skips the question)",
                 port->target.addr[0], port->target.addr[1], port->target.addr[2],
                 port->target.addr[3]);
    else if (rc < 0)
        snprintf(fault, BLAST_FAULT_MAX, "interrupted");
    return rc;
}

static int use_port(struct blast_port *port, const char *vdev, char *fault)
{
    if (port->id >= RTE_MAX_ETHPORTS) {
        snprintf(fault, BLAST_FAULT_MAX,
                 "no port came of --vdev %s; of a socket path: is the other side listening there "
                 "(start troved first)?",
                 vdev);
        return -ENODEV;
    }
    int rc = start_port(port);
    if (rc < 0) {
        snprintf(fault, BLAST_FAULT_MAX, "the port %s cannot be used: %s", vdev, strerror(-rc));
        return rc;
    }
    return resolve(port, fault);
}

static void init(struct blast_port *port, const struct blast_options *options,
                 const volatile sig_atomic_t *stop)
{
    *port = (struct blast_port){
        .stop = stop,
        .blind = options->has_target_mac || options->answer,
        .patience_ns = options->patience_ns,
        .nap.ns = options->nap_ns,
        .source.port = (uint16_t)options->source_port,
        .target.port = options->target.port,
    };
    memcpy(port->source.addr, options->source_addr, 4);
    memcpy(port->target.addr, options->target.addr, 4);
    memcpy(port->target.mac, options->target_mac, 6);
    if (!options->answer)
        return;
    port->source.port = options->target.port; /* we are the target */
    memcpy(port->source.addr, options->target.addr, 4);
}

int blast_port_open(struct blast_port *port, const struct blast_options *options,
                    const volatile sig_atomic_t *stop, char *fault)
{
    int rc = start_eal(options, fault);
    if (rc < 0)
        return rc;
    init(port, options, stop);
    port->id = (uint16_t)rte_eth_find_next(0);
    rc = use_port(port, options->vdev, fault);
    if (rc < 0)
        blast_port_close(port);
    return rc;
}
