import { beforeAll, describe, expect, it } from 'vitest';
import type { Environment } from '../../harness/bench/contract.js';
import { loadPeer, PEERS } from '../../harness/bench/peers.js';
import { ensurePeers } from '../../harness/setup/peers.mjs';
import { nodeEnvironment } from '../support/node-environment.js';
import { errors, expectedResults, runPeer, TOLERANCE } from '../support/peer-cases.js';

/** Every peer against float64, in Node: steps, products and updates. tests/support/peer-cases.ts has the tolerance. */

let environment: Environment;

beforeAll(async () => {
  ensurePeers();
  environment = await nodeEnvironment();
});

describe('in Node', () => {
  const names = Object.values(PEERS).map(({ name }) => name);

  it.each(names)('%s agrees with float64', async (name) => {
    const peer = await loadPeer(name, environment);
    const found = errors(await runPeer(peer, environment), expectedResults(PEERS[name]!.tasks));
    expect(Math.max(...Object.values(found)), JSON.stringify(found)).toBeLessThanOrEqual(TOLERANCE);
  });
});
