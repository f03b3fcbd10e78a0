# Builds nothing so far. The package has no install script and says "gypfile": false, so that npm doesn't run node-gyp
# because of this file; the optional addon will be the sources of this target.
{
  'targets': [
    {
      'target_name': 'kaio',
      'type': 'none',
    },
  ],
}
