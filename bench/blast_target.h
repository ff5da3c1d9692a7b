/* blast_target.h - where to send: null:, udp://ADDR:PORT or dpdk://ADDR:PORT.
 *
 * Memory:  plain values.  Threads: any.
 */
#pragma once

#include <stdint.h>

enum blast_target_kind { BLAST_TARGET_NULL, BLAST_TARGET_UDP, BLAST_TARGET_DPDK };

struct blast_target {
    enum blast_target_kind kind;
    uint8_t family; /* 4 or 6 */
    uint8_t addr[16];
    uint16_t port;
};

/* blast_target_parse reads a target with a numeric address, IPv6 in brackets.  Returns 0 or
 * -EINVAL. */
int blast_target_parse(struct blast_target *target, const char *text);
