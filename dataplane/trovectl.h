/* trovectl.h - the command line client: a table of verbs, each a call of the management API and a
 * rendering of its answer.
 *
 * Renderings take the answer's JSON and a FILE, and trust nothing in it to be there: a field that
 * is missing reads as 0 or "-", so that client and daemon of different versions get along.
 *
 * Memory:  answers belong to the verb that made the call.  Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "dataplane/base/histogram.h"
#include "dataplane/figure.h"

#define TROVECTL_SOCKET "/run/trove/ctl.sock"

/* What a shell sees. */
enum trovectl_exit {
    TROVECTL_OK,
    TROVECTL_FAILED,      /* the operation failed, or the answer is "bad" */
    TROVECTL_USAGE,       /* wrong arguments */
    TROVECTL_UNREACHABLE, /* no daemon answers */
    TROVECTL_CONFLICT,    /* the running version is not the one that was named */
};

struct trovectl {
    FILE *out; /* results */
    FILE *err; /* notes and errors */
    const char *socket;
    const char *file;        /* the argument, where the verb has one: a file, a user, an id */
    const char *action;      /* the second argument: what a sink is to do */
    const char *stage;       /* --stage */
    const char *hgrm;        /* --hgrm */
    const char *hlog;        /* --hlog */
    const char *span;        /* --for, a time */
    const char *interval;    /* --interval, a time */
    const char *if_version;  /* --if-version, digits only */
    const char *by;          /* --by */
    const char *top;         /* --top */
    const char *user;        /* --user */
    const char *data_dir;    /* --data-dir: read its files, ask no daemon */
    const char *hunt;        /* --hunt */
    const char *reason;      /* --reason */
    const char *limit;       /* --limit, digits only */
    const char *seq;         /* --seq */
    const char *to;          /* --to */
    const char *at;          /* --at */
    const char *from;        /* --from */
    const char *config;      /* --config */
    bool verify;             /* --verify */
    const char *tile;        /* --tile */
    const char *ref;         /* --ref */
    const char *id;          /* --id */
    const char *archive;     /* --from-archive: a directory, or the URL of a bucket */
    const char *credentials; /* --credentials: the file, for a bucket */
    const char *region;      /* --region, of a bucket */
    bool json;
    bool no_wait;
    bool dry_run;
};

/* trovectl_run does what the arguments say.  Returns an enum trovectl_exit. */
int trovectl_run(int argc, char **argv, FILE *out, FILE *err);

/* The verbs.  Each returns an enum trovectl_exit. */
int trovectl_status(struct trovectl *ctl);
int trovectl_latency(struct trovectl *ctl);
int trovectl_lcores(struct trovectl *ctl);
int trovectl_conf_check(struct trovectl *ctl);
int trovectl_conf_diff(struct trovectl *ctl);
int trovectl_conf_apply(struct trovectl *ctl);
int trovectl_conf_show(struct trovectl *ctl);
int trovectl_conf_schema(struct trovectl *ctl);
int trovectl_conf_manual(struct trovectl *ctl);
int trovectl_leaderboard(struct trovectl *ctl);
int trovectl_sink(struct trovectl *ctl);
int trovectl_stop(struct trovectl *ctl);
int trovectl_explain(struct trovectl *ctl);
int trovectl_event(struct trovectl *ctl);
int trovectl_rejects_list(struct trovectl *ctl);
int trovectl_rejects_show(struct trovectl *ctl);
int trovectl_rejects_redrive(struct trovectl *ctl);
int trovectl_replay(struct trovectl *ctl);
int trovectl_checkpoint_list(struct trovectl *ctl);
int trovectl_checkpoint_verify(struct trovectl *ctl);
int trovectl_segment_list(struct trovectl *ctl);
int trovectl_segment_verify(struct trovectl *ctl);
int trovectl_segment_export(struct trovectl *ctl);
int trovectl_hunt_test(struct trovectl *ctl);
int trovectl_hunt_map(struct trovectl *ctl);
int trovectl_patch_grant(struct trovectl *ctl);
int trovectl_patch_revoke(struct trovectl *ctl);
int trovectl_patch_undo(struct trovectl *ctl);
int trovectl_patch_list(struct trovectl *ctl);

