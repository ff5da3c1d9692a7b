/* trovectl.c - the verb table, the arguments, the usage. */
#include "dataplane/trovectl.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Values of long options, and bits in a verb's mask. */
enum option_bit {
    OPTION_JSON = 1 << 0,
    OPTION_SOCKET = 1 << 1,
    OPTION_HELP = 1 << 2,
    OPTION_STAGE = 1 << 3,
    OPTION_HGRM = 1 << 4,
    OPTION_IF_VERSION = 1 << 5,
    OPTION_NO_WAIT = 1 << 6,
    OPTION_VERSION = 1 << 7,
    OPTION_BY = 1 << 8,
    OPTION_TOP = 1 << 9,
    OPTION_USER = 1 << 10,
    OPTION_DATA_DIR = 1 << 11,
    OPTION_HUNT = 1 << 12,
    OPTION_REASON = 1 << 13,
    OPTION_LIMIT = 1 << 14,
    OPTION_SEQ = 1 << 15,
    OPTION_TO = 1 << 16,
    OPTION_AT = 1 << 17,
    OPTION_FROM = 1 << 18,
    OPTION_CONFIG = 1 << 19,
    OPTION_VERIFY = 1 << 20,
    OPTION_TILE = 1 << 21,
    OPTION_REF = 1 << 22,
    OPTION_ID = 1 << 23,
    OPTION_DRY_RUN = 1 << 24,
    OPTION_HLOG = 1 << 25,
    OPTION_FOR = 1 << 26,
    OPTION_INTERVAL = 1 << 27,
    OPTION_ARCHIVE = 1 << 28,
    OPTION_CREDENTIALS = 1 << 29,
    OPTION_REGION = 1 << 30,
};

#define OPTIONS_COMMON  (OPTION_JSON | OPTION_SOCKET | OPTION_HELP)
#define OPTIONS_PATCH   (OPTION_REASON | OPTION_REF | OPTION_ID | OPTION_DRY_RUN)
#define OPTIONS_LATENCY (OPTION_STAGE | OPTION_HGRM | OPTION_HLOG | OPTION_FOR | OPTION_INTERVAL)
#define OPTIONS_WHOM    (OPTION_USER | OPTION_HUNT | OPTION_TILE)

static const struct option long_options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"help", no_argument, NULL, OPTION_HELP},
    {"stage", required_argument, NULL, OPTION_STAGE},
    {"hgrm", required_argument, NULL, OPTION_HGRM},
    {"if-version", required_argument, NULL, OPTION_IF_VERSION},
    {"no-wait", no_argument, NULL, OPTION_NO_WAIT},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"by", required_argument, NULL, OPTION_BY},
    {"top", required_argument, NULL, OPTION_TOP},
    {"user", required_argument, NULL, OPTION_USER},
    {"data-dir", required_argument, NULL, OPTION_DATA_DIR},
    {"hunt", required_argument, NULL, OPTION_HUNT},
    {"reason", required_argument, NULL, OPTION_REASON},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"seq", required_argument, NULL, OPTION_SEQ},
    {"to", required_argument, NULL, OPTION_TO},
    {"at", required_argument, NULL, OPTION_AT},
    {"from", required_argument, NULL, OPTION_FROM},
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"verify", no_argument, NULL, OPTION_VERIFY},
    {"tile", required_argument, NULL, OPTION_TILE},
    {"ref", required_argument, NULL, OPTION_REF},
    {"id", required_argument, NULL, OPTION_ID},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"hlog", required_argument, NULL, OPTION_HLOG},
    {"for", required_argument, NULL, OPTION_FOR},
    {"interval", required_argument, NULL, OPTION_INTERVAL},
    {"from-archive", required_argument, NULL, OPTION_ARCHIVE},
    {"credentials", required_argument, NULL, OPTION_CREDENTIALS},
    {"region", required_argument, NULL, OPTION_REGION},
    {0},
};

struct verb {
    const char *name; /* one word, or two */
    const char *usage;
    const char *help;
    unsigned options;
    int takes_file; /* so many words, which may be missing where usage begins with [ */
    int (*run)(struct trovectl *ctl);
};

static int run_help(struct trovectl *ctl);
static int run_version(struct trovectl *ctl);

