/* default.c - the configuration of `troved --dev`: a tap, a file, no huge pages. */
#include "conf/conf.h"

static const char text[] =
    "# troved --dev: everything on this host, nothing that needs a NIC or huge pages.\n"
    "# Paths below data_dir are relative to it.\n"
    "version: 1\n"
    "data_dir: /tmp/trove-dev\n"
    "\n"
    "ports:\n"
    "  - name: p0\n"
    "    device: net_tap0,iface=trove0\n"
    "    address: [192.0.2.1/24, \"2001:db8::1/64\"]\n"
    "\n"
    "listen:\n"
    "  http: { port: 8080 }\n"
    "\n"
    "management:\n"
    "  socket: ctl.sock\n"
    "\n"
    "journal:\n"
    "  segment_size: 16MiB\n"
    "\n"
    "memory:\n"
    "  huge_pages: off\n"
    "\n"
    "events:\n"
    "  types:\n"
    "    view:     { require: [item] }\n"
    "    purchase: { require: [item] }\n"
    "    cart:     { require: [item] }\n"
    "    cancel:   { require: [item] }\n"
    "    click:    {}\n"
    "\n"
    "sinks:\n"
    "  - name: file\n"
    "    type: file\n"
    "    path: out/outcomes.ndjson\n";

const char *conf_default_text(void)
{
    return text;
}
