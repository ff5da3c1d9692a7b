/* catalog_load.c - reading a catalog's text form: from<TAB>to<TAB>weight. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "dataplane/base/event.h"
#include "dataplane/base/text.h"
#include "graph/catalog_build.h"

#define LINE_MAX_BYTES 255
#define WEIGHT_MAX     (1000000000ull * CATALOG_WEIGHT_ONE)

struct loader {
    const char *file;
    struct items *items;
    struct diag_list *diags;
    struct catalog_raw_edge *edges;
    uint64_t count, capacity;
    unsigned line;
    unsigned faults;
    bool out_of_memory;
    char text[LINE_MAX_BYTES + 1];
};

struct field {
    const char *text;
    uint32_t len;
};

static void fault(struct loader *loader, const char *at, uint32_t len, const char *code,
                  const char *what)
{
    struct diag place = {.line = loader->line, .column = 1, .length = len ? len : 1};
    snprintf(place.file, sizeof place.file, "%s", loader->file);
    if (at) {
        place.column = (unsigned)(at - loader->text) + 1;
        if (text_utf8_valid((const uint8_t *)loader->text, strlen(loader->text)) ==
            strlen(loader->text))
            snprintf(place.source, sizeof place.source, "%s", loader->text);
    }
    diag_add(loader->diags, &place, code, "%s", what);
    loader->faults++;
}

/* parse_weight reads digits, and behind a point at most nine more.  Returns 0 for anything that is
 * not in (0, 1e9]. */
static uint64_t parse_weight(struct field field)
{
    uint64_t value = 0, unit = CATALOG_WEIGHT_ONE;
    uint32_t i = 0;
    for (; i < field.len && isdigit((unsigned char)field.text[i]); i++) {
        value = value * 10 + (uint64_t)(field.text[i] - '0');
        if (value > WEIGHT_MAX / CATALOG_WEIGHT_ONE)
            return 0;
    }
    if (!i)
        return 0;
    value *= CATALOG_WEIGHT_ONE;
    if (i < field.len && field.text[i] == '.') {
        uint32_t point = i++;
        for (; i < field.len && isdigit((unsigned char)field.text[i]) && unit > 1; i++) {
            unit /= 10;
            value += (uint64_t)(field.text[i] - '0') * unit;
        }
        if (i == point + 1)
            return 0;
    }
    return i == field.len && value <= WEIGHT_MAX ? value : 0;
}

static uint32_t take_name(struct loader *loader, struct field field)
{
    if (!field.len) {
        fault(loader, field.text, 1, "bad_value",
              "an item name is empty; write from<TAB>to<TAB>weight");
        return ITEM_NONE;
    }
    if (field.len > EVENT_NAME_MAX) {
        char what[96];
        snprintf(what, sizeof what, "the item name is %u bytes long; at most %d are possible",
                 field.len, EVENT_NAME_MAX);
        fault(loader, field.text, field.len, "out_of_range", what);
        return ITEM_NONE;
    }
    size_t valid = text_utf8_valid((const uint8_t *)field.text, field.len);
    if (valid < field.len) {
        fault(loader, field.text + valid, 1, "bad_value",
              "the item name is not valid UTF-8; save the file as UTF-8");
        return ITEM_NONE;
    }
    uint32_t item = items_add(loader->items, field.text, field.len);
    if (item == ITEM_NONE)
        fault(loader, field.text, field.len, "out_of_range",
              "no room for another item; raise limits.items");
    return item;
}

static void add_edge(struct loader *loader, uint32_t from, uint32_t to, uint64_t weight)
{
    if (loader->count == loader->capacity) {
        uint64_t capacity = loader->capacity ? 2 * loader->capacity : 1024;
        struct catalog_raw_edge *edges = realloc(loader->edges, capacity * sizeof *edges);
        if (!edges) {
            loader->out_of_memory = true;
            return;
        }
        loader->edges = edges;
        loader->capacity = capacity;
    }
    loader->edges[loader->count++] =
        (struct catalog_raw_edge){.from = from, .to = to, .weight = weight};
}

/* split cuts a line at its tabs.  Returns the number of fields, of which the first three are set.
 */
static unsigned split(const char *line, uint32_t len, struct field fields[3])
{
    unsigned count = 0;
    const char *at = line, *end = line + len;
    for (;;) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        const char *stop = tab ? tab : end;
        if (count < 3)
            fields[count] = (struct field){.text = at, .len = (uint32_t)(stop - at)};
        count++;
        if (!tab)
            return count;
        at = tab + 1;
    }
}

