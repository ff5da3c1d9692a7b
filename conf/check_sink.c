/* check_sink.c - which keys a sink of each type has, and needs. */
#include <string.h>

#include "conf/check.h"

static const struct {
    const char *key;
    enum conf_sink_type type;
    bool required;
} sink_rules[] = {
    {"path", CONF_SINK_FILE, false},        {"directory", CONF_SINK_FILE, false},
    {"rotate_size", CONF_SINK_FILE, false}, {"rotate_after", CONF_SINK_FILE, false},
    {"compress", CONF_SINK_FILE, false},    {"address", CONF_SINK_REDIS, true},
    {"user", CONF_SINK_REDIS, false},       {"password_file", CONF_SINK_REDIS, false},
    {"database", CONF_SINK_REDIS, false},   {"stream", CONF_SINK_REDIS, false},
    {"max_length", CONF_SINK_REDIS, false}, {"winners", CONF_SINK_REDIS, false},
    {"timeout", CONF_SINK_REDIS, false},
};

static const char *const type_names[] = {[CONF_SINK_FILE] = "file", [CONF_SINK_REDIS] = "redis"};

static void check_keys(struct reader *r, const struct yaml_node *map, const struct conf_sink *sink)
{
    for (unsigned i = 0; i < sizeof sink_rules / sizeof *sink_rules; i++) {
        const char *key = sink_rules[i].key;
        const struct yaml_node *node = yaml_find(map, key);
        bool applies = sink_rules[i].type == sink->type;
        if (node && !applies)
            diag_add(r->diags, reader_at(r, node), "conflict",
                     "%s belongs to sinks of type %s, and sink '%s' is of type %s; remove it", key,
                     type_names[sink_rules[i].type], sink->name, type_names[sink->type]);
        if (!node && applies && sink_rules[i].required)
            diag_add(r->diags, reader_at(r, map), "missing_key", "a sink of type %s needs %s",
                     type_names[sink->type], key);
    }
}

static void check_file(struct reader *r, const struct yaml_node *map, const struct conf_sink *sink)
{
    static const char *const keys[] = {"rotate_size", "rotate_after", "compress"};
    const struct yaml_node *path = yaml_find(map, "path");
    const struct yaml_node *directory = yaml_find(map, "directory");
    if (path && directory)
        diag_add(r->diags, reader_at(r, directory), "conflict",
                 "sink '%s' has a path and a directory; keep path for one file, or directory for "
                 "files by the hour",
                 sink->name);
    if (!path && !directory)
        diag_add(r->diags, reader_at(r, map), "missing_key",
                 "a sink of type file needs path, or directory");
    for (unsigned i = 0; !directory && i < sizeof keys / sizeof *keys; i++)
        if (yaml_find(map, keys[i]))
            diag_add(r->diags, reader_at(r, yaml_find(map, keys[i])), "conflict",
                     "%s belongs to a file sink with a directory; give that, or remove it",
                     keys[i]);
}

void check_sink(struct reader *r, const struct yaml_node *map, void *base)
{
    const struct conf_sink *sink = base;
    const struct yaml_node *type = yaml_find(map, "type");
    const struct yaml_node *address = yaml_find(map, "address");
    const struct yaml_node *user = yaml_find(map, "user");
    struct conf_endpoint endpoint;
    if (!type || type->broken)
        return;
    check_keys(r, map, sink);
    if (sink->type == CONF_SINK_FILE)
        check_file(r, map, sink);
    if (sink->address[0] && conf_endpoint_parse(sink->address, &endpoint))
        diag_add(r->diags, reader_at(r, address), "bad_value",
                 "address must be unix:/PATH (at most 107 bytes), an IPv4 address and a port such "
                 "as 127.0.0.1:6379, or [IPv6]:PORT, not %s",
                 reader_quote(r, address));
    if (user && !sink->password_file[0])
        diag_add(r->diags, reader_at(r, user), "conflict",
                 "user needs password_file, the file that has the password");
}
