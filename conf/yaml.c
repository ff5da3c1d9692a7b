/* yaml.c - from libfyaml's events to a tree. */
#include "conf/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/text.h"

#define CHUNK_BYTES (64u << 10)

struct yaml_chunk {
    struct yaml_chunk *next;
    size_t used;
    size_t bytes;
    _Alignas(8) char data[];
};

struct builder {
    struct yaml *yaml;
    struct diag_list *diags;
    unsigned depth;
    unsigned document_count;
    struct yaml_node *open[YAML_DEPTH_MAX];
    struct yaml_node *key[YAML_DEPTH_MAX]; /* of a mapping, waiting for its value */
    /* Events come in the order of the text, so places are counted forward from the last one. */
    size_t at;
    uint32_t line;
    uint32_t column;
};

static void *take(struct yaml *yaml, size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    struct yaml_chunk *chunk = yaml->chunks;
    if (!chunk || chunk->bytes - chunk->used < bytes) {
        size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        chunk = calloc(1, sizeof *chunk + room);
        if (!chunk)
            return NULL;
        chunk->bytes = room;
        chunk->next = yaml->chunks;
        yaml->chunks = chunk;
    }
    void *memory = chunk->data + chunk->used;
    chunk->used += bytes;
    return memory;
}

void yaml_fini(struct yaml *yaml)
{
    while (yaml->chunks) {
        struct yaml_chunk *next = yaml->chunks->next;
        free(yaml->chunks);
        yaml->chunks = next;
    }
    yaml->root = NULL;
}

static void advance(struct builder *b, size_t at)
{
    for (; b->at < at && b->at < b->yaml->len; b->at++) {
        uint8_t byte = (uint8_t)b->yaml->text[b->at];
        if (byte == '\n') {
            b->line++;
            b->column = 1;
        } else if ((byte & 0xc0) != 0x80 && !(byte == 0xef && b->at == 0)) {
            b->column++; /* a byte order mark takes no column */
        }
    }
}

/* Characters of the text in [from, to) that stand on from's line. */
static uint32_t characters(const struct yaml *yaml, size_t from, size_t to)
{
    uint32_t count = 0;
    for (size_t at = from; at < to && at < yaml->len && count < 200; at++) {
        if (yaml->text[at] == '\n' || yaml->text[at] == '\r')
            break;
        count += ((uint8_t)yaml->text[at] & 0xc0) != 0x80;
    }
    return count ? count : 1;
}

static void locate(struct builder *b, struct fy_event *event, struct yaml_node *node)
{
    const struct fy_mark *start = fy_event_start_mark(event);
    const struct fy_mark *end = fy_event_end_mark(event);
    if (start)
        advance(b, start->input_pos);
    node->line = b->line;
    node->column = b->column;
    node->at = (uint32_t)b->at;
    node->length = start && end ? characters(b->yaml, b->at, end->input_pos) : 1;
}

static void complain(struct builder *b, const struct yaml_node *node, const char *code,
                     const char *text)
{
    struct diag place;
    yaml_place(b->yaml, node, &place);
    diag_add(b->diags, &place, code, "%s", text);
}

static struct yaml_node *make(struct builder *b, struct fy_event *event, enum yaml_kind kind)
{
    struct yaml_node *node = take(b->yaml, sizeof *node);
    if (!node)
        return NULL;
    node->kind = kind;
    node->text = "";
    locate(b, event, node);
    b->yaml->node_count++;
    return node;
}

/* libfyaml 0.7.12 loses the end of a text with two doubled quotes in a row and leaks memory over
 * it, so what stands between single quotes is read here.  Over several lines it is refused. */
static int unquote(struct builder *b, struct fy_event *event, struct yaml_node *node)
{
    const struct fy_mark *end = fy_event_end_mark(event);
    const char *raw = b->yaml->text + node->at;
    size_t raw_len = end && end->input_pos > node->at ? end->input_pos - node->at : 0;
    char *copy = take(b->yaml, raw_len + 1);
    size_t len = 0;
    if (!copy)
        return -ENOMEM;
    if (memchr(raw, '\n', raw_len) || memchr(raw, '\r', raw_len)) {
        complain(b, node, "syntax", "a text in single quotes must end on the line it begins on");
        node->broken = true;
    }
    for (size_t at = 0; at < raw_len; at++) {
        copy[len++] = raw[at];
        at += raw[at] == '\'';
    }
    node->text = copy;
    node->len = (uint32_t)len;
    return 0;
}

