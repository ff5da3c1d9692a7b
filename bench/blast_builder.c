/* blast_builder.c - events from a profile. */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/blast_builder.h"
#include "bench/blast_malformed.h"
#include "bench/blast_value.h"
#include "dataplane/base/clock.h"

#define GOLDEN      0x9e3779b97f4a7c15
#define WHOLE       (1ull << 32)
#define DRAWS       4                      /* random words an event */
#define REPEAT_NS   (5ull * 60 * NS_PER_S) /* a duplicate is no older: within any dedupe window */
#define HEAD        "{\"id\":\"00000000-0000-0000-0000-000000000000\",\"time\":0000000000000,\"user\":\"u-"
#define HEAD_ID     7
#define HEAD_TIME   52
#define HEAD_BYTES  (sizeof HEAD - 1)
#define DATA        ",\"data\":{\"pad\":\""
#define DATA_BYTES  (sizeof DATA - 1)
#define DATA_END    "\"}}"
#define TYPE_BYTES  64 /* the longest piece of a type */
#define USER_DIGITS 10

static_assert(BLAST_PAST >= BLAST_REACH + BLAST_BURST_MAX * BLAST_PER_DATAGRAM_MAX,
              "an original must still be there when its duplicate is settled");
static_assert(BLAST_SLACK >= BLAST_MALFORMED_BYTES_MAX + BLAST_PIECE, "room to scribble");

enum kind { UNIQUE, DUPLICATE, MALFORMED };
enum clock_fault { CLOCK_RIGHT, CLOCK_SKEWED, CLOCK_LATE };

struct blast_past {
    uint64_t number;
    uint64_t due_ns;
    uint64_t time_ms;
    uint32_t user;
    uint32_t item;
    uint8_t type;
    uint8_t hunt;
    uint8_t clock; /* enum clock_fault */
    bool sent;
};

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection of 64 bits. */
static inline uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static inline uint64_t draw(const struct blast_builder *builder, uint64_t number, uint32_t which)
{
    return mix(builder->random_seed + (number * DRAWS + which) * GOLDEN);
}

/* The text of 32 bits: eight hexadecimal digits, made in parallel. */
static inline uint64_t hex(uint32_t bits)
{
    uint64_t x = bits;
    x = (x | x << 16) & 0x0000ffff0000ffff;
    x = (x | x << 8) & 0x00ff00ff00ff00ff;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
    uint64_t letters = ((x + 0x0606060606060606) >> 4) & 0x0101010101010101;
    return htobe64(x + 0x3030303030303030 + letters * ('a' - '0' - 10));
}

/* put_four puts the first (0) or last (1) four of eight digits. */
static inline void put_four(uint64_t digits, uint32_t which, uint8_t *out)
{
    uint32_t four = (uint32_t)(le64toh(digits) >> 32 * which);
    four = htole32(four);
    memcpy(out, &four, sizeof four);
}

/* The id of event n: version 4 and variant 10 (RFC 9562 section 5.4) over 122 hashed bits.  Its
 * groups go from registers to where they belong: a load over what two stores have just written
 * would wait until all earlier ones, into a frame that is in no cache, have ended. */
static inline void put_id(const struct blast_builder *builder, uint64_t number, uint8_t *out)
{
    uint64_t high = mix(builder->id_seed + number * GOLDEN);
    uint64_t low = mix(high ^ ~builder->id_seed);
    high = (high & ~0xf000ull) | 0x4000;
    low = (low & ~(3ull << 62)) | 2ull << 62;
    uint64_t first = hex((uint32_t)(high >> 32)), last = hex((uint32_t)low);
    uint64_t second = hex((uint32_t)high), third = hex((uint32_t)(low >> 32));
    memcpy(out, &first, 8);
    put_four(second, 0, out + 9);
    put_four(second, 1, out + 14);
    put_four(third, 0, out + 19);
    put_four(third, 1, out + 24);
    memcpy(out + 28, &last, 8);
}

