/* eal.h - starting DPDK from Trove's configuration: what it needs is checked first, so that what is
 * missing is said in our words.
 *
 * Memory:  EAL's.  Threads: the main thread, once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

/* eal_start takes memory for mbuf_bytes of packet buffers and probes the configured devices; EAL's
 * own threads stay on control_core. *huge says whether huge pages are used. Returns 0, or -1 with
 * one line in error that says how to fix it. */
int eal_start(const struct conf *conf, uint32_t control_core, size_t mbuf_bytes, bool *huge,
              char error[512]);
void eal_stop(void);
