/* test_trovectl_story.c - what trovectl says of one user, one event, and one correction. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/dataplane/trovectl_kit.h"

static const char story_json[] =
    "{\"user\":\"u-\\u001b[2J\",\"matches\":false,\"differences\":1,\"unattributed\":2,\"events\":["
    "{\"seq\":\"7:1\",\"received\":\"2026-11-20T12:00:01.201114Z\",\"receive_ns\":1000000000,"
    "\"id\":\"e1\",\"result\":\"accepted\",\"type\":\"view\",\"item\":\"A\\u0085\",\"flags\":[],"
    "\"outcomes\":[{\"outcome\":\"visit\",\"hunt\":\"spring\",\"step\":true,\"depth\":1}]},"
    "{\"seq\":\"7:3\",\"received\":\"2026-11-20T12:00:01.421114Z\",\"receive_ns\":1220000000,"
    "\"id\":\"e2\",\"result\":\"accepted\",\"type\":\"view\",\"item\":\"B\",\"flags\":[\"clamped\"]"
    ","
    "\"differs\":\"why\",\"outcomes\":[{\"outcome\":\"refusal\",\"hunt\":\"spring\","
    "\"refusal\":\"too_fast\",\"depth\":1,\"rule\":{\"file\":\"/data/config/"
    "000041.yaml\",\"line\":18,"
    "\"text\":\"min_step: 1s\",\"key\":\"min_step\",\"given\":true}}]}],"
    "\"hunts\":{\"spring\":{\"events\":2,\"awards\":0,\"refusals\":{\"too_fast\":1}}}}";

static void a_story_names_the_rule_and_cannot_speak_to_the_terminal(void **state)
{
    (void)state;
    json_t *story = parse(story_json);
    trovectl_print_story(story, begin());
    end_with("u-.[2J  recomputed from the journal: DIFFERENT from what was recorded\n"
             "7:1          2026-11-20T12:00:01.201114Z  e1  accepted  view A.\n"
             "    spring               visit, start, depth 1\n"
             "7:3          2026-11-20T12:00:01.421114Z  e2  accepted  view B  clamped\n"
             "    DIFFERS: why\n"
             "    spring               refusal too_fast, 0.220 s after the last step, depth 1"
             "   <- config/000041.yaml:18  min_step: 1s\n"
             "hunt spring: 2 events, 0 awards, refused too_fast 1\n"
             "2 rejected events in the journal are no events and name nobody: trovectl rejects\n");
    json_decref(story);
}

static void a_story_tells_a_correction_with_why_and_by_whom(void **state)
{
    (void)state;
    json_t *story = parse(
        "{\"user\":\"ann\",\"matches\":true,\"events\":[{\"id\":\"c2\",\"correction\":\"undo\","
        "\"user\":\"ann\",\"hunt\":\"map\",\"tile\":\"t1\",\"undo\":\"c1\",\"reason\":"
        "\"w\\u001b[2J\",\"ref\":\"OPS\\u0007\",\"by\":\"uid 0\",\"seq\":\"7:4\",\"received\":"
        "\"2026-11-20T12:00:01.201114Z\",\"receive_ns\":1,\"result\":\"corrected\",\"flags\":[],"
        "\"outcomes\":[{\"outcome\":\"revoked\",\"hunt\":\"map\",\"award\":\"aw-1\"}]}],"
        "\"hunts\":{\"map\":{\"events\":1,\"awards\":0,\"refusals\":{},\"granted\":1,"
        "\"revoked\":1}}}");
    trovectl_print_story(story, begin());
    end_with("ann  recomputed from the journal: as recorded\n"
             "7:4          2026-11-20T12:00:01.201114Z  c2  corrected  undo tile t1 c1  by uid 0"
             "  OPS.: w.[2J\n"
             "    map                  revoked, aw-1\n"
             "hunt map: 1 events, 0 awards, granted 1, revoked 1\n");
    json_decref(story);
}

static void a_refused_users_story_of_one_hunt_says_how_to_grant(void **state)
{
    (void)state;
    static const struct {
        const char *user, *kind;
        int awards;
        bool next;
    } cases[] = {{"ann", "refusal", 0, true},
                 {"ann", "refusal", 1, false},
                 {"ann", "claim_refused", 0, false},
                 {"a;b", "refusal", 0, false},
                 {"-x", "refusal", 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *story = json_pack("{s:s, s:s, s:b, s:[{s:[{s:s, s:s}]}], s:{s:{s:i}}}", "user",
                                  cases[i].user, "hunt", "spring", "matches", 1, "events",
                                  "outcomes", "outcome", cases[i].kind, "refusal", "too_fast",
                                  "hunts", "spring", "awards", cases[i].awards);
        assert_non_null(story);
        trovectl_print_story(story, begin());
        fclose(memory);
        const char *next = strstr(text, "next ");
        assert_int_equal(next != NULL, cases[i].next);
        if (next)
            assert_string_equal(next, "next   trovectl patch grant --user ann --hunt spring "
                                      "--reason TEXT --ref REF\n");
        free(text);
        json_decref(story);
    }
}

static void a_story_of_an_empty_answer_prints_what_it_can(void **state)
{
    (void)state;
    json_t *story = parse("{\"events\":[{\"outcomes\":[{},1,{\"award\":1,\"items\":[2]}]},3]}");
    FILE *out = begin();
    trovectl_print_story(story, out);
    trovectl_print_rejects(story, out);
    trovectl_print_reject(story, out);
    fclose(out);
    assert_true(text_len > 0);
    free(text);
    json_decref(story);
}

static void a_reject_has_a_caret_under_the_byte_that_decided(void **state)
{
    (void)state;
    json_t *reject = parse("{\"seq\":\"7:9\",\"received\":\"T\",\"reason\":\"syntax\",\"offset\":2,"
                           "\"help\":\"no JSON\",\"hex\":\"7b1bff7d\"}");
    trovectl_print_reject(reject, begin());
    end_with("7:9  T  syntax at byte 2 of 4: no JSON\n{..}\n  ^\n");
    json_object_set_new(reject, "offset", json_integer(9999));
    FILE *out = begin();
    trovectl_print_reject(reject, out); /* an offset that lies */
    fclose(out);
    free(text);
    json_decref(reject);
}

