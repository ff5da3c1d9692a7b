/* blast_profile.h - what events a run is made of.
 *
 * Shares are fractions of 2^32, as blast_value_share reads them.
 *
 * Memory:  plain values; text fields point into the command line.  Threads: read-only once parsed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BLAST_TYPES_MAX        16
#define BLAST_HUNTS_MAX        8
#define BLAST_NAME_MAX         64
#define BLAST_TYPE_NAME_MAX    32
#define BLAST_PER_DATAGRAM_MAX 64
#define BLAST_ITEMS_MAX        (16u << 20)

/* A name and the part of the 2^32 that falls to it: [its predecessor's below, below). */
struct blast_choice {
    char name[BLAST_NAME_MAX + 1];
    uint64_t below;
};

struct blast_profile {
    uint64_t seed;
    const char *run_id; /* salts the ids: another run of the same seed is not all duplicates */
    uint64_t users;     /* [1, 2^32] */
    uint64_t items;     /* [1, BLAST_ITEMS_MAX], without a catalog */
    const char *catalog;
    double zipf; /* [0, 4] */
    uint32_t type_count;
    struct blast_choice types[BLAST_TYPES_MAX];
    uint32_t hunt_count; /* events beyond the last one's share name no hunt */
    struct blast_choice hunts[BLAST_HUNTS_MAX];
    uint64_t duplicates; /* share */
    uint64_t malformed;  /* share */
    uint64_t skew;       /* share */
    uint64_t skew_ns;
    uint64_t late; /* share */
    uint64_t late_ns;
    uint64_t event_bytes; /* [64, BLAST_DATAGRAM_MAX] */
    uint64_t per_datagram;
    uint64_t datagram_bytes; /* at most */
};

void blast_profile_init(struct blast_profile *profile);

/* blast_profile_types reads `view:90,purchase:10`: names of event types with weights.
 * blast_profile_hunt adds `spring-26` or `spring-26:25%`; shares add up to at most 100%.
 * blast_profile_shifted reads `1%:90s`: a share of events and how far their clock is off.
 * Each returns 0 or -EINVAL. */
int blast_profile_types(struct blast_profile *profile, const char *text);
int blast_profile_hunt(struct blast_profile *profile, const char *text);
int blast_profile_shifted(const char *text, uint64_t *share, uint64_t *ns);
