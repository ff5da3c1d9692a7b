/* reason.h - every reason for which an event is rejected, in one list.
 *
 * The list makes the enum, the counters' names, the metrics' labels and the manual's table.  The
 * number of a reason is written to journals: append at the end of the list, never reorder.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* REASON(name, help): the syntax reasons are found by event_parse, the rest by shard_apply. */
#define REASON_LIST(REASON)                                                                        \
    REASON(none, "not rejected")                                                                   \
    REASON(empty, "the datagram holds no event")                                                   \
    REASON(too_large, "the event is longer than limits.event_bytes")                               \
    REASON(syntax, "not JSON as RFC 8259 defines it")                                              \
    REASON(utf8, "a string is not valid UTF-8")                                                    \
    REASON(surrogate, "a \\u escape is half of a surrogate pair")                                  \
    REASON(depth, "nested deeper than limits.event_depth")                                         \
    REASON(not_object, "JSON, but not an object")                                                  \
    REASON(trailing, "bytes follow the object")                                                    \
    REASON(duplicate_key, "one of the event's own keys is given twice")                            \
    REASON(wrong_type, "a key has a value of another JSON type than it must have")                 \
    REASON(id_missing, "no id")                                                                    \
    REASON(id_invalid, "id is not a UUID in its canonical 36 characters, or is nil")               \
    REASON(time_missing, "no time")                                                                \
    REASON(time_invalid, "time is neither whole milliseconds since 1970 nor an RFC 3339 string")   \
    REASON(time_range, "time is outside the years 1970 to 9999")                                   \
    REASON(user_missing, "no user")                                                                \
    REASON(user_length, "user is not 1 to 64 bytes")                                               \
    REASON(type_missing, "no type")                                                                \
    REASON(type_length, "type is not 1 to 32 bytes")                                               \
    REASON(item_length, "item is not 1 to 64 bytes")                                               \
    REASON(tile_length, "tile is not 1 to 64 bytes")                                               \
    REASON(hunt_length, "hunt is not 1 to 64 bytes")                                               \
    REASON(type_unknown, "type is not configured under events.types")                              \
    REASON(hunt_unknown, "hunt names no configured hunt")                                          \
    REASON(item_required, "the type requires an item")                                             \
    REASON(item_forbidden, "the type forbids an item")                                             \
    REASON(tile_required, "the type requires a tile")                                              \
    REASON(tile_forbidden, "the type forbids a tile")                                              \
    REASON(key_unknown, "the type is strict and the event has a key that is not its own")          \
    REASON(future, "time is ahead of the receive time by more than events.skew_reject")            \
    REASON(data_required, "data lacks a member that the type requires")                            \
    REASON(data_type, "a member of data, or data itself, has another type than it must have")      \
    REASON(data_range, "a number in data is below min or above max")                               \
    REASON(data_length, "a string in data is shorter than min_length or longer than max_length")   \
    REASON(data_value, "a value in data is not of the type's enum or does not match its pattern")  \
    REASON(data_unknown, "the type has strict_data and data a member that it does not declare")

enum reason {
#define REASON_ENUM(name, help) REASON_##name,
    REASON_LIST(REASON_ENUM)
#undef REASON_ENUM
        REASON_COUNT
};

/* reason_of_data says whether a reason is about a member of data, whose place reason_offset is. */
static inline bool reason_of_data(unsigned reason)
{
    return reason >= REASON_data_required && reason <= REASON_data_unknown;
}

/* reason_name and reason_help return static text for a reason in [0, REASON_COUNT), "unknown" for
 * any other number. */
const char *reason_name(unsigned reason);
const char *reason_help(unsigned reason);
