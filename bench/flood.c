/* flood.c - trove-flood: TCP segments from addresses that are not the sender's, through a DPDK
 * port, as fast as it takes them or at a rate.
 *
 *   trove-flood --vdev DEVICE --source-ip ADDRESS [options] ADDRESS:PORT
 *     --source-ip ADDRESS            who asks for the Ethernet address of ADDRESS, the server
 *     --segment syn|ack|reset|data   what is sent (syn)
 *     --from ADDRESS:PORT            whom it claims to be from; else any unicast address and port
 *     --step N                       sequence numbers go up by N; else they are random
 *     --count N, --seconds N         how much, how long (10 s): whichever is over first
 *     --rate N                       segments a second; else as many as go
 *     --core N, --huge               as for trove-blast
 *
 * It prints one JSON object: what was sent and what came back, the rate.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/blast_link.h"
#include "bench/blast_options.h"
#include "bench/blast_wire.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/inet_csum.h"

#define IP_AT     14
#define TCP_AT    34
#define DATA_AT   54
#define FRAME_MAX 128
#define NAP_US    50 /* when the rate asks for nothing yet */

enum { SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static const struct shape {
    const char *name, *data;
    uint8_t flags;
} shapes[] = {
    {"syn", "", SYN},
    {"ack", "", ACK},
    {"reset", "", RST},
    {"data", "GET /blind HTTP/1.1\r\nHost: t\r\n\r\n", PSH | ACK},
};

struct flood {
    struct blast_options options; /* of the port */
    const struct shape *shape;
    struct sockaddr_in to, from; /* from.sin_port 0: anybody */
    uint32_t step;               /* 0: random */
    uint64_t count, duration_ns, rate;
    uint64_t random, sent, received;
    uint32_t seq, len;
    uint8_t frame[FRAME_MAX];
};

/* next is splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next(struct flood *flood)
{
    uint64_t z = flood->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static void put_sum(uint8_t *at, uint64_t sum)
{
    uint16_t folded = inet_csum_fold(sum);
    memcpy(at, &folded, sizeof folded);
}

/* lay_out writes what is the same in every frame. */
static void lay_out(struct flood *flood, const struct blast_wire *wire)
{
    size_t data = strlen(flood->shape->data);
    uint8_t *frame = flood->frame, *ip = frame + IP_AT, *tcp = frame + TCP_AT;
    memcpy(frame, wire->target.mac, 6);
    memcpy(frame + 6, wire->source.mac, 6);
    put16(frame + 12, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, (uint32_t)(40 + data));
    ip[8] = 64;
    ip[9] = IPPROTO_TCP;
    memcpy(ip + 12, &flood->from.sin_addr, 4);
    memcpy(ip + 16, &flood->to.sin_addr, 4);
    memcpy(tcp, &flood->from.sin_port, 2);
    memcpy(tcp + 2, &flood->to.sin_port, 2);
    tcp[12] = 0x50;
    tcp[13] = flood->shape->flags;
    put16(tcp + 14, 65535);
    memcpy(frame + DATA_AT, flood->shape->data, data);
    flood->len = (uint32_t)(DATA_AT + data);
}

/* renew makes the frame another one's: addresses 1 to 223, ports from 1024, numbers. */
static void renew(struct flood *flood)
{
    uint8_t *ip = flood->frame + IP_AT, *tcp = flood->frame + TCP_AT;
    uint64_t random = next(flood);
    if (!flood->from.sin_port) {
        put32(ip + 12, (uint32_t)random);
        ip[12] = (uint8_t)(1 + ip[12] % 223);
        put16(tcp, 1024 + (uint32_t)(random >> 32) % 64512);
    }
    flood->seq = flood->step ? flood->seq + flood->step : (uint32_t)(random >> 16);
    put32(tcp + 4, flood->seq);
    put32(tcp + 8, flood->shape->flags & ACK ? (uint32_t)next(flood) : 0);
    memset(ip + 10, 0, 2);
    put_sum(ip + 10, inet_csum_add(0, ip, 20));
    uint32_t len = flood->len - TCP_AT;
    uint8_t rest[4] = {0, IPPROTO_TCP, (uint8_t)(len >> 8), (uint8_t)len};
    memset(tcp + 16, 0, 2);
    uint64_t sum = inet_csum_add(inet_csum_add(0, ip + 12, 8), rest, sizeof rest);
    put_sum(tcp + 16, inet_csum_add(sum, tcp, len));
}

/* send_some sends what is due, as far as the port has room, and throws away what comes back. */
static void send_some(struct flood *flood, struct blast_wire *wire, uint64_t due)
{
    struct blast_wire_frame frames[BLAST_WIRE_BURST];
    uint8_t *room;
    for (uint64_t i = 0; i < due && i < BLAST_WIRE_BURST && (room = wire->frame(wire)); i++) {
        renew(flood);
        memcpy(room, flood->frame, flood->len);
        wire->send(wire, flood->len);
        flood->sent++;
    }
    wire->flush(wire);
    flood->received += wire->receive(wire, frames);
}

static uint64_t due_by(const struct flood *flood, uint64_t since_ns)
{
    uint64_t until = flood->count;
    if (flood->rate && flood->rate * since_ns / NS_PER_S < until)
        until = flood->rate * since_ns / NS_PER_S;
    return until > flood->sent ? until - flood->sent : 0;
}

/* run returns how long it took, in nanoseconds. */
static uint64_t run(struct flood *flood, struct blast_wire *wire)
{
    uint64_t begin_ns = clock_monotonic_ns(), took_ns = 0;
    while (took_ns < flood->duration_ns && flood->sent < flood->count) {
        uint64_t due = due_by(flood, took_ns);
        send_some(flood, wire, due);
        if (!due)
            usleep(NAP_US);
        took_ns = clock_monotonic_ns() - begin_ns;
    }
    return took_ns;
}

static bool parse_address(const char *text, struct sockaddr_in *address)
{
    char host[INET_ADDRSTRLEN];
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : sizeof host;
    char *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (len >= sizeof host || !port || port > 65535 || *end)
        return false;
    memcpy(host, text, len);
    host[len] = 0;
    address->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return !errno && *text >= '0' && *text <= '9' && !*end && *value && *value <= max;
}

static bool set_shape(struct flood *flood, const char *name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (strcmp(shapes[i].name, name) != 0)
            continue;
        flood->shape = &shapes[i];
        return true;
    }
    return false;
}

