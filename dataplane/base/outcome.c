/* outcome.c - the body of an OUTCOME record: a fixed part, then hunt, user and items as length and
 * text, then what `extras` says, in the order of its bits. */
#include "dataplane/base/outcome.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* What came to the format later; a record without it is as it always was. */
enum extra {
    EXTRA_VARIANT = 1 << 0, /* variant and reward, the reward may be empty */
};

/* On disk, little-endian. */
struct outcome_disk {
    uint8_t kind;
    uint8_t refusal;
    uint8_t flags;
    uint8_t item_count;
    uint16_t depth;
    uint16_t extras; /* enum extra */
    uint32_t score;
    uint32_t edge_count;
    uint64_t first_seq;
    uint64_t award_id[2];
    uint64_t id[2];
} __attribute__((packed, may_alias)); /* wherever it stands */

static_assert(sizeof(struct outcome_disk) == 56, "on disk");
static_assert(sizeof(struct outcome_disk) + (4 + OUTCOME_ITEMS_MAX) * (1ul + EVENT_NAME_MAX) <=
                  OUTCOME_BODY_MAX,
              "the longest outcome fits");

static uint8_t *name_encode(uint8_t *at, const struct outcome_name *name)
{
    uint32_t len = name->len; /* what is written could be anything, for the compiler */
    assert(len <= EVENT_NAME_MAX);
    *at++ = (uint8_t)len;
    if (len)
        memcpy(at, name->text, len);
    return at + len;
}

uint32_t outcome_len(const struct outcome_view *view)
{
    uint32_t len = (uint32_t)sizeof(struct outcome_disk) + 2 + view->hunt.len + view->user.len;
    for (unsigned i = 0; i < view->outcome.item_count; i++)
        len += 1 + view->item[i].len;
    return view->variant.len ? len + 2 + view->variant.len + view->reward.len : len;
}

uint32_t outcome_encode(const struct outcome_view *view, uint8_t *body)
{
    const struct outcome *o = &view->outcome;
    assert(o->item_count <= OUTCOME_ITEMS_MAX);
    *(struct outcome_disk *)body = (struct outcome_disk){
        .kind = o->kind,
        .refusal = o->refusal,
        .flags = o->flags,
        .item_count = o->item_count,
        .depth = o->depth,
        .extras = view->variant.len ? EXTRA_VARIANT : 0,
        .score = o->score,
        .edge_count = o->edge_count,
        .first_seq = o->first_seq,
        .award_id = {o->award_id[0], o->award_id[1]},
        .id = {view->id[0], view->id[1]},
    };
    uint8_t *at = body + sizeof(struct outcome_disk);
    at = name_encode(at, &view->hunt);
    at = name_encode(at, &view->user);
    for (unsigned i = 0; i < o->item_count; i++)
        at = name_encode(at, &view->item[i]);
    if (view->variant.len) {
        at = name_encode(at, &view->variant);
        at = name_encode(at, &view->reward);
    }
    return (uint32_t)(at - body);
}

static const uint8_t *name_decode(const uint8_t *at, const uint8_t *end, struct outcome_name *name)
{
    if (!at || at == end || *at > EVENT_NAME_MAX || *at > end - at - 1)
        return NULL;
    *name = (struct outcome_name){.text = at + 1, .len = *at};
    return at + 1 + *at;
}

int outcome_decode(const uint8_t *body, uint32_t len, struct outcome_view *view)
{
    struct outcome_disk disk;
    if (len < sizeof disk)
        return -EBADMSG;
    memcpy(&disk, body, sizeof disk);
    if (disk.kind >= OUTCOME_KIND_COUNT || disk.refusal >= REFUSAL_COUNT ||
        disk.item_count > OUTCOME_ITEMS_MAX || disk.extras & ~EXTRA_VARIANT)
        return -EBADMSG;
    *view = (struct outcome_view){
        .outcome =
            {
                .kind = disk.kind,
                .refusal = disk.refusal,
                .flags = disk.flags,
                .item_count = disk.item_count,
                .hunt = OUTCOME_NO_HUNT,
                .depth = disk.depth,
                .score = disk.score,
                .edge_count = disk.edge_count,
                .first_seq = disk.first_seq,
                .award_id = {disk.award_id[0], disk.award_id[1]},
            },
        .id = {disk.id[0], disk.id[1]},
    };
    const uint8_t *end = body + len;
    const uint8_t *at = name_decode(body + sizeof disk, end, &view->hunt);
    at = name_decode(at, end, &view->user);
    for (unsigned i = 0; i < disk.item_count; i++)
        at = name_decode(at, end, &view->item[i]);
    if (disk.extras & EXTRA_VARIANT) {
        at = name_decode(at, end, &view->variant);
        at = name_decode(at, end, &view->reward);
        if (!view->variant.len)
            return -EBADMSG;
    }
    return at == end ? 0 : -EBADMSG;
}

static const char *const kind_names[] = {
#define OUTCOME_NAME(name, help) #name,
    OUTCOME_KIND_LIST(OUTCOME_NAME)
#undef OUTCOME_NAME
};

static const char *const refusal_names[] = {
#define REFUSAL_NAME(name, help) #name,
    REFUSAL_LIST(REFUSAL_NAME)
#undef REFUSAL_NAME
};

const char *outcome_kind_name(unsigned kind)
{
    return kind < OUTCOME_KIND_COUNT ? kind_names[kind] : "unknown";
}

const char *refusal_name(unsigned refusal)
{
    return refusal < REFUSAL_COUNT ? refusal_names[refusal] : "unknown";
}

static const char *const refusal_helps[] = {
#define REFUSAL_HELP(name, help) help,
    REFUSAL_LIST(REFUSAL_HELP)
#undef REFUSAL_HELP
};

const char *refusal_help(unsigned refusal)
{
    return refusal < REFUSAL_COUNT ? refusal_helps[refusal] : "unknown";
}
