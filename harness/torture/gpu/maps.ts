import { faultMaps, followBuffers, type MapFault } from './faults.js';
import { type DeviceCampaign, errorOf, pick, sleep, untyped, within } from './place.js';
import { type Live, type Subject, same, subjects } from './subjects.js';

const HANG_MS = 60_000;
/** Steps of a life, in stretches, and what is asked in between. */
const LIFE = [8, 'evaluate', 9, 'save', 10, 'read'] as const;
/** A life is gone on with so often at most. */
const TRIES = 40;

interface Told {
  readonly steps: { readonly step: number; readonly value: unknown }[];
  /** What was read in the end. */
  end: unknown;
  refusals: number;
}

/**
 * Lives a life, and tries again what was refused.
 *
 * @param tolerate what a call may be rejected with, to be tried again
 */
async function live(one: Live, tolerate: (error: unknown) => void): Promise<Told> {
  const told: Told = { steps: [], end: undefined, refusals: 0 };
  const heard = (step: number, value: unknown) => told.steps.push({ step, value });
  for (const phase of LIFE) {
    const until = typeof phase === 'number' ? one.step() + phase : 0;
    for (let tries = 0; ; tries++) {
      // Those submitted are told of by the next run, before its own.
      const call = typeof phase === 'number' ? one.train(until - one.step(), heard) : one[phase]();
      const error = await errorOf(
        within(HANG_MS, String(phase), call).then((value) => {
          told.end = value;
        }),
      );
      if (error === undefined) break;
      tolerate(error);
      told.refusals++;
      if (tries > TRIES) throw error;
    }
  }
  return told;
}

type Way = 'refused' | 'late' | 'other order' | 'mixed';
const WAYS: readonly Way[] = ['refused', 'late', 'other order', 'mixed'];

/** One of the faults of a case. @param most milliseconds that an answer is late by */
function faultOf(way: Way, random: () => number, most: number): { fault: MapFault; refuses: boolean } {
  const refuse = (name: string) => Promise.reject(new DOMException('The buffer could not be mapped.', name));
  const late: MapFault = async (_, map) => {
    await map();
    await sleep(most * random());
    return undefined;
  };
  /** Answers that are held back until a later one was there, or nobody asks any more. */
  const swapped = (): MapFault => {
    let release = () => {};
    return async (index, map) => {
      await map();
      if (index % 2 === 0) {
        await Promise.race([new Promise<void>((resolve) => (release = resolve)), sleep(Math.min(most, 200))]);
      } else release();
      return undefined;
    };
  };
  const times = 1 + Math.floor(3 * random());
  const at = new Set(Array.from({ length: times }, () => Math.floor(30 * random())));
  const name = pick(['OperationError', 'AbortError'], random);
  if (way === 'refused') return { fault: (index, map) => (at.has(index) ? refuse(name) : map()), refuses: true };
  if (way === 'late') {
    const when = new Set([...at].map((each) => Math.floor(each / 3)));
    return { fault: (index, map) => (when.has(index) ? late(index, map) : map()), refuses: false };
  }
  if (way === 'other order') return { fault: swapped(), refuses: false };
  const order = swapped();
  const fault: MapFault = (index, map) => {
    if (random() < 0.05) return refuse(name);
    return random() < 0.03 ? late(index, () => map()) : order(index, map);
  };
  return { fault, refuses: true };
}

export const maps: DeviceCampaign = {
  name: 'maps',
  attacks: 'mapAsync is rejected, answered seconds late, or in another order',
  unit: 'runs',
  sizes: { short: 16, full: 200 },
  async run(context, place) {
    const device = await place.requestDevice();
    const references = new Map<Subject, Told>();
    const most = context.size > 100 ? 5000 : 300;
    let refusals = 0;
    try {
      for await (const { index, random } of context.cases()) {
        const subject = subjects[index % subjects.length]!;
        const way = WAYS[Math.floor(index / subjects.length) % WAYS.length]!;
        const fail = (what: string) => context.fail(`${subject.name}, ${way}: ${what}`);
        const lived = async (tolerate: (error: unknown) => void) => {
          const one = await subject.create(device);
          try {
            return await live(one, tolerate);
          } finally {
            one.destroy();
          }
        };
        let reference = references.get(subject);
        if (!reference) {
          reference = await lived((error) => {
            throw error;
          });
          references.set(subject, reference);
        }
        const followed = followBuffers(device);
        const { fault, refuses } = faultOf(way, random, most);
        const undo = faultMaps(device, fault);
        try {
          const told = await lived((error) => {
            const wrong = refuses ? untyped(error, ['GPU-READ']) : `${(error as Error).stack}`;
            if (wrong) throw new Error(wrong);
          });
          refusals += told.refusals;
          if (!same(told.end, reference.end)) fail('its end is another');
          if (!same(told.steps, reference.steps)) {
            const steps = told.steps.map(({ step }) => step).join(' ');
            fail(`it told of other steps, or otherwise: ${steps}`);
          }
        } catch (error) {
          fail((error as Error).stack ?? String(error));
        } finally {
          undo();
        }
        await sleep(20);
        // What was asked for beside the refused one is still on its way, and gives its buffer back then.
        for (let waited = 0; waited < 2 * most && followed.live().length > 0; waited += 50) await sleep(50);
        const left = followed.live();
        followed.undo();
        if (left.length > 0) fail(`${left.length} buffers are left: ${left.slice(0, 4).join(', ')}`);
      }
    } finally {
      device.destroy();
    }
    context.figure('calls refused and tried again', String(refusals));
  },
};
