/* body.c - an outcome's line, bare or in the envelope of a CloudEvent. */
#include "sinks/body.h"

#include <assert.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/base/utf8.h"

/* Around the line: an id, two names, a subject with all of its bytes escaped, a time. */
static_assert(BODY_BYTES_MAX - LINE_BYTES_MAX >
                  512 + BODY_ID_MAX + 2 * CONF_NAME_MAX + 6 * EVENT_NAME_MAX + TEXT_TIME_LEN,
              "an envelope has room");

size_t body_id(const struct sink_item *item, const struct line_origin *origin,
               char out[BODY_ID_MAX])
{
    char *at = stpcpy(out, origin->journal);
    *at++ = '-';
    at += text_decimal_format(item->outcome->partition, at);
    *at++ = '-';
    at += text_decimal_format(item->outcome->seq, at);
    *at = '\0';
    return (size_t)(at - out);
}

/* Says whether bytes can be an attribute: no control characters, no noncharacters. */
static bool is_attribute(const uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        if (!utf8_sequence(bytes + at, len - at))
            return false;
        uint32_t code = utf8_next(bytes, &at);
        bool control = code < 0x20 || (code >= 0x7f && code <= 0x9f);
        bool none = (code & 0xfffe) == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
        if (control || none)
            return false;
    }
    return len > 0;
}

static char *put_subject(const struct sink_item *item, const struct words *words, char *at)
{
    uint8_t user[EVENT_NAME_MAX];
    size_t len = line_user(item, words, user);
    if (!is_attribute(user, len))
        return at;
    at = stpcpy(at, "\"subject\":");
    at += text_json_encode(user, len, at, 6 * EVENT_NAME_MAX + 2);
    return stpcpy(at, ",");
}

static size_t put_event(const struct sink_item *item, const struct words *words,
                        const struct line_origin *origin, char out[BODY_BYTES_MAX])
{
    char time[TEXT_TIME_LEN + 1], *at = stpcpy(out, "{\"specversion\":\"1.0\",\"id\":\"");
    at += body_id(item, origin, at);
    at = stpcpy(at, "\",\"source\":\"/");
    at = stpcpy(at, origin->pop);
    at = stpcpy(at, "/");
    at = stpcpy(at, origin->host);
    at = stpcpy(at, "\",\"type\":\"trove.");
    at = stpcpy(at, outcome_kind_name(item->view.outcome.kind));
    at = stpcpy(at, "\",");
    at = put_subject(item, words, at);
    text_time_format((int64_t)(item->outcome->receive_ns / NS_PER_MS), time);
    at = stpcpy(at, "\"time\":\"");
    at = stpcpy(at, time);
    at = stpcpy(at, "\",\"datacontenttype\":\"application/json\",\"data\":");
    at += line_write(item, words, origin, at);
    at[-1] = '}'; /* where the line ended */
    *at++ = '\n';
    return (size_t)(at - out);
}

size_t body_write(enum conf_format format, const struct sink_item *item, const struct words *words,
                  const struct line_origin *origin, char out[BODY_BYTES_MAX])
{
    return format == CONF_FORMAT_CLOUDEVENTS ? put_event(item, words, origin, out)
                                             : line_write(item, words, origin, out);
}

size_t body_encode(enum conf_format format, const struct sink_item *item,
                   const struct line_origin *origin, char out[BODY_BYTES_MAX])
{
    struct words words;
    words_read(item->event, &words);
    return body_write(format, item, &words, origin, out);
}
