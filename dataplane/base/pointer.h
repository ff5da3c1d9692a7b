/* pointer.h - where in an event a byte stands, as a JSON pointer (RFC 6901): "/data/price".
 *
 * Memory:  the caller's buffer.  Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/event.h"

#define POINTER_DEPTH 2 /* an event's own members, and those of one of them */
#define POINTER_MAX   (POINTER_DEPTH * (1 + 2 * EVENT_NAME_MAX))

/* pointer_find writes the pointer of the member that bytes[offset] belongs to, its name or its
 * value.  Returns its length in [0, POINTER_MAX], without a NUL: 0 for the event itself, and for
 * bytes that are no JSON object.  A name of more than EVENT_NAME_MAX bytes is not told, nor what is
 * in it.  out is UTF-8 where bytes is. */
size_t pointer_find(const uint8_t *bytes, size_t len, size_t offset, uint8_t out[POINTER_MAX]);
