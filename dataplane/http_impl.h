/* http_impl.h - what the files of HTTP share: connections, requests in their slots, batches, and
 * who calls whom.
 *
 *   http_conn     bytes from TCP: which request they belong to; deadlines; the end of connections
 *   http_request  slots: the head, the body as it comes in, what is done with a complete request
 *   http_buffer   where a request's bytes are kept, and who gives way when there is no room
 *   http_batch    arrays and NDJSON: looked through, fed, tallied
 *   http_wait     answers that wait for the disk
 *   http_answer   the text of answers
 *   http_send     answers into TCP, in the order of the requests
 *
 * Memory:  see http.h.  Threads: one.
 */
#pragma once

#include "dataplane/base/event.h"
#include "dataplane/http.h"
#include "dataplane/http_chunk.h"
#include "dataplane/http_head.h"
#include "dataplane/http_memo.h"
#include "dataplane/http_pool.h"

#define HTTP_HEAD_TEXT_MAX  640   /* status line and headers of an answer */
#define HTTP_SMALL_TEXT_MAX 640   /* body of an answer that is no batch's */
#define HTTP_BATCH_TEXT_MAX 12288 /* body of a batch's */
#define HTTP_BATCH_KEPT     128   /* elements whose places are kept: those of most batches */

/* Slots and offsets share a token with the index in the batch. */
#define HTTP_TOKEN_SLOT_BITS   22 /* HTTP_SLOTS_MAX of them */
#define HTTP_TOKEN_INDEX_BITS  16
#define HTTP_TOKEN_OFFSET_BITS 24

static_assert(HTTP_HEAD_TEXT_MAX + HTTP_SMALL_TEXT_MAX <= HTTP_SMALL_BYTES, "an answer fits");
static_assert(HTTP_BATCH_EVENTS_MAX <= 1u << HTTP_TOKEN_INDEX_BITS, "an index fits");
static_assert(HTTP_BODY_BYTES_MAX <= 1u << HTTP_TOKEN_OFFSET_BITS, "an offset fits");

enum http_conn_flag {
    HTTP_CONN_OPEN = 1 << 0,
    HTTP_CONN_ENDED = 1 << 1,    /* the peer sends no more: over when all is answered */
    HTTP_CONN_CLOSING = 1 << 2,  /* nothing more is read; over when all is answered */
    HTTP_CONN_FINISHED = 1 << 3, /* tcp_finish or tcp_abort was called */
    HTTP_CONN_HELD = 1 << 4,     /* has not taken all it was offered */
    HTTP_CONN_BLOCKED = 1 << 5,  /* TCP has not taken all of an answer */
};

struct http_conn {
    struct tcp_conn *tcp;
    uint64_t since_ns;    /* of the last thing that counts for idle_ms and answer_ms */
    uint64_t armed_ns;    /* what tcp_wake was asked for */
    uint64_t rate_ns;     /* when the events sent so far are paid for, at conn_events_per_s */
    uint32_t first, last; /* requests, in order; HTTP_NONE */
    uint32_t receiving;   /* the last one, while it comes in; HTTP_NONE */
    uint16_t count;       /* of them */
    uint16_t flags;       /* enum http_conn_flag */
    uint32_t blocked_before, blocked_after; /* while HTTP_CONN_BLOCKED; connections, or HTTP_NONE */
};

enum http_request_state {
    HTTP_REQUEST_FREE,
    HTTP_REQUEST_HEAD,  /* comes in */
    HTTP_REQUEST_BODY,  /* comes in */
    HTTP_REQUEST_BATCH, /* is looked through, and fed to the shards */
    HTTP_REQUEST_OPEN,  /* events at shards */
    HTTP_REQUEST_WAIT,  /* for the disk */
    HTTP_REQUEST_READY  /* to be answered */
};

enum http_request_flag {
    HTTP_REQUEST_CLOSE = 1 << 0,      /* the connection ends with its answer */
    HTTP_REQUEST_KEEP_ALIVE = 1 << 1, /* HTTP/1.0 that must be told that it goes on */
    HTTP_REQUEST_CHUNKED = 1 << 2,
    HTTP_REQUEST_CONTINUE = 1 << 3, /* 100 Continue is owed */
    HTTP_REQUEST_DISCARD = 1 << 4,  /* its body is read and dropped */
    HTTP_REQUEST_PREFLIGHT = 1 << 5,
    HTTP_REQUEST_DURABLE = 1 << 6, /* the answer waits for the disk */
    HTTP_REQUEST_SPILLED = 1 << 7, /* TCP has not taken all of the answer: the rest is kept */
    HTTP_REQUEST_HAS_OFFSET = 1 << 8,
    HTTP_REQUEST_LISTED = 1 << 9, /* comes in, in pieces: may have to give way */
};

enum http_class { HTTP_SMALL, HTTP_MEDIUM, HTTP_LARGE, HTTP_CLASSES };

