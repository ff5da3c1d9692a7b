/* subject.h - the subjects that messages of a NATS sink go to, from a template such as
 * awards.{hunt}.{pop}.
 *
 * Placeholders: {hunt}, {outcome}, {pop}, {host}. What stands for one has its dots replaced by _,
 * and is - where there is none, so a subject has as many tokens as its template.
 *
 * Memory:  the caller's.  Threads: any.
 */
#pragma once

#include <stddef.h>

#define SUBJECT_DEFAULT      "trove.{outcome}.{hunt}.{pop}"
#define SUBJECT_TEMPLATE_MAX 128
#define SUBJECT_PLACES_MAX   6
#define SUBJECT_MAX          (SUBJECT_TEMPLATE_MAX + SUBJECT_PLACES_MAX * 64 + 1) /* with its NUL */

/* A name that is NULL makes every token it stands in a wildcard: *. */
struct subject_names {
    const char *hunt, *outcome, *pop, *host;
};

/* subject_check returns 0, or -EINVAL for what is no template: tokens of letters, digits, _, - and
 * at most SUBJECT_PLACES_MAX placeholders, separated by single dots. */
int subject_check(const char *template);

/* subject_expand writes the subject of a template that was checked; names have CONF_NAME_MAX bytes
 * at most. */
void subject_expand(const char *template, const struct subject_names *names, char out[SUBJECT_MAX]);
