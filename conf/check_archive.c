/* check_archive.c - an s3 sink's keys: where it is, and how objects are cut. */
#include <string.h>

#include "conf/check.h"

#define S3_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789"

#define HOUR_NS          3600000000000u
#define ROTATE_AFTER_NS  300000000000u
#define ROTATE_BYTES_MAX (4ull << 30)
#define TIMEOUT_NS       10000000000u

static void check_endpoint(struct reader *r, const struct yaml_node *node, struct conf_sink *sink)
{
    char *text = sink->endpoint;
    size_t len = strlen(text);
    const char *host = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : "";
    if (len && text[len - 1] == '/')
        text[len - 1] = '\0';
    bool plain = *host != '\0';
    for (const char *c = host; *c; c++)
        plain &= *c > ' ' && *c < 0x7f && !strchr("/?#@", *c);
    if (!plain)
        diag_add(r->diags, reader_at(r, node), "bad_value",
                 "endpoint must be http:// or https:// with a host, such as "
                 "https://s3.eu-central-1.amazonaws.com, not %s",
                 reader_quote(r, node));
}

static void check_bucket(struct reader *r, const struct yaml_node *node,
                         const struct conf_sink *sink)
{
    size_t len = strlen(sink->bucket);
    if (len < 3 || strspn(sink->bucket, S3_LETTERS "-.") != len)
        diag_add(r->diags, reader_at(r, node), "bad_value",
                 "bucket must be 3 to 63 lower-case letters, digits, - and ., not %s",
                 reader_quote(r, node));
}

static void check_prefix(struct reader *r, const struct yaml_node *node, struct conf_sink *sink)
{
    static const char letters[] = S3_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ-._/";
    char *text = sink->prefix;
    size_t len = strlen(text);
    while (len && text[len - 1] == '/')
        text[--len] = '\0';
    if (len > CONF_PREFIX_MAX || *text == '/' || strspn(text, letters) != len ||
        strstr(text, "//") || strstr(text, ".."))
        diag_add(r->diags, reader_at(r, node), "bad_value",
                 "prefix must be up to %u letters, digits and - . _ /, such as trove/fra1, not %s",
                 CONF_PREFIX_MAX, reader_quote(r, node));
    else if (len) {
        text[len] = '/';
        text[len + 1] = '\0';
    }
}

static void check_cut(struct reader *r, const struct yaml_node *map, struct conf_sink *sink)
{
    const struct yaml_node *size = yaml_find(map, "rotate_size");
    const struct yaml_node *after = yaml_find(map, "rotate_after");
    if (!after)
        sink->rotate_after_ns = ROTATE_AFTER_NS;
    if (after && (!sink->rotate_after_ns || HOUR_NS % sink->rotate_after_ns))
        diag_add(r->diags, reader_at(r, after), "bad_value",
                 "rotate_after of an s3 sink must go into an hour without a rest, as 1m, 5m, 15m "
                 "and 1h do, not %s",
                 reader_quote(r, after));
    if (size && sink->rotate_bytes > ROTATE_BYTES_MAX)
        diag_add(r->diags, reader_at(r, size), "bad_value",
                 "rotate_size of an s3 sink is at most 4GiB, not %s", reader_quote(r, size));
}

void check_archive(struct reader *r, const struct yaml_node *map, struct conf_sink *sink)
{
    static const char *const chosen[] = {"outcomes", "hunts", "format"};
    const struct yaml_node *endpoint = yaml_find(map, "endpoint");
    const struct yaml_node *bucket = yaml_find(map, "bucket");
    const struct yaml_node *prefix = yaml_find(map, "prefix");
    for (unsigned i = 0; i < sizeof chosen / sizeof *chosen; i++)
        if (yaml_find(map, chosen[i]))
            diag_add(r->diags, reader_at(r, yaml_find(map, chosen[i])), "conflict",
                     "an s3 sink is the archive of everything, and sink '%s' has %s; remove it",
                     sink->name, chosen[i]);
    if (endpoint && sink->endpoint[0])
        check_endpoint(r, endpoint, sink);
    if (bucket && sink->bucket[0])
        check_bucket(r, bucket, sink);
    if (prefix)
        check_prefix(r, prefix, sink);
    check_cut(r, map, sink);
    if (!yaml_find(map, "timeout"))
        sink->timeout_ns = TIMEOUT_NS;
}
