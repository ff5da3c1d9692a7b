/* diag.c - collecting faults, and printing them with a caret. */
#include "conf/diag.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/text.h"

/* Values and source lines come from whoever wrote the configuration and end on a terminal or in
 * JSON: control characters (C1 ones too, which UTF-8 spells c2 80 to c2 9f) and bytes that are not
 * UTF-8 become '?'.  A tab stays where it keeps columns in line. */
static void clean(char *text, char tab)
{
    size_t len = strlen(text);
    uint8_t *bytes = (uint8_t *)text;
    for (size_t at = 0; at < len; at++) {
        at += text_utf8_valid(bytes + at, len - at);
        if (at < len)
            bytes[at] = '?';
    }
    for (size_t at = 0; at < len; at++) {
        if (bytes[at] == '\t')
            bytes[at] = (uint8_t)tab;
        else if (bytes[at] < 0x20 || bytes[at] == 0x7f)
            bytes[at] = '?';
        else if (bytes[at] == 0xc2 && bytes[at + 1] < 0xa0)
            bytes[at] = bytes[at + 1] = '?';
    }
}

static struct diag *grow(struct diag_list *list)
{
    if (list->count < list->capacity)
        return &list->diags[list->count];
    unsigned capacity = list->capacity ? list->capacity * 2 : 8;
    struct diag *diags =
        list->count < DIAG_MAX ? reallocarray(list->diags, capacity, sizeof(struct diag)) : NULL;
    if (!diags)
        return NULL;
    list->diags = diags;
    list->capacity = capacity;
    return &list->diags[list->count];
}

void diag_add(struct diag_list *list, const struct diag *place, const char *code,
              const char *format, ...)
{
    struct diag *diag = list->count < DIAG_MAX ? grow(list) : NULL;
    if (!diag) {
        list->dropped++;
        return;
    }
    *diag = (struct diag){0};
    if (place)
        *diag = *place;
    if (diag->length == 0)
        diag->length = 1;
    snprintf(diag->code, sizeof diag->code, "%s", code);
    va_list args;
    va_start(args, format);
    vsnprintf(diag->text, sizeof diag->text, format, args);
    va_end(args);
    clean(diag->file, ' ');
    clean(diag->text, ' ');
    clean(diag->source, '\t');
    list->count++;
}

/* Columns count characters, so one cell for each; a tab is repeated so that the caret lines up. */
static void print_caret(const struct diag *diag, FILE *out)
{
    const char *at = diag->source;
    fputs("    ", out);
    for (unsigned column = 1; column < diag->column && *at; column++) {
        fputc(*at == '\t' ? '\t' : ' ', out);
        do
            at++;
        while (((uint8_t)*at & 0xc0) == 0x80);
    }
    fputc('^', out);
    for (unsigned i = 1; i < diag->length; i++)
        fputc('~', out);
    fputc('\n', out);
}

void diag_print(const struct diag_list *list, FILE *out)
{
    for (unsigned i = 0; i < list->count; i++) {
        const struct diag *diag = &list->diags[i];
        if (diag->file[0])
            fprintf(out, "%s:", diag->file);
        if (diag->line)
            fprintf(out, "%u:%u:", diag->line, diag->column);
        fprintf(out, "%serror: %s\n", diag->file[0] || diag->line ? " " : "", diag->text);
        if (diag->source[0] && diag->line) {
            fprintf(out, "    %s\n", diag->source);
            print_caret(diag, out);
        }
    }
    if (list->dropped)
        fprintf(out, "and %u more, not shown\n", list->dropped);
}

void diag_list_fini(struct diag_list *list)
{
    free(list->diags);
    *list = (struct diag_list){0};
}
