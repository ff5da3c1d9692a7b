/* ring.c - trove-ring: three rings between two cores, side by side: ck_ring, rte_ring and ours.
 *
 * One thread pushes bursts of events, 128 bytes each, as an rx part does, the other pops them and
 * pushes an answer of 32 bytes back for each, as a shard does.  What is counted is events there and
 * back in a second.  The rounds of the three alternate, so that what the machine does meanwhile
 * hits them alike.
 *
 *   trove-ring [--rounds N] [--events N] [--burst N]
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ck_ring.h>
#include <rte_errno.h>
#include <rte_ring_elem.h>

#include "bench/release.h"
#include "dataplane/base/answer.h"
#include "dataplane/base/clock.h"

#define SLOTS     8192u
#define BURST_MAX 64u

CK_RING_PROTOTYPE(event, event)
CK_RING_PROTOTYPE(answer, answer)

/* A kind of ring: a pair of them, for events and for answers. */
struct kind {
    const char *name;
    uint32_t (*push)(const struct event *events, uint32_t count);
    uint32_t (*pop)(struct event *events, uint32_t count);
    uint32_t (*push_back)(const struct answer *answers, uint32_t count);
    uint32_t (*pop_back)(struct answer *answers, uint32_t count);
};

/* ---- ours ---- */

static struct event_ring own_events;
static struct answer_ring own_answers;

static uint32_t own_push(const struct event *events, uint32_t count)
{
    return event_ring_push_burst(&own_events, events, count);
}

static uint32_t own_pop(struct event *events, uint32_t count)
{
    return event_ring_pop_burst(&own_events, events, count);
}

static uint32_t own_push_back(const struct answer *answers, uint32_t count)
{
    return answer_ring_push_burst(&own_answers, answers, count);
}

static uint32_t own_pop_back(struct answer *answers, uint32_t count)
{
    return answer_ring_pop_burst(&own_answers, answers, count);
}

/* ---- Concurrency Kit's ---- */

static struct ck_ring ck_events, ck_answers;
static struct event *ck_event_slots;
static struct answer *ck_answer_slots;

static uint32_t ck_push(const struct event *events, uint32_t count)
{
    uint32_t n = 0;
    while (n < count && ck_ring_enqueue_spsc_event(&ck_events, ck_event_slots,
                                                   (struct event *)(uintptr_t)&events[n]))
        n++;
    return n;
}

static uint32_t ck_pop(struct event *events, uint32_t count)
{
    uint32_t n = 0;
    while (n < count && ck_ring_dequeue_spsc_event(&ck_events, ck_event_slots, &events[n]))
        n++;
    return n;
}

static uint32_t ck_push_back(const struct answer *answers, uint32_t count)
{
    uint32_t n = 0;
    while (n < count && ck_ring_enqueue_spsc_answer(&ck_answers, ck_answer_slots,
                                                    (struct answer *)(uintptr_t)&answers[n]))
        n++;
    return n;
}

static uint32_t ck_pop_back(struct answer *answers, uint32_t count)
{
    uint32_t n = 0;
    while (n < count && ck_ring_dequeue_spsc_answer(&ck_answers, ck_answer_slots, &answers[n]))
        n++;
    return n;
}

/* ---- DPDK's ---- */

static struct rte_ring *rte_events, *rte_answers;

static uint32_t rte_push(const struct event *events, uint32_t count)
{
    return rte_ring_sp_enqueue_burst_elem(rte_events, events, sizeof *events, count, NULL);
}

static uint32_t rte_pop(struct event *events, uint32_t count)
{
    return rte_ring_sc_dequeue_burst_elem(rte_events, events, sizeof *events, count, NULL);
}

static uint32_t rte_push_back(const struct answer *answers, uint32_t count)
{
    return rte_ring_sp_enqueue_burst_elem(rte_answers, answers, sizeof *answers, count, NULL);
}

static uint32_t rte_pop_back(struct answer *answers, uint32_t count)
{
    return rte_ring_sc_dequeue_burst_elem(rte_answers, answers, sizeof *answers, count, NULL);
}

static struct rte_ring *rte_make(const char *name, unsigned bytes)
{
    struct rte_ring *ring =
        aligned_alloc(64, arena_round((size_t)rte_ring_get_memsize_elem(bytes, SLOTS), 64));
    if (!ring || rte_ring_init(ring, name, SLOTS, RING_F_SP_ENQ | RING_F_SC_DEQ))
        exit(1);
    return ring;
}

static const struct kind kinds[] = {
    {"trove", own_push, own_pop, own_push_back, own_pop_back},
    {"ck_ring", ck_push, ck_pop, ck_push_back, ck_pop_back},
    {"rte_ring", rte_push, rte_pop, rte_push_back, rte_pop_back},
};