static int set_text(struct builder *b, struct fy_event *event, struct yaml_node *node)
{
    size_t len = 0;
    enum fy_scalar_style style = fy_scalar_token_get_style(event->scalar.value);
    node->quoted = style > FYSS_PLAIN;
    if (style == FYSS_SINGLE_QUOTED)
        return unquote(b, event, node);
    const char *text = fy_token_get_text(event->scalar.value, &len);
    if (!text) {
        complain(b, node, "syntax", "this value cannot be read; write it in double quotes");
        node->broken = true;
        return 0;
    }
    char *copy = take(b->yaml, len + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, len);
    node->text = copy;
    node->len = (uint32_t)len;
    return 0;
}

static void refuse_decoration(struct builder *b, struct fy_event *event, struct yaml_node *node)
{
    if (fy_event_get_tag_token(event)) {
        complain(b, node, "syntax", "tags (!type) are not supported; write the plain value");
        node->broken = true;
    }
    if (fy_event_get_anchor_token(event)) {
        complain(b, node, "syntax",
                 "anchors (&name) are not supported; write the value where it is needed");
        node->broken = true;
    }
}

/* Takes a scalar as the next key of a mapping, unless the mapping has it already. */
static int set_key(struct builder *b, struct yaml_node *map, struct yaml_node *node)
{
    if (node->kind != YAML_SCALAR || node->broken) {
        if (!node->broken)
            complain(b, node, "syntax", "a key must be a single word");
        return -EBADMSG;
    }
    for (const struct yaml_node *other = map->first; other; other = other->next) {
        if (other->key->len != node->len || memcmp(other->key->text, node->text, node->len) != 0)
            continue;
        struct diag place;
        yaml_place(b->yaml, node, &place);
        diag_add(b->diags, &place, "conflict",
                 "key '%.64s' is given twice, first on line %u; keep one", node->text,
                 other->key->line);
        break;
    }
    b->key[b->depth - 1] = node;
    return 0;
}

static int attach(struct builder *b, struct yaml_node *node)
{
    if (b->depth == 0) {
        b->yaml->root = node;
        return 0;
    }
    struct yaml_node *parent = b->open[b->depth - 1];
    if (parent->kind == YAML_MAP) {
        if (!b->key[b->depth - 1])
            return set_key(b, parent, node);
        node->key = b->key[b->depth - 1];
        b->key[b->depth - 1] = NULL;
    }
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    if (++parent->count > (parent->kind == YAML_MAP ? YAML_KEYS_MAX : YAML_LIST_MAX)) {
        complain(b, node, "out_of_range", "too many values here: at most 256 keys or 4096 items");
        return -EBADMSG;
    }
    return 0;
}

static int add(struct builder *b, struct fy_event *event, enum yaml_kind kind)
{
    struct yaml_node *node = make(b, event, kind);
    if (!node)
        return -ENOMEM;
    if (b->yaml->node_count > YAML_NODES_MAX) {
        complain(b, node, "out_of_range", "the document holds more than 50000 values");
        return -EBADMSG;
    }
    refuse_decoration(b, event, node);
    int rc = event->type == FYET_SCALAR ? set_text(b, event, node) : 0;
    if (event->type == FYET_ALIAS) {
        complain(b, node, "syntax", "aliases (*name) are not supported; write the value out");
        node->broken = true;
    }
    if (rc == 0 && memchr(node->text, 0, node->len)) {
        complain(b, node, "bad_value", "a NUL character (\\0) cannot be part of a value");
        node->broken = true;
    }
    if (rc == 0)
        rc = attach(b, node);
    if (rc < 0 || kind == YAML_SCALAR)
        return rc;
    if (b->depth == YAML_DEPTH_MAX) {
        complain(b, node, "out_of_range", "nested too deep: at most 16 levels");
        return -EBADMSG;
    }
    b->key[b->depth] = NULL;
    b->open[b->depth++] = node;
    return 0;
}

static int start_document(struct builder *b, struct fy_event *event)
{
    if (b->document_count++ == 0)
        return 0;
    struct yaml_node node = {0};
    locate(b, event, &node);
    complain(b, &node, "syntax", "a second document starts here; a configuration is one document");
    return -EBADMSG;
}

static int take_event(struct builder *b, struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        return start_document(b, event);
    case FYET_ALIAS:
    case FYET_SCALAR:
        return add(b, event, YAML_SCALAR);
    case FYET_SEQUENCE_START:
        return add(b, event, YAML_LIST);
    case FYET_MAPPING_START:
        return add(b, event, YAML_MAP);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        b->depth--;
        return 0;
    default:
        return 0;
    }
}

/* Goes to the start of a line, counted from 1. */
static size_t find_line(const struct yaml *yaml, uint32_t line)
{
    size_t at = 0;
    while (--line > 0) {
        const char *end = memchr(yaml->text + at, '\n', yaml->len - at);
        if (!end)
            return yaml->len;
        at = (size_t)(end - yaml->text) + 1;
    }
    return at;
}

