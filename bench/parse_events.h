/* parse_events.h - texts of events for trove-parse: what trove-blast sends, and what it does not.
 *
 * A set is a function of its kind and of the order of its members.  Each text lies behind
 * the other at a multiple of 64 bytes with at least PARSE_PADDING bytes that may be read behind it,
 * which simdjson asks for and event_parse does not.
 *
 * Memory:  taken by make, given back by free.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PARSE_EVENTS  4096
#define PARSE_PADDING 64

enum parse_kind {
    PARSE_BLAST,  /* trove-blast's: 170 bytes, the last of them a padding string in data */
    PARSE_HUNT,   /* the same with a hunt and without data, about 150 bytes */
    PARSE_DATA,   /* data with numbers, words, strings, an array and an object; 280 bytes */
    PARSE_NAMES,  /* names that are not ASCII, of two, three and four bytes a character */
    PARSE_ESCAPE, /* names and data with escapes */
    PARSE_SPACED, /* trove-blast's with a space behind each colon and comma */
    PARSE_KINDS
};

enum parse_order {
    PARSE_WRITTEN,  /* as trove-blast writes them */
    PARSE_REVERSED, /* another order, the same in all events */
    PARSE_MIXED,    /* each event in an order of its own: no processor can foresee it */
    PARSE_ORDERS
};

extern const char *const parse_kind_names[PARSE_KINDS];
extern const char *const parse_order_names[PARSE_ORDERS];

struct parse_text {
    const uint8_t *bytes;
    uint32_t len;
};

struct parse_events {
    uint8_t *memory;
    struct parse_text texts[PARSE_EVENTS];
    uint64_t bytes; /* of all texts */
};

/* parse_events_make fills in PARSE_EVENTS texts.  Ends the program when memory is short. */
void parse_events_make(struct parse_events *events, enum parse_kind kind, enum parse_order order);
