/* retention.c - choose a base, write the horizon down, remove what is in front of it. */
#include "dataplane/retention.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* What there is to choose from: good checkpoints, the oldest first. */
struct bases {
    struct checkpoint_head *heads;
    int count;
};

struct survey {
    struct bases bases;
    struct segment_id *ids;
    uint64_t *bytes; /* [segment] */
    int count;
    struct horizon horizon;
};

/* ---- looking ---- */

/* One that cannot be read is no place to begin with, and is left for recovery to judge. */
static int find_bases(int checkpoint_fd, struct bases *bases)
{
    struct checkpoint_id *ids;
    unsigned unknown;
    int count = checkpoint_list(checkpoint_fd, &ids, &unknown);
    *bases = (struct bases){0};
    if (count <= 0)
        return count;
    bases->heads = calloc((size_t)count, sizeof *bases->heads);
    for (int i = count; bases->heads && i-- > 0;) {
        struct checkpoint c;
        if (checkpoint_open(&c, checkpoint_fd, ids[i]) == 0)
            bases->heads[bases->count++] = c.head;
        checkpoint_close(&c);
    }
    free(ids);
    return bases->heads ? 0 : -ENOMEM;
}

static void survey_free(struct survey *survey)
{
    free(survey->bases.heads);
    free(survey->ids);
    free(survey->bytes);
}

static int look(const struct retention_request *request, struct survey *survey)
{
    unsigned unknown;
    *survey = (struct survey){0};
    int rc = horizon_load(request->dir_fd, &survey->horizon);
    if (!rc)
        rc = find_bases(request->checkpoint_fd, &survey->bases);
    if (!rc)
        rc = survey->count = segment_list(request->journal_fd, &survey->ids, &unknown);
    if (rc < 0)
        return rc;
    survey->bytes = calloc((size_t)survey->count + 1, sizeof *survey->bytes);
    for (int i = 0; survey->bytes && i < survey->count; i++)
        (void)segment_disk_bytes(request->journal_fd, survey->ids[i], &survey->bytes[i]);
    return survey->bytes ? 0 : -ENOMEM;
}

static uint64_t bytes_from(const struct survey *survey, const struct horizon *horizon)
{
    uint64_t sum = 0;
    for (int i = 0; i < survey->count; i++)
        if (horizon_has(horizon, survey->ids[i]))
            sum += survey->bytes[i];
    return sum;
}

/* ---- choosing ---- */

static uint64_t disk_free(int fd)
{
    struct statvfs disk;
    return fstatvfs(fd, &disk) ? UINT64_MAX : (uint64_t)disk.f_bavail * disk.f_frsize;
}

/* is_enough returns whether the wish is met when the journal begins with a checkpoint. */
static bool is_enough(const struct retention_request *request, const struct survey *survey,
                      const struct checkpoint_head *head, uint64_t free_bytes)
{
    const struct retention_wish *wish = &request->wish;
    struct horizon horizon;
    horizon_at(&horizon, head);
    uint64_t rest = bytes_from(survey, &horizon), all = bytes_from(survey, &survey->horizon);
    if (wish->bytes && rest > wish->bytes)
        return false;
    return !wish->free_bytes || free_bytes >= wish->free_bytes ||
           free_bytes + (all - rest) >= wish->free_bytes;
}

/* wanted returns the checkpoint to begin with, -1 to leave things as they are.  The newest that age
 * asks for, or a newer one where the journal is too large with that; both of the newest two stay,
 * and the journal that they need. */
static int wanted(const struct retention_request *request, const struct survey *survey)
{
    const struct retention_wish *wish = &request->wish;
    const struct bases *bases = &survey->bases;
    uint64_t free_bytes = wish->free_bytes ? disk_free(request->journal_fd) : UINT64_MAX;
    uint64_t all = bytes_from(survey, &survey->horizon);
    int last = bases->count - (int)CHECKPOINT_KEPT, at = -1;
    for (int i = 0; wish->age_ns && i <= last; i++)
        if (bases->heads[i].created_ns + wish->age_ns <= request->now_ns)
            at = i;
    bool too_large = (wish->bytes && all > wish->bytes) || free_bytes < wish->free_bytes;
    if (!too_large)
        return at;
    for (at = at < 0 ? 0 : at; at < last; at++)
        if (is_enough(request, survey, &bases->heads[at], free_bytes))
            break;
    return at <= last ? at : -1;
}

