/* sim_wire.c - frames with checksums of our own making, and what happens to them on their way. */
#include "tests/sim/sim_wire.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "tests/big_endian.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_fault.h"

#define FRAME_MAX 2048
#define UDP_PORT  9461
#define HEADERS   42u

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t our_ip[4] = {192, 0, 2, 1}, peer_ip[4] = {192, 0, 2, 7};

struct wire_frame {
    struct wire_frame *next;
    uint64_t at_ns;
    uint32_t len;
    uint8_t bytes[FRAME_MAX];
};

struct wire_packet {
    struct packet packet;
    struct wire_packet *next;
    uint32_t queue;
    bool held;
    uint8_t bytes[FRAME_MAX];
};

static struct {
    struct wire_frame *frames[SIM_WIRE_QUEUES]; /* by time */
    struct wire_packet *packets;
    uint32_t held[SIM_WIRE_QUEUES];
} wire;

static uint32_t add(uint32_t sum, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return sum;
}

static uint32_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static uint32_t make_frame(uint8_t *f, const uint8_t *payload, uint32_t len)
{
    memset(f, 0, HEADERS);
    memcpy(f, our_mac, 6);
    memcpy(f + 6, peer_mac, 6);
    put16(f + 12, 0x0800);
    f[14] = 0x45;
    put16(f + 16, 28 + len);
    f[22] = 64;
    f[23] = 17;
    memcpy(f + 26, peer_ip, 4);
    memcpy(f + 30, our_ip, 4);
    put16(f + 24, fold(add(0, f + 14, 20)));
    put16(f + 34, 40000);
    put16(f + 36, UDP_PORT);
    put16(f + 38, 8 + len);
    memcpy(f + HEADERS, payload, len);
    uint32_t sum = fold(add(add(17 + 8 + len, f + 26, 8), f + 34, 8 + len));
    put16(f + 40, sum ? sum : 0xffff);
    return HEADERS + len;
}

static void enqueue(uint32_t queue, const uint8_t *bytes, uint32_t len)
{
    struct wire_frame *frame = malloc(sizeof *frame);
    if (!frame)
        abort();
    frame->at_ns = sim_clock.mono_ns + 20 * NS_PER_US;
    if (sim_fault(FAULT_wire_reorder))
        frame->at_ns += random_below(&sim_faults.random, 2000) * NS_PER_US;
    if (sim_fault(FAULT_wire_delay))
        frame->at_ns += random_below(&sim_faults.random, 5000) * NS_PER_MS;
    memcpy(frame->bytes, bytes, len);
    frame->len = len;
    if (sim_fault(FAULT_wire_corrupt))
        frame->bytes[random_below(&sim_faults.random, len)] ^=
            (uint8_t)(1u << random_below(&sim_faults.random, 8));
    if (sim_fault(FAULT_wire_truncate))
        frame->len = random_below(&sim_faults.random, len);
    struct wire_frame **link = &wire.frames[queue];
    while (*link && (*link)->at_ns <= frame->at_ns)
        link = &(*link)->next;
    frame->next = *link;
    *link = frame;
}

void sim_wire_send(uint32_t queue, const uint8_t *payload, uint32_t len)
{
    uint8_t bytes[FRAME_MAX];
    uint32_t frame_len = make_frame(bytes, payload, len);
    if (sim_fault(FAULT_wire_loss))
        return;
    enqueue(queue, bytes, frame_len);
    if (sim_fault(FAULT_wire_duplicate))
        enqueue(queue, bytes, frame_len);
}

static uint32_t receive(void *arg, struct packet **packets, uint32_t count)
{
    uint32_t queue = (uint32_t)(uintptr_t)arg, n = 0;
    for (; n < count && wire.frames[queue]; n++) {
        struct wire_frame *frame = wire.frames[queue];
        if (frame->at_ns > sim_clock.mono_ns)
            break;
        struct wire_packet *packet = calloc(1, sizeof *packet);
        if (!packet)
            abort();
        memcpy(packet->bytes, frame->bytes, frame->len);
        packet->packet = (struct packet){.frame = packet->bytes, .len = frame->len};
        packet->queue = queue;
        packet->held = true;
        packet->next = wire.packets;
        wire.packets = packet;
        wire.held[queue]++;
        wire.frames[queue] = frame->next;
        free(frame);
        packets[n] = &packet->packet;
    }
    return n;
}

static void release(void *arg, struct packet **packets, uint32_t count)
{
    uint32_t queue = (uint32_t)(uintptr_t)arg;
    for (uint32_t i = 0; i < count; i++) {
        struct wire_packet *packet = (struct wire_packet *)packets[i];
        sim_check(packet->held, "a packet buffer is given back twice");
        sim_check(packet->queue == queue, "a packet buffer is given back to another queue");
        sim_check(!packet->packet.pending, "a packet buffer with events at a shard is given back");
        packet->held = false;
        wire.held[queue]--;
        /* Whoever reads it now reads something else. */
        memset(packet->bytes, 0xdb, sizeof packet->bytes);
    }
}

static uint32_t transmit(void *arg, struct packet **packets, uint32_t count)
{
    release(arg, packets, count);
    return count;
}

static struct packet *alloc(void *arg)
{
    (void)arg;
    return NULL;
}

struct rx_port sim_wire_port(uint32_t queue)
{
    return (struct rx_port){.receive = receive,
                            .transmit = transmit,
                            .release = release,
                            .alloc = alloc,
                            .port = (void *)(uintptr_t)queue};
}

struct net sim_wire_net(void)
{
    struct net net = {.udp_port = UDP_PORT, .max_datagram = 1472, .addr_count = 1};
    memcpy(net.mac, our_mac, 6);
    net.addrs[0].family = 4;
    memcpy(net.addrs[0].bytes, our_ip, 4);
    return net;
}

uint32_t sim_wire_held(uint32_t queue)
{
    return wire.held[queue];
}

uint32_t sim_wire_under_way(void)
{
    uint32_t count = 0;
    for (uint32_t q = 0; q < SIM_WIRE_QUEUES; q++)
        for (const struct wire_frame *f = wire.frames[q]; f; f = f->next)
            count++;
    return count;
}

void sim_wire_forget(void)
{
    while (wire.packets) {
        struct wire_packet *packet = wire.packets;
        wire.packets = packet->next;
        free(packet);
    }
    memset(wire.held, 0, sizeof wire.held);
}

void sim_wire_free(void)
{
    sim_wire_forget();
    for (uint32_t q = 0; q < SIM_WIRE_QUEUES; q++)
        while (wire.frames[q]) {
            struct wire_frame *frame = wire.frames[q];
            wire.frames[q] = frame->next;
            free(frame);
        }
}
