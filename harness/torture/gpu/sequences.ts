/* Calls in any order: whatever came before, an object ends as its twin, which was only told what changes something. */
import fc from 'fast-check';
import { DownhillError } from '../../../src/index.js';
import { followBuffers } from './faults.js';
import { populationPair, trainerPair } from './network-pairs.js';
import { minimizerPair, optimizerPair } from './optimizer-pairs.js';
import type { Pair } from './pair.js';
import { type DeviceCampaign, errorOf, sleep, within } from './place.js';
import { same } from './subjects.js';

const CALLS = 30;
const HANG_MS = 60_000;
const SHORTER_MS = 120_000;

/** A call, with what it needs to be chosen: numbers in [0, 1). */
export interface Drawn {
  readonly call: number;
  readonly a: number;
  readonly b: number;
}

const PAIRS = [trainerPair, optimizerPair, populationPair, trainerPair, minimizerPair];

/** One sequence. @throws what did not hold */
async function play(
  make: (device: GPUDevice) => Promise<Pair>,
  device: GPUDevice,
  sequence: readonly (Drawn | undefined)[],
) {
  const followed = followBuffers(device);
  const pair = await make(device);
  try {
    const names = Object.keys(pair.calls);
    const done: string[] = [];
    for (const each of sequence) {
      if (!each) continue;
      const name = names[Math.floor(each.call * names.length)]!;
      done.push(name);
      const call = within(HANG_MS, name, pair.calls[name]!(each.a, each.b));
      const error = await errorOf(pair.dead() ? call.catch(onlyDestroyed) : call);
      if (error) throw new Error(`after ${done.join('; ')}: ${(error as Error).stack}`);
    }
    const [end, other] = await pair.ends();
    if (!same(end, other)) throw new Error(`after ${done.join('; ')}: it does not end as its twin`);
  } finally {
    pair.close();
    await sleep(0);
    followed.undo();
  }
  for (let waited = 0; followed.live().length > 0; waited++) {
    if (waited > 20)
      throw new Error(`${followed.live().length} buffers are left: ${followed.live().slice(0, 3).join(', ')}`);
    await sleep(10);
  }
}

/** Says so itself, or is a call here that expected something else. */
const onlyDestroyed = (error: unknown) => {
  if (error instanceof DownhillError ? error.code === 'RUN-DESTROYED' : /RUN-DESTROYED/.test(String(error))) return;
  throw error;
};

/** Evenly from [0, 1): fc.double draws floats by their bits, of which most are next to nothing. */
const PARTS = 2 ** 24;
const unit = fc.integer({ min: 0, max: PARTS - 1 }).map((part) => part / PARTS);
/** Nothing comes first: what fails is made shorter by it. */
const call = fc.oneof(
  { withCrossShrink: true },
  { arbitrary: fc.constant(undefined), weight: 1 },
  { arbitrary: fc.record({ call: unit, a: unit, b: unit }), weight: 40 },
);
/** The first run of a property is biased to the ends of every range: it would call the first method 30 times. */
export const calls = fc.noBias(fc.tuple(...Array.from({ length: CALLS }, () => call)));

export const sequences: DeviceCampaign = {
  name: 'sequences',
  attacks: `${CALLS} calls in random order on a trainer, optimizer, population, minimizer, beside a twin`,
  unit: 'sequences',
  sizes: { short: 40, full: 2000 },
  async run(context, place) {
    const device = await place.requestDevice();
    try {
      for await (const { index, random } of context.cases()) {
        const make = PAIRS[index % PAIRS.length]!;
        let failed = Number.NaN;
        const property = fc.asyncProperty(calls, async (sequence) => {
          // What fails is made shorter, for a while.
          if (performance.now() - failed > SHORTER_MS) return;
          try {
            await play(make, device, sequence);
          } catch (error) {
            if (Number.isNaN(failed)) failed = performance.now();
            throw error;
          }
        });
        const found = await fc.check(property, { seed: Math.floor(random() * 2 ** 31), numRuns: 1 });
        if (found.failed)
          context.fail(`${make.name}: ${String((found.errorInstance as Error)?.message ?? found.errorInstance)}`);
      }
    } finally {
      device.destroy();
    }
  },
};
