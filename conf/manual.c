/* manual.c - trove.yaml(5), from the table of keys and the lists of reasons. */
#include <string.h>

#include "conf/table.h"
#include "dataplane/base/outcome.h"
#include "dataplane/base/reason.h"

static const char example[] = "version: 1\n"
                              "pop: fra1\n"
                              "data_dir: /var/lib/trove\n"
                              "\n"
                              "ports:\n"
                              "  - name: p0\n"
                              "    device: 0000:8a:00.0\n"
                              "    address: [192.0.2.7/24, \"2001:db8::7/64\"]\n"
                              "\n"
                              "events:\n"
                              "  dedupe: { window: 15m, capacity: 216_000_000 }\n"
                              "  types:\n"
                              "    view:     { require: [item] }\n"
                              "    purchase:\n"
                              "      require: [item]\n"
                              "      data: { price: { type: number, min: 0, required: true } }\n"
                              "\n"
                              "templates:\n"
                              "  often: { kind: basket, types: [purchase], cooldown: 24h }\n"
                              "\n"
                              "hunts:\n"
                              "  - name: spring-26\n"
                              "    kind: trail\n"
                              "    catalog: catalogs/spring.tsv\n"
                              "    starts: 2026-03-01T00:00:00Z\n"
                              "    ends: 2026-04-01T00:00:00Z\n"
                              "    start: [A4]\n"
                              "    treasure: [B1, F7]\n"
                              "  - name: together\n"
                              "    template: often\n"
                              "    catalog: catalogs/together.tsv\n"
                              "    threshold: 2.5\n"
                              "    variants: { plain: 90, double: 10 }\n"
                              "    rewards: { plain: 5 points, double: 10 points }\n"
                              "\n"
                              "sinks:\n"
                              "  - { name: file, type: file, path: out/outcomes.ndjson, "
                              "outcomes: [award, refusal] }\n";

static const char introduction[] =
    ".SH DESCRIPTION\n"
    "The configuration of\n.BR troved (8)\nis one YAML document.\n"
    "Every key has a default that is safe for production, but for those that only the operator can "
    "know.\n"
    "An unknown key, a value out of its range and a missing unit are errors; all of them are told "
    "in one run, each with its line and column.\n"
    "Tags, anchors and aliases are not supported.\n"
    ".PP\n"
    "Whole numbers may have underscores between digits: 1_000_000.\n"
    "Sizes need a unit of B KiB MiB GiB KB MB GB, times one of ns us ms s m h d.\n"
    "Where a list of words or addresses is expected, one of them may stand alone.\n"
    ".PP\n"
    "A hunt that names a template has every key of the template that it does not give itself; "
    "whatever is wrong with a value is told where it stands.\n"
    "The versions of an event type stand side by side: purchase and purchase@2 are two types, and "
    "a "
    "hunt listens to those that it names.\n"
    ".PP\n"
    "Keys marked\n.I hot\nchange while the daemon runs; the others wait for its next start.\n";

/* Text in roff: what it would read as a request, an escape or a typographic hyphen is escaped. */
static void print_text(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        if (*text == '\n' && (text[1] == '.' || text[1] == '\''))
            fputs("\\&", out);
    }
}

static void print_default(FILE *out, const struct key *key)
{
    if (key->flags & KEY_REQUIRED) {
        fputs("Required", out);
    } else if (key->fallback) {
        fputs("Default: ", out);
        print_text(out, key->fallback);
    } else {
        fputs("Default: ", out);
        print_text(out, key->absent);
    }
}

static void print_key(FILE *out, const struct key *key)
{
    char expected[256] = "";
    FILE *text = fmemopen(expected, sizeof expected - 1, "w");
    if (text) {
        key_describe(key, text);
        fclose(text);
    }
    fprintf(out, ".TP\n.B %s\n", key->name);
    print_text(out, expected);
    fputs(".\n", out);
    print_default(out, key);
    fprintf(out, ". %s.\n.br\n", key->flags & KEY_HOT ? "\\fIHot\\fR" : "Needs a restart");
    print_text(out, key->help);
    fputs(".\n", out);
}