static void a_correction_says_how_to_undo_it_and_cannot_speak_to_the_terminal(void **state)
{
    (void)state;
    json_t *c = parse("{\"id\":\"i-1\",\"correction\":\"revoke\",\"result\":\"revoked\","
                      "\"user\":\"u\\u001b\",\"hunt\":\"spring\",\"tile\":\"t\\u009b\",\"award\":"
                      "\"aw-1\",\"seq\":\"7:9\",\"by\":\"uid 0\",\"repeat\":true}");
    trovectl_print_corrected(c, begin());
    end_with("revoked  user u.  hunt spring  tile t.  award aw-1\n"
             "i-1  seq 7:9  by uid 0  done before, nothing was changed\n"
             "undo: trovectl patch undo i-1 --reason TEXT --ref REF\n");
    json_object_set_new(c, "dry_run", json_true());
    trovectl_print_corrected(c, begin());
    end_with("would be revoked  user u.  hunt spring  tile t.  award aw-1\n"
             "nothing was changed\n");
    json_t *list = json_pack("{s:[o, {}, i]}", "corrections", c, 7);
    json_object_set_new(c, "reason", json_string("why\x1b"));
    json_object_set_new(c, "undone_by", json_string("i-2"));
    trovectl_print_corrections(list, begin());
    end_with("i-1  -  revoke revoked  user u.  hunt spring  tile t.  award aw-1  seq 7:9  "
             "by uid 0  -: why.  (undone by i-2)\n"
             "-  -  -      -  user -  hunt -  seq -  by -  -: -\n"
             "-  -  -      -  user -  hunt -  seq -  by -  -: -\n");
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_story_names_the_rule_and_cannot_speak_to_the_terminal),
        cmocka_unit_test(a_story_tells_a_correction_with_why_and_by_whom),
        cmocka_unit_test(a_refused_users_story_of_one_hunt_says_how_to_grant),
        cmocka_unit_test(a_story_of_an_empty_answer_prints_what_it_can),
        cmocka_unit_test(a_reject_has_a_caret_under_the_byte_that_decided),
        cmocka_unit_test(a_correction_says_how_to_undo_it_and_cannot_speak_to_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
