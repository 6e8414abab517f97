/* Every allocation of every kind of object fails once: a typed error, nothing left behind, nothing half changed. */
import type { ErrorCode } from '../../../src/index.js';
import { failBuffer, followBuffers, type Shortage } from './faults.js';
import { type DeviceCampaign, errorOf, type Place, pick, shuffled, sleep, untyped, within } from './place.js';
import { type Scene, scenes } from './scenes.js';
import { same } from './subjects.js';

const HANG_MS = 60_000;

const CODES: Readonly<Record<Shortage, ErrorCode>> = {
  scope: 'GPU-OUT-OF-MEMORY',
  'range-error': 'GPU-OUT-OF-MEMORY',
  loss: 'DEVICE-LOST',
};
const WAYS = ['scope', 'range-error', 'loss'] as const;
/** Losses take a device each, on which everything is compiled anew: of the calls of objects a few, of what makes them all. */
const FEW_LOSSES = 2;
/** Scenes of the short size. */
const FEW_SCENES = 8;

interface Attack {
  readonly scene: Scene;
  readonly at: number;
  readonly how: Shortage;
  /** Buffers of the scene that may stay. */
  readonly kept: number;
}

/** How often a scene allocates when nothing fails, and how many of its buffers it keeps for the next time. */
export async function allocations(scene: Scene, device: GPUDevice): Promise<{ made: number; kept: number }> {
  const given = await scene.prepare(device);
  const followed = followBuffers(device);
  (await scene.act(device, given))?.destroy();
  followed.undo();
  await sleep(20); // what is on its way comes back
  const kept = followed.live().length;
  scene.close(given);
  return { made: followed.made(), kept };
}

/** Does a scene with one of its allocations failing. @returns what did not hold */
export async function failOne({ scene, at, how, kept }: Attack, device: GPUDevice): Promise<string[]> {
  const wrong: string[] = [];
  const given = await scene.prepare(device);
  try {
    const before = await scene.state(given);
    const followed = followBuffers(device);
    const fault = failBuffer(device, at, how);
    const acted = scene.act(device, given).then((made) => made?.destroy());
    const error = await errorOf(within(HANG_MS, 'it', acted));
    fault.undo();
    const kind = untyped(error, [CODES[how]]);
    if (kind) wrong.push(kind);
    // What else was under way at once ends by itself.
    const live = () => (scene.lets ? [] : followed.live());
    const checkLeft = async () => {
      for (let waited = 0; live().length > kept && waited < 100; waited++) await sleep(10);
      const left = live();
      if (left.length > kept) wrong.push(`${left.length} buffers are left: ${left.slice(0, 4).join(', ')}`);
    };
    await checkLeft();
    if (how !== 'loss') {
      if (!same(before, await scene.state(given))) wrong.push('what was there before has changed');
      const again = await errorOf(scene.act(device, given).then((made) => made?.destroy()));
      if (again) wrong.push(`it could not be tried again: ${String((again as Error).stack)}`);
      // What is kept for the next time is so once: what the failure left besides shows now.
      if (wrong.length === 0) await checkLeft();
    }
    followed.undo();
    return wrong.map((what) => `${fault.failed()}: ${what}`);
  } finally {
    scene.close(given);
  }
}

/** All attacks on a scene. */
async function attacksOn(scene: Scene, device: GPUDevice, random: () => number): Promise<Attack[]> {
  const { made, kept } = await allocations(scene, device);
  const all = Array.from({ length: made }, (_, at) => at);
  const few = made > 0 ? Array.from({ length: FEW_LOSSES }, () => pick(all, random)) : [];
  const losses = scene.kind ? all : few;
  return WAYS.flatMap((how) => (how === 'loss' ? losses : all).map((at) => ({ scene, at, how, kept })));
}

/** On a device of its own, where nothing is kept from before: also what the device keeps for good. */
async function onFresh(attack: Attack, place: Place): Promise<string[]> {
  const device = await place.requestDevice();
  try {
    return await failOne(attack, device);
  } finally {
    device.destroy();
  }
}

export const memory: DeviceCampaign = {
  name: 'memory',
  attacks: 'every allocation of every kind of object fails: by its error scope, a RangeError, a loss of the device',
  unit: 'allocations',
  sizes: { short: 40, full: 4000 },
  async run(context, place) {
    const device = await place.requestDevice();
    try {
      const full = context.size >= memory.sizes.full;
      const chosen = full ? scenes : shuffled(scenes, context.random).slice(0, FEW_SCENES);
      const attacks: Attack[] = [];
      for (const scene of chosen) attacks.push(...(await attacksOn(scene, device, context.random)));
      for await (const { index, random } of context.cases()) {
        const attack = full ? attacks[index] : pick(attacks, random);
        if (!attack) break; // there are no more
        const fresh = attack.how === 'loss' || (attack.scene.kind && random() < 0.05);
        const wrong = fresh ? await onFresh(attack, place) : await failOne(attack, device);
        const where = `${attack.scene.name}: allocation ${attack.at} (${attack.how}), `;
        for (const what of wrong) context.fail(where + what);
      }
      context.figure('objects and calls', String(chosen.length));
      if (!full) return;
      context.figure('allocations of all of them', String(attacks.length));
      if (attacks.length > context.size) context.fail(`There are ${attacks.length} allocations: more than are tried.`);
    } finally {
      device.destroy();
    }
  },
};
