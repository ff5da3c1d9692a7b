/* users.c - trove-users: what an event costs the state as users grow from a thousand to ten
 * million, and how much of that is memory's.
 *
 *   trove-users CORE [MAX]      one JSON object a size: ns an event, and ns of memory alone
 *
 * Events visit random users, who are all there before, with a short walk each. The catalog and
 * the table of ids are the same at every size, so what grows with the users is where their progress
 * lies (graph/progress.h): two lines of an index, which say where a second and an entry of two
 * lines are.  Memory's part is measured by itself: the same burst of random places, prefetched as
 * the state does it, read and written, in tables of the same sizes on the same kind of pages, with
 * nothing computed (memory_ns: cache and TLB misses); and once more on pages of 4 KiB
 * (memory_small_ns: what huge pages save).
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/release.h"
#include "bench/state_bed.h"
#include "dataplane/base/clock.h"
#include "graph/mix.h"

#define USERS_MIN  1000u
#define USERS_MAX  10000000u
#define EVENTS     1000000u /* measured at each size */
#define LINE_WORDS 16u

static struct state_bed bed;

static uint64_t run_burst(uint64_t n, uint64_t users, bool random, uint64_t *edges)
{
    for (uint32_t i = 0; i < STATE_BED_BURST; i++) {
        uint64_t user = random ? mix64(n + i) % users : (n + i) % users;
        state_bed_item(&bed, state_bed_event(&bed, i, user, STATE_BED_T0 + n * 1000),
                       (uint32_t)(mix64(~(n + i)) % STATE_BED_NODES));
    }
    return state_bed_apply(&bed, OUTCOME_visit, edges);
}

/* Returns ns an event, once every user is there. */
static double event_ns(uint64_t users, const char *catalog)
{
    uint64_t took_ns = 0, edges = 0, begun = (users / STATE_BED_BURST + 1) * STATE_BED_BURST;
    struct conf_hunt *hunt = state_bed_conf(&bed, CONF_BASKET);
    state_bed_walker(hunt, catalog);
    hunt->recent = 4; /* short walks: what users cost is to show */
    hunt->max_depth = 1;
    hunt->max_fanout = 4;
    hunt->budget = 16;
    state_bed_open(&bed, (struct state_limits){.dedupe_capacity = 4000000, .users = users + 4096});
    for (uint64_t n = 0; n < begun; n += STATE_BED_BURST)
        (void)run_burst(n, users, false, &edges);
    for (uint64_t n = begun; n < begun + EVENTS; n += STATE_BED_BURST)
        took_ns += run_burst(n, users, true, &edges);
    struct state_usage usage;
    state_usage(bed.state, &usage);
    state_bed_need(usage.users_used == users, "not every user is there");
    state_bed_close(&bed);
    return (double)took_ns / EVENTS;
}

static uint32_t *map(size_t lines, int advice)
{
    size_t bytes = lines * LINE_WORDS * sizeof(uint32_t);
    uint32_t *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    state_bed_need(base != MAP_FAILED, "not enough memory");
    (void)madvise(base, bytes, advice);
    for (size_t at = 0; at < bytes / sizeof *base; at += 1024)
        base[at] = 0; /* a page of its own */
    return base;
}

/* What the state keeps of users: lines of an index, of which a third of the slots is used, the
 * second in which each is forgotten, and their entries. */
struct tables {
    uint64_t users, lines;
    uint32_t *index, *seconds, *entries;
};

/* touch brings in and changes what the state does for a burst of events. */
static void touch(const struct tables *t, uint64_t n)
{
    uint64_t user[STATE_BED_BURST];
    uint32_t *line[STATE_BED_BURST][2];
    for (uint32_t i = 0; i < STATE_BED_BURST; i++) {
        uint64_t key = mix64(n + i);
        user[i] = key % t->users;
        for (uint32_t k = 0; k < 2; k++) {
            line[i][k] = t->index + mix64(2 * user[i] + k) % t->lines * LINE_WORDS;
            __builtin_prefetch(line[i][k]);
        }
    }
    for (uint32_t i = 0; i < STATE_BED_BURST; i++) {
        user[i] += line[i][0][0] | line[i][1][0]; /* 0: but where to go on is known no sooner */
        __builtin_prefetch(t->seconds + user[i], 1);
        __builtin_prefetch(t->entries + user[i] * 2 * LINE_WORDS, 1);
        __builtin_prefetch(t->entries + (user[i] * 2 + 1) * LINE_WORDS, 1);
    }
    for (uint32_t i = 0; i < STATE_BED_BURST; i++) {
        t->seconds[user[i]]++;
        t->entries[user[i] * 2 * LINE_WORDS]++;
        t->entries[(user[i] * 2 + 1) * LINE_WORDS]++;
    }
}

/* Returns ns an event of finding and changing what is kept of its user. */
static double memory_ns(uint64_t users, int advice)
{
    uint64_t took_ns = 0, lines = users / 3 + 8, second_lines = users / LINE_WORDS + 1;
    const struct tables tables = {users, lines, map(lines, advice), map(second_lines, advice),
                                  map(users * 2, advice)};
    for (uint64_t n = 0; n < EVENTS; n += STATE_BED_BURST) {
        uint64_t start_ns = clock_monotonic_ns();
        touch(&tables, n);
        took_ns += clock_monotonic_ns() - start_ns;
    }
    munmap(tables.index, lines * LINE_WORDS * sizeof(uint32_t));
    munmap(tables.seconds, second_lines * LINE_WORDS * sizeof(uint32_t));
    munmap(tables.entries, users * 2 * LINE_WORDS * sizeof(uint32_t));
    return (double)took_ns / EVENTS;
}

int main(int argc, char **argv)
{
    char catalog[CONF_PATH_MAX];
    char *end = NULL;
    unsigned long core = argc > 1 ? strtoul(argv[1], &end, 10) : 0;
    uint64_t most = argc > 2 ? strtoull(argv[2], NULL, 10) : USERS_MAX;
    if (argc < 2 || argc > 3 || *end || core >= CPU_SETSIZE || most < USERS_MIN ||
        most > USERS_MAX) {
        fputs("usage: trove-users CORE [MAX], from 1000 to 10000000\n", stderr);
        return 2;
    }
    release_need();
    state_bed_pin(core);
    state_bed_catalog(catalog, STATE_BED_NODES, STATE_BED_EDGES);
    for (uint64_t users = USERS_MIN; users <= most; users *= 10) {
        double all_ns = event_ns(users, catalog);
        printf("{\"users\":%llu,\"ns\":%.2f,\"memory_ns\":%.2f,\"memory_small_ns\":%.2f}\n",
               (unsigned long long)users, all_ns, memory_ns(users, MADV_HUGEPAGE),
               memory_ns(users, MADV_NOHUGEPAGE));
        fflush(stdout);
    }
    unlink(catalog);
    return 0;
}
