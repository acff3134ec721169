/*
 * Aggregates whose next version has not come, as an instance sees them: those of events that its
 * lanes hold. For operators. Thread-safe; takes the consumption's mu.
 */
#ifndef MESH_EVENTS_GAPS_H
#define MESH_EVENTS_GAPS_H

#include "mesh/events/lanes.h"
#include "mesh/events/operate.h"

/* Lists them, the one that waits longest first; MESH_GAPS_SHOWN at most. False: the arena is
 * full. */
bool mesh_gaps_list(mesh_consumption *consumption, mesh_arena *arena, const mesh_gap **gaps,
                    size_t *count);

/* Logs the one that waits longest, once it has waited for a tenth of the time after which its
 * events are given up: each once, one every ten seconds at most. For the watcher. */
void mesh_gaps_tell(mesh_consumption *consumption);

/* How many events are held, and for how long the first of them has waited. With mu held. */
void mesh_gaps_figures(const mesh_consumption *consumption, mesh_events_stats *stats);

#endif
