/* The ABI as the compiler saw it. */
#ifndef KAIO_ABI_H
#define KAIO_ABI_H

#include <node_api.h>

/* Sizes, offsets and numbers by the titles that the tables of src/common/abi have. */
napi_value abi(napi_env env, napi_callback_info info);

#endif
