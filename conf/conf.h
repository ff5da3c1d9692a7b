/* conf.h - Trove's configuration as plain values, loaded from YAML and checked against one table of
 * keys.
 *
 * The table (conf/table.c) has a row per key: name, type, unit, range, default, hot or restart,
 * help.  The loader, the manual page, the JSON Schema, the "did you mean" and the diff all come
 * from it.  Every key has a default that is safe for production except those that only the operator
 * can know (version, data_dir, ports).
 *
 * Memory:  conf_load returns one allocation tree that conf_free frees; read-only after.
 * Threads: any may read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "conf/diag.h"

#define CONF_TEXT_MAX   (4u << 20) /* bytes of the YAML document */
#define CONF_PREFIX_MAX 255        /* of the names in an archive */
#define CONF_NAME_MAX   64
#define CONF_PATH_MAX   256
#define CONF_PORTS_MAX  8
#define CONF_ADDRS_MAX  8
#define CONF_LCORES_MAX 128
#define CONF_TYPES_MAX  64
#define CONF_HUNTS_MAX  64
/* What all hunts together may visit for one event of a type, so that none takes long: a basket's
 * edges count whole, CONF_TRAIL_EDGES of a trail's as one. */
#define CONF_EVENT_EDGES_MAX 896
#define CONF_TRAIL_EDGES     8
#define CONF_WALK_EDGES_MIN  32  /* of a basket: to begin a walk costs as much */
#define CONF_NODES_MAX       256 /* start and treasure items of a trail, each */
#define CONF_SINKS_MAX       16

#define CONF_ORIGINS_MAX 16 /* of CORS */

#define CONF_CATALOG_MAX ((size_t)1 << 30) /* bytes of a catalog's file */

#define CONF_TEMPLATES_MAX 64
#define CONF_VARIANTS_MAX  8  /* of one hunt */
#define CONF_MEMBERS_MAX   32 /* of data, that one event type declares */
#define CONF_VALUES_MAX    64 /* that such a member may have */
#define CONF_DECIMAL_MAX   40 /* characters of a decimal number */
#define CONF_PATTERN_MAX   128

/* Where a value stands in the files, for messages and for `explain`. */
struct conf_place {
    uint32_t line;
    uint32_t column;
};

enum conf_auto { CONF_OFF, CONF_ON, CONF_AUTO };

/* What becomes of an id for which there is no room. */
enum conf_policy { CONF_REFUSE, CONF_SHORTEN };
enum conf_sink_full { CONF_SINK_HOLD, CONF_SINK_DROP };

struct conf_addr {
    uint8_t family; /* 4 or 6 */
    uint8_t prefix_len;
    uint8_t bytes[16];
};

enum conf_timestamp {
    CONF_TIMESTAMP_NONE,    /* a packet's wire time is when the rx part took it from its queue */
    CONF_TIMESTAMP_TRAILER, /* the last 8 bytes of the frame, behind the IP packet: ns since 1970,
                               big-endian, as taps add them */
};

struct conf_port {
    char name[CONF_NAME_MAX + 1];
    char device[CONF_PATH_MAX]; /* PCI address, or a DPDK vdev such as net_af_packet0,iface=eth1 */
    uint32_t rx_queues;         /* 0: as many as there are rx parts for it */
    uint32_t rx_descriptors;
    uint8_t mac[6]; /* all zero: the port's own */
    enum conf_timestamp timestamp;
    uint32_t addr_count;
    struct conf_addr addrs[CONF_ADDRS_MAX];
    struct conf_place place;
};

/* What a worker core does when a turn of its loop found nothing. */
enum conf_io {
    CONF_IO_AUTO, /* the faster one, where the kernel allows io_uring */
    CONF_IO_URING,
    CONF_IO_SYNC, /* pwritev2 and fdatasync */
};

