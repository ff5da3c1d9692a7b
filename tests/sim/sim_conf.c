/* sim_conf.c - texts of configurations. */
#include "tests/sim/sim_conf.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_disk.h"

static struct {
    uint32_t partitions, window_s;
    bool shorten, once;
    uint32_t variation;
} drawn;

static const char format[] = "version: 1\n"
                             "pop: sim\n"
                             "host: h1\n"
                             "data_dir: " SIM_DISK_ROOT "/data\n"
                             "partitions: %u\n"
                             "ports:\n"
                             "  - name: p0\n"
                             "    device: net_null0\n"
                             "    address: [192.0.2.1/24]\n"
                             "limits: { users: 1000, claims: 1000, corrections: 1000, "
                             "user_ttl: %us }\n"
                             "events:\n"
                             "  lateness: 10s\n"
                             "  skew_reject: 1h\n"
                             "  dedupe: { capacity: 1000, window: %us, policy: %s }\n"
                             "  types:\n"
                             "    view: { require: [item] }\n"
                             "    claim: { require: [tile] }\n"
                             "hunts:\n"
                             "  - name: trail\n"
                             "    kind: trail\n"
                             "    types: [view]\n"
                             "    catalog: " SIM_DISK_ROOT "/catalog.tsv\n"
                             "    start: [A]\n"
                             "    treasure: [%s]\n"
                             "    min_step: 0ms\n"
                             "    %s\n"
                             "  - name: maps\n"
                             "    kind: tiles\n"
                             "    types: [claim]\n"
                             "    tiles: 6\n"
                             "    seed: maps\n"
                             "    period: 1s\n"
                             "    live: 30\n";
static const char catalog[] = "A\tB\t1\nB\tC\t1\nC\tD\t1\nB\tE\t1\n";

void sim_conf_draw(uint32_t partitions)
{
    drawn.partitions = partitions;
    drawn.window_s = random_chance(&sim_random, 500) ? 15 : 60;
    drawn.shorten = random_chance(&sim_random, 300);
    drawn.once = random_chance(&sim_random, 500);
    drawn.variation = 0;
    int fd = sim_disk_open(AT_FDCWD, SIM_DISK_ROOT "/catalog.tsv", O_WRONLY | O_CREAT);
    sim_disk_write(fd, catalog, sizeof catalog - 1);
    sim_disk_sync(fd);
    sim_disk_close(fd);
    fd = sim_disk_open(AT_FDCWD, SIM_DISK_ROOT, O_RDONLY);
    sim_disk_sync(fd);
    sim_disk_close(fd);
}

struct conf *sim_conf_load(struct diag_list *diags)
{
    char text[4096];
    int len =
        snprintf(text, sizeof text, format, drawn.partitions, 600 + drawn.variation, drawn.window_s,
                 drawn.shorten ? "shorten" : "refuse", drawn.variation % 2 ? "D, E" : "D",
                 drawn.once ? "once: true" : "cooldown: 20s");
    return conf_load("sim.yaml", text, (size_t)len, diags);
}

void sim_conf_describe(const struct conf *conf, uint32_t version, const struct hash_key *key,
                       char json[256])
{
    snprintf(json, 256,
             "{\"version\":%u,\"digest\":\"%016llx\",\"applied\":\"2026-11-20T12:00:00.000Z\","
             "\"hunts\":[\"trail\",\"maps\"]}",
             version, (unsigned long long)hash64(key, conf->text, conf->text_len));
}

void sim_conf_change(int by)
{
    drawn.variation += (uint32_t)by;
}

const char *sim_conf_broken(void)
{
    static const char *const texts[] = {
        "", "version: 1\n", "version: 1\nhost: [\n", "version: 1\nno_such_key: 1\n",
        "version: 1\npop: sim\nhost: h1\ndata_dir: /sim/data\npartitions: 3\n"};
    return texts[random_below(&sim_random, 5)];
}

uint64_t sim_conf_window_ns(void)
{
    return drawn.window_s * NS_PER_S;
}

uint64_t sim_conf_cooldown_ns(void)
{
    return drawn.once ? UINT64_MAX : 20 * NS_PER_S;
}

bool sim_conf_shortens(void)
{
    return drawn.shorten;
}
