#include "mesh/base/clock.h"

#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now); /* cannot fail for these clocks */
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t mesh_clock_monotonic_ns(void)
{
    return now_ns(CLOCK_MONOTONIC);
}

int64_t mesh_clock_wall_ns(void)
{
    return now_ns(CLOCK_REALTIME);
}

int64_t mesh_clock_add_ms(int64_t from_ns, int64_t ms)
{
    int64_t sum;

    if (__builtin_mul_overflow(ms, NS_PER_MS, &sum) || __builtin_add_overflow(from_ns, sum, &sum))
        return ms < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

int64_t mesh_clock_deadline_ns(int64_t timeout_ms)
{
    return mesh_clock_add_ms(mesh_clock_monotonic_ns(), timeout_ms);
}

int64_t mesh_clock_left_ms(int64_t deadline_ns)
{
    int64_t now = mesh_clock_monotonic_ns();

    if (deadline_ns == MESH_NO_DEADLINE)
        return INT64_MAX;
    if (deadline_ns <= now)
        return 0;
    return (deadline_ns - now - 1) / NS_PER_MS + 1;
}

/* Writes a number of exactly `count` digits and what follows it. */
static char *put_digits(char *text, int number, int count, char end)
{
    for (int i = count - 1; i >= 0; i--, number /= 10)
        text[i] = (char)('0' + number % 10);
    text[count] = end;
    return text + count + 1;
}

void mesh_clock_format(int64_t wall_ns, char *text)
{
    time_t seconds = wall_ns / NS_PER_S;
    int64_t rest = wall_ns % NS_PER_S;
    struct tm utc = {0};

    if (rest < 0) { /* before 1970: the fraction still counts forward */
        rest += NS_PER_S;
        seconds--;
    }
    gmtime_r(&seconds, &utc); /* an int64_t of nanoseconds ends in the year 2262 */
    text = put_digits(text, utc.tm_year + 1900, 4, '-');
    text = put_digits(text, utc.tm_mon + 1, 2, '-');
    text = put_digits(text, utc.tm_mday, 2, 'T');
    text = put_digits(text, utc.tm_hour, 2, ':');
    text = put_digits(text, utc.tm_min, 2, ':');
    text = put_digits(text, utc.tm_sec, 2, '.');
    text = put_digits(text, (int)(rest / 1000), 6, 'Z');
    *text = '\0';
}
