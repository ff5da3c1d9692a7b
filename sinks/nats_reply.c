/* nats_reply.c - JSON replies, and the header of a stored message in base64. */
#include "sinks/nats_reply.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define HEADERS_MAX (4u << 10)

static json_t *load(const char *bytes, size_t len)
{
    json_t *json = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

/* Returns whether the reply is a refusal, and what it says. */
static bool read_refusal(const json_t *json, struct nats_refusal *refusal)
{
    const json_t *error = json_object_get(json, "error");
    *refusal = (struct nats_refusal){0};
    if (!json_is_object(error))
        return false;
    json_int_t code = json_integer_value(json_object_get(error, "err_code"));
    const char *text = json_string_value(json_object_get(error, "description"));
    refusal->code = code > 0 && code < UINT32_MAX ? (unsigned)code : UINT32_MAX;
    snprintf(refusal->text, sizeof refusal->text, "%s", text ? text : "an error without a name");
    return true;
}

static bool read_count(const json_t *json, const char *key, uint64_t *value)
{
    const json_t *number = json_object_get(json, key);
    if (!json_is_integer(number) || json_integer_value(number) < 0)
        return false;
    *value = (uint64_t)json_integer_value(number);
    return true;
}

static bool is_named(const json_t *json, const char *key, const char *name)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text && strcmp(text, name) == 0;
}

int nats_ack_parse(const char *bytes, size_t len, const char *stream, struct nats_ack *ack)
{
    json_t *json = load(bytes, len);
    *ack = (struct nats_ack){0};
    bool good =
        json &&
        (read_refusal(json, &ack->refusal) ||
         (is_named(json, "stream", stream) && read_count(json, "seq", &ack->seq) && ack->seq > 0));
    ack->duplicate = good && json_is_true(json_object_get(json, "duplicate"));
    json_decref(json);
    return good ? 0 : -EPROTO;
}

int nats_info_parse(const char *bytes, size_t len, const char *stream, struct nats_info *info)
{
    json_t *json = load(bytes, len);
    *info = (struct nats_info){0};
    bool good = json && read_refusal(json, &info->refusal);
    if (json && !good) {
        const json_t *config = json_object_get(json, "config");
        const json_t *state = json_object_get(json, "state");
        good = is_named(config, "name", stream) && read_count(state, "messages", &info->messages) &&
               read_count(state, "last_seq", &info->last_seq);
        (void)read_count(config, "duplicate_window", &info->window_ns);
        info->no_ack = json_is_true(json_object_get(config, "no_ack"));
        info->sealed = json_is_true(json_object_get(config, "sealed"));
        info->mirror = json_is_object(json_object_get(config, "mirror"));
    }
    json_decref(json);
    return good ? 0 : -EPROTO;
}

/* ---- headers of a stored message ---- */

static int sextet(char c)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(letters, c) : NULL;
    return at ? (int)(at - letters) : -1;
}

/* Base64 (RFC 4648 section 4) with its padding; returns the length or -1. */
static int decode_base64(const char *text, char *out, size_t room)
{
    size_t len = strlen(text), at = 0;
    if (len % 4 || len / 4 * 3 > room)
        return -1;
    for (size_t i = 0; i < len; i += 4) {
        unsigned pad = i + 4 == len ? (text[i + 3] == '=') + (text[i + 2] == '=') : 0;
        uint32_t word = 0;
        for (unsigned k = 0; k < 4; k++) {
            int value = k >= 4 - pad ? 0 : sextet(text[i + k]);
            if (value < 0)
                return -1;
            word = word << 6 | (uint32_t)value;
        }
        for (unsigned k = 0; k < 3 - pad; k++)
            out[at++] = (char)(word >> (16 - 8 * k));
    }
    return (int)at;
}

/* Lines behind "NATS/1.0", each KEY: VALUE. */
static bool find_at(char *headers, struct nats_stored *stored)
{
    char *rest;
    for (char *line = strtok_r(headers, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest))
        if (strncmp(line, "Trove-At:", 9) == 0)
            return ends_parse(line + 9 + strspn(line + 9, " "), stored->journal, stored->end);
    return false;
}

int nats_stored_parse(const char *bytes, size_t len, struct nats_stored *stored)
{
    json_t *json = load(bytes, len);
    char headers[HEADERS_MAX + 1];
    *stored = (struct nats_stored){0};
    bool good = json && read_refusal(json, &stored->refusal);
    if (json && !good) {
        const json_t *message = json_object_get(json, "message");
        const char *text = json_string_value(json_object_get(message, "hdrs"));
        good = json_is_object(message);
        int count = text ? decode_base64(text, headers, HEADERS_MAX) : 0;
        if (count > 0) {
            headers[count] = '\0';
            stored->ours = find_at(headers, stored);
        }
    }
    json_decref(json);
    return good ? 0 : -EPROTO;
}