static uint32_t at_least_one(uint32_t number)
{
    return number ? number : 1;
}

/* has_all returns whether a journal that begins with a checkpoint has what somebody needs. */
static bool has_all(const struct checkpoint_head *head, const struct retention_need *need)
{
    if (head->epoch != need->epoch)
        return head->epoch < need->epoch;
    for (uint32_t s = 0; s < head->shard_count; s++) {
        uint32_t number = s < need->shard_count ? need->number[s] : 0;
        if (at_least_one(head->shard[s].number) > at_least_one(number))
            return false;
    }
    return true;
}

/* hold goes back to an older base while somebody needs more, unless they may lose it. */
static int hold(const struct retention_request *request, const struct survey *survey, int at,
                struct retention_done *done)
{
    for (uint32_t i = 0; i < request->need_count; i++) {
        const struct retention_need *need = &request->needs[i];
        if (at < 0 || has_all(&survey->bases.heads[at], need))
            continue;
        if (request->may_lose && !need->must)
            continue;
        done->held_by = need->who;
        while (at >= 0 && !has_all(&survey->bases.heads[at], need))
            at--;
    }
    for (uint32_t i = 0; i < request->need_count && at >= 0; i++) {
        if (has_all(&survey->bases.heads[at], &request->needs[i]))
            continue;
        if (!done->lost_count++)
            done->lost_by = request->needs[i].who;
    }
    return at;
}

/* ---- removing ---- */

static int remove_segments(const struct file_ops *ops, int journal_fd,
                           const struct horizon *horizon, const struct survey *survey,
                           struct retention_done *done)
{
    int rc = 0;
    for (int i = 0; i < survey->count && !rc; i++) {
        char name[SEGMENT_NAME_MAX];
        if (horizon_has(horizon, survey->ids[i]))
            continue;
        segment_name(survey->ids[i], name);
        rc = ops->remove(ops->disk, journal_fd, name);
        if (!rc || rc == -ENOENT) {
            segment_packed_name(survey->ids[i], name);
            rc = ops->remove(ops->disk, journal_fd, name);
        }
        if (rc == -ENOENT)
            rc = 0;
        done->segments += !rc;
        done->bytes += rc ? 0 : survey->bytes[i];
    }
    if (!rc && done->segments)
        rc = ops->sync_dir(ops->disk, journal_fd);
    return rc;
}

static bool moves_on(const struct horizon *from, const struct checkpoint_head *to)
{
    if (horizon_is_whole(from) || from->epoch != to->epoch)
        return horizon_is_whole(from) || to->epoch > from->epoch;
    for (uint32_t s = 0; s < to->shard_count; s++)
        if (at_least_one(to->shard[s].number) >
            at_least_one(s < from->shard_count ? from->number[s] : 0))
            return true;
    return false;
}

/* Whether there is anything in front of it to remove. */
static bool is_worth_it(const struct survey *survey, const struct horizon *horizon)
{
    for (int i = 0; i < survey->count; i++)
        if (!horizon_has(horizon, survey->ids[i]))
            return true;
    return false;
}

int retention_run(const struct retention_request *request, struct retention_done *done)
{
    struct survey survey;
    *done = (struct retention_done){0};
    int rc = look(request, &survey);
    int at = rc ? -1 : hold(request, &survey, wanted(request, &survey), done);
    struct horizon next = survey.horizon;
    if (at >= 0 && moves_on(&survey.horizon, &survey.bases.heads[at])) {
        horizon_at(&next, &survey.bases.heads[at]);
        if (is_worth_it(&survey, &next))
            rc = horizon_save(request->ops, request->dir_fd, &next);
        else
            next = survey.horizon;
    }
    if (!rc)
        rc = remove_segments(request->ops, request->journal_fd, &next, &survey, done);
    if (!rc) {
        done->kept_bytes = bytes_from(&survey, &next);
        done->begins_ns = next.begins_ns;
    }
    survey_free(&survey);
    return rc;
}

