/** The page's side of campaigns in a browser: in-chrome.ts builds it, and tells it which. */
import { requestDevice } from '../../../src/index.js';
import { caseRandom } from '../case-random.js';
import { cycles } from './cycles.js';
import { deviceLoss } from './device-loss.js';
import { maps } from './maps.js';
import { type DeviceContext, fewestBytes } from './place.js';
import { runWatched } from './watched.js';

declare global {
  /** Set by Node: the next cases, none where there are no more; and what the report has. */
  var tortureNext: (() => Promise<readonly number[]>) | undefined;
  var tortureTold: ((kind: 'fail' | 'figure', a: string, b: string) => Promise<void>) | undefined;
  var downhillTorture: ((name: string, size: number, seed: number) => Promise<void>) | undefined;
}

const CAMPAIGNS = [deviceLoss, maps, cycles];

globalThis.downhillTorture = async (name, size, seed) => {
  const told: Promise<void>[] = [];
  const tell = (...args: Parameters<NonNullable<typeof globalThis.tortureTold>>) =>
    void told.push(globalThis.tortureTold!(...args));
  const context: DeviceContext = {
    ...{ size, seed, signal: new AbortController().signal, random: caseRandom(seed, -1), tried: () => {} },
    async *cases() {
      for (;;) {
        const indices = await globalThis.tortureNext!();
        if (indices.length === 0) return;
        for (const index of indices) yield { index, random: caseRandom(seed, index) };
      }
    },
    fail: (what) => tell('fail', what, ''),
    figure: (figure, value) => tell('figure', figure, value),
  };
  const heap = () =>
    fewestBytes(
      () => void globalThis.gc!(), // there with --expose-gc
      () => (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize,
    );
  const campaign = CAMPAIGNS.find((each) => each.name === name)!;
  await runWatched(campaign, context, { requestDevice: () => requestDevice(), heap });
  await Promise.all(told);
};
