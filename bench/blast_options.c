/* blast_options.c - the table of options. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "bench/blast_http.h"
#include "bench/blast_options.h"
#include "bench/blast_source.h"
#include "bench/blast_value.h"

#define HELP_COLUMNS 72

enum option_kind { COUNT, DURATION, SHARE, TEXT, FLAG, CUSTOM };

static int set_rate(struct blast_options *options, const char *text)
{
    if (strcmp(text, "max") == 0) {
        options->pacer.stage_count = 0;
        return 0;
    }
    return blast_pacer_parse(&options->pacer, text);
}

static int set_types(struct blast_options *options, const char *text)
{
    return blast_profile_types(&options->profile, text);
}

static int set_hunt(struct blast_options *options, const char *text)
{
    return blast_profile_hunt(&options->profile, text);
}

static int set_skew(struct blast_options *options, const char *text)
{
    return blast_profile_shifted(text, &options->profile.skew, &options->profile.skew_ns);
}

static int set_late(struct blast_options *options, const char *text)
{
    return blast_profile_shifted(text, &options->profile.late, &options->profile.late_ns);
}

static int set_decimal(const char *text, double max, double *value)
{
    const char *end;
    return blast_value_decimal(text, value, &end) < 0 || *end || *value > max ? -EINVAL : 0;
}

static int set_zipf(struct blast_options *options, const char *text)
{
    return set_decimal(text, 4, &options->profile.zipf);
}

static int set_pace(struct blast_options *options, const char *text)
{
    return set_decimal(text, 1000, &options->pace);
}

static int set_source_addr(struct blast_options *options, const char *text)
{
    options->has_source_addr = true;
    return inet_pton(AF_INET, text, options->source_addr) == 1 ? 0 : -EINVAL;
}

static int set_ack(struct blast_options *options, const char *text)
{
    options->ack = text;
    return strcmp(text, "accepted") == 0 || strcmp(text, "durable") == 0 ? 0 : -EINVAL;
}

static int set_target_mac(struct blast_options *options, const char *text)
{
    options->has_target_mac = true;
    return blast_value_mac(text, options->target_mac);
}

static const struct option {
    const char *name;
    const char *value; /* as help shows it; NULL for a flag */
    enum option_kind kind;
    size_t field;
    uint64_t min;
    uint64_t max;
    int (*set)(struct blast_options *options, const char *text);
    const char *help;
} table[] = {
#define AT(field)        offsetof(struct blast_options, field)
#define PROFILE(field)   offsetof(struct blast_options, profile.field)
#define SET(name)        .kind = CUSTOM, .set = set_##name
#define RANGE(low, high) .min = (low), .max = (high)
    {"--events", "N", COUNT, AT(events), RANGE(1, 1000000000000), .help = "end after N events"},
    {"--duration", "T", DURATION, AT(duration_ns), RANGE(1000000, UINT64_MAX),
     .help = "end after T (30s, 5m); a ramp that is shorter holds its last rate"},
    {"--rate", "R", SET(rate),
     .help = "events per second: 240k, or a ramp 2k..240k/30s, or several stages separated by "
             "commas; max, or without it, as fast as possible"},
    {"--users", "N", COUNT, PROFILE(users), RANGE(1, 4000000000), .help = "users (100k)"},
    {"--items", "N", COUNT, PROFILE(items), RANGE(1, BLAST_ITEMS_MAX), .help = "items (10k)"},
    {"--catalog", "FILE", TEXT, PROFILE(catalog),
     .help = "items from a catalog: from<TAB>to<TAB>weight"},
    {"--zipf", "S", SET(zipf), .help = "exponent of the items' popularity (1; 0 is uniform)"},
    {"--hunt", "NAME[:SHARE]", SET(hunt),
     .help = "hunt that a share of the events names (100%); may be given several times"},
    {"--types", "LIST", SET(types), .help = "event types and weights: view:90,purchase:10 (view)"},
    {"--duplicates", "SHARE", SHARE, PROFILE(duplicates),
     .help = "events that repeat one of the last 10,000 (0%)"},
    {"--malformed", "SHARE", SHARE, PROFILE(malformed),
     .help = "events that break a rule, all kinds in turn (0%)"},
    {"--skew", "SHARE:T", SET(skew), .help = "events whose client's clock is ahead by T"},
    {"--late", "SHARE:T", SET(late), .help = "events whose time is T ago"},
    {"--per-datagram", "N", COUNT, PROFILE(per_datagram), RANGE(1, BLAST_PER_DATAGRAM_MAX),
     .help = "events in a datagram, separated by newlines (1)"},
    {"--size", "BYTES", COUNT, PROFILE(event_bytes), RANGE(64, BLAST_DATAGRAM_MAX),
     .help = "an event is padded to this (170)"},
    {"--max-datagram", "BYTES", COUNT, PROFILE(datagram_bytes), RANGE(64, BLAST_DATAGRAM_MAX),
     .help = "what the receiver takes (1400)"},
    {"--seed", "N", COUNT, PROFILE(seed), RANGE(0, UINT64_MAX),
     .help = "everything but the time follows from it, ids included (1)"},
    {"--run-id", "TEXT", TEXT, PROFILE(run_id),
     .help = "other ids for the same seed: else a second run is all duplicates"},
    {"--replay", "FILE", TEXT, AT(replay),
     .help = "send an event stream (OFFSET_MS<TAB>EVENT) instead of a profile"},
    {"--pace", "X", SET(pace),
     .help = "replay: real time for the stream's time (1; 0.1 is ten times "
             "as fast)"},
    {"--connections", "N", COUNT, AT(connections), RANGE(1, BLAST_TCP_CONNS_MAX),
     .help = "http: keep-alive connections (64)"},
    {"--pipeline", "N", COUNT, AT(pipeline), RANGE(1, BLAST_PIPELINE_MAX),
     .help = "http: requests not answered yet that a connection may have (1)"},
    {"--batch", "N", COUNT, AT(batch), RANGE(1, BLAST_BATCH_MAX),
     .help = "http: events in a request, as NDJSON when more than 1 (1); --rate counts events"},
    {"--ack", "LEVEL", SET(ack),
     .help = "http: accepted or durable, as Trove-Ack (what the listener does by default)"},
    {"--answer", NULL, FLAG, AT(answer),
     .help = "http: be the server at TARGET: 202 to everything, to see what generator and link can "
             "do"},
    {"--core", "N", COUNT, AT(core), RANGE(0, 1023), .help = "run on this core"},
    {"--nap", "T", DURATION, AT(nap_ns), RANGE(0, 10000000),
     .help = "real-time priority, asleep for T between looks at the plan: others can use its core, "
             "for up to T of lag (0s: spin)"},
    {"--vdev", "DEVICE", TEXT, AT(vdev),
     .help = "dpdk, http: the port, such as net_virtio_user0,path=/run/x.sock"},
    {"--source-ip", "ADDR", SET(source_addr), .help = "dpdk, http: our own address"},
    {"--source-port", "PORT", COUNT, AT(source_port), RANGE(1, 65535),
     .help = "dpdk: (40000); http: of the first connection"},
    {"--target-mac", "MAC", SET(target_mac), .help = "dpdk, http: do not ask for it by ARP"},
    {"--patience", "T", DURATION, AT(patience_ns), RANGE(0, 1000000000),
     .help = "dpdk: how long a full queue may hold up a burst before it counts as unsent (1ms)"},
    {"--stamp", NULL, FLAG, AT(stamp),
     .help = "dpdk: 8 bytes behind the IP packet: planned send time, ns since 1970, big-endian"},
    {"--file-prefix", "NAME", TEXT, AT(file_prefix), .help = "dpdk, http: of its runtime files"},
    {"--huge", NULL, FLAG, AT(huge), .help = "dpdk, http: insist on huge pages"},
    {"--no-huge", NULL, FLAG, AT(no_huge),
     .help = "dpdk, http: ordinary pages (taken anyway when no huge ones are free)"},
    {"--hgrm", "FILE", TEXT, AT(hgrm),
     .help = "HdrHistogram's percentiles, us: of the lag behind the plan, or http: of the answers"},
    {"--hlog", "FILE", TEXT, AT(hlog),
     .help = "the same second by second, ns, as HdrHistogram's interval log"},
    {"--help", NULL, FLAG, AT(help), .help = "show this"},
    {"--version", NULL, FLAG, AT(version), .help = "show the version"},
#undef AT
#undef PROFILE
#undef SET
#undef RANGE
};

