/* post.c - trove-post: what a POST costs the rx core, from frames to frames: TCP, HTTP, the parser
 * and the answer, without a driver and without the shard's work.
 *
 *   trove-post SET [--rounds N]   one JSON object: nanoseconds an event, of every round
 *   trove-post SET --once         one round, whose polls of the rx part callgrind can count by
 *                                 --toggle-collect=counted_poll
 *
 * The round before those that count brings memory, branches and connections to where they stay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/post_client.h"
#include "bench/post_host.h"
#include "dataplane/base/clock.h"

#define ROUND_EVENTS 8192 /* at least */
#define ROUNDS_MAX   1000
#define FRAMES       RX_BURST

static const struct post_set sets[] = {
    {"single", "accepted", 64, 1, 1}, {"many", "accepted", 16384, 1, 1},
    {"durable", "durable", 64, 1, 1}, {"pipelined", "accepted", 16, 16, 1},
    {"batch", "accepted", 4, 1, 100},
};

static const struct post_set *find(const char *name)
{
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (!strcmp(sets[i].name, name))
            return &sets[i];
    fprintf(stderr, "error: no such set: %s; there are single, many, durable, pipelined, batch\n",
            name);
    exit(1);
}

/* counted_poll is a name of its own for callgrind. */
unsigned counted_poll(void);
__attribute__((noinline)) unsigned counted_poll(void)
{
    return post_host_poll() + 1; /* no tail call, which callgrind would not see the end of */
}

/* run_round posts until ROUND_EVENTS are answered.  Returns the time of the rx part's polls alone,
 * and how many events it was. */
static uint64_t run_round(unsigned (*poll)(void), uint64_t *events)
{
    uint64_t took_ns = 0, before = post_client_answered();
    while (post_client_answered() - before < ROUND_EVENTS) {
        post_client_offer(FRAMES);
        post_host_begin();
        uint64_t start_ns = clock_monotonic_ns();
        poll();
        took_ns += clock_monotonic_ns() - start_ns;
        post_host_shard();
        post_client_hear();
    }
    *events = post_client_answered() - before;
    return took_ns;
}

static void measure(const struct post_set *set, uint32_t rounds)
{
    uint64_t events;
    printf(
        "{\"set\":\"%s\",\"ack\":\"%s\",\"connections\":%u,\"pipeline\":%u,\"batch\":%u,\"ns\":[",
        set->name, set->ack, set->connections, set->pipeline, set->batch);
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t took_ns = run_round(counted_poll, &events);
        printf("%s%.1f", i ? "," : "", (double)took_ns / (double)events);
    }
    printf("]}\n");
}

int main(int argc, char **argv)
{
    uint64_t events;
    bool once = argc == 3 && !strcmp(argv[2], "--once");
    bool rounds = argc == 4 && !strcmp(argv[2], "--rounds");
    if (argc != 2 && !once && !rounds) {
        fprintf(stderr, "error: usage: trove-post SET [--rounds N | --once]\n");
        return 1;
    }
    const struct post_set *set = find(argv[1]);
    uint32_t count = rounds ? (uint32_t)strtoul(argv[3], NULL, 10) : 15;
    if (!count || count > ROUNDS_MAX) {
        fprintf(stderr, "error: rounds are at least 1 and at most 1000\n");
        return 1;
    }
    post_host_init(set->connections);
    post_client_init(set);
    run_round(post_host_poll, &events);
    if (!once) {
        measure(set, count);
        return 0;
    }
    run_round(counted_poll, &events);
    printf("{\"set\":\"%s\",\"events\":%llu}\n", set->name, (unsigned long long)events);
    return 0;
}
