/* admin_board.c - GET /v1/leaderboards/{hunt}: ?by=awards|claims|score, ?n=, ?user=. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/admin.h"

#define ROWS_DEFAULT 10

static const char *const order_names[BOARD_ORDER_COUNT] = {"awards", "claims", "score"};

static json_t *row_json(const struct board_row *row)
{
    return json_pack("{s:i, s:s, s:I, s:I, s:f}", "rank", (int)row->rank, "user", row->user,
                     "awards", (json_int_t)row->value[BOARD_AWARDS], "claims",
                     (json_int_t)row->value[BOARD_CLAIMS], "score",
                     (double)row->value[BOARD_SCORE] / 65536.0);
}

static json_t *view_json(const struct topo *topo, const char *hunt, unsigned order,
                         const struct board_view *view)
{
    const struct pump_counters *pump = pump_counters(topo->sinks.board->pump);
    json_t *rows = json_array();
    for (uint32_t i = 0; i < view->row_count; i++)
        json_array_append_new(rows, row_json(&view->rows[i]));
    json_t *body =
        json_pack("{s:s, s:s, s:i, s:I, s:I, s:o}", "hunt", hunt, "by", order_names[order], "users",
                  (int)view->user_count, "unranked", (json_int_t)view->unranked, "lag_records",
                  (json_int_t)__atomic_load_n(&pump->lag_records, __ATOMIC_RELAXED), "top", rows);
    if (view->has_own)
        json_object_set_new(body, "own", row_json(&view->own));
    return body;
}

/* Returns BOARD_ORDER_COUNT when by names no order. */
static unsigned order_of(const char *by)
{
    unsigned order = 0;
    while (order < BOARD_ORDER_COUNT && by && strcmp(by, order_names[order]) != 0)
        order++;
    return order;
}

static bool read_count(const char *text, uint32_t *count)
{
    char *end;
    *count = ROWS_DEFAULT;
    if (!text)
        return true;
    unsigned long value = strtoul(text, &end, 10);
    *count = (uint32_t)value;
    return *text >= '0' && *text <= '9' && !*end && value <= BOARD_ROWS_MAX;
}

json_t *admin_feed(const struct topo *topo)
{
    struct feed_report report;
    feed_report(topo->feed.feed, &report);
    return json_pack("{s:I, s:I, s:s}", "messages", (json_int_t)report.messages, "errors",
                     (json_int_t)report.errors, "error", report.error);
}

void admin_leaderboard(void *context, const struct control_request *request,
                       struct control_response *response)
{
    struct topo *topo = context;
    const char *hunt = request->path;
    uint32_t count;
    unsigned order = order_of(control_query(request, "by"));
    if (order == BOARD_ORDER_COUNT || !read_count(control_query(request, "n"), &count)) {
        control_problem(response, 400, "bad_query", "trovectl leaderboard HUNT --by awards -n 10",
                        "by is one of awards, claims and score; n a whole number up to %d",
                        BOARD_ROWS_MAX);
        return;
    }
    struct board_view *view = calloc(1, sizeof *view);
    if (view &&
        board_read(topo->board, hunt, order, count, control_query(request, "user"), view) == 0)
        response->body = view_json(topo, hunt, order, view);
    else
        control_problem(response, 404, "leaderboard_not_found", "trovectl status",
                        "nobody has won anything in a hunt '%.64s'", hunt);
    free(view);
}
