/* blast_link_dpdk.c - datagrams as frames through a DPDK port, usually virtio-user. */
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
#include <rte_pause.h>

#include "bench/blast_frame.h"
#include "bench/blast_link.h"
#include "bench/blast_options.h"
#include "dataplane/base/clock.h"

#define BURST            32
#define POOL_MBUFS       8191
#define QUEUE_MBUFS      1024
#define DATA_ROOM        (RTE_PKTMBUF_HEADROOM + 2560)
#define RX_BURST         8
#define ASK_NS           (100 * NS_PER_MS) /* between ARP requests */
#define RESOLVE_NS       (5 * NS_PER_S)
#define FLUSH_NS         NS_PER_S
#define FLUSH_BLIND_NS   (200 * NS_PER_MS) /* when the peer may know no ARP */
#define HUGE_PAGES_LEAST 32

_Static_assert(DATA_ROOM - RTE_PKTMBUF_HEADROOM >=
                   BLAST_FRAME_HEAD + BLAST_DATAGRAM_MAX + BLAST_SLACK,
               "a payload and what is scribbled behind it fit in an mbuf");

struct port {
    struct blast_link link; /* first */
    uint16_t id;
    bool stamp;
    bool blind; /* the target's MAC was given, it may not answer ARP */
    bool answered;
    uint32_t held; /* mbufs allocated and not handed to the port */
    uint64_t patience_ns;
    const volatile sig_atomic_t *stop;
    struct rte_mempool *pool;
    struct rte_mbuf *mbufs[BURST];
    struct blast_endpoint source;
    struct blast_endpoint target;
    struct blast_frame frame;
};

static uint32_t port_reserve(struct blast_link *link)
{
    struct port *port = (struct port *)link;
    if (rte_pktmbuf_alloc_bulk(port->pool, port->mbufs + port->held, BURST - port->held) == 0)
        port->held = BURST;
    for (uint32_t i = 0; i < port->held; i++)
        link->slots[i].payload =
            rte_pktmbuf_mtod_offset(port->mbufs[i], uint8_t *, BLAST_FRAME_HEAD);
    return port->held;
}

/* Hands mbufs to the port, again and again until patience ends. */
static uint32_t push(struct port *port, uint32_t count)
{
    uint32_t sent = rte_eth_tx_burst(port->id, 0, port->mbufs, (uint16_t)count);
    if (sent == count)
        return sent;
    uint64_t give_up_ns = clock_monotonic_ns() + port->patience_ns;
    port->link.delays++;
    while (sent < count && clock_monotonic_ns() < give_up_ns) {
        rte_pause();
        sent += rte_eth_tx_burst(port->id, 0, port->mbufs + sent, (uint16_t)(count - sent));
    }
    return sent;
}

static uint32_t port_send(struct blast_link *link, uint32_t count)
{
    struct port *port = (struct port *)link;
    for (uint32_t i = 0; i < count; i++) {
        const struct blast_slot *slot = &link->slots[i];
        struct rte_mbuf *mbuf = port->mbufs[i];
        uint32_t len = blast_frame_finish(&port->frame, rte_pktmbuf_mtod(mbuf, uint8_t *),
                                          slot->len, port->stamp ? slot->due_real_ns : 0);
        mbuf->pkt_len = len;
        mbuf->data_len = (uint16_t)len;
    }
    uint32_t sent = push(port, count);
    port->held -= sent;
    for (uint32_t i = 0; i < port->held; i++)
        port->mbufs[i] = port->mbufs[sent + i];
    return sent;
}

static void send_arp(struct port *port, const uint8_t *frame)
{
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(port->pool);
    char *room = mbuf ? rte_pktmbuf_append(mbuf, BLAST_FRAME_ARP_BYTES) : NULL;
    if (room)
        memcpy(room, frame, BLAST_FRAME_ARP_BYTES);
    if (mbuf && rte_eth_tx_burst(port->id, 0, &mbuf, 1) == 0)
        rte_pktmbuf_free(mbuf);
}

