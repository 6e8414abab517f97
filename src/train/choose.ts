import { describeAdapter } from '../gpu/device.js';
import { DownhillError, show, suggest } from '../gpu/errors.js';
import { passName } from '../kernels/lower.js';
import type { Form, Op } from '../kernels/op.js';
import { SHADERS } from '../shaders/hash.gen.js';
import { formsOf } from './forms.js';
import type { Chooser, Chosen, FormChoice, MeasuredPlan, PlanOption, PlanStore } from './plan-types.js';
import { signatureOf, takes, tune } from './tune.js';
import { VERSION } from './version.js';

/*
 * Who chooses the forms, where it is not the heuristic alone: a caller, a plan that was measured before, or a measurement.
 * Loaded when it is asked for.
 */

const FORMAT = 'downhill-plan/1';
const MODES = ['auto', 'pinned', 'measure'] as const;

/** What a trainer is told of its plan. */
export interface PlanSettings {
  readonly label: string;
  readonly plan: PlanOption;
  readonly plans: PlanStore | undefined;
  readonly planBudgetMs: number;
}

/**
 * Who chooses the forms of a program on this device.
 *
 * @throws DownhillError OPTION-* for what is no plan; PLAN-UNKNOWN for forms that are not there
 */
export async function chooserOf(device: GPUDevice, settings: PlanSettings): Promise<FormChoice | Chooser | undefined> {
  const { plan, plans } = settings;
  if (plans !== undefined && (typeof plans?.load !== 'function' || typeof plans.save !== 'function')) {
    throw new DownhillError(
      'OPTION-TYPE',
      `plans must be an object with the functions load and save, got ${show(plans)}.`,
      "Pass folderPlans() of 'downhill/node', or opfsPlans() in a browser.",
    );
  }
  if (typeof plan === 'string') {
    if (!(MODES as readonly string[]).includes(plan)) throw noPlan(plan, suggest(plan, MODES));
    if (plan === 'pinned') return undefined;
    return async (ops, forms) => {
      const task = { device, ops, forms, key: await keyOf(device, ops, forms) };
      const kept = plans && (await loadPlan(plans, task));
      if (kept && 'choice' in kept) return { chosenBy: 'kept', choice: kept.choice, measured: kept };
      const notes = kept ? [warn(kept.problem)] : [];
      if (plan === 'auto') return { chosenBy: 'heuristic', notes };
      return measurePlan(task, settings, notes);
    };
  }
  if (typeof plan !== 'object' || plan === null || Array.isArray(plan)) throw noPlan(plan);
  if ('format' in plan) {
    return async (ops, forms) => {
      const read = readPlan(plan, { device, ops, forms, key: await keyOf(device, ops, forms) });
      if ('choice' in read) return { chosenBy: 'kept', choice: read.choice, measured: read };
      return { chosenBy: 'heuristic', notes: [warn(read.problem)] };
    };
  }
  const names = (await formsOf(device, true)).map(({ name }) => name);
  for (const [pass, form] of Object.entries(plan)) {
    if (typeof form !== 'string') throw noPlan(plan);
    if (!names.includes(form))
      throw new DownhillError(
        'PLAN-UNKNOWN',
        `There is no form ${show(form)}, asked for ${pass}.`,
        suggest(form, names),
      );
  }
  return plan;
}

const noPlan = (plan: unknown, fix = "Pass 'auto', 'pinned', 'measure', or the choice of trainer.describe().") =>
  new DownhillError(
    typeof plan === 'string' ? 'OPTION-RANGE' : 'OPTION-TYPE',
    `plan must be one of ${MODES.join(', ')}, or forms by pass name, got ${show(plan)}.`,
    fix,
  );

/** What a plan is for. */
interface Task {
  readonly device: GPUDevice;
  readonly ops: readonly Op[];
  readonly forms: readonly Form[];
  readonly key: string;
}

function adapterOf(device: GPUDevice): MeasuredPlan['adapter'] {
  const { vendor, architecture, device: model, description } = describeAdapter(device);
  return { vendor, architecture, device: model, description };
}