static const struct verb verbs[] = {
    {"status", "", "how troved is, and every event accounted for", 0, false, trovectl_status},
    {"latency", "[--stage STAGE] [--hgrm FILE] [--hlog FILE [--for T] [--interval T]]",
     "latency percentiles: decision, durable, ring_wait, sync", OPTIONS_LATENCY, false,
     trovectl_latency},
    {"lcores", "[--interval T]",
     "what each core runs, how busy it is, and cycles an event by stage", OPTION_INTERVAL, false,
     trovectl_lcores},
    {"conf check", "FILE", "check a configuration and its catalogs, offline", 0, true,
     trovectl_conf_check},
    {"conf diff", "FILE", "what FILE would change in the running configuration", 0, true,
     trovectl_conf_diff},
    {"conf apply", "FILE [--if-version N]", "make FILE the running configuration",
     OPTION_IF_VERSION, true, trovectl_conf_apply},
    {"conf show", "", "the running configuration", 0, false, trovectl_conf_show},
    {"conf schema", "", "the JSON Schema of the configuration", 0, false, trovectl_conf_schema},
    {"conf manual", "", "every key of the configuration", 0, false, trovectl_conf_manual},
    {"leaderboard", "HUNT [--by ORDER] [--top N] [--user U]",
     "who leads a hunt, by awards, claims or score", OPTION_BY | OPTION_TOP | OPTION_USER, true,
     trovectl_leaderboard},
    {"sink", "[NAME [pause|resume|drain|skip]]",
     "how sinks fare; drain delivers all there is and pauses; skip passes over a stuck record", 0,
     2, trovectl_sink},
    {"stop", "[--no-wait]", "drain, make everything durable, stop", OPTION_NO_WAIT, false,
     trovectl_stop},
    {"explain", "USER [--hunt H] [--data-dir DIR [--config FILE]]",
     "a user's events, each verdict and its rule, or what FILE would have made of them",
     OPTION_HUNT | OPTION_DATA_DIR | OPTION_CONFIG, true, trovectl_explain},
    {"event", "ID [--data-dir DIR]", "what became of an event, and why", OPTION_DATA_DIR, true,
     trovectl_event},
    {"rejects list", "[--reason R] [--limit N] [--data-dir DIR]", "the newest rejected events",
     OPTION_REASON | OPTION_LIMIT | OPTION_DATA_DIR, false, trovectl_rejects_list},
    {"rejects show", "SEQ [--data-dir DIR]", "a rejected event's bytes, and where it is wrong",
     OPTION_DATA_DIR, true, trovectl_rejects_show},
    {"rejects redrive", "[--reason R|--seq SEQ] [--limit N] [--to ADDR:PORT] [--data-dir DIR]",
     "write rejected events again, or send them by UDP",
     OPTION_REASON | OPTION_SEQ | OPTION_LIMIT | OPTION_TO | OPTION_DATA_DIR, false,
     trovectl_rejects_redrive},
    {"rejects", "", "as rejects list", OPTION_REASON | OPTION_LIMIT | OPTION_DATA_DIR, false,
     trovectl_rejects_list},
    {"replay",
     "[--from TIME] [--to TIME] [--user U] [--hunt H] [--config FILE|--verify] [--limit N] "
     "[--from-archive DIR|URL [--credentials FILE] [--region R]] --data-dir DIR",
     "decide the journal once more: does it come out as recorded, or as FILE would have it",
     OPTION_FROM | OPTION_TO | OPTION_USER | OPTION_HUNT | OPTION_CONFIG | OPTION_VERIFY |
         OPTION_LIMIT | OPTION_DATA_DIR | OPTION_ARCHIVE | OPTION_CREDENTIALS | OPTION_REGION,
     false, trovectl_replay},
    {"checkpoint list", "--data-dir DIR", "the checkpoints of the state", OPTION_DATA_DIR, false,
     trovectl_checkpoint_list},
    {"checkpoint verify", "[CHECKPOINT] --data-dir DIR",
     "work the state out from the journal: is a checkpoint what it comes to?", OPTION_DATA_DIR,
     true, trovectl_checkpoint_verify},
    {"segment list", "--data-dir DIR", "the files of a journal", OPTION_DATA_DIR, false,
     trovectl_segment_list},
    {"segment verify", "[SEGMENT] --data-dir DIR",
     "read all of a journal, or of one of its files: is every bit as it was written?",
     OPTION_DATA_DIR, true, trovectl_segment_verify},
    {"segment export", "[SEGMENT] --data-dir DIR", "every record as a line of JSON",
     OPTION_DATA_DIR, true, trovectl_segment_export},
    {"patch grant", "--user U --hunt H [--tile T] --reason TEXT --ref REF [--dry-run] [--id UUID]",
     "give a user an award, or a tile", OPTIONS_PATCH | OPTIONS_WHOM, false, trovectl_patch_grant},
    {"patch revoke", "--user U --hunt H [--tile T] --reason TEXT --ref REF [--dry-run] [--id UUID]",
     "take a user's award, or a tile, back", OPTIONS_PATCH | OPTIONS_WHOM, false,
     trovectl_patch_revoke},
    {"patch undo", "ID --reason TEXT --ref REF [--dry-run] [--id UUID]",
     "what stood before a correction stands again", OPTIONS_PATCH, true, trovectl_patch_undo},
    {"patch list", "[--user U] [--limit N] [--data-dir DIR]", "the newest corrections",
     OPTION_USER | OPTION_LIMIT | OPTION_DATA_DIR, false, trovectl_patch_list},
    {"hunt test", "FILE", "events against a hunt's definition, and what must come out, offline", 0,
     true, trovectl_hunt_test},
    {"hunt map", "FILE [--hunt H] [--at TIME] [--limit N]",
     "the tiles of a hunt's map, computed from its configuration, offline",
     OPTION_HUNT | OPTION_AT | OPTION_LIMIT, true, trovectl_hunt_map},
    {"version", "", "the version of this program", 0, false, run_version},
    {"help", "", "this", 0, false, run_help},
};