#define TABLE_COUNT (sizeof table / sizeof table[0])

/* Help beside its option, in lines of HELP_COLUMNS. */
static void put_wrapped(FILE *out, const char *help)
{
    while (strlen(help) > HELP_COLUMNS) {
        const char *stop = memrchr(help, ' ', HELP_COLUMNS);
        fprintf(out, "%.*s\n  %-24s", (int)(stop - help), help, "");
        help = stop + 1;
    }
    fprintf(out, "%s\n", help);
}

void blast_options_help(FILE *out)
{
    fputs("usage: trove-blast [options] TARGET\n\n"
          "Sends events at a planned rate, open-loop, and prints what it sent as one JSON object.\n"
          "TARGET is udp://ADDR:PORT (IPv6 in brackets), dpdk://ADDR:PORT or http://ADDR:PORT/PATH "
          "with\n--vdev, or null:\n\n",
          out);
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s %s", table[i].name, table[i].value ? table[i].value : "");
        fprintf(out, "  %-24s", name);
        put_wrapped(out, table[i].help);
    }
}

static int set_value(const struct option *option, struct blast_options *options, const char *text)
{
    void *field = (char *)options + option->field;
    uint64_t number;
    switch (option->kind) {
    case FLAG:
        *(bool *)field = true;
        return 0;
    case TEXT:
        *(const char **)field = text;
        return *text ? 0 : -EINVAL;
    case SHARE:
        return blast_value_share(text, field);
    case CUSTOM:
        return option->set(options, text);
    case COUNT:
    case DURATION:
        break;
    }
    int rc = option->kind == COUNT ? blast_value_count(text, &number)
                                   : blast_value_duration(text, &number);
    if (rc < 0 || number < option->min || number > option->max)
        return -EINVAL;
    *(uint64_t *)field = number;
    return 0;
}

