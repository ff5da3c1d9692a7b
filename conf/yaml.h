/* yaml.h - a YAML document as a small tree that knows where each value stands.
 *
 * Built from libfyaml's event stream rather than its documents: aliases, anchors, tags, complex
 * keys and second documents are refused as they come, and depth, width and number of nodes are
 * bounded, so that no text of a given size can cost more than in proportion to it.
 *
 * Memory:  nodes and their text live in chunks that yaml_fini frees; the document's text is the
 * caller's and must outlive the tree.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/diag.h"

#define YAML_DEPTH_MAX 16
#define YAML_KEYS_MAX  256  /* in one mapping */
#define YAML_LIST_MAX  4096 /* in one sequence */
#define YAML_NODES_MAX 50000

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;           /* a scalar in quotes, or a block scalar */
    bool broken;           /* already complained about: nobody need look at the value */
    uint32_t line;         /* from 1 */
    uint32_t column;       /* from 1, in characters */
    uint32_t length;       /* characters to underline */
    uint32_t at;           /* byte offset of the first character in the document */
    uint32_t count;        /* of children */
    uint32_t len;          /* of text */
    const char *text;      /* scalar, NUL-terminated behind len */
    struct yaml_node *key; /* what a mapping calls this value */
    struct yaml_node *first;
    struct yaml_node *last;
    struct yaml_node *next;
};

struct yaml_chunk;

struct yaml {
    const char *file;
    const char *text;
    size_t len;
    struct yaml_node *root; /* NULL for a document without content */
    struct yaml_chunk *chunks;
    uint32_t node_count;
};

/* yaml_parse builds the tree of len bytes (at most UINT32_MAX).
 *
 * Returns 0, also when faults were found that leave a tree worth looking at (they are in *diags,
 * and their nodes are marked broken); -EBADMSG when the text is no YAML that can be used, with at
 * least one fault in *diags; -ENOMEM.  yaml_fini in every case. */
int yaml_parse(struct yaml *yaml, const char *file, const char *text, size_t len,
               struct diag_list *diags);
void yaml_fini(struct yaml *yaml);

/* yaml_find returns the value of a key, NULL when map is NULL, no mapping, or has no such key. */
const struct yaml_node *yaml_find(const struct yaml_node *map, const char *key);

/* yaml_empty says whether a value was left out: `key:` and nothing behind it. */
bool yaml_empty(const struct yaml_node *node);

/* yaml_place fills in where a node stands, with its source line when that is short enough. */
void yaml_place(const struct yaml *yaml, const struct yaml_node *node, struct diag *place);
