/* test_trovectl.c - trovectl's arguments, calls and exit codes, against a server that answers from
 * a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/control.h"
#include "dataplane/trovectl.h"

struct world {
    char dir[32];
    char path[64];
    char conf[64];
    struct control *control;
    pid_t child;
    /* What the server answers, and what it was asked; one call at a time. */
    unsigned status;
    const char *answer;
    char asked[256];
    char file[512];
    char match[64];
    char body[64];
    /* Of the last run. */
    char *out, *err;
    size_t out_len, err_len;
};

static void on_any(void *context, const struct control_request *request,
                   struct control_response *response)
{
    struct world *w = context;
    const char *match = control_header(request, "If-Match");
    const char *file = control_query(request, "file");
    const char *stage = control_query(request, "stage");
    snprintf(w->asked, sizeof w->asked, "%s %s", request->path, stage ? stage : "");
    snprintf(w->file, sizeof w->file, "%s", file ? file : "");
    snprintf(w->match, sizeof w->match, "%s", match ? match : "");
    snprintf(w->body, sizeof w->body, "%s", request->body);
    response->status = w->status;
    response->body = json_loads(w->answer, 0, NULL);
}

static void on_stop(void *context, const struct control_request *request,
                    struct control_response *response)
{
    (void)context;
    (void)request;
    response->status = 202;
    response->body = json_pack("{s:s}", "state", "draining");
    kill(getpid(), SIGTERM);
}

static const struct control_route routes[] = {
    {"GET", "/", false, on_any}, {"PUT", "/", true, on_any}, {"POST", "/", true, on_any}, {0}};
static const struct control_route stop_routes[] = {{"POST", "/v1/stop", true, on_stop}, {0}};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->status = 200;
    w->answer = "{}";
    strcpy(w->dir, "/tmp/trove-ctl-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/ctl.sock", w->dir);
    snprintf(w->conf, sizeof w->conf, "%s/a &+b.yaml", w->dir);
    FILE *file = fopen(w->conf, "w");
    fputs("version: 1\n", file);
    fclose(file);
    assert_int_equal(control_start(&w->control, w->path, routes, w), 0);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    control_stop(w->control);
    unlink(w->path);
    unlink(w->conf);
    assert_int_equal(rmdir(w->dir), 0);
    free(w->out);
    free(w->err);
    free(w);
    return 0;
}

#define ARGS_MAX 12

/* run calls trovectl with the words given, up to NULL. */
static int run(struct world *w, ...)
{
    static char name[] = "trovectl", option[] = "--socket";
    char *argv[ARGS_MAX + 1] = {name, option, w->path};
    int argc = 3;
    va_list words;
    va_start(words, w);
    while (argc < ARGS_MAX && (argv[argc] = va_arg(words, char *)))
        argc++;
    va_end(words);
    argv[argc] = NULL;
    free(w->out);
    free(w->err);
    FILE *out = open_memstream(&w->out, &w->out_len), *err = open_memstream(&w->err, &w->err_len);
    int code = trovectl_run(argc, argv, out, err);
    fclose(out);
    fclose(err);
    return code;
}

static void usage_errors_exit_2_and_name_the_next_command(void **state)
{
    static char *const bad[][5] = {
        {"statsu"},
        {"conf"},
        {"conf", "chek", "x"},
        {"status", "now"},
        {"status", "--stage", "durable"},
        {"status", "--bogus"},
        {"conf", "check"},
        {"conf", "diff", "a", "b"},
        {"conf", "apply", "a", "--if-version", "4x"},
        {"conf", "apply", "a", "--if-version", ""},
        {"latency", "--hgrm", "/dev/null"},
        {"latency", "--stage"},
        {"stop", "--if-version", "1"},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *const *b = bad[i];
        assert_int_equal(run(w, b[0], b[1], b[2], b[3], b[4], NULL), TROVECTL_USAGE);
        assert_non_null(strstr(w->err, "error: "));
        assert_non_null(strstr(w->err, "See: trovectl "));
        assert_string_equal(w->out, "");
    }
    assert_int_equal(run(w, NULL), TROVECTL_USAGE);
    assert_string_equal(w->asked, "");
}

static void help_and_version_need_no_daemon(void **state)
{
    struct world *w = *state;
    strcpy(w->path + strlen(w->path), "x");
    assert_int_equal(run(w, "help", NULL), TROVECTL_OK);
    assert_non_null(strstr(w->out, "conf apply FILE"));
    assert_int_equal(run(w, "status", "--help", NULL), TROVECTL_OK);
    assert_int_equal(run(w, "version", NULL), TROVECTL_OK);
    assert_string_equal(w->out, "trovectl " TROVE_VERSION "\n");
    assert_int_equal(run(w, "--json", "help", NULL), TROVECTL_OK);
    json_t *help = json_loads(w->out, 0, NULL);
    const json_t *verbs = json_object_get(help, "verbs");
    const json_t *last = json_array_get(verbs, json_array_size(verbs) - 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(verbs, 0), "verb")),
                        "status");
    assert_string_equal(json_string_value(json_object_get(last, "verb")), "help");
    json_decref(help);
    w->path[strlen(w->path) - 1] = '\0';
}

