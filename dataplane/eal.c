/* eal.c - checks of the host, then rte_eal_init with arguments made from the configuration. */
#include "dataplane/eal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <net/if.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/control_listen.h"

#define HUGE_BYTES  ((size_t)2 << 20)
#define EXTRA_BYTES ((size_t)64 << 20) /* EAL's own, descriptors, vhost tables */
#define ARGS_MAX    32
#define PACKET_ROOM ",blocksz=65536,framesz=2048,framecnt=16384" /* as PORT_KERNEL_QUEUE */

static int fault(char error[512], const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fault(char error[512], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, 512, format, args);
    va_end(args);
    return -1;
}

static bool is_pci(const char *device)
{
    unsigned domain, bus, slot, function;
    /* NOLINTNEXTLINE(cert-err34-c): the shape is asked for, not the numbers */
    return sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &function) == 4;
}

static size_t free_huge_pages(void)
{
    size_t count = 0;
    FILE *in = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
    if (in) {
        if (fscanf(in, "%zu", &count) != 1) /* NOLINT(cert-err34-c): the kernel's own number */
            count = 0;
        fclose(in);
    }
    return count;
}

static int check_pci(const char *device, char error[512])
{
    static const char *const drivers[] = {"vfio-pci", "igb_uio", "uio_pci_generic", "mlx5_core",
                                          "mlx4_core"};
    char path[128], link[256] = "";
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%.32s", device);
    if (access(path, F_OK))
        return fault(error, "no PCI device %s on this host; list them with: dpdk-devbind.py -s",
                     device);
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%.32s/driver", device);
    ssize_t len = readlink(path, link, sizeof link - 1);
    const char *driver = len > 0 ? basename(link) : "no driver";
    for (unsigned i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (!strcmp(driver, drivers[i]))
            return 0;
    return fault(error,
                 "%s is bound to %s, which DPDK cannot use; give it to DPDK with: "
                 "dpdk-devbind.py -b vfio-pci %s",
                 device, driver, device);
}

/* The value of key= in a vdev's arguments, "" when absent. */
static void vdev_argument(const char *device, const char *key, char *out, size_t room)
{
    *out = '\0';
    size_t key_len = strlen(key);
    for (const char *at = strchr(device, ','); at; at = strchr(at, ',')) {
        at++;
        if (strncmp(at, key, key_len) != 0 || at[key_len] != '=')
            continue;
        at += key_len + 1;
        size_t len = strcspn(at, ",");
        if (len >= room)
            len = room - 1;
        memcpy(out, at, len);
        out[len] = '\0';
        return;
    }
}

/* A daemon that was killed leaves its vhost socket behind, which the next one would stumble over.
 */
static int check_vhost(const char *device, const char *path, char error[512])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char client[8];
    vdev_argument(device, "client", client, sizeof client);
    if (!*path)
        return fault(error, "device '%s' needs iface=PATH, the socket that it makes", device);
    if (*client && *client != '0') /* the socket is the other side's */
        return 0;
    if (strlen(path) >= sizeof address.sun_path)
        return fault(error, "device '%s': a socket's path has at most %zu characters", device,
                     sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path));
    int rc = access(dirname(address.sun_path), W_OK) ? -errno : 0;
    memcpy(address.sun_path, path, strlen(path));
    if (!rc)
        rc = control_remove_stale(&address);
    if (rc == -EADDRINUSE)
        return fault(
            error, "%s: somebody listens at this socket already: is another troved running?", path);
    if (rc == -EEXIST)
        return fault(error,
                     "%s is there and no socket: move it away, or give another iface=", path);
    if (rc)
        return fault(error, "%s: cannot make this socket: %s", path, strerror(-rc));
    return 0;
}

static int check_vdev(const char *device, char error[512])
{
    static const char *const drivers[] = {"net_af_packet",   "net_af_xdp", "net_tap",
                                          "net_virtio_user", "net_vhost",  "net_memif",
                                          "net_pcap",        "net_ring",   "net_null"};
    size_t name_len = strcspn(device, ",0123456789");
    bool known = false;
    for (unsigned i = 0; i < sizeof drivers / sizeof *drivers; i++)
        known |= name_len == strlen(drivers[i]) && !strncmp(device, drivers[i], name_len);
    if (!known)
        return fault(error,
                     "device '%s' is neither a PCI address such as 0000:8a:00.0 nor one of "
                     "net_af_packet, net_af_xdp, net_tap, net_virtio_user, net_vhost, net_memif, "
                     "net_pcap, net_ring, net_null, with a number behind it",
                     device);
    char iface[256];
    vdev_argument(device, "iface", iface, sizeof iface);
    bool af = !strncmp(device, "net_af_", 7);
    if (af && !*iface)
        return fault(error, "device '%s' needs iface=NAME, a network interface of this host",
                     device);
    if (af && !if_nametoindex(iface))
        return fault(error, "no network interface %s on this host; list them with: ip link", iface);
    if (!strncmp(device, "net_vhost", 9))
        return check_vhost(device, iface, error);
    if (!strncmp(device, "net_tap", 7) && access("/dev/net/tun", R_OK | W_OK))
        return fault(error, "%s: cannot use /dev/net/tun (%s); load it with: modprobe tun", device,
                     strerror(errno));
    if ((af || !strncmp(device, "net_tap", 7)) && geteuid() != 0)
        return fault(error, "device '%s' needs root: start troved with sudo, or by its unit",
                     device);
    return 0;
}

