#include "tests/interop/flags.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXIT_WRONG_USAGE = 2
};

static void show_help(const flag *flags, size_t count, const char *about)
{
    printf("%s\n\n", about);
    for (size_t i = 0; i < count; i++)
        printf("  --%-46s %s\n", flags[i].name, flags[i].help);
}

_Noreturn static void refuse(const char *argument, const char *mistake)
{
    fprintf(stderr, "%s: %s\nTry --help.\n", argument, mistake);
    exit(EXIT_WRONG_USAGE);
}

/* The flag that an argument names; its value, behind a '=', in *value, else NULL. */
static const flag *find(const char *argument, const flag *flags, size_t count, const char **value)
{
    const char *equals = strchr(argument, '=');
    size_t size = equals != NULL ? (size_t)(equals - argument) : strlen(argument);

    if (size < 2 || strncmp(argument, "--", 2) != 0)
        return NULL;
    *value = equals != NULL ? equals + 1 : NULL;
    for (size_t i = 0; i < count; i++)
        if (strlen(flags[i].name) == size - 2 &&
            strncmp(flags[i].name, argument + 2, size - 2) == 0)
            return &flags[i];
    return NULL;
}

static int read_number(const char *argument, const char *value)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || number < 0 || number > INT_MAX)
        refuse(argument, "must be a number from 0 on");
    return (int)number;
}

static bool read_boolean(const char *argument, const char *value)
{
    if (value == NULL || strcmp(value, "true") == 0)
        return true;
    if (strcmp(value, "false") != 0)
        refuse(argument, "must be true or false");
    return false;
}

void flags_read(int argc, char **argv, const flag *flags, size_t count, const char *about)
{
    for (int i = 1; i < argc; i++) {
        const char *value = NULL;
        const flag *found = find(argv[i], flags, count, &value);

        if (strcmp(argv[i], "--help") == 0) {
            show_help(flags, count, about);
            exit(EXIT_SUCCESS);
        }
        if (found == NULL)
            refuse(argv[i], "there is no such flag");
        if (found->boolean != NULL) {
            *found->boolean = read_boolean(argv[i], value);
            continue;
        }
        if (value == NULL && i + 1 < argc)
            value = argv[++i];
        if (value == NULL)
            refuse(argv[i], "needs a value");
        if (found->number != NULL)
            *found->number = read_number(argv[i], value);
        else
            *found->text = value;
    }
}
