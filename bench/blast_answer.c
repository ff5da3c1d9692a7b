/* blast_answer.c - heads of answers, a line at a time. */
#include <string.h>
#include <strings.h>

#include "bench/blast_answer.h"

#define STATUS_LINE 13 /* HTTP/1.1 202 and a space */

struct head {
    uint32_t len; /* with its empty line; 0 when that has not come yet */
    int status;   /* -1: no HTTP */
    bool has_length;
    bool closes;
    uint32_t body;
};

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* The value of a header line of that name, without white space around it; NULL when it is another.
 */
static const char *value_of(const char *line, const char *end, const char *name, const char **stop)
{
    size_t len = strlen(name);
    if ((size_t)(end - line) < len || strncasecmp(line, name, len) != 0)
        return NULL;
    line += len;
    while (line < end && (*line == ' ' || *line == '\t'))
        line++;
    while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *stop = end;
    return line;
}

static bool parse_length(struct head *head, const char *text, const char *end)
{
    uint64_t value = 0;
    if (head->has_length || text == end)
        return false;
    for (; text < end; text++) {
        if (!is_digit((uint8_t)*text) || value > BLAST_ANSWER_BODY_MAX)
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    head->has_length = true;
    head->body = (uint32_t)value;
    return value <= BLAST_ANSWER_BODY_MAX;
}

/* The three headers that say where an answer ends; all begin with C or T. */
static bool parse_line(struct head *head, const char *line, const char *end)
{
    const char *stop;
    const char *value;
    char first = (char)(*line | 0x20);
    if (first != 'c' && first != 't')
        return true;
    if ((value = value_of(line, end, "content-length:", &stop)))
        return parse_length(head, value, stop);
    if ((value = value_of(line, end, "connection:", &stop)))
        head->closes = stop - value == 5 && strncasecmp(value, "close", 5) == 0;
    return !value_of(line, end, "transfer-encoding:", &stop);
}

static bool parse_status(struct head *head, const uint8_t *bytes)
{
    if (memcmp(bytes, "HTTP/1.", 7) != 0 || !is_digit(bytes[7]) || bytes[8] != ' ' ||
        bytes[9] < '1' || bytes[9] > '5' || !is_digit(bytes[10]) || !is_digit(bytes[11]) ||
        (bytes[12] != ' ' && bytes[12] != '\r'))
        return false;
    head->closes = bytes[7] == '0';
    head->status = (bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + (bytes[11] - '0');
    return true;
}

static bool parse_head(struct head *head, const uint8_t *bytes, uint32_t len)
{
    const char *at = (const char *)bytes;
    const char *end = at + len;
    *head = (struct head){.status = -1};
    if (len < STATUS_LINE)
        return true;
    if (!parse_status(head, bytes))
        return false;
    for (bool first = true;; first = false) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            return true;
        if (stop == at || stop[-1] != '\r')
            return false;
        if (stop - 1 == at)
            break;
        if (!first && !parse_line(head, at, stop - 1))
            return false;
        at = stop + 1;
    }
    head->len = (uint32_t)(at + 2 - (const char *)bytes);
    if (head->status == 204 || head->status == 304 || head->status < 200)
        head->body = 0;
    else if (!head->has_length)
        return false;
    return true;
}

/* Finds the end of the head, in the bytes themselves or behind what was kept of it. */
static int take_head(struct blast_answer *answer, const uint8_t *bytes, uint32_t len,
                     uint32_t *taken)
{
    struct head head;
    uint32_t before = answer->head_len;
    uint32_t room = BLAST_ANSWER_HEAD_MAX - before;
    uint32_t piece = len < room ? len : room;
    if (before)
        memcpy(answer->head + before, bytes, piece);
    if (!(before ? parse_head(&head, answer->head, before + piece) : parse_head(&head, bytes, len)))
        return -1;
    if (!head.len) {
        if (len >= room)
            return -1;
        if (!before)
            memcpy(answer->head, bytes, len);
        answer->head_len = (uint16_t)(before + len);
        *taken += len;
        return 0;
    }
    answer->head_len = 0;
    answer->status = (uint16_t)head.status;
    answer->body_left = head.body;
    answer->closes = answer->closes || head.closes;
    *taken += head.len - before;
    return head.status;
}

int blast_answer_take(struct blast_answer *answer, const uint8_t *bytes, uint32_t len,
                      uint32_t *taken)
{
    uint32_t at = 0;
    while (at < len) {
        if (!answer->status) {
            uint32_t head = 0;
            int rc = take_head(answer, bytes + at, len - at, &head);
            if (rc < 0)
                return rc;
            at += head;
        }
        uint32_t skip = len - at < answer->body_left ? len - at : answer->body_left;
        at += skip;
        answer->body_left -= skip;
        if (!answer->status || answer->body_left)
            break;
        int status = answer->status;
        answer->status = 0;
        if (status < 200)
            continue;
        *taken += at;
        return status;
    }
    *taken += at;
    return 0;
}
