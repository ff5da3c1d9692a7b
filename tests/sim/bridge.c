/* bridge.c - the simulators' wire between two interfaces: a kernel's TCP on one side, a running
 * troved on the other, and everything that a seed draws goes wrong between them.
 *
 *   bridge --seed N [--redraw SECONDS] CLIENT SERVER
 *
 * CLIENT is a tap that it makes: what the kernel sends there comes in here, with whole checksums.
 * SERVER is the interface of the daemon's own tap, which must have no address and no ARP.  TCP over
 * IPv4 between one client's and one server's address meets the faults, drawn anew every few
 * seconds; all else passes.  SIGTERM ends it, and it prints what it did.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/big_endian.h"
#include "tests/sim/wire.h"

#define FRAME_MAX   2048
#define SEGMENT_MAX 1480 /* of a link with 1,500 bytes */
#define FRAMES_TURN 64
#define TO_SERVER   0
#define TO_CLIENT   1

struct side {
    int fd;           /* frames to it are written there */
    uint8_t link[14]; /* in front of them, as of the last one that went there */
    uint8_t addrs[8]; /* whose they are, and for whom */
};

struct bridge {
    struct wire wire;
    struct random random;
    struct side sides[2];
    uint64_t redraw_ms, drawn_ms, passed;
};

static volatile sig_atomic_t stopped;

