/* trovectl_leaderboard.c - who leads a hunt. */
#include <inttypes.h>
#include <string.h>

#include "dataplane/trovectl.h"

static void print_row(const json_t *row, FILE *out)
{
    fprintf(out, "%6" PRIu64 "  %-32s %10s %10s %12.3f\n", field_count(row, "rank"),
            field_text(row, "user"), figure_count(field_count(row, "awards")).text,
            figure_count(field_count(row, "claims")).text, field_real(row, "score"));
}

void trovectl_print_leaderboard(const json_t *board, FILE *out)
{
    const json_t *row, *own = json_object_get(board, "own");
    size_t i;
    fprintf(out, "%s  by %s  %s users", field_text(board, "hunt"), field_text(board, "by"),
            figure_count(field_count(board, "users")).text);
    if (field_count(board, "lag_records"))
        fprintf(out, "  %s records behind", figure_count(field_count(board, "lag_records")).text);
    if (field_count(board, "unranked"))
        fprintf(out, "  %s not ranked: raise limits.ranked",
                figure_count(field_count(board, "unranked")).text);
    fprintf(out, "\n%6s  %-32s %10s %10s %12s\n", "rank", "user", "awards", "claims", "score");
    json_array_foreach(json_object_get(board, "top"), i, row) print_row(row, out);
    if (own) {
        fprintf(out, "%6s\n", "...");
        print_row(own, out);
    }
}

int trovectl_leaderboard(struct trovectl *ctl)
{
    static const char name_chars[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    char path[512];
    if (ctl->file[strspn(ctl->file, name_chars)] || strlen(ctl->file) > 64)
        return trovectl_fail(ctl, TROVECTL_FAILED, "leaderboard_not_found", "trovectl status",
                             "no hunt can be called '%.80s'", ctl->file);
    snprintf(path, sizeof path, "/v1/leaderboards/%s", ctl->file);
    if (ctl->by)
        trovectl_query(path, sizeof path, "by", ctl->by);
    if (ctl->top)
        trovectl_query(path, sizeof path, "n", ctl->top);
    if (ctl->user)
        trovectl_query(path, sizeof path, "user", ctl->user);
    struct trovectl_request request = {.method = "GET", .path = path};
    return trovectl_ask(ctl, &request, trovectl_print_leaderboard);
}