static void a_daemon_that_is_not_there_is_exit_3_also_for_programs(void **state)
{
    struct world *w = *state;
    control_stop(w->control);
    w->control = NULL;
    assert_int_equal(run(w, "status", NULL), TROVECTL_UNREACHABLE);
    assert_non_null(strstr(w->err, "no troved"));
    assert_string_equal(w->out, "");
    assert_int_equal(run(w, "stop", "--json", NULL), TROVECTL_UNREACHABLE);
    json_t *problem = json_loads(w->out, 0, NULL);
    assert_string_equal(field_text(problem, "code"), "unreachable");
    json_decref(problem);
}

static void status_exits_1_when_the_account_does_not_balance(void **state)
{
    struct world *w = *state;
    w->answer = "{\"state\":\"running\",\"account\":{\"balanced\":true}}";
    assert_int_equal(run(w, "status", NULL), TROVECTL_OK);
    assert_string_equal(w->asked, "v1/status ");
    w->answer = "{\"state\":\"running\",\"account\":{\"balanced\":false}}";
    assert_int_equal(run(w, "status", "--json", NULL), TROVECTL_FAILED);
    json_t *answer = json_loads(w->out, 0, NULL);
    assert_true(json_is_false(json_object_get(json_object_get(answer, "account"), "balanced")));
    json_decref(answer);
}

static void latency_asks_for_a_stage_and_writes_hgrm(void **state)
{
    struct world *w = *state;
    char file[64], line[80];
    snprintf(file, sizeof file, "%s/out.hgrm", w->dir);
    w->answer = "{\"stages\":[{\"stage\":\"durable\",\"count\":1,\"max_us\":1,\"percentiles\":[],"
                "\"buckets\":[[1000,1]]}]}";
    assert_int_equal(run(w, "latency", "--stage", "a b&c", "--hgrm", file, NULL), TROVECTL_OK);
    assert_string_equal(w->asked, "v1/latency a b&c");
    assert_non_null(strstr(w->out, "wire -> durable   n 1"));
    FILE *hgrm = fopen(file, "r");
    assert_non_null(fgets(line, sizeof line, hgrm));
    assert_string_equal(line, "       Value     Percentile TotalCount 1/(1-Percentile)\n");
    fclose(hgrm);
    unlink(file);
    assert_int_equal(run(w, "latency", "--stage", "durable", "--hgrm", w->dir, NULL),
                     TROVECTL_FAILED);
}

static void check_needs_no_daemon_and_shows_every_fault(void **state)
{
    struct world *w = *state;
    FILE *file = fopen(w->conf, "w");
    fputs(conf_default_text(), file);
    fclose(file);
    assert_int_equal(run(w, "conf", "check", w->conf, NULL), TROVECTL_OK);
    assert_ptr_equal(strstr(w->out, "ok  "), w->out);
    assert_int_equal(run(w, "conf", "check", w->conf, "--json", NULL), TROVECTL_OK);
    json_t *answer = json_loads(w->out, 0, NULL);
    assert_true(json_is_true(json_object_get(answer, "ok")));
    json_decref(answer);
    file = fopen(w->conf, "a");
    fputs("pop_: 1\nhots: 2\n", file);
    fclose(file);
    assert_int_equal(run(w, "conf", "check", w->conf, NULL), TROVECTL_FAILED);
    assert_non_null(strstr(w->err, "'pop_'"));
    assert_non_null(strstr(w->err, "'hots'"));
    assert_non_null(strstr(w->err, "2 errors.  See: trovectl conf manual"));
    assert_int_equal(run(w, "conf", "check", w->conf, "--json", NULL), TROVECTL_FAILED);
    answer = json_loads(w->out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(answer, "errors")), 2);
    json_decref(answer);
    assert_string_equal(w->asked, "");
}

static void schema_and_manual_come_from_the_table_of_keys(void **state)
{
    struct world *w = *state;
    assert_int_equal(run(w, "conf", "schema", NULL), TROVECTL_OK);
    json_t *schema = json_loads(w->out, 0, NULL);
    assert_non_null(json_object_get(schema, "properties"));
    json_decref(schema);
    assert_int_equal(run(w, "conf", "manual", NULL), TROVECTL_OK);
    assert_non_null(strstr(w->out, "data_dir"));
    assert_int_equal(run(w, "conf", "manual", "--json", NULL), TROVECTL_OK);
    json_t *manual = json_loads(w->out, 0, NULL);
    assert_non_null(strstr(field_text(manual, "manual"), "data_dir"));
    json_decref(manual);
}