enum conf_idle {
    CONF_IDLE_POLL,  /* looks again at once */
    CONF_IDLE_PAUSE, /* a few tens of nanoseconds that a sibling thread or the power budget can use
                      */
    CONF_IDLE_SLEEP, /* 10 us and what the kernel's timer adds: for hosts that share their cores */
};

struct conf_lcore {
    uint32_t core;
    bool rx;
    bool shard;
    struct conf_place place;
};

enum conf_member_type {
    CONF_MEMBER_STRING,
    CONF_MEMBER_NUMBER,
    CONF_MEMBER_INTEGER,
    CONF_MEMBER_BOOLEAN,
    CONF_MEMBER_OBJECT,
    CONF_MEMBER_ARRAY,
};

/* What an event type says of one member of an event's data. */
struct conf_member {
    char name[CONF_NAME_MAX + 1];
    enum conf_member_type type;
    bool required;
    char min[CONF_DECIMAL_MAX + 1]; /* as JSON writes a number; "": no limit */
    char max[CONF_DECIMAL_MAX + 1];
    uint32_t min_length, max_length; /* bytes of a string */
    uint32_t value_count;            /* 0: any value */
    char (*value)[CONF_NAME_MAX + 1];
    char pattern[CONF_PATTERN_MAX + 1]; /* see glob.h; "": any text */
    struct conf_place place;
};

struct conf_type {
    char name[CONF_NAME_MAX + 1];
    bool require_item, require_tile;
    bool forbid_item, forbid_tile;
    bool strict;
    bool strict_data; /* no other members of data than these */
    uint32_t member_count;
    struct conf_member members[CONF_MEMBERS_MAX];
    struct conf_place place;
};

enum conf_hunt_kind { CONF_TRAIL, CONF_BASKET, CONF_TILES };

/* Tiles can be claimed for at most as long as every claim is remembered, whatever a later
 * configuration says: so none is given away twice. */
#define CONF_MAP_TTL_MIN_NS (3600 * 1000000000ull)

/* One of the ways in which a hunt is played; a user always meets the same one. */
struct conf_variant {
    char name[CONF_NAME_MAX + 1];
    uint32_t weight; /* among the hunt's variants, [0, 1000000] */
    char reward[CONF_NAME_MAX + 1];
};

/* conf_variant_tag returns what is kept of a variant with a user's progress: a hash of its name,
 * never 0, so that weights and order may change. */
uint16_t conf_variant_tag(const char *name);

struct conf_hunt {
    char name[CONF_NAME_MAX + 1];
    char from_template[CONF_NAME_MAX + 1]; /* "": none.  What it gave is in the other fields. */
    enum conf_hunt_kind kind;
    uint64_t types;              /* bit i: listens to events.types[i]; all of them by default */
    char catalog[CONF_PATH_MAX]; /* as written, made absolute against the configuration file's
                                    directory */
    int64_t starts_ms;           /* 0: always */
    int64_t ends_ms;             /* INT64_MAX: never */
    bool once;                   /* one award a user; else one per cooldown */
    uint64_t cooldown_ns;
    uint32_t variant_count;
    struct conf_variant variants[CONF_VARIANTS_MAX];

    /* trail */
    uint32_t start_count, treasure_count;
    char (*start)[CONF_NAME_MAX + 1];
    char (*treasure)[CONF_NAME_MAX + 1];
    uint32_t max_depth; /* [1, 16] steps after the start; for a basket: hops from a recent item, [1,
                           4] */
    uint64_t min_step_ns;

    /* basket */
    uint32_t recent;       /* items remembered, [1, 16] */
    uint64_t ttl_ns;       /* of a remembered item */
    uint32_t basket_items; /* K, [1, 16] */
    uint32_t threshold;    /* 16.16 fixed point, (0, 1024] */
    uint32_t decay;        /* 16.16 fixed point, (0, 1]: score kept per hop */