#define HTTP_ORIGIN_ANY 0xff

struct http_request {
    uint32_t next;          /* of its connection */
    uint32_t conn;          /* HTTP_NONE: it has ended */
    uint32_t batch;         /* or HTTP_NONE */
    uint32_t buffer;        /* number in its class's pool, where that is not HTTP_SMALL */
    uint32_t len;           /* bytes kept of head or body */
    uint32_t open;          /* events at shards */
    uint32_t before, after; /* in the list of those that come in, by class */
    uint32_t wait_next;     /* in the shard's list of those that wait */
    uint32_t sent;          /* of the answer */
    uint32_t answer_len;
    uint32_t offset; /* of a problem in the head or body; with HAS_OFFSET */
    uint16_t flags;  /* enum http_request_flag */
    uint8_t state, class;
    uint8_t method, resource, media;
    uint8_t problem;               /* enum http_problem */
    uint8_t origin;                /* 0: no CORS; number of the origin plus 1; HTTP_ORIGIN_ANY */
    uint8_t result, reason, claim; /* of the one event */
    uint16_t reason_offset, partition;
    uint64_t seq, ordinal, id[2];
    uint64_t since_ns; /* first byte of the head; of the body */
    uint64_t wire_ns;  /* of a batch: when its last byte came */
    uint64_t left;     /* of a body with Content-Length */
    uint64_t received; /* of the body, as it was coded */
    union {
        struct http_head head;
        struct http_chunk chunk;
    };
    uint8_t small[HTTP_SMALL_BYTES];
};

struct http_batch_error {
    uint32_t index;
    uint32_t at; /* of the element in the body */
    uint16_t offset;
    uint8_t result; /* RESULT_REJECTED or RESULT_REFUSED */
    uint8_t reason;
};

struct http_batch_claim {
    uint16_t index;
    uint8_t claim; /* enum answer_claim */
};

/* An element without the white space around it. */
struct http_batch_span {
    uint32_t at; /* in the body */
    uint32_t len;
};

struct http_batch {
    uint32_t request;
    uint32_t before, after; /* in the list of those to be looked through and fed */
    uint8_t state;          /* enum state of http_batch.c */
    bool array;
    bool listed;    /* in http.feeding */
    uint32_t count; /* elements */
    uint32_t at;    /* in the body: looked through, or fed, up to here */
    uint32_t kept;  /* in the body: behind the elements whose places are kept */
    uint32_t fed;
    uint32_t at_once; /* that are fed whatever room they leave to others */
    uint32_t answered;
    uint32_t results[RESULT_COUNT];
    uint32_t error_count;
    uint32_t claims;                    /* that its events made */
    uint32_t claim_count;               /* of them that are listed */
    uint64_t ordinals[HTTP_SHARDS_MAX]; /* the highest of each shard, 0: none */
    struct http_batch_error errors[HTTP_BATCH_ERRORS];
    struct http_batch_claim told[HTTP_BATCH_CLAIMS]; /* by index */
    struct http_batch_span spans[HTTP_BATCH_KEPT];   /* of the first elements */
    char spill[HTTP_BATCH_TEXT_MAX + HTTP_HEAD_TEXT_MAX];
};

struct http_list {
    uint32_t first, last;
};

struct http {
    struct http_settings settings;
    struct http_head_limits head_limits;
    struct http_memo memo;
    struct http_intake intake;
    struct tcp *tcp;
    uint64_t now_ns;
    uint64_t date_s;   /* what date[] says */
    uint32_t date_len; /* 0: no clock */
    char date[40];     /* "Date: ...\r\n" */
    unsigned health;   /* enum http_health, at the last poll */
    uint32_t shard_count;
    uint32_t drain_at; /* connection to look at next while draining */
    uint32_t connection_count;
    uint32_t medium_bytes;   /* of a medium buffer */
    uint32_t body_bytes_max; /* of a large one */
    struct http_conn *conns;
    struct http_pool slots, mediums, larges, batches;
    struct http_list incoming[HTTP_CLASSES]; /* requests that come in, by buffer; oldest first */
    struct http_list blocked;                /* connections whose answers TCP does not take */
    struct http_list feeding;                /* batches to be looked through and fed */
    struct http_list waits[HTTP_SHARDS_MAX]; /* requests that wait for the disk, in order */
    uint32_t waiting;                        /* in all of them */
    struct http_counters counters __attribute__((aligned(64)));
    char scratch[HTTP_HEAD_TEXT_MAX + HTTP_BATCH_TEXT_MAX] __attribute__((aligned(64)));
};

static inline struct http_request *http_request_at(const struct http *http, uint32_t slot)
{
    return http_pool_at(&http->slots, slot);
}

static inline struct http_batch *http_batch_at(const struct http *http, uint32_t batch)
{
    return http_pool_at(&http->batches, batch);
}

