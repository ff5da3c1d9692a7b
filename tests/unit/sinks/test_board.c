/* test_board.c - ranks, ties, limits, and that what is delivered twice counts once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "dataplane/base/correction.h"
#include "sinks/board.h"

static struct board *board;
static struct board_view view;
static uint64_t seq;

static int setup(void **state)
{
    (void)state;
    seq = 0;
    board = board_new(100);
    assert_non_null(board);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    board_free(board);
    return 0;
}

static struct outcome_name name(const char *text)
{
    return (struct outcome_name){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static void deliver(const char *hunt, const char *user, enum outcome_kind kind, uint32_t score,
                    uint16_t partition, uint64_t at)
{
    struct record outcome = {.kind = RECORD_OUTCOME, .partition = partition, .seq = at};
    struct sink_item item = {.outcome = &outcome};
    item.view.outcome.kind = (uint8_t)kind;
    item.view.outcome.score = score;
    item.view.hunt = name(hunt);
    item.view.user = name(user);
    assert_int_equal(board_ops.deliver(board, &item), 0);
}

static void win(const char *hunt, const char *user, uint32_t score)
{
    deliver(hunt, user, OUTCOME_award, score, 1, ++seq);
}

static void assert_row(uint32_t i, uint32_t rank, const char *user)
{
    assert_int_equal(view.rows[i].rank, rank);
    assert_string_equal(view.rows[i].user, user);
}

static void ranks_by_each_order_and_shares_ranks(void **state)
{
    (void)state;
    win("h", "bob", 1 << 16);
    win("h", "bob", 1 << 16);
    win("h", "ann", 3 << 16);
    win("h", "ann", 3 << 16);
    win("h", "cyd", 9 << 16);
    deliver("h", "dan", OUTCOME_claim_granted, 0, 1, ++seq);
    assert_int_equal(board_read(board, "h", BOARD_AWARDS, 10, NULL, &view), 0);
    assert_int_equal(view.user_count, 4);
    assert_int_equal(view.row_count, 4);
    assert_row(0, 1, "ann");
    assert_row(1, 1, "bob");
    assert_row(2, 3, "cyd");
    assert_row(3, 4, "dan");
    assert_int_equal(board_read(board, "h", BOARD_SCORE, 1, "bob", &view), 0);
    assert_row(0, 1, "cyd");
    assert_int_equal(view.row_count, 1);
    assert_true(view.has_own);
    assert_int_equal(view.own.rank, 3);
    assert_int_equal(view.own.value[BOARD_SCORE], 2 << 16);
    assert_int_equal(board_read(board, "h", BOARD_CLAIMS, 1, "eve", &view), 0);
    assert_row(0, 1, "dan");
    assert_false(view.has_own);
}

static void hunts_do_not_mix(void **state)
{
    (void)state;
    win("h", "ann", 0);
    win("g", "bob", 0);
    assert_int_equal(board_read(board, "g", BOARD_AWARDS, 10, "ann", &view), 0);
    assert_int_equal(view.user_count, 1);
    assert_row(0, 1, "bob");
    assert_false(view.has_own);
    assert_int_equal(board_read(board, "f", BOARD_AWARDS, 10, NULL, &view), -ENOENT);
}

static void what_a_pump_delivers_again_counts_once(void **state)
{
    (void)state;
    deliver("h", "ann", OUTCOME_award, 0, 1, 5);
    deliver("h", "ann", OUTCOME_award, 0, 2, 5); /* another partition's */
    deliver("h", "ann", OUTCOME_award, 0, 1, 5);
    deliver("h", "ann", OUTCOME_award, 0, 1, 4);
    board_read(board, "h", BOARD_AWARDS, 1, NULL, &view);
    assert_int_equal(view.rows[0].value[BOARD_AWARDS], 2);
}

