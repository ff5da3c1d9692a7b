/* tcp.c - the TCP engine against a client of its own kind of mistakes, over a hostile network.
 *
 *   tcp [--seeds N] [--first SEED] [--verbose]
 *
 * Each seed draws a network, settings, clients and streams, both ways; the clock is virtual.  What
 * must hold: every byte arrives once, in order and unchanged, at both ends; every connection ends;
 * and then everything is back where it was: connections, chunks, TIME-WAIT, frames, timers.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/arena.h"
#include "dataplane/tcp.h"
#include "tests/sim/client.h"

#define CLIENTS_MAX  8
#define CONNECTIONS  16
#define PORT         8080
#define FIRST_PORT   40000
#define MS           1000000ull
#define HOURS_MAX_MS (2ull * 3600 * 1000)

struct served { /* a connection, as the application sees it */
    struct tcp_conn *conn;
    uint32_t received, sent;
    bool opened, ended, closed, finished;
    enum tcp_end why;
};

struct sim {
    uint64_t seed;
    struct random random;
    struct wire wire;
    struct tcp *tcp;
    struct client clients[CLIENTS_MAX];
    struct served served[CLIENTS_MAX];
    unsigned client_count;
    uint32_t pause_per_mille; /* that the application takes only some */
    uint32_t no_frame_per_mille;
    uint8_t frame[TCP_FRAME_MAX];
    bool frame_out; /* taken and not sent yet */
    uint8_t ipv6;
    uint8_t ours[16], theirs[16];
    const char *fault;
};

static void blame(struct sim *sim, const char *fault)
{
    if (!sim->fault)
        sim->fault = fault;
}

static void check(struct sim *sim, bool holds, const char *fault)
{
    if (!holds)
        blame(sim, fault);
}

/* The server's link. */

static uint8_t *link_alloc(void *link, void **buffer)
{
    struct sim *sim = link;
    check(sim, !sim->frame_out, "two frames taken at once");
    if (random_chance(&sim->random, sim->no_frame_per_mille))
        return NULL;
    sim->frame_out = true;
    *buffer = sim->frame;
    return sim->frame;
}

static void link_send(void *link, void *buffer, uint32_t len)
{
    struct sim *sim = link;
    uint32_t at = 14 + (sim->ipv6 ? 40 : 20);
    check(sim, sim->frame_out && buffer == sim->frame && len <= TCP_FRAME_MAX, "a wrong frame");
    sim->frame_out = false;
    const uint8_t *tcp = sim->frame + at;
    unsigned number = ((unsigned)tcp[2] << 8 | tcp[3]) - FIRST_PORT + 1;
    check(sim, number >= 1 && number <= sim->client_count, "a segment for nobody");
    if (!sim->fault)
        wire_send(&sim->wire, number, tcp, len - at, sim->clients[number - 1].pseudo);
}

/* The server's application. */

static unsigned number_of(const struct tcp_conn *conn)
{
    return tcp_conn_peer(conn).port - FIRST_PORT;
}

/* feed sends on; done with both streams, it closes, or leaves that to the client. */
static void feed(struct sim *sim, unsigned i)
{
    struct served *s = &sim->served[i];
    const struct client_shape *shape = &sim->clients[i].shape;
    uint8_t bytes[4096];
    while (s->sent < shape->receive_bytes) {
        uint32_t len = shape->receive_bytes - s->sent;
        uint32_t most = random_between(&sim->random, 1, sizeof bytes);
        if (len > most)
            len = most;
        for (uint32_t k = 0; k < len; k++)
            bytes[k] = client_byte(0x10000u | sim->clients[i].port, s->sent + k);
        uint32_t took = tcp_send(sim->tcp, s->conn, bytes, len);
        s->sent += took;
        if (took < len)
            return;
    }
    bool all = s->received == shape->send_bytes;
    if (!s->finished && (s->ended || (shape->close_last && all))) {
        s->finished = true;
        tcp_finish(sim->tcp, s->conn);
    }
}

static bool app_open(void *app, struct tcp_conn *conn)
{
    struct sim *sim = app;
    unsigned i = number_of(conn);
    check(sim, i < sim->client_count, "a connection from nobody");
    check(sim, !sim->served[i].opened, "a connection opened twice");
    sim->served[i] = (struct served){.conn = conn, .opened = true};
    feed(sim, i);
    return true;
}

