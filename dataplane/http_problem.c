/* http_problem.c - see http_problem.h. */
#include "dataplane/http_problem.h"

static const struct {
    unsigned number;
    const char *phrase;
} statuses[] = {
#define HTTP_STATUS_ROW(number, phrase) {number, phrase},
    HTTP_STATUS_LIST(HTTP_STATUS_ROW)
#undef HTTP_STATUS_ROW
};

static const struct {
    const char *name;
    enum http_status status;
    bool closes;
    const char *help;
} problems[] = {
#define HTTP_PROBLEM_ROW(name, status, closes, help) {#name, HTTP_##status, closes, help},
    HTTP_PROBLEM_LIST(HTTP_PROBLEM_ROW)
#undef HTTP_PROBLEM_ROW
};

unsigned http_status_number(unsigned status)
{
    return status < HTTP_STATUS_COUNT ? statuses[status].number : 0;
}

const char *http_status_phrase(unsigned status)
{
    return status < HTTP_STATUS_COUNT ? statuses[status].phrase : "unknown";
}

const char *http_problem_name(unsigned problem)
{
    return problem < HTTP_PROBLEM_COUNT ? problems[problem].name : "unknown";
}

const char *http_problem_help(unsigned problem)
{
    return problem < HTTP_PROBLEM_COUNT ? problems[problem].help : "unknown";
}

enum http_status http_problem_status(unsigned problem)
{
    return problem < HTTP_PROBLEM_COUNT ? problems[problem].status : HTTP_400;
}

bool http_problem_closes(unsigned problem)
{
    return problem < HTTP_PROBLEM_COUNT ? problems[problem].closes : true;
}
