/*
 * For prebuilt addons, which must load with every glibc that Node.js 20 runs on (2.28): names whose default became a newer one when
 * glibc took libpthread and libdl into itself, at their oldest, which is the same function. Only the compiler of prebuilt addons includes it.
 */
#include <features.h>

#ifdef __GLIBC__
#if defined(__x86_64__)
#define OLDEST "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define OLDEST "GLIBC_2.17"
#endif
#define AT_OLDEST(name) __asm__(".symver " #name "," #name "@" OLDEST)
#ifdef OLDEST
AT_OLDEST(dlsym);
AT_OLDEST(pthread_create);
AT_OLDEST(pthread_join);
AT_OLDEST(pthread_kill);
AT_OLDEST(pthread_once);
AT_OLDEST(pthread_sigmask);
#endif
#endif
