/*
 * Comments of a contract as comments of C. What would end the comment, or make a compiler warn
 * (nested openings, trigraphs, line splices, characters that reorder text), is defused.
 */
#ifndef MESH_PLUGIN_COMMENT_H
#define MESH_PLUGIN_COMMENT_H

#include "mesh/plugin/text.h"

/* Adds `comment` as a block, every line after `indent`; nothing when it is NULL or blank. */
void comment_add(text *out, const char *indent, const char *comment);

/* Adds one line of a comment with what is dangerous defused. */
void comment_add_line(text *out, const char *line, size_t size);

#endif
