/* port_kernel.c - a socket ioctl and /proc/net/dev of our network namespace for net_tap; for
 * net_af_packet packet(7)'s PACKET_STATISTICS of the sockets that its driver made, which are those
 * of ours that are bound to its interface. */
#include "dataplane/port_kernel.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS_MAX 64 /* of one port; its driver makes at most 16 */

struct port_kernel {
    char interface[IF_NAMESIZE];
    uint32_t socket_count; /* 0: a net_tap */
    int sockets[SOCKETS_MAX];
    _Atomic uint64_t dropped; /* of the sockets: the kernel begins anew whenever it was asked */
};

static bool is_driver(const char *device, const char *driver)
{
    return strncmp(device, driver, strlen(driver)) == 0;
}

static int set_queue(const char *interface)
{
    struct ifreq request = {.ifr_qlen = PORT_KERNEL_QUEUE};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = ioctl(fd, SIOCSIFTXQLEN, &request) ? -errno : 0;
    close(fd);
    return rc;
}

static bool is_bound_to(int fd, unsigned interface)
{
    struct sockaddr_ll address = {0};
    socklen_t len = sizeof address;
    return getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
           address.sll_family == AF_PACKET && (unsigned)address.sll_ifindex == interface;
}

static int find_sockets(struct port_kernel *kernel)
{
    unsigned interface = if_nametoindex(kernel->interface);
    DIR *dir = interface ? opendir("/proc/self/fd") : NULL;
    if (!dir)
        return -errno;
    for (struct dirent *entry; (entry = readdir(dir)) && kernel->socket_count < SOCKETS_MAX;) {
        int fd = (int)strtol(entry->d_name, NULL, 10); /* "." and ".." are 0: no socket of these */
        if (is_bound_to(fd, interface))
            kernel->sockets[kernel->socket_count++] = fd;
    }
    closedir(dir);
    return kernel->socket_count ? 0 : -ENOTSOCK;
}

int port_kernel_open(struct port_kernel **kernel, const char *device)
{
    const char *at = strstr(device, ",iface=");
    bool is_tap = is_driver(device, "net_tap");
    *kernel = NULL;
    if (!at || (!is_tap && !is_driver(device, "net_af_packet")))
        return 0;
    struct port_kernel *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    at += strlen(",iface=");
    snprintf(made->interface, sizeof made->interface, "%.*s", (int)strcspn(at, ","), at);
    int rc = 0;
    if (is_tap)
        (void)set_queue(made->interface); /* a shorter queue works, and its losses are counted */
    else
        rc = find_sockets(made);
    if (rc < 0)
        free(made);
    else
        *kernel = made;
    return rc;
}

void port_kernel_close(struct port_kernel *kernel)
{
    free(kernel);
}

static uint64_t interface_dropped(const char *name)
{
    char line[512], interface[32];
    uint64_t dropped = 0, value;
    FILE *in = fopen("/proc/net/dev", "r");
    while (in && fgets(line, sizeof line, in)) {
        /* Eight columns of what it received, then its transmitted bytes, packets, errors and drops.
         */
        int found = /* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
            sscanf(line, " %31[^:]:%*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %" SCNu64, interface,
                   &value);
        if (found == 2 && !strcmp(interface, name))
            dropped = value;
    }
    if (in)
        fclose(in);
    return dropped;
}

static uint64_t sockets_dropped(struct port_kernel *kernel)
{
    uint64_t more = 0;
    for (uint32_t i = 0; i < kernel->socket_count; i++) {
        struct tpacket_stats stats = {0};
        socklen_t len = sizeof stats;
        if (getsockopt(kernel->sockets[i], SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
            more += stats.tp_drops;
    }
    return atomic_fetch_add(&kernel->dropped, more) + more;
}

uint64_t port_kernel_dropped(struct port_kernel *kernel)
{
    if (!kernel)
        return 0;
    return kernel->socket_count ? sockets_dropped(kernel) : interface_dropped(kernel->interface);
}
