import { guarded } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import type { Pass, PassSpec } from '../gpu/passes.js';
import { lower, passName } from '../kernels/lower.js';
import type { Form, Op } from '../kernels/op.js';
import type { FormChoice, MeasuredForm } from './plan-types.js';
import { Stage } from './tune-stage.js';

/*
 * Measures which forms of a list of ops are fastest on this device. Dispatches run on copies of what they write, so that a
 * training knows nothing of it. A plan is a path through the ops, on which a form is a step over as many as it takes: the
 * fastest plan is the shortest path.
 */

/** A timed batch: long enough that a timestamp rounded to 0.1 ms, or a wait for the queue, says little about it. */
const BATCH_MS = 5;
/** Of a batch; the rows of per-step scalars last for as many. */
const MOST_REPEATS = 256;
const ROUNDS = { fewest: 3, most: 9 };
/** A dispatch that takes longer runs once and never again: drivers end a device over one of some seconds. */
const LONGEST_DISPATCH_MS = 500;
/** What compiles for longer is no form: a first step has to come within 1.5 s, with all pipelines. */
const LONGEST_COMPILE_MS = 1000;
/** Of the budget, for compiling: the rest is for rounds. */
const COMPILING = 0.7;
/** What is slower than the heuristic's forms by this factor is not measured again. */
const HOPELESS = 2;
/** Another form than the heuristic's is taken where it takes less than this part of the time: the rest is noise. */
const WORTH = 0.95;

/** A form for runs of ops of one shape. */
interface Candidate {
  readonly form: Form;
  /** Where such runs begin; it is measured on the first. */
  readonly places: number[];
  readonly taken: number;
  /** The heuristic takes it at one of the places. */
  usual: boolean;
  specs: readonly PassSpec[];
  passes: readonly Pass[];
  /** Of one run, as long as no batch was timed. */
  first: number | undefined;
  readonly times: number[];
  note?: string;
}

export interface Tuned {
  readonly choice: FormChoice;
  readonly forms: readonly MeasuredForm[];
  readonly ms: number;
}

/** What the speed of ops depends on, as a text: all but their labels and where their buffers are. */
export const signatureOf = (ops: readonly Op[]): string =>
  JSON.stringify(
    ops.map(({ kind, shape, buffers, replicas }) => [
      ...[kind, shape, replicas],
      Object.keys(buffers).filter((name) => buffers[name]),
    ]),
    (_, value) => (typeof value?.code === 'string' ? value.name : value), // a shader
  );

/** How many ops a form takes from `at` on, on this device. */
export function takes(form: Form, ops: readonly Op[], at: number, device: GPUDevice): number {
  const taken = form.match(ops, at, device);
  return taken > 0 && form.needs?.(ops, at, device) === undefined ? taken : 0;
}

/**
 * The fastest forms of `ops`, measured.
 *
 * @param budgetMs how long it may take beside compiling the heuristic's forms; exceeded by what is under way by then
 * @throws DownhillError GPU-OUT-OF-MEMORY where there is no room for the copies; DEVICE-LOST
 */
export async function tune(
  device: GPUDevice,
  label: string,
  ops: readonly Op[],
  forms: readonly Form[],
  budgetMs: number,
): Promise<Tuned> {
  const stage = await Stage.create(device, label);
  let start = performance.now();
  const left = (share = 1) => share * budgetMs - (performance.now() - start);
  try {
    const own = stage.detached(ops);
    const made = await guarded(device, label, () => {
      const plan = lower(own, forms, device);
      const candidates = candidatesOf(own, forms, device, plan.choice);
      const together = candidates.some(({ form, usual }) => usual && form.puts);
      const apart = together ? stage.detached(ops) : own;
      for (const each of candidates) {
        const at = each.places[0]!;
        const run = apart.slice(at, at + each.taken);
        each.specs = each.form.lower(each.form.puts ? stage.detached(run) : run, device);
      }
      if (candidates.length > 0) stage.copy(own, [...plan.passes, ...candidates.flatMap(({ specs }) => specs)]);
      return { ...plan, paths: new Paths(own, candidates, plan.choice) };
    });
    if (made.paths.candidates.length > 0) {
      // So that there is something like training in every buffer.
      await stage.time(await stage.passes(made.passes), 1);
      start = performance.now(); // the heuristic's own pipelines are wanted in any case
      await prepare(stage, made.paths, left);
      await measure(stage, made.paths, left);
    }
    const choice = made.paths.shortest();
    return { choice, forms: made.paths.report(choice), ms: performance.now() - start };
  } finally {
    stage.destroy();
  }
}

