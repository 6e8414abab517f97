/* The device goes at a random moment of an object's life: it says so in time, and another goes on from the last checkpoint. */
import { type Call, followCalls } from './faults.js';
import { awake, type DeviceCampaign, errorOf, type Place, pick, sleep, untyped, within } from './place.js';
import { type Live, type Subject, same, subjects } from './subjects.js';

/** What an object goes through: some steps, or one of its calls. */
const LIFE = [6, 'save', 5, 'evaluate', 7, 'save', 'read', 6] as const;
const TOTAL = LIFE.reduce<number>((sum, each) => sum + (typeof each === 'number' ? each : 0), 0);
/** What is promised. */
const TYPED_MS = 2000;
/** After this it hangs. */
const HANG_MS = 60_000;

interface Reached {
  /** Phases done, of `LIFE`. */
  phase: number;
  steps: number;
  /** What each step told. */
  readonly told: Map<number, unknown>;
  saved: { readonly bytes: Uint8Array; readonly phase: number; readonly steps: number } | undefined;
}

/** Lives on from where a life was. @param entered is told of each phase before it begins */
async function live(one: Live, at: Reached, entered: (phase: string) => void): Promise<unknown> {
  for (; at.phase < LIFE.length; at.phase++) {
    const phase = LIFE[at.phase]!;
    entered(typeof phase === 'number' ? 'train' : phase);
    if (typeof phase === 'number') {
      await one.train(phase, (step, value) => at.told.set(step, value));
      at.steps += phase;
    } else {
      const bytes = await one[phase]();
      if (phase === 'save') at.saved = { bytes: bytes as Uint8Array, phase: at.phase + 1, steps: at.steps };
    }
  }
  entered('end');
  return one.read();
}

const fresh = (): Reached => ({ phase: 0, steps: 0, told: new Map(), saved: undefined });

interface Point {
  readonly phase: string;
  readonly call: string;
}

/** An object's life as nobody disturbs it, and the calls in it. */
async function undisturbed(subject: Subject, place: Place) {
  const device = await place.requestDevice();
  const points: Point[] = [];
  let phase = 'create';
  followCalls(device, ({ name, when }) => {
    if (when === 'before') points.push({ phase, call: name });
  });
  const reached = fresh();
  const one = await subject.create(device);
  const end = await live(one, reached, (entered) => {
    phase = entered;
  });
  one.destroy();
  device.destroy();
  return { points, end, told: reached.told };
}

/** What is beside the call: the device goes before it, behind it, or that much later. */
type Moment = 'before' | 'after' | number;

/** Lets the device go at a call of a phase. */
function loseAt(
  device: GPUDevice,
  phase: () => string,
  at: { phase: string; call: string; index: number },
  moment: Moment,
) {
  let [seen, lost] = [0, undefined as number | undefined];
  const lose = () => {
    lost ??= awake();
    device.destroy();
  };
  const heard = ({ name, when }: Call) => {
    if (lost !== undefined || name !== at.call || phase() !== at.phase) return;
    if (when === 'after') seen++;
    if (seen + (when === 'before' ? 0 : -1) !== at.index) return;
    if (moment === when) lose();
    else if (typeof moment === 'number' && when === 'after') setTimeout(lose, moment);
  };
  followCalls(device, heard);
  return { lose, at: () => lost };
}

export const deviceLoss: DeviceCampaign = {
  name: 'device-loss',
  attacks: 'the device goes at a random call of a trainer, population, optimizer or minimizer',
  unit: 'losses',
  sizes: { short: 12, full: 200 },
  async run(context, place) {
    const references = new Map<Subject, Awaited<ReturnType<typeof undisturbed>>>();
    const good = await place.requestDevice();
    let slowest = 0;
    try {
      for await (const { index, random } of context.cases()) {
        const subject = subjects[index % subjects.length]!;
        const reference = references.get(subject) ?? (await undisturbed(subject, place));
        references.set(subject, reference);
        // Every phase as often as the others, and in it every kind of call.
        const phase = pick([...new Set(reference.points.map((point) => point.phase))], random);
        const calls = reference.points.filter((point) => point.phase === phase).map(({ call }) => call);
        const call = pick([...new Set(calls)], random);
        const at = { phase, call, index: Math.floor(random() * calls.filter((each) => each === call).length) };
        const moment = pick<Moment>(['before', 'after', 0, 20 * random()], random);
        const where = `${subject.name}: lost in ${phase} at ${call} ${at.index} (${moment}): `;
        const fail = (what: string) => context.fail(where + what);

        const device = await place.requestDevice();
        let current = 'create';
        const loss = loseAt(device, () => current, at, moment);
        const reached = fresh();
        let one: Live | undefined;
        const life = async () => {
          one = await subject.create(device);
          await live(one, reached, (entered) => {
            current = entered;
          });
          // It went too late for this life: the next call must find out.
          loss.lose();
          await one.read();
        };
        const error = await errorOf(within(HANG_MS, 'its life', life()));
        const took = awake() - (loss.at() ?? Number.NaN);
        const wrong = untyped(error, ['DEVICE-LOST']);
        if (wrong) fail(wrong);
        else if (!(took <= TYPED_MS)) fail(`DEVICE-LOST came after ${Math.round(took)} ms`);
        if (took > slowest) slowest = took;
        one?.destroy();
        device.destroy();

        // Another goes on, from the last checkpoint or from the beginning.
        const { saved } = reached;
        const again: Reached = saved ? { ...reached, ...saved } : { ...fresh(), told: reached.told };
        const other = await subject.create(good, saved?.bytes);
        const end = await live(other, again, () => {});
        other.destroy();
        if (!same(end, reference.end)) fail('what went on from the last checkpoint did not end as an undisturbed one');
        for (let step = 1; step <= TOTAL; step++) {
          if (same(reference.told.get(step), again.told.get(step))) continue;
          fail(`step ${step} told otherwise`);
          break;
        }
        await sleep(0);
      }
      await sleep(200); // whoever still waits
    } finally {
      good.destroy();
    }
    context.figure('slowest report', `${Math.round(slowest)} ms`);
  },
};
