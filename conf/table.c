/* table.c - every key of the configuration, one row each. */
#include "conf/table.h"

#include <assert.h>
#include <string.h>

#include "conf/check.h"
#include "conf/table_row.h"
#include "dataplane/base/block.h"
#include "dataplane/base/event.h"

static const char *const auto_words[] = {
    [CONF_OFF] = "off", [CONF_ON] = "on", [CONF_AUTO] = "auto", NULL};
static const char *const policy_words[] = {
    [CONF_REFUSE] = "refuse", [CONF_SHORTEN] = "shorten", NULL};
static const char *const sink_full_words[] = {
    [CONF_SINK_HOLD] = "hold", [CONF_SINK_DROP] = "drop", NULL};
static const char *const timestamp_words[] = {
    [CONF_TIMESTAMP_NONE] = "none", [CONF_TIMESTAMP_TRAILER] = "trailer", NULL};
static const char *const idle_words[] = {
    [CONF_IDLE_POLL] = "poll", [CONF_IDLE_PAUSE] = "pause", [CONF_IDLE_SLEEP] = "sleep", NULL};
static const char *const io_words[] = {
    [CONF_IO_AUTO] = "auto", [CONF_IO_URING] = "io_uring", [CONF_IO_SYNC] = "sync", NULL};
static const char *const kind_words[] = {
    [CONF_TRAIL] = "trail", [CONF_BASKET] = "basket", [CONF_TILES] = "tiles", NULL};
static const char *const member_words[] = {[CONF_MEMBER_STRING] = "string",
                                           [CONF_MEMBER_NUMBER] = "number",
                                           [CONF_MEMBER_INTEGER] = "integer",
                                           [CONF_MEMBER_BOOLEAN] = "boolean",
                                           [CONF_MEMBER_OBJECT] = "object",
                                           [CONF_MEMBER_ARRAY] = "array",
                                           NULL};

/* KEY_BOOLS fills bools that lie one behind the other, in the order of the words. */
static const char *const field_words[] = {"item", "tile", NULL};
static const char *const role_words[] = {"rx", "shard", NULL};
static_assert(offsetof(struct conf_type, require_tile) ==
                      offsetof(struct conf_type, require_item) + 1 &&
                  offsetof(struct conf_type, forbid_tile) ==
                      offsetof(struct conf_type, forbid_item) + 1 &&
                  offsetof(struct conf_lcore, shard) == offsetof(struct conf_lcore, rx) + 1,
              "bools of a KEY_BOOLS row");

static const struct key port_keys[] = {
    {"name", KEY_NAME, KEY_REQUIRED, AT(struct conf_port, name), .max = CONF_NAME_MAX,
     .help = "what messages and counters call the port"},
    {"device", KEY_DEVICE, KEY_REQUIRED, AT(struct conf_port, device),
     .help = "the NIC, or a DPDK device made for the purpose; quote it inside { }, where a comma "
             "ends a value"},
    {"rx_queues", KEY_NUMBER, 0, AT(struct conf_port, rx_queues), .max = 64, .fallback = "0",
     .help = "receive queues; 0 for one per rx part of the port"},
    {"rx_descriptors", KEY_NUMBER, 0, AT(struct conf_port, rx_descriptors), .min = 64, .max = 32768,
     .fallback = "2048", .help = "packets that a receive queue holds while its core is busy"},
    {"address", KEY_ADDRESSES, KEY_REQUIRED, AT(struct conf_port, addrs),
     COUNT_AT(struct conf_port, addr_count), .min = 1, .max = CONF_ADDRS_MAX,
     .help = "where clients send: one address or a list"},
    {"mac", KEY_MAC, 0, AT(struct conf_port, mac), .absent = "the port's own",
     .help = "the Ethernet address to answer with"},
    {"timestamp", KEY_CHOICE, 0, AT(struct conf_port, timestamp), .fallback = "none",
     .words = timestamp_words,
     .help = "trailer: the last 8 bytes of a frame are its time on the wire, in nanoseconds since "
             "1970, big-endian, as taps add them"},
    {0},
};

