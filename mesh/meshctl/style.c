#include "mesh/meshctl/style.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool ctl_style_wanted(FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(fileno(stream)) && (no_colour == NULL || no_colour[0] == '\0') &&
           terminal != NULL && strcmp(terminal, "dumb") != 0;
}

const char *ctl_style(bool coloured, ctl_colour colour)
{
    static const char *const sequences[] = {"\033[0m", "\033[1m", "\033[31m", "\033[32m",
                                            "\033[33m"};
    return coloured ? sequences[colour] : "";
}
