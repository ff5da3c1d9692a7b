/* correction.h - an operator's later decision, in memory and as the body of a CORRECTION record.
 *
 * The body is JSON text in one form only: members in the order of the struct, no white space, each
 * string escaped as text_json_encode does.  So what it says can be compared byte for byte, and a
 * reader of a journal needs no table to understand it:
 *
 *   {"id":"…","correction":"grant","user":"u-1042","hunt":"spring","tile":"…","undo":"…",
 *    "reason":"…","ref":"OPS-311","by":"uid 0"}
 *
 * tile is there in a hunt of tiles alone, undo in an undo alone.  An OUTCOME record follows it, as
 * one follows an event.
 *
 * Memory:  held by value, texts with a NUL behind them.  Threads: any.
 */
#pragma once

#include <stdint.h>

#include "dataplane/base/event.h"

#define CORRECTION_REASON_MAX 256
#define CORRECTION_REF_MAX    64
#define CORRECTION_BY_MAX     32
#define CORRECTION_BODY_MAX   3584

/* Never reordered: states hash it. */
#define CORRECTION_LIST(CORRECTION)                                                                \
    CORRECTION(grant, "the user has won, whatever the events said")                                \
    CORRECTION(revoke, "the user's award is taken back")                                           \
    CORRECTION(undo, "what stood before another correction stands again")

enum correction_kind {
#define CORRECTION_ENUM(name, help) CORRECTION_##name,
    CORRECTION_LIST(CORRECTION_ENUM)
#undef CORRECTION_ENUM
        CORRECTION_KIND_COUNT
};

struct correction {
    uint64_t id[2]; /* a UUID's 16 bytes, as an event's */
    uint8_t kind;   /* enum correction_kind */
    char user[EVENT_USER_MAX + 1];
    char hunt[EVENT_NAME_MAX + 1];
    char tile[EVENT_NAME_MAX + 1]; /* "": none */
    uint64_t undo[2];              /* undo: the id of what is taken back */
    char reason[CORRECTION_REASON_MAX + 1];
    char ref[CORRECTION_REF_MAX + 1];
    char by[CORRECTION_BY_MAX + 1]; /* who, as the control socket knows them */

    /* Not in the body: the record has them. */
    uint16_t partition;
    uint64_t receive_ns;
};

/* correction_encode writes the body; returns its length, at most CORRECTION_BODY_MAX.  Texts are
 * UTF-8, and none but tile is empty. */
uint32_t correction_encode(const struct correction *correction, uint8_t body[CORRECTION_BODY_MAX]);

/* correction_decode reads a body; partition and receive_ns become 0.  Returns 0, or -EBADMSG when
 * it is not what correction_encode writes; never reads past len. */
int correction_decode(const uint8_t *body, uint32_t len, struct correction *correction);

/* correction_content hashes all that a correction says but who says it: what makes one that comes
 * again the same. */
uint64_t correction_content(const struct correction *correction, const struct hash_key *key);

const char *correction_kind_name(unsigned kind);

/* correction_kind_find returns an enum correction_kind, CORRECTION_KIND_COUNT for no such name. */
unsigned correction_kind_find(const char *name);