static uint32_t app_data(void *app, struct tcp_conn *conn, const uint8_t *bytes, uint32_t len)
{
    struct sim *sim = app;
    unsigned i = number_of(conn);
    struct served *s = &sim->served[i];
    check(sim, s->conn == conn && !s->closed && !s->ended && !s->finished, "data out of turn");
    if (random_chance(&sim->random, sim->pause_per_mille)) {
        len = random_below(&sim->random, len + 1);
        uint64_t in_ms = random_between(&sim->random, 0, 2000);
        tcp_wake(sim->tcp, conn, (sim->wire.now_ms + in_ms) * MS);
    }
    for (uint32_t k = 0; k < len; k++)
        check(sim, bytes[k] == client_byte(sim->clients[i].port, s->received + k), "a wrong byte");
    s->received += len;
    check(sim, s->received <= sim->clients[i].shape.send_bytes, "more than was sent");
    feed(sim, i);
    return len;
}

static void app_end(void *app, struct tcp_conn *conn)
{
    struct sim *sim = app;
    unsigned i = number_of(conn);
    struct served *s = &sim->served[i];
    check(sim, !s->ended && s->received == sim->clients[i].shape.send_bytes, "ended too early");
    s->ended = true;
    feed(sim, i);
}

static void app_writable(void *app, struct tcp_conn *conn)
{
    feed(app, number_of(conn));
}

static void app_wake(void *app, struct tcp_conn *conn)
{
    struct sim *sim = app;
    tcp_resume(sim->tcp, conn);
}

static void app_closed(void *app, struct tcp_conn *conn, enum tcp_end why)
{
    struct sim *sim = app;
    struct served *s = &sim->served[number_of(conn)];
    check(sim, s->conn == conn && !s->closed, "closed twice");
    check(sim, why == TCP_END_done, tcp_end_name(why));
    s->closed = true;
    s->why = why;
}

/* What a seed draws. */

static void draw_network(struct sim *sim)
{
    struct random *r = &sim->random;
    struct wire_faults *f = &sim->wire.faults;
    bool lossy = random_chance(r, 700);
    f->lose = lossy ? random_below(r, 301) : 0;
    f->duplicate = random_chance(r, 500) ? random_below(r, 200) : 0;
    f->corrupt = random_chance(r, 500) ? random_below(r, 100) : 0;
    f->split = random_chance(r, 500) ? random_below(r, 500) : 0;
    f->merge = random_chance(r, 500) ? random_below(r, 500) : 0;
    f->delay_ms_min = random_below(r, 30);
    f->delay_ms_max = f->delay_ms_min + (random_chance(r, 600) ? random_below(r, 60) : 0);
    sim->wire.random.state = random_next(r);
}

static void draw_client(struct sim *sim, unsigned i)
{
    static const uint16_t sizes[] = {536, 1000, 1220, 1400, 1448, 1460, 8960};
    struct random *r = &sim->random;
    struct client *c = &sim->clients[i];
    uint32_t most = random_chance(r, 200) ? 200000 : random_chance(r, 500) ? 20000 : 600;
    c->wire = &sim->wire;
    c->random.state = random_next(r);
    c->number = i + 1;
    c->port = (uint16_t)(FIRST_PORT + i);
    c->server_port = PORT;
    c->shape = (struct client_shape){
        .ts = random_chance(r, 500),
        .sack = random_chance(r, 500),
        .wscale = random_chance(r, 500) ? (int)random_below(r, 9) : -1,
        .mss = sizes[random_below(r, sizeof sizes / sizeof *sizes)],
        .window_bytes = random_between(r, 3000, 100000),
        .flight_max = random_between(r, 1, 20),
        .rto_ms = random_between(r, 200, 600),
        .segment_max = random_chance(r, 200) ? random_between(r, 41, 100) : 9000,
        .pause_per_mille = random_chance(r, 300) ? 20 : 0,
        .send_bytes = random_below(r, most),
        .receive_bytes = random_below(r, most),
        .close_last = random_chance(r, 300),
    };
    if (c->shape.segment_max < 100) /* a byte at a time is a long way */
        c->shape.send_bytes %= 1000;
    client_init(c);
}

static uint32_t pseudo_of(const struct sim *sim)
{
    uint32_t sum = 6, bytes = sim->ipv6 ? 16 : 4;
    for (uint32_t i = 0; i < bytes; i++)
        sum +=
            i % 2 ? sim->ours[i] + sim->theirs[i] : ((uint32_t)sim->ours[i] + sim->theirs[i]) << 8;
    return sum;
}

