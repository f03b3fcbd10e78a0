import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { curesOf, type Symptoms } from '../../src/command/cures.ts';

const WELL: Symptoms = {
  backend: 'native',
  reason: 'a probe request has gone through the kernel',
  platform: 'linux x64 6.18.0',
  aio_nr: 100,
  aio_max_nr: 65_536,
  ffi: 'koffi 3.3.4',
  addon: '/app/node_modules/kaio/prebuilds/linux-x64/kaio.napi.glibc.node, Node-API 8, glibc',
  ring: 'read in memory',
  direct: 'yes',
  direct_reason: 'the kernel says so',
  directory: '/tmp',
};

describe('the cures of kaio doctor', () => {
  it('are none where nothing is done without', () => {
    assert.deepEqual(curesOf(WELL), []);
  });

  it.each<[string, Partial<Symptoms>, RegExp]>([
    ['no koffi', { ffi: "no: Cannot find module 'koffi'" }, /^npm install koffi {2}#/],
    ['no binary of koffi', { ffi: 'no: Cannot find the native Koffi module' }, /--include=optional/],
    ['no addons', { reason: 'native addons are disabled' }, /^node --allow-addons/],
    ['a filter', { reason: 'unavailable: EPERM: io_setup' }, /seccomp=FILE {2}# FILE allows io_setup/],
    ['all contexts taken', { reason: 'unavailable: EAGAIN: io_setup' }, /^sysctl -w fs\.aio-max-nr=/],
    ['nearly all taken', { aio_nr: 65_000 }, /^sysctl -w fs\.aio-max-nr=/],
    [
      'a trial that ended by a fault',
      {
        reason:
          'koffi 3.4.0 on Node.js 28.0.0, x64: the process that tried it was ended by SIGILL. Ask for it by KAIO_BACKEND=native, if it serves',
      },
      /^KAIO_BACKEND=native kaio doctor/,
    ],
    ['the emulation asked for', { reason: 'KAIO_BACKEND asks for the emulation' }, /^unset KAIO_BACKEND/],
    ['no addon asked for', { addon: 'no: KAIO_ADDON=0 refuses it' }, /^unset KAIO_ADDON/],
    ['a damaged addon', { addon: 'no: /app/x.node: it is damaged: 9 bytes' }, /^npm install kaio --force/],
    ["another machine's addon", { addon: 'no: /x.node: it was built for arm64, and' }, /--force/],
    [
      "another machine's koffi",
      { reason: "unavailable: koffi.node: cannot open it. koffi's binary is damaged or for another machine" },
      /--include=optional/,
    ],
    ['no addon', { addon: 'no: No native build was found' }, /^npm install kaio --force/],
    [
      'no addon for this machine',
      { addon: 'no: No native build was found', platform: 'linux s390x 6.18.0' },
      /^npm run build:addon/,
    ],
    [
      'nothing that finds the addon',
      { addon: "no: Cannot find module 'node-gyp-build'" },
      /^npm install kaio --force/,
    ],
    ['no direct I/O', { direct: 'no: tmpfs' }, /^kaio doctor --directory DIR/],
  ])('of %s', (_, symptom, cure) => {
    const cures = curesOf({ ...WELL, ...symptom });
    assert.equal(cures.length, 1);
    assert.match(cures[0]!, cure);
  });
});