#define VERB_COUNT  (sizeof verbs / sizeof *verbs)
#define HELP_COLUMN 39

static const char exit_codes[] =
    "exit: 0 ok, 1 failed or bad, 2 usage, 3 troved not reachable, 4 version conflict\n";

static void print_usage(FILE *out)
{
    fprintf(out, "usage: trovectl VERB [ARGUMENTS] [--json] [--socket PATH]\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++) {
        int width = (int)(strlen(verbs[i].name) + 1 + strlen(verbs[i].usage));
        int gap = width < HELP_COLUMN ? HELP_COLUMN - width : HELP_COLUMN + 2;
        fprintf(out, "  %s %s%s%*s%s\n", verbs[i].name, verbs[i].usage,
                width < HELP_COLUMN ? "" : "\n", gap, "", verbs[i].help);
    }
    fprintf(out,
            "\n--json prints an answer for programs; --socket, or TROVE_CTL, names the control "
            "socket\n(%s).  %s",
            TROVECTL_SOCKET, exit_codes);
}

static int run_help(struct trovectl *ctl)
{
    if (!ctl->json) {
        print_usage(ctl->out);
        return TROVECTL_OK;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < VERB_COUNT; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "verb", verbs[i].name, "usage",
                                              verbs[i].usage, "help", verbs[i].help));
    json_t *help = json_pack("{s:o}", "verbs", list);
    trovectl_print_json(help, ctl->out);
    json_decref(help);
    return TROVECTL_OK;
}

static int run_version(struct trovectl *ctl)
{
    if (ctl->json)
        fprintf(ctl->out, "{\n  \"version\": \"%s\"\n}\n", TROVE_VERSION);
    else
        fprintf(ctl->out, "trovectl %s\n", TROVE_VERSION);
    return TROVECTL_OK;
}

/* verb_find matches one or two words; *words says how many. */
static const struct verb *verb_find(char **args, int count, int *words)
{
    char two[64];
    for (size_t i = 0; i < VERB_COUNT && count > 0; i++) {
        *words = 1;
        if (!strcmp(verbs[i].name, args[0]))
            return &verbs[i];
        *words = 2;
        if (count > 1 && snprintf(two, sizeof two, "%s %s", args[0], args[1]) < (int)sizeof two &&
            !strcmp(verbs[i].name, two))
            return &verbs[i];
    }
    return NULL;
}

static const char *option_name(unsigned bit)
{
    for (const struct option *o = long_options; o->name; o++)
        if ((unsigned)o->val == bit)
            return o->name;
    return "?";
}

/* Where an option's value goes, and which ones are merely there. */
struct option_place {
    unsigned bit;
    size_t offset;
};

static const struct option_place option_values[] = {
    {OPTION_SOCKET, offsetof(struct trovectl, socket)},
    {OPTION_STAGE, offsetof(struct trovectl, stage)},
    {OPTION_HGRM, offsetof(struct trovectl, hgrm)},
    {OPTION_HLOG, offsetof(struct trovectl, hlog)},
    {OPTION_FOR, offsetof(struct trovectl, span)},
    {OPTION_INTERVAL, offsetof(struct trovectl, interval)},
    {OPTION_IF_VERSION, offsetof(struct trovectl, if_version)},
    {OPTION_BY, offsetof(struct trovectl, by)},
    {OPTION_TOP, offsetof(struct trovectl, top)},
    {OPTION_USER, offsetof(struct trovectl, user)},
    {OPTION_DATA_DIR, offsetof(struct trovectl, data_dir)},
    {OPTION_HUNT, offsetof(struct trovectl, hunt)},
    {OPTION_REASON, offsetof(struct trovectl, reason)},
    {OPTION_LIMIT, offsetof(struct trovectl, limit)},
    {OPTION_SEQ, offsetof(struct trovectl, seq)},
    {OPTION_AT, offsetof(struct trovectl, at)},
    {OPTION_FROM, offsetof(struct trovectl, from)},
    {OPTION_CONFIG, offsetof(struct trovectl, config)},
    {OPTION_TO, offsetof(struct trovectl, to)},
    {OPTION_TILE, offsetof(struct trovectl, tile)},
    {OPTION_REF, offsetof(struct trovectl, ref)},
    {OPTION_ID, offsetof(struct trovectl, id)},
    {OPTION_ARCHIVE, offsetof(struct trovectl, archive)},
    {OPTION_CREDENTIALS, offsetof(struct trovectl, credentials)},
    {OPTION_REGION, offsetof(struct trovectl, region)},
};

