/* board.c - an open-addressing table of (hunt, user), ranked when somebody asks. */
#include "sinks/board.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/correction.h"
#include "dataplane/base/text.h"
#include "sinks/board_impl.h"

struct board *board_new(uint32_t limit)
{
    static const uint8_t seed[HASH_SEED_BYTES];
    struct board *board = calloc(1, sizeof *board);
    if (!board)
        return NULL;
    board->limit = limit;
    board->slot_count = 16;
    while (board->slot_count < 2 * limit)
        board->slot_count *= 2;
    board->slots = calloc(board->slot_count, sizeof *board->slots);
    board->order = calloc(limit ? limit : 1, sizeof *board->order);
    hash_key_init(&board->key, seed);
    pthread_mutex_init(&board->lock, NULL);
    if (!board->slots || !board->order) {
        board_free(board);
        return NULL;
    }
    return board;
}

void board_free(struct board *board)
{
    if (!board)
        return;
    pthread_mutex_destroy(&board->lock);
    free(board->slots);
    free(board->order);
    free(board);
}

/* ---- writing ---- */

/* Index + 1 of a hunt, added when it is new and add is set; 0 when there is none. */
static uint32_t find_hunt(struct board *board, const char *name, size_t len, bool add)
{
    for (uint32_t i = 0; i < board->hunt_count; i++)
        if (strlen(board->hunts[i]) == len && !memcmp(board->hunts[i], name, len))
            return i + 1;
    if (!add || board->hunt_count == BOARD_HUNTS_MAX || len > EVENT_NAME_MAX)
        return 0;
    memcpy(board->hunts[board->hunt_count], name, len);
    return ++board->hunt_count;
}

struct board_entry *board_slot(struct board *board, uint32_t hunt, const uint8_t *user,
                               uint32_t len)
{
    uint32_t mask = board->slot_count - 1;
    uint32_t at = ((uint32_t)hash64(&board->key, user, len) + hunt * 0x9e3779b1u) & mask;
    for (;; at = (at + 1) & mask) {
        struct board_entry *entry = &board->slots[at];
        if (!entry->hunt ||
            (entry->hunt == hunt && entry->user_len == len && !memcmp(entry->user, user, len)))
            return entry;
    }
}

/* An award and a correction name their user; for a claim the event does. Returns the length, 0 when
 * it cannot be told. */
static uint32_t user_of(const struct sink_item *item, const struct hash_key *key,
                        uint8_t user[EVENT_USER_MAX])
{
    static const struct event_limits limits = {EVENT_BYTES_MAX, 64};
    const struct outcome_name *named = &item->view.user;
    struct event event;
    if (named->len && named->len <= EVENT_USER_MAX) {
        memcpy(user, named->text, named->len);
        return named->len;
    }
    if (!item->event || event_parse(&limits, key, record_body(item->event), item->event->body_len,
                                    &event) != REASON_none)
        return 0;
    int len = text_decode(record_body(item->event) + event.user.off, event.user.len, user,
                          EVENT_USER_MAX);
    return len > 0 ? (uint32_t)len : 0;
}

/* Whether an outcome is about a tile: a correction is when it names one. */
static bool of_tile(const struct sink_item *item)
{
    struct correction correction;
    if (!outcome_of_correction(item->view.outcome.kind))
        return item->view.outcome.kind == OUTCOME_claim_granted;
    return item->event &&
           correction_decode(record_body(item->event), item->event->body_len, &correction) == 0 &&
           correction.tile[0];
}

static struct board_entry *entry_of(struct board *board, const struct sink_item *item)
{
    const struct outcome_name *name = &item->view.hunt;
    uint8_t user[EVENT_USER_MAX];
    uint32_t len = user_of(item, &board->key, user);
    uint32_t hunt = find_hunt(board, (const char *)name->text, name->len, true);
    struct board_entry *entry = len && hunt ? board_slot(board, hunt, user, len) : NULL;
    if (!entry || entry->hunt)
        return entry;
    if (board->used == board->limit || item->view.outcome.kind == OUTCOME_revoked)
        return NULL;
    *entry = (struct board_entry){.hunt = hunt, .user_len = len};
    memcpy(entry->user, user, len);
    board->used++;
    return entry;
}

/* What was never counted cannot be taken away: a claim's correction names whom the operator says.
 */
static void take_away(uint64_t *value, uint64_t amount)
{
    *value -= amount < *value ? amount : *value;
}

static void count_item(struct board *board, const struct sink_item *item)
{
    struct board_entry *entry = entry_of(board, item);
    if (!entry) {
        board->unranked += item->view.outcome.kind != OUTCOME_revoked;
        return;
    }
    board->changes[entry->hunt - 1]++;
    uint64_t *value = &entry->value[of_tile(item) ? BOARD_CLAIMS : BOARD_AWARDS];
    if (item->view.outcome.kind == OUTCOME_revoked) {
        take_away(value, 1);
        take_away(&entry->value[BOARD_SCORE], item->view.outcome.score);
        return;
    }
    ++*value;
    entry->value[BOARD_SCORE] += item->view.outcome.score;
}

