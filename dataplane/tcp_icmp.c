/* tcp_icmp.c - ICMP errors, which anybody can forge: what is quoted must be a segment that is under
 * way (RFC 5927 section 4).
 */
#include "dataplane/tcp_impl.h"

enum { ICMP_UNREACHABLE = 3, ICMP_EXCEEDED = 11, ICMP_PARAMETER = 12, CODE_TOO_BIG = 4 };
enum { ICMP6_UNREACHABLE = 1, ICMP6_TOO_BIG = 2, ICMP6_EXCEEDED = 3, ICMP6_PARAMETER = 4 };
enum { QUOTED_BYTES = 8 };

enum icmp_kind { KIND_NONE, KIND_SOFT, KIND_TOO_BIG };

static enum icmp_kind kind_of(const struct tcp_icmp *error)
{
    bool ipv4 = error->family == 4;
    if (ipv4 ? error->type == ICMP_UNREACHABLE && error->code == CODE_TOO_BIG
             : error->type == ICMP6_TOO_BIG)
        return KIND_TOO_BIG;
    switch (error->type) {
    case ICMP_UNREACHABLE: /* and time exceeded, over IPv6 */
        return KIND_SOFT;
    case ICMP_EXCEEDED:
    case ICMP_PARAMETER:
        return ipv4 ? KIND_SOFT : KIND_NONE;
    case ICMP6_UNREACHABLE:
    case ICMP6_PARAMETER:
        return ipv4 ? KIND_NONE : KIND_SOFT;
    default:
        return KIND_NONE;
    }
}

/* too_big lowers the segment size and sends again from the oldest byte (RFC 1191, RFC 8201). */
static void too_big(struct tcp *tcp, struct tcp_conn *conn, uint32_t mtu)
{
    bool ipv4 = conn->family == 4;
    uint32_t headers = TCP_HEADER_BYTES + (ipv4 ? TCP_IPV4_BYTES : TCP_IPV6_BYTES);
    uint32_t floor = ipv4 ? TCP_MSS_FLOOR : TCP_MSS_FLOOR6;
    uint32_t mss = tcp_max(mtu > headers ? mtu - headers : 0, floor);
    if (mss >= conn->mss)
        return;
    TCP_COUNT(tcp, path_mtu);
    conn->mss = (uint16_t)mss;
    conn->snd_nxt = conn->snd_una;
    conn->scoreboard_count = 0;
    conn->flags &= ~(TCP_F_RECOVERY | TCP_F_RESEND | TCP_F_RTT);
    conn->flags |= TCP_F_RTO;
    tcp_want_output(tcp, conn);
}

void tcp_icmp(struct tcp *tcp, const struct tcp_icmp *error, uint64_t now_ns)
{
    tcp_clock_set(tcp, now_ns);
    enum icmp_kind kind = kind_of(error);
    if (kind == KIND_NONE || error->len < QUOTED_BYTES || tcp_get16(error->bytes) != tcp->port) {
        tcp_drop(tcp, TCP_REASON_icmp);
        return;
    }
    struct tcp_tuple tuple;
    tcp_tuple_init(&tuple, tcp, error->family, error->dst, error->src, tcp_get16(error->bytes + 2));
    struct tcp_conn *conn = tcp_table_find(tcp, &tuple);
    uint32_t seq = tcp_get32(error->bytes + 4);
    if (!conn || seq - conn->snd_una >= conn->snd_max - conn->snd_una) {
        tcp_drop(tcp, TCP_REASON_icmp);
        return;
    }
    if (kind == KIND_TOO_BIG)
        too_big(tcp, conn, error->mtu);
    else
        TCP_COUNT(tcp, soft_errors);
}