static const struct key_set port_set = {.noun = "port",
                                        .keys = port_keys,
                                        .id = &port_keys[0],
                                        .bytes = sizeof(struct conf_port),
                                        .place_offset = offsetof(struct conf_port, place)};

static const struct key udp_keys[] = {
    {"port", KEY_NUMBER, 0, AT(struct conf, udp.port), .min = 1, .max = 65535, .fallback = "7001",
     .help = "the UDP port that takes events, on every address"},
    {"max_datagram", KEY_NUMBER, 0, AT(struct conf, udp.max_datagram), .min = 64, .max = 9000,
     .fallback = "1400", .help = "bytes of UDP payload; a longer datagram is dropped and counted"},
    {0},
};

static const struct key_set udp_set = {.noun = "listen.udp", .keys = udp_keys};

static const struct key listen_keys[] = {
    {"udp", KEY_SECTION, .set = &udp_set, .help = "events over UDP"},
    {"http", KEY_SECTION, .set = &table_http, .help = "events over HTTP"},
    {0},
};

static const struct key_set listen_set = {.noun = "listen", .keys = listen_keys};

static const struct key management_keys[] = {
    {"socket", KEY_PATH, 0, AT(struct conf, management.socket), .fallback = "/run/trove/ctl.sock",
     .help = "the Unix socket that trovectl talks to; relative to data_dir"},
    {"http", KEY_TEXT, 0, AT(struct conf, management.http), .max = CONF_NAME_MAX,
     .fallback = "none",
     .help = "an address and a port, such as 127.0.0.1:9470 or [::1]:9470, for /metrics, /healthz, "
             "/readyz and what else changes nothing; anybody who reaches it may read; none: off"},
    {0},
};

static const struct key_set management_set = {.noun = "management", .keys = management_keys};

static const struct key dedupe_keys[] = {
    {"window", KEY_TIME, 0, AT(struct conf, events.dedupe_window_ns), .min = SECOND, .max = 7 * DAY,
     .fallback = "15m",
     .help = "how long an event's id is remembered, by receive time; never less than lateness"},
    {"capacity", KEY_NUMBER, 0, AT(struct conf, events.dedupe_capacity), .min = 1000,
     .max = 4000000000, .fallback = "4_000_000",
     .help = "ids remembered: events per second times the window; at most 20 bytes each, taken at "
             "start"},
    {"policy", KEY_CHOICE, KEY_HOT, AT(struct conf, events.dedupe_policy), .fallback = "refuse",
     .words = policy_words,
     .help = "at capacity, refuse: events find no room until ids expire; shorten: the oldest ids "
             "leave before the window's end, and are counted"},
    {0},
};

static const struct key_set dedupe_set = {.noun = "events.dedupe", .keys = dedupe_keys};

#define MEMBER(member) AT(struct conf_member, member)

static const struct key member_name_key = {
    "name", KEY_NAME, KEY_HOT, MEMBER(name), .max = CONF_NAME_MAX, .help = "the member's name"};

static const struct key member_keys[] = {
    {"type", KEY_CHOICE, KEY_HOT | KEY_REQUIRED, MEMBER(type), .words = member_words,
     .help = "the JSON type of its value; an integer is a number that is whole, however written"},
    {"required", KEY_BOOL, KEY_HOT, MEMBER(required), .fallback = "false",
     .help = "data must have it"},
    {"min", KEY_DECIMAL, KEY_HOT, MEMBER(min), .absent = "no limit",
     .help = "the least number; compared digit by digit, never rounded"},
    {"max", KEY_DECIMAL, KEY_HOT, MEMBER(max), .absent = "no limit", .help = "the greatest number"},
    {"min_length", KEY_NUMBER, KEY_HOT, MEMBER(min_length), .max = EVENT_BYTES_MAX, .fallback = "0",
     .help = "of a string: the fewest bytes of UTF-8, escapes decoded"},
    {"max_length", KEY_NUMBER, KEY_HOT, MEMBER(max_length), .max = EVENT_BYTES_MAX,
     .fallback = "65535", .help = "of a string: the most bytes"},
    {"enum", KEY_ITEMS, KEY_HOT, LIST_AT(struct conf_member, value), .min = 1,
     .max = CONF_VALUES_MAX, .absent = "any value",
     .help = "the strings or numbers that the value may be; quote strings that look like numbers"},
    {"pattern", KEY_TEXT, KEY_HOT, MEMBER(pattern), .absent = "any text",
     .help = "what the whole string must look like: * is any text, ? one character, [a-z0] one of "
             "these, [!a-z] none of them, all else itself"},
    {0},
};

