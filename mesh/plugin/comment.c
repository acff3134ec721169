#include "mesh/plugin/comment.h"

#include <stdbool.h>
#include <string.h>

/* Bidirectional controls of Unicode, in UTF-8: gcc and clang warn of them ("Trojan Source"). */
static const char *const reordering[] = {
    "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae",
    "\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9",
};

static size_t reordering_at(const char *at, size_t size)
{
    for (size_t i = 0; i < sizeof reordering / sizeof *reordering; i++)
        if (size >= 3 && memcmp(at, reordering[i], 3) == 0)
            return 3;
    return 0;
}

void comment_add_line(text *out, const char *line, size_t size)
{
    while (size > 0 && strchr(" \t\r\\", line[size - 1]) != NULL)
        size--; /* a backslash at the end would join the next line */
    for (size_t i = 0; i < size; i++) {
        size_t skip = reordering_at(line + i, size - i);
        if (skip > 0) {
            i += skip - 1;
            continue;
        }
        unsigned char c = (unsigned char)line[i];
        text_add_bytes(out, c < 0x20 && c != '\t' ? " " : line + i, 1);
        bool close = c == '*' && i + 1 < size && line[i + 1] == '/';
        bool open = c == '/' && i + 1 < size && line[i + 1] == '*';
        bool trigraph = c == '?' && i + 1 < size && line[i + 1] == '?';
        if (close || open || trigraph)
            text_add(out, " ");
    }
}

static bool is_blank(const char *comment)
{
    return comment[strspn(comment, " \t\r\n\\")] == '\0';
}

void comment_add(text *out, const char *indent, const char *comment)
{
    if (comment == NULL || is_blank(comment))
        return;
    text_addf(out, "%s/*\n", indent);
    while (*comment != '\0') {
        size_t size = strcspn(comment, "\n");
        text_addf(out, "%s *", indent);
        if (comment[0] != ' ' && size > 0)
            text_add(out, " ");
        comment_add_line(out, comment, size);
        text_add(out, "\n");
        comment += size + (comment[size] == '\n');
    }
    text_addf(out, "%s */\n", indent);
}
