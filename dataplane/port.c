/* port.c - ethdev set-up, and bursts turned into struct packet in each mbuf's private area. */
#include "dataplane/port.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/port_checksum.h"
#include "dataplane/port_kernel.h"
#include "dataplane/rx_http.h"

/* AddressSanitizer does not know where a frame ends in its buffer: it is told, at the price of
 * replies that would grow. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define MAY_GROW 0
#else
#define MAY_GROW                                   NET_TAILROOM
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#define TX_DESCRIPTORS 512
#define MBUF_CACHE     256
/* Ethernet, two VLAN tags, IPv6, UDP, the timestamp trailer. */
#define FRAME_OVERHEAD (14 + 8 + 40 + 8 + 8)

struct port_queue {
    uint16_t port;
    uint16_t queue;
    bool makes_tcp;
    struct rte_mempool *pool;
};

static_assert(RX_FRAME_BYTES + RTE_PKTMBUF_HEADROOM <= 2048 + RTE_PKTMBUF_HEADROOM,
              "what is sent fits in every buffer");

static uint32_t data_room(const struct conf *conf)
{
    uint32_t frame = (uint32_t)arena_round(conf->udp.max_datagram + FRAME_OVERHEAD, 256);
    return RTE_PKTMBUF_HEADROOM + (frame > 2048 ? frame : 2048);
}

size_t port_buffer_bytes(const struct conf *conf)
{
    return arena_round(sizeof(struct rte_mbuf) + sizeof(struct packet) + data_room(conf), 64) +
           (size_t)2 * RTE_CACHE_LINE_SIZE;
}

uint32_t port_buffer_count(const struct conf *conf, const struct conf_port *port,
                           uint32_t shard_count)
{
    if (conf->memory.mbufs)
        return conf->memory.mbufs;
    uint32_t frames = conf->http.port ? RX_HTTP_FRAMES : 0;
    return port->rx_descriptors + TX_DESCRIPTORS + shard_count * conf->ring_slots + 2 * MBUF_CACHE +
           2 * RX_BURST + frames;
}

int port_find(const struct conf_port *conf, struct port *port, char error[512])
{
    char name[CONF_PATH_MAX];
    struct rte_eth_dev_info info;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(conf->device, ","), conf->device);
    memset(port, 0, sizeof *port);
    if (rte_eth_dev_get_port_by_name(name, &port->id) || rte_eth_dev_info_get(port->id, &info)) {
        snprintf(error, 512,
                 "port %s: DPDK found no usable device '%s'; is its driver there (apt-get install "
                 "librte-net-*), and is nothing else using it?",
                 conf->name, conf->device);
        return -1;
    }
    port->node = rte_eth_dev_socket_id(port->id);
    port->queues_max =
        info.max_rx_queues < info.max_tx_queues ? info.max_rx_queues : info.max_tx_queues;
    return 0;
}

static int configure(struct port *port, const struct conf *conf, uint32_t queue_count)
{
    struct rte_eth_dev_info info;
    struct rte_eth_conf eth = {0};
    int rc = rte_eth_dev_info_get(port->id, &info);
    if (rc)
        return rc;
    /* All packets of a connection come to one queue, those of a client to any. */
    uint64_t hashed = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | (conf->http.port ? RTE_ETH_RSS_TCP : 0);
    struct port_checksums checksums =
        port_checksums_of(info.rx_offload_capa, info.tx_offload_capa, conf->http.port != 0);
    eth.rxmode.offloads = port->receive_checksums = checksums.receive;
    eth.txmode.offloads = port->send_checksums = checksums.send;
    uint64_t rss = info.flow_type_rss_offloads & hashed;
    if (queue_count > 1 && rss) {
        eth.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        eth.rx_adv_conf.rss_conf.rss_hf = rss;
    }
    rc = rte_eth_dev_configure(port->id, (uint16_t)queue_count, (uint16_t)queue_count, &eth);
    if (rc)
        return rc;
    /* A device that has no MTU to set takes what fits its buffers. */
    uint32_t mtu = conf->udp.max_datagram + FRAME_OVERHEAD - RTE_ETHER_HDR_LEN;
    (void)rte_eth_dev_set_mtu(port->id, (uint16_t)(mtu > RTE_ETHER_MTU ? mtu : RTE_ETHER_MTU));
    return 0;
}