static const struct option_place option_flags[] = {
    {OPTION_JSON, offsetof(struct trovectl, json)},
    {OPTION_NO_WAIT, offsetof(struct trovectl, no_wait)},
    {OPTION_VERIFY, offsetof(struct trovectl, verify)},
    {OPTION_DRY_RUN, offsetof(struct trovectl, dry_run)},
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static void option_take(struct trovectl *ctl, unsigned bit, const char *value)
{
    for (size_t i = 0; i < COUNT_OF(option_values); i++)
        if (option_values[i].bit == bit)
            *(const char **)((char *)ctl + option_values[i].offset) = value;
    for (size_t i = 0; i < COUNT_OF(option_flags); i++)
        if (option_flags[i].bit == bit)
            *(bool *)((char *)ctl + option_flags[i].offset) = true;
}

/* options_read leaves the words behind the options, from *first on. */
static int options_read(struct trovectl *ctl, int argc, char **argv, unsigned *seen, int *first)
{
    int option;
    optind = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (option == ':')
            return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help", "%s needs a value",
                                 argv[optind - 1]);
        if (option == '?')
            return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help", "no option %s",
                                 argv[optind - 1]);
        if (option == 'h')
            option = OPTION_HELP;
        *seen |= (unsigned)option;
        option_take(ctl, (unsigned)option, optarg);
    }
    *first = optind;
    return TROVECTL_OK;
}

/* verb_check holds options and words against what the verb takes. */
static int verb_check(struct trovectl *ctl, const struct verb *verb, unsigned seen, char **rest,
                      int count)
{
    unsigned strange = seen & ~(verb->options | OPTIONS_COMMON);
    if (strange)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help", "%s takes no --%s",
                             verb->name, option_name(strange & -strange));
    if (count < verb->takes_file && *verb->usage != '[')
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help", "%s needs a %.*s",
                             verb->name, (int)strcspn(verb->usage, " "), verb->usage);
    if (count > verb->takes_file)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help",
                             "%s has no use for '%s'", verb->name, rest[verb->takes_file]);
    if (ctl->if_version && (!*ctl->if_version || strlen(ctl->if_version) > 10 ||
                            ctl->if_version[strspn(ctl->if_version, "0123456789")]))
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl status",
                             "--if-version is a number such as 41, not '%s'", ctl->if_version);
    if ((ctl->hgrm || ctl->hlog) && !ctl->stage)
        return trovectl_fail(
            ctl, TROVECTL_USAGE, "usage", "trovectl latency --stage durable --hgrm FILE",
            "--%s needs a --stage: the file holds one", ctl->hgrm ? "hgrm" : "hlog");
    if ((ctl->span || ctl->interval) && !ctl->hlog && verb->options & OPTION_HLOG)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage",
                             "trovectl latency --stage durable --hlog FILE --for 30s",
                             "--for and --interval are of --hlog");
    return TROVECTL_OK;
}

int trovectl_run(int argc, char **argv, FILE *out, FILE *err)
{
    const char *from_env = getenv("TROVE_CTL");
    struct trovectl ctl = {
        .out = out, .err = err, .socket = from_env && *from_env ? from_env : TROVECTL_SOCKET};
    unsigned seen = 0;
    int first = 1, words = 0;
    int code = options_read(&ctl, argc, argv, &seen, &first);
    if (code)
        return code;
    if (seen & OPTION_HELP)
        return run_help(&ctl);
    if (seen & OPTION_VERSION)
        return run_version(&ctl);
    if (first == argc) {
        print_usage(err);
        return TROVECTL_USAGE;
    }
    char **rest = argv + first;
    const struct verb *verb = verb_find(rest, argc - first, &words);
    if (!verb)
        return trovectl_fail(&ctl, TROVECTL_USAGE, "usage", "trovectl help", "no verb '%s%s%s'",
                             rest[0], !strcmp(rest[0], "conf") && rest[1] ? " " : "",
                             !strcmp(rest[0], "conf") && rest[1] ? rest[1] : "");
    code = verb_check(&ctl, verb, seen, rest + words, argc - first - words);
    if (code)
        return code;
    ctl.file = rest[words];
    ctl.action = ctl.file ? rest[words + 1] : NULL;
    code = verb->run(&ctl);
    if (fflush(out) || ferror(out))
        return trovectl_fail(&ctl, TROVECTL_FAILED, "output", "df",
                             "the result could not be written");
    return code;
}
