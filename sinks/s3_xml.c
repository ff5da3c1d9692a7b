/* s3_xml.c - from one < to the next. */
#include "sinks/s3_xml.h"

#include <string.h>

static bool ends_name(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '/';
}

bool s3_xml_next(struct s3_xml *xml, struct s3_tag *tag)
{
    while (xml->at < xml->end) {
        const char *open = memchr(xml->at, '<', (size_t)(xml->end - xml->at));
        const char *close = open ? memchr(open, '>', (size_t)(xml->end - open)) : NULL;
        if (!close)
            return false;
        xml->at = close + 1;
        if (open[1] == '?' || open[1] == '!')
            continue;
        *tag = (struct s3_tag){.closes = open[1] == '/', .text = close + 1};
        tag->name = open + 1 + tag->closes;
        while (tag->name + tag->name_len < close && !ends_name(tag->name[tag->name_len]))
            tag->name_len++;
        const char *next = memchr(tag->text, '<', (size_t)(xml->end - tag->text));
        tag->text_len = (size_t)((next ? next : xml->end) - tag->text);
        return true;
    }
    return false;
}

/* One character, or what an entity stands for; 0: neither. *at moves behind it. */
static char take_character(const char **at, const char *end)
{
    static const struct {
        const char *name;
        char is;
    } entities[] = {{"&amp;", '&'},   {"&lt;", '<'},   {"&gt;", '>'},   {"&quot;", '"'},
                    {"&apos;", '\''}, {"&#34;", '"'},  {"&#38;", '&'},  {"&#39;", '\''},
                    {"&#x22;", '"'},  {"&#x26;", '&'}, {"&#x27;", '\''}};
    if (**at != '&')
        return (unsigned char)**at < ' ' || **at == 0x7f ? '\0' : *(*at)++;
    for (unsigned i = 0; i < sizeof entities / sizeof *entities; i++) {
        size_t len = strlen(entities[i].name);
        if ((size_t)(end - *at) >= len && memcmp(*at, entities[i].name, len) == 0) {
            *at += len;
            return entities[i].is;
        }
    }
    return '\0';
}

int s3_xml_text(const struct s3_tag *tag, char *out, size_t room)
{
    const char *at = tag->text, *end = at + tag->text_len;
    size_t len = 0;
    while (at < end) {
        char c = take_character(&at, end);
        if (!c || len + 1 >= room)
            return -1;
        out[len++] = c;
    }
    out[len] = '\0';
    return (int)len;
}

int s3_xml_find(const char *bytes, size_t len, const char *name, char *out, size_t room)
{
    struct s3_xml xml = {bytes, bytes + len};
    struct s3_tag tag;
    while (s3_xml_next(&xml, &tag))
        if (s3_tag_opens(&tag, name))
            return s3_xml_text(&tag, out, room);
    return -1;
}
