/* What the files of mesh/service/operate.h share. Internal. */
#ifndef MESH_SERVICE_OPERATE_IMPL_H
#define MESH_SERVICE_OPERATE_IMPL_H

#include "mesh/events/v1/events.mesh.h"
#include "mesh/service/operate.h"
#include "mesh/service/tails.h"

/* All immutable. */
struct mesh_operate {
    const mesh_service *service;
    mesh_db *db;
    mesh_events *events;
    mesh_sagas *sagas; /* NULL: it has none */
    mesh_tails *tails;
};

/* Ends a message about a name that is not there with one that is: "; it has A, B". */
void mesh_operate_offer(mesh_error *err, size_t index, const char *name);

/* Handlers of operate_consumer.c. */
mesh_code mesh_operate_get_consumer(void *self, mesh_call *call,
                                    const Mesh__Events__V1__GetConsumerRequest *request,
                                    Mesh__Events__V1__Consumer *response, mesh_error *err);
mesh_code mesh_operate_pause_consumer(void *self, mesh_call *call,
                                      const Mesh__Events__V1__PauseConsumerRequest *request,
                                      Mesh__Events__V1__Consumer *response, mesh_error *err);
mesh_code mesh_operate_resume_consumer(void *self, mesh_call *call,
                                       const Mesh__Events__V1__ResumeConsumerRequest *request,
                                       Mesh__Events__V1__Consumer *response, mesh_error *err);
mesh_code mesh_operate_list_dead_letters(void *self, mesh_call *call,
                                         const Mesh__Events__V1__ListDeadLettersRequest *request,
                                         Mesh__Events__V1__ListDeadLettersResponse *response,
                                         mesh_error *err);
mesh_code mesh_operate_get_dead_letter(void *self, mesh_call *call,
                                       const Mesh__Events__V1__GetDeadLetterRequest *request,
                                       Mesh__Events__V1__DeadLetter *response, mesh_error *err);
mesh_code mesh_operate_replay_dead_letter(void *self, mesh_call *call,
                                          const Mesh__Events__V1__ReplayDeadLetterRequest *request,
                                          Mesh__Events__V1__ReplayDeadLetterResponse *response,
                                          mesh_error *err);
mesh_code mesh_operate_drop_dead_letter(void *self, mesh_call *call,
                                        const Mesh__Events__V1__DropDeadLetterRequest *request,
                                        Mesh__Events__V1__DropDeadLetterResponse *response,
                                        mesh_error *err);

/* Handlers of operate_sagas.c. */
mesh_code mesh_operate_list_sagas(void *self, mesh_call *call,
                                  const Mesh__Events__V1__ListSagasRequest *request,
                                  Mesh__Events__V1__ListSagasResponse *response, mesh_error *err);
mesh_code mesh_operate_get_saga(void *self, mesh_call *call,
                                const Mesh__Events__V1__GetSagaRequest *request,
                                Mesh__Events__V1__Saga *response, mesh_error *err);
mesh_code mesh_operate_retry_saga(void *self, mesh_call *call,
                                  const Mesh__Events__V1__RetrySagaRequest *request,
                                  Mesh__Events__V1__Saga *response, mesh_error *err);
mesh_code mesh_operate_resolve_saga(void *self, mesh_call *call,
                                    const Mesh__Events__V1__ResolveSagaRequest *request,
                                    Mesh__Events__V1__Saga *response, mesh_error *err);

#endif