static int open_queue(struct port *port, const struct conf *conf, const struct conf_port *port_conf,
                      uint32_t queue, uint32_t shard_count, int32_t node)
{
    struct port_queue *q = &port->queues[queue];
    char name[RTE_MEMPOOL_NAMESIZE];
    uint16_t rx_descriptors = (uint16_t)port_conf->rx_descriptors, tx_descriptors = TX_DESCRIPTORS;
    snprintf(name, sizeof name, "port%u-queue%u", port->id, queue);
    q->port = port->id;
    q->queue = (uint16_t)queue;
    q->makes_tcp = port_makes_tcp(port);
    q->pool =
        rte_pktmbuf_pool_create(name, port_buffer_count(conf, port_conf, shard_count), MBUF_CACHE,
                                sizeof(struct packet), (uint16_t)data_room(conf), node);
    if (!q->pool)
        return -rte_errno;
    int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx_descriptors, &tx_descriptors);
    if (!rc)
        rc = rte_eth_rx_queue_setup(port->id, q->queue, rx_descriptors, (unsigned)node, NULL,
                                    q->pool);
    if (!rc)
        rc = rte_eth_tx_queue_setup(port->id, q->queue, tx_descriptors, (unsigned)node, NULL);
    return rc;
}

/* Neighbour solicitations come to a multicast address: let them through, by whatever way the device
 * has. */
static void accept_frames(struct port *port, const struct conf_port *conf)
{
    static const uint8_t none[6];
    if (memcmp(conf->mac, none, 6) != 0) {
        struct rte_ether_addr mac;
        memcpy(&mac, conf->mac, 6);
        memcpy(port->mac, conf->mac, 6);
        if (rte_eth_dev_default_mac_addr_set(port->id, &mac))
            (void)rte_eth_promiscuous_enable(port->id);
    } else {
        struct rte_ether_addr mac;
        if (rte_eth_macaddr_get(port->id, &mac) == 0)
            memcpy(port->mac, &mac, 6);
    }
    if (rte_eth_allmulticast_enable(port->id))
        (void)rte_eth_promiscuous_enable(port->id);
}

bool port_checks_ipv4(const struct port *port)
{
    return port->receive_checksums & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
}

bool port_checks_udp(const struct port *port)
{
    return port->receive_checksums & RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
}

bool port_checks_tcp(const struct port *port)
{
    return port->receive_checksums & RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
}

bool port_makes_tcp(const struct port *port)
{
    return port->send_checksums & RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
}

int port_open(struct port *port, const struct conf *conf, const struct conf_port *port_conf,
              uint32_t queue_count, uint32_t shard_count, const int32_t *nodes, char error[512])
{
    port->queue_count = queue_count;
    port->queues = calloc(queue_count, sizeof *port->queues);
    int rc = port->queues ? configure(port, conf, queue_count) : -ENOMEM;
    for (uint32_t q = 0; !rc && q < queue_count; q++)
        rc = open_queue(port, conf, port_conf, q, shard_count, nodes[q]);
    if (!rc)
        rc = port_kernel_open(&port->kernel, port_conf->device);
    if (!rc)
        rc = rte_eth_dev_start(port->id);
    if (rc) {
        snprintf(error, 512, "port %s (%s): %s; what DPDK said is above", port_conf->name,
                 port_conf->device, rte_strerror(-rc));
        return -1;
    }
    accept_frames(port, port_conf);
    return 0;
}

static uint32_t queue_receive(void *arg, struct packet **packets, uint32_t count)
{
    struct port_queue *q = arg;
    struct rte_mbuf *mbufs[RX_BURST];
    uint16_t got =
        rte_eth_rx_burst(q->port, q->queue, mbufs, (uint16_t)(count < RX_BURST ? count : RX_BURST));
    for (uint16_t i = 0; i < got; i++)
        rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
    for (uint16_t i = 0; i < got; i++) {
        struct rte_mbuf *m = mbufs[i];
        struct packet *packet = rte_mbuf_to_priv(m);
        packet->frame = rte_pktmbuf_mtod(m, uint8_t *);
        packet->len = m->data_len;
        packet->segmented = m->nb_segs > 1;
        packet->unsummed = 0;
        packet->offload = (uint8_t)(port_checksum_received(m->ol_flags) |
                                    (rte_pktmbuf_tailroom(m) >= NET_GROW_BYTES ? MAY_GROW : 0));
        ASAN_POISON_MEMORY_REGION(packet->frame + packet->len, rte_pktmbuf_tailroom(m));
        packets[i] = packet;
    }
    return got;
}

