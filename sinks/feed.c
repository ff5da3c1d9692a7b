/* feed.c - hunt after hunt: read when it has changed, compared with what was told last, published.
 */
#include "sinks/feed.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conf/subject.h"
#include "dataplane/base/clock.h"
#include "sinks/fault.h"
#include "sinks/feed_rows.h"
#include "sinks/nats.h"
#include "sinks/secret.h"

#define IDLE_NS      (200 * NS_PER_MS) /* without an address, and until the next look */
#define RETRY_MIN_NS (100 * NS_PER_MS)
#define RETRY_MAX_NS (5 * NS_PER_S)
#define SHARE        9 /* times as long as it has worked it rests */

/* What was told of a hunt. */
struct told {
    char hunt[EVENT_NAME_MAX + 1];
    uint64_t changes; /* of the board, then */
    uint64_t version;
    uint64_t full_ns;
    uint32_t users;
    bool is_told; /* since the last connect */
    struct feed_rows rows;
};

struct feed {
    struct board *board;
    char pop[CONF_NAME_MAX + 1], host[CONF_NAME_MAX + 1];
    pthread_mutex_t lock;
    struct conf_feed wanted;   /* under the lock */
    bool changed;              /* under the lock */
    struct feed_report report; /* under the lock */
    _Atomic bool cancel;

    struct conf_feed conf;
    struct nats *link;
    struct nats_reply reply;
    uint64_t tag;
    unsigned failures;
    struct told *told[BOARD_HUNTS_MAX]; /* in the order of the board's hunts */
    struct board_hunt hunts[BOARD_HUNTS_MAX];
    struct board_view view;
    struct feed_rows now;
    char message[FEED_BYTES_MAX];
};

struct feed *feed_new(struct board *board, const char *pop, const char *host)
{
    struct feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return NULL;
    feed->board = board;
    snprintf(feed->pop, sizeof feed->pop, "%s", pop);
    snprintf(feed->host, sizeof feed->host, "%s", host);
    pthread_mutex_init(&feed->lock, NULL);
    return feed;
}

static void forget(struct feed *feed)
{
    for (unsigned i = 0; i < BOARD_HUNTS_MAX; i++) {
        free(feed->told[i]);
        feed->told[i] = NULL;
    }
}

void feed_free(struct feed *feed)
{
    if (!feed)
        return;
    nats_close(feed->link);
    forget(feed);
    pthread_mutex_destroy(&feed->lock);
    free(feed);
}

static bool is_same(const struct conf_feed *a, const struct conf_feed *b)
{
    return strcmp(a->address, b->address) == 0 && strcmp(a->user, b->user) == 0 &&
           strcmp(a->password_file, b->password_file) == 0 && strcmp(a->subject, b->subject) == 0 &&
           a->by == b->by && a->top == b->top && a->every_ns == b->every_ns &&
           a->timeout_ns == b->timeout_ns;
}

void feed_configure(struct feed *feed, const struct conf_feed *conf)
{
    pthread_mutex_lock(&feed->lock);
    feed->changed |= !is_same(&feed->wanted, conf);
    feed->wanted = *conf;
    pthread_mutex_unlock(&feed->lock);
}

void feed_cancel(struct feed *feed)
{
    atomic_store(&feed->cancel, true);
}

void feed_report(struct feed *feed, struct feed_report *report)
{
    pthread_mutex_lock(&feed->lock);
    *report = feed->report;
    pthread_mutex_unlock(&feed->lock);
}

/* ---- the connection ---- */

static void say(struct feed *feed, const char *error, uint64_t messages)
{
    pthread_mutex_lock(&feed->lock);
    feed->report.messages += messages;
    feed->report.errors += *error != '\0';
    snprintf(feed->report.error, sizeof feed->report.error, "%s", error);
    pthread_mutex_unlock(&feed->lock);
}

/* Says what went wrong; returns how long to wait until it is tried again. */
static uint64_t fail(struct feed *feed, const char *why)
{
    char text[200];
    snprintf(text, sizeof text, "%.60s: %.120s", feed->conf.address, why);
    fault_clean(text);
    say(feed, text, 0);
    nats_close(feed->link);
    feed->link = NULL;
    uint64_t ns = RETRY_MIN_NS << (feed->failures < 6 ? feed->failures : 6);
    feed->failures++;
    ns = ns < RETRY_MAX_NS ? ns : RETRY_MAX_NS;
    return ns / 2 + (uint64_t)random() % (ns / 2);
}