static void draw_settings(struct sim *sim, struct tcp_settings *settings)
{
    struct random *r = &sim->random;
    tcp_settings_init(settings);
    settings->receive_bytes = random_between(r, 4096, 100000);
    settings->send_bytes = random_between(r, 4096, 100000);
    settings->rto_max_ms = 5000;
    settings->retries = 30;
    settings->zero_window_ms = 3600000;
    settings->linger_ms = 600000;
    settings->keepalive_ms = random_chance(r, 500) ? 2000 : 0;
    settings->keepalive_probes = 30;
    settings->delayed_ack_ms = random_between(r, 1, 100);
}

static void start(struct sim *sim, struct arena *arena, const struct hash_key *key)
{
    struct tcp_wiring wiring = {
        .limits = {.connections = CONNECTIONS, .time_waits = CONNECTIONS, .chunks = 2000},
        .link = {link_alloc, link_send, sim},
        .app = {app_open, app_data, app_end, app_writable, app_wake, app_closed, sim},
        .port = PORT,
        .mtu = random_chance(&sim->random, 500) ? 1500 : 1280,
        .key = key,
        .seed = sim->seed,
    };
    draw_settings(sim, &wiring.settings);
    size_t bytes = tcp_footprint(&wiring.limits);
    void *memory = calloc(1, bytes);
    if (!memory)
        abort();
    arena_init(arena, memory, bytes);
    sim->tcp = tcp_init(arena, &wiring, 0);
}

/* The run. */

static void deliver(struct sim *sim)
{
    static const uint8_t link4[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00};
    static const uint8_t link6[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd};
    for (struct wire_frame *f; (f = wire_take(&sim->wire)); free(f)) {
        if (f->to) {
            client_input(&sim->clients[f->to - 1], f->bytes, f->len);
            continue;
        }
        struct tcp_segment segment = {
            .link = sim->ipv6 ? link6 : link4,
            .link_len = 14,
            .family = sim->ipv6 ? 6 : 4,
            .src = sim->theirs,
            .dst = sim->ours,
            .bytes = f->bytes,
            .len = f->len,
        };
        tcp_input(sim->tcp, &segment, sim->wire.now_ms * MS);
    }
}

static bool all_done(struct sim *sim)
{
    bool done = true;
    for (unsigned i = 0; i < sim->client_count; i++) {
        struct client *c = &sim->clients[i];
        check(sim, c->state != CLIENT_FAILED, "a client was reset");
        check(sim, !c->wrong, "a client got a wrong byte");
        done &= client_done(c) && sim->served[i].closed;
    }
    return done;
}

static void step(struct sim *sim)
{
    deliver(sim);
    unsigned work = tcp_poll(sim->tcp, sim->wire.now_ms * MS, 64);
    for (unsigned i = 0; i < sim->client_count; i++)
        client_tick(&sim->clients[i]);
    uint64_t next = wire_next_ms(&sim->wire);
    bool idle = !work && next > sim->wire.now_ms + 8;
    sim->wire.now_ms += idle ? 8 : 1;
}

/* settle lets everything that was over end: TIME-WAIT, what is still under way. */
static void settle(struct sim *sim)
{
    for (unsigned i = 0; i < 400; i++) {
        deliver(sim);
        tcp_poll(sim->tcp, sim->wire.now_ms * MS, 64);
        sim->wire.now_ms += 500;
    }
    const struct tcp_counters *c = tcp_counters(sim->tcp);
    check(sim, c->connections == 0, "connections are left");
    check(sim, c->chunks == 0, "chunks are left");
    check(sim, c->time_waits == 0, "TIME-WAIT is left");
    check(sim, !sim->frame_out, "a frame is left");
    uint64_t in = 0, out = 0;
    for (unsigned i = 0; i < sim->client_count; i++) {
        in += sim->clients[i].shape.send_bytes;
        out += sim->clients[i].shape.receive_bytes;
        check(sim, sim->served[i].received == sim->clients[i].shape.send_bytes,
              "bytes are missing");
    }
    check(sim, c->bytes_in == in, "bytes in are counted wrong");
    check(sim, c->bytes_out == out, "bytes out are counted wrong");
}

struct totals {
    uint64_t seeds, failed, segments, bytes, lost, duplicated, corrupted, split, merged, virtual_s;
};

static void add_up(struct totals *totals, const struct sim *sim)
{
    const struct tcp_counters *c = tcp_counters(sim->tcp);
    totals->seeds++;
    totals->segments += c->segments_in + c->segments_out;
    totals->bytes += c->bytes_in + c->bytes_out;
    totals->lost += sim->wire.lost;
    totals->duplicated += sim->wire.duplicated;
    totals->corrupted += sim->wire.corrupted;
    totals->split += sim->wire.split;
    totals->merged += sim->wire.merged;
    totals->virtual_s += sim->wire.now_ms / 1000;
}

