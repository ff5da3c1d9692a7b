/* blast_profile.c - defaults and compound values of a profile. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bench/blast_profile.h"
#include "bench/blast_value.h"

#define WHOLE (1ull << 32)

void blast_profile_init(struct blast_profile *profile)
{
    *profile = (struct blast_profile){
        .seed = 1,
        .run_id = "",
        .users = 100000,
        .items = 10000,
        .zipf = 1.0,
        .type_count = 1,
        .types = {{.name = "view", .below = WHOLE}},
        .event_bytes = 170,
        .per_datagram = 1,
        .datagram_bytes = 1400,
    };
}

/* Names go into JSON as they are. */
static int copy_name(char *out, const char *text, size_t len, size_t max)
{
    if (len == 0 || len > max)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
            return -EINVAL;
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return 0;
}

int blast_profile_types(struct blast_profile *profile, const char *text)
{
    uint64_t weights[BLAST_TYPES_MAX];
    uint64_t sum = 0;
    uint32_t count = 0;
    for (bool more = true; more; count++) {
        size_t len = strcspn(text, ":,");
        char weight[24] = "1";
        if (count == BLAST_TYPES_MAX ||
            copy_name(profile->types[count].name, text, len, BLAST_TYPE_NAME_MAX) < 0)
            return -EINVAL;
        text += len;
        if (*text == ':') {
            len = strcspn(++text, ",");
            if (len >= sizeof weight)
                return -EINVAL;
            memcpy(weight, text, len);
            weight[len] = '\0';
            text += len;
        }
        if (blast_value_count(weight, &weights[count]) < 0 || weights[count] > UINT32_MAX)
            return -EINVAL;
        sum += weights[count];
        more = *text == ',';
        text += more;
    }
    if (!sum)
        return -EINVAL;
    uint64_t upto = 0;
    for (uint32_t i = 0; i < count; i++) {
        upto += weights[i];
        profile->types[i].below = (uint64_t)((double)upto / (double)sum * (double)WHOLE);
    }
    profile->types[count - 1].below = WHOLE;
    profile->type_count = count;
    return 0;
}

int blast_profile_hunt(struct blast_profile *profile, const char *text)
{
    if (profile->hunt_count == BLAST_HUNTS_MAX)
        return -EINVAL;
    uint64_t before = profile->hunt_count ? profile->hunts[profile->hunt_count - 1].below : 0;
    struct blast_choice *hunt = &profile->hunts[profile->hunt_count];
    uint64_t share = WHOLE - before;
    const char *colon = strrchr(text, ':');
    if (colon && blast_value_share(colon + 1, &share) < 0)
        return -EINVAL;
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    if (copy_name(hunt->name, text, len, BLAST_NAME_MAX) < 0 || before + share > WHOLE)
        return -EINVAL;
    hunt->below = before + share;
    profile->hunt_count++;
    return 0;
}

int blast_profile_shifted(const char *text, uint64_t *share, uint64_t *ns)
{
    char part[24];
    const char *colon = strchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof part)
        return -EINVAL;
    memcpy(part, text, (size_t)(colon - text));
    part[colon - text] = '\0';
    if (blast_value_share(part, share) < 0)
        return -EINVAL;
    return blast_value_duration(colon + 1, ns) < 0 ? -EINVAL : 0;
}
