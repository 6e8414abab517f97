import { DownhillError, show } from '../gpu/errors.js';
import type { LossFunction, TargetsOf } from './loss.js';

/** How targets of one kind are read and checked. */
interface TargetKind<T> {
  /** Outputs that a network for them has. */
  width(targets: T): number;
  values(targets: T): ArrayLike<number> | undefined;
  /** Values of one sample. */
  perSample(width: number): number;
  /** @returns the first sample whose target is none */
  wrong(targets: T): number;
  /** What to do with a model that wants these when the data holds others. */
  readonly instead: string;
}

const kinds: { readonly [K in keyof TargetsOf]: TargetKind<TargetsOf[K]> } = {
  classes: {
    width: ({ classes }) => classes,
    values: ({ labels }) => labels,
    perSample: () => 1,
    wrong: ({ labels, classes }) => labels.findIndex((label) => !(label < classes)),
    instead: "Use loss: 'mse', or give arrays() a number of classes.",
  },
  values: {
    width: ({ width }) => width,
    values: ({ values }) => values,
    perSample: (width) => width,
    wrong: () => -1,
    instead: "Use loss: 'softmax-cross-entropy'.",
  },
};

/**
 * Targets must be those that a loss takes, as many as there are samples, and fit a network with so many outputs. They are
 * plain data that anybody can make or change.
 *
 * @throws DownhillError SHAPE-MISMATCH, DATA-MISMATCH, DATA-LABEL
 */
export function checkTargets(
  { row }: LossFunction,
  targets: TargetsOf[keyof TargetsOf],
  outputs: number,
  samples: number,
) {
  const wanted = row.targets;
  if (targets.kind !== wanted) {
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `The loss ${row.name} needs ${wanted} as targets, but the data holds ${show(targets.kind)}.`,
      kinds[wanted].instead,
    );
  }
  const kind: TargetKind<typeof targets> = kinds[wanted];
  const width = kind.width(targets);
  if (width !== outputs) {
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `The model has ${outputs} outputs, but the data ${width} ${wanted}.`,
      `Make the last size ${width}.`,
    );
  }
  const [length, expected] = [kind.values(targets)?.length, samples * kind.perSample(width)];
  if (length !== expected) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `The data says ${samples} samples: that needs ${expected} targets, but it holds ${length}.`,
      'Make it with arrays(), idx() or digits().',
    );
  }
  const wrong = kind.wrong(targets);
  if (wrong >= 0) {
    throw new DownhillError(
      'DATA-LABEL',
      `The label of sample ${wrong} is ${kind.values(targets)![wrong]}, but there are ${width} classes.`,
      `Use labels from 0 to ${width - 1}.`,
    );
  }
}
