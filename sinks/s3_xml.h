/* s3_xml.h - as much of XML as S3's answers need: tags in their order, and the text behind them.
 *
 * Nothing is checked for being well-formed; what is asked for is there or is not. No DTD, no CDATA,
 * no attributes.
 *
 * Memory:  reads the caller's bytes.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct s3_xml {
    const char *at, *end;
};

/* A tag, and the raw text from it to the next one. */
struct s3_tag {
    const char *name, *text;
    size_t name_len, text_len;
    bool closes; /* </name> */
};

/* s3_xml_next reads the next tag.  False: there is none. */
bool s3_xml_next(struct s3_xml *xml, struct s3_tag *tag);

static inline bool s3_tag_opens(const struct s3_tag *tag, const char *name)
{
    return !tag->closes && __builtin_strlen(name) == tag->name_len &&
           __builtin_memcmp(tag->name, name, tag->name_len) == 0;
}

/* s3_xml_text writes a tag's text with its entities resolved, NUL-terminated.  Returns its length,
 * or -1 when room does not hold it, an entity is another than what S3 writes, or a
 * byte is a control character. */
int s3_xml_text(const struct s3_tag *tag, char *out, size_t room);

/* s3_xml_find writes the text of the first tag of that name; -1 too when there is none. */
int s3_xml_find(const char *bytes, size_t len, const char *name, char *out, size_t room);
