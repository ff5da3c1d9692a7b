/* s3_upload.c - a file as an object: in one request, or in parts that become one object at the end.
 *
 * Names are the same whenever an object is made, so what an earlier attempt has left behind is
 * found under the name, and ended before the next one begins.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sinks/s3_call.h"
#include "sinks/s3_xml.h"

#define PARTS_MAX     10000u
#define PART_TEXT_MAX 200u /* of one part in the list of them */
#define TAG_MAX       100u
#define LEFTOVERS_MAX 100u /* ended before one attempt */

/* An upload in parts, with the list of those that are there. */
struct upload {
    struct s3 *s3;
    const char *key;
    char id[3 * S3_ID_MAX]; /* encoded */
    char *list;
    size_t list_len, list_room;
    unsigned count;
};

static int read_part(struct s3 *s3, int fd, uint64_t offset, char *buffer, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(fd, buffer + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return s3_fail(s3, n ? -errno : -EIO, "cannot read what is to be sent: %s",
                           n ? strerror(errno) : "it is shorter than it was");
        done += (size_t)n;
    }
    return 0;
}

/* ---- unfinished ones ---- */

static int end_upload(struct s3 *s3, const char *key, const char *id)
{
    char query[3 * S3_ID_MAX + 16];
    snprintf(query, sizeof query, "uploadId=%s", id);
    int rc = s3_call(s3, &(struct s3_request){.method = "DELETE", .key = key, .query = query});
    return rc == -ENOENT ? 0 : rc;
}

/* Takes the next upload of that very name off a list. */
static bool next_leftover(struct s3_xml *xml, const char *key, char id[3 * S3_ID_MAX])
{
    struct s3_tag tag;
    char name[S3_KEY_MAX + 1] = "", raw[S3_ID_MAX];
    while (s3_xml_next(xml, &tag)) {
        if (s3_tag_opens(&tag, "Upload"))
            name[0] = '\0';
        if (s3_tag_opens(&tag, "Key") && s3_xml_text(&tag, name, sizeof name) < 0)
            name[0] = '\0';
        if (s3_tag_opens(&tag, "UploadId") && strcmp(name, key) == 0 &&
            s3_xml_text(&tag, raw, sizeof raw) > 0 && s3_encode(raw, id, (size_t)3 * S3_ID_MAX))
            return true;
    }
    return false;
}

static int end_leftovers(struct s3 *s3, const char *key)
{
    char prefix[3 * S3_KEY_MAX], query[3 * S3_KEY_MAX + 32], id[3 * S3_ID_MAX];
    if (!s3_encode(key, prefix, sizeof prefix))
        return s3_fail(s3, -ENAMETOOLONG, "%.120s: the name is too long", key);
    snprintf(query, sizeof query, "prefix=%s&uploads=", prefix);
    int rc = s3_call(s3, &(struct s3_request){.method = "GET", .key = "", .query = query});
    if (rc)
        return rc;
    char *text = malloc(s3->answer.len + 1); /* the next request's answer takes its place */
    if (!text)
        return s3_fail(s3, -ENOMEM, "no memory to end unfinished uploads");
    memcpy(text, s3->answer.text, s3->answer.len);
    struct s3_xml xml = {text, text + s3->answer.len};
    for (unsigned i = 0; !rc && i < LEFTOVERS_MAX && next_leftover(&xml, key, id); i++)
        rc = end_upload(s3, key, id);
    free(text);
    return rc;
}

/* ---- parts ---- */

static int begin_upload(struct upload *upload, const struct s3_meta *meta)
{
    char raw[S3_ID_MAX];
    struct s3 *s3 = upload->s3;
    int rc = s3_call(
        s3,
        &(struct s3_request){
            .method = "POST", .key = upload->key, .query = "uploads=", .meta = meta, .body = ""});
    if (rc)
        return rc;
    if (s3_xml_find(s3->answer.text, s3->answer.len, "UploadId", raw, sizeof raw) <= 0 ||
        !s3_encode(raw, upload->id, sizeof upload->id))
        return s3_fail(s3, -EBADMSG, "POST %.120s: the answer names no upload", upload->key);
    return 0;
}

