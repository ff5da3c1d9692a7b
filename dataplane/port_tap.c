/* port_tap.c - a socket ioctl, and /proc/net/dev of the network namespace that the process is in.
 */
#include "dataplane/port_tap.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

void port_tap_interface(const char *device, char *name, size_t room)
{
    const char *at = strstr(device, ",iface=");
    *name = '\0';
    if (strncmp(device, "net_tap", 7) != 0 || !at)
        return;
    at += strlen(",iface=");
    snprintf(name, room, "%.*s", (int)strcspn(at, ","), at);
}

int port_tap_queue(const char *name)
{
    struct ifreq request = {.ifr_qlen = PORT_TAP_QUEUE};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%.15s", name);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = ioctl(fd, SIOCSIFTXQLEN, &request) ? -errno : 0;
    close(fd);
    return rc;
}

uint64_t port_tap_dropped(const char *name)
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
