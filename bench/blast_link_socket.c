/* blast_link_socket.c - datagrams through the kernel: one connected socket, sendmmsg. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/blast_link.h"
#include "bench/blast_options.h"

#define WAIT_MS 1

struct sender {
    struct blast_link link; /* first */
    int fd;
    const volatile sig_atomic_t *stop;
    struct iovec iov[BLAST_BURST_MAX];
    struct mmsghdr messages[BLAST_BURST_MAX];
    uint8_t payloads[BLAST_BURST_MAX][BLAST_DATAGRAM_MAX + BLAST_SLACK];
};

static uint32_t socket_reserve(struct blast_link *link)
{
    return link->burst;
}

static const char *advice(int error)
{
    switch (error) {
    case EMSGSIZE:
        return "larger than the path takes: a smaller --size or --per-datagram";
    case EPERM:
        return "a firewall rule of this host drops it";
    case EACCES:
        return "a broadcast address? send to the receiver's own";
    case ENETUNREACH:
        return "no route: see ip route get ADDR";
    case EHOSTUNREACH:
        return "no answer to ARP or neighbour discovery: is the receiver up, the address right?";
    default:
        return "see ip -s link and ip route get ADDR";
    }
}

/* Returns whether the send is worth trying again. */
static bool recover(struct sender *sender, int error)
{
    struct blast_link *link = &sender->link;
    switch (error) {
    case EINTR:
        return !*sender->stop;
    case ECONNREFUSED: /* about an earlier datagram; reading the error clears it */
        link->unreachable++;
        return true;
    case EAGAIN:
    case ENOBUFS:
        link->delays++;
        poll(&(struct pollfd){.fd = sender->fd, .events = POLLOUT}, 1, WAIT_MS);
        return !*sender->stop;
    default:
        link->broken = true;
        snprintf(link->fault, sizeof link->fault, "cannot send: %s (%s)", strerror(error),
                 advice(error));
        return false;
    }
}

static uint32_t socket_send(struct blast_link *link, uint32_t count)
{
    struct sender *sender = (struct sender *)link;
    uint32_t sent = 0;
    for (uint32_t i = 0; i < count; i++)
        sender->iov[i].iov_len = link->slots[i].len;
    while (sent < count) {
        int rc = sendmmsg(sender->fd, sender->messages + sent, count - sent, MSG_DONTWAIT);
        if (rc > 0)
            sent += (uint32_t)rc;
        else if (!recover(sender, errno))
            break;
    }
    return sent;
}

static void socket_nothing(struct blast_link *link)
{
    (void)link;
}

static void socket_close(struct blast_link *link)
{
    struct sender *sender = (struct sender *)link;
    close(sender->fd);
    free(sender);
}

static int open_connected(const struct blast_target *target)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t len = sizeof address.v4;
    if (target->family == 4) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(target->port);
        memcpy(&address.v4.sin_addr, target->addr, 4);
    } else {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons(target->port);
        memcpy(&address.v6.sin6_addr, target->addr, 16);
        len = sizeof address.v6;
    }
    int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, &address.any, len) < 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

int blast_link_socket_open(struct blast_link **link, const struct blast_options *options,
                           const volatile sig_atomic_t *stop, char *fault)
{
    struct sender *sender = calloc(1, sizeof *sender);
    int rc = sender ? open_connected(&options->target) : -ENOMEM;
    if (rc < 0) {
        snprintf(fault, BLAST_FAULT_MAX, "cannot open a socket to the target: %s (%s)",
                 strerror(-rc), advice(-rc));
        free(sender);
        return rc;
    }
    sender->fd = rc;
    sender->stop = stop;
    sender->link = (struct blast_link){
        .burst = BLAST_BURST_MAX,
        .reserve = socket_reserve,
        .send = socket_send,
        .idle = socket_nothing,
        .flush = socket_nothing,
        .close = socket_close,
    };
    for (uint32_t i = 0; i < BLAST_BURST_MAX; i++) {
        sender->link.slots[i].payload = sender->payloads[i];
        sender->iov[i].iov_base = sender->payloads[i];
        sender->messages[i].msg_hdr.msg_iov = &sender->iov[i];
        sender->messages[i].msg_hdr.msg_iovlen = 1;
    }
    *link = &sender->link;
    return 0;
}
