/* Made, trained and destroyed, over and over: no buffer and no byte of JavaScript is left. */
import { followBuffers } from './faults.js';
import { type DeviceCampaign, sleep } from './place.js';
import { subjects } from './subjects.js';

/** Cycles of a kind between two looks at the heap, at least. */
const BETWEEN = 25;
/** What may be left of a cycle, in bytes: a reference is 8, an empty closure 56. */
const MOST_LEFT = 100;
/** With fewer looks there is no slope to tell from noise. */
const FEWEST_LOOKS = 8;

/** The median slope of all pairs (Theil-Sen): one look that came at a bad time does not count. */
function slope(looks: readonly { readonly at: number; readonly bytes: number }[]): number {
  const slopes = looks.flatMap((b, i) => looks.slice(0, i).map((a) => (b.bytes - a.bytes) / (b.at - a.at)));
  return slopes.sort((a, b) => a - b)[Math.floor(slopes.length / 2)]!;
}

export const cycles: DeviceCampaign = {
  name: 'cycles',
  attacks: 'a trainer, population, optimizer, minimizer is made, used and destroyed, over and over',
  unit: 'cycles',
  heap: true,
  sizes: { short: 80, full: 2000 },
  async run(context, place) {
    const device = await place.requestDevice();
    const each = Math.ceil(context.size / subjects.length);
    const between = Math.max(BETWEEN, Math.floor(each / 20));
    const followed = followBuffers(device);
    let looks: { at: number; bytes: number }[] = [];
    try {
      for await (const { index } of context.cases()) {
        const subject = subjects[Math.floor(index / each)]!;
        const at = index % each;
        if (at === 0) looks = [];
        const one = await subject.create(device);
        await one.train(3);
        if (at % 10 === 0) await one.save();
        if (at % 10 === 5) await one.evaluate();
        one.destroy();
        await sleep(0);
        const left = followed.live();
        if (left.length > 0)
          context.fail(`${subject.name}: ${left.length} buffers are left: ${left.slice(0, 4).join(', ')}`);
        // What compilers keep of code that runs for the first time is no leak.
        if ((at + 1) % between === 0 && at + 1 >= each / 5) looks.push({ at, bytes: await place.heap() });
        if (at + 1 < each) continue;
        if (looks.length < FEWEST_LOOKS) {
          context.figure(`${subject.name}: heap`, 'too few cycles to tell');
          continue;
        }
        const found = slope(looks);
        context.figure(`${subject.name}: heap`, `${found.toFixed(1)} B a cycle`);
        if (found > MOST_LEFT) context.fail(`${subject.name}: ${found.toFixed(1)} B of JavaScript are left of a cycle`);
      }
    } finally {
      followed.undo();
      device.destroy();
    }
    context.figure('buffers made', String(followed.made()));
  },
};
