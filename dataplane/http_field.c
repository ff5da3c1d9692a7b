/* http_field.c - see http_field.h. */
#include "dataplane/http_field.h"

#include <stddef.h>
#include <string.h>

#include "dataplane/http_scan.h"

#define IS(word)       http_same(name, len, word)
#define IS_TEXT(word)  http_same(text, len, word)
#define IS_VALUE(word) http_same(value, len, word)

enum http_field_name http_field_name_of(const uint8_t *name, uint32_t len)
{
    switch (len) {
    case 4:
        return IS("host") ? HTTP_FIELD_HOST : HTTP_FIELD_OTHER;
    case 6:
        if (IS("origin"))
            return HTTP_FIELD_ORIGIN;
        return IS("expect") ? HTTP_FIELD_EXPECT : HTTP_FIELD_OTHER;
    case 9:
        return IS("trove-ack") ? HTTP_FIELD_TROVE_ACK : HTTP_FIELD_OTHER;
    case 10:
        return IS("connection") ? HTTP_FIELD_CONNECTION : HTTP_FIELD_OTHER;
    case 12:
        return IS("content-type") ? HTTP_FIELD_CONTENT_TYPE : HTTP_FIELD_OTHER;
    case 14:
        return IS("content-length") ? HTTP_FIELD_CONTENT_LENGTH : HTTP_FIELD_OTHER;
    case 16:
        return IS("content-encoding") ? HTTP_FIELD_CONTENT_ENCODING : HTTP_FIELD_OTHER;
    case 17:
        return IS("transfer-encoding") ? HTTP_FIELD_TRANSFER_ENCODING : HTTP_FIELD_OTHER;
    case 29:
        return IS("access-control-request-method") ? HTTP_FIELD_REQUEST_METHOD : HTTP_FIELD_OTHER;
    default:
        return HTTP_FIELD_OTHER;
    }
}

bool http_field_in_trailer(const uint8_t *name, uint32_t len)
{
    static const char *const others[] = {
        "authorization",
        "cache-control",
        "content-range",
        "cookie",
        "keep-alive",
        "max-forwards",
        "te",
        "trailer",
        "upgrade",
    };
    if (http_field_name_of(name, len) != HTTP_FIELD_OTHER)
        return false;
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
        if (IS(others[i]))
            return false;
    return true;
}

static uint32_t token_len(const uint8_t *text, uint32_t len)
{
    uint32_t at = 0;
    while (at < len && http_is(text[at], HTTP_TOKEN))
        at++;
    return at;
}

enum http_problem http_field_parse(const uint8_t *line, uint32_t len, struct http_field *field,
                                   uint32_t *at)
{
    *at = 0;
    if (http_is_space(line[0]))
        return HTTP_PROBLEM_header_fold;
    const uint8_t *colon = memchr(line, ':', len);
    uint32_t name = colon ? (uint32_t)(colon - line) : len;
    enum http_field_name known = http_field_name_of(line, name);
    if (known == HTTP_FIELD_OTHER) /* what is known is a token */
        *at = token_len(line, name);
    if (!colon || !name || (known == HTTP_FIELD_OTHER && *at < name))
        return HTTP_PROBLEM_header_name;
    uint32_t begin = name + 1;
    while (begin < len && http_is_space(line[begin]))
        begin++;
    while (len > begin && http_is_space(line[len - 1]))
        len--;
    *field = (struct http_field){
        .name = known,
        .value = line + begin,
        .len = len - begin,
    };
    return HTTP_PROBLEM_none;
}

static struct http_element trim(const uint8_t *text, uint32_t len)
{
    while (len && http_is_space(text[0])) {
        text++;
        len--;
    }
    while (len && http_is_space(text[len - 1]))
        len--;
    return (struct http_element){text, len};
}

/* take cuts what stands before a separator off the front, or all of it. */
static bool take(const uint8_t **list, uint32_t *rest, uint8_t separator,
                 struct http_element *element)
{
    if (!*list)
        return false;
    uint32_t len = 0;
    while (len < *rest && (*list)[len] != separator)
        len++;
    *element = trim(*list, len);
    bool last = len == *rest;
    *list = last ? NULL : *list + len + 1;
    *rest = last ? 0 : *rest - len - 1;
    return true;
}

bool http_field_element(const uint8_t **list, uint32_t *rest, struct http_element *element)
{
    return take(list, rest, ',', element);
}

bool http_field_length(const uint8_t *value, uint32_t len, uint64_t *length)
{
    *length = 0;
    if (!len || (value[0] == '0' && len > 1))
        return false;
    for (uint32_t i = 0; i < len; i++) {
        if (!http_is(value[i], HTTP_DIGIT))
            return false;
        uint64_t digit = value[i] - '0';
        bool fits = *length <= (UINT64_MAX - digit) / 10;
        *length = fits ? *length * 10 + digit : UINT64_MAX;
    }
    return true;
}

static enum http_media media_of(const uint8_t *text, uint32_t len)
{
    if (IS_TEXT("application/json"))
        return HTTP_MEDIA_JSON;
    if (IS_TEXT("application/cloudevents+json") || IS_TEXT("application/cloudevents-batch+json"))
        return HTTP_MEDIA_JSON;
    if (IS_TEXT("application/x-ndjson"))
        return HTTP_MEDIA_NDJSON;
    return IS_TEXT("application/x-www-form-urlencoded") ? HTTP_MEDIA_FORM : HTTP_MEDIA_NONE;
}

/* is_quoted returns whether len bytes are a quoted string (RFC 9110 section 5.6.4). */
static bool is_quoted(const uint8_t *text, uint32_t len)
{
    if (len < 2 || text[0] != '"' || text[len - 1] != '"')
        return false;
    for (uint32_t i = 1; i < len - 1; i++) {
        if (text[i] == '"')
            return false;
        if (text[i] == '\\' && ++i == len - 1)
            return false;
    }
    return true;
}

/* parameter_is_harmless reads NAME=VALUE: well-formed, and UTF-8 if it is the charset. */
static bool parameter_is_harmless(const uint8_t *text, uint32_t len)
{
    uint32_t name = token_len(text, len);
    if (!name || name == len || text[name] != '=')
        return false;
    const uint8_t *value = text + name + 1;
    uint32_t value_len = len - name - 1;
    bool quoted = is_quoted(value, value_len);
    if (!quoted && (!value_len || token_len(value, value_len) < value_len))
        return false;
    if (!http_same(text, name, "charset"))
        return true;
    return http_same(value, value_len, quoted ? "\"utf-8\"" : "utf-8");
}

/* A semicolon inside a quoted string makes a parameter look malformed: refused, as it should be
 * where nobody needs one. */
enum http_media http_field_media(const uint8_t *value, uint32_t len)
{
    struct http_element element;
    if (IS_VALUE("application/json")) /* as most say it */
        return HTTP_MEDIA_JSON;
    take(&value, &len, ';', &element);
    enum http_media media = media_of(element.text, element.len);
    while (take(&value, &len, ';', &element))
        if (element.len && !parameter_is_harmless(element.text, element.len))
            return HTTP_MEDIA_NONE;
    return media;
}

enum http_problem http_field_coding(const uint8_t *value, uint32_t len)
{
    struct http_element element;
    unsigned count = 0, chunked = 0;
    bool last = false;
    while (http_field_element(&value, &len, &element)) {
        last = http_same(element.text, element.len, "chunked");
        chunked += last;
        count++;
    }
    if (!last || chunked > 1)
        return HTTP_PROBLEM_coding_final;
    return count > 1 ? HTTP_PROBLEM_coding_unknown : HTTP_PROBLEM_none;
}
