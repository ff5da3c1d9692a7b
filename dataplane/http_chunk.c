/* http_chunk.c - a state machine, a byte at a time but for the data. */
#include "dataplane/http_chunk.h"

#include "dataplane/base/text.h"
#include "dataplane/http_scan.h"

#define DIGITS_MAX 8

enum state {
    SIZE,
    EXT_SPACE, /* white space behind a size, a name or a value */
    EXT_NAME_FIRST,
    EXT_NAME,
    EXT_EQUALS, /* white space behind a name: what follows may be = */
    EXT_VALUE_FIRST,
    EXT_VALUE,
    EXT_QUOTED,
    EXT_ESCAPED,
    EXT_QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    END
};

void http_chunk_init(struct http_chunk *chunk, uint32_t room, const struct http_head_limits *limits)
{
    *chunk = (struct http_chunk){
        .room = room,
        .trailer_bytes = limits->head_bytes,
        .trailer_count = (uint16_t)limits->header_count,
    };
}

static enum http_problem next(struct http_chunk *chunk, enum state state)
{
    chunk->state = (uint8_t)state;
    return HTTP_PROBLEM_none;
}

static enum http_problem size(struct http_chunk *chunk, uint8_t c)
{
    int digit = text_hex_digit(c);
    if (digit >= 0) {
        if (chunk->digits++ == DIGITS_MAX)
            return HTTP_PROBLEM_chunk_size;
        chunk->left = chunk->left << 4 | (uint32_t)digit;
        return HTTP_PROBLEM_none;
    }
    if (!chunk->digits)
        return HTTP_PROBLEM_chunk_size;
    if (c == '\r')
        return next(chunk, SIZE_LF);
    if (c == ';')
        return next(chunk, EXT_NAME_FIRST);
    return http_is_space(c) ? next(chunk, EXT_SPACE) : HTTP_PROBLEM_chunk_size;
}

static enum http_problem size_lf(struct http_chunk *chunk, uint8_t c)
{
    if (c != '\n')
        return HTTP_PROBLEM_chunk_size;
    if (chunk->left > chunk->room)
        return HTTP_PROBLEM_body_bytes;
    chunk->room -= chunk->left;
    return next(chunk, chunk->left ? DATA : TRAILER_FIRST);
}

/* extension_end reads what may stand behind an extension. */
static enum http_problem extension_end(struct http_chunk *chunk, uint8_t c)
{
    if (c == '\r')
        return next(chunk, SIZE_LF);
    if (c == ';')
        return next(chunk, EXT_NAME_FIRST);
    return http_is_space(c) ? next(chunk, EXT_SPACE) : HTTP_PROBLEM_chunk_extension;
}

static enum http_problem quoted(struct http_chunk *chunk, uint8_t c)
{
    bool control = (c < 0x20 && c != '\t') || c == 0x7f;
    if (control)
        return HTTP_PROBLEM_chunk_extension;
    if (chunk->state == EXT_ESCAPED || (c != '"' && c != '\\'))
        return next(chunk, EXT_QUOTED);
    return next(chunk, c == '"' ? EXT_QUOTED_END : EXT_ESCAPED);
}

/* extension reads chunk-ext; white space before the CR is no part of it. */
static enum http_problem extension(struct http_chunk *chunk, uint8_t c)
{
    bool token = http_is(c, HTTP_TOKEN), space = http_is_space(c);
    if (chunk->extension_bytes++ == HTTP_CHUNK_EXTENSION_MAX)
        return HTTP_PROBLEM_chunk_extension;
    switch ((enum state)chunk->state) {
    case EXT_SPACE:
        return c == '\r' ? HTTP_PROBLEM_chunk_extension : extension_end(chunk, c);
    case EXT_NAME_FIRST:
        if (space)
            return HTTP_PROBLEM_none;
        return token ? next(chunk, EXT_NAME) : HTTP_PROBLEM_chunk_extension;
    case EXT_NAME:
        if (token)
            return HTTP_PROBLEM_none;
        if (c == '=')
            return next(chunk, EXT_VALUE_FIRST);
        return space ? next(chunk, EXT_EQUALS) : extension_end(chunk, c);
    case EXT_EQUALS:
        if (space)
            return HTTP_PROBLEM_none;
        if (c == '=')
            return next(chunk, EXT_VALUE_FIRST);
        return c == ';' ? next(chunk, EXT_NAME_FIRST) : HTTP_PROBLEM_chunk_extension;
    case EXT_VALUE_FIRST:
        if (space)
            return HTTP_PROBLEM_none;
        if (c == '"')
            return next(chunk, EXT_QUOTED);
        return token ? next(chunk, EXT_VALUE) : HTTP_PROBLEM_chunk_extension;
    case EXT_VALUE:
        return token ? HTTP_PROBLEM_none : extension_end(chunk, c);
    case EXT_QUOTED_END:
        return extension_end(chunk, c);
    default:
        return quoted(chunk, c);
    }
}