static bool set_option(struct flood *flood, int option, const char *text)
{
    uint64_t number = 0;
    bool good = true;
    switch (option) {
    case 'v':
        flood->options.vdev = text;
        return true;
    case 'h':
        return flood->options.huge = true;
    case 'i':
        flood->options.has_source_addr = true;
        return inet_pton(AF_INET, text, flood->options.source_addr) == 1;
    case 'f':
        return parse_address(text, &flood->from);
    case 's':
        return set_shape(flood, text);
    case 'c':
        return parse_number(text, UINT64_MAX, &flood->count);
    case 'r':
        return parse_number(text, 100000000, &flood->rate);
    case 'k':
        good = strcmp(text, "0") == 0 || parse_number(text, 1023, &number);
        flood->options.core = number;
        return good;
    case 't':
        good = parse_number(text, 86400, &number);
        flood->duration_ns = number * NS_PER_S;
        return good;
    case 'n':
        good = parse_number(text, UINT32_MAX, &number);
        flood->step = (uint32_t)number;
        return good;
    default:
        return false;
    }
}

static bool set_options(struct flood *flood, int argc, char **argv)
{
    static const struct option options[] = {
        {"vdev", required_argument, NULL, 'v'},
        {"source-ip", required_argument, NULL, 'i'},
        {"segment", required_argument, NULL, 's'},
        {"from", required_argument, NULL, 'f'},
        {"step", required_argument, NULL, 'n'},
        {"count", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 't'},
        {"rate", required_argument, NULL, 'r'},
        {"core", required_argument, NULL, 'k'},
        {"huge", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (!set_option(flood, option, optarg))
            return false;
    if (argc - optind != 1 || !flood->options.vdev || !flood->options.has_source_addr ||
        !parse_address(argv[optind], &flood->to))
        return false;
    memcpy(flood->options.target.addr, &flood->to.sin_addr, 4);
    flood->options.target.port = ntohs(flood->to.sin_port);
    return true;
}

int main(int argc, char **argv)
{
    static const volatile sig_atomic_t never;
    static struct flood flood = {
        .shape = shapes, .count = UINT64_MAX, .duration_ns = 10 * NS_PER_S};
    struct blast_wire *wire;
    char fault[BLAST_FAULT_MAX] = "";
    flood.options.core = BLAST_CORE_ANY;
    flood.random = clock_monotonic_ns();
    if (!set_options(&flood, argc, argv)) {
        fputs("usage: trove-flood --vdev DEVICE --source-ip ADDRESS [--from ADDRESS:PORT] "
              "[--segment syn|ack|reset|data] [--step N] [--count N] [--seconds N] [--rate N] "
              "[--core N] [--huge] ADDRESS:PORT\n",
              stderr);
        return 2;
    }
    if (blast_wire_dpdk_open(&wire, &flood.options, &never, fault) < 0) {
        fprintf(stderr, "trove-flood: error: %s\n", fault);
        return 1;
    }
    lay_out(&flood, wire);
    double seconds = (double)run(&flood, wire) / (double)NS_PER_S;
    printf("{\"sent\":%lu,\"received\":%lu,\"seconds\":%.3f,\"sent_per_s\":%.0f}\n",
           (unsigned long)flood.sent, (unsigned long)flood.received, seconds,
           (double)flood.sent / seconds);
    wire->close(wire);
    return 0;
}