#define KIND_COUNT (sizeof kinds / sizeof *kinds)

/* ---- the race ---- */

struct race {
    const struct kind *kind;
    uint64_t total;
    uint32_t burst;
    pthread_barrier_t start;
};

static void pin(unsigned core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void *shard(void *arg)
{
    struct race *race = arg;
    struct event events[BURST_MAX];
    struct answer answers[BURST_MAX] = {0};
    pin(1);
    pthread_barrier_wait(&race->start);
    for (uint64_t done = 0; done < race->total;) {
        uint32_t count = race->kind->pop(events, race->burst);
        for (uint32_t i = 0; i < count; i++)
            answers[i].token = events[i].token;
        for (uint32_t pushed = 0; pushed < count;)
            pushed += race->kind->push_back(answers + pushed, count - pushed);
        done += count;
    }
    return NULL;
}

/* Returns events a second. */
static double run(struct race *race)
{
    struct event events[BURST_MAX] = {0};
    struct answer answers[BURST_MAX];
    uint64_t sent = 0, back = 0;
    pthread_t other;
    pthread_barrier_init(&race->start, NULL, 2);
    if (pthread_create(&other, NULL, shard, race))
        exit(1);
    pin(0);
    pthread_barrier_wait(&race->start);
    uint64_t from = clock_monotonic_ns();
    while (back < race->total) {
        uint32_t count = race->burst;
        if (race->total - sent < count)
            count = (uint32_t)(race->total - sent);
        if (sent - back > SLOTS / 2)
            count = 0;
        for (uint32_t i = 0; i < count; i++)
            events[i].token = sent + i;
        sent += count ? race->kind->push(events, count) : 0;
        uint32_t got = race->kind->pop_back(answers, race->burst);
        for (uint32_t i = 0; i < got; i++)
            if (answers[i].token != back + i) {
                fprintf(stderr, "error: %s lost the order\n", race->kind->name);
                exit(1);
            }
        back += got;
    }
    uint64_t ns = clock_monotonic_ns() - from;
    pthread_join(other, NULL);
    pthread_barrier_destroy(&race->start);
    return (double)race->total * 1e9 / (double)ns;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void make_rings(void)
{
    static struct arena arena;
    if (arena_open(&arena, event_ring_footprint(SLOTS) + answer_ring_footprint(SLOTS) + 4096, -1,
                   false))
        exit(1);
    event_ring_init(&own_events, &arena, SLOTS);
    answer_ring_init(&own_answers, &arena, SLOTS);
    ck_ring_init(&ck_events, SLOTS);
    ck_ring_init(&ck_answers, SLOTS);
    ck_event_slots = aligned_alloc(64, SLOTS * sizeof *ck_event_slots);
    ck_answer_slots = aligned_alloc(64, SLOTS * sizeof *ck_answer_slots);
    if (!ck_event_slots || !ck_answer_slots)
        exit(1);
    rte_events = rte_make("events", sizeof(struct event));
    rte_answers = rte_make("answers", sizeof(struct answer));
}

static uint64_t option_number(const char *text, uint64_t max)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*end || !value || value > max) {
        fprintf(stderr, "error: '%s' is no number from 1 to %" PRIu64 "\n", text, max);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"rounds", required_argument, NULL, 'r'},
                                            {"events", required_argument, NULL, 'e'},
                                            {"burst", required_argument, NULL, 'b'},
                                            {0}};
    static double rates[KIND_COUNT][64];
    struct race race = {.total = 10000000, .burst = 32};
    uint64_t rounds = 5;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return 2;
        uint64_t max = option == 'r' ? 64 : option == 'b' ? BURST_MAX : UINT64_MAX / 2;
        uint64_t value = option_number(optarg, max);
        if (option == 'r')
            rounds = value;
        else if (option == 'b')
            race.burst = (uint32_t)value;
        else
            race.total = value;
    }
    release_need();
    make_rings();
    for (uint64_t round = 0; round < rounds; round++)
        for (unsigned k = 0; k < KIND_COUNT; k++) {
            race.kind = &kinds[k];
            rates[k][round] = run(&race);
        }
    for (unsigned k = 0; k < KIND_COUNT; k++) {
        qsort(rates[k], rounds, sizeof **rates, by_value);
        printf("{\"ring\":\"%s\",\"burst\":%u,\"median\":%.0f,\"values\":[", kinds[k].name,
               race.burst, rates[k][rounds / 2]);
        for (uint64_t round = 0; round < rounds; round++)
            printf("%s%.0f", round ? "," : "", rates[k][round]);
        puts("]}");
    }
    return 0;
}