static const struct key_set member_set = {.noun = "declared member of data",
                                          .keys = member_keys,
                                          .id = &member_name_key,
                                          .bytes = sizeof(struct conf_member),
                                          .place_offset = offsetof(struct conf_member, place),
                                          .check = check_member};

static const struct key type_name_key = {"name",
                                         KEY_NAME,
                                         KEY_HOT | KEY_VERSIONED,
                                         AT(struct conf_type, name),
                                         .max = EVENT_TYPE_MAX,
                                         .help = "the event type"};

static const struct key type_keys[] = {
    {"require", KEY_BOOLS, KEY_HOT, AT(struct conf_type, require_item), .max = 2,
     .words = field_words, .absent = "none", .help = "what an event of the type must have"},
    {"forbid", KEY_BOOLS, KEY_HOT, AT(struct conf_type, forbid_item), .max = 2,
     .words = field_words, .absent = "none", .help = "what an event of the type must not have"},
    {"strict", KEY_BOOL, KEY_HOT, AT(struct conf_type, strict), .fallback = "false",
     .help = "reject events with keys that are not an event's own"},
    {"data", KEY_MAP, KEY_HOT, AT(struct conf_type, members),
     COUNT_AT(struct conf_type, member_count), .max = CONF_MEMBERS_MAX, .set = &member_set,
     .help = "what the members of an event's data have to be, such as "
             "price: { type: number, min: 0 }; data must then be an object, where there is any"},
    {"strict_data", KEY_BOOL, KEY_HOT, AT(struct conf_type, strict_data), .fallback = "false",
     .help = "reject events whose data has members that are not declared"},
    {0},
};

static const struct key_set type_set = {.noun = "event type",
                                        .keys = type_keys,
                                        .id = &type_name_key,
                                        .bytes = sizeof(struct conf_type),
                                        .place_offset = offsetof(struct conf_type, place),
                                        .check = check_type};

static const struct key event_keys[] = {
    {"dedupe", KEY_SECTION, .set = &dedupe_set, .help = "duplicates of a user's event"},
    {"skew_tolerance", KEY_TIME, KEY_HOT, AT(struct conf, events.skew_tolerance_ns), .max = HOUR,
     .fallback = "5s",
     .help = "a client time further ahead than this is set to the receive time, and flagged"},
    {"skew_reject", KEY_TIME, KEY_HOT, AT(struct conf, events.skew_reject_ns), .min = SECOND,
     .max = 365 * DAY, .fallback = "24h",
     .help = "an event whose client time is further ahead than this is rejected as future"},
    {"lateness", KEY_TIME, KEY_HOT, AT(struct conf, events.lateness_ns), .max = 7 * DAY,
     .fallback = "15m",
     .help = "an event whose client time is older than this is kept, flagged late, and wins "
             "nothing"},
    {"types", KEY_MAP, KEY_HOT | KEY_REQUIRED, AT(struct conf, events.types),
     COUNT_AT(struct conf, events.type_count), .min = 1, .max = CONF_TYPES_MAX, .set = &type_set,
     .help = "the event types that are accepted, by name: at least one, such as "
             "view: { require: [item] }"},
    {0},
};

