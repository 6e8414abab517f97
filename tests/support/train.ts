import { arrays } from '../../src/data/arrays.js';
import { type Dataset, digits } from '../../src/data/index.js';
import type { StepReport, Trainer } from '../../src/train/types.js';
import { randomFloats } from './gpu.js';

export async function collect(trainer: Trainer, options: Parameters<Trainer['run']>[0]): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  for await (const report of trainer.run(options)) reports.push(report);
  return reports;
}

export const losses = (reports: readonly StepReport[]) => reports.map(({ loss }) => loss);

let made: Dataset | undefined;
/** The built-in digits, made once per test file. */
export const someDigits = () => {
  made ??= digits({ samples: 1000, seed: 1 });
  return made;
};

/** Random samples with random classes: nothing to learn, everything to compare. */
export const noise = (samples: number, features: number, classes: number) =>
  arrays({
    x: randomFloats(samples * features, 41),
    y: Uint8Array.from({ length: samples }, (_, i) => (i * 5 + 3) % classes),
    classes,
    features,
  });

/** Wraps a device's create* methods to count calls. */
export function countCreations(device: GPUDevice): { counts: Record<string, number>; restore(): void } {
  const counts: Record<string, number> = {};
  const names: string[] = [];
  for (let proto: object | null = device; proto; proto = Object.getPrototypeOf(proto)) {
    names.push(...Object.getOwnPropertyNames(proto).filter((name) => name.startsWith('create')));
  }
  const own = device as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const name of new Set(names)) {
    const original = own[name]!;
    Object.defineProperty(device, name, {
      configurable: true,
      value: (...args: unknown[]) => {
        counts[name] = (counts[name] ?? 0) + 1;
        return original.apply(device, args);
      },
    });
  }
  return {
    counts,
    restore: () => {
      for (const name of new Set(names)) delete own[name];
    },
  };
}