/* One call of the API. */
struct trovectl_request {
    const char *method;
    const char *path; /* and query */
    const char *body;
    size_t body_len;
    const char *if_match; /* an entity tag with its quotes */
    const char *key;      /* Idempotency-Key; then the body is JSON, else a configuration */
    const char *member;   /* that troved's answer has; NULL: none in particular */
};

/* trovectl_call returns TROVECTL_OK with the answer's object in *answer, the caller's to decref; or
 * says what went wrong, as trovectl_fail does, and returns the exit code for it. */
int trovectl_call(struct trovectl *ctl, const struct trovectl_request *request, json_t **answer);

/* trovectl_query appends a percent-encoded parameter to a path (RFC 3986); what does not fit is
 * cut.
 */
void trovectl_query(char *path, size_t room, const char *name, const char *value);

/* trovectl_fail prints an error and the command to go on with, and with --json a problem object on
 * standard output as well.  Returns exit_code. */
int trovectl_fail(struct trovectl *ctl, int exit_code, const char *code, const char *next,
                  const char *detail, ...) __attribute__((format(printf, 5, 6)));

/* trovectl_show prints an answer, for programs with --json, else as print does. */
void trovectl_show(struct trovectl *ctl, const json_t *answer,
                   void (*print)(const json_t *answer, FILE *out));

/* trovectl_ask calls and shows what is answered; returns the exit code. */
int trovectl_ask(struct trovectl *ctl, const struct trovectl_request *request,
                 void (*print)(const json_t *answer, FILE *out));

/* trovectl_print_json writes an answer for programs: indented, keys in the daemon's order. */
void trovectl_print_json(const json_t *answer, FILE *out);

/* trovectl_print_problem renders an RFC 9457 object, configuration faults (its "errors") first. */
void trovectl_print_problem(const json_t *problem, FILE *err);

/* trovectl_is_well returns false when a journal takes nothing or the account does not balance: then
 * `status` exits with 1. */
bool trovectl_is_well(const json_t *status);
void trovectl_print_status(const json_t *status, FILE *out);
void trovectl_print_stage(const json_t *stage, FILE *out);
/* trovectl_print_lcores prints what cores did between two answers of /v1/lcores. */
void trovectl_print_lcores(const json_t *now, const json_t *before, FILE *out);
/* trovectl_print_hgrm writes a stage's buckets as HdrHistogram's percentile distribution, in
 * microseconds; returns false when there is nothing recorded. */
bool trovectl_print_hgrm(const json_t *stage, FILE *out);
/* trovectl_histogram returns what a stage of the API has recorded, the caller's to free; NULL
 * without memory. */
struct histogram *trovectl_histogram(const json_t *stage);
/* trovectl_save_hlog writes the first stage that request gets to ctl->hlog: all since troved
 * started, or with --for one interval after the other. Returns the exit code. */
int trovectl_save_hlog(struct trovectl *ctl, const struct trovectl_request *request);
void trovectl_print_diff(const json_t *diff, const char *file, FILE *out);
void trovectl_print_leaderboard(const json_t *board, FILE *out);
void trovectl_print_sinks(const json_t *answer, FILE *out);
void trovectl_print_applied(const json_t *applied, FILE *out);
void trovectl_print_replay(const json_t *report, FILE *out);
void trovectl_print_story(const json_t *story, FILE *out);
void trovectl_print_rejects(const json_t *rejects, FILE *out);
void trovectl_print_corrected(const json_t *corrected, FILE *out);
void trovectl_print_corrections(const json_t *corrections, FILE *out);
/* trovectl_print_reject writes one letter's bytes with a caret under the one that decided. */
void trovectl_print_reject(const json_t *reject, FILE *out);

/* trovectl_stage_title names a stage of the latency measurements as people say it. */
const char *trovectl_stage_title(const char *stage);

/* field_* return a member of an object: 0, "-" or NULL when it is not there or of another type. */
uint64_t field_count(const json_t *object, const char *key);
double field_real(const json_t *object, const char *key);
const char *field_text(const json_t *object, const char *key);

/* field_print writes at most limit bytes of a member's text that came from outside: control
 * characters, with which it could speak to the terminal, become dots. */
void field_print(const json_t *object, const char *key, size_t limit, FILE *out);
void text_print(const char *text, size_t limit, FILE *out);
