/* fuzz_http.c - whatever a client sends, and however it is cut: the same answers, the same events,
 * and everything back where it was.
 *
 * An input is: flags, how many lengths follow, the lengths of the pieces in turn, the stream.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/dataplane/http_kit.h"

enum flag { SMALL = 1, ANY_ORIGIN = 2, NOT_READY = 4, SLOW_READER = 8, HALF_CLOSE = 16 };

struct script {
    unsigned flags;
    const uint8_t *pieces;
    uint32_t piece_count; /* 0: all at once */
    const uint8_t *stream;
    uint32_t len;
};

struct got {
    char *output;
    char *log;
    bool open;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void start(unsigned flags)
{
    const struct http_limits limits = {
        .connections = KIT_CONNS,
        .slots = 16,
        .mediums = 8,
        .medium_bytes = HTTP_HEAD_BYTES_MAX,
        .larges = 4,
        .batches = 4,
        .body_bytes = 20000,
        .shard_count = 3,
    };
    struct http_settings settings;
    http_settings_init(&settings);
    settings.body_bytes = flags & SMALL ? 300 : 20000;
    settings.pipeline = 4;
    if (flags & SMALL) {
        settings.line_bytes = 64;
        settings.head_bytes = 256;
        settings.header_count = 4;
        settings.batch_events = 3;
    }
    settings.cors.any = flags & ANY_ORIGIN;
    if (!kit.http) /* one for all inputs: what one leaves behind, the next one finds */
        kit_start(&limits, &settings);
    kit_begin(&settings);
    kit.room = 100000;
    kit.health = flags & NOT_READY ? HTTP_HEALTH_starting : HTTP_HEALTH_ready;
    kit_turn();
}

/* drop_continues takes out what depends on how bytes come. */
static void drop_continues(char *output)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char *at;
    while ((at = strstr(output, line)))
        memmove(at, at + sizeof line - 1, strlen(at + sizeof line - 1) + 1);
}

static struct got run(const struct script *script, bool cut)
{
    start(script->flags);
    uint32_t conn = kit_open(), at = 0;
    if (cut && script->flags & SLOW_READER)
        kit.conns[conn].room = 1;
    for (uint32_t i = 0; at < script->len; i++) {
        uint32_t len = script->len - at;
        if (cut && script->piece_count && script->pieces[i % script->piece_count] + 1u < len)
            len = script->pieces[i % script->piece_count] + 1u;
        kit_give(conn, script->stream + at, len);
        kit_settle();
        at += len;
    }
    for (uint32_t i = 0; kit.conns[conn].open && kit.conns[conn].room != UINT32_MAX; i++) {
        kit_read(conn, i > 100 ? UINT32_MAX : 7);
        kit_settle();
    }
    if (script->flags & HALF_CLOSE && kit.conns[conn].open) {
        kit_end(conn);
        kit_settle();
        require(!kit.conns[conn].open);
    }
    struct got got = {
        .output = strdup(kit_output(conn)),
        .log = strdup(kit.log ? kit.log : ""),
        .open = kit.conns[conn].open,
    };
    require(got.output && got.log);
    require(kit_statuses(conn) != NULL);
    kit_end_all();
    drop_continues(got.output);
    return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 65536)
        return 0;
    uint32_t pieces = data[1] % 16;
    if (size < 2 + pieces)
        return 0;
    const struct script script = {
        .flags = data[0],
        .pieces = data + 2,
        .piece_count = pieces,
        .stream = data + 2 + pieces,
        .len = (uint32_t)(size - 2 - pieces),
    };
    struct got whole = run(&script, false), cut = run(&script, true);
    require(!strcmp(whole.output, cut.output));
    require(!strcmp(whole.log, cut.log));
    require(whole.open == cut.open);
    free(whole.output);
    free(whole.log);
    free(cut.output);
    free(cut.log);
    return 0;
}
