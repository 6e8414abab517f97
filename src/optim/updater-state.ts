import { DownhillError, show } from '../gpu/errors.js';
import { MAX_STEP } from '../kernels/account.js';
import { CLOCK_BYTES, type Clock, readClocks } from '../kernels/advance.js';
import type { Space } from '../space/space.js';
import { type Copies, checkAlike, type Json, type Stateful } from '../space/stateful.js';
import type { GradientSettings } from './gradient.js';
import type { Group } from './group.js';
import { type Rule, type RuleRow, startOf } from './rule.js';
import { checkSources, loadGroups, loadSources, saveGroups, sourcesOf } from './rules-state.js';
import type { ScalarRing } from './scalars.js';
import { wrappersJson } from './wrappers/wrapper.js';

/* What an updater knows beside its vectors and clocks, as JSON: rules as `set` left them, what they carry, schedules' states. */

interface Options extends GradientSettings {
  readonly row: RuleRow;
  readonly space: Space;
  readonly groups: readonly Group[];
}

/** Of this form; `optimizer.state()` has a number of its own. */
const VERSION = 1;

const settingsOf = ({ clip, clipValue, skip, gradScale, micro, wrappers = [], state }: Options): Json => ({
  clip: clip ? { ...clip } : null,
  clipValue: clipValue ?? null,
  skip: skip ? { ...skip } : null,
  gradScale,
  micro,
  ...(wrappers.length > 0 && { wrappers: wrappersJson(wrappers) }),
  // Not in files of before there was another.
  ...(state && state !== 'f32' && { state }),
});

/** An updater's values as they are now, whatever is issued or set until they are asked for. */
export function saveUpdater(options: Options, scalars: Pick<ScalarRing, 'rules' | 'carries'>): Pick<Stateful, 'host'> {
  const { row, groups } = options;
  const { rules } = scalars;
  const carryOf = scalars.carries();
  const sources = sourcesOf(rules).map((source) => source.state() as Json);
  return {
    host(copies) {
      const counts = readClocks(copies.get('clock')!).map(({ count }) => count);
      return {
        version: VERSION,
        rule: row.name,
        settings: settingsOf(options),
        groups: saveGroups(groups, rules, counts),
        carries: rules.map((_, record) => carryOf(record, counts[record % counts.length]!)),
        sources,
      };
    },
  };
}

const refuse = (message: string, fix: string): never => {
  throw new DownhillError('CHECKPOINT-MISMATCH', message, fix);
};

/** That a state is of the same rule and settings. @returns the state @throws DownhillError CHECKPOINT-* */
export function checkKind(options: Options, host: Json): Readonly<Record<string, Json>> {
  const { row } = options;
  const saved = (host ?? {}) as Readonly<Record<string, Json>>;
  if (saved.version !== VERSION) {
    throw new DownhillError(
      'CHECKPOINT-VERSION',
      `The optimizer's state in the file has the version ${show(saved.version)}; this release reads ${VERSION}.`,
      'Go on with the release that wrote it.',
    );
  }
  if (saved.rule !== row.name) {
    refuse(
      `The file is of the rule ${show(saved.rule)}, this trainer's is ${row.name}.`,
      `Make the trainer with ${show(saved.rule)}, or import the weights alone.`,
    );
  }
  const same = 'Make the trainer with the same clip, skipNonFinite, accumulate, wrappers and state.';
  checkAlike('optimizer settings', saved.settings, settingsOf(options), same);
  return saved;
}

/** The parts of an updater's state, checked; with `check` the states of schedules stay as they are. */
export function loadUpdater(
  options: Options,
  scalars: Pick<ScalarRing, 'rules'>,
  host: Json,
  copies: Copies,
  check = false,
): { readonly clocks: Clock[]; readonly carries: readonly (readonly number[])[]; readonly rules: Rule[] } {
  const { space, groups, micro } = options;
  const saved = checkKind(options, host);
  const bytes = copies.get('clock')!;
  if (bytes.byteLength !== CLOCK_BYTES * space.replicas)
    refuse(`The optimizer's clock takes ${bytes.byteLength} bytes in the file.`, 'Use a file that downhill wrote.');
  const clocks = readClocks(bytes);
  for (const clock of clocks) checkClock(clock, micro);
  const counts = clocks.map(({ count }) => count);
  const rules = loadGroups(groups, scalars.rules, counts, saved.groups!);
  const { carries } = saved;
  const width = startOf(options.row).length;
  const whole = (each: unknown) => Array.isArray(each) && each.length === width && each.every(Number.isFinite);
  if (!Array.isArray(carries) || carries.length !== rules.length || !carries.every(whole)) {
    return refuse(
      `What the file's rules carry is ${show(carries)}; ${rules.length} times ${width} numbers are needed.`,
      'Use a file that downhill wrote.',
    );
  }
  const sources = sourcesOf(rules);
  checkSources(sources, saved.sources);
  if (!check) loadSources(sources, saved.sources as readonly Json[]);
  return { clocks, carries, rules };
}

function checkClock({ step, count, micro, fate }: Clock, most: number): void {
  if (step <= MAX_STEP && count <= step && micro < most && fate <= 2) return;
  refuse(
    `The optimizer's clock in the file says step ${step}, update ${count}, micro-step ${micro} of ${most}.`,
    'Use an earlier checkpoint.',
  );
}