static const struct key_set event_set = {
    .noun = "events", .keys = event_keys, .check = check_events};

static const struct key limit_keys[] = {
    {"event_bytes", KEY_NUMBER, KEY_HOT, AT(struct conf, limits.event_bytes), .min = 64,
     .max = EVENT_BYTES_MAX, .fallback = "1400", .help = "bytes of one event"},
    {"event_depth", KEY_NUMBER, KEY_HOT, AT(struct conf, limits.event_depth), .min = 1, .max = 64,
     .fallback = "32", .help = "nested objects and arrays in one event, the event itself being 1"},
    {"users", KEY_NUMBER, 0, AT(struct conf, limits.users), .min = 1000, .max = 1000000000,
     .fallback = "1_000_000",
     .help = "users with progress in a hunt, summed over hunts; memory for them is taken at start"},
    {"user_ttl", KEY_TIME, KEY_HOT, AT(struct conf, limits.user_ttl_ns), .min = SECOND,
     .max = 365 * DAY, .fallback = "6h",
     .help = "progress that has not moved for this long is forgotten"},
    {"items", KEY_NUMBER, 0, AT(struct conf, limits.items), .min = 1000, .max = 100000000,
     .fallback = "1_000_000",
     .help = "different items over all catalogs, those of replaced ones included"},
    {"claims", KEY_NUMBER, 0, AT(struct conf, limits.claims), .min = 1000, .max = 1000000000,
     .fallback = "1_000_000",
     .help = "tiles given away and remembered, over all maps: grants per second times map_ttl; at "
             "most 40 bytes each, taken at start"},
    {"corrections", KEY_NUMBER, 0, AT(struct conf, limits.corrections), .min = 1000,
     .max = 10000000, .fallback = "65_536",
     .help = "corrections, over the life of the data directory: each is kept for ever, to be known "
             "again and undone; about 400 bytes each, taken at start"},
    {"ranked", KEY_NUMBER, 0, AT(struct conf, limits.ranked), .min = 100, .max = 10000000,
     .fallback = "100_000", .help = "users on leaderboards, summed over hunts"},
    {0},
};

static const struct key_set limit_set = {.noun = "limits", .keys = limit_keys};

static const struct key journal_keys[] = {
    {"segment_size", KEY_SIZE, 0, AT(struct conf, journal.segment_bytes), .min = MIB,
     .max = 64 * GIB, .fallback = "256MiB", .help = "bytes of a journal file before the next"},
    {"group_commit", KEY_TIME, 0, AT(struct conf, journal.group_commit_ns), .max = SECOND,
     .fallback = "200us", .help = "the longest that a record waits to be written with others"},
    {"buffer", KEY_SIZE, 0, AT(struct conf, journal.buffer_blocks), .min = 8ull * BLOCK_BYTES,
     .max = 16 * GIB, .scale = BLOCK_BYTES, .fallback = "64MiB",
     .help = "what a shard may have decided and not yet durable; behind it ingest waits"},
    {"compress_after", KEY_TIME, 0, AT(struct conf, journal.compress_after_ns), .min = SECOND,
     .max = 365 * DAY, .absent = "never",
     .help = "a segment that nothing was written to for this long is compressed; all that reads "
             "journals reads it as before"},
    {"io", KEY_CHOICE, 0, AT(struct conf, journal.io), .fallback = "auto", .words = io_words,
     .help =
         "how groups are written: io_uring, one submission each; sync, pwritev2 and fdatasync; "
         "auto, sync, unless a start that tries both for up to 100 ms finds io_uring to be faster "
         "by a twentieth"},
    {"ahead", KEY_NUMBER, 0, AT(struct conf, journal.ahead), .min = 1, .max = 1024, .fallback = "1",
     .help =
         "segments of each shard that are made ahead of need, at leisure; while they last, a "
         "surge has the disk for itself and need not wait for the next to be filled with zeros"},
    {"reserve", KEY_NUMBER, 0, AT(struct conf, journal.reserve), .max = 64, .fallback = "1",
     .help = "segments of each shard that are kept back, so that what was decided can be written "
             "down when the disk is full; as many more as journal.buffer needs"},
    {"checkpoint", KEY_TIME, 0, AT(struct conf, journal.checkpoint_ns), .max = DAY,
     .fallback = "30s",
     .help = "from one checkpoint of the state to the next, while anything is recorded; a start "
             "reads the newest and the journal behind it; 0s for none, then the whole journal"},
    {"retain", KEY_TIME, KEY_HOT, AT(struct conf, journal.retain_ns), .max = 3650 * DAY,
     .fallback = "0s",
     .help = "how long records are kept; whole segments go, once they are older, a checkpoint has "
             "what was in them and every sink has read them; 0s: for ever"},
    {"retain_bytes", KEY_SIZE, KEY_HOT, AT(struct conf, journal.retain_bytes),
     .max = 1024ull * 1024 * GIB, .fallback = "0B",
     .help = "how much is kept, in the same way, however young it is; 0B: all of it"},
    {"min_free_disk", KEY_SIZE, KEY_HOT, AT(struct conf, journal.min_free_bytes),
     .max = 1024ull * 1024 * GIB, .fallback = "0B",
     .help = "free bytes of data_dir's disk below which the oldest go, in the same way; 0B: none"},
    {0},
};

