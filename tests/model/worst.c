/* worst.c - the most that one event can cost: how long state_apply takes when every hunt listens to
 * it and every walk uses up its budget.
 *
 *   worst CONFIG ROUNDS <ITEMS
 *
 * ITEMS holds an item's name on each line; each round a new user sends an event for every one of
 * them.  Prints one JSON line: events, edges (most of one event), best_ns and median_ns (of the
 * dearest event in each round; what the host does meanwhile is in the median, hardly in the best).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "tests/model/host.h"

#define ITEMS_MAX  64
#define ROUNDS_MAX 10000

struct cost {
    uint64_t ns;
    uint64_t edge_count;
};

static struct cost apply(struct host *host, uint32_t round, uint32_t number, const char *item)
{
    char text[256];
    struct event event;
    struct outcome out[STATE_OUTCOMES_MAX];
    uint64_t now_ns = (1795209600ull + 2ull * (round * ITEMS_MAX + number)) * NS_PER_S;
    int len =
        snprintf(text, sizeof text,
                 "{\"id\":\"00000000-0000-4000-8000-%06x%06x\",\"time\":%llu,\"user\":\"u%u\","
                 "\"type\":\"view\",\"item\":\"%s\"}",
                 round, number + 1, (unsigned long long)(now_ns / NS_PER_MS), round, item);
    uint64_t began_ns = clock_monotonic_ns();
    struct verdict v = host_apply(host, now_ns, (const uint8_t *)text, (uint32_t)len, &event, out);
    struct cost cost = {.ns = clock_monotonic_ns() - began_ns};
    if (v.result != RESULT_ACCEPTED) {
        fprintf(stderr, "error: %s was not accepted\n", text);
        exit(1);
    }
    for (uint32_t i = 0; i < v.outcome_count; i++)
        cost.edge_count += out[i].edge_count;
    return cost;
}

static int by_ns(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static uint32_t read_items(char (*items)[EVENT_NAME_MAX + 2])
{
    uint32_t count = 0;
    while (count < ITEMS_MAX && fgets(items[count], sizeof items[count], stdin)) {
        items[count][strcspn(items[count], "\n")] = '\0';
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    static char items[ITEMS_MAX][EVENT_NAME_MAX + 2];
    static uint64_t dearest[ROUNDS_MAX];
    long rounds = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    struct host host;
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: worst CONFIG ROUNDS <ITEMS\n");
        return 2;
    }
    if (host_open(&host, argv[1], 1))
        return 1;
    uint32_t count = read_items(items);
    uint64_t edge_count = 0;
    for (uint32_t r = 0; r < rounds; r++) {
        for (uint32_t i = 0; i < count; i++) {
            struct cost cost = apply(&host, r, i, items[i]);
            dearest[r] = cost.ns > dearest[r] ? cost.ns : dearest[r];
            edge_count = cost.edge_count > edge_count ? cost.edge_count : edge_count;
        }
    }
    qsort(dearest, (size_t)rounds, sizeof dearest[0], by_ns);
    printf("{\"events\":%llu,\"edges\":%llu,\"best_ns\":%llu,\"median_ns\":%llu}\n",
           (unsigned long long)rounds * count, (unsigned long long)edge_count,
           (unsigned long long)dearest[0], (unsigned long long)dearest[rounds / 2]);
    host_close(&host);
    return 0;
}