static inline uint8_t *put_number(uint8_t *out, uint32_t number)
{
    uint8_t digits[USER_DIGITS];
    uint32_t count = 0;
    do {
        digits[count++] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number);
    for (uint32_t i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    return out + count;
}

static inline void put_time(struct blast_builder *builder, uint64_t time_ms, uint8_t *out)
{
    if (time_ms != builder->time_ms) {
        uint64_t rest = time_ms;
        for (int i = BLAST_TIME_TEXT - 1; i >= 0; i--, rest /= 10)
            builder->time_text[i] = (char)('0' + rest % 10);
        builder->time_ms = time_ms;
    }
    memcpy(out, builder->time_text, BLAST_TIME_TEXT);
}

static inline uint8_t *put_item(const struct blast_items *items, uint32_t item, uint8_t *out)
{
    const char *name = items->text + items->at[item];
    uint32_t len = items->at[item + 1] - items->at[item];
    memcpy(out, name, BLAST_ITEM_CHUNK);
    if (len > BLAST_ITEM_CHUNK)
        memcpy(out, name, len);
    return out + len;
}

static inline uint8_t *put_end(const struct blast_builder *builder, uint8_t *start, uint8_t *out)
{
    uint32_t len = (uint32_t)(out - start);
    uint32_t around = DATA_BYTES + sizeof DATA_END - 1;
    uint32_t want = (uint32_t)builder->profile->event_bytes;
    if (len + around > want) {
        *out = '}';
        return out + 1;
    }
    memcpy(out, DATA, DATA_BYTES);
    memcpy(out + DATA_BYTES, builder->pad, want - len - around);
    memcpy(start + want - sizeof DATA_END + 1, DATA_END, sizeof DATA_END - 1);
    return start + want;
}

static uint8_t *put_event(struct blast_builder *builder, const struct blast_past *event,
                          uint8_t *start)
{
    const struct blast_piece *type = &builder->types[event->type];
    const struct blast_piece *hunt = &builder->hunts[event->hunt];
    memcpy(start, HEAD, HEAD_BYTES);
    put_id(builder, event->number, start + HEAD_ID);
    put_time(builder, event->time_ms, start + HEAD_TIME);
    uint8_t *out = put_number(start + HEAD_BYTES, event->user + 1);
    memcpy(out, type->text, TYPE_BYTES);
    out = put_item(&builder->items, event->item, out + type->len);
    memcpy(out, hunt->text, BLAST_PIECE);
    return put_end(builder, start, out + hunt->len);
}

static uint8_t *put_malformed(struct blast_builder *builder, const struct blast_past *event,
                              uint8_t *start, enum reason *reason)
{
    char id[37], time[BLAST_TIME_TEXT + 1], user[16], item[6 * BLAST_NAME_MAX + 1];
    const struct blast_items *items = &builder->items;
    put_id(builder, event->number, (uint8_t *)id);
    id[8] = id[13] = id[18] = id[23] = '-';
    id[36] = '\0';
    put_time(builder, event->time_ms, (uint8_t *)time);
    time[BLAST_TIME_TEXT] = '\0';
    snprintf(user, sizeof user, "u-%u", event->user + 1);
    snprintf(item, sizeof item, "%.*s", (int)(items->at[event->item + 1] - items->at[event->item]),
             items->text + items->at[event->item]);
    struct blast_values values = {
        .id = id,
        .time = time,
        .user = user,
        .type = builder->profile->types[event->type].name,
        .item = items->len_max <= BLAST_NAME_MAX ? item : "item",
    };
    uint32_t kind = builder->malformed_next++ % blast_malformed_count();
    return start + blast_malformed_build(kind, &values, start, reason);
}

static uint8_t choose(const struct blast_choice *choices, uint32_t count, uint64_t random)
{
    uint32_t i = 0;
    while (i < count && (random & (WHOLE - 1)) >= choices[i].below)
        i++;
    return (uint8_t)i;
}

static void make(struct blast_builder *builder, uint64_t due_ns, uint64_t first,
                 struct blast_past *event)
{
    const struct blast_profile *profile = builder->profile;
    uint64_t number = builder->next;
    uint64_t who = draw(builder, number, 1);
    uint64_t kind = draw(builder, number, 2);
    uint64_t chance = first >> 32;
    *event = (struct blast_past){
        .number = number,
        .due_ns = due_ns,
        .time_ms = (builder->source.start_real_ns + due_ns) / NS_PER_MS,
        .user = (uint32_t)((who >> 32) * profile->users >> 32),
        .item = blast_zipf_draw(&builder->zipf, draw(builder, number, 3)),
        .type = choose(profile->types, profile->type_count, kind),
        .hunt = choose(profile->hunts, profile->hunt_count, kind >> 32),
    };
    if (chance < profile->skew) {
        event->time_ms += profile->skew_ns / NS_PER_MS;
        event->clock = CLOCK_SKEWED;
    } else if (chance < profile->skew + profile->late) {
        event->time_ms -= profile->late_ns / NS_PER_MS;
        event->clock = CLOCK_LATE;
    }
}

/* The slot of an earlier event to repeat.  At a low rate the newest one: an old id may have left
 * the receiver's window. */
static uint16_t pick_past(const struct blast_builder *builder, uint64_t due_ns)
{
    uint64_t reach = builder->past_count < BLAST_REACH ? builder->past_count : BLAST_REACH;
    uint64_t back = (draw(builder, builder->next, 1) >> 32) * reach >> 32;
    uint16_t slot = (uint16_t)((builder->past_count - 1 - back) % BLAST_PAST);
    if (due_ns > builder->past[slot].due_ns + REPEAT_NS)
        slot = (uint16_t)((builder->past_count - 1) % BLAST_PAST);
    return slot;
}

static uint8_t *build_event(struct blast_builder *builder, uint64_t due_ns, uint8_t *out)
{
    const struct blast_profile *profile = builder->profile;
    uint64_t first = draw(builder, builder->next, 0);
    uint64_t chance = first & (WHOLE - 1);
    struct blast_mark *mark = &builder->marks[builder->mark_count++];
    *mark = (struct blast_mark){.kind = UNIQUE};
    if (chance < profile->duplicates && builder->past_count) {
        mark->kind = DUPLICATE;
        mark->past = pick_past(builder, due_ns);
        return put_event(builder, &builder->past[mark->past], out);
    }
    if (chance >= profile->duplicates && chance < profile->duplicates + profile->malformed) {
        struct blast_past event;
        enum reason reason;
        make(builder, due_ns, first, &event);
        out = put_malformed(builder, &event, out, &reason);
        mark->kind = MALFORMED;
        mark->reason = (uint8_t)reason;
        return out;
    }
    mark->past = (uint16_t)(builder->past_count++ % BLAST_PAST);
    make(builder, due_ns, first, &builder->past[mark->past]);
    return put_event(builder, &builder->past[mark->past], out);
}

static uint64_t datagram_end(const struct blast_builder *builder)
{
    uint64_t end = builder->next + builder->profile->per_datagram;
    return end < builder->pacer->total ? end : builder->pacer->total;
}

static bool builder_due(struct blast_source *source, uint64_t *due_ns)
{
    struct blast_builder *builder = (struct blast_builder *)source;
    if (builder->next >= builder->pacer->total)
        return false;
    *due_ns = blast_pacer_due(builder->pacer, datagram_end(builder) - 1);
    return true;
}

static uint32_t builder_build(struct blast_source *source, uint64_t due_ns, uint8_t *out)
{
    struct blast_builder *builder = (struct blast_builder *)source;
    uint8_t *end = out;
    uint64_t stop = datagram_end(builder);
    uint32_t events = (uint32_t)(stop - builder->next);
    for (; builder->next < stop; builder->next++) {
        if (end > out)
            *end++ = '\n';
        end = build_event(builder, due_ns, end);
    }
    assert(builder->pending_count < BLAST_BURST_MAX && end <= out + BLAST_DATAGRAM_MAX);
    uint32_t len = (uint32_t)(end - out);
    builder->pending[builder->pending_count].events = (uint16_t)events;
    builder->pending[builder->pending_count++].bytes = (uint16_t)len;
    return len;
}

static void count_sent(struct blast_builder *builder, const struct blast_mark *mark)
{
    struct blast_tally *tally = &builder->source.tally;
    tally->sent++;
    if (mark->kind == MALFORMED) {
        tally->malformed++;
        tally->malformed_by_reason[mark->reason]++;
        return;
    }
    struct blast_past *event = &builder->past[mark->past];
    if (event->sent) {
        tally->duplicates++;
        return;
    }
    event->sent = true;
    tally->unique++;
    tally->skewed += event->clock == CLOCK_SKEWED;
    tally->late += event->clock == CLOCK_LATE;
}

static void builder_settle(struct blast_source *source, uint32_t sent)
{
    struct blast_builder *builder = (struct blast_builder *)source;
    const struct blast_mark *mark = builder->marks;
    for (uint32_t i = 0; i < builder->pending_count; i++) {
        uint32_t events = builder->pending[i].events;
        if (i >= sent) {
            source->tally.unsent += events;
            continue;
        }
        source->tally.datagrams++;
        source->tally.bytes += builder->pending[i].bytes;
        for (uint32_t k = 0; k < events; k++)
            count_sent(builder, mark++);
    }
    builder->pending_count = 0;
    builder->mark_count = 0;
}

static void builder_abandon(struct blast_source *source, uint64_t since_ns)
{
    struct blast_builder *builder = (struct blast_builder *)source;
    uint64_t due = builder->pacer->stage_count ? blast_pacer_count(builder->pacer, since_ns) : 0;
    if (due > builder->next)
        source->tally.unsent += due - builder->next;
    builder->pacer->total = builder->next;
}

static void make_pieces(struct blast_builder *builder)
{
    const struct blast_profile *profile = builder->profile;
    for (uint32_t i = 0; i < profile->type_count; i++) {
        struct blast_piece *piece = &builder->types[i];
        piece->len = (uint32_t)snprintf(piece->text, sizeof piece->text,
                                        "\",\"type\":\"%s\",\"item\":\"", profile->types[i].name);
        assert(piece->len <= TYPE_BYTES);
    }
    for (uint32_t i = 0; i <= profile->hunt_count; i++) {
        struct blast_piece *piece = &builder->hunts[i];
        piece->len = 1;
        piece->text[0] = '"';
        if (i < profile->hunt_count)
            piece->len = (uint32_t)snprintf(piece->text, sizeof piece->text, "\",\"hunt\":\"%s\"",
                                            profile->hunts[i].name);
    }
    for (uint32_t i = 0; i < sizeof builder->pad; i++)
        builder->pad[i] = (uint8_t)('a' + i % 26);
}

/* The longest event that this profile can lead to. */
static uint64_t longest(const struct blast_builder *builder)
{
    uint64_t types = 0;
    uint64_t hunts = 0;
    for (uint32_t i = 0; i < builder->profile->type_count; i++)
        types = builder->types[i].len > types ? builder->types[i].len : types;
    for (uint32_t i = 0; i <= builder->profile->hunt_count; i++)
        hunts = builder->hunts[i].len > hunts ? builder->hunts[i].len : hunts;
    uint64_t bytes = HEAD_BYTES + USER_DIGITS + types + builder->items.len_max + hunts + 1;
    uint64_t broken = builder->profile->malformed ? HEAD_BYTES + USER_DIGITS + 96 + types : 0;
    bytes = bytes > broken ? bytes : broken;
    return bytes > builder->profile->event_bytes ? bytes : builder->profile->event_bytes;
}

static int check_fit(const struct blast_builder *builder, char *fault, size_t room)
{
    const struct blast_profile *profile = builder->profile;
    uint64_t bytes = longest(builder);
    uint64_t fit = (profile->datagram_bytes + 1) / (bytes + 1);
    if (fit >= profile->per_datagram)
        return 0;
    snprintf(fault, room,
             "%lu events of up to %lu bytes do not fit in a datagram of %lu bytes: use "
             "--per-datagram %lu, a smaller --size or a larger --max-datagram (at most %d)",
             profile->per_datagram, bytes, profile->datagram_bytes, fit ? fit : 1,
             BLAST_DATAGRAM_MAX);
    return -EMSGSIZE;
}

static int load_items(struct blast_builder *builder, char *fault, size_t room)
{
    const char *catalog = builder->profile->catalog;
    if (!catalog)
        return blast_items_number(&builder->items, (uint32_t)builder->profile->items);
    uint32_t line;
    int rc = blast_items_load(&builder->items, catalog, &line);
    if (rc == -EINVAL)
        snprintf(fault, room,
                 "%s:%u: not an edge: write from<TAB>to<TAB>weight, names of 1 to %d "
                 "bytes",
                 catalog, line, BLAST_NAME_MAX);
    else if (rc < 0)
        snprintf(fault, room, "--catalog %s: %s", catalog,
                 rc == -ENODATA ? "no edge in it" : strerror(-rc));
    return rc;
}

int blast_builder_init(struct blast_builder *builder, const struct blast_profile *profile,
                       struct blast_pacer *pacer, char *fault, size_t room)
{
    *builder = (struct blast_builder){
        .source = {.classified = true,
                   .unpaced = pacer->stage_count == 0,
                   .due = builder_due,
                   .build = builder_build,
                   .settle = builder_settle,
                   .abandon = builder_abandon},
        .profile = profile,
        .pacer = pacer,
        .random_seed = mix(profile->seed + GOLDEN),
        .id_seed = mix(mix(profile->seed ^ GOLDEN) + blast_value_hash(profile->run_id)),
        .time_ms = UINT64_MAX,
    };
    snprintf(fault, room, "out of memory for %lu items", profile->items);
    int rc = load_items(builder, fault, room);
    if (rc < 0)
        return rc;
    make_pieces(builder);
    rc = check_fit(builder, fault, room);
    if (rc < 0)
        goto fail;
    rc = -ENOMEM;
    builder->past = calloc(BLAST_PAST, sizeof *builder->past);
    if (!builder->past)
        goto fail;
    rc = blast_zipf_init(&builder->zipf, builder->items.count, profile->zipf);
    if (rc < 0)
        goto fail;
    return 0;
fail:
    blast_builder_fini(builder);
    return rc;
}

void blast_builder_fini(struct blast_builder *builder)
{
    blast_zipf_fini(&builder->zipf);
    blast_items_fini(&builder->items);
    free(builder->past);
    builder->past = NULL;
}
