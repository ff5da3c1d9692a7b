/* trovectl_lcores.c - what the worker cores do, over the second in which it is asked twice. */
#include <string.h>
#include <time.h>

#include "conf/value.h"
#include "dataplane/base/clock.h"
#include "dataplane/trovectl.h"

#define INTERVAL_MAX_NS (3600 * NS_PER_S)

static const char *const stages[] = {"receive", "parse", "decide"};

#define STAGE_COUNT (sizeof stages / sizeof *stages)

/* What a member of a core has grown by; all of it where there is nothing before. */
static double grown(const json_t *now, const json_t *before, const char *key)
{
    uint64_t was = field_count(before, key), is = field_count(now, key);
    return is >= was ? (double)(is - was) : (double)is;
}

static double share(double part, double of)
{
    return of > 0 ? part / of : 0;
}

static void print_list(const json_t *list, const char *none, FILE *out)
{
    const json_t *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        fputs(i ? "," : "", out);
        text_print(json_string_value(one) ? json_string_value(one) : "-", 80, out);
    }
    if (!json_array_size(list))
        fputs(none, out);
}

static void print_core(const json_t *core, const json_t *before, double seconds, FILE *out)
{
    double busy = grown(core, before, "busy_ns"), idle = grown(core, before, "idle_ns");
    double received = grown(core, before, "received"), decided = grown(core, before, "decided");
    const json_t *cycles = json_object_get(core, "cycles");
    const json_t *cycles_before = json_object_get(before, "cycles");
    const json_t *ring = json_object_get(core, "ring");
    fprintf(out, "%5llu %4lld  %-9s%6.1f %11s", (unsigned long long)field_count(core, "core"),
            (long long)json_integer_value(json_object_get(core, "node")), field_text(core, "roles"),
            100 * share(busy, busy + idle),
            figure_count((uint64_t)share(received > decided ? received : decided, seconds)).text);
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        bool decides = i + 1 == STAGE_COUNT;
        fprintf(out, " %7.0f",
                share(grown(cycles, cycles_before, stages[i]), decides ? decided : received));
    }
    fprintf(out, " %4.0f%%  ",
            100 * share((double)field_count(ring, "used"), (double)field_count(ring, "slots")));
    print_list(json_object_get(core, "queues"), "-", out);
    fputs("  ", out);
    print_list(json_object_get(core, "remote"), "none", out);
    fputc('\n', out);
}

static void print_memory(const json_t *core, FILE *out)
{
    const json_t *memory = json_object_get(core, "memory");
    uint64_t looked = field_count(memory, "pages_looked_at");
    uint64_t elsewhere = field_count(memory, "pages_elsewhere");
    fprintf(out, "memory  core %llu: %s", (unsigned long long)field_count(core, "core"),
            figure_bytes(field_count(memory, "bytes")).text);
    if (!looked)
        fputs(", the kernel does not say on which node\n", out);
    else if (elsewhere)
        fprintf(out, ", %.0f%% of it NOT on node %lld\n", 100 * (double)elsewhere / (double)looked,
                (long long)json_integer_value(json_object_get(core, "node")));
    else
        fprintf(out, " on node %lld\n",
                (long long)json_integer_value(json_object_get(core, "node")));
}

void trovectl_print_lcores(const json_t *now, const json_t *before, FILE *out)
{
    const json_t *cores = json_object_get(now, "lcores"), *core;
    const json_t *cores_before = json_object_get(before, "lcores");
    double seconds = field_real(now, "uptime_s") - field_real(before, "uptime_s");
    size_t i;
    fprintf(out, "control on core %llu  idle: %s  over %.1f s\n",
            (unsigned long long)field_count(now, "control_core"), field_text(now, "idle"), seconds);
    fprintf(out, "%5s %4s  %-9s%6s %11s %23s\n", "", "", "", "", "", "cycles per event");
    fprintf(out, "%5s %4s  %-9s%6s %11s %7s %7s %7s %5s  %s  %s\n", "CORE", "NODE", "ROLE", "BUSY%",
            "EV/s", "receive", "parse", "decide", "RING", "QUEUES", "REMOTE");
    json_array_foreach(cores, i, core)
        print_core(core, json_array_get(cores_before, i), seconds, out);
    json_array_foreach(cores, i, core) print_memory(core, out);
}

int trovectl_lcores(struct trovectl *ctl)
{
    struct trovectl_request request = {.method = "GET", .path = "/v1/lcores", .member = "lcores"};
    uint64_t interval_ns = NS_PER_S;
    json_t *before = NULL, *now = NULL;
    if (ctl->interval && (value_time(ctl->interval, strlen(ctl->interval), &interval_ns) ||
                          !interval_ns || interval_ns > INTERVAL_MAX_NS))
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl lcores --interval 1s",
                             "--interval is a time up to an hour, such as 1s, not '%s'",
                             ctl->interval);
    int code = trovectl_call(ctl, &request, &before);
    if (code)
        return code;
    if (ctl->json) {
        trovectl_print_json(before, ctl->out);
        json_decref(before);
        return TROVECTL_OK;
    }
    nanosleep(&(struct timespec){.tv_sec = (time_t)(interval_ns / NS_PER_S),
                                 .tv_nsec = (long)(interval_ns % NS_PER_S)},
              NULL);
    code = trovectl_call(ctl, &request, &now);
    if (!code)
        trovectl_print_lcores(now, before, ctl->out);
    json_decref(now);
    json_decref(before);
    return code;
}
