/* subject.c - templates of subjects, token by token. */
#include "conf/subject.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { HUNT, OUTCOME, POP, HOST, PLACE_COUNT };

static const char *const places[PLACE_COUNT] = {"{hunt}", "{outcome}", "{pop}", "{host}"};

/* Returns which placeholder stands at text, or PLACE_COUNT. */
static unsigned place_at(const char *text)
{
    unsigned place = *text == '{' ? 0 : PLACE_COUNT;
    while (place < PLACE_COUNT && strncmp(text, places[place], strlen(places[place])) != 0)
        place++;
    return place;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

int subject_check(const char *template)
{
    size_t len = strlen(template), token = 0; /* of the token so far */
    unsigned count = 0;
    if (len > SUBJECT_TEMPLATE_MAX || strncmp(template, "_INBOX", 6) == 0)
        return -EINVAL;
    for (const char *at = template; *at;) {
        unsigned place = place_at(at);
        bool dot = *at == '.';
        if ((dot && !token) || (!dot && place == PLACE_COUNT && !is_plain(*at)))
            return -EINVAL;
        token = dot ? 0 : token + 1;
        count += place < PLACE_COUNT;
        at += place < PLACE_COUNT ? strlen(places[place]) : 1;
    }
    return token && count <= SUBJECT_PLACES_MAX ? 0 : -EINVAL;
}

static char *put_name(char *at, const char *name)
{
    if (!*name)
        *at++ = '-';
    for (; *name; name++)
        *at++ = *name == '.' ? '_' : *name;
    return at;
}

void subject_expand(const char *template, const struct subject_names *names, char out[SUBJECT_MAX])
{
    const char *const values[PLACE_COUNT] = {names->hunt, names->outcome, names->pop, names->host};
    char *at = out, *token = out;
    bool wild = false;
    while (*template) {
        unsigned place = place_at(template);
        if (*template == '.' && wild)
            at = token, *at++ = '*';
        if (*template == '.') {
            wild = false;
            *at++ = '.';
            token = at;
        } else if (place == PLACE_COUNT) {
            *at++ = *template;
        } else if (values[place]) {
            at = put_name(at, values[place]);
        } else {
            wild = true;
        }
        template += place < PLACE_COUNT ? strlen(places[place]) : 1;
    }
    if (wild)
        at = token, *at++ = '*';
    *at = '\0';
}