static int check_devices(const struct conf *conf, char error[512])
{
    for (uint32_t p = 0; p < conf->port_count; p++) {
        const char *device = conf->ports[p].device;
        if (is_pci(device) ? check_pci(device, error) : check_vdev(device, error))
            return -1;
    }
    return 0;
}

static int choose_memory(const struct conf *conf, size_t bytes, bool *huge, char error[512])
{
    size_t pages = (bytes + HUGE_BYTES - 1) / HUGE_BYTES, available = free_huge_pages();
    *huge = conf->memory.huge_pages == CONF_ON ||
            (conf->memory.huge_pages == CONF_AUTO && available >= pages);
    if (!*huge || available >= pages)
        return 0;
    return fault(error,
                 "%zu MiB of 2 MiB huge pages needed, %zu free (%zu pages of %zu). Fix now: echo "
                 "%zu > /proc/sys/vm/nr_hugepages   Or do without: memory.huge_pages: off",
                 bytes >> 20, available, available, pages, pages);
}

/* EAL gives its helper threads the cores that the process may use less its lcores: with one core
 * allowed, that is the one. */
static int stay_on(uint32_t core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof set, &set) ? -errno : 0;
}

/* Unless told, net_af_packet has room for 512 frames: two milliseconds of events. */
static const char *more_room(const char *device)
{
    bool is_said =
        strstr(device, ",blocksz=") || strstr(device, ",framesz=") || strstr(device, ",framecnt=");
    return is_said || strncmp(device, "net_af_packet", 13) != 0 ? "" : PACKET_ROOM;
}

int eal_start(const struct conf *conf, uint32_t control_core, size_t mbuf_bytes, bool *huge,
              char error[512])
{
    char lcores[32], memory[32], prefix[64], devices[CONF_PORTS_MAX][CONF_PATH_MAX + 64];
    char *argv[ARGS_MAX];
    int argc = 0;
    bool any_pci = false;

    if (check_devices(conf, error) || choose_memory(conf, mbuf_bytes + EXTRA_BYTES, huge, error))
        return -1;
    snprintf(lcores, sizeof lcores, "--lcores=0@%u", control_core);
    snprintf(memory, sizeof memory, "%zu", (mbuf_bytes + EXTRA_BYTES) >> 20);
    snprintf(prefix, sizeof prefix, "--file-prefix=trove-%d", (int)getpid());
    argv[argc++] = "troved";
    argv[argc++] = lcores;
    argv[argc++] = "-m";
    argv[argc++] = memory;
    argv[argc++] = prefix;
    argv[argc++] = "--no-telemetry";
    argv[argc++] = "--log-level=*:error";
    argv[argc++] = "--log-level=pmd.net.tap:critical"; /* it regrets a qdisc that we do not need */
    /* Neither way keeps a file that a killed daemon would leave behind. */
    argv[argc++] = *huge ? "--in-memory" : "--no-huge";
    argv[argc++] = *huge ? "--single-file-segments" : "--no-shconf";
    for (uint32_t p = 0; p < conf->port_count; p++) {
        bool pci = is_pci(conf->ports[p].device);
        snprintf(devices[p], sizeof devices[p], "%s=%s%s", pci ? "--allow" : "--vdev",
                 conf->ports[p].device, more_room(conf->ports[p].device));
        argv[argc++] = devices[p];
        any_pci |= pci;
    }
    if (!any_pci)
        argv[argc++] = "--no-pci";
    argv[argc] = NULL;

    if (stay_on(control_core))
        return fault(error, "cannot run on core %u: %s", control_core, strerror(errno));
    int rc = rte_eal_init(argc, argv);
    (void)rmdir(rte_eal_get_runtime_dir()); /* EAL makes one for each process, and nothing in it */
    if (rc < 0)
        return fault(error,
                     "DPDK did not start: %s. What it said is above; a port that is in use, or "
                     "the memory of %s MiB, are the usual causes",
                     rte_strerror(rte_errno), memory);
    return 0;
}

void eal_stop(void)
{
    rte_eal_cleanup();
}
