/** Packages that an adapter is built upon: whoever uses the adapter has them, and others need not. */
import { createRequire } from 'node:module';
import { AioStateError, codeOf } from '../common/errors.ts';
import { loadFromNear } from '../native/installed.ts';

/** One of `peerDependencies`. */
export interface Peer {
  /** What needs it, as it is imported: `kaio/random-access`. */
  readonly adapter: string;
  readonly name: string;
  /** As in package.json. */
  readonly range: string;
}

/**
 * Loads modules of a peer: those beside kaio, also where kaio was merged into an application.
 *
 * @param load - Gets what `require` is there, and must ask for each module at once: a part of a package is none.
 * @throws AioStateError `ERR_AIO_PEER_MISSING` with the command that cures it, and the cause.
 */
export function loadPeer<T>({ adapter, name, range }: Peer, load: (near: NodeJS.Require) => T): T {
  try {
    return loadFromNear((place) => load(createRequire(place)));
  } catch (cause) {
    const isMissing = codeOf(cause) === 'MODULE_NOT_FOUND';
    const what = isMissing ? 'is not installed' : 'cannot be loaded';
    const message = `${adapter} needs the package ${name}, which ${what}: npm install ${name}@${range}`;
    throw new AioStateError('ERR_AIO_PEER_MISSING', message, cause);
  }
}
