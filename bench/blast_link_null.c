/* blast_link_null.c - sends to nobody. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/blast_link.h"

struct null {
    struct blast_link link; /* first */
    uint8_t payloads[BLAST_BURST_MAX][BLAST_DATAGRAM_MAX + BLAST_SLACK];
};

static uint32_t null_reserve(struct blast_link *link)
{
    return link->burst;
}

static uint32_t null_send(struct blast_link *link, uint32_t count)
{
    (void)link;
    return count;
}

static void null_nothing(struct blast_link *link)
{
    (void)link;
}

static void null_close(struct blast_link *link)
{
    free(link);
}

int blast_link_null_open(struct blast_link **link, char *fault)
{
    struct null *null = calloc(1, sizeof *null);
    if (!null) {
        snprintf(fault, BLAST_FAULT_MAX, "out of memory");
        return -ENOMEM;
    }
    null->link = (struct blast_link){
        .burst = BLAST_BURST_MAX,
        .reserve = null_reserve,
        .send = null_send,
        .idle = null_nothing,
        .flush = null_nothing,
        .close = null_close,
    };
    for (uint32_t i = 0; i < BLAST_BURST_MAX; i++)
        null->link.slots[i].payload = null->payloads[i];
    *link = &null->link;
    return 0;
}
