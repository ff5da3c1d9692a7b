/* crash_store.c - the data directory that all images share, with a configuration and a key. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/sim/crash.h"

static const char conf_text[] = "version: 1\n"
                                "pop: sim\n"
                                "host: h1\n"
                                "data_dir: %s\n"
                                "partitions: 4\n"
                                "ports:\n"
                                "  - name: p0\n"
                                "    device: net_null0\n"
                                "    address: [192.0.2.1/24]\n"
                                "limits: { users: 4096, claims: 4096, corrections: 1000 }\n"
                                "events:\n"
                                "  dedupe: { capacity: 10_000 }\n"
                                "  types:\n"
                                "    view: { require: [item] }\n"
                                "hunts:\n"
                                "  - name: trail\n"
                                "    kind: trail\n"
                                "    types: [view]\n"
                                "    catalog: %s/catalog.tsv\n"
                                "    start: [A]\n"
                                "    treasure: [D]\n"
                                "    min_step: 0ms\n";

static const char catalog[] = "A\tB\t1\nB\tC\t1\nC\tD\t1\n";

void crash_store_open(struct crash *sim)
{
    char text[2048], path[128], error[512];
    struct diag_list diags = {0};
    snprintf(sim->dir, sizeof sim->dir, "%s/trove-crash-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(sim->dir))
        crash_die("cannot make", sim->dir);
    snprintf(path, sizeof path, "%s/catalog.tsv", sim->dir);
    FILE *file = fopen(path, "w");
    if (!file || fputs(catalog, file) < 0 || fclose(file))
        crash_die("cannot write", path);
    /* The key of a data directory is made of chance; here it must be the same each time. */
    snprintf(path, sizeof path, "%s/key", sim->dir);
    file = fopen(path, "w");
    if (!file ||
        fwrite("the simulator's key, 32 bytes...", 1, HASH_SEED_BYTES, file) != HASH_SEED_BYTES ||
        fclose(file))
        crash_die("cannot write", path);
    if (store_open(&sim->store, sim->dir, PARTITIONS, error))
        crash_die("store", error);
    hash_key_init(&sim->key, sim->store.seed);
    int len = snprintf(text, sizeof text, conf_text, sim->dir, sim->dir);
    sim->conf = conf_load("crash.yaml", text, (size_t)len, &diags);
    sim->items = items_new(1000);
    if (sim->conf && store_catalogs(&sim->store, sim->conf) == 0 &&
        store_save(&sim->store, sim->conf) == 1)
        sim->rules = rules_build(sim->conf, 1, &sim->key, sim->items, &diags);
    diag_print(&diags, sim->err);
    diag_list_fini(&diags);
    if (!sim->rules)
        crash_die("the configuration", "cannot be used");
}

void crash_store_close(struct crash *sim)
{
    char command[128];
    store_close(&sim->store);
    rules_free(sim->rules);
    items_free(sim->items);
    conf_free(sim->conf);
    free(sim->seen);
    snprintf(command, sizeof command, "rm -r %s", sim->dir);
    if (system(command)) /* NOLINT: made here */
        crash_die("cannot remove", sim->dir);
}
