/* port_kernel.h - what a port of net_tap or net_af_packet leaves to the kernel's side of its
 * interface: a queue that is long enough, and the count of packets that found it full, of which
 * these drivers say nothing.
 *
 * Memory:  one allocation for each such port.
 * Threads: opened and closed by the main thread; any may ask for the count.
 */
#pragma once

#include <stdint.h>

#define PORT_KERNEL_QUEUE                                                                          \
    16384 /* packets of a net_tap; the kernel's default of 500 or 1000 is a few milliseconds */

struct port_kernel;

/* port_kernel_open looks up what there is of a device such as net_tap0,iface=trove0, whose driver
 * has it already.  *kernel is NULL where the kernel has no part in it.  Returns 0 or a negative
 * errno: -ENOTSOCK when the sockets of a net_af_packet are not found in /proc/self/fd. */
int port_kernel_open(struct port_kernel **kernel, const char *device);
void port_kernel_close(struct port_kernel *kernel);

/* port_kernel_dropped returns how many packets the kernel could not queue towards us: of a net_tap
 * since its interface was made, of a net_af_packet since its sockets were. kernel may be NULL. */
uint64_t port_kernel_dropped(struct port_kernel *kernel);
