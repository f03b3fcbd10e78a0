# The optional addon (src/native/addon). Nothing builds it at install: the package has no install script and says
# "gypfile": false. `npm run build:addon` does, and `npm run prebuild` for the package.
{
  'targets': [
    {
      'target_name': 'kaio',
      'conditions': [
        ['OS=="linux"', {
          'type': 'loadable_module',
          'sources': [
            'src/native/addon/module.c',
            'src/native/addon/guard.c',
            'src/native/addon/aside.c',
            'src/native/addon/watcher.c',
            'src/native/addon/submit-thread.c',
            'src/native/addon/pins.c',
            'src/native/addon/mailbox.c',
            'src/native/addon/environment.c',
            'src/native/addon/callback.c',
            'src/native/addon/values.c',
            'src/native/addon/thread.c',
            'src/native/addon/abi.c',
          ],
          'defines': ['NAPI_VERSION=8', '_GNU_SOURCE'],
          'cflags': ['-std=gnu11', '-Wall', '-Wextra', '-Werror', '-fvisibility=hidden'],
          # now: what this Node.js lacks is an error of loading and not a crash later.
          # nodelete: threads and a signal handler may outlive the worker that loaded the addon.
          'ldflags': ['-Wl,-z,now', '-Wl,-z,relro', '-Wl,-z,nodelete'],
        }, {
          'type': 'none',
        }],
      ],
    },
    {
      'target_name': 'seal',
      'type': 'none',
      'dependencies': ['kaio'],
      'conditions': [
        ['OS=="linux"', {
          'actions': [{
            'action_name': 'seal',
            'inputs': ['src/native/addon/seal.cjs', '<(PRODUCT_DIR)/kaio.node'],
            'outputs': ['<(PRODUCT_DIR)/kaio.sealed'],
            'action': ['node', 'src/native/addon/seal.cjs', '<(PRODUCT_DIR)/kaio.node', '<(PRODUCT_DIR)/kaio.sealed'],
          }],
        }],
      ],
    },
  ],
}
