/*
 * Neither Node-API nor JavaScript can forbid for a while that memory is moved. V8 can: an ArrayBuffer has a flag
 * "detachable", which the memory of WebAssembly has not, and everything that moves memory asks it first (structuredClone,
 * postMessage, transfer(), byte streams, napi_detach_arraybuffer) and refuses in good order. V8 only lets it be read from
 * outside. So the flag's place in the object is found by trying: it is the one bit that ArrayBuffer::IsDetachable()
 * follows. Where there is not exactly one, as in an engine that is not V8, there are no pins.
 *
 * A detach key would be the documented means. It is none: with a key set Node.js 20 and 22 abort in transfer(), 20 in
 * structuredClone() too, and napi_detach_arraybuffer() aborts in every version.
 */
#include "pins.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "values.h"

/* How C++ passes what is used here is known of these two. */
#if defined(__x86_64__) || defined(__aarch64__)
#define KNOWN_CALLING_CONVENTION true
#else
#define KNOWN_CALLING_CONVENTION false
#endif

/*
 * std::shared_ptr<BackingStore>, as its callee returns it: in memory, since it has a destructor. The third member is never
 * written; it makes C return the struct in memory too.
 */
struct shared_store {
  void *store;
  void *control;
  void *unused;
};

/* v8::Local<T> is one pointer, and so is napi_value: Node-API converts them by a cast. */
static struct {
  bool (*is_detachable)(napi_value buffer);
  bool (*was_detached)(napi_value buffer);
  struct shared_store (*backing_store)(napi_value buffer);
  napi_value (*new_over_store)(void *isolate, struct shared_store *store);
  void *(*current_isolate)(void);
} v8;

static const struct {
  void *function;
  const char *name;
} SYMBOLS[] = {
    {&v8.is_detachable, "_ZNK2v811ArrayBuffer12IsDetachableEv"},
    {&v8.was_detached, "_ZNK2v811ArrayBuffer11WasDetachedEv"},
    {&v8.backing_store, "_ZN2v811ArrayBuffer15GetBackingStoreEv"},
    {&v8.new_over_store, "_ZN2v811ArrayBuffer3NewEPNS_7IsolateESt10shared_ptrINS_12BackingStoreEE"},
    {&v8.current_isolate, "_ZN2v87Isolate10GetCurrentEv"},
};

enum {
  HEAP_OBJECT_TAG = 1,
  HEAP_OBJECT_MASK = 3,
  WORDS = 8,
  SAMPLE_BYTES = 64,
  /* libstdc++ counts owners behind the vtable of the control block. */
  OWNERS_OFFSET = sizeof(void *),
  /* A new buffer's store belongs to the buffer, and to whoever asks. */
  OWNERS_OF_SAMPLE = 2,
};

static pthread_once_t symbols_once = PTHREAD_ONCE_INIT;
static bool symbols_found;

static void find_symbols(void) {
  symbols_found = KNOWN_CALLING_CONVENTION;
  for (size_t index = 0; index < sizeof SYMBOLS / sizeof SYMBOLS[0]; index++) {
    void *function = dlsym(RTLD_DEFAULT, SYMBOLS[index].name);
    if (function == NULL) symbols_found = false;
    memcpy(SYMBOLS[index].function, &function, sizeof function);
  }
}