/* http_token is what an event is submitted with, and its answer comes back with. */
static inline uint64_t http_token(uint32_t slot, uint32_t index, uint32_t at)
{
    return UINT64_C(1) | (uint64_t)slot << 1 | (uint64_t)index << (1 + HTTP_TOKEN_SLOT_BITS) |
           (uint64_t)at << (1 + HTTP_TOKEN_SLOT_BITS + HTTP_TOKEN_INDEX_BITS);
}

static inline uint64_t http_ms(uint32_t ms)
{
    return ms * UINT64_C(1000000);
}

/* http_blocked.c */
void http_blocked_add(struct http *http, struct http_conn *conn);
void http_blocked_remove(struct http *http, struct http_conn *conn);
/* http_blocked_give_way resets the connection that has been blocked for longest, unless it is `to`,
 * which wants a slot, or there is none: false. */
bool http_blocked_give_way(struct http *http, const struct http_conn *to);

/* http_buffer.c */
uint8_t *http_buffer_bytes(const struct http *http, struct http_request *r);
/* append keeps bytes behind those that are kept, moving them to a longer buffer if need be; false:
 * there is none.  What is kept never exceeds body_bytes_max. */
bool http_buffer_append(struct http *http, uint32_t slot, const uint8_t *bytes, uint32_t len);
void http_buffer_release(struct http *http, uint32_t slot); /* back to the small one */
void http_buffer_enlist(struct http *http,
                        uint32_t slot); /* it comes in: it may have to give way */
void http_buffer_delist(struct http *http, uint32_t slot); /* it is complete, or over */

/* http_request.c */
/* take returns a slot for a connection, in its list; HTTP_NONE: none, whoever gives way. */
uint32_t http_request_take(struct http *http, struct http_conn *conn);
void http_request_give(struct http *http, uint32_t slot);
/* begin goes on from a complete head, whose bytes these are; body_follows: there are more bytes. */
void http_request_begin(struct http *http, uint32_t slot, const struct http_head *head,
                        const uint8_t *bytes, bool body_follows);
/* body takes bytes of the body and returns how many were its. */
uint32_t http_request_body(struct http *http, uint32_t slot, const uint8_t *bytes, uint32_t len);
void http_request_refuse(struct http *http, uint32_t slot, enum http_problem problem);
void http_request_ready(struct http *http, uint32_t slot);
/* orphan: the connection is over; the slot is given back as soon as nobody needs it. */
void http_request_orphan(struct http *http, uint32_t slot);
/* submit hands the whole body to the shards as one event; false: no room. */
bool http_request_submit(struct http *http, uint32_t slot);
/* opened counts events that were submitted. */
void http_request_opened(struct http *http, struct http_request *r, uint32_t events);
void http_request_answered(struct http *http, uint32_t slot, uint32_t shard,
                           const struct answer *answer);
/* pay takes events off what the connection may send; false: it has sent more than it may. */
bool http_request_pay(struct http *http, const struct http_request *r, uint32_t events);

/* http_batch.c */
void http_batch_begin(struct http *http, uint32_t slot, bool array);
void http_batch_answered(struct http *http, uint32_t slot, uint32_t shard, uint32_t index,
                         uint32_t at, const struct answer *answer);
/* element returns the length of the element that begins at `at` in a body that was looked through;
 * white space around it may be counted in. */
uint32_t http_batch_element(const struct http_batch *batch, const uint8_t *body, uint32_t len,
                            uint32_t at);
unsigned http_batch_poll(struct http *http);
void http_batch_stop(struct http *http, uint32_t slot); /* nothing more of it is fed */
void http_batch_give(struct http *http, uint32_t slot);
/* wait_shard returns the first shard whose disk a batch waits for, from `from` on; shard_count:
 * none. */
uint32_t http_batch_wait_shard(const struct http *http, const struct http_batch *batch,
                               uint32_t from);

/* http_wait.c */
void http_wait_push(struct http *http, uint32_t slot, uint32_t shard, uint64_t ordinal);
unsigned http_wait_poll(struct http *http);

/* http_answer.c */
/* http_answer_write makes the whole answer in http->scratch and returns where it begins. */
const char *http_answer_write(struct http *http, struct http_request *r, uint32_t *len);
/* http_answer_plain makes one for a request that has no slot. */
const char *http_answer_plain(struct http *http, enum http_problem problem, bool has_offset,
                              uint32_t offset, uint32_t *len);

/* http_send.c */
void http_send_ready(struct http *http, uint32_t conn); /* answers what can be, in order */
void http_send_continue(struct http *http, uint32_t conn);

/* http_conn.c */
void http_conn_abort(struct http *http, struct http_conn *conn);
void http_conn_finish(struct http *http, struct http_conn *conn);
void http_conn_refuse(struct http *http, struct http_conn *conn, enum http_problem problem,
                      bool has_offset, uint32_t offset);
void http_conn_give_way(struct http *http, uint32_t slot);
void http_conn_arm(struct http *http, struct http_conn *conn);
unsigned http_conn_drain(struct http *http);
