/** Campaigns on devices of Node's own. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { requestDevice } from '../../../src/node/index.js';
import type { Campaign } from '../campaign.js';
import { type DeviceCampaign, fewestBytes, HEAP_FLAGS, type Place } from './place.js';
import { runWatched } from './watched.js';

function nodePlace(): Place {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const bytes = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external; // external has those of array buffers
  };
  return { requestDevice: () => requestDevice(), heap: () => fewestBytes(collect, bytes) };
}

export const inNode = (campaign: DeviceCampaign): Campaign => ({
  ...campaign,
  async run(context) {
    const flags = campaign.heap ? HEAP_FLAGS : [];
    for (const flag of flags) setFlagsFromString(flag);
    try {
      await runWatched(campaign, context, nodePlace());
    } finally {
      for (const flag of flags) setFlagsFromString(flag.replace('--no-', '--'));
    }
  },
});
