/* sim_client.c - events of a few users, their repetitions, and what is no event. */
#include "tests/sim/sim_client.h"

#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "dataplane/base/clock.h"
#include "graph/tiles.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_conf.h"
#include "tests/sim/sim_wire.h"

#define USERS 9u

struct sim_client sim_client;

void sim_client_reset(void)
{
    memset(&sim_client, 0, sizeof sim_client);
}

struct sim_line *sim_client_find(const uint8_t *bytes, uint32_t len)
{
    uint64_t hash = XXH3_64bits(bytes, len);
    uint32_t mask = 4 * SIM_LINES_MAX - 1;
    for (uint32_t at = (uint32_t)hash & mask; sim_client.slots[at]; at = (at + 1) & mask) {
        struct sim_line *line = &sim_client.lines[sim_client.slots[at] - 1];
        if (line->hash == hash && line->len == len && memcmp(line->bytes, bytes, len) == 0)
            return line;
    }
    return NULL;
}

static struct sim_line *keep(struct sim_line *line)
{
    struct sim_line *there = sim_client_find(line->bytes, line->len);
    if (there)
        return there;
    uint32_t mask = 4 * SIM_LINES_MAX - 1;
    line->hash = XXH3_64bits(line->bytes, line->len);
    uint32_t at = (uint32_t)line->hash & mask;
    while (sim_client.slots[at])
        at = (at + 1) & mask;
    sim_client.slots[at] = (uint16_t)++sim_client.count;
    return line;
}

/* A tile of a map of about now, mostly. */
static void tile_name(char name[TILES_NAME_LEN + 1])
{
    struct tiles_key key;
    tiles_key_init(&key, "maps", NS_PER_S);
    struct tile tile = {.period = sim_clock_real_ns() / NS_PER_S - random_below(&sim_random, 4),
                        .index = random_below(&sim_random, 6)};
    tiles_name(&key, tile, name);
}

static void write_line(struct sim_line *line)
{
    static const char *const items[] = {"A", "B", "C", "D", "E"};
    char subject[64], tile[TILES_NAME_LEN + 1];
    uint64_t time_ms = sim_clock_real_ns() / NS_PER_MS;
    const char *type = random_chance(&sim_random, 30) ? "unknown" : "view";
    snprintf(subject, sizeof subject, "\"item\":\"%s\"", items[random_below(&sim_random, 5)]);
    if (random_chance(&sim_random, 250)) {
        type = "claim";
        tile_name(tile);
        snprintf(subject, sizeof subject, "\"tile\":\"%s\"", tile);
        memcpy(line->tile, tile, sizeof line->tile);
    }
    if (random_chance(&sim_random, 40))
        time_ms -= random_below(&sim_random, 40000);
    if (random_chance(&sim_random, 40))
        time_ms += random_below(&sim_random, 20000);
    uint32_t pad = random_chance(&sim_random, 100) ? random_below(&sim_random, 400) : 0;
    int len = snprintf((char *)line->bytes, SIM_LINE_MAX,
                       "{\"id\":\"00000000-0000-4000-8000-%012llx\",\"time\":%llu,\"user\":"
                       "\"u-%u\",\"type\":\"%s\",%s,\"pad\":\"%0*u\"}",
                       (unsigned long long)line->number, (unsigned long long)time_ms, line->user,
                       type, subject, (int)pad + 1, line->user);
    line->len = (uint32_t)len;
    line->whole = true;
}

static const struct sim_line *some_line(void)
{
    /* One of the last, mostly. */
    uint32_t back = random_below(&sim_random, random_chance(&sim_random, 700) ? 20 : 2000);
    return &sim_client.lines[back < sim_client.count ? sim_client.count - 1 - back : 0];
}

/* One that was sent just about a window ago: is it a duplicate still? */
static const struct sim_line *ageing_line(void)
{
    uint64_t window_ns = sim_conf_window_ns(), now_ns = sim_clock.mono_ns;
    for (uint32_t i = 0; i < sim_client.count; i++) {
        const struct sim_line *line = &sim_client.lines[i];
        uint64_t age_ns = now_ns - line->sent_ns;
        if (age_ns > window_ns - window_ns / 16 && age_ns < window_ns + window_ns / 16 &&
            random_chance(&sim_random, 300))
            return line;
    }
    return NULL;
}

/* make returns a line to send: a new event, an old one again as it was or in other words, another
 * user's with the same id, or nothing that could be understood. */
static const struct sim_line *make(void)
{
    struct sim_line *line = &sim_client.lines[sim_client.count];
    uint32_t what = random_below(&sim_random, 100);
    const struct sim_line *ageing = what < 30 ? ageing_line() : NULL;
    if (ageing)
        return ageing;
    if (sim_client.count && (what < 12 || sim_client.count == SIM_LINES_MAX))
        return some_line();
    *line = (struct sim_line){.number = sim_client.numbers + 1,
                              .user = random_below(&sim_random, USERS),
                              .sent_ns = sim_clock.mono_ns};
    const struct sim_line *old = some_line();
    if (sim_client.count && what < 18) {
        line->number = old->number;
        line->user = what < 15 ? old->user : (old->user + 1) % USERS;
    }
    if (line->number > sim_client.numbers)
        sim_client.numbers = line->number;
    write_line(line);
    if (what > 95) {
        line->len = 1 + random_below(&sim_random, line->len - 1);
        line->whole = false;
    }
    return keep(line);
}

void sim_client_send(uint32_t queues)
{
    uint8_t payload[1472];
    uint32_t len = 0,
             lines = random_chance(&sim_random, 800) ? 1 : 1 + random_below(&sim_random, 6);
    for (uint32_t i = 0; i < lines; i++) {
        const struct sim_line *line = make();
        if (len + line->len + 1 > sizeof payload)
            break;
        memcpy(payload + len, line->bytes, line->len);
        len += line->len;
        payload[len++] = '\n';
    }
    sim_wire_send(random_below(&sim_random, queues), payload, len);
}

uint32_t sim_client_again(uint32_t queues, uint32_t count)
{
    uint32_t sent = 0;
    for (uint32_t i = 0; i < sim_client.count && sent < count; i++) {
        const struct sim_line *line = &sim_client.lines[i];
        if (line->durable)
            continue;
        sim_wire_send(i % queues, line->bytes, line->len);
        sent++;
    }
    return sent;
}