static const struct key overload_keys[] = {
    {"sink_full", KEY_CHOICE, KEY_HOT, AT(struct conf, overload.sink_full), .fallback = "hold",
     .words = sink_full_words,
     .help = "what journal.retain does with records that a sink has not read: hold keeps them, "
             "however long; drop removes them, and says which sink will not get them"},
    {0},
};

static const struct key_set overload_set = {.noun = "overload", .keys = overload_keys};

static const struct key_set journal_set = {.noun = "journal", .keys = journal_keys};

static const struct key memory_keys[] = {
    {"huge_pages", KEY_CHOICE, 0, AT(struct conf, memory.huge_pages), .fallback = "auto",
     .words = auto_words,
     .help = "on: refuse to start without; off: never; auto: where the host has them reserved"},
    {"mbufs", KEY_NUMBER, 0, AT(struct conf, memory.mbufs), .max = 16777216, .fallback = "0",
     .help = "packet buffers; 0 to work it out from queues and rings"},
    {0},
};

static const struct key_set memory_set = {.noun = "memory", .keys = memory_keys};

static const struct key lcore_keys[] = {
    {"core", KEY_NUMBER, KEY_REQUIRED, AT(struct conf_lcore, core), .max = 1023,
     .help = "the CPU's number, as lscpu counts"},
    {"run", KEY_BOOLS, KEY_REQUIRED, AT(struct conf_lcore, rx), .min = 1, .max = 2,
     .words = role_words, .help = "the parts that take turns on it"},
    {0},
};

static const struct key_set lcore_set = {.noun = "lcore",
                                         .keys = lcore_keys,
                                         .id = &lcore_keys[0],
                                         .bytes = sizeof(struct conf_lcore),
                                         .place_offset = offsetof(struct conf_lcore, place)};

#define HUNT(member) AT(struct conf_hunt, member)