static void users_beyond_the_limit_are_counted_not_ranked(void **state)
{
    (void)state;
    char user[16];
    for (int i = 0; i < 130; i++) {
        snprintf(user, sizeof user, "u-%03d", i);
        win(i % 2 ? "h" : "g", user, 0);
    }
    win("g", "u-000", 0); /* who is ranked goes on counting */
    board_read(board, "g", BOARD_AWARDS, BOARD_ROWS_MAX, "u-000", &view);
    assert_int_equal(view.user_count, 50);
    assert_int_equal(view.unranked, 30);
    assert_int_equal(view.own.value[BOARD_AWARDS], 2);
    assert_int_equal(view.own.rank, 1);
}

static void an_outcome_without_a_user_is_not_ranked(void **state)
{
    (void)state;
    win("h", "", 0);
    assert_int_equal(board_read(board, "h", BOARD_AWARDS, 1, "", &view), 0);
    assert_int_equal(view.user_count, 0);
    assert_int_equal(view.unranked, 1);
    assert_false(view.has_own);
}

static void correct(const char *user, enum outcome_kind kind, uint32_t score, const char *tile)
{
    struct {
        struct record record;
        uint8_t body[CORRECTION_BODY_MAX];
    } said = {.record = {.kind = RECORD_CORRECTION}};
    struct correction correction = {.id = {1, 2}, .kind = CORRECTION_grant};
    snprintf(correction.user, sizeof correction.user, "%s", user);
    strcpy(correction.hunt, "h");
    strcpy(correction.reason, "why");
    strcpy(correction.ref, "OPS-1");
    strcpy(correction.by, "uid 0");
    snprintf(correction.tile, sizeof correction.tile, "%s", tile);
    said.record.body_len = correction_encode(&correction, said.body);
    struct record outcome = {.kind = RECORD_OUTCOME, .partition = 1, .seq = ++seq};
    struct sink_item item = {.outcome = &outcome, .event = &said.record};
    item.view.outcome.kind = (uint8_t)kind;
    item.view.outcome.score = score;
    item.view.hunt = name("h");
    item.view.user = name(user);
    assert_int_equal(board_ops.deliver(board, &item), 0);
}

static void corrections_give_and_take_away(void **state)
{
    (void)state;
    win("h", "ann", 2 << 16);
    win("h", "bob", 3 << 16);
    deliver("h", "dan", OUTCOME_claim_granted, 0, 1, ++seq);
    correct("bob", OUTCOME_revoked, 3 << 16, "");
    correct("cyd", OUTCOME_granted, 0, "");
    correct("cyd", OUTCOME_granted, 0, "");
    correct("dan", OUTCOME_revoked, 0, "T1");
    correct("eve", OUTCOME_granted, 0, "T1");
    assert_int_equal(board_read(board, "h", BOARD_AWARDS, 10, "bob", &view), 0);
    assert_int_equal(view.user_count, 3);
    assert_row(0, 1, "cyd");
    assert_row(1, 2, "ann");
    assert_false(view.has_own);
    assert_int_equal(board_read(board, "h", BOARD_CLAIMS, 10, NULL, &view), 0);
    assert_row(0, 1, "eve");
    /* Taken from one who never had it: nothing to take, and nobody is below zero. */
    correct("eve", OUTCOME_revoked, 1 << 16, "T9");
    correct("eve", OUTCOME_revoked, 1 << 16, "T9");
    assert_int_equal(board_read(board, "h", BOARD_CLAIMS, 10, "eve", &view), 0);
    assert_false(view.has_own);
    correct("bob", OUTCOME_granted, 3 << 16, "");
    assert_int_equal(board_read(board, "h", BOARD_SCORE, 10, "bob", &view), 0);
    assert_row(0, 1, "bob");
    assert_true(view.has_own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ranks_by_each_order_and_shares_ranks, setup, teardown),
        cmocka_unit_test_setup_teardown(hunts_do_not_mix, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_pump_delivers_again_counts_once, setup, teardown),
        cmocka_unit_test_setup_teardown(users_beyond_the_limit_are_counted_not_ranked, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_outcome_without_a_user_is_not_ranked, setup, teardown),
        cmocka_unit_test_setup_teardown(corrections_give_and_take_away, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
