/* port_tap.h - what a net_tap port leaves to the kernel's side of its interface: a queue that is
 * long enough, and the count of packets that found it full.
 *
 * Memory:  none.  Threads: the main and the control thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PORT_TAP_QUEUE                                                                             \
    16384 /* packets; the kernel's default of 500 or 1000 is a few milliseconds of events */

/* port_tap_interface copies the interface of a device such as net_tap0,iface=trove0; "" when it is
 * no net_tap. */
void port_tap_interface(const char *device, char *name, size_t room);

/* port_tap_queue sets the length of the interface's queue towards us. Returns 0 or a negative
 * errno. */
int port_tap_queue(const char *name);

/* port_tap_dropped returns how many packets the kernel could not queue towards us since the
 * interface was made. */
uint64_t port_tap_dropped(const char *name);