static const struct option *find(const char *name)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

static void init(struct blast_options *options)
{
    *options = (struct blast_options){
        .pace = 1,
        .connections = 64,
        .pipeline = 1,
        .batch = 1,
        .core = BLAST_CORE_ANY,
        .source_port = 40000,
        .patience_ns = 1000000,
    };
    blast_profile_init(&options->profile);
}

/* What requests and connections need. */
static const char *check_http(const struct blast_options *options)
{
    const struct blast_profile *profile = &options->profile;
    if (options->target.kind != BLAST_TARGET_HTTP)
        return options->answer ? "--answer needs an http:// target: the address to answer at"
                               : NULL;
    if (profile->per_datagram > 1)
        return "http:// sends requests: --batch instead of --per-datagram";
    if (options->stamp)
        return "--stamp is for datagrams: leave it out with http://";
    if (options->batch * (profile->datagram_bytes + 1) > BLAST_REQUEST_BODY_MAX)
        return "--batch of events of up to --max-datagram bytes is over 16 MiB";
    if (options->source_port + options->connections > UINT16_MAX + 1)
        return "--connections from --source-port on go beyond port 65535";
    return NULL;
}

/* What single values cannot know. */
static const char *check(const struct blast_options *options)
{
    const struct blast_profile *profile = &options->profile;
    bool http = options->target.kind == BLAST_TARGET_HTTP;
    bool dpdk = options->target.kind == BLAST_TARGET_DPDK || http;
    if (profile->duplicates + profile->malformed > 1ull << 32)
        return "--duplicates and --malformed together are over 100%";
    if (profile->skew + profile->late > 1ull << 32)
        return "--skew and --late together are over 100%";
    if (options->replay && profile->per_datagram > 1)
        return "--replay sends one event a datagram: leave --per-datagram out";
    if (options->huge && options->no_huge)
        return "--huge and --no-huge exclude each other";
    if (options->stamp && !dpdk)
        return "--stamp needs a dpdk:// target: the kernel sends nothing behind an IP packet";
    if (dpdk && options->target.family != 4)
        return "dpdk:// and http:// take an IPv4 address; send IPv6 with udp://";
    if (dpdk && !options->vdev)
        return "dpdk:// and http:// need --vdev, such as --vdev net_virtio_user0,path=/run/x.sock";
    if (dpdk && !options->has_source_addr && !options->answer)
        return "dpdk:// and http:// need --source-ip: an address of the target's network that "
               "nobody "
               "has";
    return check_http(options);
}

int blast_options_parse(struct blast_options *options, int argc, char **argv, char *fault,
                        size_t room)
{
    const char *target = NULL;
    init(options);
    for (int i = 1; i < argc; i++) {
        const char *text = "";
        if (argv[i][0] != '-') {
            if (target) {
                snprintf(fault, room, "two targets: %s and %s", target, argv[i]);
                return -EINVAL;
            }
            target = argv[i];
            continue;
        }
        const struct option *option = find(argv[i]);
        if (!option) {
            snprintf(fault, room, "unknown option %s; see trove-blast --help", argv[i]);
            return -EINVAL;
        }
        if (option->value && !(text = argv[++i])) {
            snprintf(fault, room, "%s needs a value: %s", option->name, option->help);
            return -EINVAL;
        }
        if (set_value(option, options, text) < 0) {
            snprintf(fault, room, "%s %s is not valid: it takes %s, %s", option->name, text,
                     option->value, option->help);
            return -EINVAL;
        }
    }
    if (options->help || options->version)
        return 0;
    if (!target || blast_target_parse(&options->target, target) < 0) {
        snprintf(fault, room,
                 "%s%s: write udp://192.0.2.7:7001, udp://[2001:db8::7]:7001, "
                 "dpdk://192.0.2.7:7001, http://192.0.2.7:8080/v1/events or null:",
                 target ? "not a target: " : "no target", target ? target : "");
        return -EINVAL;
    }
    const char *why = check(options);
    if (why)
        snprintf(fault, room, "%s", why);
    return why ? -EINVAL : 0;
}
