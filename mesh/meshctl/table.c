#include "mesh/meshctl/table.h"

#include <string.h>

void ctl_table_print(FILE *out, const char *const *cells, size_t columns, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c + 1 < columns; c++) {
            size_t width = 0;
            for (size_t i = 0; i < rows; i++)
                if (strlen(cells[i * columns + c]) > width)
                    width = strlen(cells[i * columns + c]);
            fprintf(out, "%-*s  ", (int)width, cells[r * columns + c]);
        }
        fprintf(out, "%s\n", cells[r * columns + columns - 1]);
    }
}
