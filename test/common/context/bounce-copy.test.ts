import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { IOCB_CMD_PREAD, IOCB_CMD_PREADV, RWF_NOWAIT } from '../../../src/common/abi/constants.ts';
import { needsBounce } from '../../../src/common/context/bounce-copy.ts';
import { Operation } from '../../../src/common/context/operation.ts';
import { Activity } from '../../../src/common/file/activity.ts';
import { FileTransfer, type NowaitRequest } from '../../../src/common/file/file-transfer.ts';
import { ownCall } from '../../../src/common/file/transfer-call.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { type Extent, extentOf } from '../../../src/common/memory/extent.ts';

function read(extent: Extent, rw_flags = 0): Operation {
  return new Operation(
    'pread',
    IOCB_CMD_PREAD,
    3,
    0,
    extent.length,
    0,
    rw_flags,
    extent,
    undefined,
    undefined,
  );
}

function fileRead(nowait: NowaitRequest | undefined, isOpen?: () => boolean): Operation {
  const file = {
    fd: 3,
    activity: new Activity(
      () => {},
      () => {},
    ),
    owner: {},
    isOpen,
  };
  const extent = extentOf('buffer', new Uint8Array(8));
  return new FileTransfer(ownCall('read', extent, 0), file, 0, nowait, () => Promise.resolve(0));
}

const nowait: NowaitRequest = {
  rw_flags: RWF_NOWAIT,
  endsInside: true,
  hit: () => {},
  missed: () => {},
  refuseNowait: () => {},
  readOn: () => Promise.resolve(0),
};

describe('needsBounce()', () => {
  it('is for memory that can be given away', () => {
    assert.equal(needsBounce(read(extentOf('buffer', new Uint8Array(8))), true), true);
    assert.equal(needsBounce(read(extentOf('buffer', alignedBuffer(512))), true), false);
    assert.equal(
      needsBounce(read(extentOf('buffer', new Uint8Array(new SharedArrayBuffer(8)))), true),
      false,
    );
    const extents = [extentOf('buffer', alignedBuffer(512)), extentOf('buffer', new Uint8Array(8))];
    const vectored = new Operation('preadv', IOCB_CMD_PREADV, 3, 0, 2, 0, 0, undefined, extents, undefined);
    assert.equal(needsBounce(vectored, true), true);
  });

  it('RWF_NOWAIT is no promise: direct reads with it are in flight after io_submit', () => {
    assert.equal(needsBounce(read(extentOf('buffer', new Uint8Array(8)), RWF_NOWAIT), true), true);
  });

  it('is not for reads from the page cache of a file that was opened for them', () => {
    assert.equal(needsBounce(fileRead(nowait), true), false);
    // On another thread, it takes as long as it takes.
    assert.equal(needsBounce(fileRead(nowait), false), true);
    assert.equal(needsBounce(fileRead(undefined), true), true);
    // Whoever opened it may have done so with O_DIRECT.
    assert.equal(
      needsBounce(
        fileRead(nowait, () => true),
        true,
      ),
      true,
    );
  });
});
