import { beforeAll, describe, expect, it } from 'vitest';
import type { Environment } from '../../harness/bench/contract.js';
import { loadPeer, PEERS } from '../../harness/bench/peers.js';
import { ensurePeers } from '../../harness/setup/peers.mjs';
import { requestGpu } from '../../src/node/index.js';
import { errors, expectedResults, runPeer, TOLERANCE } from '../support/peer-cases.js';

/** Every peer against float64, in Node: steps, products and updates. tests/support/peer-cases.ts has the tolerance. */

let environment: Environment;

beforeAll(async () => {
  ensurePeers();
  const { gpu } = await requestGpu();
  environment = {
    place: 'node',
    gpu,
    async requestDevice(label) {
      const adapter = (await gpu.requestAdapter({ powerPreference: 'high-performance' }))!;
      return adapter.requestDevice({
        label,
        requiredLimits: Object.fromEntries(limitsOf(adapter)),
        requiredFeatures: [...adapter.features] as GPUFeatureName[],
      });
    },
  };
});

/** Names and values of an adapter's limits, which are getters of its prototype. */
const limitsOf = ({ limits }: GPUAdapter): [string, number][] =>
  Object.keys(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(limits)))
    .map((name): [string, unknown] => [name, (limits as unknown as Record<string, unknown>)[name]])
    .filter((entry): entry is [string, number] => typeof entry[1] === 'number');

describe('in Node', () => {
  const names = Object.values(PEERS).map(({ name }) => name);

  it.each(names)('%s agrees with float64', async (name) => {
    const peer = await loadPeer(name, environment);
    const found = errors(await runPeer(peer, environment), expectedResults(PEERS[name]!.tasks));
    expect(Math.max(...Object.values(found)), JSON.stringify(found)).toBeLessThanOrEqual(TOLERANCE);
  });

  it('names the command to run where a library is not built', async () => {
    await expect(loadPeer('tfjs-wasm', environment, 'file:///nowhere/')).rejects.toMatchObject({
      fix: expect.stringContaining('--peers'),
    });
  });
});
