#include "mesh/base/uuid.h"

#include <ctype.h>
#include <stdatomic.h>

#include "mesh/base/clock.h"
#include "mesh/base/hex.h"
#include "mesh/base/random.h"

/*
 * The 60 leading bits of the last id: 48 bits of milliseconds and 12 bits of their fraction (RFC
 * 9562, section 6.2, method 3). Ids made within a step of 244 ns, or while the clock stands behind,
 * count on from it.
 */
static atomic_uint_fast64_t last;

static uint64_t next_time(void)
{
    uint64_t ns = (uint64_t)mesh_clock_wall_ns();
    uint64_t now = ns / 1000000 << 12 | ns % 1000000 * 4096 / 1000000;
    uint_fast64_t before = atomic_load_explicit(&last, memory_order_relaxed);
    uint64_t next;

    do {
        next = now > before ? now : before + 1;
    } while (!atomic_compare_exchange_weak_explicit(&last, &before, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return next;
}

void mesh_uuid_v7(char *text)
{
    uint64_t time = next_time();
    uint8_t id[16];

    for (int i = 0; i < 6; i++)
        id[i] = (uint8_t)(time >> (52 - 8 * i));
    mesh_random_id(id + 8, 8);
    id[6] = 0x70 | ((time >> 8) & 0x0f); /* version 7 */
    id[7] = (uint8_t)time;
    id[8] = 0x80 | (id[8] & 0x3f); /* variant */

    text = mesh_hex_write(text, id, 4);
    *text++ = '-';
    for (int i = 4; i < 10; i += 2) {
        text = mesh_hex_write(text, id + i, 2);
        *text++ = '-';
    }
    text = mesh_hex_write(text, id + 10, 6);
    *text = '\0';
}

bool mesh_uuid_valid(const char *text)
{
    for (int i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return text[36] == '\0';
}