/* Where the flag is; a mask of 0 means nowhere. The same in every isolate of the process. */
struct flag {
  size_t offset;
  uint32_t mask;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Written once, under the lock. Each environment has been through pins_open() before it reads it. */
static struct flag detachable;

/* The object behind a handle. NULL where a handle is something else than we know. */
static unsigned char *object_of(napi_value value) {
  uintptr_t tagged;
  memcpy(&tagged, (const void *)value, sizeof tagged);
  if ((tagged & HEAP_OBJECT_MASK) != HEAP_OBJECT_TAG) return NULL;
  return (unsigned char *)(tagged - HEAP_OBJECT_TAG);
}

static uint32_t *flags_of(napi_value buffer, size_t offset) { return (uint32_t *)(object_of(buffer) + offset); }

/*
 * The flags are 32 bits that follow the address of the bytes and the address of their bookkeeping. Flips each in a buffer
 * of ours and back, and looks whether the answer follows. Only these: the garbage collector's threads read the fields
 * before and behind them, and never the flags.
 */
static struct flag find_flag(napi_value buffer, const void *bytes) {
  const struct flag none = {0, 0};
  struct flag flag = none;
  unsigned char *object = object_of(buffer);
  if (object == NULL || bytes == NULL || !v8.is_detachable(buffer)) return none;
  for (size_t word = 1; word < WORDS && flag.offset == 0; word++) {
    if (memcmp(object + word * sizeof bytes, &bytes, sizeof bytes) == 0) flag.offset = (word + 2) * sizeof bytes;
  }
  if (flag.offset == 0) return none;
  uint32_t *flags = flags_of(buffer, flag.offset);
  for (uint32_t mask = 1; mask != 0; mask <<= 1) {
    *flags ^= mask;
    bool follows = !v8.is_detachable(buffer) && !v8.was_detached(buffer);
    *flags ^= mask;
    if (follows && flag.mask != 0) return none;
    if (follows) flag.mask = mask;
  }
  return flag;
}

static uint32_t *owners_in(const struct shared_store *store) {
  return (uint32_t *)((unsigned char *)store->control + OWNERS_OFFSET);
}

/* V8 takes the reference that it gave, and its garbage collector gives it back. */
static napi_value give_to_v8(struct shared_store *store) { return v8.new_over_store(v8.current_isolate(), store); }

/* Gives back a reference as std::shared_ptr does. Preconditions: it is not the last. Returns how many are left. */
static uint32_t give_back(const struct shared_store *store) {
  return __atomic_sub_fetch(owners_in(store), 1, __ATOMIC_ACQ_REL);
}

/* Whether the count of owners follows what is taken: Node.js may have been built with another C++ library. */
static bool counts_owners(napi_value buffer) {
  struct shared_store first = v8.backing_store(buffer);
  if (first.control == NULL) return false;
  uint32_t before = __atomic_load_n(owners_in(&first), __ATOMIC_ACQUIRE);
  struct shared_store second = v8.backing_store(buffer);
  bool follows = before == OWNERS_OF_SAMPLE && second.control == first.control &&
                 __atomic_load_n(owners_in(&first), __ATOMIC_ACQUIRE) == before + 1;
  if (follows) {
    follows = give_back(&second) == before;
  } else {
    give_to_v8(&second);
  }
  give_to_v8(&first);
  return follows;
}

/* Every thread finds the same; one that does not is a reason to trust none. */
static bool publish(struct flag flag) {
  pthread_mutex_lock(&lock);
  if (detachable.mask == 0) detachable = flag;
  bool same = detachable.offset == flag.offset && detachable.mask == flag.mask;
  pthread_mutex_unlock(&lock);
  return same;
}

static const char *open_pins(napi_env env) {
  napi_value sample;
  void *bytes;
  pthread_once(&symbols_once, find_symbols);
  if (!KNOWN_CALLING_CONVENTION) return "no calling convention of C++ is known for this machine";
  if (!symbols_found) return "this program does not export V8's functions";
  if (napi_create_arraybuffer(env, SAMPLE_BYTES, &bytes, &sample) != napi_ok) return "there is no memory to try them on";
  struct flag flag = find_flag(sample, bytes);
  if (flag.mask == 0) return "the place of V8's flag could not be found";
  if (!counts_owners(sample)) return "the owners of memory could not be counted";
  if (!publish(flag)) return "V8's flag is elsewhere in another thread";
  return NULL;
}

napi_value pins_open(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value result = NULL;
  const char *reason = open_pins(env);
  if (reason != NULL) napi_create_string_utf8(env, reason, NAPI_AUTO_LENGTH, &result);
  return result;
}

/* The argument, or NULL for anything but an ArrayBuffer that has its memory; and for all where there are no pins. */
static napi_value buffer_argument(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  bool is_buffer = false;
  arguments(env, info, 1, argv);
  if (detachable.mask == 0 || napi_is_arraybuffer(env, argv[0], &is_buffer) != napi_ok || !is_buffer) return NULL;
  return v8.was_detached(argv[0]) ? NULL : argv[0];
}

/*
 * Forbids that the buffer's memory is moved. Returns what pins_unpin() wants to see, or 0: it could not be moved before
 * (WebAssembly's memory, a shared buffer, one that is pinned or detached), and must not be unpinned.
 */
napi_value pins_pin(napi_env env, napi_callback_info info) {
  napi_value result = NULL;
  uint32_t before = 0;
  napi_value buffer = buffer_argument(env, info);
  if (buffer != NULL && v8.is_detachable(buffer)) {
    uint32_t *flags = flags_of(buffer, detachable.offset);
    /* Not 0: the flag itself is set in it. */
    before = *flags;
    *flags = before ^ detachable.mask;
  }
  napi_create_uint32(env, before, &result);
  return result;
}

/*
 * Undoes pins_pin(), unless another flag has changed since: asm.js, which took the buffer for its heap meanwhile, relies on
 * it for good, and in Node.js 20 says so there. Returns whether it can be moved now.
 */
napi_value pins_unpin(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  napi_value result = NULL;
  bool is_buffer = false;
  bool undone = false;
  uint32_t before = 0;
  arguments(env, info, 2, argv);
  napi_get_value_uint32(env, argv[1], &before);
  if (before != 0 && napi_is_arraybuffer(env, argv[0], &is_buffer) == napi_ok && is_buffer) {
    uint32_t *flags = flags_of(argv[0], detachable.offset);
    undone = (*flags ^ detachable.mask) == before;
    if (undone) *flags = before;
  }
  napi_get_boolean(env, undone, &result);
  return result;
}

napi_value pins_is_movable(napi_env env, napi_callback_info info) {
  napi_value result = NULL;
  napi_value buffer = buffer_argument(env, info);
  napi_get_boolean(env, buffer != NULL && v8.is_detachable(buffer), &result);
  return result;
}

/*
 * Another ArrayBuffer over the same memory, which lives as long as either: for a WebAssembly memory, that grows and with
 * it detaches the buffer the kernel was given the address of. Not for JavaScript to read: it says nothing of growth.
 * Returns undefined for what is no buffer, or has no memory.
 */
napi_value pins_hold(napi_env env, napi_callback_info info) {
  napi_value buffer = buffer_argument(env, info);
  if (buffer == NULL) return NULL;
  struct shared_store store = v8.backing_store(buffer);
  return give_to_v8(&store);
}

/*
 * Whether nobody but this buffer has the memory any more: it was moved to a larger place, since it could not grow where it
 * was, or all who knew it are gone. What the kernel wrote is then lost.
 */
napi_value pins_is_orphan(napi_env env, napi_callback_info info) {
  napi_value result = NULL;
  bool orphan = false;
  napi_value buffer = buffer_argument(env, info);
  if (buffer != NULL) {
    struct shared_store store = v8.backing_store(buffer);
    /* The buffer itself is an owner, so this is not the last. */
    orphan = store.control != NULL && give_back(&store) == 1;
  }
  napi_get_boolean(env, orphan, &result);
  return result;
}