static void port_idle(struct blast_link *link)
{
    struct port *port = (struct port *)link;
    struct rte_mbuf *mbufs[RX_BURST];
    uint8_t reply[BLAST_FRAME_ARP_BYTES];
    uint16_t count = rte_eth_rx_burst(port->id, 0, mbufs, RX_BURST);
    for (uint16_t i = 0; i < count; i++) {
        switch (blast_frame_input(rte_pktmbuf_mtod(mbufs[i], const uint8_t *), mbufs[i]->data_len,
                                  &port->source, &port->target, reply)) {
        case BLAST_FRAME_ANSWER:
            port->answered = true;
            break;
        case BLAST_FRAME_ASKED:
            send_arp(port, reply);
            break;
        case BLAST_FRAME_OTHER:
            break;
        }
        rte_pktmbuf_free(mbufs[i]);
    }
}

/* Asks for the target's MAC until it answers.  Frames of a queue are taken in order, so the answer
 * also says that everything sent before was taken. */
static int ask(struct port *port, uint64_t span_ns, bool stoppable)
{
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
        port_idle(&port->link);
        if (port->answered)
            return 0;
        if (stoppable && *port->stop)
            return -EINTR;
        rte_pause();
    }
    return -ETIMEDOUT;
}

static void port_flush(struct blast_link *link)
{
    struct port *port = (struct port *)link;
    if (ask(port, port->blind ? FLUSH_BLIND_NS : FLUSH_NS, false) < 0 && !port->blind)
        snprintf(link->fault, sizeof link->fault,
                 "the target did not answer the closing ARP request: it may not have taken the "
                 "last frames, counted as sent");
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

static void port_close(struct blast_link *link)
{
    struct port *port = (struct port *)link;
    for (uint32_t i = 0; i < port->held; i++)
        rte_pktmbuf_free(port->mbufs[i]);
    if (port->id < RTE_MAX_ETHPORTS) {
        rte_eth_dev_stop(port->id);
        rte_eth_dev_close(port->id);
    }
    rte_eal_cleanup();
    free(port);
}

static int start_port(struct port *port)
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

static int resolve(struct port *port, char *fault)
{
    int rc = port->blind ? 0 : ask(port, RESOLVE_NS, true);
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

static int use_port(struct port *port, const char *vdev, char *fault)
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

static void init(struct port *port, const struct blast_options *options,
                 const volatile sig_atomic_t *stop)
{
    port->link = (struct blast_link){
        .burst = BURST,
        .spins = true,
        .reserve = port_reserve,
        .send = port_send,
        .idle = port_idle,
        .flush = port_flush,
        .close = port_close,
    };
    port->stop = stop;
    port->stamp = options->stamp;
    port->blind = options->has_target_mac;
    port->patience_ns = options->patience_ns;
    port->source.port = (uint16_t)options->source_port;
    port->target.port = options->target.port;
    memcpy(port->source.addr, options->source_addr, 4);
    memcpy(port->target.addr, options->target.addr, 4);
    memcpy(port->target.mac, options->target_mac, 6);
}

int blast_link_dpdk_open(struct blast_link **link, const struct blast_options *options,
                         const volatile sig_atomic_t *stop, char *fault)
{
    struct port *port = calloc(1, sizeof *port);
    snprintf(fault, BLAST_FAULT_MAX, "out of memory");
    int rc = port ? start_eal(options, fault) : -ENOMEM;
    if (rc < 0) {
        free(port);
        return rc;
    }
    init(port, options, stop);
    port->id = (uint16_t)rte_eth_find_next(0);
    rc = use_port(port, options->vdev, fault);
    if (rc < 0) {
        port_close(&port->link);
        return rc;
    }
    blast_frame_init(&port->frame, &port->source, &port->target);
    *link = &port->link;
    return 0;
}
