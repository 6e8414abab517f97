/** The peers: known by name without loading any; each library is loaded when one of its peers is asked for. */
import { DownhillError, suggest } from '../../src/index.js';
import { peers as javascript } from '../peers/js.js';
import { PEERS } from '../peers/names.js';
import type { Environment, Peer } from './contract.js';

export { PEERS, type PeerEntry, type PeerTask } from '../peers/names.js';

/**
 * A peer, its library loaded: in a page from `peers/` beside it, in Node from dist/peers/node.
 *
 * @throws DownhillError OPTION-RANGE for a name that is none; PEER-UNAVAILABLE where its library is not built or does not load.
 */
export async function loadPeer(
  name: string,
  { place }: Pick<Environment, 'place'>,
  folder = FOLDERS[place](),
): Promise<Peer> {
  const entry = PEERS[name];
  if (!entry) throw new DownhillError('OPTION-RANGE', `There is no peer '${name}'.`, suggest(name, Object.keys(PEERS)));
  const peers = entry.module === 'js' ? javascript : await loadPeers(new URL(`${entry.module}.js`, folder).href);
  return peers.find((peer) => peer.name === name)!;
}

/** Where the built modules are. No `node:` module helps, since this code is in pages, too. */
const FOLDERS = {
  chrome: () => new URL('peers/', location.href).href,
  node() {
    const built = /\/dist\/cli\/[^/]+$/.test(import.meta.url); // else this is the source itself
    return new URL(/* @vite-ignore */ built ? '../peers/node/' : '../../dist/peers/node/', import.meta.url).href;
  },
} as const;

async function loadPeers(url: string): Promise<readonly Peer[]> {
  try {
    return ((await import(/* @vite-ignore */ url)) as { peers: readonly Peer[] }).peers;
  } catch (cause) {
    const why = (cause as Error).message.split('\n')[0]!;
    throw new DownhillError(
      'PEER-UNAVAILABLE',
      `${url}, which holds libraries to compare with, does not load: ${why}`,
      'Run: node harness/setup/setup.mjs --peers',
      cause,
    );
  }
}