static void apply_sends_the_file_its_absolute_name_and_the_version(void **state)
{
    struct world *w = *state;
    w->answer = "{\"version\":42,\"ms\":3.1,\"lcores\":2,\"changes\":2,\"restart\":[]}";
    assert_int_equal(run(w, "conf", "apply", w->conf, "--if-version", "41", NULL), TROVECTL_OK);
    assert_string_equal(w->body, "version: 1\n");
    assert_string_equal(w->file, w->conf);
    assert_string_equal(w->match, "\"v41\"");
    assert_string_equal(w->out, "v42 active in 3.1 ms on 2 lcores; 2 changes\n");
    assert_int_equal(run(w, "conf", "apply", w->conf, NULL), TROVECTL_OK);
    assert_string_equal(w->match, "");
    w->answer = "{\"version\":42,\"pending\":true}";
    assert_int_equal(run(w, "conf", "apply", w->conf, NULL), TROVECTL_FAILED);
    assert_int_equal(run(w, "conf", "apply", "/nonexistent.yaml", NULL), TROVECTL_FAILED);
    assert_int_equal(run(w, "conf", "apply", w->dir, NULL), TROVECTL_FAILED);
}

static void a_version_that_moved_is_exit_4_and_other_problems_exit_1(void **state)
{
    struct world *w = *state;
    w->answer = "{\"detail\":\"running config is v43, not v41\",\"next\":\"trovectl conf show\"}";
    w->status = 412;
    assert_int_equal(run(w, "conf", "apply", w->conf, "--if-version", "41", NULL),
                     TROVECTL_CONFLICT);
    assert_string_equal(w->err,
                        "error: running config is v43, not v41.  See: trovectl conf show\n");
    w->status = 422;
    assert_int_equal(run(w, "conf", "diff", w->conf, "--json", NULL), TROVECTL_FAILED);
    json_t *problem = json_loads(w->out, 0, NULL);
    assert_string_equal(field_text(problem, "next"), "trovectl conf show");
    json_decref(problem);
    w->status = 500;
    w->answer = "[]";
    assert_int_equal(run(w, "conf", "show", NULL), TROVECTL_FAILED);
    assert_non_null(strstr(w->err, "another program?"));
    w->status = 200;
    w->answer = "{\"ready\":true}";
    assert_int_equal(run(w, "conf", "show", NULL), TROVECTL_FAILED);
    assert_non_null(strstr(w->err, "another program?"));
}

static void show_prints_the_text_alone_on_standard_output(void **state)
{
    struct world *w = *state;
    w->answer = "{\"version\":3,\"digest\":\"ab\",\"text\":\"pop: fra1\\n\"}";
    assert_int_equal(run(w, "conf", "show", NULL), TROVECTL_OK);
    assert_string_equal(w->out, "pop: fra1\n");
    assert_non_null(strstr(w->err, "# v3  digest ab"));
}

static void stop_without_waiting_says_what_the_daemon_does(void **state)
{
    struct world *w = *state;
    w->status = 202;
    w->answer = "{\"state\":\"draining\"}";
    assert_int_equal(run(w, "stop", "--no-wait", NULL), TROVECTL_OK);
    assert_string_equal(w->asked, "v1/stop ");
    assert_string_equal(w->out, "draining\n");
}

/* A daemon of its own process, which ends when it is told to stop and has answered. */
static pid_t fork_daemon(struct world *w)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (!child) {
        struct control *control;
        sigset_t term;
        int signal_taken;
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        sigprocmask(SIG_BLOCK, &term, NULL);
        if (control_start(&control, w->path, stop_routes, w) || write(ready[1], "x", 1) != 1)
            _exit(1);
        sigwait(&term, &signal_taken);
        usleep(100000);
        control_stop(control);
        _exit(0);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static void stop_returns_when_the_daemon_s_process_has_ended(void **state)
{
    struct world *w = *state;
    int status = 1;
    control_stop(w->control);
    w->control = NULL;
    pid_t child = fork_daemon(w);
    assert_int_equal(run(w, "stop", NULL), TROVECTL_OK);
    assert_string_equal(w->out, "stopped\n");
    assert_int_equal(waitpid(child, &status, WNOHANG), child);
    assert_int_equal(status, 0);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(usage_errors_exit_2_and_name_the_next_command),
        WITH_SERVER(help_and_version_need_no_daemon),
        WITH_SERVER(a_daemon_that_is_not_there_is_exit_3_also_for_programs),
        WITH_SERVER(status_exits_1_when_the_account_does_not_balance),
        WITH_SERVER(latency_asks_for_a_stage_and_writes_hgrm),
        WITH_SERVER(check_needs_no_daemon_and_shows_every_fault),
        WITH_SERVER(schema_and_manual_come_from_the_table_of_keys),
        WITH_SERVER(apply_sends_the_file_its_absolute_name_and_the_version),
        WITH_SERVER(a_version_that_moved_is_exit_4_and_other_problems_exit_1),
        WITH_SERVER(show_prints_the_text_alone_on_standard_output),
        WITH_SERVER(stop_without_waiting_says_what_the_daemon_does),
        WITH_SERVER(stop_returns_when_the_daemon_s_process_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