/** Every form of every run of ops for which there are several, those of the heuristic first. */
function candidatesOf(ops: readonly Op[], forms: readonly Form[], device: GPUDevice, usual: FormChoice): Candidate[] {
  // A form may be in the list twice, for two kinds of devices.
  const known = forms.filter(({ name }, i) => forms.findIndex((each) => each.name === name) === i);
  const byName = (name: string) => forms.filter((each) => each.name === name);
  const steps = ops.map((_, at) =>
    known.flatMap(({ name }) => {
      const form = byName(name).find((each) => takes(each, ops, at, device) > 0);
      return form ? [{ form, taken: takes(form, ops, at, device) }] : [];
    }),
  );
  const found = new Map<string, Candidate>();
  for (let begin = 0, end = 0; begin < ops.length; begin = end) {
    // Up to where no form reaches beyond: what is chosen before and behind does not matter to it.
    end = begin + 1;
    for (let at = begin; at < end; at++) end = Math.max(end, ...steps[at]!.map(({ taken }) => at + taken));
    if (steps.slice(begin, end).every((each) => each.length < 2)) continue;
    for (let at = begin; at < end; at++) {
      for (const { form, taken } of steps[at]!) {
        const key = `${form.name} ${signatureOf(ops.slice(at, at + taken))}`;
        const fresh = { form, places: [], taken, usual: false, specs: [], passes: [], first: undefined, times: [] };
        const candidate: Candidate = found.get(key) ?? fresh;
        candidate.places.push(at);
        candidate.usual ||= usual[passName(ops[at]!.label)] === form.name;
        found.set(key, candidate);
      }
    }
  }
  return [...found.values()].sort((a, b) => Number(b.usual) - Number(a.usual));
}

/** The ways through the ops, and what they cost as far as that is known. */
class Paths {
  readonly #steps: readonly ReadonlyMap<string, Candidate>[];

  constructor(
    readonly ops: readonly Op[],
    readonly candidates: readonly Candidate[],
    readonly usual: FormChoice,
  ) {
    this.#steps = ops.map(
      (_, at) => new Map(candidates.filter(({ places }) => places.includes(at)).map((each) => [each.form.name, each])),
    );
  }

  #usualAt(at: number): Candidate | undefined {
    return this.#steps[at]?.get(this.usual[passName(this.ops[at]!.label)] ?? '');
  }

  /** What the heuristic's forms take for the ops of a candidate; undefined where they do not begin and end with it. */
  usualCost({ places: [from], taken }: Candidate): number | undefined {
    let cost = 0;
    let at = from!;
    while (at < from! + taken) {
      const step = this.#usualAt(at);
      const ms = step && costOf(step);
      if (ms === undefined) return undefined;
      cost += ms;
      at += step!.taken;
    }
    return at === from! + taken ? cost : undefined;
  }

  /** The fastest plan of what was measured often enough; where the heuristic's forms were not, they stay. */
  shortest(): FormChoice {
    const { ops } = this;
    const rest = new Array<number>(ops.length + 1).fill(Number.POSITIVE_INFINITY);
    const best = new Array<Candidate | undefined>(ops.length);
    rest[ops.length] = 0;
    for (let at = ops.length - 1; at >= 0; at--) {
      const usual = this.#usualAt(at);
      if (this.#steps[at]!.size === 0) rest[at] = rest[at + 1]!; // nothing to choose
      for (const each of this.#steps[at]!.values()) {
        const ms = each === usual ? WORTH * (costOf(each) ?? 0) : certain(each);
        if (ms === undefined || ms + rest[at + each.taken]! >= rest[at]!) continue;
        rest[at] = ms + rest[at + each.taken]!;
        best[at] = each;
      }
    }
    const choice: Record<string, string> = {};
    for (let at = 0; at < ops.length; ) {
      const name = passName(ops[at]!.label);
      const form = best[at]?.form.name ?? this.usual[name];
      if (form !== undefined) choice[name] = form;
      at += best[at]?.taken ?? 1;
    }
    return choice;
  }

  report(choice: FormChoice): MeasuredForm[] {
    return [...this.candidates]
      .sort((a, b) => a.places[0]! - b.places[0]! || b.taken - a.taken || (costOf(a) ?? 1e9) - (costOf(b) ?? 1e9))
      .map((each) => {
        const passes = each.places.map((at) => passName(this.ops[at]!.label));
        const [ms, usual] = [costOf(each), this.usualCost(each)];
        return {
          ...{ passes, operations: each.taken, form: each.form.name },
          ...(ms !== undefined && { ms, ...(usual && { ratio: ms / usual }) }),
          taken: passes.some((pass) => choice[pass] === each.form.name),
          ...(each.note !== undefined && { note: each.note }),
        };
      });
  }
}

