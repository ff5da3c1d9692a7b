/* admin_port.c - ports and what is left to them. */
#include "dataplane/admin_port.h"

#include "conf/control.h"

static void name_if(bool is, const char *name, json_t *list)
{
    if (is)
        json_array_append_new(list, json_string(name));
}

static json_t *port_json(const struct topo *topo, uint32_t p)
{
    const struct port *port = &topo->ports[p];
    json_t *checks = json_array(), *makes = json_array();
    name_if(port_checks_ipv4(port), "ipv4", checks);
    name_if(port_checks_udp(port), "udp", checks);
    name_if(port_checks_tcp(port), "tcp", checks);
    name_if(port_makes_tcp(port), "tcp", makes);
    return json_pack("{s:s, s:o, s:i, s:i, s:o, s:o}", "name", topo->conf->ports[p].name, "device",
                     control_text(topo->conf->ports[p].device), "node", (int)port->node, "queues",
                     (int)port->queue_count, "checks", checks, "makes", makes);
}

json_t *admin_ports(const struct topo *topo)
{
    json_t *ports = json_array();
    for (uint32_t p = 0; p < topo->conf->port_count; p++)
        json_array_append_new(ports, port_json(topo, p));
    return ports;
}
