/*
 * Channels of the attacker's process. Channels with the same options would share a connection, so
 * each purpose has options of its own.
 */
#ifndef TESTS_ATTACK_CHANNEL_H
#define TESTS_ATTACK_CHANNEL_H

#include "mesh/base/clock.h"
#include "mesh/rpc/channel.h"
#include "tests/attack/attempt.h"

/* 0, 1, ... are the new connections that are tried when the attack is over. */
enum {
    CHANNEL_OF_ATTACKS = -1,
    CHANNEL_OF_OTHERS = -2
};

/* NULL: out of memory, or the target's name cannot be one. */
mesh_channel *channel_connect(const attempt *attempt, int purpose);

/* Calls the method with an empty message; true when it was answered in time with OK. */
bool channel_call(mesh_channel *channel, const mesh_method *method, int64_t timeout_ms);

/* A method of this path: a unary one for channel_call, or a stream of bytes made by hand. */
mesh_method channel_method(const char *path, mesh_method_kind kind);

#endif
