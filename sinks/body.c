/* body.c - an outcome's line, bare or in the envelope of a CloudEvent. */
#include "sinks/body.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/base/utf8.h"

size_t body_id(const struct sink_item *item, const struct line_origin *origin,
               char out[BODY_ID_MAX])
{
    int len = snprintf(out, BODY_ID_MAX, "%s-%u-%llu", origin->journal, item->outcome->partition,
                       (unsigned long long)item->outcome->seq);
    return (size_t)len;
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

static size_t put_subject(const struct sink_item *item, const struct words *words, char *out,
                          size_t room)
{
    uint8_t user[EVENT_NAME_MAX];
    size_t len = line_user(item, words, user);
    if (!is_attribute(user, len))
        return 0;
    size_t at = (size_t)snprintf(out, room, "\"subject\":");
    at += (size_t)text_json_encode(user, len, out + at, room - at);
    out[at++] = ',';
    return at;
}

static size_t put_event(const struct sink_item *item, const struct words *words,
                        const struct line_origin *origin, char out[BODY_BYTES_MAX])
{
    char id[BODY_ID_MAX], time[TEXT_TIME_LEN + 1];
    body_id(item, origin, id);
    text_time_format((int64_t)(item->outcome->receive_ns / NS_PER_MS), time);
    size_t at =
        (size_t)snprintf(out, BODY_BYTES_MAX,
                         "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/%s/%s\",\"type\":"
                         "\"trove.%s\",",
                         id, origin->pop, origin->host, outcome_kind_name(item->view.outcome.kind));
    at += put_subject(item, words, out + at, BODY_BYTES_MAX - at);
    at += (size_t)snprintf(
        out + at, BODY_BYTES_MAX - at,
        "\"time\":\"%s\",\"datacontenttype\":\"application/json\",\"data\":", time);
    at += line_write(item, words, origin, out + at);
    out[at - 1] = '}'; /* where the line ended */
    out[at] = '\n';
    return at + 1;
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
