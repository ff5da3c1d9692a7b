/* parse_events.c - see parse_events.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/blast_builder.h"
#include "bench/parse_events.h"

#define START_NS    1795209600123000000ull
#define TEXT_BYTES  512
#define MEMBERS_MAX 16
#define ID_AT       7 /* in trove-blast's template */
#define TIME_AT     52

const char *const parse_kind_names[PARSE_KINDS] = {
    [PARSE_BLAST] = "blast", [PARSE_HUNT] = "hunt",     [PARSE_DATA] = "data",
    [PARSE_NAMES] = "names", [PARSE_ESCAPE] = "escape", [PARSE_SPACED] = "spaced",
};

const char *const parse_order_names[PARSE_ORDERS] = {
    [PARSE_WRITTEN] = "written",
    [PARSE_REVERSED] = "reversed",
    [PARSE_MIXED] = "mixed",
};

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s\n", what);
    exit(1);
}

static uint32_t below(uint64_t *seed, uint32_t bound)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (uint32_t)((*seed >> 32) * bound >> 32);
}

/* write_own writes an event of a kind that trove-blast has not, under a built event's id and time.
 */
static uint32_t write_own(enum parse_kind kind, char *text, uint64_t *seed)
{
    static const char *const formats[PARSE_KINDS] = {
        [PARSE_DATA] = ",\"user\":\"u-%u\",\"type\":\"purchase\",\"item\":\"i-%u\",\"data\":{"
                       "\"price\":%u.%02u,\"quantity\":%u,\"currency\":\"EUR\",\"gift\":false,"
                       "\"coupon\":null,\"tags\":[\"new\",\"red\",\"cotton\"],\"at\":{\"lat\":"
                       "48.2%u,\"lon\":16.3%u}}}",
        [PARSE_NAMES] = ",\"user\":\"J\xc3\xbcrgen M\xc3\xbcller-%u\",\"type\":\"view\",\"item\":"
                        "\"\xe6\x9d\xb1\xe4\xba\xac-%u\",\"data\":{\"note\":\"gr\xc3\xbc\xc3\x9f "
                        "\xf0\x9f\x98\x80 %u.%02u\"}}",
        [PARSE_ESCAPE] = ",\"user\":\"J\\u00fcrgen-%u\",\"type\":\"view\",\"item\":\"a\\/b-%u\","
                         "\"data\":{\"note\":\"say \\\"hi\\\"\\n\\ud83d\\ude00 %u.%02u\"}}",
    };
    char head[TEXT_BYTES];
    snprintf(head, sizeof head, "{%.*s,%.*s", 43, text + 1, 20, text + TIME_AT - 7);
    int len = (int)strlen(head);
    memcpy(text, head, (size_t)len);
    uint32_t user = 1 + below(seed, 100000), item = 1 + below(seed, 10000);
    /* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral): the formats above, all of the same kind
     */
    len += snprintf(text + len, (size_t)(TEXT_BYTES - len), formats[kind], user, item,
                    below(seed, 1000), below(seed, 100), 1 + below(seed, 12), below(seed, 100000),
                    below(seed, 100000));
    return (uint32_t)len;
}

struct member {
    const char *text;
    size_t len;
};

/* split finds the members of a text that holds no white space; returns their count. */
static uint32_t split(const char *text, uint32_t len, struct member members[MEMBERS_MAX])
{
    uint32_t count = 0, depth = 0, from = 1;
    bool inside = false;
    for (uint32_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\\')
            i++;
        else if (c == '"')
            inside = !inside;
        else if (!inside && (c == '{' || c == '['))
            depth++;
        if (inside || (c != ',' && c != '}' && c != ']'))
            continue;
        depth -= c != ',';
        if (depth == (c == ',') && (c == ',' || c == '}')) {
            need(count < MEMBERS_MAX, "an event has too many members");
            members[count++] = (struct member){text + from, i - from};
            from = i + 1;
        }
    }
    return count;
}

static uint32_t join(const struct member *members, uint32_t count, bool spaced, uint8_t *out)
{
    uint8_t *at = out;
    for (uint32_t i = 0; i < count; i++) {
        *at++ = i ? ',' : '{';
        if (spaced && i)
            *at++ = ' ';
        const char *colon = memchr(members[i].text, ':', members[i].len);
        size_t key = (size_t)(colon + 1 - members[i].text);
        memcpy(at, members[i].text, key);
        at += key;
        if (spaced)
            *at++ = ' ';
        memcpy(at, colon + 1, members[i].len - key);
        at += members[i].len - key;
    }
    *at++ = '}';
    return (uint32_t)(at - out);
}

static void shuffle(struct member *members, uint32_t count, uint64_t *seed)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = below(seed, i);
        struct member member = members[i - 1];
        members[i - 1] = members[other];
        members[other] = member;
    }
}

static void reverse(struct member *members, uint32_t count)
{
    for (uint32_t i = 0; i < count / 2; i++) {
        struct member member = members[i];
        members[i] = members[count - 1 - i];
        members[count - 1 - i] = member;
    }
}

static uint32_t write_text(enum parse_kind kind, enum parse_order order, char *built, uint32_t len,
                           uint64_t *seed, uint8_t *out)
{
    struct member members[MEMBERS_MAX];
    if (kind == PARSE_DATA || kind == PARSE_NAMES || kind == PARSE_ESCAPE)
        len = write_own(kind, built, seed);
    uint32_t count = split(built, len, members);
    if (order == PARSE_MIXED)
        shuffle(members, count, seed);
    else if (order == PARSE_REVERSED)
        reverse(members, count);
    return join(members, count, kind == PARSE_SPACED, out);
}

static void make_profile(struct blast_profile *profile, enum parse_kind kind)
{
    blast_profile_init(profile);
    need(!blast_profile_types(profile, "view:80,purchase:20"), "types");
    if (kind != PARSE_HUNT)
        return;
    need(!blast_profile_hunt(profile, "spring-26"), "hunt");
    profile->event_bytes = 64;
}

void parse_events_make(struct parse_events *events, enum parse_kind kind, enum parse_order order)
{
    static struct blast_builder builder;
    static char built[BLAST_DATAGRAM_MAX + BLAST_SLACK];
    struct blast_profile profile;
    struct blast_pacer pacer = {0};
    char fault[256];
    uint64_t seed = 0x9e3779b97f4a7c15, due_ns;
    size_t used = 0;
    make_profile(&profile, kind);
    need(!blast_pacer_parse(&pacer, "1M") && !blast_pacer_limit(&pacer, PARSE_EVENTS, 0), "pacer");
    need(!blast_builder_init(&builder, &profile, &pacer, fault, sizeof fault), fault);
    builder.source.start_real_ns = START_NS;
    events->memory = aligned_alloc(64, (size_t)PARSE_EVENTS * 2 * TEXT_BYTES);
    events->bytes = 0;
    need(events->memory, "not enough memory");
    for (uint32_t i = 0; i < PARSE_EVENTS; i++) {
        need(builder.source.due(&builder.source, &due_ns), "trove-blast's plan is over");
        uint32_t len = builder.source.build(&builder.source, due_ns, (uint8_t *)built);
        builder.source.settle(&builder.source, 1);
        struct parse_text *text = &events->texts[i];
        text->bytes = events->memory + used;
        text->len = write_text(kind, order, built, len, &seed, events->memory + used);
        need(text->len <= TEXT_BYTES, "an event is too long");
        memset(events->memory + used + text->len, 0, PARSE_PADDING);
        events->bytes += text->len;
        used += (text->len + PARSE_PADDING + 63) & ~(size_t)63;
    }
    blast_builder_fini(&builder);
}
