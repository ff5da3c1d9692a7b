/* load.h - what the tests of conf/ share: a document that is right, and faults by code and place.
 *
 * Every test file is a program of its own; these are static on purpose.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"

/* The keys that have no default, and nothing else.  Nine lines. */
#define MINIMAL                                                                                    \
    "version: 1\n"                                                                                 \
    "data_dir: /var/lib/trove\n"                                                                   \
    "ports:\n"                                                                                     \
    "  - name: p0\n"                                                                               \
    "    device: 0000:8a:00.0\n"                                                                   \
    "    address: 192.0.2.7/24\n"                                                                  \
    "events:\n"                                                                                    \
    "  types:\n"                                                                                   \
    "    view: { require: [item] }\n"

#define TRAIL  "name: t, kind: trail, catalog: c.tsv, start: [A4], treasure: [B1]"
#define BASKET "name: b, kind: basket, catalog: c.tsv"

static struct diag_list diags;

__attribute__((unused)) static struct conf *load(const char *text)
{
    diag_list_fini(&diags);
    return conf_load("/etc/trove/trove.yaml", text, strlen(text), &diags);
}

__attribute__((unused)) static struct conf *load_good(const char *text)
{
    struct conf *conf = load(text);
    diag_print(&diags, stderr);
    assert_non_null(conf);
    assert_int_equal(diags.count, 0);
    return conf;
}

/* The text has exactly this one fault, and the message holds these words. */
__attribute__((unused)) static void assert_fault(const char *text, const char *code, unsigned line,
                                                 unsigned column, const char *words)
{
    struct conf *conf = load(text);
    assert_null(conf);
    if (diags.count != 1 || !strstr(diags.diags[0].text, words))
        diag_print(&diags, stderr);
    assert_int_equal(diags.count, 1);
    assert_string_equal(diags.diags[0].code, code);
    assert_int_equal(diags.diags[0].line, line);
    assert_int_equal(diags.diags[0].column, column);
    assert_non_null(strstr(diags.diags[0].text, words));
    diag_list_fini(&diags);
}
