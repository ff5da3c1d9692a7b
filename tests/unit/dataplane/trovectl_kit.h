/* trovectl_kit.h - what the tests of trovectl's output share: a stream in memory, and answers from
 * JSON.
 *
 * Memory:  by open_memstream, freed by end_with.  Threads: one.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "dataplane/trovectl.h"

/* One rendering at a time. */
static char *text;
static size_t text_len;
static FILE *memory;

static inline FILE *begin(void)
{
    memory = open_memstream(&text, &text_len);
    assert_non_null(memory);
    return memory;
}

static inline void end_with(const char *expected)
{
    fclose(memory);
    assert_string_equal(text, expected);
    free(text);
}

static inline json_t *parse(const char *json)
{
    json_error_t error;
    json_t *value = json_loads(json, 0, &error);
    if (!value)
        fail_msg("%s at %d", error.text, error.position);
    return value;
}