static struct rte_mbuf *packet_mbuf(struct packet *packet)
{
    struct rte_mbuf *m = (struct rte_mbuf *)((uint8_t *)packet - sizeof *m);
    ASAN_UNPOISON_MEMORY_REGION(m->buf_addr, m->buf_len);
    return m;
}

/* prepare has the driver look at what it is asked to make.  What it refuses is made here. */
static void prepare(const struct port_queue *q, struct rte_mbuf **mbufs, uint16_t count)
{
    uint16_t ready = 0;
    while (ready < count) {
        ready += rte_eth_tx_prepare(q->port, q->queue, mbufs + ready, count - ready);
        if (ready < count)
            port_checksum_make(mbufs[ready++]);
    }
}

static uint32_t queue_transmit(void *arg, struct packet **packets, uint32_t count)
{
    struct port_queue *q = arg;
    struct rte_mbuf *mbufs[RX_BURST];
    for (uint32_t i = 0; i < count; i++) {
        mbufs[i] = packet_mbuf(packets[i]);
        mbufs[i]->data_len = (uint16_t)packets[i]->len;
        mbufs[i]->pkt_len = packets[i]->len;
        port_checksum_ask(mbufs[i], packets[i]);
    }
    if (q->makes_tcp)
        prepare(q, mbufs, (uint16_t)count);
    uint32_t sent = rte_eth_tx_burst(q->port, q->queue, mbufs, (uint16_t)count);
    for (uint32_t i = sent; i < count; i++)
        port_checksum_keep(mbufs[i], packets[i]);
    return sent;
}

static void queue_release(void *arg, struct packet **packets, uint32_t count)
{
    (void)arg;
    struct rte_mbuf *mbufs[2 * RX_BURST];
    for (uint32_t i = 0; i < count; i++)
        mbufs[i] = packet_mbuf(packets[i]);
    rte_pktmbuf_free_bulk(mbufs, count);
}

static struct packet *queue_alloc(void *arg)
{
    struct port_queue *q = arg;
    struct rte_mbuf *m = rte_pktmbuf_alloc(q->pool);
    if (!m)
        return NULL;
    struct packet *packet = rte_mbuf_to_priv(m);
    ASAN_UNPOISON_MEMORY_REGION(m->buf_addr, m->buf_len);
    *packet = (struct packet){.frame = rte_pktmbuf_mtod(m, uint8_t *)};
    return packet;
}

struct rx_port port_queue_ops(struct port *port, uint32_t queue)
{
    return (struct rx_port){
        .receive = queue_receive,
        .transmit = queue_transmit,
        .release = queue_release,
        .alloc = queue_alloc,
        .port = &port->queues[queue],
    };
}

void port_read_stats(const struct port *port, struct port_stats *stats)
{
    struct rte_eth_stats eth = {0};
    *stats = (struct port_stats){0};
    if (rte_eth_stats_get(port->id, &eth) == 0)
        stats->missed = eth.imissed + eth.rx_nombuf;
    stats->missed += port_kernel_dropped(port->kernel);
    for (uint32_t q = 0; q < port->queue_count; q++)
        stats->buffers_used += rte_mempool_in_use_count(port->queues[q].pool);
}

void port_close(struct port *port)
{
    if (!port->queues)
        return;
    port_kernel_close(port->kernel);
    port->kernel = NULL;
    (void)rte_eth_dev_stop(port->id);
    (void)rte_eth_dev_close(port->id);
    for (uint32_t q = 0; q < port->queue_count; q++)
        rte_mempool_free(port->queues[q].pool);
    free(port->queues);
    port->queues = NULL;
}
