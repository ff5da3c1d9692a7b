/* blast_pacer.c - linear rates, summed and inverted.
 *
 * Within a stage of rate r + a t, n(t) = r t + a t^2 / 2 events are due by t.  Solved for t in the
 * form that keeps its digits when a is small: t = 2 n / (r + sqrt(r^2 + 2 a n)).
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "bench/blast_pacer.h"
#include "bench/blast_value.h"
#include "dataplane/base/clock.h"

#define STAGE_TEXT_MAX 64

static int parse_stage(char *text, struct blast_stage *stage)
{
    uint64_t from, to;
    *stage = (struct blast_stage){0};
    char *span = strchr(text, '/');
    if (span) {
        *span++ = '\0';
        if (blast_value_duration(span, &stage->span_ns) < 0 || !stage->span_ns)
            return -EINVAL;
    }
    char *dots = strstr(text, "..");
    if (dots)
        *dots = '\0';
    if (blast_value_count(text, &from) < 0 || blast_value_count(dots ? dots + 2 : text, &to) < 0)
        return -EINVAL;
    if ((dots && !span) || (!from && !to))
        return -EINVAL;
    stage->from = (double)from;
    stage->to = (double)to;
    return 0;
}

int blast_pacer_parse(struct blast_pacer *pacer, const char *text)
{
    *pacer = (struct blast_pacer){0};
    for (;;) {
        size_t len = strcspn(text, ",");
        char one[STAGE_TEXT_MAX];
        if (pacer->stage_count == BLAST_STAGES_MAX || len >= sizeof one)
            return -EINVAL;
        memcpy(one, text, len);
        one[len] = '\0';
        struct blast_stage *stage = &pacer->stages[pacer->stage_count++];
        if (parse_stage(one, stage) < 0)
            return -EINVAL;
        if (!text[len])
            return 0;
        if (!stage->span_ns)
            return -EINVAL;
        text += len + 1;
    }
}

static double stage_slope(const struct blast_stage *stage)
{
    return stage->span_ns ? (stage->to - stage->from) * 1e9 / (double)stage->span_ns : 0;
}

static double stage_count_at(const struct blast_stage *stage, double seconds)
{
    return stage->from * seconds + stage_slope(stage) * seconds * seconds / 2;
}

/* The plan holds its last rate behind the last stage: one more stage without an end. */
static int hold(struct blast_pacer *pacer)
{
    const struct blast_stage *last = &pacer->stages[pacer->stage_count - 1];
    if (last->to == 0)
        return -EINVAL;
    pacer->stages[pacer->stage_count++] = (struct blast_stage){.from = last->to, .to = last->to};
    return 0;
}

int blast_pacer_limit(struct blast_pacer *pacer, uint64_t events, uint64_t duration_ns)
{
    uint64_t spans = 0;
    bool endless = pacer->stage_count == 0;
    for (uint32_t i = 0; i < pacer->stage_count; i++) {
        spans += pacer->stages[i].span_ns;
        endless = endless || !pacer->stages[i].span_ns;
    }
    if (endless && !events && !duration_ns)
        return -EINVAL;
    if (!endless && duration_ns > spans && hold(pacer) < 0)
        duration_ns = spans;
    for (uint32_t i = 1; i < pacer->stage_count; i++) {
        const struct blast_stage *before = &pacer->stages[i - 1];
        pacer->stages[i].start_ns = before->start_ns + before->span_ns;
        pacer->stages[i].start_count =
            before->start_count + stage_count_at(before, (double)before->span_ns / 1e9);
    }
    pacer->end_ns = duration_ns ? duration_ns : endless ? UINT64_MAX : spans;
    pacer->total = UINT64_MAX;
    if (pacer->end_ns != UINT64_MAX && pacer->stage_count)
        pacer->total = blast_pacer_count(pacer, pacer->end_ns);
    if (events && events < pacer->total)
        pacer->total = events;
    return 0;
}

uint64_t blast_pacer_due(struct blast_pacer *pacer, uint64_t n)
{
    if (!pacer->stage_count)
        return 0;
    uint32_t i = pacer->stage;
    if ((double)n < pacer->stages[i].start_count)
        i = 0;
    while (i + 1 < pacer->stage_count && (double)n >= pacer->stages[i + 1].start_count)
        i++;
    pacer->stage = i;
    const struct blast_stage *stage = &pacer->stages[i];
    double count = (double)n - stage->start_count;
    if (count <= 0)
        return stage->start_ns;
    double square = stage->from * stage->from + 2 * stage_slope(stage) * count;
    double seconds = 2 * count / (stage->from + sqrt(square > 0 ? square : 0));
    return stage->start_ns + (uint64_t)(seconds * 1e9);
}

uint64_t blast_pacer_count(const struct blast_pacer *pacer, uint64_t since_ns)
{
    uint32_t i = 0;
    while (i + 1 < pacer->stage_count && since_ns >= pacer->stages[i + 1].start_ns)
        i++;
    const struct blast_stage *stage = &pacer->stages[i];
    uint64_t in_stage_ns = since_ns - stage->start_ns;
    if (stage->span_ns && in_stage_ns > stage->span_ns)
        in_stage_ns = stage->span_ns;
    double seconds = (double)in_stage_ns / 1e9;
    uint64_t count = (uint64_t)llround(stage->start_count + stage_count_at(stage, seconds));
    return count < pacer->total ? count : pacer->total;
}
