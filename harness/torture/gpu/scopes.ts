import { changeShaders, failBuffer } from './faults.js';
import { type DeviceCampaign, errorOf, pick, sleep } from './place.js';
import { subjects } from './subjects.js';

const FILTERS = ['validation', 'out-of-memory', 'internal'] as const;

/** An error of the caller's, with words of its own: his scope must have this one. */
function err(device: GPUDevice, name: string): void {
  // MAP_READ with MAP_WRITE: no buffer may have both.
  device.createBuffer({ label: name, size: 16, usage: 0x03 });
}

/**
 * One scope of a caller's, with or without an error of his, over a while.
 *
 * @param during what is called while the scope is open
 * @returns what is wrong
 */
async function scoped(
  device: GPUDevice,
  name: string,
  random: () => number,
  during: () => void,
): Promise<string | undefined> {
  const filter = pick(FILTERS, random);
  const errs = random() < 0.6;
  const [first, waits] = [random() < 0.5, random() < 0.5];
  // A scope that would not catch it: then his outer one must.
  device.pushErrorScope('validation');
  device.pushErrorScope(filter);
  if (errs && first) err(device, name);
  during();
  if (waits) await sleep(3 * random());
  if (errs && !first) err(device, name);
  const [inner, outer] = [device.popErrorScope(), device.popErrorScope()];
  const [told, around] = await Promise.all([inner, outer]);
  const caught = filter === 'validation' ? told : around;
  const other = filter === 'validation' ? around : told;
  if (other) return `a scope of ${filter} had: ${other.message}`;
  if (errs && !caught) return 'its error was swallowed';
  if (!errs && caught) return `it had an error of somebody else: ${caught.message}`;
  if (errs && !caught!.message.includes(name)) return `it had another error: ${caught!.message}`;
  return undefined;
}

export const scopes: DeviceCampaign = {
  name: 'scopes',
  attacks: 'a caller has error scopes and errors of his own round our calls, good ones and failing ones',
  unit: 'scopes',
  sizes: { short: 60, full: 1000 },
  async run(context, place) {
    const device = await place.requestDevice();
    const live = await Promise.all(subjects.map((subject) => subject.create(device)));
    try {
      for await (const { index, random } of context.cases()) {
        const one = pick(live, random);
        const subject = subjects[live.indexOf(one)]!;
        const steps = Math.floor(4 * random());
        const calls: Readonly<Record<string, () => Promise<unknown>>> = {
          train: () => one.train(steps),
          evaluate: () => one.evaluate(),
          save: () => one.save(),
          read: () => one.read(),
          create: async () => (await subject.create(device)).destroy(),
          'create, without memory': async () => {
            const { undo } = failBuffer(device, Math.floor(6 * random()), 'range-error');
            const made = subject.create(device);
            await errorOf(made.then((other) => other.destroy()));
            undo();
          },
        };
        const call = pick(Object.keys(calls), random);
        let done: Promise<unknown> | undefined;
        // The first scope is open when it is called; the others, one after the other, while it goes on.
        const wrongs = [
          await scoped(device, `first-${index}`, random, () => {
            done = calls[call]!();
          }),
        ];
        for (let more = Math.floor(3 * random()); more > 0; more--) {
          wrongs.push(await scoped(device, `later-${index}-${more}`, random, () => {}));
        }
        await done;
        for (const wrong of wrongs) if (wrong) context.fail(`${subject.name}, ${call}: ${wrong}`);
      }
    } finally {
      for (const each of live) each.destroy();
      device.destroy();
    }
    await failing(context.fail, place.requestDevice);
  },
};

/** What fails in ours is thrown, and reaches no scope of the caller's. */
async function failing(fail: (what: string) => void, requestDevice: () => Promise<GPUDevice>): Promise<void> {
  const device = await requestDevice();
  const undo = changeShaders(device, (_, code) => `${code}\nfn {`);
  device.pushErrorScope('validation');
  for (const subject of subjects.slice(0, 3)) {
    if (!(await errorOf(subject.create(device)))) fail(`${subject.name}: its shaders do not compile, and it was made`);
  }
  const told = await device.popErrorScope();
  if (told) fail(`a shader of ours that does not compile was told to a scope of the caller's: ${told.message}`);
  undo();
  device.destroy();
}
