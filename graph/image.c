/* image.c - chunk after chunk of a partition: its own figures, ids, progress, claims, corrections.
 */
#include "graph/image.h"

#include <errno.h>
#include <string.h>

#include "graph/state_impl.h"

static_assert(sizeof(struct image_partition) <= IMAGE_CHUNK_MAX, "fits");
static_assert(sizeof(struct image_ids) + IMAGE_LINES * sizeof(struct dedupe_line) <=
                  IMAGE_CHUNK_MAX,
              "fits");
static_assert(sizeof(struct image_progress) == 136 && sizeof(struct claim) == 32, "on disk");
static_assert(sizeof(struct image_chunk) + IMAGE_ENTRIES * sizeof(struct image_progress) <=
                  IMAGE_CHUNK_MAX,
              "fits");

/* Corrections are few and large. */
#define CORRECTIONS_MAX                                                                            \
    ((IMAGE_CHUNK_MAX - (uint32_t)sizeof(struct image_chunk)) /                                    \
     (uint32_t)sizeof(struct corrections_entry))

void image_begin(struct image *image, const struct state *state, uint32_t partition)
{
    *image = (struct image){.state = state, .partition = partition, .kind = IMAGE_PARTITION};
}

static uint32_t end_chunk(uint8_t *out, enum image_kind kind, uint32_t count, size_t bytes)
{
    const struct image_chunk chunk = {
        .kind = (uint16_t)kind, .count = (uint16_t)count, .bytes = (uint32_t)bytes};
    if (!count)
        return 0;
    memcpy(out, &chunk, sizeof chunk);
    return chunk.bytes;
}

/* ---- saying ---- */

static uint32_t say_partition(struct image *image, const struct partition *p, uint8_t *out)
{
    struct image_partition said = {.seq = p->seq, .last_ns = p->last_ns};
    if (image->at++)
        return 0;
    dedupe_save(&p->dedupe, &said.dedupe);
    memcpy(out, &said, sizeof said);
    return end_chunk(out, IMAGE_PARTITION, 1, sizeof said);
}

static uint32_t say_ids(struct image *image, const struct partition *p, uint8_t *out)
{
    const struct dedupe *d = &p->dedupe;
    struct image_ids said = {.first_line = image->at};
    struct dedupe_slot *slots = (struct dedupe_slot *)(out + sizeof said);
    uint32_t count = 0;
    for (; count < IMAGE_LINES && image->at < d->line_count; image->at++, count++) {
        unsigned live = dedupe_live(d, image->at, p->last_ns);
        for (unsigned i = 0; i < DEDUPE_LINE_SLOTS; i++)
            if (live & 1u << i)
                *slots++ = d->lines[image->at].slots[i];
        said.slots[count] = (uint8_t)__builtin_popcount(live);
    }
    memcpy(out, &said, sizeof said);
    return end_chunk(out, IMAGE_IDS, count, (size_t)((uint8_t *)slots - out));
}

static uint32_t say_progress(struct image *image, const struct partition *p, uint8_t *out)
{
    const struct progress *progress = &p->progress;
    struct image_progress *said = (struct image_progress *)(out + sizeof(struct image_chunk));
    uint32_t count = 0, end = progress->line_count * PROGRESS_LINE_SLOTS;
    for (; count < IMAGE_ENTRIES && image->at < end; image->at++) {
        struct progress_ref ref = progress_ref(progress, image->at);
        if (!progress_live(progress, ref, p->last_ns))
            continue;
        said[count++] = (struct image_progress){
            .tag = ref.tag,
            .expires_s = progress_expires(progress, ref.place - 1),
            .entry = *progress_entry(progress, ref.place - 1),
        };
    }
    return end_chunk(out, IMAGE_PROGRESS, count, (size_t)((uint8_t *)&said[count] - out));
}

static uint32_t say_claims(struct image *image, const struct partition *p, uint8_t *out)
{
    struct claim *said = (struct claim *)(out + sizeof(struct image_chunk));
    uint32_t count = 0;
    for (; count < IMAGE_ENTRIES && image->at < p->claims.fresh; image->at++) {
        if (!claims_live(&p->claims, image->at, p->last_ns))
            continue;
        said[count] = p->claims.pool[image->at];
        said[count].next = said[count].later = 0;
        count++;
    }
    return end_chunk(out, IMAGE_CLAIMS, count, (size_t)((uint8_t *)&said[count] - out));
}

/* at: the place of the last one said. */
static uint32_t say_corrections(struct image *image, uint8_t *out)
{
    const struct corrections *c = &image->state->corrections;
    struct corrections_entry *said = (struct corrections_entry *)(out + sizeof(struct image_chunk));
    uint32_t next = image->at ? c->pool[image->at - 1].next : c->first[image->partition];
    uint32_t count = 0;
    for (; count < CORRECTIONS_MAX && next; count++) {
        image->at = next;
        said[count] = c->pool[next - 1];
        next = said[count].next;
        said[count].next = 0;
    }
    return end_chunk(out, IMAGE_CORRECTIONS, count, (size_t)((uint8_t *)&said[count] - out));
}

uint32_t image_next(struct image *image, uint8_t *out)
{
    const struct partition *p = state_partition(image->state, image->partition);
    uint32_t bytes = 0;
    while (!bytes && image->kind <= IMAGE_CORRECTIONS) {
        switch ((enum image_kind)image->kind) {
        case IMAGE_PARTITION:
            bytes = say_partition(image, p, out);
            break;
        case IMAGE_IDS:
            bytes = say_ids(image, p, out);
            break;
        case IMAGE_PROGRESS:
            bytes = say_progress(image, p, out);
            break;
        case IMAGE_CLAIMS:
            bytes = say_claims(image, p, out);
            break;
        case IMAGE_CORRECTIONS:
            bytes = say_corrections(image, out);
            break;
        }
        if (bytes)
            continue;
        image->kind++;
        image->at = 0;
    }
    return bytes;
}

