import type { Environment } from '../../harness/bench/contract.js';
import { requestGpu } from '../../src/node/index.js';

/** What peers get in Node: every device with all that the adapter has. */
export async function nodeEnvironment(): Promise<Environment> {
  const { gpu } = await requestGpu();
  return {
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
}

/** Names and values of an adapter's limits, which are getters of its prototype. */
const limitsOf = ({ limits }: GPUAdapter): [string, number][] =>
  Object.keys(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(limits)))
    .map((name): [string, unknown] => [name, (limits as unknown as Record<string, unknown>)[name]])
    .filter((entry): entry is [string, number] => typeof entry[1] === 'number');