static enum http_problem data_end(struct http_chunk *chunk, uint8_t c)
{
    if (chunk->state == DATA_CR)
        return c == '\r' ? next(chunk, DATA_LF) : HTTP_PROBLEM_chunk_end;
    if (c != '\n')
        return HTTP_PROBLEM_chunk_end;
    chunk->digits = 0;
    return next(chunk, SIZE);
}

static enum http_problem trailer_name(struct http_chunk *chunk, uint8_t c)
{
    if (http_is(c, HTTP_TOKEN)) {
        if (chunk->name_len < HTTP_CHUNK_NAME_MAX) /* no name that matters is longer */
            chunk->name[chunk->name_len++] = c;
        return next(chunk, TRAILER_NAME);
    }
    bool named = c == ':' && chunk->name_len;
    if (!named || !http_field_in_trailer(chunk->name, chunk->name_len))
        return HTTP_PROBLEM_trailer;
    return next(chunk, TRAILER_VALUE);
}

static enum http_problem trailer(struct http_chunk *chunk, uint8_t c)
{
    if (chunk->trailer_bytes-- == 0)
        return HTTP_PROBLEM_head_bytes;
    switch ((enum state)chunk->state) {
    case TRAILER_FIRST:
        if (c == '\r')
            return next(chunk, END_LF);
        chunk->name_len = 0;
        if (chunk->trailer_count-- == 0)
            return HTTP_PROBLEM_header_count;
        return trailer_name(chunk, c);
    case TRAILER_NAME:
        return trailer_name(chunk, c);
    case TRAILER_VALUE:
        if (c == '\r')
            return next(chunk, TRAILER_LF);
        return (c < 0x20 && c != '\t') || c == 0x7f ? HTTP_PROBLEM_trailer : HTTP_PROBLEM_none;
    case TRAILER_LF:
        return c == '\n' ? next(chunk, TRAILER_FIRST) : HTTP_PROBLEM_trailer;
    default: /* END_LF */
        return c == '\n' ? next(chunk, END) : HTTP_PROBLEM_trailer;
    }
}

static enum http_problem step(struct http_chunk *chunk, uint8_t c)
{
    switch ((enum state)chunk->state) {
    case SIZE:
        return size(chunk, c);
    case SIZE_LF:
        return size_lf(chunk, c);
    case DATA_CR:
    case DATA_LF:
        return data_end(chunk, c);
    case EXT_SPACE ... EXT_QUOTED_END:
        return extension(chunk, c);
    default:
        return trailer(chunk, c);
    }
}

enum http_progress http_chunk_next(struct http_chunk *chunk, const uint8_t *bytes, uint32_t len,
                                   uint32_t *at, uint32_t *count)
{
    *count = 0;
    while (*at < len && chunk->state != DATA) {
        enum http_problem problem = step(chunk, bytes[*at]);
        if (problem) {
            chunk->problem = (uint8_t)problem;
            return HTTP_BAD;
        }
        ++*at;
        chunk->offset++;
        if (chunk->state == END)
            return HTTP_DONE;
    }
    if (*at == len)
        return HTTP_MORE;
    *count = len - *at < chunk->left ? len - *at : chunk->left;
    *at += *count;
    chunk->offset += *count;
    chunk->left -= *count;
    if (!chunk->left)
        chunk->state = DATA_CR;
    return HTTP_MORE;
}