static const struct key hunt_keys[] = {
    {"name", KEY_NAME, KEY_HOT | KEY_REQUIRED, HUNT(name), .max = CONF_NAME_MAX,
     .help = "what events and outcomes call the hunt; users' progress belongs to the name"},
    {"template", KEY_NAME, KEY_HOT, HUNT(from_template), .max = CONF_NAME_MAX, .absent = "none",
     .help = "the template whose keys are the hunt's, but for those that it gives itself"},
    {"kind", KEY_CHOICE, KEY_HOT | KEY_REQUIRED, HUNT(kind), .words = kind_words,
     .help = "trail: reach a treasure step by step; basket: see items that belong together; tiles: "
             "be the first to claim a tile of a map"},
    {"types", KEY_TYPES, KEY_HOT, HUNT(types), .min = 1, .max = CONF_TYPES_MAX,
     .absent = "all of them", .help = "the event types that the hunt listens to"},
    {"catalog", KEY_PATH, KEY_HOT | KEY_REQUIRED | KEY_TRAIL | KEY_BASKET, HUNT(catalog),
     .help = "the file of edges, from<TAB>to<TAB>weight; relative to the configuration file"},
    {"starts", KEY_DATE, KEY_HOT, HUNT(starts_ms), .unset = 0, .absent = "always",
     .help = "events count from this client time on"},
    {"ends", KEY_DATE, KEY_HOT, HUNT(ends_ms), .unset = INT64_MAX, .absent = "never",
     .help = "and until this one"},
    {"once", KEY_BOOL, KEY_HOT | KEY_TRAIL | KEY_BASKET, HUNT(once), .fallback = "true",
     .help = "a user wins once; give cooldown instead to let users win again"},
    {"cooldown", KEY_TIME, KEY_HOT | KEY_TRAIL | KEY_BASKET, HUNT(cooldown_ns), .min = SECOND,
     .max = 365 * DAY, .absent = "users win once",
     .help = "how long after a win the user can win again"},
    {"variants", KEY_VARIANTS, KEY_HOT | KEY_TRAIL | KEY_BASKET, HUNT(variants),
     COUNT_AT(struct conf_hunt, variant_count), .max = 1000000, .absent = "none",
     .help = "ways to play the hunt: a user always falls in the same one, as many users in each as "
             "its weight says; another weight changes nothing for who has begun"},
    {"rewards", KEY_REWARDS, KEY_HOT | KEY_TRAIL | KEY_BASKET, HUNT(variants),
     COUNT_AT(struct conf_hunt, variant_count), .absent = "none",
     .help = "what an award in each variant is worth: a text for the sinks"},
    {"start", KEY_ITEMS, KEY_HOT | KEY_REQUIRED | KEY_TRAIL, LIST_AT(struct conf_hunt, start),
     .min = 1, .max = CONF_NODES_MAX, .help = "the items at which a trail begins"},
    {"treasure", KEY_ITEMS, KEY_HOT | KEY_REQUIRED | KEY_TRAIL, LIST_AT(struct conf_hunt, treasure),
     .min = 1, .max = CONF_NODES_MAX, .help = "the items that win"},
    {"max_depth", KEY_NUMBER, KEY_HOT | KEY_TRAIL, HUNT(max_depth), .min = 1, .max = 16,
     .fallback = "8", .help = "steps after the start"},
    {"min_step", KEY_TIME, KEY_HOT | KEY_TRAIL, HUNT(min_step_ns), .max = HOUR, .fallback = "1s",
     .help = "a step sooner after the last one is refused as too_fast"},
    {"recent", KEY_NUMBER, KEY_HOT | KEY_BASKET, HUNT(recent), .min = 1, .max = 16, .fallback = "8",
     .help = "items of a user that are remembered"},
    {"ttl", KEY_TIME, KEY_HOT | KEY_BASKET, HUNT(ttl_ns), .min = SECOND, .max = 365 * DAY,
     .fallback = "30m", .help = "and for how long"},
    {"items", KEY_NUMBER, KEY_HOT | KEY_BASKET, HUNT(basket_items), .min = 1, .max = 16,
     .fallback = "3", .help = "items in the basket"},
    {"threshold", KEY_FIXED, KEY_HOT | KEY_BASKET, HUNT(threshold), .min = 1, .max = 1024u << 16,
     .fallback = "2.5", .help = "the score that the basket's items need together"},
    {"decay", KEY_FIXED, KEY_HOT | KEY_BASKET, HUNT(decay), .min = 1, .max = 1u << 16,
     .fallback = "0.5", .help = "what is left of a score after each hop"},
    {"max_depth", KEY_NUMBER, KEY_HOT | KEY_BASKET, HUNT(max_depth), .min = 1, .max = 4,
     .fallback = "2", .help = "hops from a remembered item"},
    {"max_fanout", KEY_NUMBER, KEY_HOT | KEY_TRAIL, HUNT(max_fanout), .min = 1, .max = 1024,
     .fallback = "32", .help = "the strongest edges of an item that are looked at"},
    {"max_fanout", KEY_NUMBER, KEY_HOT | KEY_BASKET, HUNT(max_fanout), .min = 1, .max = 1024,
     .fallback = "8", .help = "the strongest edges of an item that are looked at"},
    {"budget", KEY_NUMBER, KEY_HOT | KEY_TRAIL, HUNT(budget), .min = 1, .max = 4096,
     .fallback = "640",
     .help =
         "edges that one event may visit; a search that needs more stops; an eighth of it counts "
         "towards the 896 that hunts of one event type may have together"},
    {"budget", KEY_NUMBER, KEY_HOT | KEY_BASKET, HUNT(budget), .min = CONF_WALK_EDGES_MIN,
     .max = CONF_EVENT_EDGES_MAX, .fallback = "256",
     .help =
         "edges that one event may visit; a walk that needs more stops; hunts that listen to the "
         "same event type may have 896 together"},
    {"tiles", KEY_NUMBER, KEY_HOT | KEY_REQUIRED | KEY_TILES, HUNT(tiles), .min = 1, .max = 1000000,
     .help = "how many tiles a map has"},
    {"period", KEY_TIME, KEY_HOT | KEY_TILES, HUNT(period_ns), .min = SECOND / 10, .max = HOUR,
     .fallback = "1s",
     .help = "a new map begins each time this has passed since 1970; another period makes other "
             "maps"},
    {"live", KEY_NUMBER, KEY_HOT | KEY_TILES, HUNT(live), .min = 1, .max = 36000, .fallback = "1",
     .help = "periods in which a map can be claimed, its own included; together at most 1h"},
    {"map_ttl", KEY_TIME, KEY_HOT | KEY_TILES, HUNT(map_ttl_ns), .min = CONF_MAP_TTL_MIN_NS,
     .max = DAY, .fallback = "6h",
     .help = "how long after a map's begin its claims are remembered: until then a taken tile is "
             "refused as taken, later as expired"},
    {"seed", KEY_NAME, KEY_HOT | KEY_TILES, HUNT(seed), .max = CONF_NAME_MAX,
     .absent = "the hunt's name",
     .help = "what maps are computed from; who knows it knows every map, so keep it to yourself"},
    {0},
};

