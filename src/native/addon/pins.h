/* Memory of JavaScript's that stays where it is, and its owner's, for as long as a request is in flight. */
#ifndef KAIO_PINS_H
#define KAIO_PINS_H

#include <node_api.h>

/* To be called once per environment, before the others. Returns undefined, or why there are no pins here. */
napi_value pins_open(napi_env env, napi_callback_info info);
napi_value pins_pin(napi_env env, napi_callback_info info);
napi_value pins_unpin(napi_env env, napi_callback_info info);
napi_value pins_is_movable(napi_env env, napi_callback_info info);
napi_value pins_hold(napi_env env, napi_callback_info info);
napi_value pins_is_orphan(napi_env env, napi_callback_info info);

#endif