    /* tiles */
    uint32_t tiles;               /* of a map, [1, 1_000_000] */
    uint32_t live;                /* periods in which a map can be claimed */
    uint64_t period_ns;           /* between one map and the next */
    uint64_t map_ttl_ns;          /* of a map's claims, at least CONF_MAP_TTL_MIN_NS */
    char seed[CONF_NAME_MAX + 1]; /* "": the hunt's name */

    /* trail and basket */
    uint32_t max_fanout; /* strongest edges of a node that a walk looks at, [1, 1024] */
    uint32_t budget;     /* edges an event may visit, [1, 4096]; basket: [CONF_WALK_EDGES_MIN,
                            CONF_EVENT_EDGES_MAX] */
    struct conf_place place;
};

/* What is sent of an outcome. */
enum conf_format { CONF_FORMAT_JSON, CONF_FORMAT_CLOUDEVENTS };

enum conf_sasl { CONF_SASL_NONE, CONF_SASL_PLAIN, CONF_SASL_SCRAM_256, CONF_SASL_SCRAM_512 };

/* How to speak TLS as a client.  A path is "" where nothing is given. */
struct conf_tls {
    bool on;
    char ca_file[CONF_PATH_MAX]; /* "": the host's */
    char cert_file[CONF_PATH_MAX];
    char key_file[CONF_PATH_MAX];
};

enum conf_compress { CONF_COMPRESS_NONE, CONF_COMPRESS_ZSTD };

enum conf_sink_type {
    CONF_SINK_FILE,
    CONF_SINK_REDIS,
    CONF_SINK_NATS,
    CONF_SINK_WEBHOOK,
    CONF_SINK_S3,
    CONF_SINK_KAFKA,
};

/* Where a server listens: an address and a port, or with port 0 a Unix socket's path. */
struct conf_endpoint {
    char host[108];
    uint16_t port;
};

/* conf_endpoint_parse reads unix:/PATH, IPV4:PORT or [IPV6]:PORT; 0 or -EINVAL. */
int conf_endpoint_parse(const char *text, struct conf_endpoint *endpoint);

/* conf_server_parse is for who connects there: also NAME:PORT, a host's name that is resolved at
 * each connect. */
int conf_server_parse(const char *text, struct conf_endpoint *endpoint);

struct conf_sink {
    char name[CONF_NAME_MAX + 1];
    enum conf_sink_type type;
    char path[CONF_PATH_MAX];
    uint32_t outcomes; /* bit per enum outcome_kind, in that order */
    uint32_t hunt_count;
    char (*hunt)[CONF_NAME_MAX + 1]; /* NULL: outcomes of any hunt, and of none */
    bool paused;
    enum conf_format format;

    /* file, with a directory instead of a path */
    char directory[CONF_PATH_MAX]; /* "": none */
    uint64_t rotate_bytes;
    uint64_t rotate_after_ns;
    enum conf_compress compress;

    /* redis, nats, kafka */
    char address[CONF_PATH_MAX]; /* a conf_endpoint; of nats and kafka several, with commas */
    char user[CONF_NAME_MAX + 1];
    char password_file[CONF_PATH_MAX]; /* "": none */
    struct conf_tls tls;               /* nats, kafka; with https:// also webhook, s3 */
    uint32_t database;
    char stream[CONF_NAME_MAX + 1];
    uint64_t max_length;             /* entries of a stream, about; 0: any */
    char winners[CONF_NAME_MAX + 1]; /* "": none */
    uint64_t timeout_ns;

    /* nats; credentials too */
    char token_file[CONF_PATH_MAX]; /* "": none */
    char subject[CONF_PATH_MAX];    /* a template, see subject.h */
    uint32_t replicas;              /* of a stream that is made */
    uint64_t confirm_after_ns;

    /* kafka */
    char topic[CONF_NAME_MAX + 1];
    enum conf_sasl sasl;

    /* webhook */
    char url[CONF_PATH_MAX];
    char secret_file[CONF_PATH_MAX];
    uint32_t batch; /* outcomes in one POST, at most */

