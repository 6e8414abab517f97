import { MAX_F32 } from '../gpu/constants.js';
import { DownhillError, show } from '../gpu/errors.js';
import type { LossFunction, TargetKind, TargetsOf } from './loss.js';

/** A target that is none. */
interface Fault {
  readonly what: string;
  readonly fix: string;
}

/** How targets of one kind are read and checked. */
interface Kind<T> {
  /** Outputs that a network for them has. */
  width(targets: T): number;
  values(targets: T): ArrayLike<number> | undefined;
  /** What they must be an array of. */
  readonly arrays: readonly (new (
    length: number,
  ) => ArrayLike<number>)[];
  /** Values of one sample. */
  perSample(width: number): number;
  /** The first target that is none. @param within where the loss wants values to lie */
  fault(targets: T, within: readonly [number, number] | undefined): Fault | undefined;
  /** What to do with a model that wants others when the data holds these. */
  readonly instead: string;
}

/** How far the sum of probabilities may be from 1: those that come as float16 are 1e-3 off. */
const SUM_TOLERANCE = 2e-3;

const kinds: { readonly [K in TargetKind]: Kind<TargetsOf[K]> } = {
  classes: {
    width: ({ classes }) => classes,
    values: ({ labels }) => labels,
    arrays: [Uint8Array, Uint16Array, Uint32Array],
    perSample: () => 1,
    fault({ labels, classes }) {
      const sample = labels.findIndex((label) => !(label < classes));
      if (sample < 0) return undefined;
      return {
        what: `The label of sample ${sample} is ${labels[sample]}, but there are ${classes} classes.`,
        fix: `Use labels from 0 to ${classes - 1}.`,
      };
    },
    instead: "Use loss: 'softmax-cross-entropy'; for real targets leave out classes.",
  },
  values: {
    width: ({ width }) => width,
    values: ({ values }) => values,
    arrays: [Float32Array],
    perSample: (width) => width,
    fault(targets, within = ANY) {
      const { values, width } = targets;
      const at = values.findIndex((value, i) => !between(seen(targets, value, i % width), within));
      if (at < 0) return undefined;
      const where = `The target of sample ${Math.floor(at / width)}, column ${at % width}, is ${values[at]}`;
      if (within === ANY) {
        const trained = seen(targets, values[at]!, at % width);
        const scaled = Object.is(trained, values[at]) ? '' : `, and ${trained} scaled`;
        return {
          what: `${where}${scaled}: no finite float32.`,
          fix: 'Remove NaN and infinite targets, or scale them.',
        };
      }
      return {
        what: `${where}, which does not lie from ${within[0]} to ${within[1]}.`,
        fix: 'Correct or scale the targets, or use a loss for any values, such as mse.',
      };
    },
    instead: "Use a loss for values, such as loss: 'mse'; for classes give arrays() a number of classes.",
  },
  probabilities: {
    width: ({ classes }) => classes,
    values: ({ values }) => values,
    arrays: [Float32Array],
    perSample: (width) => width,
    fault({ values, classes }) {
      for (let at = 0; at < values.length; at += classes) {
        const sample = at / classes;
        let sum = 0;
        for (let j = 0; j < classes; j++) {
          const p = values[at + j]!;
          const what = `The probability of sample ${sample}, class ${j}, is ${p}.`;
          if (!between(p, [0, 1])) return { what, fix: 'Give probabilities from 0 to 1.' };
          sum += p;
        }
        const what = `The probabilities of sample ${sample} sum to ${sum}.`;
        if (Math.abs(sum - 1) > SUM_TOLERANCE) return { what, fix: 'Make them sum to 1.' };
      }
      return undefined;
    },
    instead: "Use loss: 'softmax-cross-entropy'.",
  },
};

/** Where a loss says nothing of where values lie: they must be numbers that a kernel has. */
const ANY = [-MAX_F32, MAX_F32] as const;

const between = (value: number, [low, high]: readonly [number, number]) => value >= low && value <= high;

const at = (numbers: number | ArrayLike<number> | undefined, i: number) =>
  typeof numbers === 'object' ? numbers[i]! : numbers;

/** A target value as the network is trained on it. */
const seen = ({ scale, shift }: TargetsOf['values'], value: number, column: number) =>
  value * (at(scale, column) ?? 1) + (at(shift, column) ?? 0);

/**
 * Targets must be those that a loss takes, as many as there are samples, and fit a network with so many outputs. They are
 * plain data that anybody can make or change.
 *
 * @throws DownhillError SHAPE-MISMATCH, OPTION-TYPE, DATA-MISMATCH, DATA-LABEL
 */
export function checkTargets({ row }: LossFunction, targets: TargetsOf[TargetKind], outputs: number, samples: number) {
  const taken = [row.targets, ...(row.also ?? [])];
  if (!taken.includes(targets.kind)) {
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `The loss ${row.name} needs ${taken.join(' or ')} as targets, but the data holds ${show(targets.kind)}.`,
      kinds[targets.kind]?.instead ?? 'Make the data with arrays(), idx() or digits().',
    );
  }
  const kind = kinds[targets.kind] as Kind<typeof targets>;
  const width = kind.width(targets);
  if (width !== outputs) {
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `The model has ${outputs} outputs, but the data ${show(width)} ${targets.kind}.`,
      `Make the last size ${show(width)}.`,
    );
  }
  const values: unknown = kind.values(targets);
  if (!kind.arrays.some((Values) => values instanceof Values)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `Targets of the kind ${targets.kind} are a ${kind.arrays.map(({ name }) => name).join(' or ')}, got ${show(values)}.`,
      'Make the data with arrays(), idx() or digits().',
    );
  }
  const [length, expected] = [(values as ArrayLike<number>).length, samples * kind.perSample(width)];
  if (length !== expected) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `The data says ${samples} samples: that needs ${expected} targets, but it holds ${length}.`,
      'Make it with arrays(), idx() or digits().',
    );
  }
  const fault = kind.fault(targets, row.within);
  if (fault) throw new DownhillError('DATA-LABEL', fault.what, fault.fix);
}