/**
 * 32 digits of what a plan depends on: release and kernels, adapter, features and limits, the forms there are, ops and their
 * shapes. A form may keep its name where its kernel is another.
 */
export async function keyOf(
  device: GPUDevice,
  ops: readonly Op[],
  forms: readonly Form[],
  release: readonly string[] = [VERSION, SHADERS],
): Promise<string> {
  const { features, limits } = describeAdapter(device);
  const passes = ops.map(({ label }) => passName(label));
  const names = forms.map(({ name }) => name);
  const all = [release, adapterOf(device), features, limits, names, passes, signatureOf(ops)];
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(JSON.stringify(all)));
  return [...new Uint8Array(hash, 0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Why a plan is not used. */
interface Unusable {
  readonly problem: string;
}

async function loadPlan(plans: PlanStore, task: Task): Promise<MeasuredPlan | Unusable | undefined> {
  try {
    const kept = await plans.load(task.key);
    return kept === undefined ? undefined : readPlan(kept, task);
  } catch (error) {
    return { problem: `The kept plan cannot be read: ${(error as Error).message}` };
  }
}

/** A plan that was kept, where it is one for this: a file may be anything. */
function readPlan(plan: unknown, { device, ops, forms, key }: Task): MeasuredPlan | Unusable {
  const { format, version, adapter, key: of, choice } = (plan ?? {}) as Partial<MeasuredPlan>;
  const ignored = (why: string): Unusable => ({ problem: `The plan that was measured before is not used: ${why}.` });
  if (format !== FORMAT || typeof choice !== 'object' || choice === null) return ignored('it is no plan of downhill');
  if (version !== VERSION) return ignored(`release ${show(version)} measured it, this is ${VERSION}`);
  const [theirs, ours] = [adapter ?? {}, adapterOf(device)];
  if (Object.entries(ours).some(([name, value]) => (theirs as Record<string, unknown>)[name] !== value))
    return ignored(
      `it is of the adapter ${show((theirs as Partial<typeof ours>).description)}, this is ${show(ours.description)}`,
    );
  if (of !== key)
    return ignored('it is of another model, batch size, rule, build of the kernels, or device of the adapter');
  const strays = new Set(Object.keys(choice));
  for (let at = 0; at < ops.length; ) {
    const name = passName(ops[at]!.label);
    const found = forms.find((form) => form.name === choice[name] && takes(form, ops, at, device) > 0);
    if (!found) return ignored(`${show(choice[name])} is no form of ${name}`);
    strays.delete(name);
    at += takes(found, ops, at, device);
  }
  for (const stray of strays) return ignored(`there is no pass ${show(stray)} beside the others`);
  return plan as MeasuredPlan;
}

async function measurePlan(
  { device, ops, forms, key }: Task,
  { label, plans, planBudgetMs }: PlanSettings,
  notes: readonly string[],
): Promise<Chosen> {
  let tuned: Awaited<ReturnType<typeof tune>>;
  try {
    tuned = await tune(device, label, ops, forms, planBudgetMs);
  } catch (error) {
    // Copies take memory that the training itself may not need.
    if ((error as Partial<DownhillError>).code !== 'GPU-OUT-OF-MEMORY') throw error;
    return { chosenBy: 'heuristic', notes: [...notes, warn('There is no memory to measure plans in.')] };
  }
  const own = { format: FORMAT, version: VERSION, adapter: adapterOf(device), key, budgetMs: planBudgetMs } as const;
  const measured: MeasuredPlan = { ...own, ...tuned };
  const failed = await plans?.save(key, measured).then(
    () => undefined,
    (error: Error) => warn(`The measured plan is not kept: ${error.message}`),
  );
  return { chosenBy: 'measured', choice: tuned.choice, measured, notes: failed ? [...notes, failed] : notes };
}

/** Said where somebody sees it, and in the notes. */
function warn(what: string): string {
  console.warn(`downhill: ${what}`);
  return what;
}
