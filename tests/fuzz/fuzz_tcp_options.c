/* fuzz_tcp_options.c - any bytes as a TCP header: nothing is read past their end, the short way and
 * the long one say the same, and what was read can be written and read again.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp_segment.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool same(const struct tcp_head *a, const struct tcp_head *b)
{
    if (a->has_timestamp != b->has_timestamp || a->sack_count != b->sack_count)
        return false;
    if (a->has_timestamp && (a->ts_value != b->ts_value || a->ts_echo != b->ts_echo))
        return false;
    return !memcmp(a->sacks, b->sacks, a->sack_count * sizeof *a->sacks);
}

/* The options are copied to where they end at their allocation's end. */
static struct tcp_head decode_options(const uint8_t *options, uint32_t len, bool *good)
{
    struct tcp_head head = {.wscale = TCP_NO_WSCALE};
    uint8_t *copy = malloc(len ? len : 1);
    require(copy);
    memcpy(copy, options, len);
    *good = tcp_options_decode(&head, copy, len);
    free(copy);
    return head;
}

static void write_and_read(const struct tcp_head *head)
{
    struct tcp_packet packet = {.options_len = 0};
    uint8_t sacks = head->sack_count;
    if (head->has_timestamp)
        tcp_option_timestamp(&packet, head->ts_value, head->ts_echo);
    if (sacks > 3 && head->has_timestamp)
        sacks = 3;
    if (sacks)
        tcp_option_sack(&packet, head->sacks, sacks);
    require(packet.options_len <= TCP_OPTIONS_MAX && packet.options_len % 4 == 0);
    bool good;
    struct tcp_head again = decode_options(packet.options, packet.options_len, &good);
    struct tcp_head want = *head;
    want.sack_count = sacks;
    require(good && same(&want, &again));
}

static void write_and_read_syn(const struct tcp_head *head)
{
    struct tcp_packet packet = {.options_len = 0};
    tcp_option_syn(&packet, head->mss, head->wscale, head->sack_permitted);
    if (head->has_timestamp)
        tcp_option_timestamp(&packet, head->ts_value, head->ts_echo);
    bool good;
    struct tcp_head again = decode_options(packet.options, packet.options_len, &good);
    require(good && again.mss == head->mss && again.wscale == head->wscale &&
            again.sack_permitted == head->sack_permitted &&
            again.has_timestamp == head->has_timestamp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tcp_head head;
    if (size > UINT16_MAX)
        return 0;
    int reason = tcp_head_decode(&head, data, (uint32_t)size);
    if (reason >= 0) {
        require(reason == TCP_REASON_header || reason == TCP_REASON_flags ||
                reason == TCP_REASON_options || reason == TCP_REASON_port);
        return 0;
    }
    uint32_t header = (data[12] >> 4) * 4u;
    require(head.payload == data + header && head.len == size - header);
    require(head.sack_count <= TCP_SACKS_MAX);
    require(head.wscale <= 14 || head.wscale == TCP_NO_WSCALE);
    bool good;
    struct tcp_head slow = decode_options(data + 20, header - 20, &good);
    require(good && same(&head, &slow));
    write_and_read(&head);
    write_and_read_syn(&head);
    return 0;
}