/* ---- taking in ---- */

static int load_partition(struct partition *p, bool ids, const uint8_t *bytes)
{
    const struct image_partition *said = (const struct image_partition *)bytes;
    if (said->chunk.bytes != sizeof *said || said->chunk.count != 1)
        return -EBADMSG;
    p->seq = said->seq;
    p->last_ns = said->last_ns;
    return ids ? dedupe_restore(&p->dedupe, &said->dedupe) : 0;
}

static int load_ids(struct partition *p, const uint8_t *bytes)
{
    const struct image_ids *said = (const struct image_ids *)bytes;
    const struct dedupe_slot *slots = (const struct dedupe_slot *)(said + 1);
    uint32_t count = said->chunk.count, total = 0;
    if (said->chunk.bytes < sizeof *said || count > IMAGE_LINES || count > p->dedupe.line_count ||
        said->first_line > p->dedupe.line_count - count)
        return -EBADMSG;
    for (uint32_t i = 0; i < count; i++) {
        if (said->slots[i] > DEDUPE_LINE_SLOTS)
            return -EBADMSG;
        total += said->slots[i];
    }
    if (said->chunk.bytes != sizeof *said + total * sizeof *slots)
        return -EBADMSG;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < said->slots[i]; j++)
            p->dedupe.lines[said->first_line + i].slots[j] = *slots++;
    return 0;
}

/* An entry must not lead those astray who read it: of its items, all are known.
 */
static bool is_sound(const struct progress_entry *entry, uint32_t item_count)
{
    uint32_t most =
        OUTCOME_ITEMS_MAX > PROGRESS_RECENT_MAX ? OUTCOME_ITEMS_MAX : PROGRESS_RECENT_MAX;
    if (entry->count > most || entry->shift > 63)
        return false;
    if (entry->won_ns)
        return true;
    for (uint32_t i = 0; i < entry->count && i < OUTCOME_ITEMS_MAX; i++)
        if (entry->trail.item[i] >= item_count)
            return false;
    return true;
}

static int load_progress(struct partition *p, uint32_t item_count, const uint8_t *bytes)
{
    const struct image_chunk *chunk = (const struct image_chunk *)bytes;
    const struct image_progress *said = (const struct image_progress *)(chunk + 1);
    if (chunk->bytes != sizeof *chunk + chunk->count * sizeof *said)
        return -EBADMSG;
    for (uint32_t i = 0; i < chunk->count; i++) {
        if (!is_sound(&said[i].entry, item_count))
            return -EBADMSG;
        if (!progress_load(&p->progress, &said[i].entry, said[i].tag, said[i].expires_s))
            return -ENOSPC;
    }
    return 0;
}

static int load_claims(struct partition *p, const uint8_t *bytes)
{
    const struct image_chunk *chunk = (const struct image_chunk *)bytes;
    const struct claim *said = (const struct claim *)(chunk + 1);
    if (chunk->bytes != sizeof *chunk + chunk->count * sizeof *said)
        return -EBADMSG;
    for (uint32_t i = 0; i < chunk->count; i++)
        if (!claims_load(&p->claims, &said[i], p->last_ns))
            return -ENOSPC;
    return 0;
}

static bool is_text(const char *text, size_t room)
{
    return memchr(text, '\0', room) != NULL;
}

static int load_corrections(struct state *state, uint32_t partition, const uint8_t *bytes)
{
    const struct image_chunk *chunk = (const struct image_chunk *)bytes;
    const struct corrections_entry *said = (const struct corrections_entry *)(chunk + 1);
    if (chunk->bytes != sizeof *chunk + chunk->count * sizeof *said)
        return -EBADMSG;
    for (uint32_t i = 0; i < chunk->count; i++, said++) {
        if (said->partition != partition || !is_text(said->user, sizeof said->user) ||
            !is_text(said->hunt, sizeof said->hunt) || !is_text(said->tile, sizeof said->tile))
            return -EBADMSG;
        if (!corrections_load(&state->corrections, said))
            return -ENOSPC;
    }
    return 0;
}

int image_load(struct state *state, uint32_t partition, uint32_t item_count, bool ids,
               const uint8_t *bytes, uint32_t len)
{
    struct partition *p = state_partition(state, partition);
    const struct image_chunk *chunk = (const struct image_chunk *)bytes;
    int rc = -EBADMSG;
    if (len < sizeof *chunk || chunk->bytes > len || chunk->bytes < sizeof *chunk ||
        chunk->bytes % 8 || chunk->bytes > IMAGE_CHUNK_MAX)
        return -EBADMSG;
    if (chunk->kind == IMAGE_PARTITION)
        rc = load_partition(p, ids, bytes);
    else if (chunk->kind == IMAGE_IDS)
        rc = ids ? load_ids(p, bytes) : 0;
    else if (chunk->kind == IMAGE_PROGRESS)
        rc = load_progress(p, item_count, bytes);
    else if (chunk->kind == IMAGE_CLAIMS)
        rc = load_claims(p, bytes);
    else if (chunk->kind == IMAGE_CORRECTIONS)
        rc = load_corrections(state, partition, bytes);
    return rc ? rc : (int)chunk->bytes;
}
