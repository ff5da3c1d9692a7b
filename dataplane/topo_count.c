/* topo_count.c - adding up what every part has counted. */
#include <inttypes.h>
#include <string.h>

#include "dataplane/base/counter.h"
#include "dataplane/topo.h"

#define READ(field) counter_read(&(field))

/* Where an event ended is read before where it came from, so that in_flight is never negative. */
void topo_account(const struct topo *topo, struct account *account)
{
    memset(account, 0, sizeof *account);
    for (uint32_t s = 0; s < topo->plan.shard_count; s++) {
        const struct shard_counters *c = &topo->shards[s]->counters;
        account->accepted += READ(c->accepted);
        account->duplicate += READ(c->duplicate);
        for (unsigned reason = 0; reason < REASON_COUNT; reason++)
            account->rejected += READ(c->rejected[reason]);
    }
    struct http_totals http;
    topo_http_count(topo, &http);
    account->refused = account->received = http.refused;
    for (uint32_t r = 0; r < topo->plan.rx_count; r++)
        account->refused += READ(topo->rx[r]->counters.refused);
    for (uint32_t r = 0; r < topo->plan.rx_count; r++)
        for (unsigned why = 0; why < LOST_COUNT; why++)
            account->lost_by[why] += READ(topo->rx[r]->counters.lost[why]);
    for (uint32_t p = 0; p < topo->conf->port_count; p++) {
        struct port_stats stats = {0};
        if (topo->ports[p].queues)
            port_read_stats(&topo->ports[p], &stats);
        account->lost_by[LOST_nic] += stats.missed;
        account->received += stats.missed;
    }
    for (uint32_t r = 0; r < topo->plan.rx_count; r++)
        account->received += READ(topo->rx[r]->counters.received);
    for (unsigned why = 0; why < LOST_COUNT; why++)
        account->lost += account->lost_by[why];
    account->in_flight = account->received - account->accepted - account->duplicate -
                         account->rejected - account->refused - account->lost;
}

void topo_account_print(const struct account *a, FILE *out)
{
    fprintf(out,
            "account: received %" PRIu64 " = accepted %" PRIu64 " + duplicate %" PRIu64
            " + rejected %" PRIu64 " + refused %" PRIu64 " + lost %" PRIu64 "   %s\n",
            a->received, a->accepted, a->duplicate, a->rejected, a->refused, a->lost,
            a->in_flight ? "NOT BALANCED" : "balanced");
}
