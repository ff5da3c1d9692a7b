/* fuzz_s3.c - any bytes as an answer of S3, as a line of the archive and as the name of an object:
 * what is taken is what would have been written. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sinks/archive_line.h"
#include "sinks/archive_name.h"
#include "sinks/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct archive_room room;
static char again[ARCHIVE_LINE_MAX];

static void check_xml(const char *bytes, size_t size)
{
    struct s3_xml xml = {bytes, bytes + size};
    struct s3_tag tag;
    char text[64];
    size_t count = 0;
    while (s3_xml_next(&xml, &tag)) {
        assert(tag.name >= bytes && tag.name + tag.name_len <= tag.text);
        assert(tag.text + tag.text_len <= bytes + size);
        int len = s3_xml_text(&tag, text, sizeof text);
        assert(len < 0 || strlen(text) == (size_t)len);
        count++;
    }
    assert(count <= size);
}

static void check_line(const char *bytes, size_t size)
{
    struct archive_record record;
    if (archive_line_decode(bytes, size, &room, &record))
        return;
    assert(archive_line_encode(&record, again) == size + 1);
    assert(memcmp(again, bytes, size) == 0 && again[size] == '\n');
}

static void check_name(const char *bytes, size_t size)
{
    struct archive_name name;
    char text[ARCHIVE_NAME_MAX];
    char *copy = malloc(size + 1);
    assert(copy);
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    if (archive_name_parse(copy, &name) == 0) {
        archive_name_format(&name, text);
        assert(strcmp(text, copy) == 0);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t none[1];
    const char *bytes = (const char *)(size ? data : none);
    check_xml(bytes, size);
    check_line(bytes, size);
    check_name(bytes, size);
    return 0;
}
