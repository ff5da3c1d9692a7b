/* nats.c - libnats on an event loop of one socket, which is poll in nats_receive. */
#include "sinks/nats.h"

#include <errno.h>
#include <nats/nats.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "conf/servers.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"

#define SLICE_MS      50 /* between two looks at *cancel */
#define PENDING_MAX   16384
#define PENDING_BYTES (16 << 20)
#define READ_BYTES    (32u << 10)

struct nats {
    natsConnection *connection;
    natsSubscription *inbox;
    char prefix[64]; /* of the inbox's subjects, with the dot */
    size_t prefix_len;
    int fd;
    _Atomic bool wants_write; /* libnats has a thread that may ask for it, too */
    _Atomic bool detached;
    size_t unparsed; /* bytes read since the last message */
    uint64_t timeout_ns;
    const _Atomic bool *cancel;
};

/* ---- the event loop, as libnats sees it ---- */

static natsStatus on_attach(void **data, void *loop, natsConnection *connection, natsSock socket)
{
    struct nats *nats = loop;
    (void)connection;
    nats->fd = socket;
    *data = nats;
    return NATS_OK;
}

static natsStatus on_read(void *data, bool add)
{
    (void)data, (void)add;
    return NATS_OK;
}

static natsStatus on_write(void *data, bool add)
{
    atomic_store(&((struct nats *)data)->wants_write, add);
    return NATS_OK;
}

static natsStatus on_detach(void *data)
{
    atomic_store(&((struct nats *)data)->detached, true);
    return NATS_OK;
}

/* ---- opening ---- */

static int errno_of(natsStatus status)
{
    switch (status) {
    case NATS_OK:
        return 0;
    case NATS_TIMEOUT:
        return -ETIMEDOUT;
    case NATS_NO_MEMORY:
        return -ENOMEM;
    case NATS_NO_SERVER:
        return -ECONNREFUSED;
    case NATS_CONNECTION_AUTH_FAILED:
    case NATS_NOT_PERMITTED:
        return -EACCES;
    case NATS_PROTOCOL_ERROR:
        return -EPROTO;
    default:
        return -ECONNRESET;
    }
}

static natsStatus set_servers(natsOptions *options, const char *list)
{
    char servers[SERVERS_MAX][SERVER_MAX], text[SERVERS_MAX][SERVER_MAX + 8];
    const char *urls[SERVERS_MAX];
    unsigned count = servers_split(list, servers);
    count = count < SERVERS_MAX ? count : SERVERS_MAX;
    for (unsigned i = 0; i < count; i++) {
        snprintf(text[i], sizeof text[i], "nats://%s", servers[i]);
        urls[i] = text[i];
    }
    return natsOptions_SetServers(options, urls, (int)count);
}

/* Without ca_file libnats trusts whom the host trusts. */
static natsStatus set_tls(natsOptions *options, const struct conf_tls *tls)
{
    if (!tls || !tls->on)
        return NATS_OK;
    natsStatus status = natsOptions_SetSecure(options, true);
    if (status == NATS_OK && tls->ca_file[0])
        status = natsOptions_LoadCATrustedCertificates(options, tls->ca_file);
    if (status == NATS_OK && tls->cert_file[0])
        status = natsOptions_LoadCertificatesChain(options, tls->cert_file, tls->key_file);
    return status;
}

static natsStatus set_login(natsOptions *options, const struct nats_settings *settings)
{
    if (settings->user)
        return natsOptions_SetUserInfo(options, settings->user, settings->password);
    if (settings->token)
        return natsOptions_SetToken(options, settings->token);
    if (settings->credentials)
        return natsOptions_SetUserCredentialsFromFiles(options, settings->credentials, NULL);
    return NATS_OK;
}

