/* wire.c - the faults of a network, one after another. */
#include "tests/sim/wire.h"

#include <stdlib.h>
#include <string.h>

#include "tests/big_endian.h"

enum { HEADER = 20, SYN = 2, RST = 4, FIN = 1, PSH = 8 };

uint16_t wire_checksum(const uint8_t *bytes, uint32_t len, uint32_t pseudo)
{
    uint64_t sum = pseudo + len;
    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put_checksum(uint8_t *bytes, uint32_t len, uint32_t pseudo)
{
    bytes[16] = bytes[17] = 0;
    uint16_t sum = wire_checksum(bytes, len, pseudo);
    bytes[16] = (uint8_t)(sum >> 8);
    bytes[17] = (uint8_t)sum;
}

static uint32_t header_of(const uint8_t *bytes)
{
    return (bytes[12] >> 4) * 4u;
}

static void enqueue(struct wire *wire, unsigned to, const uint8_t *bytes, uint32_t len)
{
    struct wire_frame *frame = malloc(sizeof *frame);
    if (!frame)
        abort();
    const struct wire_faults *faults = &wire->faults;
    frame->at_ms =
        wire->now_ms + random_between(&wire->random, faults->delay_ms_min, faults->delay_ms_max);
    frame->order = wire->sent++;
    frame->to = to;
    frame->len = len;
    memcpy(frame->bytes, bytes, len);
    if (random_chance(&wire->random, faults->corrupt)) {
        frame->bytes[random_below(&wire->random, len)] ^=
            (uint8_t)(1u << random_below(&wire->random, 8));
        wire->corrupted++;
    }
    struct wire_frame **link = &wire->frames;
    while (*link && (*link)->at_ms <= frame->at_ms)
        link = &(*link)->next;
    frame->next = *link;
    *link = frame;
}

/* try_merge joins the segment to one under way that it continues. */
static bool try_merge(struct wire *wire, unsigned to, const uint8_t *bytes, uint32_t len,
                      uint32_t pseudo)
{
    uint32_t header = header_of(bytes);
    uint32_t most = wire->faults.bytes_max ? wire->faults.bytes_max : WIRE_BYTES_MAX;
    for (struct wire_frame *f = wire->frames; f; f = f->next) {
        uint32_t data = f->len - header_of(f->bytes);
        if (f->to != to || header_of(f->bytes) != header || f->bytes[13] & (SYN | RST | FIN) ||
            !data || get32(f->bytes + 4) + data != get32(bytes + 4) ||
            memcmp(f->bytes, bytes, 4) != 0 || f->len + len - header > most ||
            wire_checksum(f->bytes, f->len, pseudo) != 0)
            continue;
        f->bytes[13] |= bytes[13] & (FIN | PSH);
        memcpy(f->bytes + f->len, bytes + header, len - header);
        f->len += len - header;
        put_checksum(f->bytes, f->len, pseudo);
        wire->merged++;
        return true;
    }
    return false;
}

/* split sends a segment as two. */
static void split(struct wire *wire, unsigned to, const uint8_t *bytes, uint32_t len,
                  uint32_t pseudo)
{
    uint8_t part[WIRE_BYTES_MAX];
    uint32_t header = header_of(bytes), cut = random_between(&wire->random, 1, len - header - 1);
    memcpy(part, bytes, header + cut);
    part[13] &= (uint8_t) ~(FIN | PSH);
    put_checksum(part, header + cut, pseudo);
    enqueue(wire, to, part, header + cut);
    memcpy(part, bytes, header);
    put32(part + 4, get32(bytes + 4) + cut);
    memcpy(part + header, bytes + header + cut, len - header - cut);
    put_checksum(part, len - cut, pseudo);
    enqueue(wire, to, part, len - cut);
    wire->split++;
}

void wire_send(struct wire *wire, unsigned to, const uint8_t *bytes, uint32_t len, uint32_t pseudo)
{
    struct random *random = &wire->random;
    bool data = len > header_of(bytes) && !(bytes[13] & (SYN | RST));
    if (random_chance(random, wire->faults.lose)) {
        wire->lost++;
        return;
    }
    if (random_chance(random, wire->faults.duplicate)) {
        enqueue(wire, to, bytes, len);
        wire->duplicated++;
    }
    if (data && random_chance(random, wire->faults.merge) &&
        try_merge(wire, to, bytes, len, pseudo))
        return;
    if (len > header_of(bytes) + 1 && data && random_chance(random, wire->faults.split))
        split(wire, to, bytes, len, pseudo);
    else
        enqueue(wire, to, bytes, len);
}

struct wire_frame *wire_take(struct wire *wire)
{
    struct wire_frame *frame = wire->frames;
    if (!frame || frame->at_ms > wire->now_ms)
        return NULL;
    wire->frames = frame->next;
    wire->delivered++;
    return frame;
}

uint64_t wire_next_ms(const struct wire *wire)
{
    return wire->frames ? wire->frames->at_ms : UINT64_MAX;
}

void wire_free(struct wire *wire)
{
    while (wire->frames) {
        struct wire_frame *frame = wire->frames;
        wire->frames = frame->next;
        free(frame);
    }
}