const costOf = ({ times, first }: Candidate): number | undefined => (times.length > 0 ? median(times) : first);
const certain = ({ times }: Candidate): number | undefined =>
  times.length >= ROUNDS.fewest ? median(times) : undefined;

/** Compiles the candidates and runs each once, as long as there is time: first one other form of every run, dear ones first. */
async function prepare(stage: Stage, paths: Paths, left: (share?: number) => number): Promise<void> {
  const usual = paths.candidates.filter((each) => each.usual);
  for (const each of usual) await prepareOne(stage, each);
  const tries = new Map<number, number>();
  const others = paths.candidates
    .filter((each) => !each.usual)
    .map((each) => {
      const [place] = each.places as [number];
      tries.set(place, (tries.get(place) ?? 0) + 1);
      return { each, turn: tries.get(place)!, cost: paths.usualCost(each) ?? 0 };
    })
    .sort((a, b) => a.turn - b.turn || b.cost - a.cost);
  for (const { each, cost } of others) {
    if (left(COMPILING) <= 0) each.note = 'no time left';
    else await prepareOne(stage, each);
    if (each.note === undefined && cost > 0 && each.first! > HOPELESS * cost) each.note = 'too slow';
  }
}

async function prepareOne(stage: Stage, each: Candidate): Promise<void> {
  try {
    const start = performance.now();
    each.passes = await stage.passes(each.specs);
    // Drivers may compile at the first dispatch.
    const cold = await stage.time(each.passes, 1);
    const spent = performance.now() - start;
    const long = cold > LONGEST_DISPATCH_MS * each.specs.length;
    each.first = long ? cold : await stage.time(each.passes, 1);
    const compiling = spent - each.first;
    if (long) each.note = 'takes too long to run twice';
    else if (!each.usual && compiling > LONGEST_COMPILE_MS)
      each.note = `compiles for ${(compiling / 1000).toFixed(1)} s`;
  } catch (error) {
    if (each.usual || !(error instanceof DownhillError) || error.code === 'DEVICE-LOST') throw error;
    each.note = error.message;
  }
}

/** Times batches in turn, so that what else the machine does hits all alike. */
async function measure(stage: Stage, { candidates }: Paths, left: () => number): Promise<void> {
  const live = candidates.filter(({ note }) => note === undefined);
  for (let round = 0; round < ROUNDS.most; round++) {
    for (const each of round % 2 === 0 ? live : [...live].reverse()) {
      if (left() <= 0) return;
      const repeats = Math.ceil(BATCH_MS / Math.max(costOf(each)!, 1e-3));
      each.times.push(await stage.time(each.passes, Math.min(repeats, MOST_REPEATS)));
    }
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
