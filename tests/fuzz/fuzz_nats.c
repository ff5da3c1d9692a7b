/* fuzz_nats.c - any bytes as a reply of a JetStream server, and as the headers of a stored message:
 * what is taken says what it must, and ends come back as they were sent. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sinks/nats_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_stored(const char *bytes, size_t size)
{
    struct nats_stored stored, again;
    if (nats_stored_parse(bytes, size, &stored) || !stored.ours)
        return;
    char at[ENDS_TEXT_MAX], *reply;
    size_t len;
    ends_encode(stored.journal, stored.end, at);
    assert(strlen(at) < sizeof at);
    FILE *out = open_memstream(&reply, &len);
    assert(out);
    fputs("{\"message\":{\"hdrs\":\"", out);
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char headers[ENDS_TEXT_MAX + 16];
    int count = snprintf(headers, sizeof headers, "X\r\nTrove-At: %s", at);
    while (count % 3) /* no padding, then */
        headers[count++] = '\n';
    for (int i = 0; i < count; i += 3) {
        uint32_t word = (uint32_t)(uint8_t)headers[i] << 16 |
                        (uint32_t)(uint8_t)headers[i + 1] << 8 | (uint8_t)headers[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            fputc(letters[word >> shift & 63], out);
    }
    fputs("\"}}", out);
    fclose(out);
    assert(nats_stored_parse(reply, len, &again) == 0 && again.ours);
    free(reply);
    /* Names longer than Trove's own are cut when they are sent. */
    assert(memcmp(again.end, stored.end, sizeof stored.end) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct nats_ack ack;
    struct nats_info info;
    if (nats_ack_parse(bytes, size, "trove", &ack) == 0)
        assert(ack.seq > 0 || ack.refusal.code);
    if (nats_info_parse(bytes, size, "trove", &info) == 0)
        assert(memchr(info.refusal.text, '\0', sizeof info.refusal.text));
    check_stored(bytes, size);
    return 0;
}