/* The tag of a part goes into XML as it came: only what needs no escape. */
static int keep_part(struct upload *upload)
{
    const char *tag = http_client_header(upload->s3->client, "ETag");
    size_t len = tag ? strlen(tag) : 0;
    if (!len || len > TAG_MAX || strpbrk(tag, "<>&"))
        return s3_fail(upload->s3, -EBADMSG, "PUT %.120s: the answer has no tag of the part",
                       upload->key);
    upload->list_len += (size_t)snprintf(
        upload->list + upload->list_len, upload->list_room - upload->list_len,
        "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", upload->count, tag);
    return 0;
}

static int send_part(struct upload *upload, const char *bytes, size_t len)
{
    char query[3 * S3_ID_MAX + 40];
    snprintf(query, sizeof query, "partNumber=%u&uploadId=%s", ++upload->count, upload->id);
    int rc = s3_call(
        upload->s3,
        &(struct s3_request){
            .method = "PUT", .key = upload->key, .query = query, .body = bytes, .len = len});
    return rc ? rc : keep_part(upload);
}

/* The status of this one is sent before it is known what comes of it: the answer's text says. */
static int finish_upload(struct upload *upload)
{
    char query[3 * S3_ID_MAX + 16], tag[TAG_MAX + 32], code[64];
    struct s3 *s3 = upload->s3;
    snprintf(query, sizeof query, "uploadId=%s", upload->id);
    upload->list_len +=
        (size_t)snprintf(upload->list + upload->list_len, upload->list_room - upload->list_len,
                         "</CompleteMultipartUpload>");
    int rc = s3_call(s3, &(struct s3_request){.method = "POST",
                                              .key = upload->key,
                                              .query = query,
                                              .create = true,
                                              .body = upload->list,
                                              .len = upload->list_len});
    if (rc)
        return rc;
    if (s3_xml_find(s3->answer.text, s3->answer.len, "Code", code, sizeof code) >= 0)
        return s3_fail(s3, strcmp(code, "PreconditionFailed") ? -EREMOTEIO : -EEXIST,
                       "POST %.120s: %s", upload->key, code);
    if (s3_xml_find(s3->answer.text, s3->answer.len, "ETag", tag, sizeof tag) <= 0)
        return s3_fail(s3, -EBADMSG, "POST %.120s: the answer does not say that it is done",
                       upload->key);
    return 0;
}

static int send_parts(struct upload *upload, int fd, uint64_t bytes, char *buffer, size_t room)
{
    int rc = 0;
    upload->list_len =
        (size_t)snprintf(upload->list, upload->list_room, "<CompleteMultipartUpload>");
    for (uint64_t at = 0; !rc && at < bytes; at += room) {
        size_t len = bytes - at < room ? (size_t)(bytes - at) : room;
        rc = read_part(upload->s3, fd, at, buffer, len);
        if (!rc)
            rc = send_part(upload, buffer, len);
    }
    return rc ? rc : finish_upload(upload);
}

static int upload_parts(struct s3 *s3, const char *key, const struct s3_meta *meta, int fd,
                        uint64_t bytes, char *buffer, size_t room)
{
    struct upload upload = {.s3 = s3, .key = key};
    upload.list_room = (size_t)(bytes / room + 2) * PART_TEXT_MAX;
    upload.list = malloc(upload.list_room);
    if (!upload.list)
        return s3_fail(s3, -ENOMEM, "no memory for the list of parts");
    int rc = end_leftovers(s3, key);
    if (!rc)
        rc = begin_upload(&upload, meta);
    if (!rc)
        rc = send_parts(&upload, fd, bytes, buffer, room);
    if (rc == -EEXIST)
        (void)end_upload(s3, key, upload.id); /* else by the bucket's rule, in the end */
    free(upload.list);
    return rc;
}

int s3_put_file(struct s3 *s3, const char *key, const struct s3_meta *meta, int fd, uint64_t bytes,
                char *buffer, size_t room)
{
    struct s3_meta there;
    if (bytes > (uint64_t)PARTS_MAX * room)
        return s3_fail(s3, -EFBIG, "%.120s: more than %u parts", key, PARTS_MAX);
    if (bytes <= room) {
        int rc = read_part(s3, fd, 0, buffer, (size_t)bytes);
        return rc ? rc : s3_put(s3, key, meta, buffer, (size_t)bytes);
    }
    int rc = s3_head(s3, key, &there);
    if (!rc)
        return s3_fail(s3, -EEXIST, "%.120s: it is there already", key);
    return rc == -ENOENT ? upload_parts(s3, key, meta, fd, bytes, buffer, room) : rc;
}