    /* s3, and rotate_bytes and rotate_after_ns */
    char endpoint[CONF_PATH_MAX];
    char bucket[CONF_NAME_MAX + 1];
    char region[CONF_NAME_MAX + 1];
    char prefix[CONF_PREFIX_MAX + 2]; /* "", or with a slash behind it */
    char credentials[CONF_PATH_MAX];
    uint32_t part_bytes;
    struct conf_place place;
};

/* Leaderboards for browsers, over a NATS server. */
struct conf_feed {
    char address[CONF_PATH_MAX]; /* "": there is none */
    char user[CONF_NAME_MAX + 1];
    char password_file[CONF_PATH_MAX]; /* "": none */
    char subject[CONF_PATH_MAX];       /* a template, see subject.h */
    uint32_t by;                       /* enum board_order */
    uint32_t top;                      /* rows of a hunt */
    uint64_t every_ns;                 /* between two messages of a hunt, at least */
    uint64_t timeout_ns;
};

/* When an answer to a POST leaves. */
enum conf_ack { CONF_ACK_ACCEPTED, CONF_ACK_DURABLE };

/* How connections behave below HTTP: see RFC 9293 and its kin. */
struct conf_tcp {
    uint32_t mtu; /* of the link's IP packets */
    uint64_t rto_min_ns, rto_max_ns;
    uint32_t retries;
    uint64_t zero_window_ns;
    uint64_t delayed_ack_ns;
    uint64_t keepalive_ns; /* of silence until the first probe; 0: none */
    uint64_t keepalive_every_ns;
    uint32_t keepalive_probes;
    uint64_t linger_ns;
    uint32_t linger_bytes;
    uint64_t time_wait_ns;
    uint32_t time_waits; /* connections in that state that are remembered */
    uint32_t challenges; /* challenge ACKs per connection and second */
};

/* listen.http.  What is counted over all connections is shared out among the rx parts. */
struct conf_http {
    uint16_t port; /* 0: no HTTP, no TCP */
    enum conf_ack ack, ack_min;

    /* of one request, and of one connection */
    uint32_t line_bytes, head_bytes, header_count;
    uint32_t body_bytes, batch_events;
    uint32_t pipeline;
    uint64_t head_timeout_ns, idle_timeout_ns, body_timeout_ns, answer_timeout_ns;
    uint32_t body_rate;  /* bytes a second that a body must come at, after body_timeout */
    uint32_t event_rate; /* events a second of one connection; 0: any */
    uint64_t retry_after_ns;
    uint32_t receive_bytes, send_bytes;

    /* of all of them */
    uint32_t connections, prefix_connections;
    uint8_t prefix4, prefix6; /* bits of an address */
    uint32_t requests;        /* at work */
    uint64_t bodies_bytes;    /* of buffers for their bodies */
    uint32_t usual_bytes;     /* of one of those for most bodies; above body_bytes: as body_bytes */
    uint64_t buffer_bytes;    /* of what is received and not read, sent and not acknowledged */

    uint32_t origin_count;
    char (*origin)[CONF_NAME_MAX + 1]; /* that scripts in browsers may post from; "*": any */
    uint64_t preflight_ns;             /* that a browser may remember the permission */
    struct conf_tcp tcp;
};

struct conf {
    char file[CONF_PATH_MAX]; /* the file it came from, for messages */
    char *text;               /* its text, for `conf diff` and the store of versions */
    size_t text_len;

    char pop[CONF_NAME_MAX + 1];
    char host[CONF_NAME_MAX + 1];
    char data_dir[CONF_PATH_MAX];

    uint32_t port_count;
    struct conf_port ports[CONF_PORTS_MAX];

    struct {
        uint16_t port;
        uint32_t max_datagram; /* UDP payload bytes */
    } udp;

    struct conf_http http;

    struct {
        char socket[CONF_PATH_MAX];
        char http[CONF_NAME_MAX + 1]; /* a conf_endpoint with a port, or "none" */
    } management;

