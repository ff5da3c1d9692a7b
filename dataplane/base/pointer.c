/* pointer.c - see pointer.h. */
#include "dataplane/base/pointer.h"

#include "dataplane/base/json.h"
#include "dataplane/base/text.h"

/* A member of an object: its name at [name, name_end) without quotes, its value at [begin, end). */
struct place {
    size_t name, name_end, begin, end;
};

/* read_member reads the member that starts at *at and what separates it from the next one.  Returns
 * whether it was one. */
static bool read_member(struct json *j, size_t *at, struct place *place)
{
    if (json_next(j, at) != '"')
        return false;
    place->name = *at + 1;
    *at = json_string(j, *at + 1);
    if (*at == JSON_FAULT)
        return false;
    place->name_end = *at - 1;
    if (json_next(j, at) != ':')
        return false;
    ++*at;
    json_next(j, at);
    place->begin = *at;
    *at = json_value(j, *at, 1);
    if (*at == JSON_FAULT)
        return false;
    place->end = *at;
    if (json_next(j, at) == ',')
        ++*at;
    return true;
}

/* find_member finds the member of the object at the front of the bytes that offset is in. */
static bool find_member(const uint8_t *bytes, size_t len, size_t offset, struct place *place)
{
    struct json json;
    json_init(&json, bytes, len, JSON_DEPTH_MAX);
    size_t at = json_space(&json, 0);
    if (json_peek(&json, at) != '{')
        return false;
    at++;
    while (read_member(&json, &at, place))
        if (offset >= place->name - 1 && offset < place->end)
            return true;
    return false;
}

/* append writes "/name" with its '~' and '/' escaped.  Returns the length, 0 when it is too long.
 */
static size_t append(const uint8_t *raw, size_t len, uint8_t *out)
{
    uint8_t name[EVENT_NAME_MAX];
    int decoded = text_decode(raw, len, name, sizeof name);
    if (decoded < 0)
        return 0;
    size_t at = 0;
    out[at++] = '/';
    for (int i = 0; i < decoded; i++) {
        bool escaped = name[i] == '~' || name[i] == '/';
        out[at++] = escaped ? '~' : name[i];
        if (escaped)
            out[at++] = name[i] == '~' ? '0' : '1';
    }
    return at;
}

size_t pointer_find(const uint8_t *bytes, size_t len, size_t offset, uint8_t out[POINTER_MAX])
{
    size_t written = 0;
    struct place place;
    for (unsigned depth = 0; depth < POINTER_DEPTH; depth++) {
        if (!find_member(bytes, len, offset, &place))
            break;
        size_t more = append(bytes + place.name, place.name_end - place.name, out + written);
        written += more;
        if (!more || offset < place.begin)
            break;
        bytes += place.begin;
        len = place.end - place.begin;
        offset -= place.begin;
    }
    return written;
}
