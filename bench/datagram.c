/* datagram.c - trove-datagram: what an event that comes by UDP costs the rx core: the frame, its
 * checksums, the parser, the way to the shard and the answer, without a driver and without the
 * shard's work.
 *
 *   trove-datagram EVENTS [--rounds N]   of so many events a datagram: one JSON object,
 *                                        nanoseconds an event, of every round
 *   trove-datagram EVENTS --once         one round, whose polls of the rx part callgrind can count
 *                                        by --toggle-collect=counted_poll
 *
 * Events are trove-blast's.  Answers come back in the next poll, as from a shard on the same core.
 * The round before those that count brings memory and branches to where they stay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/blast_frame.h"
#include "bench/parse_events.h"
#include "bench/post_host.h"
#include "dataplane/base/clock.h"

#define ROUND_EVENTS 8192 /* at least */
#define ROUNDS       15
#define ROUNDS_MAX   1000
#define EVENTS_MAX   8 /* in a datagram: as many as it has room for */

static struct parse_events texts;
static struct blast_frame heads;
static uint32_t next_text;

/* offer gives the port a datagram of so many events. */
static void offer(uint32_t events)
{
    uint8_t *frame = post_host_frame();
    uint32_t len = 0;
    for (uint32_t i = 0; i < events; i++) {
        const struct parse_text *text = &texts.texts[next_text++ % PARSE_EVENTS];
        if (i)
            frame[BLAST_FRAME_HEAD + len++] = '\n';
        memcpy(frame + BLAST_FRAME_HEAD + len, text->bytes, text->len);
        len += text->len;
    }
    post_host_offer(blast_frame_finish(&heads, frame, len, 0));
}

/* counted_poll is a name of its own for callgrind. */
unsigned counted_poll(void);
__attribute__((noinline)) unsigned counted_poll(void)
{
    return post_host_poll() + 1; /* no tail call, which callgrind would not see the end of */
}

/* run_round has ROUND_EVENTS taken and answered.  Returns the time of the polls alone, and how many
 * events it was. */
static uint64_t run_round(unsigned (*poll)(void), uint32_t events, uint64_t *answered)
{
    const uint64_t *count = &post_host.rx.counters.answered;
    uint64_t took_ns = 0, before = *count;
    while (*count - before < ROUND_EVENTS) {
        for (uint32_t i = 0; i < RX_BURST; i++)
            offer(events);
        uint64_t start_ns = clock_monotonic_ns();
        poll();
        took_ns += clock_monotonic_ns() - start_ns;
        post_host_shard();
    }
    *answered = *count - before;
    return took_ns;
}

static void measure(uint32_t events, uint32_t rounds)
{
    uint64_t answered;
    printf("{\"events\":%u,\"ns\":[", events);
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t took_ns = run_round(counted_poll, events, &answered);
        printf("%s%.1f", i ? "," : "", (double)took_ns / (double)answered);
    }
    printf("]}\n");
}

static void init(void)
{
    struct blast_endpoint host = {.port = POST_HOST_UDP_PORT};
    struct blast_endpoint peer = {.mac = {2, 0, 0, 0, 0, 2}, .addr = {192, 0, 2, 2}, .port = 40000};
    post_host_init(0);
    memcpy(host.mac, post_host_mac, sizeof host.mac);
    memcpy(host.addr, post_host_addr, sizeof host.addr);
    blast_frame_init(&heads, &peer, &host);
    parse_events_make(&texts, PARSE_BLAST, PARSE_WRITTEN);
}

int main(int argc, char **argv)
{
    uint64_t answered;
    bool once = argc == 3 && !strcmp(argv[2], "--once");
    bool rounds = argc == 4 && !strcmp(argv[2], "--rounds");
    uint32_t events = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    uint32_t count = rounds ? (uint32_t)strtoul(argv[3], NULL, 10) : ROUNDS;
    if ((argc != 2 && !once && !rounds) || !events || events > EVENTS_MAX || !count ||
        count > ROUNDS_MAX) {
        fprintf(stderr, "usage: trove-datagram EVENTS [--rounds N | --once], at most %d and %d\n",
                EVENTS_MAX, ROUNDS_MAX);
        return 2;
    }
    init();
    run_round(post_host_poll, events, &answered);
    if (!once) {
        measure(events, count);
        return 0;
    }
    run_round(counted_poll, events, &answered);
    printf("{\"events\":%llu}\n", (unsigned long long)answered);
    return 0;
}
