import { BufferSet, guarded } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkDevice } from '../gpu/fields.js';
import { checkNotLost } from '../gpu/lost.js';
import { createPasses } from '../gpu/passes.js';
import { loadForeign } from '../kernels/foreign.js';
import { loadKernels, lower } from '../kernels/lower.js';
import { type AdoptedTensor, adoptTensors, hasHalves, isByRows, probeTensors, type TensorOptions } from './adopt.js';
import { BufferOptimizer, probe } from './buffer-optimizer.js';
import { GradientSets } from './gradient-sets.js';
import { makeGroups } from './groups.js';
import { checkOptimizerOptions, type OptimizerOptions, type OptimizerSettings } from './optimizer-options.js';
import type { Optimizer } from './optimizer-types.js';
import { rangeUpdater } from './range-update.js';
import { allSlots, checkRule, type FieldsOf, type Rule, type RuleRow } from './rule.js';
import { liveSlots, UPDATER_FORMS } from './updater.js';

/**
 * The update rule on memory that somebody else owns: adopts the device and the ranges, updates in place.
 *
 * @param device adopted, never destroyed
 * @param rule for example adamw({ lr: 1e-3 }); every number may be a schedule of the update count
 * @param tensors where parameters and gradients lie; neighbours in memory are updated in one dispatch, with gaps of up to 4 KiB between them
 * @example
 * const optimizer = await createOptimizer(device, adamw({ lr: 1e-3 }), [
 *   { name: 'w', shape: [784, 100], param: { buffer, offset: 0 }, grad: { buffer: gradients, offset: 0 } },
 * ], { clip: { globalNorm: 1 }, skipNonFinite: true });
 * optimizer.step(encoder);
 * @throws DownhillError before any GPU work: OPTION-*, HYPER-*, SHAPE-INVALID, BUFFER-USAGE, BUFFER-RANGE, BUFFER-OVERLAP,
 * LIMIT-BINDING; then BUFFER-INVALID for a destroyed buffer or one of another device, DEVICE-LOST, SHADER-COMPILE.
 */
export async function createOptimizer<R extends Rule>(
  device: GPUDevice,
  rule: R,
  tensors: readonly TensorOptions<FieldsOf<R>>[],
  options: OptimizerOptions = {},
): Promise<Optimizer<FieldsOf<R>>> {
  checkDevice('createOptimizer', device);
  const given = checkRule('createOptimizer', rule);
  checkOneGradient(given.row);
  const settings = checkOptimizerOptions(options);
  const { state, seed, perRow } = settings;
  const checked = perRow === undefined ? given : await (await import('./per-row.js')).perRowRule(given, perRow, state);
  const { row } = checked;
  const rows = Array.isArray(tensors) && tensors.some(isByRows) ? await import('./rows.js') : undefined;
  const adopted = adoptTensors(checked, tensors as readonly TensorOptions[], settings.unit, rows?.rowAdopter());
  rows?.checkActive(adopted);
  row.checkTensors?.(
    'createOptimizer',
    adopted.filter(({ frozen, elements }) => !frozen && elements > 0),
  );
  // On arenas of ours go rules of several passes, all rules on halves, and with fields of records whatever goes over whole vectors
  // beside the rule.
  const beside = settings.wrappers[0]?.row ?? ((row.evaluation ?? row.curvature) && row);
  const onArenas = row.passes ? row : adopted.some(hasHalves) ? { title: 'dtype f16' } : rows && beside;
  if (onArenas) rows?.checkArenas(adopted, onArenas.title);
  checkTogether(device, row, settings, rows !== undefined && !onArenas);
  const groups = makeGroups(adopted, settings.clip?.by === 'tensor' || row.perTensor === true);
  const packed =
    state === 'f32'
      ? undefined
      : await (await import('./packed.js')).loadPacked(row, liveSlots(row, groups), state, [seed]);
  const byRows = onArenas ? undefined : await rows?.RowSpans.create(row, adopted);
  await checkNotLost(device);
  await probeTensors(device, adopted, settings.label);

  const buffers = new BufferSet(device, settings.label);
  try {
    // Few need it: others' bundles do without.
    const staged = onArenas && (await import('./staged.js'));
    const loops = staged ? undefined : await loadForeign(row.shader);
    const own = await guarded(device, settings.label, () => {
      const options = { ...settings, row, groups, packed, ...(byRows && { rows: byRows }) };
      return staged
        ? staged.stagedUpdater(buffers, adopted, options)
        : rangeUpdater(buffers, adopted, options, loops!, rows?.recordSpans);
    });
    const { updater, ops, opsFor } = own;
    const around = settings.wrappers.flatMap(({ row: wrapper }) => wrapper.forms);
    const special = [
      ...(updater.packed?.forms ?? []),
      ...(staged?.stageForms ?? []),
      ...(rows?.ROW_FORMS ?? []),
      ...(row.forms ?? []),
    ];
    const forms = [...UPDATER_FORMS, ...special, ...around];
    await loadKernels(ops, forms, device);
    const plan = lower(ops, forms, device);
    const passes = await createPasses(device, plan.passes, buffers);
    await probe(device, passes, adopted, settings.label);
    const planFor = (now: readonly AdoptedTensor[], tables: BufferSet) =>
      lower(opsFor(now, tables), forms, device).passes;
    const sets = new GradientSets(buffers, adopted, planFor, byRows);
    const swap = row.evaluation && (await (await import('./evaluation.js')).EvaluationSwap.create(own, forms));
    const curvature = row.curvature && (await (await import('./curvature.js')).Curvature.create(own, adopted, forms));
    const moves = byRows && (await rows!.RowMoves.create(updater, byRows));
    return new BufferOptimizer<FieldsOf<R>>(updater, adopted, plan, passes, sets, { swap, moves, curvature });
  } catch (error) {
    buffers.destroy();
    throw error;
  }
}

/** Its owner has one gradient for each step. @throws DownhillError OPTION-RANGE */
function checkOneGradient({ name, minimizer }: RuleRow): void {
  if (!minimizer) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${name} looks at values and gradients at several points for a step, and createOptimizer has one gradient.`,
    'Use it with createTrainer, minimize, or createMinimizer, which calls you for values and gradients.',
  );
}

/** What the device, the rule and the options must agree on. @throws DownhillError OPTION-RANGE, LIMIT-BINDING */
function checkTogether(
  device: GPUDevice,
  row: RuleRow,
  { wrappers, state }: OptimizerSettings,
  records: boolean,
): void {
  const twice = wrappers.find(({ row: own }) => own.again);
  if (twice) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${twice.row.name} takes each gradient twice, but an optimizer cannot ask for one.`,
      'Use it in createTrainer.',
    );
  }
  const bindings = row.passes ? 8 : allSlots(row.shader).length + 3;
  const most = device.limits.maxStorageBuffersPerShaderStage;
  if (bindings > most) {
    throw new DownhillError(
      'LIMIT-BINDING',
      `The kernels bind ${bindings} storage buffers, but this device allows ${most}.`,
      'Request the device with a higher maxStorageBuffersPerShaderStage.',
    );
  }
  if (records && state !== 'f32') {
    throw new DownhillError(
      'OPTION-RANGE',
      `state is ${show(state)}, but fields of records have theirs in f32.`,
      "Leave state out: 'f32'.",
    );
  }
}