static void report_syntax(struct builder *b, struct fy_diag *diag)
{
    struct fy_diag_error *error;
    void *iterator = NULL;
    unsigned before = b->diags->count;
    while ((error = fy_diag_errors_iterate(diag, &iterator))) {
        struct yaml_node node = {.line = error->line > 0 ? (uint32_t)error->line : 1,
                                 .column = error->column > 0 ? (uint32_t)error->column : 1,
                                 .length = 1};
        node.at = (uint32_t)find_line(b->yaml, node.line);
        complain(b, &node, "syntax", error->msg);
    }
    if (b->diags->count == before) {
        struct yaml_node node = {.line = b->line, .column = b->column, .at = (uint32_t)b->at};
        complain(b, &node, "syntax", "the text behind this is not YAML");
    }
}

/* libfyaml ends a value in silence at a byte that is not UTF-8, and turns a line of brackets into
 * tokens, hundreds of bytes each, before it hands out the first: so both are checked
 * before. */
static int check_bytes(struct builder *b)
{
    const struct yaml *yaml = b->yaml;
    const char *text = "not UTF-8 here; save the file as UTF-8";
    size_t bad = text_utf8_valid((const uint8_t *)yaml->text, yaml->len);
    uint32_t bracket_count = 0;
    for (size_t at = 0; at < bad; at++) {
        uint8_t byte = (uint8_t)yaml->text[at];
        bracket_count += byte == '[' || byte == '{';
        if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f) {
            bad = at;
            text = "a control character stands here; remove it";
        } else if (bracket_count > YAML_NODES_MAX) {
            bad = at;
            text = "more than 50000 brackets; a configuration needs far fewer";
        }
    }
    if (bad == yaml->len)
        return 0;
    advance(b, bad);
    struct yaml_node node = {.line = b->line, .column = b->column, .at = (uint32_t)bad};
    complain(b, &node, "syntax", text);
    return -EBADMSG;
}

static int run(struct builder *b, struct fy_parser *parser, struct fy_diag *diag)
{
    struct fy_event *event;
    int rc = 0;
    bool ended = false;
    while (rc == 0 && (event = fy_parser_parse(parser))) {
        ended = event->type == FYET_STREAM_END;
        rc = take_event(b, event);
        fy_parser_event_free(parser, event);
    }
    if (rc == 0 && (!ended || fy_parser_get_stream_error(parser))) {
        report_syntax(b, diag);
        rc = -EBADMSG;
    }
    return rc;
}

int yaml_parse(struct yaml *yaml, const char *file, const char *text, size_t len,
               struct diag_list *diags)
{
    *yaml = (struct yaml){.file = file, .text = text, .len = len};
    struct builder b = {.yaml = yaml, .diags = diags, .line = 1, .column = 1};
    int rc = check_bytes(&b);
    if (rc < 0 || len == 0)
        return rc;

    rc = -ENOMEM;
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL; /* and no output function: faults are collected, nothing is printed */
    diag_cfg.level = FYET_ERROR;
    struct fy_diag *diag = fy_diag_create(&diag_cfg);
    if (!diag)
        return rc;
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg cfg = {.flags = FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE, .diag = diag};
    struct fy_parser *parser = fy_parser_create(&cfg);
    if (!parser)
        goto fail_diag;
    if (fy_parser_set_string(parser, text, len) == 0)
        rc = run(&b, parser, diag);
    fy_parser_destroy(parser);
fail_diag:
    fy_diag_destroy(diag);
    return rc;
}

const struct yaml_node *yaml_find(const struct yaml_node *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (const struct yaml_node *node = map->first; node; node = node->next)
        if (strcmp(node->key->text, key) == 0)
            return node;
    return NULL;
}

bool yaml_empty(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && node->len == 0 && !node->quoted;
}

void yaml_place(const struct yaml *yaml, const struct yaml_node *node, struct diag *place)
{
    *place = (struct diag){.line = node->line, .column = node->column, .length = node->length};
    snprintf(place->file, sizeof place->file, "%s", yaml->file);
    size_t from = node->at < yaml->len ? node->at : yaml->len;
    size_t to = from;
    while (from > 0 && yaml->text[from - 1] != '\n' && to - from < sizeof place->source)
        from--;
    if (from > 0 && yaml->text[from - 1] != '\n')
        return; /* too far to the right to show */
    if (from == 0 && yaml->len >= 3 && memcmp(yaml->text, "\xef\xbb\xbf", 3) == 0)
        from = 3;
    while (to < yaml->len && yaml->text[to] != '\n' && yaml->text[to] != '\r')
        to++;
    size_t len = to > from ? to - from : 0;
    if (len >= sizeof place->source)
        len = sizeof place->source - 1;
    memcpy(place->source, yaml->text + from, len);
}
