/* glob.c - see glob.h. */
#include "dataplane/base/glob.h"

#include <string.h>

#include "dataplane/base/utf8.h"

static const char *const unclosed = "a '[' has no ']' behind it";

static void take_ascii(struct glob *glob, const bool set[128], bool negated)
{
    uint64_t bit = UINT64_C(1) << glob->count;
    for (unsigned c = 0; c < 128; c++)
        if (set[c] != negated)
            glob->ascii[c] |= bit;
    if (negated)
        glob->other |= bit;
}

/* read_class reads what stands behind a '['; *at is there, and behind the ']' in the end. */
static const char *read_class(struct glob *glob, const char *pattern, size_t len, size_t *at)
{
    bool set[128] = {false}, negated = *at < len && pattern[*at] == '!';
    size_t begin = *at += negated;
    for (;; ++*at) {
        if (*at >= len)
            return unclosed;
        uint8_t first = (uint8_t)pattern[*at], last = first;
        if (first == ']' && *at > begin)
            break;
        if (first >= 128)
            return "a class holds ASCII characters only";
        if (*at + 2 < len && pattern[*at + 1] == '-' && pattern[*at + 2] != ']') {
            last = (uint8_t)pattern[*at + 2];
            if (last >= 128)
                return "a class holds ASCII characters only";
            if (last < first)
                return "a range in a class runs backwards";
            *at += 2;
        }
        memset(set + first, true, (size_t)(last - first) + 1);
    }
    ++*at;
    take_ascii(glob, set, negated);
    return NULL;
}

static const char *read_element(struct glob *glob, const char *pattern, size_t len, size_t *at)
{
    bool set[128] = {false};
    uint32_t code = utf8_next((const uint8_t *)pattern, at);
    if (code == '[')
        return read_class(glob, pattern, len, at);
    if (code == '?') {
        take_ascii(glob, set, true);
    } else if (code < 128) {
        set[code] = true;
        take_ascii(glob, set, false);
    } else {
        glob->wide[glob->wide_count].code = code;
        glob->wide[glob->wide_count++].element = glob->count;
    }
    return NULL;
}

const char *glob_compile(struct glob *glob, const char *pattern, size_t len, size_t *at)
{
    *glob = (struct glob){0};
    for (*at = 0; *at < len;) {
        if (pattern[*at] == '*') {
            glob->stay |= UINT64_C(1) << glob->count;
            ++*at;
            continue;
        }
        if (glob->count == GLOB_MAX)
            return "a pattern has at most 63 characters and classes";
        const char *wrong = read_element(glob, pattern, len, at);
        if (wrong)
            return wrong;
        glob->count++;
    }
    return NULL;
}
