/* reason.c - names of the rejection reasons. */
#include "dataplane/base/reason.h"

static const char *const names[] = {
#define REASON_NAME(name, help) #name,
    REASON_LIST(REASON_NAME)
#undef REASON_NAME
};

static const char *const helps[] = {
#define REASON_HELP(name, help) help,
    REASON_LIST(REASON_HELP)
#undef REASON_HELP
};

const char *reason_name(unsigned reason)
{
    return reason < REASON_COUNT ? names[reason] : "unknown";
}

const char *reason_help(unsigned reason)
{
    return reason < REASON_COUNT ? helps[reason] : "unknown";
}
