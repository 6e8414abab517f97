import { BufferSet, guarded, range } from '../gpu/buffers.js';
import { checkOptions } from '../gpu/fields.js';
import { createPasses, type Pass } from '../gpu/passes.js';
import { curvature, curvatureForms } from '../kernels/curvature.js';
import { loadKernels, lower } from '../kernels/lower.js';
import type { Form, Op } from '../kernels/op.js';
import type { AdoptedTensor } from './adopt.js';
import { GradientSets } from './gradient-sets.js';
import type { StepOptions } from './optimizer-types.js';
import { segmentsOf, trainedSegments } from './trained.js';
import { bind, boundSources, type Source, spanName, type Updater } from './updater.js';

/*
 * Rules that divide by a curvature which a call of its own changes (`curvature` in their row): slot += w·(g² - slot). Loaded where
 * there is such a rule.
 */

/** An updater, and where gradients lie: sources of its space, and the copies that bring the caller's there. */
interface Gradients {
  readonly updater: Updater;
  gradients(tensors: readonly AdoptedTensor[]): { readonly fetch: readonly Op[]; readonly sources: readonly Source[] };
}

/** The ops of one call, for gradients wherever they lie. */
export function curvatureOps({ updater, gradients }: Gradients) {
  const { buffers, clock, scalars, options, slots } = updater;
  const { device } = buffers;
  const { space, groups, row } = options;
  const { slot, weight } = row.curvature!;
  const segments = trainedSegments(buffers, space, groups);
  const values = () => Float32Array.from(scalars.rules, ({ hyper }) => weight(hyper));
  const weights = range(buffers.upload('curvature-weights', values()));
  updater.changed.push(() => device.queue.writeBuffer(weights.buffer, 0, values()));
  const vector = slots.find(({ name }) => name === slot)!;
  return (now: readonly AdoptedTensor[], tables: BufferSet): Op[] => {
    const { fetch, sources } = gradients(now);
    const ops = boundSources(updater, sources).flatMap((source) => {
      const { span, parts, first, zero, unitOf } = source;
      const own = segmentsOf(segments, source, tables);
      if (own.count === 0) return [];
      const h = bind(device, vector.ranges[span]!);
      const shape = {
        ...{ segments: own.count, stride: space.spans[span]!.elements, zero, unit: unitOf(parts[0]!.tensor) },
        ...{ grad_first: first, hessian_first: h.first },
      };
      const operands = { segments: own.range, weights, grad: source.range, hessian: h.range, clock };
      return [curvature(spanName(options, 'curvature', source), shape, operands, space.replicas)];
    });
    return [...fetch, ...ops];
  };
}

export class Curvature {
  private constructor(
    readonly passes: readonly Pass[],
    readonly sets: GradientSets,
    readonly tables: BufferSet,
  ) {}

  /** @param forms of the copies */
  static async create(own: Gradients, tensors: readonly AdoptedTensor[], forms: readonly Form[]): Promise<Curvature> {
    const { buffers } = own.updater;
    const { device, label } = buffers;
    const tables = new BufferSet(device, label);
    try {
      const { opsFor, ops } = await guarded(device, label, () => {
        const made = curvatureOps(own);
        return { opsFor: made, ops: made(tensors, tables) };
      });
      const known = [...curvatureForms, ...forms];
      await loadKernels(ops, known, device);
      const passes = await createPasses(device, lower(ops, known, device).passes, tables);
      const planFor = (now: readonly AdoptedTensor[], theirs: BufferSet) =>
        lower(opsFor(now, theirs), known, device).passes;
      return new Curvature(passes, new GradientSets(buffers, tensors, planFor, undefined, 'updateHessian'), tables);
    } catch (error) {
      tables.destroy();
      throw error;
    }
  }

  /** Bytes made for it, beside the optimizer's own. */
  get bytes(): number {
    return this.tables.bytes + this.sets.bytes;
  }

  /** @throws DownhillError OPTION-*, BUFFER-*. */
  passesFor(options: StepOptions | undefined): readonly Pass[] {
    this.sets.check();
    if (options === undefined) return this.passes;
    checkOptions('updateHessian', options, ['grads']);
    return options.grads === undefined ? this.passes : this.sets.passesFor(options.grads);
  }

  destroy(): void {
    this.sets.destroy();
    this.tables.destroy();
  }
}
