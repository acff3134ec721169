#include "mesh/meshctl/suggest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t ctl_distance(const char *a, const char *b)
{
    size_t a_size = least(strlen(a), CTL_SUGGEST_NAME_BYTES - 1);
    size_t b_size = least(strlen(b), CTL_SUGGEST_NAME_BYTES - 1);
    size_t rows[3][CTL_SUGGEST_NAME_BYTES];
    size_t *two_ago = rows[0], *ago = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_size; j++)
        ago[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            int from = tolower((unsigned char)a[i - 1]), to = tolower((unsigned char)b[j - 1]);
            size_t best = least(least(ago[j], now[j - 1]) + 1, ago[j - 1] + (from != to));
            if (i > 1 && j > 1 && from == tolower((unsigned char)b[j - 2]) &&
                to == tolower((unsigned char)a[i - 2]))
                best = least(best, two_ago[j - 2] + 1);
            now[j] = best;
        }
        size_t *free_row = two_ago;
        two_ago = ago;
        ago = now;
        now = free_row;
    }
    return ago[b_size];
}

ctl_suggestions ctl_suggest_begin(const char *wanted)
{
    return (ctl_suggestions){.wanted = wanted};
}

void ctl_suggest_offer(ctl_suggestions *near, const char *name)
{
    size_t distance = ctl_distance(near->wanted, name);
    size_t size = strlen(near->wanted);
    /* A name that only goes on is near, too: "Create" for "CreateOrder". */
    if (size >= 3 && strncasecmp(name, near->wanted, size) == 0 && distance > 1)
        distance = 1;
    if (distance > 1 + size / 4)
        return;
    for (size_t i = 0; i < near->count; i++)
        if (strcmp(near->names[i], name) == 0)
            return;
    size_t at = near->count;
    while (at > 0 && near->distances[at - 1] > distance)
        at--;
    if (at == CTL_SUGGEST_MOST)
        return;
    size_t last = near->count < CTL_SUGGEST_MOST ? near->count++ : CTL_SUGGEST_MOST - 1;
    for (; last > at; last--) {
        near->names[last] = near->names[last - 1];
        near->distances[last] = near->distances[last - 1];
    }
    near->names[at] = name;
    near->distances[at] = distance;
}

void ctl_suggest_end(const ctl_suggestions *near, char *text, size_t size)
{
    /* What is much farther away than the nearest is noise. */
    size_t count = near->count;
    while (count > 1 && near->distances[count - 1] > near->distances[0] + 1)
        count--;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s",
                 i == 0           ? "; did you mean "
                 : i + 1 == count ? " or "
                                  : ", ",
                 near->names[i]);
    }
    if (count > 0)
        snprintf(text + strlen(text), size - strlen(text), "?");
}