static natsStatus set_options(natsOptions *options, struct nats *nats,
                              const struct nats_settings *settings)
{
    natsStatus status = set_servers(options, settings->servers);
    if (status == NATS_OK)
        status = natsOptions_SetTimeout(options, (int64_t)(settings->timeout_ns / NS_PER_MS));
    if (status == NATS_OK)
        status = natsOptions_SetAllowReconnect(options, false);
    if (status == NATS_OK)
        status = natsOptions_SetIgnoreDiscoveredServers(options, true);
    if (status == NATS_OK)
        status = natsOptions_SetPingInterval(options, 0); /* a timer's thread would write */
    /* What is published asks to be written at once, and not by that thread a while later. */
    if (status == NATS_OK)
        status = natsOptions_SetSendAsap(options, true);
    if (status == NATS_OK)
        status = natsOptions_SetName(options, "trove");
    if (status == NATS_OK)
        status = set_login(options, settings);
    if (status == NATS_OK)
        status = set_tls(options, settings->tls);
    if (status == NATS_OK)
        status = natsOptions_SetEventLoop(options, nats, on_attach, on_read, on_write, on_detach);
    return status;
}

static natsStatus subscribe(struct nats *nats)
{
    natsInbox *inbox = NULL;
    char subject[sizeof nats->prefix + 2];
    natsStatus status = natsInbox_Create(&inbox);
    if (status != NATS_OK)
        return status;
    int len = snprintf(nats->prefix, sizeof nats->prefix, "%s.", (const char *)inbox);
    natsInbox_Destroy(inbox);
    if (len < 0 || (size_t)len >= sizeof nats->prefix)
        return NATS_ERR;
    nats->prefix_len = (size_t)len;
    snprintf(subject, sizeof subject, "%s*", nats->prefix);
    status = natsConnection_SubscribeSync(&nats->inbox, nats->connection, subject);
    if (status == NATS_OK)
        status = natsSubscription_SetPendingLimits(nats->inbox, PENDING_MAX, PENDING_BYTES);
    return status;
}

static natsStatus connect_all(struct nats *nats, const struct nats_settings *settings)
{
    natsOptions *options = NULL;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK)
        status = set_options(options, nats, settings);
    if (status == NATS_OK)
        status = natsConnection_Connect(&nats->connection, options);
    natsOptions_Destroy(options);
    return status == NATS_OK ? subscribe(nats) : status;
}

int nats_open(struct nats **out, const struct nats_settings *settings, char error[160])
{
    struct nats *nats = calloc(1, sizeof *nats);
    *out = NULL;
    if (!nats) {
        snprintf(error, 160, "%s", strerror(ENOMEM));
        return -ENOMEM;
    }
    nats->fd = -1;
    nats->timeout_ns = settings->timeout_ns;
    nats->cancel = settings->cancel;
    natsStatus status = connect_all(nats, settings);
    if (status == NATS_OK) {
        *out = nats;
        return 0;
    }
    const char *more = nats_GetLastError(NULL);
    snprintf(error, 160, "%s%s%.100s", natsStatus_GetText(status), more ? ": " : "",
             more ? more : "");
    nats_close(nats);
    return errno_of(status);
}

void nats_close(struct nats *nats)
{
    if (!nats)
        return;
    natsSubscription_Destroy(nats->inbox);
    /* Of a connection that is open libnats takes leave for half a second; nothing is left to say.
     */
    if (nats->connection && nats->fd >= 0 && !atomic_load(&nats->detached)) {
        (void)shutdown(nats->fd, SHUT_RDWR);
        natsConnection_ProcessReadEvent(nats->connection);
    }
    natsConnection_Destroy(nats->connection);
    nats_ReleaseThreadMemory();
    free(nats);
}

size_t nats_max_payload(const struct nats *nats)
{
    int64_t max = natsConnection_GetMaxPayload(nats->connection);
    return max > 0 ? (size_t)max : 0;
}

const char *nats_error(struct nats *nats)
{
    const char *text = NULL;
    (void)natsConnection_GetLastError(nats->connection, &text);
    return text && *text ? text : "the connection was closed";
}

/* ---- messages ---- */

#define INBOX_MAX (sizeof((struct nats *)0)->prefix + TEXT_DECIMAL_MAX + 1)

/* Where the reply with a tag comes in. */
static const char *name_inbox(const struct nats *nats, uint64_t tag, char out[INBOX_MAX])
{
    memcpy(out, nats->prefix, nats->prefix_len);
    out[nats->prefix_len + text_decimal_format(tag, out + nats->prefix_len)] = '\0';
    return out;
}