    struct {
        uint64_t dedupe_window_ns;
        uint64_t dedupe_capacity; /* ids, over all partitions */
        enum conf_policy dedupe_policy;
        uint64_t skew_tolerance_ns;
        uint64_t skew_reject_ns;
        uint64_t lateness_ns;
        uint32_t type_count;
        struct conf_type types[CONF_TYPES_MAX];
    } events;

    struct {
        uint32_t event_bytes;
        uint32_t event_depth;
        uint64_t users;       /* users with progress in a hunt, summed over hunts */
        uint64_t user_ttl_ns; /* an idle user's progress is forgotten after this */
        uint64_t items;       /* in the item dictionary */
        uint64_t claims;      /* tiles given away and remembered, over all partitions */
        uint64_t corrections; /* kept for ever, over all partitions */
        uint32_t ranked;      /* users on leaderboards, summed over hunts */
    } limits;

    struct {
        uint64_t segment_bytes;
        uint64_t group_commit_ns; /* a record waits at most this long for company */
        uint64_t checkpoint_ns;   /* between one and the next; 0: none are made */
        uint64_t retain_ns;       /* what is older may go; 0: nothing does for its age */
        uint64_t retain_bytes;    /* what is more may go; 0: nothing does for its size */
        uint64_t min_free_bytes;  /* of the disk; 0: nothing goes for that */
        uint32_t buffer_blocks;   /* of 256 KiB a shard may have filled and not yet durable */
        uint32_t ahead;           /* segments made before they are needed */
        uint32_t reserve;         /* segments kept back for a full disk */
        enum conf_io io;
        uint64_t compress_after_ns; /* 0: never */
    } journal;

    struct {
        enum conf_sink_full sink_full; /* what retention does with what a sink has not read */
    } overload;

    struct {
        enum conf_auto huge_pages;
        uint32_t mbufs; /* 0: worked out from queues and rings */
    } memory;

    bool lcores_auto;
    uint32_t lcore_count;
    struct conf_lcore lcores[CONF_LCORES_MAX];
    int32_t control_core; /* -1: auto */
    enum conf_idle idle;

    uint32_t partitions; /* power of two */
    uint32_t ring_slots; /* power of two */
    uint64_t drain_ns;   /* how long a stop waits for the input to fall silent */

    uint32_t hunt_count;
    struct conf_hunt hunts[CONF_HUNTS_MAX];

    struct conf_feed feed;

    uint32_t sink_count;
    struct conf_sink sinks[CONF_SINKS_MAX];
};

/* conf_load parses and checks a configuration's text; file names it in messages and anchors
 * relative paths. Returns the configuration, or NULL with at least one entry in *diags.  All faults
 * are found in one run. */
struct conf *conf_load(const char *file, const char *text, size_t len, struct diag_list *diags);

/* conf_load_file reads the file first (at most 4 MiB). */
struct conf *conf_load_file(const char *file, struct diag_list *diags);

/* conf_default_text returns the embedded configuration of `troved --dev`. */
const char *conf_default_text(void);

void conf_free(struct conf *conf);

/* conf_diff calls each(arg, sign, path, from, to, hot) for every value that differs: sign '~'
 * changed, '+' added, '-' removed; path like hunts.spring-26.min_step; values as one would write
 * them in YAML, "" on the side that has none.  Elements of lists are matched by name; one that was
 * added or removed is a single difference, told as {key: value, ...}.  Returns the number of
 * differences. */
unsigned conf_diff(const struct conf *from, const struct conf *to,
                   void (*each)(void *arg, char sign, const char *path, const char *from,
                                const char *to, bool hot),
                   void *arg);

/* conf_sink_same says whether two sinks are configured alike but for `paused`. */
bool conf_sink_same(const struct conf_sink *from, const struct conf_sink *to);

/* conf_print_schema and conf_print_manual write the JSON Schema, and trove.yaml(5) as a whole page
 * of roff, from the table of keys. */
void conf_print_schema(FILE *out);
void conf_print_manual(FILE *out);
