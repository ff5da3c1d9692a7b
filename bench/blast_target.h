/* blast_target.h - where to send: null:, udp://ADDR:PORT, dpdk://ADDR:PORT or
 * http://ADDR:PORT/PATH.
 *
 * Memory:  plain values; path points into the command line.  Threads: any.
 */
#pragma once

#include <stdint.h>

enum blast_target_kind {
    BLAST_TARGET_NULL,
    BLAST_TARGET_UDP,
    BLAST_TARGET_DPDK,
    BLAST_TARGET_HTTP,
};

#define BLAST_HOST_MAX 64

struct blast_target {
    enum blast_target_kind kind;
    uint8_t family; /* 4 or 6 */
    uint8_t addr[16];
    uint16_t port;
    char host[BLAST_HOST_MAX]; /* http: ADDR:PORT */
    const char *path;          /* http: from its slash on */
};

/* blast_target_parse reads a target with a numeric address, IPv6 in brackets.  Returns 0 or
 * -EINVAL. */
int blast_target_parse(struct blast_target *target, const char *text);
