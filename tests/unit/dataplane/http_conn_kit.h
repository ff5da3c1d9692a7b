/* http_conn_kit.h - what the tests of HTTP's connections share: one kit per test, with settings
 * that a test may change, and questions about what a connection got.
 *
 * Memory:  http_kit.h's.  Threads: one.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tests/unit/dataplane/http_kit.h"
#include "tests/unit/dataplane/http_requests.h"

#define assert_statuses(conn, text) assert_string_equal(kit_statuses(conn), text)

static inline const struct http_counters *counters(void)
{
    return http_counters(kit.http);
}

static inline void start(const struct http_settings *settings)
{
    struct http_limits limits = kit_limits();
    kit_start(&limits, settings);
}

static inline struct http_settings defaults(void)
{
    struct http_settings settings;
    http_settings_init(&settings);
    return settings;
}

static inline int setup(void **state)
{
    (void)state;
    struct http_settings settings = defaults();
    start(&settings);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

/* restart begins anew with other settings. */
static inline void restart(const struct http_settings *settings)
{
    kit_stop();
    start(settings);
}

static inline void require_text(uint32_t conn, const char *text)
{
    if (!strstr(kit_output(conn), text))
        fail_msg("no %s in\n%s", text, kit_output(conn));
}

static inline void require_no_text(uint32_t conn, const char *text)
{
    if (strstr(kit_output(conn), text))
        fail_msg("%s in\n%s", text, kit_output(conn));
}