int nats_publish(struct nats *nats, const char *subject, uint64_t tag,
                 const struct nats_header *headers, unsigned header_count, const void *body,
                 size_t len)
{
    natsMsg *message = NULL;
    char reply[INBOX_MAX];
    natsStatus status =
        natsMsg_Create(&message, subject,
                       tag == NATS_NO_REPLY ? NULL : name_inbox(nats, tag, reply), body, (int)len);
    for (unsigned i = 0; status == NATS_OK && i < header_count; i++)
        status = natsMsgHeader_Set(message, headers[i].key, headers[i].value);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(nats->connection, message);
    natsMsg_Destroy(message);
    return errno_of(status);
}

int nats_send(struct nats *nats, const char *subject, const void *body, size_t len)
{
    return errno_of(natsConnection_Publish(nats->connection, subject, body, (int)len));
}

int nats_ping(struct nats *nats, uint64_t tag)
{
    char subject[INBOX_MAX];
    return nats_send(nats, name_inbox(nats, tag, subject), "", 0);
}

static int read_reply(struct nats *nats, struct nats_reply *reply)
{
    natsMsg *message = NULL;
    natsStatus status = natsSubscription_NextMsg(&message, nats->inbox, 1);
    if (status != NATS_OK)
        return errno_of(status);
    const char *subject = natsMsg_GetSubject(message);
    const char *tag = subject + nats->prefix_len;
    int len = natsMsg_GetDataLength(message);
    int rc = strncmp(subject, nats->prefix, nats->prefix_len) == 0 && len >= 0 &&
                     (size_t)len <= NATS_REPLY_MAX && strspn(tag, "0123456789") == strlen(tag)
                 ? 0
                 : -EPROTO;
    if (!rc) {
        reply->tag = strtoull(tag, NULL, 10);
        reply->no_responders = natsMsg_IsNoResponders(message);
        reply->len = (size_t)len;
        memcpy(reply->bytes, natsMsg_GetData(message), (size_t)len);
        reply->bytes[len] = '\0';
    }
    natsMsg_Destroy(message);
    return rc;
}

static int read_socket(struct nats *nats)
{
    int available = 0;
    if (ioctl(nats->fd, FIONREAD, &available) == 0 && available > 0)
        nats->unparsed += (size_t)available < READ_BYTES ? (size_t)available : READ_BYTES;
    natsConnection_ProcessReadEvent(nats->connection);
    return nats->unparsed > NATS_UNPARSED_MAX ? -EPROTO : 0;
}

void nats_push(struct nats *nats)
{
    struct pollfd fd = {.fd = nats->fd, .events = POLLOUT};
    if (atomic_load(&nats->wants_write) && !atomic_load(&nats->detached) && poll(&fd, 1, 0) > 0 &&
        fd.revents & POLLOUT)
        natsConnection_ProcessWriteEvent(nats->connection);
}

static int wait_for(struct nats *nats, uint64_t deadline)
{
    if (atomic_load_explicit(nats->cancel, memory_order_relaxed))
        return -ECANCELED;
    if (atomic_load(&nats->detached) || natsConnection_IsClosed(nats->connection))
        return -ECONNRESET;
    if (clock_monotonic_ns() >= deadline)
        return -ETIMEDOUT;
    struct pollfd fd = {.fd = nats->fd,
                        .events =
                            (short)(POLLIN | (atomic_load(&nats->wants_write) ? POLLOUT : 0))};
    int count = poll(&fd, 1, SLICE_MS);
    if (count < 0 && errno != EINTR)
        return -errno;
    if (count > 0 && fd.revents & POLLOUT)
        natsConnection_ProcessWriteEvent(nats->connection);
    if (count > 0 && fd.revents & (POLLIN | POLLERR | POLLHUP))
        return read_socket(nats);
    return 0;
}

int nats_receive(struct nats *nats, struct nats_reply *reply)
{
    uint64_t deadline = clock_monotonic_ns() + nats->timeout_ns, queued = 0;
    for (;;) {
        if (natsSubscription_QueuedMsgs(nats->inbox, &queued) == NATS_OK && queued) {
            nats->unparsed = 0;
            return read_reply(nats, reply);
        }
        int rc = wait_for(nats, deadline);
        if (rc)
            return rc;
    }
}
