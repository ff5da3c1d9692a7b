/* tcp_send_kit.h - what the tests of sending share: a connection that has said nothing yet, and
 * something to say.
 *
 * Memory:  tcp_kit.h's, and bytes to send in static memory.  Threads: one.
 */
#pragma once

#include "tests/unit/dataplane/tcp_kit.h"

static uint8_t bytes[200000];

static inline struct kit *open_one(struct peer *p, bool ts, bool sack)
{
    struct kit *kit = kit_new();
    *p = peer4(kit, 4000);
    p->ts = ts;
    p->sack = sack;
    p->wscale = 7;
    connect_peer(p);
    p->window = 0xffff;
    expect_nothing(p);
    return kit;
}

static inline void send_all(struct kit *kit, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 13 ^ i >> 7);
    assert_int_equal(tcp_send(kit->tcp, kit->last.conn, bytes, len), len);
    poll(kit);
}

/* hear_count takes all frames that are there and returns how many. */
static inline unsigned hear_count(struct peer *p)
{
    unsigned count = 0;
    for (struct seen s; hear(p, &s);)
        count++;
    return count;
}

#define FLIGHT (10 * 1460) /* the ten segments of RFC 6928 */

/* open_flight opens a connection with a whole first window under way, all of it heard and none of
 * it acknowledged. */
static inline struct kit *open_flight(struct peer *p, bool sack)
{
    struct kit *kit = open_one(p, false, sack);
    send_all(kit, FLIGHT);
    assert_int_equal(hear_count(p), 10);
    return kit;
}

static inline void acknowledge(struct peer *p, uint32_t bytes_more)
{
    p->ack += bytes_more;
    say(p, ACK, p->seq, p->ack, NULL, 0);
    poll(p->kit);
}