static void on_signal(int signal)
{
    (void)signal;
    stopped = 1;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void draw(struct bridge *bridge)
{
    struct random *r = &bridge->random;
    struct wire_faults *f = &bridge->wire.faults;
    f->lose = random_chance(r, 700) ? random_below(r, 301) : 0;
    f->duplicate = random_chance(r, 500) ? random_below(r, 200) : 0;
    f->corrupt = random_chance(r, 500) ? random_below(r, 100) : 0;
    f->split = random_chance(r, 800) ? random_below(r, 600) : 0;
    f->merge = random_chance(r, 800) ? random_below(r, 600) : 0;
    f->delay_ms_min = random_below(r, 10);
    f->delay_ms_max = f->delay_ms_min + (random_chance(r, 600) ? random_below(r, 30) : 0);
    f->bytes_max = SEGMENT_MAX;
    bridge->drawn_ms = bridge->wire.now_ms;
}

/* The interfaces. */

static int open_tap(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -1;
    strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    if (!ioctl(fd, TUNSETIFF, &request))
        return fd;
    close(fd);
    return -1;
}

static int open_interface(const char *name)
{
    struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int one = 1, fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    link.sll_ifindex = (int)if_nametoindex(name);
    if (fd >= 0 && link.sll_ifindex && !bind(fd, (struct sockaddr *)&link, sizeof link) &&
        !setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Frames in and out. */

static uint32_t sum16(uint32_t sum, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i += 2)
        sum += get16(bytes + i);
    return sum;
}

/* segment_of returns the TCP segment in a frame, or NULL: it is none, or not a whole one. */
static const uint8_t *segment_of(const uint8_t *frame, uint32_t len, uint32_t *bytes)
{
    const uint8_t *ip = frame + 14;
    if (len < 54 || get16(frame + 12) != ETH_P_IP || ip[0] != 0x45 || ip[9] != IPPROTO_TCP ||
        get16(ip + 6) & 0x3fff || get16(ip + 2) < 40 || get16(ip + 2) > len - 14)
        return NULL;
    *bytes = get16(ip + 2) - 20;
    uint32_t header = (ip[32] >> 4) * 4u;
    return header >= 20 && header <= *bytes ? ip + 20 : NULL;
}

/* put is a frame onto an interface; one that has no room for it has lost it. */
static void put(const struct side *side, const uint8_t *frame, uint32_t len)
{
    ssize_t put = write(side->fd, frame, len);
    (void)put;
}

static void take(struct bridge *bridge, unsigned to, const uint8_t *frame, uint32_t len)
{
    uint32_t bytes;
    struct side *side = &bridge->sides[to];
    const uint8_t *segment = segment_of(frame, len, &bytes);
    if (!segment) {
        bridge->passed++;
        put(side, frame, len);
        return;
    }
    memcpy(side->link, frame, sizeof side->link);
    memcpy(side->addrs, frame + 26, sizeof side->addrs);
    wire_send(&bridge->wire, to, segment, bytes, sum16(IPPROTO_TCP, side->addrs, 8));
}

static void deliver(const struct bridge *bridge, const struct wire_frame *f)
{
    const struct side *side = &bridge->sides[f->to];
    uint8_t frame[FRAME_MAX] = {0}, *ip = frame + 14;
    memcpy(frame, side->link, sizeof side->link);
    ip[0] = 0x45;
    put16(ip + 2, 20 + f->len);
    ip[6] = 0x40;
    ip[8] = 64;
    ip[9] = IPPROTO_TCP;
    memcpy(ip + 12, side->addrs, sizeof side->addrs);
    uint32_t sum = sum16(0, ip, 20);
    put16(ip + 10, ~((sum & 0xffff) + (sum >> 16)) & 0xffff);
    memcpy(ip + 20, f->bytes, f->len);
    put(side, frame, 34 + f->len);
}

static void turn(struct bridge *bridge)
{
    uint8_t frame[FRAME_MAX];
    bridge->wire.now_ms = now_ms();
    if (bridge->wire.now_ms - bridge->drawn_ms >= bridge->redraw_ms)
        draw(bridge);
    for (unsigned from = 0; from < 2; from++)
        for (unsigned i = 0; i < FRAMES_TURN; i++) {
            ssize_t len = read(bridge->sides[from].fd, frame, sizeof frame);
            if (len <= 0)
                break;
            take(bridge, !from, frame, (uint32_t)len);
        }
    for (struct wire_frame *f; (f = wire_take(&bridge->wire)); free(f))
        deliver(bridge, f);
}

static void run(struct bridge *bridge)
{
    struct pollfd fds[2] = {{.fd = bridge->sides[0].fd, .events = POLLIN},
                            {.fd = bridge->sides[1].fd, .events = POLLIN}};
    while (!stopped) {
        turn(bridge);
        uint64_t next = wire_next_ms(&bridge->wire), now = now_ms();
        int wait = next <= now ? 0 : next - now < 100 ? (int)(next - now) : 100;
        (void)poll(fds, 2, wait);
    }
    wire_free(&bridge->wire);
}

static void report(const struct wire *wire, uint64_t passed)
{
    printf("{\"delivered\":%lu,\"lost\":%lu,\"duplicated\":%lu,\"corrupted\":%lu,\"split\":%lu,"
           "\"merged\":%lu,\"passed\":%lu}\n",
           (unsigned long)wire->delivered, (unsigned long)wire->lost,
           (unsigned long)wire->duplicated, (unsigned long)wire->corrupted,
           (unsigned long)wire->split, (unsigned long)wire->merged, (unsigned long)passed);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"redraw", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    static struct bridge bridge = {.redraw_ms = 5000};
    uint64_t seed = 1;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'r')
            bridge.redraw_ms = 1000 * strtoull(optarg, NULL, 10);
        else
            return 2;
    }
    if (argc - optind != 2 || !bridge.redraw_ms) {
        fprintf(stderr, "usage: %s --seed N [--redraw SECONDS] CLIENT SERVER\n", argv[0]);
        return 2;
    }
    bridge.sides[TO_CLIENT].fd = open_tap(argv[optind]);
    bridge.sides[TO_SERVER].fd = open_interface(argv[optind + 1]);
    if (bridge.sides[TO_CLIENT].fd < 0 || bridge.sides[TO_SERVER].fd < 0) {
        fprintf(stderr, "error: %s and %s: %s\n", argv[optind], argv[optind + 1], strerror(errno));
        return 1;
    }
    signal(SIGTERM, on_signal);
    bridge.random.state = seed * 0x9e3779b97f4a7c15 + 1;
    bridge.wire.random.state = random_next(&bridge.random);
    bridge.wire.now_ms = now_ms();
    draw(&bridge);
    run(&bridge);
    report(&bridge.wire, bridge.passed);
    return 0;
}
