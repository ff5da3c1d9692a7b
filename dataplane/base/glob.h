/* glob.h - simple patterns, matched against the whole of a text in one pass over its characters.
 *
 *   *        any characters, none too          [a-z0_]  one ASCII character of these
 *   ?        one character                     [!a-z]   one character that is none of these
 * Anything else is itself; a '*', '?' or '[' is itself in a class: [*].  A ']' or '-' is itself as
 * the first character of a class, a '-' as the last one too.
 *
 * A pattern is compiled to bits, one for each place in it, and all places that the text so far may
 * have led to are kept as one word: a character costs the same whatever the pattern.
 *
 * Memory:  the caller's.  Threads: any may match, the pattern being read-only then.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GLOB_MAX 63 /* characters and classes of a pattern, '*' not counted */

struct glob {
    uint64_t ascii[128]; /* bit i: the i-th element takes this character */
    uint64_t other;      /* bit i: the i-th takes any character that is not ASCII */
    uint64_t stay;       /* bit i: a '*' stands before the i-th */
    uint32_t count;      /* of elements */
    uint32_t wide_count;
    struct {
        uint32_t code;
        uint32_t element;
    } wide[GLOB_MAX]; /* elements that are one character, not of ASCII */
};

/* glob_compile reads a pattern of len bytes of valid UTF-8.  Returns NULL, or what is wrong with
 * it, *at then being the offset of the byte in question. */
const char *glob_compile(struct glob *glob, const char *pattern, size_t len, size_t *at);

/* A text is matched by taking glob_begin, glob_step for each character, and asking glob_matched. */
static inline uint64_t glob_begin(void)
{
    return 1;
}

static inline uint64_t glob_step(const struct glob *glob, uint64_t places, uint32_t code)
{
    uint64_t takes = glob->other;
    if (code < 128) {
        takes = glob->ascii[code];
    } else {
        for (uint32_t i = 0; i < glob->wide_count; i++)
            if (glob->wide[i].code == code)
                takes |= UINT64_C(1) << glob->wide[i].element;
    }
    return (places & takes) << 1 | (places & glob->stay);
}

static inline bool glob_matched(const struct glob *glob, uint64_t places)
{
    return places >> glob->count & 1;
}
