/* text_time.c - RFC 3339 date-times (section 5.6), in the proleptic Gregorian calendar. */
#include <errno.h>

#include "dataplane/base/text.h"

#define TIME_MS_MAX   INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */
#define SECONDS_A_DAY 86400
/* Years start in March here, so that the leap day comes last; an era is 400 such years. */
#define DAYS_AN_ERA       146097
#define DAYS_TO_1970      719468 /* from 0000-03-01 */
#define DATE_TIME_LEN_MIN 20

struct date {
    int year;
    int month; /* [1, 12] */
    int day;   /* [1, 31] */
};

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int year, int month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days since 1970-01-01 of a date in the years 0 to 9999.  A month that starts the shifted year m
 * months in begins (153 m + 2) / 5 days in. */
static int days_from_date(struct date d)
{
    int year = d.year - (d.month <= 2) + 400; /* never negative */
    int month = (d.month + 9) % 12;
    int day_of_year = (153 * month + 2) / 5 + d.day - 1;
    int year_of_era = year % 400;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (year / 400 - 1) * DAYS_AN_ERA + day_of_era - DAYS_TO_1970;
}

static struct date date_from_days(int days)
{
    days += DAYS_TO_1970;
    int era = days / DAYS_AN_ERA;
    int day_of_era = days % DAYS_AN_ERA;
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (5 * day_of_year + 2) / 153;
    struct date d = {
        .year = year_of_era + era * 400 + (month > 9),
        .month = month > 9 ? month - 9 : month + 3,
        .day = day_of_year - (153 * month + 2) / 5 + 1,
    };
    return d;
}

/* number reads count digits, or returns -1. */
static int number(const uint8_t *text, unsigned count)
{
    int n = 0;
    for (unsigned i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        n = n * 10 + (text[i] - '0');
    }
    return n;
}

/* parse_fraction reads "." and digits, if there, at *at, as milliseconds; -1 when no digit follows
 * the point. */
static int parse_fraction(const uint8_t *text, size_t len, size_t *at)
{
    if (text[*at] != '.')
        return 0;
    size_t first = ++*at;
    int ms = 0;
    int scale = 100;
    for (; *at < len && text[*at] >= '0' && text[*at] <= '9'; ++*at) {
        ms += (text[*at] - '0') * scale;
        scale /= 10;
    }
    return *at == first ? -1 : ms;
}

/* parse_offset reads "Z" or an offset in seconds, which must end the text. */
static int parse_offset(const uint8_t *text, size_t len, int *seconds)
{
    *seconds = 0;
    if (len == 1)
        return (text[0] | 0x20) == 'z' ? 0 : -EINVAL;
    if (len != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
        return -EINVAL;
    int hours = number(text + 1, 2);
    int minutes = number(text + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return -EINVAL;
    *seconds = (hours * 60 + minutes) * 60 * (text[0] == '-' ? -1 : 1);
    return 0;
}

/* parse_date reads "2026-11-20T". */
static int parse_date(const uint8_t *text, struct date *d)
{
    d->year = number(text, 4);
    d->month = number(text + 5, 2);
    d->day = number(text + 8, 2);
    if (d->year < 0 || d->month < 1 || d->month > 12 || d->day < 1)
        return -EINVAL;
    if (text[4] != '-' || text[7] != '-' || (text[10] | 0x20) != 't')
        return -EINVAL;
    return d->day > days_in_month(d->year, d->month) ? -EINVAL : 0;
}

/* parse_clock reads "12:00:01" as seconds; 60 is a second like any other here. */
static int parse_clock(const uint8_t *text, bool *leap)
{
    int hour = number(text, 2);
    int minute = number(text + 3, 2);
    int second = number(text + 6, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return -EINVAL;
    if (text[2] != ':' || text[5] != ':')
        return -EINVAL;
    *leap = second == 60;
    return (hour * 60 + minute) * 60 + second;
}

/* A leap second ends a month, in UTC (section 5.7): what follows it is the first of one. */
static bool is_behind_leap(int64_t seconds)
{
    return seconds >= 0 && seconds % SECONDS_A_DAY == 0 &&
           date_from_days((int)(seconds / SECONDS_A_DAY)).day == 1;
}

int text_time_parse(const uint8_t *text, size_t len, int64_t *time_ms)
{
    struct date date;
    bool leap = false;
    if (len < DATE_TIME_LEN_MIN || parse_date(text, &date))
        return -EINVAL;
    int clock = parse_clock(text + 11, &leap);
    size_t at = 19;
    int ms = parse_fraction(text, len, &at);
    int offset;
    if (clock < 0 || ms < 0 || parse_offset(text + at, len - at, &offset))
        return -EINVAL;
    int64_t seconds = (int64_t)days_from_date(date) * SECONDS_A_DAY + clock - offset;
    if (leap && seconds >= 0 && !is_behind_leap(seconds))
        return -EINVAL;
    int64_t total_ms = seconds * 1000 + ms;
    if (total_ms < 0 || total_ms > TIME_MS_MAX)
        return -ERANGE;
    *time_ms = total_ms;
    return 0;
}

static char *put_pair(char *out, unsigned value, char behind)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
    out[2] = behind;
    return out + 3;
}

/* Every outcome that a sink gets has one: printf took a good part of the time of its line. */
void text_time_format(int64_t time_ms, char out[TEXT_TIME_LEN + 1])
{
    /* What does not fit in 24 characters shows as the nearest that does. */
    time_ms = time_ms < 0 ? 0 : time_ms > TIME_MS_MAX ? TIME_MS_MAX : time_ms;
    struct date d = date_from_days((int)(time_ms / 1000 / SECONDS_A_DAY));
    unsigned clock = (unsigned)(time_ms / 1000 % SECONDS_A_DAY), ms = (unsigned)(time_ms % 1000);
    unsigned year = (unsigned)d.year;
    (void)put_pair(out, year / 100, '-');
    out = put_pair(out + 2, year % 100, '-');
    out = put_pair(out, (unsigned)d.month, '-');
    out = put_pair(out, (unsigned)d.day, 'T');
    out = put_pair(out, clock / 3600, ':');
    out = put_pair(out, clock / 60 % 60, ':');
    out = put_pair(out, clock % 60, '.');
    out = put_pair(out, ms / 10, (char)('0' + ms % 10));
    out[0] = 'Z';
    out[1] = '\0';
}