static int board_open(void *sink, uint64_t resume)
{
    (void)sink, (void)resume;
    return 0;
}

static int board_deliver(void *sink, const struct sink_item *item)
{
    struct board *board = sink;
    uint64_t *last_seq = &board->last_seq[item->outcome->partition];
    if (item->outcome->seq <= *last_seq)
        return 0;
    *last_seq = item->outcome->seq;
    pthread_mutex_lock(&board->lock);
    count_item(board, item);
    pthread_mutex_unlock(&board->lock);
    return 0;
}

static int board_commit(void *sink, uint64_t *resume)
{
    (void)sink;
    *resume = 0;
    return 0;
}

static void board_close(void *sink)
{
    (void)sink;
}

const struct sink_ops board_ops = {
    .type = "leaderboard",
    .open = board_open,
    .deliver = board_deliver,
    .commit = board_commit,
    .late = true,
    .close = board_close,
    .kept = board_keep,
};

/* ---- reading ---- */

static int by_name(const struct board_entry *a, const struct board_entry *b)
{
    uint32_t len = a->user_len < b->user_len ? a->user_len : b->user_len;
    int order = memcmp(a->user, b->user, len);
    return order ? order : (a->user_len > b->user_len) - (a->user_len < b->user_len);
}

struct ranking {
    const struct board_entry *slots;
    enum board_order order;
};

static int better_first(const void *one, const void *other, void *arg)
{
    const struct ranking *ranking = arg;
    const struct board_entry *a = &ranking->slots[*(const uint32_t *)one],
                             *b = &ranking->slots[*(const uint32_t *)other];
    uint64_t va = a->value[ranking->order], vb = b->value[ranking->order];
    return va != vb ? (va < vb) - (va > vb) : by_name(a, b);
}

static void tell(const struct board_entry *entry, uint32_t rank, struct board_row *row)
{
    row->rank = rank;
    memcpy(row->user, entry->user, entry->user_len);
    row->user[entry->user_len] = '\0';
    memcpy(row->value, entry->value, sizeof row->value);
}

static void rank(struct board *board, enum board_order order, uint32_t count,
                 const struct board_entry *own, struct board_view *view)
{
    uint32_t at = 1;
    for (uint32_t i = 0; i < view->user_count; i++) {
        const struct board_entry *entry = &board->slots[board->order[i]];
        if (i && entry->value[order] != board->slots[board->order[i - 1]].value[order])
            at = i + 1;
        if (i < count)
            tell(entry, at, &view->rows[view->row_count++]);
        if (entry == own) {
            tell(entry, at, &view->own);
            view->has_own = true;
        }
    }
}

/* Who has had everything taken away is not ranked. */
static bool has_any(const struct board_entry *entry)
{
    return entry->value[BOARD_AWARDS] || entry->value[BOARD_CLAIMS] || entry->value[BOARD_SCORE];
}

int board_read(struct board *board, const char *hunt_name, enum board_order order, uint32_t count,
               const char *user, struct board_view *view)
{
    view->user_count = view->row_count = 0;
    view->has_own = false;
    if (count > BOARD_ROWS_MAX)
        count = BOARD_ROWS_MAX;
    pthread_mutex_lock(&board->lock);
    view->unranked = board->unranked;
    uint32_t hunt = find_hunt(board, hunt_name, strlen(hunt_name), false);
    for (uint32_t i = 0; hunt && i < board->slot_count; i++)
        if (board->slots[i].hunt == hunt && has_any(&board->slots[i]))
            board->order[view->user_count++] = i;
    struct ranking ranking = {board->slots, order};
    qsort_r(board->order, view->user_count, sizeof *board->order, better_first, &ranking);
    const struct board_entry *own = NULL;
    if (hunt && user && strlen(user) <= EVENT_USER_MAX)
        own = board_slot(board, hunt, (const uint8_t *)user, (uint32_t)strlen(user));
    rank(board, order, count, own, view);
    pthread_mutex_unlock(&board->lock);
    return hunt ? 0 : -ENOENT;
}

uint32_t board_hunts(struct board *board, struct board_hunt hunts[BOARD_HUNTS_MAX])
{
    pthread_mutex_lock(&board->lock);
    uint32_t count = board->hunt_count;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(hunts[i].name, board->hunts[i], sizeof hunts[i].name);
        hunts[i].changes = board->changes[i];
    }
    pthread_mutex_unlock(&board->lock);
    return count;
}
