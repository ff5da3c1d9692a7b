/* http_batch_kit.h - what the tests of batches share: a body that grows event by event, and its
 * request.
 *
 * Memory:  http_kit.h's, and the body in static memory.  Threads: one.
 */
#pragma once

#include <stdio.h>

#include "tests/unit/dataplane/http_conn_kit.h"

static char body[1u << 21];
static uint32_t body_len;

static inline int batch_setup(void **state)
{
    body_len = 0;
    return setup(state);
}

/* batch_restart begins anew, with an empty body. */
static inline void batch_restart(void)
{
    kit_stop();
    batch_setup(NULL);
}

static inline void add(const char *text)
{
    size_t len = strlen(text);
    assert_true(body_len + len < sizeof body);
    memcpy(body + body_len, text, len + 1);
    body_len += (uint32_t)len;
}

/* add_event adds the n-th event, with further members. */
static inline void add_event(unsigned n, const char *rest)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"id\":\"7f3c1e2a-9b4d-4c8e-a1f2-%012x\",\"time\":1795209600123,\"user\":\"u-%u\","
             "\"type\":\"view\"%s}",
             n, n, rest);
    add(text);
}

/* send_body posts it on a connection of its own, which is returned. */
static inline uint32_t send_body(const char *type)
{
    char head[256];
    uint32_t conn = kit_open();
    snprintf(head, sizeof head, POST "%sContent-Length: %u\r\n\r\n", type, body_len);
    kit_text(conn, head);
    kit_give(conn, body, body_len);
    return conn;
}

static inline const char *body_of(uint32_t conn)
{
    const char *end = strstr(kit_output(conn), "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}
