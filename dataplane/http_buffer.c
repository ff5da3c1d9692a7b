/* http_buffer.c - the bytes of a request: in its slot first, then in a medium buffer, then in a
 * large one, taken only when the bytes are there that need it. */
#include <string.h>

#include "dataplane/http_impl.h"

static struct http_pool *pool_of(struct http *http, unsigned class)
{
    return class == HTTP_MEDIUM ? &http->mediums : &http->larges;
}

uint8_t *http_buffer_bytes(const struct http *http, struct http_request *r)
{
    if (r->class == HTTP_SMALL)
        return r->small;
    return http_pool_at(r->class == HTTP_MEDIUM ? &http->mediums : &http->larges, r->buffer);
}

static uint32_t room_of(const struct http *http, unsigned class)
{
    if (class == HTTP_SMALL)
        return HTTP_SMALL_BYTES;
    return class == HTTP_MEDIUM ? http->medium_bytes : http->body_bytes_max;
}

void http_buffer_enlist(struct http *http, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    if (r->flags & HTTP_REQUEST_LISTED)
        return;
    struct http_list *list = &http->incoming[r->class];
    r->flags |= HTTP_REQUEST_LISTED;
    r->before = list->last;
    r->after = HTTP_NONE;
    if (list->last == HTTP_NONE)
        list->first = slot;
    else
        http_request_at(http, list->last)->after = slot;
    list->last = slot;
}

void http_buffer_delist(struct http *http, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    if (!(r->flags & HTTP_REQUEST_LISTED))
        return;
    struct http_list *list = &http->incoming[r->class];
    r->flags &= (uint16_t)~HTTP_REQUEST_LISTED;
    if (r->before == HTTP_NONE)
        list->first = r->after;
    else
        http_request_at(http, r->before)->after = r->after;
    if (r->after == HTTP_NONE)
        list->last = r->before;
    else
        http_request_at(http, r->after)->before = r->before;
}

void http_buffer_release(struct http *http, uint32_t slot)
{
    struct http_request *r = http_request_at(http, slot);
    http_buffer_delist(http, slot);
    if (r->class != HTTP_SMALL)
        http_pool_give(pool_of(http, r->class), r->buffer);
    r->class = HTTP_SMALL;
    r->len = 0;
}

/* take returns a buffer's number; the request that has been in one for longest gives way. */
static uint32_t take(struct http *http, unsigned class)
{
    struct http_pool *pool = pool_of(http, class);
    uint32_t number = http_pool_take(pool);
    if (number == HTTP_NONE && http->incoming[class].first != HTTP_NONE) {
        http_conn_give_way(http, http->incoming[class].first);
        number = http_pool_take(pool);
    }
    return number;
}

/* grow moves what is kept to the smallest buffer that has room for `need` bytes. */
static bool grow(struct http *http, uint32_t slot, uint32_t need)
{
    struct http_request *r = http_request_at(http, slot);
    unsigned class = need <= http->medium_bytes ? HTTP_MEDIUM : HTTP_LARGE;
    uint32_t number = take(http, class);
    if (number == HTTP_NONE)
        return false;
    uint32_t len = r->len;
    bool listed = r->flags & HTTP_REQUEST_LISTED;
    memcpy(http_pool_at(pool_of(http, class), number), http_buffer_bytes(http, r), len);
    http_buffer_release(http, slot);
    r->class = (uint8_t) class;
    r->buffer = number;
    r->len = len;
    if (listed)
        http_buffer_enlist(http, slot);
    return true;
}

bool http_buffer_append(struct http *http, uint32_t slot, const uint8_t *bytes, uint32_t len)
{
    struct http_request *r = http_request_at(http, slot);
    uint32_t need = r->len + len;
    assert(need >= len && need <= http->body_bytes_max);
    if (need > room_of(http, r->class) && !grow(http, slot, need))
        return false;
    memcpy(http_buffer_bytes(http, r) + r->len, bytes, len);
    r->len = need;
    return true;
}