static int connect_link(struct feed *feed, char error[160])
{
    char password[SECRET_MAX + 2] = "";
    const struct conf_feed *conf = &feed->conf;
    if (conf->password_file[0]) {
        int rc = secret_read(conf->password_file, password);
        if (rc < 0) {
            snprintf(error, 160, "password_file: %s", strerror(-rc));
            return rc;
        }
    }
    const struct nats_settings settings = {
        .servers = conf->address,
        .user = conf->user[0] ? conf->user : NULL,
        .password = conf->user[0] ? password : NULL,
        .timeout_ns = conf->timeout_ns,
        .cancel = &feed->cancel,
    };
    int rc = nats_open(&feed->link, &settings, error);
    secret_wipe(password);
    for (unsigned i = 0; !rc && i < BOARD_HUNTS_MAX; i++)
        if (feed->told[i])
            feed->told[i]->is_told = false;
    return rc;
}

/* A message to oneself comes back when the server has had those in front of it. */
static int ping(struct feed *feed)
{
    uint64_t tag = feed->tag++;
    int rc = nats_ping(feed->link, tag);
    while (!rc) {
        rc = nats_receive(feed->link, &feed->reply);
        if (!rc && feed->reply.tag == tag)
            break;
    }
    return rc;
}

/* ---- a round ---- */

static int publish(struct feed *feed, const struct told *told, size_t len)
{
    char subject[SUBJECT_MAX];
    subject_expand(feed->conf.subject,
                   &(struct subject_names){
                       .hunt = told->hunt, .outcome = "", .pop = feed->pop, .host = feed->host},
                   subject);
    return len > nats_max_payload(feed->link) ? -EMSGSIZE
                                              : nats_send(feed->link, subject, feed->message, len);
}

static void read_rows(struct feed *feed, const char *hunt)
{
    feed->view.row_count = 0;
    (void)board_read(feed->board, hunt, feed->conf.by, feed->conf.top, NULL, &feed->view);
    feed->now.count = feed->view.row_count < FEED_ROWS_MAX ? feed->view.row_count : FEED_ROWS_MAX;
    memcpy(feed->now.row, feed->view.rows, feed->now.count * sizeof *feed->now.row);
}

/* Tells one hunt, in full where that is due.  Returns messages, or a negative errno. */
static int tell(struct feed *feed, struct told *told, const struct board_hunt *hunt, uint64_t now)
{
    bool full = !told->is_told || now - told->full_ns >= FEED_FULL_NS;
    if (told->changes == hunt->changes && told->version) {
        if (!full)
            return 0;
        feed->now = told->rows;
    } else {
        read_rows(feed, hunt->name);
        told->users = feed->view.user_count;
    }
    size_t len = feed_rows_encode(told->hunt, feed->conf.by, told->version + 1, told->users,
                                  full ? NULL : &told->rows, &feed->now, feed->message);
    int rc = len ? publish(feed, told, len) : 0;
    if (rc)
        return rc;
    told->rows = feed->now;
    told->changes = hunt->changes;
    told->version += len != 0;
    told->is_told = true;
    if (full)
        told->full_ns = now;
    return len != 0;
}

static int tell_all(struct feed *feed, uint64_t now)
{
    uint32_t count = board_hunts(feed->board, feed->hunts);
    int messages = 0;
    for (uint32_t i = 0; i < count && !atomic_load(&feed->cancel); i++) {
        if (!feed->told[i]) {
            feed->told[i] = calloc(1, sizeof *feed->told[i]);
            if (!feed->told[i])
                return -ENOMEM;
            snprintf(feed->told[i]->hunt, sizeof feed->told[i]->hunt, "%s", feed->hunts[i].name);
        }
        int rc = tell(feed, feed->told[i], &feed->hunts[i], now);
        if (rc < 0)
            return rc;
        messages += rc;
    }
    return messages;
}

static void take_conf(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    bool changed = feed->changed;
    feed->conf = feed->wanted;
    feed->changed = false;
    if (changed)
        feed->report.error[0] = '\0';
    pthread_mutex_unlock(&feed->lock);
    if (!changed)
        return;
    nats_close(feed->link);
    feed->link = NULL;
    feed->failures = 0;
    forget(feed);
}

static uint64_t worked_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t feed_poll(struct feed *feed)
{
    char error[160];
    take_conf(feed);
    if (!feed->conf.address[0])
        return IDLE_NS;
    if (!feed->link && connect_link(feed, error))
        return fail(feed, error);
    uint64_t began = worked_ns();
    int messages = tell_all(feed, clock_monotonic_ns());
    uint64_t worked = worked_ns() - began;
    int rc = messages < 0 ? messages : ping(feed);
    if (rc)
        return fail(feed, rc == -ECONNRESET ? nats_error(feed->link) : strerror(-rc));
    say(feed, "", (uint64_t)messages);
    feed->failures = 0;
    return SHARE * worked > feed->conf.every_ns ? SHARE * worked : feed->conf.every_ns;
}
