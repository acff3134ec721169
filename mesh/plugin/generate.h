/* One run of the generator: from the bytes of a request to the bytes of the response. */
#ifndef MESH_PLUGIN_GENERATE_H
#define MESH_PLUGIN_GENERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "mesh/plugin/text.h"

/*
 * Adds the encoded CodeGeneratorResponse to `output`. False when there is no answer, since the
 * request is malformed; `why` then says what is wrong.
 */
bool generate(const uint8_t *data, size_t size, text *output, text *why);

#endif
