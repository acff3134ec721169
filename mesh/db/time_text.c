#include "mesh/db/time_text.h"

#include <string.h>

/* Reads digits up to a character that is none; false without any, or with more than nine. */
static bool number(const char **text, int64_t *value, int *digits)
{
    *value = 0;
    *digits = 0;
    for (; **text >= '0' && **text <= '9'; ++*text) {
        *value = *value * 10 + (**text - '0');
        if (++*digits > 9)
            return false;
    }
    return *digits > 0;
}

static bool skip(const char **text, char expected)
{
    if (**text != expected)
        return false;
    ++*text;
    return true;
}

/* Days since 1970-01-01 in the Gregorian calendar. Years start in March here, so that a leap day
 * is the last of its year. */
static int64_t days_since_epoch(int64_t year, int64_t month, int64_t day)
{
    if (month <= 2)
        year--;
    int64_t month_from_march = (month + 9) % 12;
    int64_t leap_days = year / 4 - year / 100 + year / 400;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    return year * 365 + leap_days + day_of_year - 719468;
}

/* "08:15:30.123456" to nanoseconds of the day. */
static bool time_of_day(const char **text, int64_t *ns)
{
    int64_t hour, minute, second, fraction = 0;
    int digits;
    if (!number(text, &hour, &digits) || !skip(text, ':') || !number(text, &minute, &digits) ||
        !skip(text, ':') || !number(text, &second, &digits))
        return false;
    if (skip(text, '.')) {
        if (!number(text, &fraction, &digits))
            return false;
        for (; digits < 9; digits++)
            fraction *= 10;
    }
    *ns = (hour * 3600 + minute * 60 + second) * 1000000000 + fraction;
    return hour < 24 && minute < 60 && second <= 60;
}

bool mesh_time_parse(const char *text, int64_t *wall_ns)
{
    if (strcmp(text, "infinity") == 0 || strcmp(text, "-infinity") == 0) {
        *wall_ns = text[0] == '-' ? INT64_MIN : INT64_MAX;
        return true;
    }
    int64_t year, month, day, of_day;
    int digits;
    if (!number(&text, &year, &digits) || !skip(&text, '-') || !number(&text, &month, &digits) ||
        !skip(&text, '-') || !number(&text, &day, &digits) ||
        (!skip(&text, ' ') && !skip(&text, 'T')) || !time_of_day(&text, &of_day))
        return false;
    bool before_christ = strcmp(text, "+00 BC") == 0;
    if (!before_christ && strcmp(text, "+00") != 0 && strcmp(text, "Z") != 0)
        return false;
    if (month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    if (before_christ || year < 1678 || year > 2261)
        *wall_ns = before_christ || year < 1678 ? INT64_MIN : INT64_MAX;
    else
        *wall_ns = days_since_epoch(year, month, day) * 86400 * 1000000000 + of_day;
    return true;
}
