#include "tests/fuzz/fuzz.h"

#include <string.h>

uint8_t fuzz_byte(fuzz_input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

static fuzz_input take(fuzz_input *input, size_t size)
{
    fuzz_input piece = {input->data, size < input->size ? size : input->size};

    input->data += piece.size;
    input->size -= piece.size;
    return piece;
}

fuzz_input fuzz_until(fuzz_input *input, uint8_t stop)
{
    const uint8_t *end = input->size > 0 ? memchr(input->data, stop, input->size) : NULL;
    fuzz_input piece = take(input, end != NULL ? (size_t)(end - input->data) : input->size);

    (void)fuzz_byte(input);
    return piece;
}

fuzz_input fuzz_block(fuzz_input *input)
{
    size_t size = (size_t)fuzz_byte(input) << 8;

    size |= fuzz_byte(input);
    return take(input, size);
}

char *fuzz_text(fuzz_input piece)
{
    char *text = malloc(piece.size + 1);

    FUZZ_CHECK(text != NULL);
    if (piece.size > 0)
        memcpy(text, piece.data, piece.size);
    text[piece.size] = '\0';
    return text;
}
