/* table_feed.c - the keys of leaderboards, and what they have to do with each other. */
#include <stdio.h>
#include <string.h>

#include "conf/check.h"
#include "conf/subject.h"
#include "conf/table_row.h"

#define DEFAULT_SUBJECT "trove.board.{hunt}"
#define FEED(member)    AT(struct conf, feed.member)

static const char *const order_words[] = {"awards", "claims", "score", NULL};

static const struct key feed_keys[] = {
    {"address", KEY_TEXT, KEY_HOT, FEED(address), .absent = "none",
     .help = "the NATS servers that changes of leaderboards are published on, up to 8 of HOST:PORT "
             "or '[IPV6]:PORT', separated by commas; without it nothing is published"},
    {"user", KEY_NAME, KEY_HOT, FEED(user), .max = CONF_NAME_MAX,
     .absent = "the server's default user", .help = "who to log in as"},
    {"password_file", KEY_PATH, KEY_HOT, FEED(password_file), .absent = "none",
     .help = "the file whose first line is the password, read at each connect; relative to "
             "data_dir"},
    {"subject", KEY_TEXT, KEY_HOT, FEED(subject), .absent = DEFAULT_SUBJECT,
     .help =
         "where messages go; {hunt}, {pop} and {host} stand for what they say, with _ for dots"},
    {"by", KEY_CHOICE, KEY_HOT, FEED(by), .words = order_words, .fallback = "awards",
     .help = "what users are ranked by"},
    {"top", KEY_NUMBER, KEY_HOT, FEED(top), .min = 1, .max = 200, .fallback = "50",
     .help = "how many users of a hunt are told"},
    {"every", KEY_TIME, KEY_HOT, FEED(every_ns), .min = 100 * MILLISECOND, .max = MINUTE,
     .fallback = "500ms", .help = "between two messages of a hunt, at least"},
    {"timeout", KEY_TIME, KEY_HOT, FEED(timeout_ns), .min = 10 * MILLISECOND, .max = MINUTE,
     .fallback = "2s", .help = "the longest that connecting or a server's sign of life may take"},
    {0},
};

static void check_feed(struct reader *r, const struct yaml_node *map, void *base)
{
    struct conf_feed *feed = &((struct conf *)base)->feed;
    const struct yaml_node *subject = yaml_find(map, "subject");
    const struct yaml_node *user = yaml_find(map, "user");
    check_servers(r, map, feed->address, "10.0.0.1:4222, 10.0.0.2:4222");
    if (!subject)
        snprintf(feed->subject, sizeof feed->subject, "%s", DEFAULT_SUBJECT);
    if (subject && (subject_check(feed->subject) || strstr(feed->subject, "{outcome}")))
        diag_add(r->diags, reader_at(r, subject), "bad_value",
                 "subject must be words of letters, digits, _, - and up to %d of {hunt}, {pop} and "
                 "{host}, with dots between them, not %s",
                 SUBJECT_PLACES_MAX, reader_quote(r, subject));
    if (user && !feed->password_file[0])
        diag_add(r->diags, reader_at(r, user), "conflict",
                 "user needs password_file, the file that has the password");
}

const struct key_set table_feed = {.noun = "leaderboards", .keys = feed_keys, .check = check_feed};