static void parse_line(struct loader *loader, uint32_t len)
{
    if (len && loader->text[len - 1] == '\r')
        loader->text[--len] = '\0';
    if (!len || loader->text[0] == '#')
        return;
    struct field fields[3];
    unsigned count = split(loader->text, len, fields);
    if (count != 3) {
        char what[96];
        snprintf(what, sizeof what,
                 "a line must be from<TAB>to<TAB>weight: 3 fields between tabs, not %u", count);
        fault(loader, loader->text, len, "syntax", what);
        return;
    }
    uint64_t weight = parse_weight(fields[2]);
    if (!weight)
        fault(
            loader, fields[2].text, fields[2].len, "bad_value",
            "weight must be a decimal number above 0 and at most 1000000000, with at most 9 digits "
            "behind the point");
    uint32_t from = take_name(loader, fields[0]);
    uint32_t to = take_name(loader, fields[1]);
    if (weight && from != ITEM_NONE && to != ITEM_NONE)
        add_edge(loader, from, to, weight);
}

/* read_line reads a line without its end into loader->text.  Returns its length, beyond
 * LINE_MAX_BYTES when it did not fit, or -1 at the end of the file. */
static long read_line(struct loader *loader, FILE *in)
{
    long len = 0;
    int c;
    while ((c = getc_unlocked(in)) != EOF && c != '\n') {
        if (len < LINE_MAX_BYTES)
            loader->text[len] = (char)c;
        if (len <= LINE_MAX_BYTES)
            len++;
    }
    if (c == EOF && !len)
        return -1;
    loader->text[len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES] = '\0';
    loader->line++;
    return len;
}

static void read_edges(struct loader *loader, FILE *in)
{
    long len;
    while ((len = read_line(loader, in)) >= 0 && !loader->out_of_memory) {
        if (len > LINE_MAX_BYTES)
            fault(loader, NULL, 1, "syntax", "the line is longer than 255 bytes");
        else
            parse_line(loader, (uint32_t)len);
    }
}

static struct catalog *finish(struct loader *loader, const struct hash_key *key)
{
    if (loader->faults)
        return NULL;
    loader->line = 0;
    if (!loader->count) {
        fault(loader, NULL, 1, "bad_value", "the catalog holds no edge");
        return NULL;
    }
    struct catalog *catalog = catalog_build(loader->edges, loader->count, loader->items, key);
    if (!catalog)
        fault(loader, NULL, 1, "unreadable",
              errno == E2BIG    ? "the catalog has more than 4294967294 edges"
              : errno == EEXIST ? "two items have the same hash; rename one of those added last"
                                : "not enough memory for the catalog");
    return catalog;
}

/* O_NONBLOCK: a pipe in the file's place must not hold up who opens it. */
static FILE *open_file(const char *file, const char **why)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    *why = NULL;
    if (fd < 0 || fstat(fd, &st))
        *why = strerror(errno);
    else if (S_ISDIR(st.st_mode))
        *why = "it is a directory";
    else if (!S_ISREG(st.st_mode))
        *why = "it is not a file";
    else if ((uint64_t)st.st_size > CONF_CATALOG_MAX)
        *why = "it is larger than 1 GiB";
    FILE *in = *why ? NULL : fdopen(fd, "r");
    if (!*why && !in)
        *why = strerror(errno);
    if (fd >= 0 && !in)
        close(fd);
    return in;
}

struct catalog *catalog_load(const char *file, struct items *items, const struct hash_key *key,
                             struct diag_list *diags)
{
    struct loader loader = {.file = file, .items = items, .diags = diags};
    char what[128];
    const char *why;
    FILE *in = open_file(file, &why);
    if (!in) {
        snprintf(what, sizeof what, "cannot read the catalog: %s", why);
        fault(&loader, NULL, 1, "unreadable", what);
        return NULL;
    }
    errno = 0;
    read_edges(&loader, in);
    struct catalog *catalog = NULL;
    if (ferror(in)) {
        loader.line = 0;
        snprintf(what, sizeof what, "cannot read the catalog: %s", strerror(errno));
        fault(&loader, NULL, 1, "unreadable", what);
    } else if (loader.out_of_memory) {
        loader.line = 0;
        fault(&loader, NULL, 1, "unreadable", "not enough memory for the catalog");
    } else {
        catalog = finish(&loader, key);
    }
    fclose(in);
    free(loader.edges);
    return catalog;
}