const struct key_set table_hunt = {.noun = "hunt",
                                   .keys = hunt_keys,
                                   .id = &hunt_keys[0],
                                   .bytes = sizeof(struct conf_hunt),
                                   .place_offset = offsetof(struct conf_hunt, place),
                                   .check = check_hunt};

/* In this order keys are read: event types before the hunts that name them. */
static const struct key root_keys[] = {
    {"version", KEY_NUMBER, KEY_REQUIRED, .min = 1, .max = 1,
     .help = "the version of this format; write version: 1 first"},
    {"pop", KEY_NAME, KEY_HOT, AT(struct conf, pop), .max = CONF_NAME_MAX, .fallback = "local",
     .help = "the point of presence that outcomes name"},
    {"host", KEY_NAME, 0, AT(struct conf, host), .max = CONF_NAME_MAX, .absent = "the host's name",
     .help = "the host that outcomes name"},
    {"data_dir", KEY_PATH, KEY_REQUIRED, AT(struct conf, data_dir),
     .help = "where journals, cursors and the key live: an absolute path on a local disk"},
    {"ports", KEY_LIST, KEY_REQUIRED, AT(struct conf, ports), COUNT_AT(struct conf, port_count),
     .min = 1, .max = CONF_PORTS_MAX, .set = &port_set,
     .help = "the network ports that Trove takes over"},
    {"listen", KEY_SECTION, .set = &listen_set, .help = "what to take from them"},
    {"management", KEY_SECTION, .set = &management_set, .help = "how operators reach the daemon"},
    {"events", KEY_SECTION, .set = &event_set, .help = "what an event may be"},
    {"limits", KEY_SECTION, .set = &limit_set, .help = "what there is room for"},
    {"journal", KEY_SECTION, .set = &journal_set, .help = "the log of everything that happened"},
    {"overload", KEY_SECTION, .set = &overload_set,
     .help = "what gives way when something is full"},
    {"memory", KEY_SECTION, .set = &memory_set, .help = "where packets and state are kept"},
    {"lcores", KEY_LIST, KEY_AUTO, AT(struct conf, lcores), COUNT_AT(struct conf, lcore_count),
     .auto_offset = offsetof(struct conf, lcores_auto), .min = 1, .max = CONF_LCORES_MAX,
     .fallback = "auto", .set = &lcore_set,
     .help = "which part runs on which core; auto plans it from the host's topology"},
    {"control_core", KEY_NUMBER, KEY_AUTO, AT(struct conf, control_core), .max = 1023,
     .fallback = "auto",
     .help =
         "the core of all that does not poll; auto takes the one that has the interrupts of the "
         "disk under data_dir, else the first"},
    {"idle", KEY_CHOICE, KEY_HOT, AT(struct conf, idle), .fallback = "poll", .words = idle_words,
     .help = "what a worker core does when there is nothing to do: poll for the least latency, "
             "pause to spare "
             "a sibling thread, sleep where the cores are shared"},
    {"partitions", KEY_NUMBER, KEY_POWER, AT(struct conf, partitions), .min = 1, .max = 65536,
     .fallback = "256",
     .help = "units of state, spread over the shards; fixed once a data directory exists"},
    {"ring_slots", KEY_NUMBER, KEY_POWER, AT(struct conf, ring_slots), .min = 64, .max = 1048576,
     .fallback = "8192", .help = "events on their way from one rx part to one shard part"},
    {"drain", KEY_TIME, 0, AT(struct conf, drain_ns), .max = 10 * MINUTE, .fallback = "5s",
     .help = "how long a stop waits for the input to fall silent"},
    {"templates", KEY_TEMPLATES, KEY_HOT, .max = CONF_TEMPLATES_MAX, .absent = "none",
     .set = &table_hunt,
     .help = "families of hunts: keys that hunts take over with template: NAME"},
    {"hunts", KEY_LIST, KEY_HOT, AT(struct conf, hunts), COUNT_AT(struct conf, hunt_count),
     .max = CONF_HUNTS_MAX, .set = &table_hunt, .help = "what to look for, and what to award"},
    {"leaderboards", KEY_SECTION, .set = &table_feed,
     .help = "who is told of the leaderboards as they change"},
    {"sinks", KEY_LIST, KEY_HOT, AT(struct conf, sinks), COUNT_AT(struct conf, sink_count),
     .max = CONF_SINKS_MAX, .set = &table_sink, .help = "who is told of the outcomes"},
    {0},
};

const struct key_set table_root = {
    .noun = "the configuration", .keys = root_keys, .check = check_root};

static const unsigned kind_keys[] = {
    [CONF_TRAIL] = KEY_TRAIL, [CONF_BASKET] = KEY_BASKET, [CONF_TILES] = KEY_TILES};

const char *table_kind_name(unsigned kinds)
{
    for (unsigned i = 0; i < sizeof kind_keys / sizeof *kind_keys; i++)
        if (kinds & kind_keys[i])
            return kind_words[i];
    return "any";
}

unsigned table_kind_find(const char *name)
{
    for (unsigned i = 0; i < sizeof kind_keys / sizeof *kind_keys; i++)
        if (strcmp(kind_words[i], name) == 0)
            return kind_keys[i];
    return 0;
}

unsigned table_kinds(const struct key_set *set, const void *base)
{
    if (set != &table_hunt)
        return 0;
    return kind_keys[((const struct conf_hunt *)base)->kind];
}
