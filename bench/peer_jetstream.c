/* peer_jetstream.c - peer-jetstream: what nats-server's JetStream acknowledges of a stream of
 * events.
 *
 *   peer-jetstream URL SECONDS PENDING KNOWN  one JSON object; KNOWN 1: each message with its id
 *
 * Messages are published without waiting, up to PENDING of them unacknowledged; the stream is in a
 * file.  With ids the server finds duplicates within its window of two minutes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nats/nats.h>

#include "dataplane/base/clock.h"

#define EVENT_BYTES     170
#define DUPLICATE_EVERY 100
#define BEHIND          50000 /* so long ago was the one that is repeated */
#define WAIT_MS         60000

static volatile uint64_t faults;

static void need(natsStatus status, const char *what)
{
    if (status == NATS_OK)
        return;
    fprintf(stderr, "error: %s: %s\n", what, natsStatus_GetText(status));
    exit(1);
}

static void on_fault(jsCtx *js, jsPubAckErr *fault, void *context)
{
    (void)js;
    (void)fault;
    (void)context;
    __atomic_fetch_add(&faults, 1, __ATOMIC_RELAXED);
}

static jsCtx *open_stream(natsConnection *connection, int64_t pending)
{
    jsCtx *js = NULL;
    jsOptions options;
    jsStreamConfig stream;
    const char *subjects[] = {"events"};
    need(jsOptions_Init(&options), "options");
    options.PublishAsync.MaxPending = pending;
    options.PublishAsync.StallWait =
        WAIT_MS; /* the server may be at its disk for longer than 200 ms */
    options.PublishAsync.ErrHandler = on_fault;
    need(natsConnection_JetStream(&js, connection, &options), "JetStream");
    need(jsStreamConfig_Init(&stream), "stream");
    stream.Name = "EVENTS";
    stream.Subjects = subjects;
    stream.SubjectsLen = 1;
    stream.Storage = js_FileStorage;
    need(js_AddStream(NULL, js, &stream, NULL, NULL), "the stream");
    return js;
}

static void publish(jsCtx *js, uint64_t n, bool known)
{
    static char event[EVENT_BYTES + 1];
    char id[40];
    jsPubOptions options;
    jsPubOptions_Init(&options);
    memset(event, 'x', EVENT_BYTES);
    snprintf(id, sizeof id, "%032" PRIx64, n % DUPLICATE_EVERY || n < BEHIND ? n : n - BEHIND);
    if (known)
        options.MsgId = id;
    need(js_PublishAsync(js, "events", event, EVENT_BYTES, &options), "publish");
}

int main(int argc, char **argv)
{
    unsigned long seconds = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
    unsigned long pending = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    if (!seconds || seconds > 3600 || !pending || pending > 1000000) {
        fputs("usage: peer-jetstream URL SECONDS PENDING KNOWN\n", stderr);
        return 2;
    }
    natsConnection *connection = NULL;
    need(natsConnection_ConnectTo(&connection, argv[1]), argv[1]);
    jsCtx *js = open_stream(connection, (int64_t)pending);
    uint64_t sent = 0, start_ns = clock_monotonic_ns();
    while (clock_monotonic_ns() - start_ns < seconds * NS_PER_S)
        for (unsigned i = 0; i < 64; i++)
            publish(js, sent++, argv[4][0] == '1');
    jsPubOptions wait;
    jsPubOptions_Init(&wait);
    wait.MaxWait = WAIT_MS;
    need(js_PublishAsyncComplete(js, &wait), "the last acknowledgements");
    double took_s = (double)(clock_monotonic_ns() - start_ns) / NS_PER_S;
    printf("{\"events\":%" PRIu64 ",\"faults\":%" PRIu64 ",\"events_per_s\":%.1f}\n", sent,
           __atomic_load_n(&faults, __ATOMIC_RELAXED), (double)sent / took_s);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    return 0;
}
