#include <string.h>

#include "mesh/db/rows.h"

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

bool mesh_db_time_parse(const char *text, int64_t *wall_ns)
{
    if (strcmp(text, "infinity") == 0 || strcmp(text, "-infinity") == 0) {
        *wall_ns = text[0] == '-' ? INT64_MIN : INT64_MAX;
        return true;
    }
    int64_t year, month, day, hour, minute, second, micros = 0;
    int digits;
    if (!number(&text, &year, &digits) || !skip(&text, '-') || !number(&text, &month, &digits) ||
        !skip(&text, '-') || !number(&text, &day, &digits) || !skip(&text, ' ') ||
        !number(&text, &hour, &digits) || !skip(&text, ':') || !number(&text, &minute, &digits) ||
        !skip(&text, ':') || !number(&text, &second, &digits))
        return false;
    if (skip(&text, '.')) {
        if (!number(&text, &micros, &digits) || digits > 6)
            return false;
        for (; digits < 6; digits++)
            micros *= 10;
    }
    if (strncmp(text, "+00", 3) != 0)
        return false;
    text += 3;
    bool before_christ = strcmp(text, " BC") == 0;
    if (!before_christ && *text != '\0')
        return false;
    if (before_christ || year < 1678 || year > 2261) {
        *wall_ns = before_christ || year < 1678 ? INT64_MIN : INT64_MAX;
        return true;
    }
    int64_t seconds = days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 +
                      second;
    *wall_ns = seconds * 1000000000 + micros * 1000;
    return true;
}
