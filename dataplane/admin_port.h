/* admin_port.h - what the status says of the ports.
 *
 * Threads: the control thread.
 */
#pragma once

#include <jansson.h>

#include "dataplane/topo.h"

/* admin_ports returns an array, one object a port: which checksums it checks and makes, by the
 * names of the protocols; all others Trove does itself. */
json_t *admin_ports(const struct topo *topo);
