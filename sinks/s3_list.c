/* s3_list.c - the keys of a bucket, a page at a time (ListObjectsV2). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sinks/s3_call.h"
#include "sinks/s3_xml.h"

#define TOKEN_MAX 1024u

struct page {
    int (*each)(void *arg, const char *key);
    void *arg;
    bool more;
    char token[TOKEN_MAX];
};

/* Calls each for the keys of a page, and says whether and where the next one begins. */
static int read_page(struct s3 *s3, const char *text, size_t len, struct page *page)
{
    struct s3_xml xml = {text, text + len};
    struct s3_tag tag;
    char key[S3_KEY_MAX + 1], word[8];
    bool whole = false;
    int rc = 0;
    page->more = false;
    page->token[0] = '\0';
    while (!rc && s3_xml_next(&xml, &tag)) {
        if (s3_tag_opens(&tag, "Key") && s3_xml_text(&tag, key, sizeof key) > 0)
            rc = page->each(page->arg, key);
        if (s3_tag_opens(&tag, "IsTruncated"))
            page->more = s3_xml_text(&tag, word, sizeof word) == 4 && !strcmp(word, "true");
        if (s3_tag_opens(&tag, "NextContinuationToken") &&
            s3_xml_text(&tag, page->token, sizeof page->token) < 0)
            page->token[0] = '\0';
        whole |= tag.closes && tag.name_len == 16 && !memcmp(tag.name, "ListBucketResult", 16);
    }
    if (!rc && (!whole || (page->more && !page->token[0])))
        return s3_fail(s3, -EBADMSG, "the list of bucket %.100s makes no sense", s3->target.bucket);
    return rc;
}

/* each may make requests of its own, so it reads a copy. */
static int ask_page(struct s3 *s3, const char *prefix, struct page *page)
{
    char token[3 * TOKEN_MAX], query[3 * (TOKEN_MAX + S3_KEY_MAX) + 80];
    s3_encode(page->token, token, sizeof token);
    snprintf(query, sizeof query, "%s%s%slist-type=2&prefix=%s",
             page->more ? "continuation-token=" : "", token, page->more ? "&" : "", prefix);
    int rc = s3_call(s3, &(struct s3_request){.method = "GET", .key = "", .query = query});
    if (rc)
        return rc;
    char *text = malloc(s3->answer.len + 1);
    if (!text)
        return s3_fail(s3, -ENOMEM, "no memory for the list");
    memcpy(text, s3->answer.text, s3->answer.len);
    rc = read_page(s3, text, s3->answer.len, page);
    free(text);
    return rc;
}

int s3_list(struct s3 *s3, const char *prefix, int (*each)(void *arg, const char *key), void *arg)
{
    char encoded[3 * S3_KEY_MAX];
    struct page page = {.each = each, .arg = arg};
    int rc = s3_encode(prefix, encoded, sizeof encoded)
                 ? 0
                 : s3_fail(s3, -ENAMETOOLONG, "the prefix is too long");
    do {
        if (!rc)
            rc = ask_page(s3, encoded, &page);
    } while (!rc && page.more);
    return rc;
}