static void print_values(FILE *out, const struct key_set *set, unsigned kinds, bool shared)
{
    for (const struct key *key = set->keys; key->name; key++)
        if (!(key_is_set(key)) && (shared ? !(key->flags & KEY_KINDS) : (key->flags & kinds) != 0))
            print_key(out, key);
}

static void print_set(FILE *out, const char *path, const struct key *key, const struct key_set *set)
{
    if (key) {
        fprintf(out, ".SS %s\n", path);
        if (key->type != KEY_SECTION) {
            key_describe(key, out);
            fputs(key->type == KEY_MAP ? ", by name.\n" : ".\n", out);
            if (key->fallback)
                fprintf(out, "Default: %s.\n", key->fallback);
            fputs(key->flags & KEY_REQUIRED ? "Required. " : "", out);
            fputs(key->flags & KEY_HOT ? "\\fIHot\\fR.\n" : "Needs a restart.\n", out);
            fputs(".br\n", out);
        }
        print_text(out, key->help);
        fputs(".\n", out);
    }
    print_values(out, set, 0, true);
    if (set == &table_hunt) {
        fputs(".SS Keys of trail hunts\n", out);
        print_values(out, set, KEY_TRAIL, false);
        fputs(".SS Keys of basket hunts\n", out);
        print_values(out, set, KEY_BASKET, false);
        fputs(".SS Keys of tiles hunts\n", out);
        print_values(out, set, KEY_TILES, false);
    }
    for (const struct key *sub = set->keys; sub->name; sub++) {
        char sub_path[128];
        if (!key_is_set(sub))
            continue;
        snprintf(sub_path, sizeof sub_path, "%s%s%s", path, *path ? "." : "", sub->name);
        print_set(out, sub_path, sub, sub->set);
    }
}

static void print_row(FILE *out, const char *name, const char *help)
{
    fprintf(out, ".TP\n.B %s\n", name);
    print_text(out, help);
    fputs(".\n", out);
}

static void print_reasons(FILE *out)
{
    fputs(".SH REASONS\n.SS Of a rejection\n"
          "An event that is rejected is kept as a dead letter, with one of these.\n",
          out);
    for (unsigned i = 1; i < REASON_COUNT; i++)
        print_row(out, reason_name(i), reason_help(i));
    fputs(".SS Of a refusal\nA step or an award that a hunt's rules refuse says why. "
          "An event of a user who has won is not refused: while once or cooldown bars another "
          "award it is a visit that says done, and explain says which of the two it is.\n",
          out);
#define REFUSAL_ROW(name, help)                                                                    \
    if (REFUSAL_##name != REFUSAL_none && *(help))                                                 \
        print_row(out, #name, help);
    REFUSAL_LIST(REFUSAL_ROW)
#undef REFUSAL_ROW
    fputs(".SS Outcomes\nWhat an event led to, as sinks tell it.\n", out);
#define OUTCOME_ROW(name, help) print_row(out, #name, help);
    OUTCOME_KIND_LIST(OUTCOME_ROW)
#undef OUTCOME_ROW
}

void conf_print_manual(FILE *out)
{
    fputs(".TH TROVE.YAML 5 \"\" \"Trove " TROVE_VERSION "\" \"File Formats\"\n"
          ".SH NAME\ntrove.yaml \\- configuration of the Trove event ingest appliance\n"
          ".SH SYNOPSIS\n.I /etc/trove/trove.yaml\n",
          out);
    fputs(introduction, out);
    fputs(".SH KEYS\n", out);
    print_set(out, "", NULL, &table_root);
    print_reasons(out);
    fputs(".SH EXAMPLE\n.EX\n", out);
    print_text(out, example);
    fputs(".EE\n.SH SEE ALSO\n.BR troved (8),\n.BR trovectl (1)\n", out);
}