static void show(const struct sim *sim)
{
    const struct tcp_counters *c = tcp_counters(sim->tcp);
#define SHOW(name, help) fprintf(stderr, "  %-18s %lu\n", #name, (unsigned long)c->name);
    TCP_COUNTER_LIST(SHOW)
#undef SHOW
    for (unsigned i = 0; i < TCP_REASON_COUNT; i++)
        if (c->dropped[i])
            fprintf(stderr, "  dropped %-10s %lu\n", tcp_reason_name(i),
                    (unsigned long)c->dropped[i]);
    for (unsigned i = 0; i < sim->client_count; i++) {
        const struct client *k = &sim->clients[i];
        const struct served *s = &sim->served[i];
        fprintf(
            stderr,
            "  client %u: state %d, sends %u una %u nxt %u, expects %u rcv %u read %u ended %d; "
            "server: opened %d received %u sent %u ended %d finished %d closed %d\n",
            i, k->state, k->shape.send_bytes, k->una, k->nxt, k->shape.receive_bytes, k->rcv_nxt,
            k->read, k->ended, s->opened, s->received, s->sent, s->ended, s->finished, s->closed);
    }
}

static bool run_seed(uint64_t seed, struct totals *totals, bool verbose)
{
    static const uint8_t key_seed[HASH_SEED_BYTES] = "the simulator's key";
    struct hash_key key;
    struct arena arena;
    struct sim *sim = calloc(1, sizeof *sim);
    if (!sim)
        abort();
    hash_key_init(&key, key_seed);
    sim->seed = seed;
    sim->random.state = seed * 0x9e3779b97f4a7c15 + 1;
    sim->ipv6 = random_chance(&sim->random, 500);
    memcpy(sim->ours, (uint8_t[]){192, 0, 2, 1, 9, 9, 9, 1}, 8);
    memcpy(sim->theirs, (uint8_t[]){192, 0, 2, 77, 9, 9, 9, 2}, 8);
    sim->pause_per_mille = random_chance(&sim->random, 300) ? 100 : 0;
    sim->no_frame_per_mille = random_chance(&sim->random, 200) ? 200 : 0;
    draw_network(sim);
    start(sim, &arena, &key);
    sim->client_count = random_between(&sim->random, 1, CLIENTS_MAX);
    for (unsigned i = 0; i < sim->client_count; i++) {
        draw_client(sim, i);
        sim->clients[i].pseudo = pseudo_of(sim);
    }
    while (!sim->fault && !all_done(sim)) {
        step(sim);
        check(sim, sim->wire.now_ms < HOURS_MAX_MS, "it does not come to an end");
    }
    if (!sim->fault)
        settle(sim);
    add_up(totals, sim);
    if (sim->fault) {
        fprintf(stderr, "seed %lu: %s, at %lu ms\n", (unsigned long)seed, sim->fault,
                (unsigned long)sim->wire.now_ms);
        totals->failed++;
    }
    if (verbose)
        show(sim);
    bool good = !sim->fault;
    for (unsigned i = 0; i < sim->client_count; i++)
        client_fini(&sim->clients[i]);
    wire_free(&sim->wire);
    free(arena.base);
    free(sim);
    return good;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'},
        {"verbose", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    uint64_t seeds = 300, first = 1;
    bool verbose = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'n':
            seeds = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            first = strtoull(optarg, NULL, 10);
            break;
        case 'v':
            verbose = true;
            break;
        default:
            fprintf(stderr, "usage: %s [--seeds N] [--first SEED] [--verbose]\n", argv[0]);
            return 2;
        }
    }
    struct totals totals = {0};
    for (uint64_t seed = first; seed < first + seeds && totals.failed < 10; seed++)
        run_seed(seed, &totals, verbose);
    printf("{\"seeds\":%lu,\"segments\":%lu,\"bytes\":%lu,\"lost\":%lu,\"duplicated\":%lu,"
           "\"corrupted\":%lu,\"split\":%lu,\"merged\":%lu,\"virtual_s\":%lu,\"violations\":%lu}\n",
           (unsigned long)totals.seeds, (unsigned long)totals.segments, (unsigned long)totals.bytes,
           (unsigned long)totals.lost, (unsigned long)totals.duplicated,
           (unsigned long)totals.corrupted, (unsigned long)totals.split,
           (unsigned long)totals.merged, (unsigned long)totals.virtual_s,
           (unsigned long)totals.failed);
    return totals.failed || totals.seeds == 0;
}