int retention_finish(const struct file_ops *ops, int dir_fd, int journal_fd,
                     struct retention_done *done)
{
    struct survey survey = {0};
    unsigned unknown;
    *done = (struct retention_done){0};
    int rc = horizon_load(dir_fd, &survey.horizon);
    if (!rc)
        rc = survey.count = segment_list(journal_fd, &survey.ids, &unknown);
    if (rc >= 0)
        survey.bytes = calloc((size_t)survey.count + 1, sizeof *survey.bytes);
    if (rc >= 0)
        rc = survey.bytes ? remove_segments(ops, journal_fd, &survey.horizon, &survey, done)
                          : -ENOMEM;
    survey_free(&survey);
    return rc;
}

/* ---- checkpoints ---- */

/* Whether at least one journal has gone on to another segment between two checkpoints. */
static bool is_apart(const struct checkpoint_head *a, const struct checkpoint_head *b)
{
    if (a->epoch != b->epoch)
        return true;
    for (uint32_t s = 0; s < b->shard_count; s++)
        if (a->shard[s].number != b->shard[s].number)
            return true;
    return false;
}

/* How much more goes than was wanted when the journal begins with the later of two: a share of the
 * time that all bases span, of all bytes, or the sum, as age, size or both are wanted.  Traffic
 * swings: a base an hour says nothing of how much an hour is. */
static double apart(const struct retention_wish *wish, const struct survey *survey,
                    const struct checkpoint_head *from, const struct checkpoint_head *to)
{
    const struct bases *bases = &survey->bases;
    struct horizon first, second;
    horizon_at(&first, from);
    horizon_at(&second, to);
    uint64_t all = bytes_from(survey, &survey->horizon);
    uint64_t bytes = bytes_from(survey, &first) - bytes_from(survey, &second);
    uint64_t span = bases->heads[bases->count - 1].created_ns - bases->heads[0].created_ns;
    uint64_t time = to->created_ns - from->created_ns;
    bool by_size = wish->bytes || wish->free_bytes, by_age = wish->age_ns || !by_size;
    return (by_size ? (double)bytes / (double)(all ? all : 1) : 0) +
           (by_age ? (double)time / (double)(span ? span : 1) : 0);
}

/* Of the ones in the middle, the one whose neighbours are nearest to each other. */
static int most_crowded(const struct retention_wish *wish, const struct survey *survey, int end)
{
    const struct checkpoint_head *heads = survey->bases.heads;
    int at = 1;
    double least = apart(wish, survey, &heads[0], &heads[2]);
    for (int i = 2; i < end; i++) {
        double gap = apart(wish, survey, &heads[i - 1], &heads[i + 1]);
        at = gap < least ? i : at;
        least = gap < least ? gap : least;
    }
    return at;
}

static int drop(const struct file_ops *ops, int checkpoint_fd, struct bases *bases, int at)
{
    char name[CHECKPOINT_NAME_MAX];
    const struct checkpoint_head *head = &bases->heads[at];
    checkpoint_name((struct checkpoint_id){head->epoch, head->number}, name);
    bases->count--;
    memmove(bases->heads + at, bases->heads + at + 1,
            (size_t)(bases->count - at) * sizeof *bases->heads);
    return ops->remove(ops->disk, checkpoint_fd, name);
}

static bool is_before_base(const struct checkpoint_head *head, const struct horizon *horizon)
{
    const struct checkpoint_id *base = &horizon->base;
    return head->epoch < base->epoch || (head->epoch == base->epoch && head->number < base->number);
}

static int thin(const struct retention_request *request, struct survey *survey)
{
    struct bases *bases = &survey->bases;
    const struct file_ops *ops = request->ops;
    int rc = 0, kept = (int)CHECKPOINT_KEPT, fd = request->checkpoint_fd;
    while (!rc && bases->count > kept && is_before_base(&bases->heads[0], &survey->horizon))
        rc = drop(ops, fd, bases, 0);
    for (int i = 1; !rc && i < bases->count - kept;)
        if (is_apart(&bases->heads[i - 1], &bases->heads[i]))
            i++;
        else
            rc = drop(ops, fd, bases, i);
    while (!rc && bases->count > (int)RETENTION_BASES + kept)
        rc = drop(ops, fd, bases, most_crowded(&request->wish, survey, bases->count - kept));
    return rc;
}

int retention_thin(const struct retention_request *request)
{
    struct survey survey;
    int rc = look(request, &survey);
    int before = survey.bases.count;
    if (!rc)
        rc = thin(request, &survey);
    if (!rc && survey.bases.count != before)
        rc = request->ops->sync_dir(request->ops->disk, request->checkpoint_fd);
    survey_free(&survey);
    return rc;
}
