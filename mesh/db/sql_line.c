#include "mesh/db/sql_line.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

size_t mesh_db_line_of_position(const char *sql, size_t position)
{
    size_t line = 1;
    for (; *sql != '\0'; sql++) {
        /* A continuation byte belongs to the character before it. */
        if (((unsigned char)*sql & 0xc0) != 0x80 && --position == 0)
            break;
        if (*sql == '\n')
            line++;
    }
    return line;
}

static const char *skip_to(const char *at, const char *end_mark)
{
    const char *found = strstr(at, end_mark);
    return found != NULL ? found + strlen(end_mark) : at + strlen(at);
}

/* 'text', "name": a doubled quote reads as two neighbours, which comes to the same. In E'...' a
 * backslash takes the next character along. */
static const char *skip_quoted(const char *at, bool escapes)
{
    char quote = *at++;
    for (; *at != '\0' && *at != quote; at++) {
        if (escapes && *at == '\\' && at[1] != '\0')
            at++;
    }
    return *at == '\0' ? at : at + 1;
}

/* Comments nest, unlike in C. */
static const char *skip_comment(const char *at)
{
    size_t depth = 0;
    do {
        if (strncmp(at, "/*", 2) == 0) {
            depth++;
            at += 2;
        } else if (strncmp(at, "*/", 2) == 0) {
            depth--;
            at += 2;
        } else if (*at != '\0') {
            at++;
        }
    } while (depth > 0 && *at != '\0');
    return at;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* $$text$$ or $tag$text$tag$; `at` stays where it is when it is something else, such as $1. */
static const char *skip_dollar_quoted(const char *at)
{
    const char *end = at + 1;
    char tag[66];
    if (isdigit((unsigned char)*end))
        return at;
    while (is_word(*end))
        end++;
    size_t size = (size_t)(end + 1 - at);
    if (*end != '$' || size >= sizeof tag)
        return at;
    memcpy(tag, at, size);
    tag[size] = '\0';
    return skip_to(end + 1, tag);
}

/* Behind what begins at `at` and is no part of a statement: space and comments; else `at`. */
static const char *skip_space(const char *at)
{
    if (isspace((unsigned char)*at))
        return at + 1;
    if (strncmp(at, "--", 2) == 0)
        return at + strcspn(at, "\n");
    if (strncmp(at, "/*", 2) == 0)
        return skip_comment(at);
    return at;
}

/* Behind the token that begins at `at`. */
static const char *skip_token(const char *at)
{
    if (*at == '\'' || *at == '"')
        return skip_quoted(at, false);
    if ((*at == 'E' || *at == 'e') && at[1] == '\'')
        return skip_quoted(at + 1, true);
    if (*at == '$') {
        const char *behind = skip_dollar_quoted(at);
        return behind != at ? behind : at + 1;
    }
    if (is_word(*at)) {
        while (is_word(*at) || *at == '$')
            at++;
        return at;
    }
    return at + 1;
}

size_t mesh_db_line_of_statement(const char *sql, size_t index)
{
    const char *at = sql, *start = NULL;
    size_t seen = 0;
    while (*at != '\0') {
        const char *behind = skip_space(at);
        if (behind != at) {
            at = behind;
        } else if (*at == ';') {
            if (start != NULL && seen++ == index)
                break;
            start = NULL;
            at++;
        } else {
            if (start == NULL)
                start = at;
            at = skip_token(at);
        }
    }
    size_t line = 1;
    for (at = sql; start != NULL && at < start; at++)
        line += *at == '\n';
    return line;
}
