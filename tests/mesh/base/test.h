/* What every test of this tree includes first: cmocka with what it needs. */
#ifndef TESTS_MESH_BASE_TEST_H
#define TESTS_MESH_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#endif
