/* diag.h - what is wrong with a configuration, ready for the person who reads it.
 *
 *   /etc/trove/hunts/spring.yaml:18:16: error: max_depth must be a whole number from 1 to 16, not
 * '4x' max_depth: 4x
 *                  ^~
 *
 * Memory:  a list owns its entries; diag_list_fini frees them.  Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define DIAG_TEXT_MAX 512

struct diag {
    char file[256];
    unsigned line;   /* from 1; 0 when the fault has no place */
    unsigned column; /* from 1, in characters */
    unsigned length; /* characters to underline, at least 1 */
    char code[32];   /* unknown_key, wrong_type, out_of_range, missing_key, bad_unit, bad_value,
                        conflict, unreadable, syntax */
    char text[DIAG_TEXT_MAX]; /* what is wrong and how to mend it, one line, no full stop */
    char source[256];         /* the source line, for the caret */
};

struct diag_list {
    struct diag *diags;
    unsigned count;
    unsigned capacity;
    unsigned dropped; /* beyond DIAG_MAX: counted, not kept */
};

#define DIAG_MAX 100

/* diag_add appends one; place may be left zero. */
void diag_add(struct diag_list *list, const struct diag *place, const char *code,
              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* diag_print writes all of them in the layout above, with a caret line where there is a source
 * line. */
void diag_print(const struct diag_list *list, FILE *out);

void diag_list_fini(struct diag_list *list);
