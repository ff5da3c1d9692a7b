/* checkpoint_verify.h - is a checkpoint what the journal makes: the state worked out once more, as
 * far as each partition's was copied, and held against it hash by hash.
 *
 * Memory:  the state of all partitions.  Threads: any; it may run beside the daemon.
 */
#pragma once

#include "dataplane/checkpoint.h"
#include "dataplane/recover.h"

struct checkpoint_proof {
    struct checkpoint_head head;
    struct checkpoint_id from; /* that it was worked out from; number 0: the first record */
    uint64_t events;           /* applied */
    uint32_t different;        /* partitions */
    uint32_t first;            /* of them */
};

/* checkpoint_verify works the state out from the journal's first record or, where from is not NULL,
 * from an older checkpoint.  items is the data directory's dictionary.  Returns 0; -EBADMSG the
 * file itself is damaged; -1 with one line in error. */
int checkpoint_verify(const struct store *store, const struct hash_key *key, struct items *items,
                      struct checkpoint_id id, const struct checkpoint_id *from,
                      struct checkpoint_proof *proof, char error[512]);
