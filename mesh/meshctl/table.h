/* Aligned columns. */
#ifndef MESH_MESHCTL_TABLE_H
#define MESH_MESHCTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

/* Prints `rows` rows of `columns` cells each, the first column first. The last one is not padded,
 * so that it may hold colours. */
void ctl_table_print(FILE *out, const char *const *cells, size_t columns, size_t rows);

#endif
